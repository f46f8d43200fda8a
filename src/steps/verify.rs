//! `verify`: logins against the running server, each with what this configuration must answer.

use anyhow::Result;

use crate::login::Server;
use crate::prosody::{expectations, guests, jicofo, listening};
use crate::settings::Credentials;
use crate::step::{Check, Context};
use crate::{credentials, probe};

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
    let server = Server {
        guests: guests::served(&config, &site.domain),
        ..site.server()
    };
    listening::wait(cx.host, &server)?;
    jicofo::wait(cx.host, &server, &wanted)?;
    let now = cx.host.now();
    let planned = || {
        if cx.thorough {
            probe::plan(&wanted, now, None)
        } else {
            probe::quick(&wanted, now)
        }
    };
    Ok(Check::Proved(probe::run(cx.host, &[server], |_| planned())))
}
