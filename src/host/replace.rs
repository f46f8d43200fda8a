//! Replaces the text of a file atomically, and keeps what else belongs to the file: extended attributes, access lists,
//! and its other names. What others wrote to the file since it was read is not overwritten. Also checks beforehand
//! whether a file can be replaced at all. Everything happens relative to folders that are held open and that only root
//! can write to.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{
    AtFlags, FileType, IFlags, Mode, OFlags, RenameFlags, StatVfsMountFlags, StatxAttributes, StatxFlags, XattrFlags,
    fstat, linkat, openat, renameat, renameat_with, statx, unlinkat,
};
use rustix::io::Errno;

use super::holders::wait_for_writers;
use super::open::{self, Place};
use super::{AccessList, ChangedMeanwhile, Expected, FileText, Unwritable, access_list};

/// How many levels deep other names of a file are searched for.
const DEPTH: usize = 4;

/// How many entries are searched for them.
const MAX_ENTRIES: usize = 50_000;

/// Replaces the file with a temporary one next to it: written, synced, renamed, folder synced. Returns how many other
/// names it had that were not found; those keep the old text.
///
/// # Errors
/// [`ChangedMeanwhile`] if the file was not as expected, and was left alone; [`Unwritable`] if other users can write to
/// a folder on its path.
pub fn replace(path: &Path, text: &FileText) -> Result<u64> {
    let place = open::target(path)?.with_folder()?;
    let path = &place.path;
    let temporary = temporary(&place.name);
    // Left by a killed run; the lock ensures that no other run is active.
    remove(&place.folder, &temporary)?;
    let old = open::file(&place)?;
    let (others, elsewhere) = old.as_ref().map_or(Ok((Vec::new(), 0)), |old| other_names(path, old))?;
    let replacement = Replacement { place: &place, temporary, others, text };
    let file = replacement.create()?;
    let put = replacement.write(file, old.as_ref()).and_then(|()| replacement.put(old.is_some()));
    put.with_context(|| format!("cannot write {}", path.display()))?;
    sync(&place.folder)?;
    Ok(elsewhere)
}

/// A new text that is about to replace a file.
struct Replacement<'a> {
    place: &'a Place,
    temporary: OsString,
    others: Vec<PathBuf>,
    text: &'a FileText<'a>,
}

