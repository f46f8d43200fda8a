//! How the host is altered, as data. What people read about a change is derived from it, never written beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::display::masked_diff;
use crate::engine::report::ChangeReport;
use crate::host::command::Command;
use crate::host::secret::redact;
use crate::host::{Access, AccessList, Expected, FileText, Host};
use crate::luarocks::fork_commit::Pin;
use crate::prosody::restart::Restart;

/// Something whose state is recorded around a change, so that the change can be taken back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watch {
    /// A file: bytes, mode, owner.
    File(PathBuf),
    /// Everything below a folder.
    Tree(PathBuf),
    /// Which Debian packages are installed.
    Packages,
    /// A debconf answer, `package/name`.
    Debconf(String),
}

/// Looks at a file's new text before they are put in place, and refuses them with an error.
pub type Guard = fn(&dyn Host, &Path, &FileText) -> Result<()>;

/// What a check saw in the place of a file that it wants to write.
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

/// One alteration of the host.
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
        /// What the bytes were made from: if it is something else by then, the file is not written.
        seen: Seen,
        /// Must accept the bytes first.
        guard: Option<Guard>,
    },
    /// Remove a file, a link or an empty folder.
    Remove {
        /// What.
        path: PathBuf,
    },
    /// Give a file another name, which nothing has yet.
    Rename {
        /// The old one.
        from: PathBuf,
        /// The new one.
        to: PathBuf,
    },
    /// Make a symbolic link.
    Link {
        /// Where.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// Put what is below a folder back as it was.
    PutBack {
        /// The folder.
        root: PathBuf,
        /// What was not there, folders after what is in them.
        remove: Vec<PathBuf>,
        /// Folders that were there, and how, each after the one that it is in.
        folders: Vec<(PathBuf, Access)>,
        /// What was there, and how.
        write: Vec<(PathBuf, Vec<u8>, Access)>,
    },
    /// Run a command.
    Run {
        /// Which.
        command: Command,
        /// What it may touch.
        watches: Vec<Watch>,
        /// How long to wait for somebody else's lock of apt, dpkg or debconf.
        patience: Duration,
        /// Whether a failure is only worth a warning.
        optional: bool,
        /// The tag or branch that it fetches, which must not have been moved.
        pin: Option<Pin>,
    },
    /// Restart the daemon and wait for the evidence.
    Restart(Restart),
    /// Make one change; only if it failed, or leaves the step's check asking for something, make others in its place.
    /// The last of a step's changes: what would come behind it is not there yet when the check is asked.
    Fallback {
        /// What is tried.
        first: Box<Change>,
        /// What is done instead.
        otherwise: Vec<Change>,
        /// What that means, for the report.
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
        }
    }

    /// Writes the file only if what the check saw is still there.
    pub fn in_place_of(mut self, what: impl Into<Seen>) -> Self {
        if let Self::Write { seen, .. } = &mut self {
            *seen = what.into();
        }
        self
    }

    /// Says what becomes of the file's access list.
    pub fn with_list(mut self, what: AccessList) -> Self {
        if let Self::Write { list, .. } = &mut self {
            *list = what;
        }
        self
    }

    /// Has something accept the bytes first.
    pub fn guarded(mut self, by: Guard) -> Self {
        if let Self::Write { guard, .. } = &mut self {
            *guard = Some(by);
        }
        self
    }

    /// Runs a command that touches `watches`.
    pub fn run(command: Command, watches: impl IntoIterator<Item = Watch>) -> Self {
        let watches = watches.into_iter().collect();
        Self::Run { command, watches, patience: Duration::ZERO, optional: false, pin: None }
    }

    /// Waits up to `limit` for somebody else's lock.
    pub fn patient(mut self, limit: Duration) -> Self {
        if let Self::Run { patience, .. } = &mut self {
            *patience = limit;
        }
        self
    }

    /// Holds the tag or branch that the command fetches to the commit that it stood for before.
    pub fn pinned(mut self, to: Pin) -> Self {
        if let Self::Run { pin, watches, .. } = &mut self {
            watches.push(Watch::File(crate::luarocks::fork_commit::PATH.into()));
            *pin = Some(to);
        }
        self
    }

    /// Makes a failure of the command only worth a warning.
    pub fn optional(mut self) -> Self {
        if let Self::Run { optional, .. } = &mut self {
            *optional = true;
        }
        self
    }

    /// What it touches.
    pub fn watches(&self) -> Vec<Watch> {
        match self {
            Self::Write { path, .. } | Self::Remove { path } | Self::Link { path, .. } => {
                vec![watch_of(path)]
            }
            Self::Rename { from, to } => vec![watch_of(from), watch_of(to)],
            Self::Run { watches, .. } => watches.clone(),
            Self::PutBack { .. } | Self::Restart(_) => Vec::new(),
            Self::Fallback { first, otherwise, .. } => {
                first.watches().into_iter().chain(otherwise.iter().flat_map(Self::watches)).collect()
            }
        }
    }

    /// The change in one line.
    pub fn describe(&self) -> String {
        redact(&match self {
            Self::Write { path, access, .. } => {
                format!("write {} (mode {:04o})", path.display(), access.mode)
            }
            Self::Remove { path } => format!("remove {}", path.display()),
            Self::Rename { from, to } => format!("rename {} to {}", from.display(), to.display()),
            Self::Link { path, target } => {
                format!("link {} to {}", path.display(), target.display())
            }
            Self::PutBack { root, remove, write, .. } => {
                format!("put {} back: remove {}, restore {}", root.display(), remove.len(), write.len())
            }
            Self::Run { command, .. } => command.display(),
            Self::Restart(restart) => restart.describe(),
            Self::Fallback { first, .. } => return first.describe(),
        })
    }

    /// The change for the report, with the difference to what `host` has now.
    pub fn report(&self, host: &dyn Host) -> Result<ChangeReport> {
        let (kind, diff, fallback) = match self {
            Self::Write { path, bytes, .. } => ("write", Some(difference(host, path, bytes)?), Vec::new()),
            Self::Remove { .. } => ("remove", None, Vec::new()),
            Self::Rename { .. } => ("rename", None, Vec::new()),
            Self::PutBack { .. } => ("put-back", None, Vec::new()),
            Self::Link { .. } => ("link", None, Vec::new()),
            Self::Run { .. } | Self::Restart(_) => ("run", None, Vec::new()),
            Self::Fallback { first, otherwise, .. } => {
                let fallback = otherwise.iter().map(|change| change.report(host)).collect::<Result<_>>()?;
                return Ok(ChangeReport { fallback, ..first.report(host)? });
            }
        };
        Ok(ChangeReport { kind, what: self.describe(), diff, fallback })
    }
}

