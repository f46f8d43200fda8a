//! What is recorded around a change so that it can be undone. The engine itself only knows files; other modules provide
//! a [`WatchKind`] for anything else (packages, an installer's answers, a package manager's trees).

use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::engine::receipt::backup;
use crate::engine::receipt::entry::{Entry, file_hash};
use crate::engine::snapshot::{self, Keep, Snapshot};
use crate::host::command::Command;
use crate::host::{ChangedMeanwhile, Host};

/// A kind of thing whose state can be recorded.
pub trait WatchKind: Sync {
    /// Its name in the receipt; never changes.
    fn name(&self) -> &'static str;

    /// The current state of one of them; all bytes that it refers to by hash are passed to `keep`.
    fn capture(&self, host: &dyn Host, which: &str, keep: Keep) -> Result<Snapshot>;

    /// The most that this command may make of one of them, if known in advance. Whatever else is found later was done
    /// by others.
    fn planned(&self, _host: &dyn Host, _command: &Command) -> Option<Snapshot> {
        None
    }

    /// Returns once nothing that a killed run may have left behind is still working on it.
    fn settle(&self, host: &dyn Host, entry: &Entry) -> Result<()>;

    /// Which of them contains this file; the file is then recorded as part of it instead of by itself.
    fn holds(&self, _file: &Path) -> Option<&'static str> {
        None
    }
}

/// One thing whose state is recorded.
#[derive(Clone)]
pub struct Watch {
    /// Its kind.
    pub kind: &'static dyn WatchKind,
    /// Which one: a path, a name; empty where there is only one.
    pub which: String,
}

impl Watch {
    /// One thing of a kind.
    pub fn new(kind: &'static dyn WatchKind, which: impl Into<String>) -> Self {
        Self { kind, which: which.into() }
    }

    /// What is at a path (a file, a link or nothing): bytes, mode, owner, access list.
    pub fn file(path: &Path) -> Self {
        Self::new(&File, path.display().to_string())
    }

    /// Its key in the receipt: its kind, a colon, and `which`.
    pub fn key(&self) -> String {
        format!("{}:{}", self.kind.name(), self.which)
    }

    /// The path, if it is a file.
    pub fn path(&self) -> Option<PathBuf> {
        (self.kind.name() == File.name()).then(|| self.which.as_str().into())
    }

    /// Its state now.
    pub fn capture(&self, host: &dyn Host, keep: Keep) -> Result<Snapshot> {
        self.kind.capture(host, &self.which, keep)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}

impl PartialEq for Watch {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Watch {}

impl PartialOrd for Watch {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Watch {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.kind.name(), &self.which).cmp(&(other.kind.name(), &other.which))
    }
}

/// Single files.
pub struct File;

impl WatchKind for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn capture(&self, host: &dyn Host, which: &str, keep: Keep) -> Result<Snapshot> {
        Ok(Snapshot::File(snapshot::file(host, Path::new(which), keep)?))
    }

    /// Removes the temporary file of a killed run, which may contain a secret. If it is neither the file as it was
    /// before nor a part of the new text, somebody changed it right before it was replaced.
    fn settle(&self, host: &dyn Host, entry: &Entry) -> Result<()> {
        let Some(path) = entry.which(self).map(Path::new) else { return Ok(()) };
        let before = file_hash(&entry.before);
        let planned = entry.planned.iter().flat_map(file_hash).next().and_then(|hash| backup(host, hash).ok());
        let known = |bytes: &[u8]| match &planned {
            Some(planned) => planned.starts_with(bytes) || before == [snapshot::hash(bytes)],
            None => true,
        };
        if let Some(kept) = host.clear(path, &known)? {
            host.notice(&ChangedMeanwhile { path: path.to_owned(), kept: Some(kept) }.to_string());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_are_compared_by_kind_and_name() {
        let [one, same, other] = ["/etc/a", "/etc/a", "/etc/b"].map(|path| Watch::file(Path::new(path)));
        assert!(one == same && one != other && one < other);
        assert_eq!(format!("{one:?}"), "file:/etc/a");
    }
}
