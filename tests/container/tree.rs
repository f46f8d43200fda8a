//! A folder with everything in it, to compare with its later state.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Mode, owner and content of every file below `folder`, except for what a running system writes by itself.
pub fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// What a machine writes by itself: logs, and Prosody's own state.
const SELF_WRITTEN: [&str; 6] =
    ["var/log", "var/lib/systemd", "var/tmp", "tmp", "var/lib/prosody", "var/cache/ldconfig"];

fn walk(top: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = path.strip_prefix(top).expect("below").display().to_string();
        if SELF_WRITTEN.contains(&name.as_str()) {
            continue;
        }
        let Ok(meta) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        let owner = format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
        let what = if meta.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            format!("{owner} {}", fingerprint(&bytes))
        } else if meta.is_symlink() {
            format!("link {}", std::fs::read_link(&path).expect("a link").display())
        } else {
            owner
        };
        found.insert(name, what);
        if meta.is_dir() {
            walk(top, &path, found);
        }
    }
}

fn fingerprint(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(bytes))
}

/// The lines in which two trees differ.
pub fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, what) in before {
        match after.get(name) {
            None => found.push(format!("gone: {name}")),
            Some(now) if now != what => found.push(format!("changed: {name}: {what} -> {now}")),
            Some(_) => {}
        }
    }
    found.extend(after.keys().filter(|name| !before.contains_key(*name)).map(|name| format!("new: {name}")));
    found
}