impl Replacement<'_> {
    /// Makes the temporary file.
    fn create(&self) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        Ok(openat(&self.place.folder, &self.temporary, flags, mode)?.into())
    }

    /// Writes the temporary file, with everything that the old one has besides its bytes.
    fn write(&self, mut file: File, old: Option<&File>) -> Result<()> {
        let written = self.fill(&mut file, old);
        if written.is_err() {
            remove(&self.place.folder, &self.temporary)?;
        }
        written
    }

    fn fill(&self, file: &mut File, old: Option<&File>) -> Result<()> {
        file.write_all(self.text.bytes)?;
        let access = self.text.access;
        std::os::unix::fs::fchown(&*file, Some(access.uid), Some(access.gid))?;
        if let Some(old) = old {
            copy_attributes(old, file)?;
        }
        let kept = match &self.text.list {
            AccessList::Exactly(list) => list.clone(),
            // Also removes a list that the new file got from the folder's default.
            AccessList::Fitting if access.mode & 0o007 == 0 => None,
            AccessList::Fitting | AccessList::Kept => match old {
                Some(old) => access_list::read(old)?,
                None => access_list::read(&*file)?,
            },
        };
        access_list::write(&*file, kept.as_deref())?;
        // Last: with an access list, these bits are its mask and what others may do.
        file.set_permissions(fs::Permissions::from_mode(access.mode))?;
        Ok(file.sync_all()?)
    }

    /// Puts the temporary file in place if the existing one is as expected, and removes it otherwise.
    fn put(&self, there: bool) -> Result<()> {
        let (folder, name, temporary) = (&self.place.folder, &self.place.name, &self.temporary);
        let put = match (self.text.expected, there) {
            (Expected::Anything, _) => renameat(folder, temporary, folder, name).map(|()| true),
            (Expected::Nothing, true) | (Expected::Bytes(_), false) => Ok(false),
            (Expected::Nothing, false) => self.put_if_absent(),
            (Expected::Bytes(bytes), true) => match self.exchange() {
                Ok(true) => return self.compare(bytes),
                Err(Errno::INVAL | Errno::NOSYS) => self.put_if_same(bytes)?,
                other => other,
            },
        };
        match put {
            Ok(true) => return self.relink_others(),
            Ok(false) => {}
            Err(error) => {
                remove(folder, temporary)?;
                return Err(error.into());
            }
        }
        remove(folder, temporary)?;
        Err(self.changed(None))
    }

    /// Puts the file in place where none is expected; false if somebody else was faster.
    fn put_if_absent(&self) -> rustix::io::Result<bool> {
        let (folder, name, temporary) = (&self.place.folder, &self.place.name, &self.temporary);
        match renameat_with(folder, temporary, folder, name, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => Ok(false),
            // The file system cannot do this, but a hard link fails too if the name exists.
            Err(Errno::INVAL | Errno::NOSYS) => match linkat(folder, temporary, folder, name, AtFlags::empty()) {
                Err(Errno::EXIST) => Ok(false),
                other => other.and_then(|()| unlinkat(folder, temporary, AtFlags::empty())).map(|()| true),
            },
            other => other.map(|()| true),
        }
    }

    /// For a file system that cannot exchange files: compares right before the rename.
    fn put_if_same(&self, expected: &[u8]) -> Result<rustix::io::Result<bool>> {
        let (folder, name, temporary) = (&self.place.folder, &self.place.name, &self.temporary);
        if read(self.place, name)?.as_deref() != Some(expected) {
            return Ok(Ok(false));
        }
        Ok(renameat(folder, temporary, folder, name).map(|()| true))
    }

    /// Swaps the names of the new and the old file atomically; false if the old one is gone.
    fn exchange(&self) -> rustix::io::Result<bool> {
        let (folder, name, temporary) = (&self.place.folder, &self.place.name, &self.temporary);
        match renameat_with(folder, temporary, folder, name, RenameFlags::EXCHANGE) {
            Err(Errno::NOENT) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// After the exchange, the old file can still be read under the temporary name, so writes by programs that had
    /// opened it before are noticed. If it is not as expected, the exchange is undone.
    fn compare(&self, expected: &[u8]) -> Result<()> {
        let temporary = &self.temporary;
        // What cannot be read is not as expected.
        let same = || matches!(read(self.place, temporary), Ok(Some(bytes)) if bytes == expected);
        if !same() {
            return self.undo(self.changed(None));
        }
        if let Err(error) = self.relink_others() {
            return self.undo(error);
        }
        wait_for_writers(temporary);
        if !same() {
            return self.undo(self.changed(None));
        }
        remove(&self.place.folder, temporary)
    }

    /// Puts the old file back in its place. What others did to the new one meanwhile is not lost either: an addition is
    /// appended to the old file as well, anything else is saved next to it.
    fn undo(&self, error: anyhow::Error) -> Result<()> {
        let (folder, name, temporary) = (&self.place.folder, &self.place.name, &self.temporary);
        if !self.exchange()? {
            // Somebody removed the new one.
            renameat_with(folder, temporary, folder, name, RenameFlags::NOREPLACE)?;
            return Err(error);
        }
        self.relink_others()?;
        wait_for_writers(temporary);
        let ours = read(self.place, temporary)?.unwrap_or_default();
        match ours.strip_prefix(self.text.bytes) {
            Some([]) => {}
            Some(added) => {
                let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let mut file: File = openat(folder, name, flags, Mode::empty())?.into();
                file.write_all(added)?;
            }
            None => {
                let kept = kept(name);
                renameat(folder, temporary, folder, &kept)?;
                return Err(self.changed(Some(self.place.path.with_file_name(kept))));
            }
        }
        remove(folder, temporary)?;
        Err(error)
    }

    fn changed(&self, kept: Option<PathBuf>) -> anyhow::Error {
        ChangedMeanwhile { path: self.place.path.clone(), kept }.into()
    }

    /// Makes the other names refer to the file that is now in place, each atomically too.
    fn relink_others(&self) -> Result<()> {
        for other in &self.others {
            let other = open::for_writing(other, false)?;
            let temporary = temporary(&other.name);
            remove(&other.folder, &temporary)?;
            let (folder, name) = (&self.place.folder, &self.place.name);
            linkat(folder, name, &other.folder, &temporary, AtFlags::empty())?;
            renameat(&other.folder, &temporary, &other.folder, &other.name)?;
            sync(&other.folder)?;
        }
        Ok(())
    }
}

/// Removes the temporary file of a replacement that was cut off. After the exchange that is the old file, which somebody
/// may have changed right before: what is not `known` is saved next to the new file, and its path is returned.
pub fn clear(path: &Path, known: &dyn Fn(&[u8]) -> bool) -> Result<Option<PathBuf>> {
    let place = open::target(path)?;
    if !place.missing.is_empty() {
        return Ok(None);
    }
    let temporary = temporary(&place.name);
    // What cannot be read is not known.
    if read(&place, &temporary).map_or(true, |bytes| bytes.is_some_and(|bytes| !known(&bytes))) {
        let kept = kept(&place.name);
        renameat(&place.folder, &temporary, &place.folder, &kept)?;
        return Ok(Some(place.path.with_file_name(kept)));
    }
    remove(&place.folder, &temporary)
        .with_context(|| format!("cannot remove {}", place.path.with_file_name(temporary).display()))?;
    Ok(None)
}

/// The bytes of a regular file next to a place; none if there is none.
fn read(place: &Place, name: &OsStr) -> Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(&place.folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    open::bytes(&file.into(), &place.path.with_file_name(name)).map(Some)
}

/// The temporary file's name starts with a dot and does not end like the original: Prosody would load `x.tmp.cfg.lua`
/// as a host.
fn temporary(name: &OsStr) -> OsString {
    OsString::from(format!(".{}.jitsi-tokens-setup.tmp", name.to_string_lossy()))
}

/// The name under which somebody else's change is saved if it cannot be kept in place.
fn kept(name: &OsStr) -> OsString {
    OsString::from(format!(".{}.changed-meanwhile", name.to_string_lossy()))
}

fn remove(folder: &OwnedFd, name: &OsStr) -> Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

/// Flushes a folder's entries to disk.
pub fn sync(folder: &OwnedFd) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::fsync(openat(folder, ".", flags, Mode::empty())?)?)
}

