//! `options`: what was chosen for good is remembered, so a rerun and a repair keep it.

use std::path::Path;

use anyhow::Result;

use crate::engine::change::Change;
use crate::engine::step::Check;
use crate::host::Access;
use crate::site::remembered::{PATH, Remembered};
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let wanted = Remembered::of(&cx.settings.policy);
    let seen = cx.host.read(Path::new(PATH))?;
    let options = wanted.options().join(" ");
    if seen.is_none() && wanted == Remembered::default() {
        return Check::not_needed("no options to save");
    }
    if Remembered::read(cx.host, &site.domain)? == wanted {
        let said = if options.is_empty() { "no options saved".to_owned() } else { format!("saved: {options}") };
        return Check::satisfied(said);
    }
    let why = match options.is_empty() {
        true => "remove the saved options".to_owned(),
        false => format!("save: {options}"),
    };
    Check::pending(
        why,
        [Change::write(PATH, wanted.to_bytes(cx.host, &site.domain)?, Access::root(0o600)).in_place_of(seen)],
    )
}
