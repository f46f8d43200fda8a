//! The machine, behind one trait. Reads are free; every mutation goes through it. [`system`] is the real machine,
//! [`overlay`] a preview on top of it, `fake` a machine in memory for tests.

#![allow(clippy::disallowed_methods, reason = "what is kept away from the others is kept here")]

pub mod access_list;
pub mod as_owner;
pub mod child;
pub mod command;
pub mod failure;
#[cfg(test)]
pub mod fake;
mod folders;
mod holders;
pub mod interrupt;
mod open;
pub mod overlay;
pub mod own_process;
pub mod ownership;
mod queries;
mod replace;
pub mod secret;
mod stalled_download;
mod stream;
pub mod system;

pub use open::own_file;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;

use crate::host::command::Command;
use crate::host::secret::Secret;

/// What kind of thing a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Anything else (device, socket, pipe).
    Other,
}

/// What `lstat` reports about a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Its kind.
    pub kind: FileKind,
    /// Permission bits, as in `chmod`.
    pub mode: u32,
    /// The owner's user ID.
    pub uid: u32,
    /// The group ID.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of the inode (ctime). Unlike the mtime, dpkg and tar cannot set it back.
    pub changed: SystemTime,
}

/// Permissions and owner that a written file gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Permission bits, as in `chmod`.
    pub mode: u32,
    /// The owner's user ID.
    pub uid: u32,
    /// The group ID.
    pub gid: u32,
}

impl Access {
    /// Owned by root, with these permission bits.
    pub const fn root(mode: u32) -> Self {
        Self { mode, uid: 0, gid: 0 }
    }
}

/// Something that cannot be written, known before anything is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritable {
    /// Its path.
    pub path: PathBuf,
    /// Why not, as the end of a sentence about it.
    pub why: String,
    /// What to do about it.
    pub fix: String,
    /// Whether the reason is that users other than root can write there too.
    pub shared: bool,
}

impl std::fmt::Display for Unwritable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.path.display(), self.why)
    }
}

impl std::error::Error for Unwritable {}

/// What is known about a file that is about to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'a> {
    /// Nothing: whatever is there is replaced.
    Anything,
    /// There is no such file.
    Nothing,
    /// It holds these bytes.
    Bytes(&'a [u8]),
}

/// What becomes of a file's access list (ACL) when the file is replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessList {
    /// It is kept, unless the mode shuts other users out: then a list lets nobody in either.
    #[default]
    Fitting,
    /// It is kept.
    Kept,
    /// It is replaced by this one, as the kernel stores it, or removed.
    Exactly(Option<Vec<u8>>),
}

/// A file's new text.
#[derive(Clone, Debug)]
pub struct FileText<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its mode and owner.
    pub access: Access,
    /// Its access list.
    pub list: AccessList,
    /// What must be there, or nothing is written.
    pub expected: Expected<'a>,
    /// Whether the folder belongs to the file's future owner, who then writes the file itself ([`as_owner`]).
    pub by_owner: bool,
}

/// A file has changed since a change to it was planned, so it was not replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedMeanwhile {
    /// The file.
    pub path: PathBuf,
    /// Where a second change by others was saved, if it could not be kept in the file itself.
    pub kept: Option<PathBuf>,
}