/// The other names of a file (hard links) in its own folder and the folders next to it, and how many more there are. A
/// name elsewhere is most likely a backup made of hard links, which must keep the old text. So must a name in a folder
/// that others can write to; such a folder is not even searched: it may contain anything, and something else a moment
/// later.
fn other_names(path: &Path, file: &File) -> Result<(Vec<PathBuf>, u64)> {
    let meta = file.metadata()?;
    if meta.nlink() < 2 {
        return Ok((Vec::new(), 0));
    }
    let above = path.ancestors().nth(2).filter(|folder| folder.parent().is_some());
    let top = above.or(path.parent()).context("a file needs a directory")?;
    let mut search = Search { wanted: (meta.dev(), meta.ino()), left: MAX_ENTRIES, names: Vec::new() };
    if let Some(found) = open::look(top, true)?.found {
        search.folder(&found.fd, top, DEPTH);
    }
    let mut names = search.names;
    names.retain(|name| name != path && open::for_writing(name, false).is_ok());
    let found = names.len() as u64;
    Ok((names, (meta.nlink() - 1).saturating_sub(found)))
}

struct Search {
    /// Its device and inode number.
    wanted: (u64, u64),
    /// How many entries may still be checked.
    left: usize,
    names: Vec<PathBuf>,
}

