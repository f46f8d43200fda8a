//! `jicofo`: it makes no owners by itself if the token decides who moderates, and runs with that setting.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::debian::dpkg;
use crate::engine::change::{Change, Seen};
use crate::engine::step::Check;
use crate::host::ownership::changeable;
use crate::host::{Access, AccessList};
use crate::jicofo::config::{FOLDER, PATH, by_hand, with_owners};
use crate::jicofo::daemon::{Restart, is_stale, running};
use crate::site::policy::Moderators;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let Some(moderators) = cx.settings.policy.moderators else {
        return Check::not_needed("not used (see --moderators)");
    };
    let makes_owners = moderators == Moderators::All;
    let path = Path::new(PATH);
    let bytes = match dpkg::installed(cx.host)?.contains("jicofo") {
        true => cx.host.read(path)?,
        false => None,
    };
    let Some(bytes) = bytes else {
        return without_jicofo(makes_owners);
    };
    let set = by_hand(makes_owners);
    let edit = match std::str::from_utf8(&bytes) {
        Ok(text) => with_owners(text, makes_owners),
        Err(_) => Err((1, "not valid UTF-8")),
    };
    let after = match edit {
        Ok(after) => after,
        Err((line, why)) => {
            let fix = format!("set {set} by hand and restart jicofo, then run this again; nothing was changed");
            return Check::blocked(format!("{PATH}:{line}: {why}"), fix);
        }
    };
    let stat = cx.host.stat(path)?.context("the file vanished")?;
    let Some(after) = after else {
        return restarted(cx, &set);
    };
    let access = Access { mode: stat.mode, uid: stat.uid, gid: stat.gid };
    let write = Change::write(path, after, access).in_place_of(Seen::Bytes(bytes)).with_list(AccessList::Kept);
    // jicofo's package makes its account the owner of the folder; then that account has to write the file.
    let mut changes = match changeable(cx.host, path)? {
        None => vec![write],
        Some(_) if stat.uid != 0 => vec![write.by_owner()],
        Some(why) => {
            return Check::blocked(
                format!("{PATH} belongs to root and {why}"),
                format!("run `chown --reference={FOLDER} {PATH}`, then run this again"),
            );
        }
    };
    if cx.settings.restart && running(cx.host)?.is_some() {
        changes.push(Change::Act(Arc::new(Restart)));
    }
    Check::pending(format!("set {set} for jicofo"), changes)
}

/// Checks whether the running jicofo has loaded the setting, which is in the file already.
fn restarted(cx: &Context, set: &str) -> Result<Check> {
    if !is_stale(cx.host)? {
        return Check::satisfied(format!("jicofo has {set}"));
    }
    if !cx.settings.restart {
        return Check::skipped("jicofo must restart to load its configuration; left for later (--no-restart)");
    }
    Check::pending("jicofo must restart to load its configuration", [Change::Act(Arc::new(Restart))])
}

fn without_jicofo(makes_owners: bool) -> Result<Check> {
    if makes_owners {
        return Check::skipped(format!("{PATH} does not exist on this machine"));
    }
    Check::blocked(
        format!(
            "jicofo makes moderators by itself unless {PATH} turns that off, and that file does not exist on this \
             machine"
        ),
        format!(
            "do not use --moderators; or, if jicofo runs on another machine, set {} there and load token_affiliation \
             on the rooms' component by hand",
            by_hand(false)
        ),
    )
}
