//! Puts a new text in a file's place in one step, and keeps what else belongs to the file: extended attributes, access
//! lists, and its other names. Before that: whether it can be done at all.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{IFlags, StatVfsMountFlags, XattrFlags};

use super::{Access, Unwritable};

/// How deep other names of a file are looked for.
const DEPTH: usize = 4;

/// Replaces the file by a temporary one beside it: written, synced, renamed, folder synced. Returns how many other names
/// it had that were not found; those keep the old text.
pub fn replace(path: &Path, bytes: &[u8], access: Access) -> Result<u64> {
    let folder = path.parent().context("a file needs a folder")?;
    let temporary = temporary(path)?;
    // Left over by a run that was killed; the lock makes sure that nobody else is at work.
    remove(&temporary)?;
    let old = fs::File::open(path).ok();
    let names = old
        .as_ref()
        .map_or(Ok((Vec::new(), 0)), |old| other_names(path, old))?;
    let written = (|| -> Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(bytes)?;
        std::os::unix::fs::fchown(&file, Some(access.uid), Some(access.gid))?;
        if let Some(old) = &old {
            copy_attributes(old, &file)?;
        }
        // Last: with an access list these are its mask and what others may.
        file.set_permissions(fs::Permissions::from_mode(access.mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync(folder)
    })();
    if let Err(error) = written {
        remove(&temporary)?;
        bail!(error);
    }
    let (others, elsewhere) = names;
    others
        .iter()
        .try_for_each(|other| link_again(path, other))?;
    Ok(elsewhere)
}

/// Removes what a replacement that was cut off left beside the file.
pub fn clear(path: &Path) -> Result<()> {
    let temporary = temporary(path)?;
    remove(&temporary).with_context(|| format!("cannot remove {}", temporary.display()))
}

/// The name starts with a dot and does not end like the original: Prosody would load `x.tmp.cfg.lua` as a host.
fn temporary(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().context("a file needs a name")?;
    let name = name.to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.jitsi-tokens-setup.tmp")))
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> Result<()> {
    Ok(fs::File::open(folder)?.sync_all()?)
}

/// Makes `other` a name of the new file, in one step too.
fn link_again(path: &Path, other: &Path) -> Result<()> {
    let temporary = temporary(other)?;
    remove(&temporary)?;
    fs::hard_link(path, &temporary)?;
    fs::rename(&temporary, other)?;
    sync(other.parent().context("a file needs a folder")?)
}

/// The other names of a file (hard links) in its own folder and those beside it, and how many more there are. A name
/// far away is most likely a backup made of links, which must keep the old text.
fn other_names(path: &Path, file: &fs::File) -> Result<(Vec<PathBuf>, u64)> {
    let meta = file.metadata()?;
    if meta.nlink() < 2 {
        return Ok((Vec::new(), 0));
    }
    let above = path
        .ancestors()
        .nth(2)
        .filter(|folder| folder.parent().is_some());
    let top = above.or(path.parent()).context("a file needs a folder")?;
    let mut names = Vec::new();
    search(top, &meta, DEPTH, &mut names)?;
    names.retain(|name| name != path);
    let found = names.len() as u64;
    Ok((names, (meta.nlink() - 1).saturating_sub(found)))
}

fn search(
    folder: &Path,
    wanted: &fs::Metadata,
    depth: usize,
    names: &mut Vec<PathBuf>,
) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        if meta.is_dir() && depth > 0 && meta.dev() == wanted.dev() {
            search(&path, wanted, depth - 1, names)?;
        } else if (meta.dev(), meta.ino()) == (wanted.dev(), wanted.ino()) {
            names.push(path);
        }
    }
    Ok(())
}

/// Access lists are extended attributes too.
fn copy_attributes(from: &fs::File, to: &fs::File) -> Result<()> {
    let mut list = Vec::with_capacity(64 << 10);
    match rustix::fs::flistxattr(from, rustix::buffer::spare_capacity(&mut list)) {
        Ok(_) => {}
        Err(rustix::io::Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error).context("cannot list its extended attributes"),
    }
    for name in list
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = Vec::with_capacity(64 << 10);
        let copied = rustix::fs::fgetxattr(from, name, rustix::buffer::spare_capacity(&mut value))
            .and_then(|_| rustix::fs::fsetxattr(to, name, &value, XattrFlags::empty()));
        // The kernel itself labels a new file where labels are in use.
        if !name.starts_with(b"security.") {
            let name = String::from_utf8_lossy(name);
            copied.with_context(|| format!("cannot keep its extended attribute {name}"))?;
        }
    }
    Ok(())
}

