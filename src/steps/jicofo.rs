//! `jicofo`: it makes no owners by itself if the token decides who moderates, and runs with that setting.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::debian::dpkg;
use crate::engine::change::{Change, Seen};
use crate::engine::step::Check;
use crate::host::{Access, AccessList};
use crate::jicofo::config::{PATH, by_hand, file, is_in_their_folder, with_owners};
use crate::jicofo::daemon::{Restart, is_stale, running};
use crate::site::policy::Moderators;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    compare(cx).or_else(Check::error_or_blocked)
}

fn compare(cx: &Context) -> Result<Check> {
    let Some(moderators) = cx.settings.policy.moderators else {
        return Check::not_needed("not used (see --moderators)");
    };
    let makes_owners = moderators == Moderators::All;
    let path = &*file(cx.host);
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
    let mut changes = match is_in_their_folder(cx.host, path)? {
        false => vec![write],
        true if stat.uid != 0 => vec![write.by_owner()],
        true => {
            let (file, folder) = (path.display(), path.parent().unwrap_or(path).display());
            return Check::blocked(
                format!("{file} belongs to root, and other users can write to its directory"),
                format!("run `chown --reference={folder} {file}`, then run this again"),
            );
        }
    };
    if cx.settings.restart && running(cx.host)?.is_some() {
        changes.push(Change::Act(Arc::new(Restart)));
    }
    let means = if makes_owners { "; the first person in a room becomes a moderator again" } else { "" };
    Check::pending(format!("set {set} for jicofo{means}"), changes)
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::debian::release::Release;
    use crate::engine::step::obstacle;
    use crate::host::Host;
    use crate::host::fake::{FakeHost, output};
    use crate::site::facts::Facts;
    use crate::site::settings::{Policy, Settings};
    use crate::site::view::View;

    const TARGET: &str = "/srv/conf/jicofo.conf";

    fn checked(host: &FakeHost, moderators: Moderators) -> Check {
        let policy = Policy { moderators: Some(moderators), ..Policy::default() };
        let settings = Settings { policy, ..Settings::default() };
        let facts = Facts { release: Release::default(), site: Err(obstacle("none", "none")) };
        let view = View { settings, facts };
        check(&Context::new(host, &view)).unwrap()
    }

    #[test]
    fn a_linked_configuration_keeps_mode_and_owner() {
        let host = FakeHost::new()
            .answers(|_| output(0, "jicofo\tii \t1.0\n"))
            .file(TARGET, "jicofo {\n}\n")
            .access(TARGET, 0o640, 107, 108)
            .linked(PATH, TARGET);
        let Check::Pending(_, changes) = checked(&host, Moderators::Token) else { panic!("nothing to do") };
        for change in changes {
            change.apply(&host).unwrap();
        }
        assert!(host.read_text(Path::new(TARGET)).unwrap().unwrap().contains("enable-auto-owner = false"));
        let stat = host.stat(Path::new(TARGET)).unwrap().unwrap();
        assert_eq!((stat.mode, stat.uid, stat.gid), (0o640, 107, 108));
        assert!(matches!(checked(&host, Moderators::Token), Check::Satisfied(_)));
        let Check::Pending(why, _) = checked(&host, Moderators::All) else { panic!("nothing to undo") };
        assert!(why.contains("the first person in a room becomes a moderator again"), "{why}");
    }
}
