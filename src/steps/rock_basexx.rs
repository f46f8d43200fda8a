//! `rock-basexx`: `basexx` loads in Prosody's Lua. In the common how-to (docs/speed.md): `luarocks install basexx`.

use anyhow::Result;

use crate::engine::step::Check;
use crate::site::modules;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    if !modules::test(cx.host, site)?.modules.contains_key("basexx") {
        return Check::not_needed("not needed by Jitsi's plugins");
    }
    let mut missing = modules::missing(cx.host, site)?;
    missing.retain(|missing| missing.module == "basexx");
    if cx.host.assumed().modules.iter().any(|module| module == "basexx") {
        return Check::satisfied("basexx is installed with the packages above");
    }
    if missing.is_empty() {
        return Check::satisfied(format!("basexx loads in Lua {}", site.lua.version));
    }
    Check::pending_or_blocked(modules::why(&missing), modules::changes(cx.host, site, &cx.settings, &missing))
}
