//! `verify`: logins against the running server, each with what this configuration must answer.

use anyhow::Result;

use crate::credentials::{self, Source};
use crate::login::Server;
use crate::probe;
use crate::proof::{at_restart, whole};
use crate::prosody::{daemon, expectations, jicofo, listening};
use crate::settings::Credentials;
use crate::step::{Check, Context};

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let config = site.config(cx.host)?;
    let chosen = credentials::choose(cx.host, cx.settings, &config, &site.domain)?;
    if chosen.secret_from == Source::Generated {
        return Check::skipped("no logins: tokens are not set up here yet");
    }
    if daemon::running(cx.host)?.is_none() {
        return Check::skipped("no logins: Prosody does not run");
    }
    let Credentials { app_id, app_secret } = chosen.credentials;
    let wanted = expectations::read(
        cx.host,
        &config,
        &site.domain,
        &app_id,
        app_secret,
        &site.plugin,
    )?;
    let server = site.configured_server(&config);
    listening::wait(cx.host, &server)?;
    let proof = if cx.thorough {
        jicofo::wait(cx.host, &server, &wanted)?;
        let plan = |_: &Server| probe::plan(&wanted, cx.host.now(), None);
        let proof = probe::run(cx.host, &[server], plan);
        whole::remember(cx.host, &config, &proof)?;
        proof
    } else {
        let quick = |server: Server| {
            probe::run(cx.host, &[server], |_| probe::quick(&wanted, cx.host.now()))
        };
        match whole::known(cx.host, &config)? {
            Some(last) => last.renew(quick(Server {
                opens_rooms: false,
                ..server
            })),
            None => {
                jicofo::wait(cx.host, &server, &wanted)?;
                quick(server)
            }
        }
    };
    Ok(Check::Proved(at_restart::judge(proof, site, &config)))
}
