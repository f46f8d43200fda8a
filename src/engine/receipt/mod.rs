//! The write-ahead record of what was changed, with the state before and after. An entry is on disk before its change
//! is made, so a killed run can be finished or taken back. Hashes here, bytes in a folder that only root can enter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::engine::change::{Change, Seen, Watch};
use crate::engine::merge::added_at_the_end;
use crate::engine::receipt::snapshot::{Image, Node, capture, hash};
use crate::host::{Access, AccessList, Host};

pub use crate::engine::receipt::entry::Span;
use crate::engine::receipt::entry::{file_hash, follows, forget_what_was_mended, hashes, join, reduce};

/// Where the receipt and the backups are.
pub const FOLDER: &str = "/var/lib/jitsi-tokens-setup";

/// Where commands write what the receipt records; often one file system.
const FLUSHED: [&str; 3] = ["/etc", "/usr/local", "/var"];

const SCHEMA: u32 = 1;
const PRIVATE_FILE: Access = Access { mode: 0o600, uid: 0, gid: 0 };
const PRIVATE_FOLDER: Access = Access { mode: 0o700, uid: 0, gid: 0 };

#[derive(Debug, Serialize, Deserialize)]
struct Data {
    schema: u32,
    tool: String,
    spans: Vec<Span>,
}

/// The receipt, kept on disk at every step of the way.
pub struct Receipt<'a> {
    host: &'a dyn Host,
    run: u64,
    data: Data,
}

impl<'a> Receipt<'a> {
    /// Loads the receipt, or starts an empty one, and settles what a killed run left open.
    pub fn load(host: &'a dyn Host) -> Result<Self> {
        let path = Path::new(FOLDER).join("receipt.json");
        let data = match host.read(&path)? {
            Some(bytes) => parse(&bytes).with_context(|| format!("cannot use the receipt {}", path.display()))?,
            None => Data { schema: SCHEMA, tool: env!("CARGO_PKG_VERSION").to_owned(), spans: Vec::new() },
        };
        let run = host.now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let mut receipt = Self { host, run, data };
        for span in receipt.spans().iter().filter(|span| span.after.is_none()) {
            crate::engine::receipt::leftovers::settle(host, &watch(&span.of)?)?;
        }
        receipt.settle()?;
        receipt.compact(true);
        Ok(receipt)
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.data.spans.is_empty()
    }

    /// What was changed, the oldest first.
    pub fn spans(&self) -> &[Span] {
        &self.data.spans
    }

    /// The spans that this run began.
    pub fn spans_of_this_run(&self) -> impl Iterator<Item = &Span> {
        self.data.spans.iter().filter(|span| span.run == self.run)
    }

    /// Records the state of all that `change` touches. On disk when this returns.
    pub fn begin(&mut self, step: &str, change: &Change) -> Result<()> {
        let watches: BTreeSet<Watch> = change.watches().into_iter().collect();
        if watches.is_empty() {
            return Ok(());
        }
        for watch in watches {
            let (host, folder) = (self.host, backups());
            let before = capture(host, &watch, &mut |name, bytes| keep(host, &folder, name, bytes))?;
            let (before, planned) = self.planned(&watch, change, before)?;
            let span = Span { of: key(&watch), step: step.to_owned(), run: self.run, before, after: None, planned };
            self.data.spans.push(span);
        }
        self.save()
    }

    /// The state of a file before it is written, and the one that is meant to come of it: the edit is from the one to the
    /// other, whatever others do to the file at the same time.
    fn planned(&self, watch: &Watch, change: &Change, before: Image) -> Result<(Image, Option<Image>)> {
        let Change::Write { bytes, access, list, seen, .. } = change else {
            return Ok((before, None));
        };
        let (Image::File(mut before), Watch::File(_)) = (before.clone(), watch) else {
            return Ok((before, None));
        };
        let (name, folder) = (hash(bytes), backups());
        let mut kept = None;
        if let (Some(Node::File { sha256, acl, .. }), Seen::Bytes(seen)) = (&mut before, seen) {
            *sha256 = hash(seen);
            kept.clone_from(acl);
            keep(self.host, &folder, sha256, seen)?;
        }
        // It is the base when others change it later.
        keep(self.host, &folder, &name, bytes)?;
        let acl = match list {
            AccessList::Exactly(list) => list.as_deref().map(hex::encode),
            AccessList::Fitting if access.mode & 0o007 == 0 => None,
            AccessList::Fitting | AccessList::Kept => kept,
        };
        let (mode, uid, gid) = (access.mode, access.uid, access.gid);
        let after = Node::File { sha256: name, mode, uid, gid, acl };
        Ok((Image::File(before), Some(Image::File(Some(after)))))
    }

    /// Records the state after the change, whether it was made in full or not. On disk when this returns.
    pub fn settle(&mut self) -> Result<()> {
        if self.data.spans.iter().all(|span| span.after.is_some()) {
            return Ok(());
        }
        for index in 0..self.data.spans.len() {
            let of = watch(&self.data.spans[index].of)?;
            let span = &mut self.data.spans[index];
            if span.after.is_none() {
                let now = capture(self.host, &of, &mut |_, _| Ok(()))?;
                let planned = span.planned.take().filter(|_| now != span.before);
                let command = planned.is_none();
                span.after = Some(planned.unwrap_or(now));
                reduce(span);
                if command {
                    leave_additions(self.host, &of, span)?;
                }
            }
        }
        self.compact(false);
        self.save()?;
        self.keep_bases()
    }

    /// Forgets the change that was begun: it was not made.
    pub fn forget_begun(&mut self) -> Result<()> {
        self.data.spans.retain(|span| span.after.is_some());
        self.save()
    }

