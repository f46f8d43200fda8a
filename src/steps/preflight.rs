//! `preflight`: root, a Debian-based system, Prosody and Jitsi configured, the domain known, and the
//! credentials readable, if there are any.

use anyhow::Result;

use crate::engine::step::Check;
use crate::prosody::era::Era;
use crate::site::credentials::unusable;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = match &cx.facts.site {
        Ok(site) => site,
        Err(obstacle) => return Check::blocked(&obstacle.why, &obstacle.fix),
    };
    if let Some(obstacle) = unusable(&site.config(cx.host)?, &site.domain, &cx.settings) {
        return Check::blocked(obstacle.why, obstacle.fix);
    }
    let call = match site.plugin.era {
        Era::Decode => "calls luajwtjitsi's decode",
        Era::Verify => "calls luajwtjitsi's verify",
        Era::Bundled => "includes luajwtjitsi",
    };
    Check::satisfied(format!(
        "{}: Prosody {} on Lua {} ({}); Jitsi's token plugin {call} ({})",
        site.domain,
        site.prosody,
        site.lua.version,
        site.lua.path.display(),
        site.plugin.era_source
    ))
}
