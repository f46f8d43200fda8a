//! The write-ahead record of what was changed, with the state before and after. An entry is on disk before its change
//! is made, so a killed run can be finished or undone. The record holds hashes; the bytes are in a folder that only
//! root can enter.

pub mod entry;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::engine::change::{Change, Seen};
use crate::engine::merge::appended_lines;
use crate::engine::snapshot::{Node, Snapshot, hash};
use crate::engine::watch::{Watch, WatchKind};
use crate::host::{Access, AccessList, Host};

pub use crate::engine::receipt::entry::Entry;
use crate::engine::receipt::entry::{file_hash, follows, forget_redone_change, hashes, join, reduce};

/// The folder of the receipt and the backups.
pub const FOLDER: &str = "/var/lib/jitsi-tokens-setup";

/// Where commands write what the receipt records; often all on one file system.
const FLUSHED: [&str; 3] = ["/etc", "/usr/local", "/var"];

const SCHEMA: u32 = 1;
const PRIVATE_FILE: Access = Access::root(0o600);
const PRIVATE_FOLDER: Access = Access::root(0o700);

#[derive(Debug, Serialize, Deserialize)]
struct Data {
    schema: u32,
    tool: String,
    #[serde(rename = "spans")]
    entries: Vec<Entry>,
}

/// The receipt; its copy on disk is kept up to date throughout a run.
pub struct Receipt<'a> {
    host: &'a dyn Host,
    kinds: &'a [&'static dyn WatchKind],
    run: u64,
    data: Data,
}

