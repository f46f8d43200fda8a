//! Changes to the host, as data. What people read about a change is derived from it, never written separately.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::engine::observer::Observer;
use crate::engine::report::{ChangeKind, ChangeReport};
use crate::engine::watch::Watch;
use crate::host::command::{Brings, Command};
use crate::host::{Access, AccessList, Expected, FileText, Host, Output};

/// Checks a file's new text before it is put in place; an error rejects it.
pub type Guard = fn(&dyn Host, &Path, &FileText) -> Result<()>;

/// What a check saw at a path that it wants to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It did not look.
    Unknown,
    /// No file.
    Nothing,
    /// A file with these bytes.
    Bytes(Vec<u8>),
}

impl Seen {
    /// What must still be there when the file is written.
    pub fn expected(&self) -> Expected<'_> {
        match self {
            Self::Unknown => Expected::Anything,
            Self::Nothing => Expected::Nothing,
            Self::Bytes(bytes) => Expected::Bytes(bytes),
        }
    }
}

impl From<Option<Vec<u8>>> for Seen {
    fn from(read: Option<Vec<u8>>) -> Self {
        read.map_or(Self::Nothing, Self::Bytes)
    }
}

/// Runs a command for which plain execution is not enough: it waits for a lock, or compares what is fetched.
pub trait Wrapper: fmt::Debug {
    /// Runs the command.
    ///
    /// # Errors
    /// If it could not be run, or its result must not be used.
    fn run(&self, host: &dyn Host, command: &Command) -> Result<Output>;

    /// Returns once no other program changes what the command touches. What one does until then is not the command's
    /// doing, so this comes before the state that the receipt starts from.
    ///
    /// # Errors
    /// If that takes too long.
    fn wait(&self, _host: &dyn Host) -> Result<()> {
        Ok(())
    }
}

/// A change with its own way of being made and verified, such as a daemon's restart.
pub trait Action: fmt::Debug {
    /// The command that it starts with, if any.
    fn command(&self) -> Option<Command>;

    /// Makes the change and returns warnings.
    ///
    /// # Errors
    /// If the change was not made, or there is no evidence that it was.
    fn make(&self, host: &dyn Host) -> Result<Vec<String>>;
}

/// One modification of the host.
#[derive(Clone, Debug)]
pub enum Change {
    /// Write a file.
    Write {
        /// Where; a link is followed.
        path: PathBuf,
        /// Its new bytes.
        bytes: Vec<u8>,
        /// Its mode and owner afterwards.
        access: Access,
        /// Its access list afterwards.
        list: AccessList,
        /// What the bytes were made from; if the file has changed since, it is not written.
        seen: Seen,
        /// Must accept the bytes first.
        guard: Option<Guard>,
        /// Whether the account that owns the folder writes it instead of root.
        by_owner: bool,
    },
    /// Remove a file, a link or an empty folder.
    Remove {
        /// Its path.
        path: PathBuf,
    },
    /// Rename a file; nothing may have the new name yet.
    Rename {
        /// The old path.
        from: PathBuf,
        /// The new path.
        to: PathBuf,
    },
    /// Make a symbolic link.
    Link {
        /// The path of the link.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// Restore the contents of a folder.
    RestoreTree {
        /// The folder.
        root: PathBuf,
        /// Paths that were not there, each folder after its contents.
        remove: Vec<PathBuf>,
        /// Folders that were there, with their access, each after its parent.
        folders: Vec<(PathBuf, Access)>,
        /// Files that were there, with their bytes and access.
        write: Vec<(PathBuf, Vec<u8>, Access)>,
    },
    /// Run a command.
    Run {
        /// The command.
        command: Command,
        /// What it may touch.
        watches: Vec<Watch>,
        /// What runs it, if plain execution is not enough.
        wrapper: Option<Arc<dyn Wrapper>>,
        /// Whether a failure is only worth a warning.
        optional: bool,
    },
    /// Do something else and wait for evidence that it worked.
    Act(Arc<dyn Action>),
    /// Make one change; only if it fails, or the step is still not satisfied, make others instead. Must be the last of
    /// a step's changes: those after it would not have been made yet when the check runs.
    Fallback {
        /// What is tried first.
        first: Box<Change>,
        /// What is done instead.
        otherwise: Vec<Change>,
        /// What falling back means, for the report.
        note: String,
    },
}

impl Change {
    /// Writes a file, whatever is there.
    pub fn write(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>, access: Access) -> Self {
        Self::Write {
            path: path.into(),
            bytes: bytes.into(),
            access,
            list: AccessList::Fitting,
            seen: Seen::Unknown,
            guard: None,
            by_owner: false,
        }
    }

