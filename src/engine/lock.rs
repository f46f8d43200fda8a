//! One run at a time: a lock file that is released when its holder dies, and that contains the holder's process ID and
//! command.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Result, bail};
use rustix::fs::{FlockOperation, flock};

use crate::host::own_file;

const PATH: &str = "/run/jitsi-tokens-setup.lock";

/// How much of the holder's description is shown, in bytes.
const LONGEST: u64 = 1 << 10;

/// The lock; released when dropped.
pub struct Lock(#[allow(dead_code)] File);

/// Takes the lock; the error names the process that holds it.
pub fn take() -> Result<Lock> {
    take_at(Path::new(PATH))
}

fn take_at(path: &Path) -> Result<Lock> {
    let mut file = own_file(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        let beginning = file.take(LONGEST).read_to_string(&mut holder);
        beginning.unwrap_or_default();
        bail!("another run is in progress ({}); wait for it to finish", holder.trim());
    }
    file.set_len(0)?;
    file.rewind()?;
    // A path among the arguments need not be UTF-8, and `args` would panic on it.
    let command: Vec<String> =
        std::env::args_os().take(3).map(|argument| argument.to_string_lossy().into_owned()).collect();
    writeln!(file, "process {} ({})", std::process::id(), command.join(" "))?;
    Ok(Lock(file))
}

#[cfg(test)]
mod tests {
    use super::take_at;

    #[test]
    fn a_held_lock_names_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = take_at(&path).unwrap();
        let refused = take_at(&path).err().unwrap().to_string();
        assert!(
            refused.starts_with(&format!("another run is in progress (process {} (", std::process::id())),
            "{refused}"
        );
        drop(held);
        take_at(&path).unwrap();
    }
}