impl<'a> Receipt<'a> {
    /// Loads the receipt, or starts an empty one, and settles what a killed run left open. `kinds` are all the kinds
    /// that it may name.
    ///
    /// # Errors
    /// If it is damaged, from another version or names an unknown kind, or if a process that a killed run left behind
    /// does not end.
    pub fn load(host: &'a dyn Host, kinds: &'a [&'static dyn WatchKind]) -> Result<Self> {
        let path = Path::new(FOLDER).join("receipt.json");
        let data = match host.read(&path)? {
            Some(bytes) => {
                parse(&bytes, kinds).with_context(|| format!("cannot use the receipt {}", path.display()))?
            }
            None => Data { schema: SCHEMA, tool: env!("CARGO_PKG_VERSION").to_owned(), entries: Vec::new() },
        };
        let run = host.now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let mut receipt = Self { host, kinds, run, data };
        for entry in receipt.entries().iter().filter(|entry| entry.after.is_none()) {
            let watch = watch(kinds, &entry.of)?;
            watch.kind.settle(host, entry)?;
        }
        receipt.settle()?;
        receipt.compact(true);
        Ok(receipt)
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.data.entries.is_empty()
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.data.entries
    }

    /// The entries that this run began.
    pub fn entries_of_this_run(&self) -> impl Iterator<Item = &Entry> {
        self.data.entries.iter().filter(|entry| entry.run == self.run)
    }

    /// Records the state of everything that `change` touches. On disk when this returns.
    pub fn begin(&mut self, step: &str, change: &Change) -> Result<()> {
        let watches: BTreeSet<Watch> = change.watches().into_iter().map(|watch| self.whole(watch)).collect();
        if watches.is_empty() {
            return Ok(());
        }
        for watch in watches {
            let (host, folder) = (self.host, backups());
            let before = watch.capture(host, &mut |name, bytes| keep(host, &folder, name, bytes))?;
            let (before, planned) = self.planned(&watch, change, before)?;
            let entry = Entry { of: watch.key(), step: step.to_owned(), run: self.run, before, after: None, planned };
            self.data.entries.push(entry);
        }
        self.save()
    }

    /// The watch itself or, for a file that is recorded as part of something larger, the watch of that.
    fn whole(&self, watch: Watch) -> Watch {
        let Some(path) = watch.path() else { return watch };
        let within = self.kinds.iter().find_map(|kind| Some(Watch::new(*kind, kind.holds(&path)?)));
        within.unwrap_or(watch)
    }

    /// The state before, and the intended state afterwards if it is known: the change leads from the one to the other,
    /// whatever other programs do at the same time.
    fn planned(&self, watch: &Watch, change: &Change, before: Snapshot) -> Result<(Snapshot, Option<Snapshot>)> {
        let (bytes, access, list, seen) = match change {
            Change::Write { bytes, access, list, seen, .. } => (bytes, access, list, seen),
            Change::Run { command, .. } => return Ok((before, watch.kind.planned(self.host, command))),
            _ => return Ok((before, None)),
        };
        let (Snapshot::File(mut before), Some(_)) = (before.clone(), watch.path()) else {
            return Ok((before, None));
        };
        let (name, folder) = (hash(bytes), backups());
        let mut kept = None;
        if let (Some(Node::File { sha256, acl, .. }), Seen::Bytes(seen)) = (&mut before, seen) {
            *sha256 = hash(seen);
            kept.clone_from(acl);
            keep(self.host, &folder, sha256, seen)?;
        }
        // The base for a merge if others change the file later.
        keep(self.host, &folder, &name, bytes)?;
        let acl = match list {
            AccessList::Exactly(list) => list.as_deref().map(hex::encode),
            AccessList::Fitting if access.mode & 0o007 == 0 => None,
            AccessList::Fitting | AccessList::Kept => kept,
        };
        let (mode, uid, gid) = (access.mode, access.uid, access.gid);
        let after = Node::File { sha256: name, mode, uid, gid, acl };
        Ok((Snapshot::File(before), Some(Snapshot::File(Some(after)))))
    }

    /// Records the state after the change, whether it was made in full or not. On disk when this returns.
    pub fn settle(&mut self) -> Result<()> {
        if self.data.entries.iter().all(|entry| entry.after.is_some()) {
            return Ok(());
        }
        for index in 0..self.data.entries.len() {
            let of = watch(self.kinds, &self.data.entries[index].of)?;
            let entry = &mut self.data.entries[index];
            if entry.after.is_none() {
                let mut text = Vec::new();
                let now = of.capture(self.host, &mut |_, bytes| {
                    text = bytes.to_vec();
                    Ok(())
                })?;
                let planned = entry.planned.take().filter(|_| now != entry.before);
                let command = planned.is_none();
                entry.after = Some(match (planned, now) {
                    (Some(Snapshot::Names(planned)), Snapshot::Names(now)) => Snapshot::Names(&planned & &now),
                    (planned, now) => planned.unwrap_or(now),
                });
                reduce(entry);
                if command {
                    keep_ours(self.host, entry, &text)?;
                }
            }
        }
        self.compact(false);
        self.save()
    }

    /// Drops the entries of a change that was begun but not made.
    pub fn drop_unfinished(&mut self) -> Result<()> {
        self.data.entries.retain(|entry| entry.after.is_some());
        self.save()
    }

    /// Deletes the receipt and its backups once everything is undone. What commands did to undo it is flushed to disk
    /// first: a power cut must not bring back anything that is no longer recorded.
    pub fn discard(&mut self) -> Result<()> {
        flush(self.host)?;
        self.data.entries.clear();
        self.sweep()?;
        let folder = Path::new(FOLDER);
        self.host.remove(&folder.join("receipt.json"))?;
        self.host.remove(&backups())?;
        // Left by a run that was killed while it wrote the receipt.
        for name in self.host.list(folder)? {
            if name.starts_with('.') && name.ends_with(".tmp") {
                self.host.remove(&folder.join(name))?;
            }
        }
        if self.host.list(folder)?.is_empty() {
            self.host.remove(folder)?;
        }
        Ok(())
    }

    /// Joins entries of the same thing that follow each other without a gap, so reruns do not grow the receipt. During
    /// a run only its own entries are joined: it must be able to return to where it began, and no further.
    fn compact(&mut self, across_runs: bool) {
        let mut joined: Vec<Entry> = Vec::new();
        for entry in std::mem::take(&mut self.data.entries) {
            match joined.iter_mut().rev().find(|known| known.of == entry.of) {
                Some(known) if (across_runs || known.run == entry.run) && follows(known, &entry) => {
                    join(known, entry);
                }
                _ => joined.push(entry),
            }
            if across_runs {
                forget_redone_change(&mut joined);
            }
        }
        joined.retain(|entry| entry.after.as_ref() != Some(&entry.before));
        self.data.entries = joined;
    }

    fn save(&self) -> Result<()> {
        self.host.make_dir(Path::new(FOLDER), PRIVATE_FOLDER)?;
        let mut text = serde_json::to_string_pretty(&self.data)?;
        text.push('\n');
        self.host.write(&Path::new(FOLDER).join("receipt.json"), text.as_bytes(), PRIVATE_FILE)
    }

    /// Removes backups that no entry needs any more. Called at the end of a run, since its changes share most of them.
    pub fn sweep(&self) -> Result<()> {
        let needed: BTreeSet<&str> = self.data.entries.iter().flat_map(|entry| hashes(&entry.before)).collect();
        // A merge starts from the state after a change, on which later entries build.
        let bases: BTreeSet<&str> =
            self.data.entries.iter().filter_map(|entry| entry.after.as_ref()).flat_map(file_hash).collect();
        for name in self.host.list(&backups())? {
            if !needed.contains(name.as_str()) && !bases.contains(name.as_str()) {
                self.host.remove(&backups().join(name))?;
            }
        }
        Ok(())
    }
}

/// Also keeps the new bytes of a file that a command changed: they are the base for a merge if others change it later.
/// What was only added at the end is not the command's: no package script appends to a watched file, so somebody else
/// did.
fn keep_ours(host: &dyn Host, entry: &mut Entry, now: &[u8]) -> Result<()> {
    let Some(Snapshot::File(Some(Node::File { sha256: new, .. }))) = &mut entry.after else {
        return Ok(());
    };
    let added = match &entry.before {
        Snapshot::File(Some(Node::File { sha256: old, .. })) => appended_lines(&backup(host, old)?, now).len(),
        _ => 0,
    };
    let ours = &now[..now.len() - added];
    *new = hash(ours);
    keep(host, &backups(), new, ours)
}

/// Flushes to disk what commands wrote.
pub fn flush(host: &dyn Host) -> Result<()> {
    FLUSHED.iter().try_for_each(|path| host.flush(Path::new(path)))
}

/// The backup with this hash; an error if it is missing or was modified.
pub fn backup(host: &dyn Host, sha256: &str) -> Result<Vec<u8>> {
    let path = backups().join(sha256);
    let bytes = host.read(&path)?.with_context(|| format!("the backup {} is missing", path.display()))?;
    if hash(&bytes) != sha256 {
        bail!("the backup {} was modified", path.display());
    }
    Ok(bytes)
}

fn parse(bytes: &[u8], kinds: &[&'static dyn WatchKind]) -> Result<Data> {
    let data: Data = serde_json::from_slice(bytes).context("it is damaged; move it away to start a new one")?;
    if data.schema != SCHEMA {
        bail!("it was written by version {}; use that version", data.tool);
    }
    data.entries.iter().try_for_each(|entry| watch(kinds, &entry.of).map(drop))?;
    Ok(data)
}

fn backups() -> PathBuf {
    Path::new(FOLDER).join("backups")
}

fn keep(host: &dyn Host, folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    if host.exists(&path)? {
        return Ok(());
    }
    host.make_dir(Path::new(FOLDER), PRIVATE_FOLDER)?;
    host.make_dir(folder, PRIVATE_FOLDER)?;
    host.write(&path, bytes, PRIVATE_FILE)
}

/// The watch with this key.
fn watch(kinds: &[&'static dyn WatchKind], key: &str) -> Result<Watch> {
    let (name, which) = key.split_once(':').unwrap_or((key, ""));
    match kinds.iter().find(|kind| kind.name() == name) {
        Some(kind) => Ok(Watch::new(*kind, which)),
        None => bail!("the receipt contains an unknown entry: {key:?}"),
    }
}

#[cfg(test)]
mod tests;
