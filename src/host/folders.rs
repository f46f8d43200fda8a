//! Creates folders, each relative to the one above it, which is held open, and gives the last its mode and owner.

use anyhow::{Context, Result, bail};
use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, mkdirat, openat};
use rustix::io::Errno;
use std::path::Path;

use super::Access;
use super::open;

/// Creates a folder and any missing ones above it.
///
/// # Errors
/// [`super::Unwritable`] if users other than root can write to a folder on the path.
pub fn make(path: &Path, access: Access) -> Result<()> {
    let place = open::for_writing(path, true)?;
    let (mut folder, mut name) = (place.folder, place.name);
    let mut missing = place.missing.into_iter();
    loop {
        match mkdirat(&folder, &name, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => {}
            other => other?,
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = match openat(&folder, &name, flags, Mode::empty()) {
            Err(Errno::NOTDIR | Errno::LOOP) => bail!("not a directory"),
            other => other.context("cannot open it")?,
        };
        match missing.next() {
            Some(next) => (folder, name) = (made, next),
            None => {
                fchown(&made, Some(Uid::from_raw(access.uid)), Some(Gid::from_raw(access.gid)))?;
                return Ok(fchmod(&made, Mode::from_raw_mode(access.mode))?);
            }
        }
    }
}
