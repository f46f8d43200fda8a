//! `rock-basexx`: `basexx` loads in Prosody's Lua. In the tutorial this is `luarocks install basexx`.

use anyhow::Result;

use crate::modules;
use crate::prosody::luarocks::{DECODE_CLOSURE, provide};
use crate::step::{Check, Context};

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    if !modules::wanted(site).contains("basexx") {
        return Check::skipped("Jitsi's plugins do not ask for it");
    }
    match modules::test(cx.host, site)?.loads(cx.host, "basexx") {
        Ok(()) => Check::satisfied(format!("basexx loads in Lua {}", site.lua.version)),
        Err(why) => Check::pending(
            why,
            provide(cx.host, &site.lua, cx.settings, &DECODE_CLOSURE[0])?,
        ),
    }
}
