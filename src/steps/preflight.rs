//! `preflight`: root, Debian's family, Prosody and Jitsi configured, the domain known.

use anyhow::Result;

use crate::probe::Era;
use crate::prosody::{acceptance, daemon};
use crate::step::{Check, Context};

pub fn check(cx: &Context) -> Result<Check> {
    let site = match &cx.facts.site {
        Ok(site) => site,
        Err(obstacle) => return Check::blocked(&obstacle.why, &obstacle.fix),
    };
    // A running Prosody has accepted its configuration; a stopped one may have stopped because of it.
    if daemon::running(cx.host)?.is_none() {
        if let Err(complaint) = acceptance::current(cx.host)? {
            return Check::blocked(
                format!("Prosody does not accept its configuration: {complaint}"),
                "correct it, then run this again; nothing was changed",
            );
        }
    }
    let call = match site.plugin.era {
        Era::Decode => "calls luajwtjitsi's decode",
        Era::Verify => "calls luajwtjitsi's verify",
        Era::Bundled => "brings its own luajwtjitsi",
    };
    Check::satisfied(format!(
        "{}: Prosody {} on Lua {}, whose token plugin {call} ({})",
        site.domain, site.prosody, site.lua.version, site.plugin.told_by
    ))
}
