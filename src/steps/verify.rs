//! `verify`: logins against the running server, each with the answer that this configuration must give.

use anyhow::Result;

use crate::engine::report::Verdict;
use crate::engine::step::Check;
use crate::login::Server;
use crate::proof;
use crate::proof::jicofo;
use crate::proof::recorder::Recorder;
use crate::proof::{last_proof, next_restart};
use crate::prosody::{daemon, listening};
use crate::site::credentials::{self, Source};
use crate::site::settings::Settings;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let config = site.config(cx.host)?;
    if let Some(found) = credentials::unusable(&config, &site.domain, &cx.settings) {
        return Check::skipped(format!("no test logins: {}", found.why));
    }
    // Given credentials are in the configuration by now, unless that step was left out (`--only`).
    let settings = Settings { app_id: None, app_secret: None, ..cx.settings.clone() };
    let chosen = credentials::choose(cx.host, &settings, &config, &site.domain)?;
    if chosen.secret_from == Source::Generated {
        return Check::skipped("no test logins: tokens are not set up yet");
    }
    if daemon::running(cx.host)?.is_none() {
        return Check::skipped("no test logins: Prosody is not running");
    }
    let mut wanted = site.expectations(cx.host, &config, &chosen.credentials)?;
    let server = site.server(&config);
    listening::wait(cx.host, &server)?;
    let _accepted = proof::with_key(cx.host, &mut wanted, cx.thorough)?;
    proof::wait_for_keys(cx.host, &server, &wanted)?;
    let transport = server.transport;
    let mut proof = if cx.thorough {
        let recorder = Recorder::new(cx.host, &site.lua.account, &wanted)?;
        jicofo::wait(cx.host, &server, |now| recorder.opener(&wanted, now))?;
        let plan = |_: &Server| {
            let now = cx.host.now();
            proof::plan(&wanted, now, None).into_iter().chain(recorder.probe(&wanted, now)).collect()
        };
        let mut proof = proof::run(cx.host, &[server], plan);
        recorder.done(&mut proof);
        proof::warn_if_unusable(&mut proof, &wanted);
        last_proof::remember(cx.host, &config, &site.domain, &proof)?;
        proof
    } else {
        let all = proof::plan(&wanted, cx.host.now(), None).len();
        let quick = |server: Server| {
            let planned = proof::quick(&wanted, cx.host.now());
            let made = planned.len();
            let mut proof = proof::run(cx.host, &[server], |_| planned.clone());
            proof.logins_planned = all;
            if proof.verdict == Verdict::Full {
                proof.why += &format!(" ({made} of {all} logins; `jitsi-tokens-setup verify` makes all)");
            }
            proof
        };
        match last_proof::known(cx.host, &config, &site.domain)? {
            Some(last) => last.renew(quick(Server { opens_rooms: false, ..server })),
            None => {
                jicofo::wait(cx.host, &server, |now| proof::opener(&wanted, now, None))?;
                quick(server)
            }
        }
    };
    proof.transports_not_tried = proof::not_tried(site, &config, &[transport], false);
    Ok(Check::Proved(next_restart::judge(proof, site, &config)))
}
