//! The state of something that a change touches, recorded before and after it: hashes here, bytes in backup files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::host::{FileKind, Host};

/// One entry of the file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Node {
    /// A regular file.
    File {
        /// SHA-256 of its bytes, in hex; the name of its backup.
        sha256: String,
        /// Permission bits.
        mode: u32,
        /// The owner's user ID.
        uid: u32,
        /// The group ID.
        gid: u32,
        /// Its access list (ACL) as the kernel stores it, in hex; none if it has none, or if the file is part of a
        /// tree.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acl: Option<String>,
    },
    /// A symbolic link.
    Link {
        /// Where it points.
        target: PathBuf,
    },
    /// A folder.
    Directory {
        /// Permission bits.
        mode: u32,
        /// The owner's user ID.
        uid: u32,
        /// The group ID.
        gid: u32,
    },
}

/// The state of a watched thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", content = "is", rename_all = "kebab-case")]
pub enum Snapshot {
    /// A file, a link, or nothing there.
    File(Option<Node>),
    /// What is below a folder, by relative path; the folder itself is the empty path.
    Tree(BTreeMap<PathBuf, Node>),
    /// Which names of a set are present, such as installed packages.
    #[serde(rename = "packages")]
    Names(BTreeSet<String>),
    /// SHA-256 of an answer, such as debconf's; none if there is none.
    #[serde(rename = "debconf")]
    Answer(Option<String>),
}

/// Keeps bytes under their hash.
pub type Keep<'a> = &'a mut dyn FnMut(&str, &[u8]) -> Result<()>;

/// SHA-256 of `bytes`, in hex; the name of their backup.
pub fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What is below a folder now.
pub fn tree(host: &dyn Host, root: &Path, keep: Keep) -> Result<Snapshot> {
    let mut nodes = BTreeMap::new();
    walk(host, root, Path::new(""), &mut nodes, keep)?;
    Ok(Snapshot::Tree(nodes))
}

/// What is at `path` now, with its access list.
pub fn file(host: &dyn Host, path: &Path, keep: Keep) -> Result<Option<Node>> {
    let mut node = node(host, path, keep)?;
    if let Some(Node::File { acl, .. }) = &mut node {
        *acl = host.access_list(path)?.map(hex::encode);
    }
    Ok(node)
}

/// What is at `path` now, without its access list.
pub fn node(host: &dyn Host, path: &Path, keep: Keep) -> Result<Option<Node>> {
    let Some(stat) = host.stat(path)? else {
        return Ok(None);
    };
    let (mode, uid, gid) = (stat.mode, stat.uid, stat.gid);
    Ok(match stat.kind {
        FileKind::File => {
            let bytes = host.read(path)?.with_context(|| format!("{} vanished", path.display()))?;
            let sha256 = hash(&bytes);
            keep(&sha256, &bytes)?;
            Some(Node::File { sha256, mode, uid, gid, acl: None })
        }
        FileKind::Link => Some(Node::Link { target: host.read_link(path)? }),
        FileKind::Directory => Some(Node::Directory { mode, uid, gid }),
        FileKind::Other => None,
    })
}

fn walk(host: &dyn Host, root: &Path, below: &Path, nodes: &mut BTreeMap<PathBuf, Node>, keep: Keep) -> Result<()> {
    let path = if below.as_os_str().is_empty() { root.to_owned() } else { root.join(below) };
    let Some(node) = node(host, &path, keep)? else {
        return Ok(());
    };
    // Another user's folder may contain anything, in any amount and to any depth.
    let enter = matches!(node, Node::Directory { mode, uid, .. } if uid == 0 && mode & 0o002 == 0);
    nodes.insert(below.to_owned(), node);
    if enter {
        for name in host.list(&path)? {
            walk(host, root, &below.join(name), nodes, keep)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn trees_are_recorded_with_folders_and_bytes() {
        let host = FakeHost::new().file("/usr/local/share/lua/5.2/a.lua", "return 1");
        let mut kept = Vec::new();
        let snapshot = tree(&host, Path::new("/usr/local/share/lua"), &mut |name, bytes| {
            kept.push((name.to_owned(), bytes.to_vec()));
            Ok(())
        });
        let Snapshot::Tree(nodes) = snapshot.unwrap() else { panic!("not a tree") };
        let paths: Vec<_> = nodes.keys().map(|path| path.display().to_string()).collect();
        assert_eq!(paths, ["", "5.2", "5.2/a.lua"]);
        assert_eq!(kept, [(hash(b"return 1"), b"return 1".to_vec())]);
    }

    #[test]
    fn other_users_folders_are_recorded_but_not_entered() {
        let host = FakeHost::new().file("/usr/local/share/lua/5.2/theirs/deep/a.lua", "return 1").access(
            "/usr/local/share/lua/5.2/theirs",
            0o755,
            104,
            107,
        );
        let snapshot = tree(&host, Path::new("/usr/local/share/lua"), &mut |_, _| panic!("nothing of theirs is kept"));
        let Snapshot::Tree(nodes) = snapshot.unwrap() else { panic!("not a tree") };
        let paths: Vec<_> = nodes.keys().map(|path| path.display().to_string()).collect();
        assert_eq!(paths, ["", "5.2", "5.2/theirs"]);
    }

    #[test]
    fn a_missing_file_is_recorded_as_none() {
        let host = FakeHost::new();
        let nothing = file(&host, Path::new("/etc/x"), &mut |_, _| Ok(())).unwrap();
        assert_eq!(nothing, None);
    }
}
