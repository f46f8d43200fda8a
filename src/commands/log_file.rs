//! The log of a run: all that its children printed, secrets masked. One file per command; the run before is kept.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, Result};

/// Where the logs are.
pub const FOLDER: &str = "/var/log/jitsi-tokens-setup";

/// Starts the log of `command`; returns its path too.
pub fn start(command: &str) -> Result<(File, String)> {
    let path = format!("{FOLDER}/{command}.log");
    let begun = (|| {
        if let Err(error) = DirBuilder::new().mode(0o750).create(FOLDER) {
            if error.kind() != ErrorKind::AlreadyExists {
                return Err(error);
            }
        }
        if Path::new(&path).exists() {
            fs::rename(&path, format!("{path}.1"))?;
        }
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o640)
            .open(&path)
    })();
    Ok((
        begun.with_context(|| format!("cannot write the log {path}"))?,
        path,
    ))
}
