//! `moderators-module`: where the token is to say who moderates and Jitsi has no module for it yet, ours is in place.

use std::path::Path;

use anyhow::Result;

use crate::engine::change::Change;
use crate::engine::step::Check;
use crate::host::Access;
use crate::prosody::plugin::FOLDER;
use crate::site::moderators::{JITSIS, OURS, TEXT, module};
use crate::site::policy::Moderators;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    if cx.settings.policy.moderators != Some(Moderators::Token) {
        return Check::skipped("only needed with --moderators token");
    }
    if module(cx.host)? == JITSIS {
        return Check::satisfied(format!("Jitsi includes {JITSIS}"));
    }
    let path = Path::new(FOLDER).join(format!("mod_{OURS}.lua"));
    let seen = cx.host.read(&path)?;
    if seen.as_deref() == Some(TEXT.as_bytes()) {
        return Check::satisfied(format!("{} is installed", path.display()));
    }
    let why = format!("this Jitsi has no {JITSIS}: install {OURS}, which reads the same claims");
    Check::pending(why, [Change::write(path, TEXT, Access::root(0o644)).in_place_of(seen)])
}
