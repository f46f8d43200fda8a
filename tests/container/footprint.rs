//! Everything on a machine's file systems, and what a command changed there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use crate::bed::Machine;

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Kind, mode and owner.
    pub access: String,
    /// A file's hash or a link's target.
    pub content: String,
}

/// What is at each path; the paths have no leading slash.
pub type Footprint = BTreeMap<String, Entry>;

/// What a command changed: the entry before it, and after it.
pub type Delta = BTreeMap<String, (Option<Entry>, Option<Entry>)>;

/// Folders that belong to Prosody's user, who may do anything there.
pub const PROSODY_PATHS: [&str; 4] = ["var/lib/prosody", "var/log/prosody", "run/prosody", "var/cache/prosody"];

/// What a booted Debian writes by itself, and what is mounted.
const SYSTEM_PATHS: [&str; 13] = [
    // The tool itself is mounted from its build folder.
    "opt/jitsi-tokens-setup",
    "dev",
    "proc",
    "sys",
    "run/host",
    "run/log",
    "run/systemd",
    "run/udev",
    "run/credentials",
    "run/utmp",
    "var/lib/systemd",
    "var/log/journal",
    "var/log/wtmp",
];

/// Where the tool keeps its records. Names and numbers there differ from run to run.
const TOOL_PATHS: [&str; 2] = ["var/lib/jitsi-tokens-setup", "var/log/jitsi-tokens-setup"];

/// Records of apt, dpkg, debconf and luarocks: their content depends on what was installed, and how often.
const PACKAGE_MANAGER_PATHS: [&str; 7] = [
    "var/cache/apt",
    "var/cache/debconf",
    "var/lib/apt",
    "var/log/apt",
    "var/log/dpkg.log",
    "usr/local/lib/luarocks/rocks/manifest",
    "usr/local/lib/luarocks/rocks-5.4/manifest",
];

/// Where not one byte may differ from what the undisturbed command leaves behind.
const SACRED: [&str; 10] = [
    "etc/passwd",
    "etc/passwd-",
    "etc/group",
    "etc/shadow",
    "etc/gshadow",
    "etc/sudoers",
    "etc/sudoers.d",
    "etc/pam.d",
    "root",
    "usr",
];

/// Observes one machine.
pub struct Eye {
    root: PathBuf,
    /// The user ID of Prosody's user.
    user: u32,
    /// Text that only root may ever see.
    secret: String,
    /// The start time by the machine's clock, in seconds since 1970: older files hold no copy of the secret.
    since: i64,
}

