//! `moderators-module`: if the token decides who moderates and Jitsi has no module for that yet, ours is installed.

use anyhow::Result;

use crate::engine::step::Check;
use crate::site::moderators::{JITSIS, MODULE, OURS, module};
use crate::site::policy::Moderators;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    if cx.settings.policy.moderators != Some(Moderators::Token) {
        return Check::not_needed("only needed with --moderators token");
    }
    if module(cx.host)? == JITSIS {
        return Check::satisfied(format!("Jitsi includes {JITSIS}"));
    }
    match MODULE.missing(cx.host)? {
        None => Check::satisfied(format!("{} is installed", MODULE.path().display())),
        Some(change) => {
            Check::pending(format!("this Jitsi has no {JITSIS}: install {OURS}, which reads the same claims"), [change])
        }
    }
}
