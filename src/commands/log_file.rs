//! The log of a run: all that its children printed, secrets masked. One file per command; the previous one is kept.

use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;

use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags, fstat, open, openat, renameat};
use rustix::io::Errno;

use crate::display::escape;
use crate::host::Host;
use crate::host::command::quote;
use crate::token::times;

/// Where the logs are.
pub const FOLDER: &str = "/var/log/jitsi-tokens-setup";

/// Starts the log of `command` with the date, this program's version and its command line, in which no option carries a
/// secret; returns the log's path too. Only root may be able to write to the folder, which is held open while the log
/// is created in it: on Ubuntu, other users can write to its parent.
pub fn start(command: &str, host: &dyn Host) -> Result<(File, String)> {
    let path = format!("{FOLDER}/{command}.log");
    let shown = || format!("cannot write the log {path}");
    let mut file = begin(&format!("{command}.log")).with_context(shown)?;
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| quote(&word.to_string_lossy())).collect();
    let (date, version) = (times::utc(times::unix(host.now())), env!("CARGO_PKG_VERSION"));
    let line = format!("{date}  jitsi-tokens-setup {version}  {}", words.join(" "));
    writeln!(file, "{}", escape::line(&line)).with_context(shown)?;
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