/// The folders that rocks are installed to.
pub const ROCK_TREES: [&str; 3] = ["/usr/local/lib/lua", "/usr/local/lib/luarocks", "/usr/local/share/lua"];

/// A file in luarocks' trees is watched with its tree: luarocks moves and removes it later.
fn watch_of(path: &Path) -> Watch {
    let tree = ROCK_TREES.iter().find(|tree| path.starts_with(tree));
    tree.map_or_else(|| Watch::File(path.to_owned()), |tree| Watch::Tree((*tree).into()))
}

fn difference(host: &dyn Host, path: &Path, bytes: &[u8]) -> Result<String> {
    let before = host.read(path).with_context(|| format!("cannot compare {}", path.display()))?.unwrap_or_default();
    Ok(masked_diff::difference(path, &before, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn a_file_change_shows_its_difference_with_secrets_masked() {
        let host = FakeHost::new().file("/etc/a", "one\ntwo\n");
        let secret = crate::host::secret::Secret::new("very-hidden-99");
        let text = format!("one\nthree {}\n", secret.reveal());
        let report = Change::write("/etc/a", text, Access { mode: 0o640, uid: 0, gid: 0 }).report(&host).unwrap();
        assert_eq!(report.what, "write /etc/a (mode 0640)");
        assert_eq!(report.diff.unwrap(), "@@ -1,2 +1,2 @@\n one\n-two\n+three <redacted>");
    }
}
