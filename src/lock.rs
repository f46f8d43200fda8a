//! One run at a time: a lock that dies with its holder, with the holder's number and command in it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

const PATH: &str = "/run/jitsi-tokens-setup.lock";

/// The lock; let go when dropped.
pub struct Lock(#[allow(dead_code)] File);

/// Takes the lock, or says who has it.
pub fn take() -> Result<Lock> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(PATH)
        .with_context(|| format!("cannot open {PATH}"))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        file.read_to_string(&mut holder).unwrap_or_default();
        bail!(
            "another run is at work: {}; wait for it to end",
            holder.trim()
        );
    }
    file.set_len(0)?;
    file.rewind()?;
    // A path among the arguments need not be UTF-8, which `args` would panic at.
    let command: Vec<String> = std::env::args_os()
        .take(3)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    writeln!(
        file,
        "process {} ({})",
        std::process::id(),
        command.join(" ")
    )?;
    Ok(Lock(file))
}