    /// Forgets everything, backups included: all was taken back. What commands did for that is on the disk before: a
    /// power cut must not bring back what nothing knows of any more.
    pub fn discard(&mut self) -> Result<()> {
        flush(self.host)?;
        self.data.spans.clear();
        self.sweep()?;
        let folder = Path::new(FOLDER);
        self.host.remove(&folder.join("receipt.json"))?;
        self.host.remove(&backups())?;
        // A run that was killed while it wrote the receipt leaves this.
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

    /// Joins spans of one thing that follow each other without a gap, so that reruns do not grow the receipt. While a
    /// run goes on only its own: it must be able to go back to where it began, and not further.
    fn compact(&mut self, across_runs: bool) {
        let mut joined: Vec<Span> = Vec::new();
        for span in std::mem::take(&mut self.data.spans) {
            match joined.iter_mut().rev().find(|known| known.of == span.of) {
                Some(known) if (across_runs || known.run == span.run) && follows(known, &span) => {
                    join(known, span);
                }
                _ => joined.push(span),
            }
            if across_runs {
                forget_what_was_mended(&mut joined);
            }
        }
        joined.retain(|span| span.after.as_ref() != Some(&span.before));
        self.data.spans = joined;
    }

    fn save(&self) -> Result<()> {
        self.host.make_dir(Path::new(FOLDER), PRIVATE_FOLDER)?;
        let mut text = serde_json::to_string_pretty(&self.data)?;
        text.push('\n');
        self.host.write(&Path::new(FOLDER).join("receipt.json"), text.as_bytes(), PRIVATE_FILE)
    }

    /// Removes backups that no span needs any more. At the end of a run: its changes have most of them in common.
    pub fn sweep(&self) -> Result<()> {
        let needed: BTreeSet<&str> = self.data.spans.iter().flat_map(|span| hashes(&span.before)).collect();
        // What a merge is made from: the state after, while later spans build on it.
        let bases: BTreeSet<&str> =
            self.data.spans.iter().filter_map(|span| span.after.as_ref()).flat_map(file_hash).collect();
        for name in self.host.list(&backups())? {
            if !needed.contains(name.as_str()) && !bases.contains(name.as_str()) {
                self.host.remove(&backups().join(name))?;
            }
        }
        Ok(())
    }

    /// Keeps a file changed by us in its new form too: it is the base when others change it later.
    fn keep_bases(&self) -> Result<()> {
        for span in &self.data.spans {
            if let (Some(Image::File(Some(Node::File { sha256, .. }))), Watch::File(path)) =
                (&span.after, watch(&span.of)?)
            {
                if !self.host.exists(&backups().join(sha256))? {
                    if let Some(bytes) =
                        self.host.read(&path)?.filter(|bytes| crate::engine::receipt::snapshot::hash(bytes) == *sha256)
                    {
                        keep(self.host, &backups(), sha256, &bytes)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Takes what was only added at the end of a file during a command out of what the command did: no package's script adds
/// to the files that are watched, so somebody else did, and it is theirs.
fn leave_additions(host: &dyn Host, of: &Watch, span: &mut Span) -> Result<()> {
    let (Watch::File(path), Image::File(Some(before)), Some(Image::File(Some(after)))) =
        (of, &span.before, &mut span.after)
    else {
        return Ok(());
    };
    let (Node::File { sha256: old, .. }, Node::File { sha256: new, .. }) = (before, after) else {
        return Ok(());
    };
    let now = host.read(path)?.unwrap_or_default();
    if old == new || hash(&now) != *new {
        return Ok(());
    }
    let added = added_at_the_end(&backup(host, old)?, &now).len();
    if added > 0 {
        let without = &now[..now.len() - added];
        *new = hash(without);
        keep(host, &backups(), new, without)?;
    }
    Ok(())
}

/// Puts on the disk what commands wrote.
pub fn flush(host: &dyn Host) -> Result<()> {
    FLUSHED.iter().try_for_each(|path| host.flush(Path::new(path)))
}

/// The bytes that were kept under this hash.
pub fn backup(host: &dyn Host, sha256: &str) -> Result<Vec<u8>> {
    let path = backups().join(sha256);
    let bytes = host.read(&path)?.with_context(|| format!("the backup {} is missing", path.display()))?;
    if crate::engine::receipt::snapshot::hash(&bytes) != sha256 {
        bail!("the backup {} is not what was kept there", path.display());
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Data> {
    let data: Data = serde_json::from_slice(bytes).context("it is damaged; move it away to start a new one")?;
    if data.schema != SCHEMA {
        bail!("it was written by version {} of the tool, use that one", data.tool);
    }
    data.spans.iter().try_for_each(|span| watch(&span.of).map(drop))?;
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

/// A watch as text: its kind, then what.
pub fn key(watch: &Watch) -> String {
    match watch {
        Watch::File(path) => format!("file:{}", path.display()),
        Watch::Tree(path) => format!("tree:{}", path.display()),
        Watch::Packages => "packages:".to_owned(),
        Watch::Debconf(question) => format!("debconf:{question}"),
    }
}

/// The watch that [`key`] made this text from.
pub fn watch(key: &str) -> Result<Watch> {
    Ok(match key.split_once(':') {
        Some(("file", path)) => Watch::File(path.into()),
        Some(("tree", path)) => Watch::Tree(path.into()),
        Some(("packages", _)) => Watch::Packages,
        Some(("debconf", question)) => Watch::Debconf(question.to_owned()),
        _ => bail!("the receipt names something unknown: {key:?}"),
    })
}

mod entry;
mod leftovers;
pub mod snapshot;
#[cfg(test)]
mod tests;
