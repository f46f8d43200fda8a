//! `key-source`: if tokens are checked with somebody else's keys, the installed plugins can use them, and the address
//! serves what they expect.

use anyhow::Result;

use crate::engine::step::Check;
use crate::site::key_source::{KeySource, look, unable};
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let config = site.config(cx.host)?;
    let Some(source) = KeySource::wanted(&config, &site.domain, &cx.settings.policy) else {
        return Check::not_needed("not used (see --key-server and --jwks)");
    };
    if let Some(obstacle) = unable(cx.host, &site.plugin, &source)? {
        return Check::blocked(obstacle.why, obstacle.fix);
    }
    match look(cx.host, &site.plugin, &source)? {
        Err(why) => Check::blocked(why, "correct this at the key source, then run this again; nothing was changed"),
        Ok(looked) => Check::satisfied(format!("{}: {}", source.name(), looked.describe())),
    }
}