impl std::fmt::Display for ChangedMeanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "another program changed {} at the same time", self.path.display())?;
        match &self.kept {
            Some(kept) => write!(f, "; its version is saved as {}", kept.display()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ChangedMeanwhile {}

/// How a child ended.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Exit code; none if a signal or the time limit ended it.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Standard output, as text (bytes that are not UTF-8 are replaced).
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
    /// Why it was killed early; only for an [untrusted](Command::untrusted) command, for others this is an error.
    pub cut: Option<String>,
}

impl Output {
    /// Whether it exited 0.
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// How it ended and the first line that it printed to standard error; none if it exited 0.
    pub fn why_failed(&self) -> Option<String> {
        if self.ok() {
            return None;
        }
        let said = self.stderr.lines().next();
        Some(match self.signal {
            Some(signal) => {
                format!("it was killed by signal {signal}{}", said.map_or(String::new(), |said| format!(": {said}")))
            }
            None => said.unwrap_or("it failed").to_owned(),
        })
    }
}

/// What the commands that a preview swallowed would have done; empty on a real machine.
#[derive(Clone, Debug, Default)]
pub struct Assumed {
    /// Debian packages.
    pub packages: Vec<String>,
    /// Lua modules.
    pub modules: Vec<String>,
    /// Whether the `luajwtjitsi` that the plugin needs was installed.
    pub jwt_function: bool,
    /// Debconf answers, the newest last.
    pub debconf: Vec<(String, Secret)>,
    /// Whether the package lists were refreshed.
    pub package_lists: bool,
    /// Whether half-configured packages were repaired.
    pub repaired_packages: bool,
    /// Whether anything was changed since the daemon was restarted.
    pub stale_daemon: bool,
    /// Whether the daemon was restarted after the last change.
    pub restarted: bool,
    /// Other services that were restarted.
    pub services: Vec<&'static str>,
}

/// The machine.
pub trait Host {
    /// The bytes of a regular file, links followed if only root could have placed them; none if there is no such file.
    /// More than 16 MiB are an error, as is anything that is not a regular file.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>>;
    /// The bytes of a file from `offset` on, at most the last MiB of them; from its start if it is shorter (a rotated
    /// log).
    fn read_from(&self, path: &Path, offset: u64) -> Result<Option<Vec<u8>>> {
        Ok(self.read(path)?.map(|bytes| match usize::try_from(offset) {
            Ok(offset) if offset <= bytes.len() => bytes[offset..].to_vec(),
            _ => bytes,
        }))
    }
    /// The first `most` bytes of a file, or all of a shorter one.
    fn read_start(&self, path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Ok(self.read(path)?.map(|bytes| bytes[..bytes.len().min(most)].to_vec()))
    }
    /// `lstat`; none if there is nothing.
    fn stat(&self, path: &Path) -> Result<Option<Stat>>;
    /// The names in a directory, sorted; empty if there is none.
    fn list(&self, dir: &Path) -> Result<Vec<String>>;
    /// Where a link points to, as written in it.
    fn read_link(&self, path: &Path) -> Result<PathBuf>;
    /// The path with every link resolved; itself if it does not exist.
    fn real_path(&self, path: &Path) -> Result<PathBuf>;
    /// Runs a command to its end. A program that cannot be started is an error; an exit code is not.
    fn run(&self, command: &Command) -> Result<Output>;
    /// Starts a query in the background whose answer will be needed soon; [`Host::run`] then returns that answer. Only
    /// for answers that are needed before the next mutation.
    fn prefetch(&self, _query: &Command) {}
    /// Runs this same program with `task`, one of its hidden commands, in a child without privileges
    /// ([`own_process::drop_rights`]) that gets `input` on its standard input and is killed after `limit`. Everything
    /// that talks to untrusted peers is run this way.
    fn confined(&self, task: &str, input: Secret, limit: Duration) -> Result<Output>;
    /// Replaces or creates a file atomically: temporary file next to it, fsync, rename, fsync of the folder. Fails with
    /// [`ChangedMeanwhile`] if the file is not as expected, and with [`Unwritable`] if users other than root can write
    /// to a folder on its path.
    fn replace(&self, path: &Path, text: &FileText) -> Result<()>;
    /// Replaces or creates a file, whatever is there.
    fn write(&self, path: &Path, bytes: &[u8], access: Access) -> Result<()> {
        let (list, expected) = (AccessList::Fitting, Expected::Anything);
        self.replace(path, &FileText { bytes, access, list, expected, by_owner: false })
    }
    /// The access list of a regular file or a folder, as the kernel stores it; none if there is none.
    fn access_list(&self, _path: &Path) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    /// Fails with [`Unwritable`] if a write is bound to fail or must not be made: a read-only file system, a protected
    /// file, a file that is a mount point, a folder that users other than root can write to.
    fn writable(&self, _path: &Path) -> Result<()> {
        Ok(())
    }
    /// The process that holds a lock on a file, as apt and dpkg do (0 if it cannot be seen from here).
    fn lock_holder(&self, _path: &Path) -> Result<Option<i32>> {
        Ok(None)
    }
    /// Removes the temporary file of a write that was cut off. If what it contains is not `known`, it is renamed
    /// instead, and its new path is returned.
    fn clear(&self, _path: &Path, _known: &dyn Fn(&[u8]) -> bool) -> Result<Option<PathBuf>> {
        Ok(None)
    }
    /// Flushes this path's file system to disk: the programs that we start seldom do so.
    fn flush(&self, _path: &Path) -> Result<()> {
        Ok(())
    }
    /// Makes a symbolic link.
    fn link(&self, path: &Path, target: &Path) -> Result<()>;
    /// Makes a directory and its parents.
    fn make_dir(&self, path: &Path, access: Access) -> Result<()>;
    /// Renames a file or link within a file system; an error if the new name exists already.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Removes a file, a link or an empty directory; a missing one is not an error.
    fn remove(&self, path: &Path) -> Result<()>;
    /// The clock.
    fn now(&self) -> SystemTime;
    /// Whether the program runs as root.
    fn is_root(&self) -> bool;
    /// Whether mutations reach a machine.
    fn is_live(&self) -> bool;
    /// What the commands that a preview swallowed would have done.
    fn assumed(&self) -> Assumed;

    /// Passes a message to the operator.
    fn notice(&self, _text: &str) {}

    /// A file as text, bytes that are not UTF-8 replaced; none if there is no such file.
    fn read_text(&self, path: &Path) -> Result<Option<String>> {
        Ok(self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Whether there is anything at this path (a broken link counts).
    fn exists(&self, path: &Path) -> Result<bool> {
        Ok(self.stat(path)?.is_some())
    }
}
