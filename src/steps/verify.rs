//! `verify`: logins against the running server, each with what this configuration must answer.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

use crate::debian::dpkg;
use crate::login::Server;
use crate::prosody::{daemon, expectations};
use crate::settings::Credentials;
use crate::step::{Check, Context};
use crate::{credentials, probe};

/// How long jicofo may take to come back after a start of Prosody, which ends its connection.
const JICOFO: Duration = Duration::from_secs(60);

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let config = site.config(cx.host)?;
    let Credentials { app_id, app_secret } =
        credentials::choose(cx.host, cx.settings, &config, &site.domain)?.credentials;
    let wanted = expectations::read(
        cx.host,
        &config,
        &site.domain,
        &app_id,
        app_secret,
        &site.plugin,
    )?;
    let server = site.server();
    if let Some(until) = jicofo_comes_until(cx, &server)? {
        probe::wait_for_jicofo(cx.host, &server, &wanted, until)?;
    }
    let now = cx.host.now();
    let planned = if cx.thorough {
        probe::plan(&wanted, now)
    } else {
        probe::quick(&wanted, now)
    };
    planned.first().context("no login is planned")?;
    Ok(Check::Proved(probe::run(cx.host, &server, &planned)))
}

/// Until when a jicofo that does not answer may still be on its way; none if it is not needed, not installed, or had
/// its time.
fn jicofo_comes_until(cx: &Context, server: &Server) -> Result<Option<SystemTime>> {
    if server.focus.is_none() || !dpkg::installed(cx.host)?.contains("jicofo") {
        return Ok(None);
    }
    let until = daemon::running(cx.host)?.map(|daemon| daemon.since + JICOFO);
    Ok(until.filter(|until| *until > cx.host.now()))
}
