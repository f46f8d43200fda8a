//! The log of a run: all that its children printed, secrets masked. One file per command; the run before is kept.

use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags, fstat, open, openat, renameat};
use rustix::io::Errno;

/// Where the logs are.
pub const FOLDER: &str = "/var/log/jitsi-tokens-setup";

/// Starts the log of `command`; returns its path too. The folder must be root's alone, and is held while the log is made
/// in it: on Ubuntu others can write to the folder above it.
pub fn start(command: &str) -> Result<(File, String)> {
    let path = format!("{FOLDER}/{command}.log");
    let file = begin(&format!("{command}.log")).with_context(|| format!("cannot write the log {path}"))?;
    Ok((file, path))
}

#[expect(clippy::disallowed_methods, reason = "logs are written in a preview too")]
fn begin(name: &str) -> Result<File> {
    if let Err(error) = DirBuilder::new().mode(0o750).create(FOLDER) {
        if error.kind() != ErrorKind::AlreadyExists {
            bail!(error);
        }
    }
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = open(FOLDER, OFlags::DIRECTORY | flags, Mode::empty())?;
    let stat = fstat(&folder)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_mode & 0o022 != 0 {
        bail!("other users can write to {FOLDER}; remove that directory, then run this again");
    }
    match renameat(&folder, name, &folder, format!("{name}.1")) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => bail!(error),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | flags;
    let file = openat(&folder, name, flags, Mode::from_raw_mode(0o640))?;
    Ok(file.into())
}
