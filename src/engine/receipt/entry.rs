//! What happened to one watched thing while it was ours to change, and how two such entries become one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::snapshot::{Node, Snapshot};
use crate::engine::watch::WatchKind;

/// A span of time in which a watched thing was ours to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What was watched: the key of its [`Watch`](crate::engine::watch::Watch).
    pub of: String,
    /// The step that changed it last.
    pub step: String,
    /// The run that began it, in milliseconds since 1970. If a run's proof fails, its own entries are undone.
    pub run: u64,
    /// Its state before.
    pub before: Snapshot,
    /// Its state afterwards; none while the change is being made.
    pub after: Option<Snapshot>,
    /// Its intended state afterwards, if known in advance and the change is still being made; of packages, the names
    /// that may be added. What others do to it meanwhile, or after a killed run, is theirs, so the state found later is
    /// not necessarily ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Snapshot>,
}

impl Entry {
    /// Which thing of this kind the entry is about; none if it is of another kind.
    pub fn which(&self, kind: &dyn WatchKind) -> Option<&str> {
        self.of.strip_prefix(kind.name())?.strip_prefix(':')
    }
}

/// Reduces an entry to what really changed: the changed paths of a tree, the packages that were added.
pub fn reduce(entry: &mut Entry) {
    match (&mut entry.before, &mut entry.after) {
        (Snapshot::Tree(before), Some(Snapshot::Tree(after))) => {
            let same: Vec<PathBuf> = before
                .iter()
                .filter(|(path, node)| after.get(*path) == Some(node))
                .map(|(path, _)| path.clone())
                .collect();
            for path in same {
                before.remove(&path);
                after.remove(&path);
            }
        }
        (Snapshot::Names(before), Some(Snapshot::Names(after))) => {
            after.retain(|name| !before.contains(name));
            before.clear();
        }
        _ => {}
    }
}

/// Whether `next` continues where `known` ended. Trees, packages and answers are always joined.
pub fn follows(known: &Entry, next: &Entry) -> bool {
    matches!(next.before, Snapshot::Tree(_) | Snapshot::Names(_) | Snapshot::Answer(_))
        || known.after.as_ref() == Some(&next.before)
}

/// Merges `next` into `known`.
pub fn join(known: &mut Entry, next: Entry) {
    known.step = next.step;
    match (&mut known.before, &mut known.after, next.before, next.after) {
        (
            Snapshot::Tree(before),
            Some(Snapshot::Tree(after)),
            Snapshot::Tree(next_before),
            Some(Snapshot::Tree(next_after)),
        ) => {
            merge_trees(before, after, next_before, next_after);
        }
        (_, Some(Snapshot::Names(added)), _, Some(Snapshot::Names(more))) => added.extend(more),
        (_, after, _, next_after) => *after = next_after,
    }
}

/// Drops the last entry, and those of the same file in between, if it only restored the file to the state that an
/// earlier entry had left: somebody had undone our change, and it was made again.
pub fn forget_redone_change(entries: &mut Vec<Entry>) {
    let Some(last) = entries.last() else { return };
    let of = last.of.clone();
    let same =
        |entry: &Entry| entry.of == of && entry.after == last.after && matches!(entry.after, Some(Snapshot::File(_)));
    if let Some(first) = entries.iter().position(same) {
        let mut index = 0;
        entries.retain(|entry| {
            index += 1;
            index <= first + 1 || entry.of != of
        });
    }
}

type Tree = BTreeMap<PathBuf, Node>;

fn merge_trees(before: &mut Tree, after: &mut Tree, next_before: Tree, next_after: Tree) {
    let paths: BTreeSet<PathBuf> = next_before.keys().chain(next_after.keys()).cloned().collect();
    for path in paths {
        let ours_already = before.contains_key(&path) || after.contains_key(&path);
        if let Some(node) = next_before.get(&path).filter(|_| !ours_already) {
            before.insert(path.clone(), node.clone());
        }
        match next_after.get(&path) {
            Some(node) => after.insert(path.clone(), node.clone()),
            None => after.remove(&path),
        };
        if before.get(&path) == after.get(&path) {
            before.remove(&path);
            after.remove(&path);
        }
    }
}

/// The hashes of all bytes that a snapshot refers to.
pub fn hashes(snapshot: &Snapshot) -> Vec<&str> {
    let nodes: Vec<&Node> = match snapshot {
        Snapshot::File(node) => node.iter().collect(),
        Snapshot::Tree(nodes) => nodes.values().collect(),
        Snapshot::Answer(value) => return value.iter().map(String::as_str).collect(),
        Snapshot::Names(_) => Vec::new(),
    };
    nodes.into_iter().filter_map(node_hash).collect()
}

