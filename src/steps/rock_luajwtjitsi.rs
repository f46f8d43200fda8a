//! `rock-luajwtjitsi`: the `luajwtjitsi` that Prosody loads does what the installed plugin asks of it, and what it
//! requires itself loads. A function of the right name is not enough: that of the rock
//! 2.0-0 takes two arguments less and lets every issuer in.

use anyhow::Result;

use crate::change::Change;
use crate::command::Brings;
use crate::facts::Site;
use crate::modules;
use crate::probe::Era;
use crate::prosody::luarocks::{DECODE_CLOSURE, clear_way, install, provide, watches};
use crate::rockspec;
use crate::settings::Settings;
use crate::step::{Check, Context};

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    if site.plugin.era == Era::Bundled {
        return Check::skipped("Jitsi's plugins bring their own luajwtjitsi");
    }
    let test = modules::test(cx.host, site)?;
    let mut why = Vec::new();
    let mut changes = Vec::new();
    // basexx has a step of its own.
    for rock in DECODE_CLOSURE
        .iter()
        .skip(1)
        .filter(|_| site.plugin.era == Era::Decode)
    {
        if let Some(error) = rock
            .modules
            .iter()
            .find_map(|module| test.loads(cx.host, module).err())
        {
            why.push(error);
            changes.extend(provide(cx.host, &site.lua, cx.settings, rock)?);
        }
    }
    match &test.jwt {
        Some(Err(_)) if cx.host.assumed().jwt_function => {}
        // What is missing underneath is named already; with it in place the rock itself may be sound.
        Some(Err(error))
            if changes.is_empty()
                || !error.contains("' not found")
                || error.contains("'luajwtjitsi'") =>
        {
            why.push(format!("luajwtjitsi: {error}"));
            changes.extend(clear_way(cx.host, &site.lua, "luajwtjitsi")?);
            changes.push(rock(site, cx.settings));
        }
        _ => {}
    }
    if changes.is_empty() {
        return Check::satisfied("luajwtjitsi takes a good token and refuses a bad one");
    }
    Check::pending(why.join("; "), changes)
}

/// The rock itself: the version asked for, else the era's. Without the fork, upstream's 2.0-0 has the old function too.
fn rock(site: &Site, settings: &Settings) -> Change {
    let upstream = |version: &str| {
        let command = install(&site.lua, settings, "luajwtjitsi", Some(version))
            .brings([Brings::JwtFunction]);
        Change::run(command, watches())
    };
    match (&settings.luajwtjitsi, site.plugin.era) {
        (Some(version), _) => upstream(version),
        (None, Era::Decode) => {
            let fork =
                install(&site.lua, settings, rockspec::PATH, None).brings([Brings::JwtFunction]);
            Change::Fallback {
                first: Box::new(Change::run(fork, watches())),
                otherwise: vec![upstream("2.0-0")],
                note: "the fork could not be had, so upstream's luajwtjitsi 2.0-0, which has the same function, takes its place"
                    .to_owned(),
            }
        }
        (None, Era::Verify | Era::Bundled) => upstream("3.0-0"),
    }
}