    /// Writes the file only if what the check saw is still there.
    pub fn in_place_of(mut self, what: impl Into<Seen>) -> Self {
        if let Self::Write { seen, .. } = &mut self {
            *seen = what.into();
        }
        self
    }

    /// Sets what becomes of the file's access list.
    pub fn with_list(mut self, what: AccessList) -> Self {
        if let Self::Write { list, .. } = &mut self {
            *list = what;
        }
        self
    }

    /// Has the account that owns the file and its folder write it: for a daemon's own configuration, where root must
    /// not write.
    pub fn by_owner(mut self) -> Self {
        if let Self::Write { by_owner, .. } = &mut self {
            *by_owner = true;
        }
        self
    }

    /// Requires that `by` accepts the bytes first.
    pub fn guarded(mut self, by: Guard) -> Self {
        if let Self::Write { guard, .. } = &mut self {
            *guard = Some(by);
        }
        self
    }

    /// Runs a command that touches `watches`.
    pub fn run(command: Command, watches: impl IntoIterator<Item = Watch>) -> Self {
        let watches = watches.into_iter().collect();
        Self::Run { command, watches, wrapper: None, optional: false }
    }

    /// Runs the command through `by`.
    pub fn wrapped(mut self, by: Arc<dyn Wrapper>) -> Self {
        if let Self::Run { wrapper, .. } = &mut self {
            *wrapper = Some(by);
        }
        self
    }

    /// Adds something that the command touches.
    pub fn touching(mut self, what: Watch) -> Self {
        if let Self::Run { watches, .. } = &mut self {
            watches.push(what);
        }
        self
    }

    /// Turns a failure of the command into a warning.
    pub fn optional(mut self) -> Self {
        if let Self::Run { optional, .. } = &mut self {
            *optional = true;
        }
        self
    }

    /// Waits until no other program changes what a recorded command touches.
    ///
    /// # Errors
    /// If that takes too long.
    pub fn wait(&self, host: &dyn Host) -> Result<()> {
        match self {
            Self::Run { wrapper: Some(wrapper), watches, .. } if host.is_live() && !watches.is_empty() => {
                wrapper.wait(host)
            }
            _ => Ok(()),
        }
    }

    /// Everything that the change touches.
    pub fn watches(&self) -> Vec<Watch> {
        match self {
            Self::Write { path, .. } | Self::Remove { path } | Self::Link { path, .. } => {
                vec![Watch::file(path)]
            }
            Self::Rename { from, to } => vec![Watch::file(from), Watch::file(to)],
            Self::Run { watches, .. } => watches.clone(),
            Self::RestoreTree { .. } | Self::Act(_) => Vec::new(),
            Self::Fallback { first, otherwise, .. } => {
                first.watches().into_iter().chain(otherwise.iter().flat_map(Self::watches)).collect()
            }
        }
    }