impl Search {
    /// Searches below a folder. What cannot be read counts as containing no name of the file.
    fn folder(&mut self, folder: &OwnedFd, path: &Path, depth: usize) {
        if !matches!(open::writer(folder), Ok(None)) {
            return;
        }
        for name in open::names(folder, path).unwrap_or_default() {
            let Some(left) = self.left.checked_sub(1) else {
                return;
            };
            self.left = left;
            let Ok(Some(found)) = open::find(folder, OsStr::new(&name)) else {
                continue;
            };
            let path = path.join(&name);
            let (device, number) = (found.stat.st_dev, found.stat.st_ino);
            if found.kind() == FileType::Directory && depth > 0 && device == self.wanted.0 {
                self.folder(&found.fd, &path, depth - 1);
            } else if (device, number) == self.wanted {
                self.names.push(path);
            }
        }
    }
}

/// Access lists are extended attributes too: the file's own is left to the caller, because copying it here would
/// briefly open a file with secrets to everyone who could read the old one.
fn copy_attributes(from: &fs::File, to: &fs::File) -> Result<()> {
    let mut list = Vec::with_capacity(64 << 10);
    match rustix::fs::flistxattr(from, rustix::buffer::spare_capacity(&mut list)) {
        Ok(_) => {}
        Err(Errno::NOTSUP) => return Ok(()),
        Err(error) => return Err(error).context("cannot list its extended attributes"),
    }
    let own = |name: &&[u8]| name.is_empty() || *name == b"system.posix_acl_access";
    for name in list.split(|byte| *byte == 0).filter(|name| !own(name)) {
        let mut value = Vec::with_capacity(64 << 10);
        let copied = rustix::fs::fgetxattr(from, name, rustix::buffer::spare_capacity(&mut value))
            .and_then(|_| rustix::fs::fsetxattr(to, name, &value, XattrFlags::empty()));
        // Where security labels are in use, the kernel itself labels a new file.
        if !name.starts_with(b"security.") {
            let name = String::from_utf8_lossy(name);
            copied.with_context(|| format!("cannot keep its extended attribute {name}"))?;
        }
    }
    Ok(())
}

fn refuse(path: &Path, why: &str, fix: String) -> Result<()> {
    let unwritable = Unwritable { path: path.to_owned(), why: why.to_owned(), fix, shared: false };
    Err(unwritable.into())
}

/// Fails if nothing can be written at `path`, before anybody tries.
///
/// # Errors
/// [`Unwritable`], with the reason and what to do about it.
pub fn writable(path: &Path) -> Result<()> {
    let place = open::target(path)?;
    let folder = place.path.ancestors().nth(1 + place.missing.len());
    let folder = folder.unwrap_or(Path::new("/"));
    let nearest = place.found.as_ref().map_or(&place.folder, |found| &found.fd);
    let named = if place.found.is_some() { &place.path } else { folder };
    if rustix::fs::fstatvfs(nearest).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        let fix = "mount it writable (mount -o remount,rw), then run this again".to_owned();
        return refuse(named, "is on a file system that is mounted read-only", fix);
    }
    if place.found.as_ref().is_some_and(|found| found.kind() == FileType::RegularFile) && is_mount_point(&place) {
        let fix = format!(
            "edit the file that is mounted there, or unmount it (umount {}), then run this again",
            place.path.display()
        );
        return refuse(&place.path, "is a mount point, which cannot be replaced", fix);
    }
    let file = place.found.as_ref().map(|found| &found.fd);
    for (path, fd) in [(place.path.as_path(), file), (folder, Some(&place.folder))] {
        let Some(flags) = fd.and_then(flags_of) else {
            continue;
        };
        // In an append-only directory nothing can be renamed, and a file is replaced by a rename; directories can be made.
        let why = if flags.contains(IFlags::IMMUTABLE) {
            "is immutable (chattr)"
        } else if flags.contains(IFlags::APPEND) && place.missing.is_empty() {
            "is append-only (chattr)"
        } else {
            continue;
        };
        let fix = format!("run `chattr -i -a {}`, then run this again", path.display());
        return refuse(path, why, fix);
    }
    Ok(())
}

