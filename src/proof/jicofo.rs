//! Waiting for jicofo, which loses its connection when Prosody is restarted and comes back by itself.

use std::time::Duration;

use anyhow::Result;

use crate::debian::dpkg;
use crate::host::Host;
use crate::login::Server;
use crate::proof;
use crate::prosody::daemon;
use crate::site::expectations::Expectations;

/// How long it may take to come back.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until jicofo opens rooms, if it is needed for that, is installed, and may still be on its way.
pub fn wait(host: &dyn Host, server: &Server, wanted: &Expectations) -> Result<()> {
    if server.focus.is_none() || !dpkg::installed(host)?.contains("jicofo") {
        return Ok(());
    }
    let until = daemon::running(host)?.map(|daemon| daemon.since + PATIENCE);
    match until.filter(|until| *until > host.now()) {
        Some(until) => proof::wait_for_jicofo(host, server, wanted, until),
        None => Ok(()),
    }
}