    /// The change for the report, with the difference to what `host` has now as rendered by `observer`.
    pub fn report(&self, host: &dyn Host, observer: &dyn Observer) -> Result<ChangeReport> {
        let shown = |path: &Path| Some(path.display().to_string());
        let about = |kind, path: &Path| ChangeReport { path: shown(path), ..ChangeReport::new(kind) };
        Ok(match self {
            Self::Write { path, bytes, access, .. } => ChangeReport {
                mode: Some(format!("{:04o}", access.mode)),
                diff: Some(difference(host, observer, path, bytes)?),
                ..about(ChangeKind::Write, path)
            },
            Self::Remove { path } => about(ChangeKind::Remove, path),
            Self::Rename { from, to } => ChangeReport { target: shown(to), ..about(ChangeKind::Rename, from) },
            Self::Link { path, target } => ChangeReport { target: shown(target), ..about(ChangeKind::Link, path) },
            Self::RestoreTree { root, remove, write, .. } => ChangeReport {
                removed: Some(remove.len()),
                rewritten: Some(write.len()),
                ..about(ChangeKind::Restore, root)
            },
            Self::Run { command, .. } => running(Some(command)),
            Self::Act(action) => running(action.command().as_ref()),
            Self::Fallback { first, otherwise, .. } => {
                let fallback = otherwise.iter().map(|change| change.report(host, observer)).collect::<Result<_>>()?;
                ChangeReport { fallback, ..first.report(host, observer)? }
            }
        })
    }
}

fn running(command: Option<&Command>) -> ChangeReport {
    let Some(command) = command else { return ChangeReport::new(ChangeKind::Run) };
    ChangeReport {
        command: command.argv(),
        environment: command.env.iter().cloned().collect(),
        input: command.stdin.is_some(),
        packages: command.brings.iter().filter_map(Brings::package).cloned().collect(),
        ..ChangeReport::new(ChangeKind::Run)
    }
}

fn difference(host: &dyn Host, observer: &dyn Observer, path: &Path, bytes: &[u8]) -> Result<String> {
    let before = host.read(path).with_context(|| format!("cannot compare {}", path.display()))?.unwrap_or_default();
    Ok(observer.difference(path, &before, bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::observer::End;
    use crate::host::fake::FakeHost;

    struct Nobody;

    impl Observer for Nobody {
        fn begin(&self, _: &str, _: &str, _: (usize, usize)) {}

        fn change(&self, _: &str, _: &ChangeReport) {}

        fn end(&self, _: End<'_>) {}

        fn difference(&self, _: &Path, before: &[u8], after: &[u8]) -> String {
            format!("{} to {} bytes", before.len(), after.len())
        }
    }

    #[test]
    fn every_kind_of_change_is_fully_reported() {
        let path = |path: &str| PathBuf::from(path);
        let access = Access::root(0o640);
        let (remove, folders) = (vec![path("/r/a"), path("/r/b")], Vec::new());
        let write = vec![(path("/r/c"), Vec::new(), access)];
        let command = Command::mutate("apt-get").arg("install").brings([Brings::Package("lua".to_owned())]);
        let run = Change::run(command.env("A", "b").stdin("s3cret"), []);
        let said = json!({"kind": "run", "command": ["apt-get", "install"], "environment": {"A": "b"}, "input": true,
                          "packages": ["lua"]});
        let mut with_fallback = said.clone();
        with_fallback["fallback"] = json!([{"kind": "remove", "path": "/a"}]);
        let otherwise = vec![Change::Remove { path: path("/a") }];
        let fallback = Change::Fallback { first: Box::new(run.clone()), otherwise, note: String::new() };
        for (change, report, line) in [
            (
                Change::write("/a", "new", access),
                json!({"kind": "write", "path": "/a", "mode": "0640", "diff": "5 to 3 bytes"}),
                "write /a (mode 0640)",
            ),
            (Change::Remove { path: path("/a") }, json!({"kind": "remove", "path": "/a"}), "remove /a"),
            (
                Change::Rename { from: path("/a"), to: path("/b") },
                json!({"kind": "rename", "path": "/a", "target": "/b"}),
                "rename /a to /b",
            ),
            (
                Change::Link { path: path("/l"), target: path("/a") },
                json!({"kind": "link", "path": "/l", "target": "/a"}),
                "link /l to /a",
            ),
            (
                Change::RestoreTree { root: path("/r"), remove, folders, write },
                json!({"kind": "restore", "path": "/r", "removed": 2, "rewritten": 1}),
                "restore /r: remove 2, rewrite 1",
            ),
            (run, said, "A=b apt-get install <<< '<redacted>'"),
            (fallback, with_fallback, "A=b apt-get install <<< '<redacted>'"),
        ] {
            let seen = change.report(&FakeHost::new().file("/a", "older"), &Nobody).unwrap();
            assert_eq!((serde_json::to_value(&seen).unwrap(), seen.to_string().as_str()), (report, line));
        }
    }
}
