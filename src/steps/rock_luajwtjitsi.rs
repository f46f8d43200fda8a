//! `rock-luajwtjitsi`: the `luajwtjitsi` that Prosody loads does what the installed plugin needs, and what it requires
//! itself loads. A function of the right name is not enough: the one in the rock 2.0-0 takes two arguments fewer and
//! accepts every issuer.

use anyhow::Result;

use crate::engine::change::Change;
use crate::engine::step::Check;
use crate::host::Host;
use crate::host::command::Brings;
use crate::luarocks::fork_commit::Pin;
use crate::luarocks::rockspec;
use crate::luarocks::{install, remove_broken_rock, watches};
use crate::prosody::era::Era;
use crate::prosody::load_test::Trouble;
use crate::site::facts::Site;
use crate::site::modules::{self, Missing};
use crate::site::settings::Settings;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    if site.plugin.era == Era::Bundled {
        return Check::not_needed("Jitsi's plugins include luajwtjitsi");
    }
    // basexx has a step of its own.
    let closure = modules::closure(site.plugin.era);
    let mut missing = modules::missing(cx.host, site)?;
    missing.retain(|missing| missing.module != "basexx" && closure.contains(&missing.module));
    let mut why = Vec::new();
    if !missing.is_empty() {
        why.push(modules::why(&missing));
    }
    let test = modules::test(cx.host, site)?;
    let trouble =
        modules::jwt_trouble(cx.host, &test)?.filter(|trouble| trouble.behind || modules::needs_rock(site, trouble));
    why.extend(trouble.iter().map(|trouble| trouble.text("luajwtjitsi")));
    if why.is_empty() {
        if matches!(test.jwt, Some(Err(_))) {
            return Check::satisfied("luajwtjitsi works once the steps above are done");
        }
        return Check::satisfied("luajwtjitsi accepts valid tokens and rejects invalid ones");
    }
    let changes = changes(cx, site, &missing, trouble.as_ref());
    Check::pending_or_blocked(why.join("; "), changes)
}

fn changes(cx: &Context, site: &Site, missing: &[Missing], trouble: Option<&Trouble>) -> Result<Vec<Change>> {
    let mut changes = modules::changes(cx.host, site, &cx.settings, missing)?;
    match trouble {
        Some(trouble) if trouble.behind => {
            changes.extend(modules::move_aside(cx.host, &trouble.in_the_way)?);
        }
        Some(trouble) => {
            let hiding = modules::hiding_a_rock(site, trouble);
            changes.extend(modules::move_aside(cx.host, &hiding)?);
            changes.extend(remove_broken_rock(cx.host, &site.lua, "luajwtjitsi")?);
            changes.push(rock(cx.host, site, &cx.settings)?);
        }
        None => {}
    }
    Ok(changes)
}

/// The rock itself: the requested version, else the era's. If the fork is unavailable or unusable (the code under its
/// tag may need luacrypto, which no Debian release has any more), upstream's 2.0-0 has the old function too.
fn rock(host: &dyn Host, site: &Site, settings: &Settings) -> Result<Change> {
    let upstream = |version: &str| {
        let command = install(host, &site.lua, settings.rocks_server.as_deref(), "luajwtjitsi", Some(version))?
            .brings([Brings::JwtFunction]);
        Ok(Change::run(command, watches()))
    };
    match (&settings.luajwtjitsi, site.plugin.era) {
        (Some(version), _) => upstream(version),
        (None, Era::Decode) => {
            let fork = install(host, &site.lua, settings.rocks_server.as_deref(), rockspec::PATH, None)?
                .brings([Brings::JwtFunction]);
            let pin = Pin { url: settings.fork.url.clone(), tag: settings.fork.tag.clone() };
            Ok(Change::Fallback {
                first: Box::new(pin.with(Change::run(fork, watches()))),
                otherwise: vec![upstream("2.0-0")?],
                note: format!(
                    "the fork {} ({}) could not be used; installed luajwtjitsi 2.0-0 from the LuaRocks server \
                     instead, which has the same function (choose with --luajwtjitsi-git and --luajwtjitsi-tag, or --luajwtjitsi 2.0-0)",
                    settings.fork.url, settings.fork.tag
                ),
            })
        }
        (None, Era::Verify | Era::Bundled) => upstream("3.0-0"),
    }
}
