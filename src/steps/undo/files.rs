//! Restores files. Not changed since: bytes, mode and owner are restored. Changed by others since: only our edits are
//! removed; where others changed the same lines, the operator decides. Removed since: they stay gone.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::debian::removal_script;
use crate::display::masked_diff;
use crate::engine::change::{Change, Seen};
use crate::engine::merge::deleted_lines::put_back;
use crate::engine::merge::taken_out::{Conflicts, taken_out};
use crate::engine::merge::{is_too_long, rebase};
use crate::engine::receipt::backup;
use crate::engine::snapshot::{Node, Snapshot, file, hash};
use crate::engine::step::{Check, Obstacle, obstacle};
use crate::engine::watch::{File, Watch};
use crate::host::{Access, AccessList, Host};
use crate::jicofo;
use crate::luarocks::is_program;
use crate::prosody::acceptance::{self, guard};
use crate::site::view::Context;

/// A file's access list.
type List = Option<Vec<u8>>;

/// What is at a path, or should be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum FileState {
    Absent,
    File(Vec<u8>, Access, List),
    Link(PathBuf),
    Folder,
}

pub fn check(cx: &Context) -> Result<Check> {
    restore(cx, |path| !is_program(path))
}

/// Restores the programs of rocks. luarocks does not remove a rock whose program is gone, so this comes after the
/// rocks.
pub fn programs(cx: &Context) -> Result<Check> {
    restore(cx, is_program)
}

fn restore(cx: &Context, wanted: impl Fn(&Path) -> bool) -> Result<Check> {
    let mut changes = Vec::new();
    let mut why = Vec::new();
    for path in paths(cx)?.into_iter().filter(|path| wanted(path)) {
        // The bytes from the same read as the state: others may be writing to the file.
        let mut bytes = Vec::new();
        let node = file(cx.host, &path, &mut |_, read| {
            bytes = read.to_vec();
            Ok(())
        })?;
        let now = state_of(node, |_| Ok(bytes.clone()))?;
        let (wanted, merged) = match before(cx, &path, now.clone())? {
            Ok(found) => found,
            Err(Obstacle { why, fix }) => return Check::blocked(why, fix),
        };
        if wanted != now {
            why.push(path.display().to_string());
            changes.push(change(cx.host, path, &now, wanted, merged)?);
        }
    }
    if changes.is_empty() {
        return Check::satisfied("all files are restored");
    }
    Check::pending(why.join(", "), changes)
}

fn paths(cx: &Context) -> Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in cx.entries {
        if let Some(path) = entry.which(&File).map(PathBuf::from) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    Ok(paths)
}

/// Goes back through the entries of a path, newest first. Returns its state before them, and whether that is merged
/// with what others changed since. `Ok(Err(..))` is a conflict.
fn before(cx: &Context, path: &Path, now: FileState) -> Result<Result<(FileState, bool), Obstacle>> {
    let key = Watch::file(path).key();
    let mut found = (now, false);
    for entry in cx.entries.iter().rev().filter(|entry| entry.of == key) {
        let (Snapshot::File(old), Some(Snapshot::File(new))) = (&entry.before, &entry.after) else {
            continue;
        };
        let (state, merged) = &found;
        // Compared by hash first: a file that is restored already may have no backup any more.
        if is(state, old.as_ref()) {
            continue;
        }
        let load = |sha256: &str| backup(cx.host, sha256);
        if is(state, new.as_ref()) {
            found = (state_of(old.clone(), load)?, *merged);
        } else if *state != FileState::Absent {
            let (old, new) = (state_of(old.clone(), load)?, state_of(new.clone(), load));
            match between(path, old, new, state, cx.settings.force)? {
                Ok((state, joined)) => found = (state, joined || *merged),
                Err(conflict) => return Ok(Err(conflict)),
            }
        }
        // Whoever removed it since does not want its earlier state either.
    }
    Ok(Ok(found))
}

/// The state for a path that is neither as it was before our change nor as we left it.
fn between(
    path: &Path,
    old: FileState,
    new: Result<FileState>,
    now: &FileState,
    force: bool,
) -> Result<Result<(FileState, bool), Obstacle>> {
    let new = match new {
        Err(_) if force => return Ok(Ok((old, false))),
        new => new?,
    };
    Ok(match (old, new, now) {
        (
            FileState::File(old, access, list),
            FileState::File(new, new_access, new_list),
            FileState::File(now, now_access, now_list),
        ) => {
            // Mode and owner are merged separately: what others changed is kept.
            let access = access_without_ours(access, new_access, *now_access);
            let list = if *now_list == new_list { list } else { now_list.clone() };
            match without_ours(&old, &new, now, force) {
                Some(text) => {
                    let merged = text != old;
                    Ok((FileState::File(text, access, list), merged))
                }
                None => Err(conflict(path, &old, &new, now)),
            }
        }
        (old, ..) if force => Ok((old, false)),
        // Created by us, and something else by now: nothing of ours is left.
        (FileState::Absent, ..) => Ok((now.clone(), false)),
        _ => Err(obstacle(
            format!("{} is neither the file that install wrote nor as it was before", path.display()),
            "use --force to restore what was there before",
        )),
    })
}

/// What keeps our edit from being undone.
fn conflict(path: &Path, old: &[u8], ours: &[u8], now: &[u8]) -> Obstacle {
    let path_shown = path.display();
    if [old, ours, now].into_iter().any(is_too_long) {
        return obstacle(
            format!("{path_shown} was changed by others since, and has too many lines to undo only our edit"),
            "undo the edit by hand, or use --force to restore the whole file as it was before install",
        );
    }
    let difference = masked_diff::difference(path, ours, now);
    obstacle(
        format!("the same lines of {path_shown} were changed by others since"),
        format!("compare them, then use --force to restore the previous lines:\n{difference}"),
    )
}

