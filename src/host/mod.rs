//! The machine, behind the only trait of the program. Reads are free; every mutation goes through it.
//! [`system`] is the real machine, [`overlay`] a preview on top of it, `fake` a machine in memory for tests.

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

/// What a path is.
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

/// What `lstat` says of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, as in `chmod`.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of the inode. Unlike the mtime, dpkg and tar cannot set it back.
    pub changed: SystemTime,
}

/// Permissions and owner that a written file gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Permission bits, as in `chmod`.
    pub mode: u32,
    /// The owner's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

impl Access {
    /// Root's, with these permission bits.
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
    /// Whether the reason is that others than root can write there too.
    pub shared: bool,
}

impl std::fmt::Display for Unwritable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.path.display(), self.why)
    }
}

impl std::error::Error for Unwritable {}

/// What is known of a file that is about to be replaced.
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
    /// It stays, unless the mode shuts others out: then nobody is let in by a list either.
    #[default]
    Fitting,
    /// It stays.
    Kept,
    /// It becomes this one, as the kernel stores it, or none.
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
    /// Whether it is in a folder of the account that it is to belong to, which then writes it itself ([`as_owner`]).
    pub by_owner: bool,
}

/// A file is not what it was when a change to it was planned, so it was not replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedMeanwhile {
    /// The file.
    pub path: PathBuf,
    /// Where a second change by others is, which could not be kept in the file itself.
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
    /// Why it was ended before its own end; only of an [untrusted](Command::untrusted) one, of others this is an error.
    pub cut: Option<String>,
}

impl Output {
    /// Whether it exited 0.
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// How it ended and the first line that it printed to standard error; none if it exited 0.
    pub fn bad_end(&self) -> Option<String> {
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

/// What swallowed commands would have brought; empty on a real machine.
#[derive(Clone, Debug, Default)]
pub struct Assumed {
    /// Debian packages.
    pub packages: Vec<String>,
    /// Lua modules.
    pub modules: Vec<String>,
    /// Whether the `luajwtjitsi` that the plugin wants was installed.
    pub jwt_function: bool,
    /// Debconf answers, the newest last.
    pub debconf: Vec<(String, Secret)>,
    /// Whether the package lists were refreshed.
    pub package_lists: bool,
    /// Whether half-configured packages were repaired.
    pub sound_packages: bool,
    /// Whether anything was changed since the daemon was restarted.
    pub stale_daemon: bool,
    /// Whether the daemon was restarted after the last change.
    pub restarted: bool,
    /// Other services that were started anew.
    pub services: Vec<&'static str>,
}

/// The machine.
pub trait Host {
    /// The bytes of a regular file, links followed if only root could have placed them; none if there is no such file.
    /// More than 16 MiB are an error, as is anything that is not a regular file.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>>;
    /// The bytes of a file from this offset on, the last MiB of them at most; from its start if it is shorter (a log that
    /// was rotated).
    fn read_from(&self, path: &Path, offset: u64) -> Result<Option<Vec<u8>>> {
        Ok(self.read(path)?.map(|bytes| match usize::try_from(offset) {
            Ok(offset) if offset <= bytes.len() => bytes[offset..].to_vec(),
            _ => bytes,
        }))
    }
    /// The first bytes of a file, this many at the most.
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
    /// Starts a query whose answer will be wanted soon, beside whatever comes in between; [`Host::run`] then takes what
    /// it gave. Only what is wanted before the next mutation may be foreseen.
    fn foresee(&self, _query: &Command) {}
    /// Has this same program do `task`, one of its hidden commands, in a child without rights
    /// ([`own_process::drop_rights`]) that gets `input` on its standard input and is ended after `limit`. Whatever
    /// talks to strangers is done this way.
    fn confined(&self, task: &str, input: Secret, limit: Duration) -> Result<Output>;
    /// Replaces a file, or makes one, in one step: temporary file beside it, fsync, rename, fsync of the folder. It is a
    /// [`ChangedMeanwhile`] if the file is not as expected, and an [`Unwritable`] if others than root can write to a
    /// folder that it is in.
    fn replace(&self, path: &Path, text: &FileText) -> Result<()>;
    /// The same, whatever is there.
    fn write(&self, path: &Path, bytes: &[u8], access: Access) -> Result<()> {
        let (list, expected) = (AccessList::Fitting, Expected::Anything);
        self.replace(path, &FileText { bytes, access, list, expected, by_owner: false })
    }
    /// The access list of a regular file or a folder, as the kernel stores it; none if there is none.
    fn access_list(&self, _path: &Path) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    /// An [`Unwritable`] where a write is bound to fail or must not be made: a read-only file system, a protected file, a
    /// file mounted by itself, a folder that others than root can write.
    fn writable(&self, _path: &Path) -> Result<()> {
        Ok(())
    }
    /// The process that has locked a file against others, as apt and dpkg do (0 if it cannot be seen from here).
    fn lock_holder(&self, _path: &Path) -> Result<Option<i32>> {
        Ok(None)
    }
    /// Removes the temporary file of a write that was cut off.
    fn clear(&self, _path: &Path) -> Result<()> {
        Ok(())
    }
    /// Puts on the disk what others wrote on this path's file system: the programs that we start seldom do.
    fn flush(&self, _path: &Path) -> Result<()> {
        Ok(())
    }
    /// Makes a symbolic link.
    fn link(&self, path: &Path, target: &Path) -> Result<()>;
    /// Makes a directory and its parents.
    fn make_dir(&self, path: &Path, access: Access) -> Result<()>;
    /// Gives a file or link another name on the same file system; an error if anything has that name already.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;
    /// Removes a file, a link or an empty directory; nothing there is no error.
    fn remove(&self, path: &Path) -> Result<()>;
    /// The clock.
    fn now(&self) -> SystemTime;
    /// Whether the program may do what root may.
    fn is_root(&self) -> bool;
    /// Whether mutations reach a machine.
    fn is_live(&self) -> bool;
    /// What swallowed commands would have brought.
    fn assumed(&self) -> Assumed;

    /// Says something to whoever watches.
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