/// The hash of a single file's bytes; empty for anything else.
pub fn file_hash(snapshot: &Snapshot) -> Vec<&str> {
    match snapshot {
        Snapshot::File(Some(node)) => node_hash(node).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn node_hash(node: &Node) -> Option<&str> {
    match node {
        Node::File { sha256, .. } => Some(sha256),
        Node::Link { .. } | Node::Directory { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::snapshot::hash;
    use crate::engine::watch::File;

    fn file(text: &str) -> Node {
        Node::File { sha256: hash(text.as_bytes()), mode: 0o644, uid: 0, gid: 0, acl: None }
    }

    fn tree(files: &[(&str, &str)]) -> Snapshot {
        Snapshot::Tree(files.iter().map(|(path, text)| (PathBuf::from(path), file(text))).collect())
    }

    fn names(names: &[&str]) -> Snapshot {
        Snapshot::Names(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn answer(text: &str) -> Snapshot {
        Snapshot::Answer(Some(hash(text.as_bytes())))
    }

    fn entry(step: &str, before: Snapshot, after: Snapshot) -> Entry {
        let (of, step) = ("x:y".to_owned(), step.to_owned());
        Entry { of, step, run: 1, before, after: Some(after), planned: None }
    }

    #[test]
    fn entries_are_matched_by_their_kind() {
        let which = |of: &str| {
            let entry = Entry { of: of.to_owned(), ..entry("step", names(&[]), names(&[])) };
            entry.which(&File).map(str::to_owned)
        };
        assert_eq!(which("file:/etc/x").as_deref(), Some("/etc/x"));
        assert_eq!((which("files:/etc/x"), which("packages:")), (None, None));
    }

    #[test]
    fn reduced_entries_keep_only_changes() {
        for (before, after, changed) in [
            (
                tree(&[("same", "1"), ("other", "1"), ("gone", "1")]),
                tree(&[("same", "1"), ("other", "2"), ("new", "1")]),
                (tree(&[("other", "1"), ("gone", "1")]), tree(&[("other", "2"), ("new", "1")])),
            ),
            (names(&["a", "gone"]), names(&["a", "b"]), (names(&[]), names(&["b"]))),
            (answer("1"), answer("1"), (answer("1"), answer("1"))),
        ] {
            let mut reduced = entry("step", before, after);
            reduce(&mut reduced);
            assert_eq!((reduced.before, reduced.after.unwrap()), changed);
        }
    }

    #[test]
    fn joined_entries_run_from_first_to_last_state() {
        for (known, next, joined) in [
            // A path of ours is changed again, and another one for the first time.
            (
                (tree(&[]), tree(&[("a", "1")])),
                (tree(&[("a", "1"), ("b", "0")]), tree(&[("a", "2"), ("b", "1")])),
                (tree(&[("b", "0")]), tree(&[("a", "2"), ("b", "1")])),
            ),
            // A removed path comes back as something else.
            (
                (tree(&[("a", "0")]), tree(&[])),
                (tree(&[]), tree(&[("a", "1")])),
                (tree(&[("a", "0")]), tree(&[("a", "1")])),
            ),
            // A changed path is restored and an added one is removed: the entry keeps neither.
            (
                (tree(&[("a", "0"), ("c", "0")]), tree(&[("a", "1"), ("b", "1"), ("c", "1")])),
                (tree(&[("a", "1"), ("b", "1")]), tree(&[("a", "0")])),
                (tree(&[("c", "0")]), tree(&[("c", "1")])),
            ),
            ((names(&[]), names(&["a"])), (names(&[]), names(&["b"])), (names(&[]), names(&["a", "b"]))),
            ((answer("0"), answer("1")), (answer("5"), answer("2")), (answer("0"), answer("2"))),
        ] {
            let (mut known, next) = (entry("first", known.0, known.1), entry("second", next.0, next.1));
            assert!(follows(&known, &next));
            join(&mut known, next);
            assert_eq!((known.before, known.after.unwrap(), &*known.step), (joined.0, joined.1, "second"));
        }
    }

    #[test]
    fn file_entries_follow_only_without_a_gap() {
        let [old, new, other] = ["old", "new", "other"].map(|text| Snapshot::File(Some(file(text))));
        let known = entry("first", old, new.clone());
        assert!(follows(&known, &entry("second", new.clone(), other.clone())));
        assert!(!follows(&known, &entry("second", other, new)));
    }

    #[test]
    fn snapshots_name_the_hashes_of_their_bytes() {
        let one = hash(b"1");
        let link = Snapshot::Tree([(PathBuf::from("l"), Node::Link { target: "/x".into() })].into());
        for (snapshot, all, of_file) in [
            (Snapshot::File(Some(file("1"))), vec![&*one], vec![&*one]),
            (Snapshot::File(None), vec![], vec![]),
            (tree(&[("a", "1")]), vec![&one], vec![]),
            (link, vec![], vec![]),
            (answer("1"), vec![&one], vec![]),
            (names(&["a"]), vec![], vec![]),
        ] {
            assert_eq!((hashes(&snapshot), file_hash(&snapshot)), (all, of_file));
        }
    }
}