/// The text as it is `now` without our edit; none if others changed the same lines or it is too long to compare, unless
/// `force` is set.
fn without_ours(old: &[u8], ours: &[u8], now: &[u8], force: bool) -> Option<Vec<u8>> {
    if [old, ours, now].into_iter().any(is_too_long) {
        return rebase(ours, old, now).or_else(|| force.then(|| old.to_vec()));
    }
    let theirs = removal_script::undone(ours, now);
    let merge = |theirs: &[u8]| rebase(ours, old, theirs).or_else(|| taken_out(old, ours, theirs, Conflicts::Refused));
    merge(&theirs)
        .or_else(|| merge(&put_back(old, ours, &theirs)))
        .or_else(|| force.then(|| taken_out(old, ours, &theirs, Conflicts::Before))?)
}

/// Mode, owner and group separately: what others set since is kept, what is still ours is restored.
fn access_without_ours(old: Access, ours: Access, now: Access) -> Access {
    let pick = |old, ours, now| if now == ours { old } else { now };
    Access {
        mode: pick(old.mode, ours.mode, now.mode),
        uid: pick(old.uid, ours.uid, now.uid),
        gid: pick(old.gid, ours.gid, now.gid),
    }
}

fn is(state: &FileState, node: Option<&Node>) -> bool {
    match (state, node) {
        (FileState::Absent, None) => true,
        (FileState::File(bytes, access, list), Some(Node::File { sha256, mode, uid, gid, acl })) => {
            *access == Access { mode: *mode, uid: *uid, gid: *gid }
                && list.as_deref().map(hex::encode) == *acl
                && hash(bytes) == *sha256
        }
        (FileState::Link(target), Some(Node::Link { target: other })) => target == other,
        (FileState::Folder, Some(Node::Directory { .. })) => true,
        _ => false,
    }
}

fn state_of(node: Option<Node>, load: impl Fn(&str) -> Result<Vec<u8>>) -> Result<FileState> {
    Ok(match node {
        None => FileState::Absent,
        Some(Node::File { sha256, mode, uid, gid, acl }) => {
            let list = acl.map(hex::decode).transpose();
            let list = list.context("the receipt has an invalid access list")?;
            FileState::File(load(&sha256)?, Access { mode, uid, gid }, list)
        }
        Some(Node::Link { target }) => FileState::Link(target),
        Some(Node::Directory { .. }) => FileState::Folder,
    })
}

fn change(host: &dyn Host, path: PathBuf, now: &FileState, wanted: FileState, merged: bool) -> Result<Change> {
    Ok(match wanted {
        FileState::Absent | FileState::Folder => Change::Remove { path },
        FileState::Link(target) => Change::Link { path, target },
        FileState::File(bytes, access, list) => {
            // The old text was accepted once; a merged one is new.
            let judged =
                merged && path.starts_with(acceptance::FOLDER) && host.exists(Path::new("/usr/bin/prosodyctl"))?;
            let seen = match now {
                FileState::File(bytes, ..) => Seen::Bytes(bytes.clone()),
                FileState::Absent => Seen::Nothing,
                FileState::Link(_) | FileState::Folder => Seen::Unknown,
            };
            let in_their_folder =
                path == jicofo::config::file(host) && jicofo::config::is_in_their_folder(host, &path)?;
            let change = Change::write(path, bytes, access).in_place_of(seen).with_list(AccessList::Exactly(list));
            let change = if in_their_folder { change.by_owner() } else { change };
            if judged { change.guarded(guard) } else { change }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_mode_is_kept_and_our_group_removed() {
        let access = |mode, gid| Access { mode, uid: 0, gid };
        let (old, ours) = (access(0o644, 0), access(0o640, 104));
        assert_eq!(access_without_ours(old, ours, ours), old);
        for (now, wanted) in [
            (access(0o600, 104), access(0o600, 0)),
            (access(0o640, 7), access(0o644, 7)),
            (access(0o600, 7), access(0o600, 7)),
        ] {
            assert_eq!(access_without_ours(old, ours, now), wanted);
        }
    }

    #[test]
    fn a_long_file_changed_by_others_is_restored_only_by_force() {
        let old: String = (0..=20_000).map(|line| format!("line {line}\n")).collect();
        let ours = old.replace("line 7\n", "ours\n");
        let now = ours.replace("line 9000\n", "theirs\n");
        let between = |now: &str, force| {
            let state = |text: &str| FileState::File(text.into(), Access::root(0o640), None);
            between(Path::new("/etc/x"), state(&old), Ok(state(&ours)), &state(now), force).unwrap()
        };
        let restored = |text: String| Ok((FileState::File(text.into(), Access::root(0o640), None), false));
        let refused = between(&now, false).unwrap_err();
        assert!(refused.why.contains("has too many lines") && refused.fix.contains("--force"), "{refused}");
        assert_eq!(between(&now, true), restored(old.clone()));
        // Lines added at the end need no comparison.
        let (state, merged) = between(&format!("{ours}theirs\n"), false).unwrap();
        assert_eq!(Ok((state, !merged)), restored(format!("{old}theirs\n")));
    }

    #[test]
    fn something_else_in_place_of_our_file_is_named() {
        let file = |text: &str| FileState::File(text.into(), Access::root(0o640), None);
        let link = FileState::Link("/etc/theirs".into());
        let conflict = between(Path::new("/etc/x"), file("old"), Ok(file("ours")), &link, false).unwrap();
        assert_eq!(conflict.unwrap_err().why, "/etc/x is neither the file that install wrote nor as it was before");
    }
}