/// An error that says why nothing can be written at `path`, before anybody tries.
pub fn writable(path: &Path) -> Result<()> {
    let unwritable = |path: &Path, why: &str, fix: String| -> Result<()> {
        let path = path.to_owned();
        Err(Unwritable {
            path,
            why: why.to_owned(),
            fix,
        }
        .into())
    };
    for (at, path) in path
        .ancestors()
        .take_while(|path| path.as_os_str().as_bytes() != b"")
        .enumerate()
    {
        let Ok(meta) = fs::symlink_metadata(path) else {
            continue;
        };
        if rustix::fs::statvfs(path).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY)) {
            let fix = "mount it writable (mount -o remount,rw), then run this again";
            return unwritable(
                path,
                "is on a file system that is mounted read-only",
                fix.to_owned(),
            );
        }
        if meta.is_file() || meta.is_dir() {
            let flags = fs::File::open(path)
                .ok()
                .and_then(|file| rustix::fs::ioctl_getflags(&file).ok());
            let flags = flags.unwrap_or(IFlags::empty());
            // A file that may only grow cannot be replaced; a folder that may only grow can still be added to.
            if flags.contains(IFlags::IMMUTABLE) || (at == 0 && flags.contains(IFlags::APPEND)) {
                let fix = format!(
                    "allow changes (chattr -i -a {}), then run this again",
                    path.display()
                );
                return unwritable(path, "is protected against changes (chattr)", fix);
            }
        }
        if at > 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(folder: &Path, mode: u32) -> Access {
        let meta = fs::metadata(folder).unwrap();
        Access {
            mode,
            uid: meta.uid(),
            gid: meta.gid(),
        }
    }

    #[test]
    fn both_names_of_a_file_get_the_new_text_and_a_far_one_keeps_the_old() {
        let top = tempfile::tempdir().unwrap();
        for folder in ["prosody/conf.avail", "prosody/conf.d", "backup"] {
            fs::create_dir_all(top.path().join(folder)).unwrap();
        }
        let file = top.path().join("prosody/conf.avail/x.cfg.lua");
        let near = top.path().join("prosody/conf.d/x.cfg.lua");
        let far = top.path().join("backup/x.cfg.lua");
        fs::write(&file, "old").unwrap();
        fs::hard_link(&file, &near).unwrap();
        fs::hard_link(&file, &far).unwrap();
        assert_eq!(replace(&file, b"new", ours(top.path(), 0o640)).unwrap(), 1);
        assert_eq!(fs::read(&near).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&near).unwrap().ino(),
            fs::metadata(&file).unwrap().ino()
        );
        assert_eq!(fs::read(&far).unwrap(), b"old");
        assert_eq!(
            fs::read_dir(near.parent().unwrap()).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn extended_attributes_survive() {
        let top = tempfile::tempdir().unwrap();
        let file = top.path().join("x");
        fs::write(&file, "old").unwrap();
        rustix::fs::setxattr(&file, "user.note", b"keep me", XattrFlags::empty()).unwrap();
        replace(&file, b"new", ours(top.path(), 0o600)).unwrap();
        let mut value = Vec::with_capacity(64);
        rustix::fs::getxattr(
            &file,
            "user.note",
            rustix::buffer::spare_capacity(&mut value),
        )
        .unwrap();
        assert_eq!(value, b"keep me");
    }

    #[test]
    fn what_can_be_written_is_not_refused() {
        let top = tempfile::tempdir().unwrap();
        writable(&top.path().join("not/there/yet")).unwrap();
        let error = writable(Path::new("/proc/sys/x")).err();
        assert!(error.is_none_or(|error| error.is::<Unwritable>()));
    }
}
