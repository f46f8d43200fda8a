//! `lua-modules`: every other module that the token plugins require, directly or through their own files, loads.

use anyhow::Result;

use crate::engine::step::Check;
use crate::site::modules;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let missing = modules::missing(cx.host, site)?;
    if missing.is_empty() {
        let lua = &site.lua.version;
        // In a preview, what the steps above would install counts as installed.
        return Check::satisfied(if cx.host.assumed().modules.is_empty() {
            format!("every Lua module that Jitsi's plugins need loads in Lua {lua}")
        } else {
            format!("all other Lua modules that Jitsi's plugins need load in Lua {lua}")
        });
    }
    Check::pending_or_blocked(modules::why(&missing), modules::changes(cx.host, site, &cx.settings, &missing))
}