/// The inode flags (`chattr`) of a file or folder, if they can be read.
fn flags_of(fd: &OwnedFd) -> Option<IFlags> {
    let kind = FileType::from_raw_mode(fstat(fd).ok()?.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(open::proc_fd_path(fd), flags, Mode::empty()).ok()?;
    rustix::fs::ioctl_getflags(&file).ok()
}

/// Whether something is mounted on the file itself. Kernels before 5.8 do not report this; their list of mounts does.
fn is_mount_point(place: &Place) -> bool {
    let asked = statx(&place.folder, &place.name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
    if let Ok(seen) = asked {
        if seen.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) {
            return seen.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
        }
    }
    let mounts = open::read(Path::new("/proc/self/mountinfo")).ok().flatten();
    let path = place.path.as_os_str().as_bytes();
    mounts.unwrap_or_default().split(|byte| *byte == b'\n').any(|line| {
        let point = line.split(|byte| *byte == b' ').nth(4);
        // Whitespace in it is written as octal escapes.
        point.is_some_and(|point| point == path || point == escaped(path))
    })
}

fn escaped(path: &[u8]) -> Vec<u8> {
    let one = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    };
    path.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use super::super::Access;
    use super::*;

    fn ours(folder: &Path, mode: u32) -> Access {
        let meta = fs::metadata(folder).unwrap();
        Access { mode, uid: meta.uid(), gid: meta.gid() }
    }

    fn text<'a>(bytes: &'a [u8], access: Access, expected: Expected<'a>) -> FileText<'a> {
        FileText { bytes, access, list: AccessList::Fitting, expected, by_owner: false }
    }

    fn put(path: &Path, bytes: &[u8], expected: Expected) -> Result<u64> {
        let access = ours(path.parent().unwrap(), 0o640);
        replace(path, &text(bytes, access, expected))
    }

    fn names(folder: &Path) -> Vec<String> {
        open::list(folder).unwrap()
    }

    /// Prosody's user may have a folder next to the file, and create and remove names in it at any time.
    #[test]
    fn other_users_folders_are_not_searched() {
        let top = tempfile::tempdir().unwrap();
        let (ours, theirs) = (top.path().join("ours"), top.path().join("theirs"));
        for folder in [&ours, &theirs] {
            fs::create_dir(folder).unwrap();
        }
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o777)).unwrap();
        let file = ours.join("x");
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = fs::create_dir(theirs.join("here"));
                    let _ = fs::remove_dir(theirs.join("here"));
                }
            });
            for round in 0..2000 {
                fs::write(&file, "old").unwrap();
                fs::hard_link(&file, theirs.join("x")).unwrap();
                let put = put(&file, b"new", Expected::Anything);
                let kept = fs::read(theirs.join("x")).unwrap();
                fs::remove_file(theirs.join("x")).unwrap();
                if round == 1999 || put.is_err() {
                    done.store(true, std::sync::atomic::Ordering::Relaxed);
                }
                assert_eq!((put.unwrap(), kept), (1, b"old".to_vec()));
            }
        });
    }

    #[test]
    fn only_nearby_hard_links_get_the_new_text() {
        for expected in [Expected::Anything, Expected::Bytes(b"old")] {
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
            assert_eq!(put(&file, b"new", expected).unwrap(), 1);
            assert_eq!(fs::read(&near).unwrap(), b"new");
            assert_eq!(fs::metadata(&near).unwrap().ino(), fs::metadata(&file).unwrap().ino());
            assert_eq!(fs::read(&far).unwrap(), b"old");
            assert_eq!(names(near.parent().unwrap()), ["x.cfg.lua"], "no temporary file is left");
            assert_eq!(names(file.parent().unwrap()), ["x.cfg.lua"], "no temporary file is left");
        }
    }

    #[test]
    fn extended_attributes_survive() {
        let top = tempfile::tempdir().unwrap();
        let file = top.path().join("x");
        fs::write(&file, "old").unwrap();
        rustix::fs::setxattr(&file, "user.note", b"keep me", XattrFlags::empty()).unwrap();
        put(&file, b"new", Expected::Anything).unwrap();
        let mut value = Vec::with_capacity(64);
        rustix::fs::getxattr(&file, "user.note", rustix::buffer::spare_capacity(&mut value)).unwrap();
        assert_eq!(value, b"keep me");
    }

    #[test]
    fn unexpected_contents_are_not_replaced() {
        let top = tempfile::tempdir().unwrap();
        let file = top.path().join("x");
        let refused = |expected| {
            let error = put(&file, b"new", expected).unwrap_err();
            assert!(error.is::<ChangedMeanwhile>(), "{error:#}");
        };
        refused(Expected::Bytes(b"old"));
        put(&file, b"old", Expected::Nothing).unwrap();
        refused(Expected::Nothing);
        refused(Expected::Bytes(b"older"));
        assert_eq!(fs::read(&file).unwrap(), b"old");
        put(&file, b"new", Expected::Bytes(b"old")).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(names(top.path()), ["x"]);
    }

    #[test]
    fn undoing_an_exchange_keeps_concurrent_changes() {
        for (others_made, in_place, kept) in
            [("new", "old+1", None), ("new+2", "old+1+2", None), ("something else", "old+1", Some("something else"))]
        {
            let top = tempfile::tempdir().unwrap();
            let file = top.path().join("x");
            // As they are right after the exchange, with a change to each.
            fs::write(top.path().join(temporary(OsStr::new("x"))), "old+1").unwrap();
            fs::write(&file, others_made).unwrap();
            let new = text(b"new", ours(top.path(), 0o640), Expected::Bytes(b"old"));
            let place = open::target(&file).unwrap();
            let temporary = temporary(&place.name);
            let replacement = Replacement { place: &place, temporary, others: Vec::new(), text: &new };
            let error = replacement.compare(b"old").unwrap_err().downcast::<ChangedMeanwhile>().unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), in_place);
            assert_eq!(error.kept.as_ref().map(|kept| fs::read_to_string(kept).unwrap()).as_deref(), kept);
            assert_eq!(names(top.path()).len(), 1 + usize::from(kept.is_some()));
        }
    }

    /// A writer that opens the file, takes its time, and appends a line; ours changes the first line all the while.
    #[test]
    fn no_line_of_a_busy_writer_is_lost() {
        for delay in [0, 3, 30] {
            let top = tempfile::tempdir().unwrap();
            let file = top.path().join("x");
            fs::write(&file, "0\n").unwrap();
            let done = AtomicBool::new(false);
            let (written, replaced) = std::thread::scope(|scope| {
                let writer = scope.spawn(|| {
                    let mut line = 0;
                    while !done.load(Ordering::SeqCst) {
                        line += 1;
                        let mut open = fs::OpenOptions::new().append(true).open(&file).unwrap();
                        std::thread::sleep(Duration::from_millis(delay));
                        open.write_all(format!("line {line}\n").as_bytes()).unwrap();
                        drop(open);
                        std::thread::sleep(Duration::from_millis(8));
                    }
                    line
                });
                let (mut replaced, mut tried, started) = (0, 0, Instant::now());
                // On a busy machine, the writer may hold the file during all of the first attempts.
                while tried < 80 || (replaced == 0 && started.elapsed() < Duration::from_secs(60)) {
                    tried += 1;
                    let now = fs::read(&file).unwrap();
                    let rest = now.iter().position(|byte| *byte == b'\n').unwrap();
                    let mut new = format!("{}", replaced + 1).into_bytes();
                    new.extend(&now[rest..]);
                    match put(&file, &new, Expected::Bytes(&now)) {
                        Ok(_) => replaced += 1,
                        Err(error) => assert!(error.is::<ChangedMeanwhile>(), "{error:#}"),
                    }
                }
                done.store(true, Ordering::SeqCst);
                (writer.join().unwrap(), replaced)
            });
            let text = fs::read_to_string(&file).unwrap();
            let mut lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.remove(0), replaced.to_string());
            // Lines added to a text whose exchange was undone come after those added to the old text.
            let number = |line: &&str| line.trim_start_matches("line ").parse::<u32>().unwrap();
            lines.sort_by_key(number);
            let wanted: Vec<String> = (1..=written).map(|line| format!("line {line}")).collect();
            assert_eq!(lines, wanted);
            assert!(replaced > 0, "nothing was ever replaced");
            assert_eq!(names(top.path()), ["x"]);
        }
    }

    #[test]
    fn what_a_cut_off_replacement_left_is_removed_or_saved() {
        let top = tempfile::tempdir().unwrap();
        let (file, left) = (top.path().join("x"), top.path().join(temporary(OsStr::new("x"))));
        let known = |bytes: &[u8]| bytes == b"old";
        for (bytes, saved) in [(None, None), (Some("old"), None), (Some("old, edited"), Some("old, edited"))] {
            if let Some(bytes) = bytes {
                fs::write(&left, bytes).unwrap();
            }
            let kept = clear(&file, &known).unwrap();
            assert_eq!(kept.map(|kept| fs::read_to_string(kept).unwrap()).as_deref(), saved);
            assert!(!left.exists());
        }
        std::os::unix::fs::symlink("/etc/passwd", &left).unwrap();
        assert_eq!(clear(&file, &known).unwrap(), None);
        assert_eq!(names(top.path()), [".x.changed-meanwhile"]);
    }

    #[test]
    fn a_planted_temporary_link_is_not_followed() {
        let top = tempfile::tempdir().unwrap();
        let (file, victim) = (top.path().join("x"), top.path().join("victim"));
        fs::write(&victim, "victim").unwrap();
        std::os::unix::fs::symlink(&victim, top.path().join(temporary(OsStr::new("x")))).unwrap();
        put(&file, b"new", Expected::Nothing).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"victim");
        assert_eq!(names(top.path()), ["victim", "x"]);
    }

    #[test]
    fn writable_paths_are_accepted() {
        let top = tempfile::tempdir().unwrap();
        writable(&top.path().join("not/there/yet")).unwrap();
        let error = writable(Path::new("/proc/sys/x")).err();
        assert!(error.is_none_or(|error| error.is::<Unwritable>()));
    }

    #[test]
    fn mount_points_are_detected() {
        let place = open::target(Path::new("/proc")).unwrap();
        assert!(is_mount_point(&place));
        let top = tempfile::tempdir().unwrap();
        let file = top.path().join("x");
        fs::write(&file, "").unwrap();
        assert!(!is_mount_point(&open::target(&file).unwrap()));
        assert_eq!(escaped(b"/a b\\c"), b"/a\\040b\\134c");
    }

    fn list_of(path: &Path) -> Option<Vec<u8>> {
        access_list::read(File::open(path).unwrap()).unwrap()
    }

    #[test]
    fn access_lists_are_kept_dropped_or_restored() {
        let top = tempfile::tempdir().unwrap();
        let file = top.path().join("x");
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let list = access_list::lets_in(33, 4);
        if access_list::write(File::open(&file).unwrap(), Some(&list)).is_err() {
            eprintln!("skipped: no access lists on this file system");
            return;
        }
        let kept = list_of(&file).unwrap();
        let write = |mode, list| {
            let access = ours(top.path(), mode);
            let text = FileText { bytes: b"new", access, list, expected: Expected::Anything, by_owner: false };
            replace(&file, &text).unwrap();
        };
        write(0o644, AccessList::Fitting);
        assert!(access_list::grants_others(&list_of(&file).unwrap(), access_list::READ));
        write(0o640, AccessList::Kept);
        assert!(access_list::grants_others(&list_of(&file).unwrap(), access_list::READ));
        write(0o640, AccessList::Fitting);
        assert_eq!(list_of(&file), None);
        write(0o640, AccessList::Exactly(Some(kept.clone())));
        assert_eq!(list_of(&file), Some(kept));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
    }

    #[test]
    fn default_access_lists_do_not_open_private_files() {
        let top = tempfile::tempdir().unwrap();
        let list = access_list::lets_in(33, 4);
        let folder = File::open(top.path()).unwrap();
        if rustix::fs::fsetxattr(&folder, "system.posix_acl_default", &list, XattrFlags::empty()).is_err() {
            eprintln!("skipped: no access lists on this file system");
            return;
        }
        let file = top.path().join("x");
        for _ in 0..2 {
            put(&file, b"new", Expected::Anything).unwrap();
            assert_eq!(list_of(&file), None);
        }
    }
}
