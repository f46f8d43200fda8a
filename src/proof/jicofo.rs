//! Waits for jicofo, which loses its connection when Prosody restarts and reconnects by itself, and needs seconds to
//! start when it is restarted.

use std::time::{Duration, SystemTime};

use anyhow::Result;

use crate::debian::dpkg;
use crate::host::Host;
use crate::jicofo;
use crate::login::Server;
use crate::proof::{self, PlannedProbe};
use crate::prosody::daemon;

/// How long jicofo may take to reconnect.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until jicofo opens rooms for the login that `opener` returns, if it is needed for that, is installed, and may
/// still be starting or reconnecting.
pub fn wait(host: &dyn Host, server: &Server, opener: impl Fn(SystemTime) -> Option<PlannedProbe>) -> Result<()> {
    if server.focus.is_none() || !dpkg::installed(host)?.contains("jicofo") {
        return Ok(());
    }
    match until(host)?.filter(|until| *until > host.now()) {
        Some(until) => proof::wait_for_jicofo(host, server, opener, until),
        None => Ok(()),
    }
}

/// When to stop waiting: jicofo needs as long after its own restart as after Prosody's.
fn until(host: &dyn Host) -> Result<Option<SystemTime>> {
    let prosody = daemon::running(host)?.map(|daemon| daemon.since);
    // If its start is unknown, there is only Prosody's to go by.
    let own = jicofo::daemon::running(host).unwrap_or_default().map(|running| running.since);
    Ok(prosody.max(own).map(|since| since + PATIENCE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn the_later_restart_counts() {
        let left = |host: &FakeHost| until(host).unwrap().unwrap().duration_since(host.now()).ok();
        let prosody = FakeHost::new().running_prosody(90);
        assert_eq!(left(&prosody), None);
        let both = prosody
            .file("/run/jicofo.pid", "9\n")
            .file("/proc/9/status", "Uid:\t108\t108\t108\t108\nGid:\t1\t1\t1\t1\n")
            .file("/proc/9/stat", "9 (java) S 1 9 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9500 0");
        assert_eq!(left(&both), Some(Duration::from_secs(55)));
        assert_eq!(until(&FakeHost::new()).unwrap(), None);
    }
}