fn is_below(path: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

impl Eye {
    /// For a machine whose /etc/shadow contains `secret`.
    pub fn of(machine: &Machine, secret: &str) -> Self {
        Self {
            // Includes everything that is mounted inside.
            root: PathBuf::from(format!("/proc/{}/root", machine.leader())),
            user: machine.sh("id -u prosody").trim().parse().expect("a number"),
            secret: secret.to_owned(),
            since: machine.sh("date +%s").trim().parse().expect("a number"),
        }
    }

    /// What is there now, apart from what Prosody's user may change.
    pub fn look(&self) -> Footprint {
        let mut found = Footprint::new();
        self.walk(Path::new(""), &mut found);
        found
    }

    fn walk(&self, folder: &Path, found: &mut Footprint) {
        for entry in fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            let name = path.to_string_lossy().into_owned();
            let Ok(meta) = fs::symlink_metadata(self.root.join(&path)) else {
                continue;
            };
            if is_below(&name, &SYSTEM_PATHS) || is_below(&name, &PROSODY_PATHS) {
                continue;
            }
            let is_theirs = meta.uid() == self.user && is_below(&name, &["tmp", "var/tmp", "run/lock"]);
            if is_theirs {
                continue;
            }
            found.insert(name, entry_of(&self.root.join(&path), &meta));
            if meta.is_dir() {
                self.walk(&path, found);
            }
        }
    }

    /// Files that hold the secret, including those of Prosody's user, but neither /etc/shadow itself nor copies that
    /// only root can read, such as Debian's own next to it.
    pub fn leaks(&self) -> Vec<String> {
        let mut found = Vec::new();
        for top in ["etc", "run", "tmp", "var", "root", "usr/local", "dev/shm"] {
            self.search(&PathBuf::from(top), &mut found);
        }
        found
    }

    fn search(&self, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            let Ok(meta) = fs::symlink_metadata(self.root.join(&path)) else {
                continue;
            };
            let name = path.to_string_lossy().into_owned();
            if meta.is_dir() {
                self.search(&path, found);
            } else if meta.is_file()
                && meta.ctime() >= self.since
                && meta.len() < 8 << 20
                && !["etc/shadow", "etc/shadow-"].contains(&name.as_str())
                && contains(&bytes_of(&self.root.join(&path)), self.secret.as_bytes())
            {
                found.push(format!("{name} ({:o} {}:{})", meta.mode(), meta.uid(), meta.gid()));
            }
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.split(|byte| *byte == part[0]).skip(1).any(|rest| rest.starts_with(&part[1..]))
}

/// The bytes of a regular file; never follows a link, never blocks.
fn bytes_of(path: &Path) -> Vec<u8> {
    const NOFOLLOW_NONBLOCK: i32 = 0o400_000 | 0o4000;
    let mut bytes = Vec::new();
    let opened: std::io::Result<File> = OpenOptions::new().read(true).custom_flags(NOFOLLOW_NONBLOCK).open(path);
    if let Ok(file) = opened {
        // A file that cannot be read to its end gets another hash, which is noticed.
        let _ = file.take(64 << 20).read_to_end(&mut bytes);
    }
    bytes
}

fn entry_of(path: &Path, meta: &Metadata) -> Entry {
    let kind = meta.file_type();
    let (word, content) = if kind.is_dir() {
        ("folder", String::new())
    } else if kind.is_symlink() {
        let target = fs::read_link(path).unwrap_or_default();
        ("link", target.to_string_lossy().into_owned())
    } else if kind.is_file() {
        ("file", hash(path, meta))
    } else if kind.is_fifo() {
        ("fifo", String::new())
    } else if kind.is_socket() {
        ("socket", String::new())
    } else {
        ("device", meta.rdev().to_string())
    };
    Entry { access: format!("{word} {:o} {}:{}", meta.mode() & 0o7777, meta.uid(), meta.gid()), content }
}

/// The hash of a file. An unchanged file is not read again, even in other machines of the same layer.
fn hash(path: &Path, meta: &Metadata) -> String {
    type Key = (u64, i64, i64, i64, i64, u64);
    static KNOWN: Mutex<Option<HashMap<Key, String>>> = Mutex::new(None);
    let key = (meta.ino(), meta.ctime(), meta.ctime_nsec(), meta.mtime(), meta.mtime_nsec(), meta.len());
    let known = || KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(hash) = known().get_or_insert_default().get(&key) {
        return hash.clone();
    }
    let hash = hex::encode(Sha256::digest(bytes_of(path)));
    known().get_or_insert_default().insert(key, hash.clone());
    hash
}

/// The entries that differ.
pub fn delta(before: &Footprint, after: &Footprint) -> Delta {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            let states = (before.get(name).cloned(), after.get(name).cloned());
            (name.clone(), states)
        })
        .collect()
}

/// Changes that none of the undisturbed commands makes, or makes differently.
pub fn beyond(seen: &Delta, undisturbed: &[&Delta]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, (before, after)) in seen {
        let is_of_root =
            after.as_ref().is_none_or(|entry| entry.access.ends_with(" 0:0") && !open_to_others(&entry.access));
        if is_below(name, &TOOL_PATHS) && is_of_root {
            continue;
        }
        let access = |entry: &Option<Entry>| entry.as_ref().map(|entry| entry.access.clone());
        if is_below(name, &PACKAGE_MANAGER_PATHS) && access(before) == access(after) {
            continue;
        }
        let states: Vec<&Option<Entry>> = undisturbed
            .iter()
            .filter_map(|delta| delta.get(name))
            .flat_map(|(before, after)| [before, after])
            .collect();
        let fine = if is_below(name, &SACRED) {
            states.contains(&after)
        } else {
            states.iter().any(|state| access(state) == access(after))
        };
        if !fine {
            let show = |entry: &Option<Entry>| match entry {
                Some(entry) => format!("{} {:.12}", entry.access, entry.content),
                None => "nothing".to_owned(),
            };
            found.push(format!("/{name}: {} -> {}", show(before), show(after)));
        }
    }
    found
}

fn open_to_others(access: &str) -> bool {
    let mode = access.split(' ').nth(1).and_then(|mode| u32::from_str_radix(mode, 8).ok());
    mode.is_none_or(|mode| mode & 0o007 != 0)
}
