//! Restores rocks: byte for byte if nobody else has changed luarocks' trees since; else luarocks removes the rocks that
//! we installed, since its manifest then lists others too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::engine::change::Change;
use crate::engine::receipt::backup;
use crate::engine::snapshot::{Node, Snapshot, hash, node};
use crate::engine::step::Check;
use crate::host::{Access, FileKind, Host};
use crate::luarocks;
use crate::luarocks::manifest::lists;
use crate::luarocks::trees::Trees;
use crate::prosody::interpreter::Interpreter;
use crate::site::view::Context;

type Tree = BTreeMap<PathBuf, Node>;

pub fn check(cx: &Context) -> Result<Check> {
    let mut changes = Vec::new();
    let mut foreign = Vec::new();
    for entry in cx.entries {
        let (Some(root), Snapshot::Tree(before), Some(Snapshot::Tree(after))) =
            (entry.which(&Trees).map(PathBuf::from), &entry.before, &entry.after)
        else {
            continue;
        };
        let before = &without_foreign_rocks(cx.host, &root, before, after)?;
        let found = compare(cx.host, &root, before, after)?;
        if found.foreign.is_empty() {
            changes.extend(put_back(cx.host, &root, before, found.ours)?);
        } else {
            foreign.extend(found.foreign);
            match remove_rocks(cx, &root, before, after) {
                Ok(removals) => changes.extend(removals),
                Err(error) => return Check::error_or_blocked(error),
            }
        }
    }
    match (changes.is_empty(), foreign.first()) {
        (true, None) => Check::satisfied("no rock that install added is left"),
        (true, Some(path)) => {
            Check::satisfied(format!("no rock that install added is left; others have changed {}", path.display()))
        }
        (false, None) => Check::pending("remove the rocks that install added", changes),
        (false, Some(path)) => Check::pending(
            format!("remove the rocks that install added; others have changed {}", path.display()),
            changes,
        ),
    }
}

/// The earlier state, without rocks that its manifest does not list: others installed them after our first run, and a
/// later run of ours removed them for rocks of ours. Their modules would not come back with them.
fn without_foreign_rocks(host: &dyn Host, root: &Path, before: &Tree, after: &Tree) -> Result<Tree> {
    let mut manifests: BTreeMap<PathBuf, Option<Vec<u8>>> = BTreeMap::new();
    let mut kept = Tree::new();
    for (path, node) in before {
        let words: Vec<_> = path.iter().map(|word| word.to_string_lossy()).collect();
        if let [folder, rock, version, ..] = &words[..] {
            let manifest = Path::new(&**folder).join("manifest");
            if !manifests.contains_key(&manifest) {
                let bytes = match before.get(&manifest) {
                    Some(node) => bytes_of(host, &root.join(&manifest), node)?,
                    // The manifest was created by our change, so there was no rock.
                    None => after.contains_key(&manifest).then(Vec::new),
                };
                manifests.insert(manifest.clone(), bytes);
            }
            let manifest = manifests.get(&manifest).and_then(Option::as_ref);
            if manifest.is_some_and(|manifest| !lists(manifest, rock, version)) {
                continue;
            }
        }
        kept.insert(path.clone(), node.clone());
    }
    Ok(kept)
}

/// The bytes of a file as it was: one that is restored already may have no backup any more.
fn bytes_of(host: &dyn Host, path: &Path, before: &Node) -> Result<Option<Vec<u8>>> {
    let Node::File { sha256, .. } = before else {
        return Ok(None);
    };
    match host.read(path)?.filter(|bytes| hash(bytes) == *sha256) {
        Some(bytes) => Ok(Some(bytes)),
        None => backup(host, sha256).map(Some),
    }
}

struct Found {
    /// Paths that are as we left them, or gone, and were different before.
    ours: Vec<PathBuf>,
    /// Paths that are neither as we left them nor as before.
    foreign: Vec<PathBuf>,
}

fn compare(host: &dyn Host, root: &Path, before: &Tree, after: &Tree) -> Result<Found> {
    let mut found = Found { ours: Vec::new(), foreign: Vec::new() };
    let paths: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    for path in paths {
        let now = node(host, &full(root, path), &mut |_, _| Ok(()))?;
        if now.as_ref() == before.get(path) {
            continue;
        }
        if now.as_ref() == after.get(path) || now.is_none() {
            found.ours.push(path.clone());
        } else {
            found.foreign.push(full(root, path));
        }
    }
    Ok(found)
}

fn full(root: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { root.to_owned() } else { root.join(below) }
}

fn put_back(host: &dyn Host, root: &Path, before: &Tree, ours: Vec<PathBuf>) -> Result<Vec<Change>> {
    let mut links = Vec::new();
    let mut remove = Vec::new();
    let mut write = Vec::new();
    let mut folders = Vec::new();
    // Deepest first, so a folder is empty when its turn comes.
    for path in ours.iter().rev() {
        let now = host.stat(&full(root, path))?.map(|stat| stat.kind);
        // Writing would follow the link.
        if now == Some(FileKind::Link) && before.contains_key(path) {
            remove.push(full(root, path));
        }
        let access = |mode: &u32, uid: &u32, gid: &u32| Access { mode: *mode, uid: *uid, gid: *gid };
        let full = full(root, path);
        match before.get(path) {
            None => remove.push(full),
            Some(Node::File { sha256, mode, uid, gid, .. }) => {
                write.push((full, backup(host, sha256)?, access(mode, uid, gid)));
            }
            Some(Node::Directory { mode, uid, gid }) => {
                folders.insert(0, (full, access(mode, uid, gid)));
            }
            Some(Node::Link { target }) => links.push(Change::Link { path: full, target: target.clone() }),
        }
    }
    leave_shared(host, &mut remove, &ours, root);
    let mut changes = Vec::new();
    if !(remove.is_empty() && folders.is_empty() && write.is_empty()) {
        changes.push(Change::RestoreTree { root: root.to_owned(), remove, folders, write });
    }
    changes.extend(links);
    Ok(changes)
}

/// Keeps a folder that others have put something into, and those above it; they are not counted as work to do.
fn leave_shared(host: &dyn Host, remove: &mut Vec<PathBuf>, ours: &[PathBuf], root: &Path) {
    let mut kept = BTreeSet::new();
    remove.retain(|path| {
        let inside = host.list(path).unwrap_or_default();
        let shared = inside
            .iter()
            .map(|name| path.join(name))
            .any(|inner| kept.contains(&inner) || !ours.iter().any(|known| full(root, known) == inner));
        if shared {
            kept.insert(path.clone());
        }
        !shared
    });
}

/// `luarocks remove` for every rock that we installed: a folder NAME/VERSION with a `rock_manifest` below `rocks*`.
fn remove_rocks(cx: &Context, root: &Path, before: &Tree, after: &Tree) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    // This must work even if the site is gone.
    let Ok(Some(lua)) = Interpreter::find(cx.host) else {
        return Ok(changes);
    };
    let manifests = after.keys().filter(|path| path.ends_with("rock_manifest") && !before.contains_key(*path));
    for manifest in manifests {
        if !cx.host.exists(&full(root, manifest))? {
            continue;
        }
        let words: Vec<String> = manifest.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let [_, name, version, _] = &words[..] else {
            continue;
        };
        // The folders' names become command-line arguments.
        if [name, version].iter().any(|word| word.starts_with('-')) {
            continue;
        }
        changes.push(Change::run(luarocks::remove(cx.host, &lua, name, version)?, []));
    }
    Ok(changes)
}
