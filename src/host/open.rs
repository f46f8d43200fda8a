//! How files are opened. A path is walked component by component, and a symbolic link on it is followed only if nobody
//! but root could have placed it; only a regular file is opened at the end, and read up to a limit. So no pipe, device
//! or link of another user can hang this program or make it read or write another file.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat, openat2, readlinkat};
use rustix::io::Errno;

use super::ownership::{self, ours, user};
use super::{Access, Unwritable, access_list};

/// The most bytes that are read from one file.
pub const LARGEST: u64 = 16 << 20;

/// The most bytes that are read from the end of a log.
pub const MAX_LOG_READ: u64 = 1 << 20;

/// The most entries that are read from one folder.
pub const MAX_ENTRIES: usize = 100_000;

/// As many links as the kernel itself follows.
const MAX_LINKS: usize = 40;

/// What a path is walked for, which decides what has to be trusted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Look or read: only links have to be trusted.
    Read,
    /// Write: every folder has to be, too.
    Write,
}

/// A name in a folder that is held open, so that nobody can put another folder in its place.
pub struct Place {
    /// The folder, as an `O_PATH` descriptor.
    pub folder: OwnedFd,
    /// The name in it.
    pub name: OsString,
    /// The whole path, with links resolved, except for a last one that was not followed.
    pub path: PathBuf,
    /// What is there, if anything.
    pub found: Option<OpenedEntry>,
    /// The components after `name`, if the folder of that name is missing too.
    pub missing: Vec<OsString>,
}

impl Place {
    /// Requires that the folder exists.
    ///
    /// # Errors
    /// If it does not.
    pub fn with_folder(self) -> Result<Self> {
        if self.missing.is_empty() {
            return Ok(self);
        }
        bail!("the directory of {} does not exist", self.path.display())
    }
}

/// Something that exists.
pub struct OpenedEntry {
    /// An `O_PATH` descriptor of it.
    pub fd: OwnedFd,
    /// What `fstat` reports about it.
    pub stat: Stat,
}

impl OpenedEntry {
    /// Its file type.
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// Where a path leads. `follow` says whether to follow a link in the last component.
///
/// # Errors
/// If it leads through a link that others could have placed, or through too many links.
pub fn look(path: &Path, follow: bool) -> Result<Place> {
    walk(path, follow, Purpose::Read)
}

/// The same for something to be written, moved or removed: only root may be able to write to the folders on the path.
///
/// # Errors
/// [`Unwritable`] if somebody else can.
pub fn for_writing(path: &Path, follow: bool) -> Result<Place> {
    walk(path, follow, Purpose::Write)
}

/// The place where a file is to be written: where the path leads, or the path itself if it is a dangling link.
///
/// # Errors
/// See [`for_writing`].
pub fn target(path: &Path) -> Result<Place> {
    let place = for_writing(path, true)?;
    if place.found.is_some() {
        return Ok(place);
    }
    for_writing(path, false)
}

fn walk(path: &Path, follow: bool, purpose: Purpose) -> Result<Place> {
    let shown = || format!("cannot open {}", path.display());
    let mut way =
        Way { folder: root().with_context(shown)?, real: PathBuf::from("/"), rest: VecDeque::new(), links: 0 };
    let whole = absolute(path)?;
    let skipped = (purpose == Purpose::Read).then(|| straight(&way.folder, &whole)).flatten();
    match skipped {
        Some((folder, real, name)) => {
            way.folder = folder;
            way.real = real;
            way.rest.push_back(name);
        }
        None => queue(&whole, &mut way.rest),
    }
    while let Some(name) = way.rest.pop_front() {
        if name == ".." {
            way.folder = folder_at(&way.folder, &name, OFlags::PATH).with_context(shown)?;
            way.real.pop();
            continue;
        }
        let found = find(&way.folder, &name).with_context(shown)?;
        let kind = found.as_ref().map(OpenedEntry::kind);
        let last = way.rest.is_empty();
        match found {
            Some(link) if kind == Some(FileType::Symlink) && (follow || !last) => {
                way.follow(&name, &link, path)?;
            }
            found => {
                if purpose == Purpose::Write {
                    let next = found.as_ref().filter(|_| !last);
                    closed(&way.folder, &way.real, next, path)?;
                }
                match found {
                    Some(found) if kind == Some(FileType::Directory) && !last => {
                        way.folder = found.fd;
                        way.real.push(&name);
                    }
                    // A file where a folder should be contains nothing.
                    found => return Ok(way.end(name, found.filter(|_| last))),
                }
            }
        }
    }
    // The root directory, or a path that ends with `..`.
    let name = OsString::from(".");
    let found = find(&way.folder, &name).with_context(shown)?;
    Ok(Place { path: way.real.clone(), ..way.end(name, found) })
}

/// Opens the folder of a path in a single system call if no symbolic link is on the way to it; also returns the last
/// name. None if there is a link, if something is missing, or if the kernel does not have this call yet (Debian 10's
/// does not): the walk sorts that out.
fn straight(root: &OwnedFd, path: &Path) -> Option<(OwnedFd, PathBuf, OsString)> {
    let (folder, name) = (path.parent()?, path.file_name()?);
    if path.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    let below = folder.strip_prefix("/").ok()?;
    if below.as_os_str().is_empty() {
        return None;
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let links = ResolveFlags::NO_SYMLINKS;
    let opened = openat2(root, below, flags, Mode::empty(), links).ok()?;
    Some((opened, folder.components().collect(), name.to_owned()))
}

/// How far a path has been walked.
struct Way {
    folder: OwnedFd,
    real: PathBuf,
    rest: VecDeque<OsString>,
    links: usize,
}

impl Way {
    /// Continues where a link leads.
    fn follow(&mut self, name: &OsStr, link: &OpenedEntry, path: &Path) -> Result<()> {
        let shown = || format!("cannot open {}", path.display());
        self.links += 1;
        if self.links > MAX_LINKS {
            bail!("{}: more than {MAX_LINKS} symbolic links; they may form a loop", path.display());
        }
        trust(&self.folder, &self.real, &self.real.join(name), &link.stat)?;
        let target = readlinkat(&link.fd, "", Vec::new()).with_context(shown)?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            self.folder = root().with_context(shown)?;
            self.real = PathBuf::from("/");
        }
        queue(&target, &mut self.rest);
        Ok(())
    }

    fn end(self, name: OsString, found: Option<OpenedEntry>) -> Place {
        let missing: Vec<_> = self.rest.into();
        let mut path = self.real.join(&name);
        path.extend(&missing);
        Place { folder: self.folder, name, path, found, missing }
    }
}

/// The entry of this name in a folder, if there is one; links are not followed.
pub fn find(folder: &OwnedFd, name: &OsStr) -> rustix::io::Result<Option<OpenedEntry>> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(folder, name, flags, Mode::empty()) {
        Ok(fd) => {
            let stat = fstat(&fd)?;
            Ok(Some(OpenedEntry { fd, stat }))
        }
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error),
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot open {}", path.display()))
}

fn root() -> rustix::io::Result<OwnedFd> {
    folder_at(CWD, OsStr::new("/"), OFlags::PATH)
}

/// Opens a folder, either only as a starting point or to read it, depending on `how`.
fn folder_at(folder: impl AsFd, name: &OsStr, how: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = how | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}

/// Puts the components of a path in front of the remaining ones.
fn queue(path: &Path, rest: &mut VecDeque<OsString>) {
    let names: Vec<&OsStr> = path
        .components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(Component::as_os_str)
        .collect();
    for name in names.into_iter().rev() {
        rest.push_front(name.to_owned());
    }
}

fn trust(folder: &OwnedFd, real: &Path, link: &Path, stat: &Stat) -> Result<()> {
    let why = if !ours(stat.st_uid) {
        format!("belongs to {}", user(stat.st_uid, table)?)
    } else if let Some(who) = writer(folder)? {
        format!("is in {}, which {who} can write to", real.display())
    } else {
        return Ok(());
    };
    bail!("{} is a symbolic link that {why}; only links owned by root are followed", link.display())
}

/// Requires that nobody but root can replace `next` or, if there is none, what will be written. In a sticky folder,
/// what belongs to root is safe; a new name is not.
fn closed(folder: &OwnedFd, real: &Path, next: Option<&OpenedEntry>, path: &Path) -> Result<()> {
    let stat = fstat(folder)?;
    let Some(who) = writer(folder)? else {
        return Ok(());
    };
    let sticky = stat.st_mode & 0o1000 != 0 && ours(stat.st_uid);
    if sticky && next.is_some_and(|next| ours(next.stat.st_uid)) {
        return Ok(());
    }
    let named = real.display();
    Err(Unwritable {
        path: path.to_owned(),
        why: format!("is in the directory {named}, which {who} can write to"),
        fix: format!("let only root write there (chown root {named} && chmod go-w {named}), then run this again"),
        shared: true,
    }
    .into())
}

/// Who, besides root, can write to a folder; none if nobody can.
pub fn writer(folder: &OwnedFd) -> Result<Option<String>> {
    let stat = fstat(folder)?;
    let access = Access { mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid };
    let list = || access_list::read(folder_at(folder, OsStr::new("."), OFlags::RDONLY)?);
    ownership::writer(access, list, table)
}

/// Reads the table of users or groups. Links to it are not followed: whether a link may be followed depends on this
/// very table.
fn table(name: &str) -> Result<Option<String>> {
    match file(&look(Path::new(name), false)?)? {
        Some(table) => {
            let bytes = bytes(&table, Path::new(name))?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
        None => Ok(None),
    }
}

/// What something other than a regular file is, as the end of a sentence.
fn why_not_a_file(kind: FileType) -> Option<&'static str> {
    Some(match kind {
        FileType::RegularFile => return None,
        FileType::Directory => "is a directory, not a file",
        FileType::Symlink => "is a symbolic link, not a file",
        FileType::Fifo => "is a named pipe (FIFO), not a file",
        FileType::Socket => "is a socket, not a file",
        FileType::CharacterDevice | FileType::BlockDevice => "is a device, not a file",
        _ => "is not a regular file",
    })
}

fn refuse(place: &Place, kind: FileType) -> Result<()> {
    match why_not_a_file(kind) {
        Some(what) => bail!("{} {what}", place.path.display()),
        None => Ok(()),
    }
}

fn require_regular_file(place: &Place) -> Result<()> {
    let found = place.found.as_ref();
    found.map_or(Ok(()), |found| refuse(place, found.kind()))
}

/// Opens the regular file at a place; none if nothing is there.
///
/// # Errors
/// If it is something else.
pub fn file(place: &Place) -> Result<Option<File>> {
    if place.found.is_none() {
        return Ok(None);
    }
    require_regular_file(place)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match openat(&place.folder, &place.name, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT) => return Ok(None),
        // Replaced by a link since.
        Err(Errno::LOOP) => return refuse(place, FileType::Symlink).map(|()| None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", place.path.display()));
        }
    };
    refuse(place, FileType::from_raw_mode(fstat(&opened)?.st_mode))?;
    Ok(Some(opened.into()))
}

/// Opens one of this program's own files to read and write it; creates it, for root alone, if it is missing.
///
/// # Errors
/// [`Unwritable`] if other users can write to a folder on the path; also if something other than a file is there.
pub fn own_file(path: &Path) -> Result<File> {
    let place = for_writing(path, false)?.with_folder()?;
    require_regular_file(&place)?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(&place.folder, &place.name, flags, Mode::from_raw_mode(0o600))
        .with_context(|| format!("cannot open {}", path.display()))?;
    Ok(opened.into())
}

/// Opens the folder at a place or, for anything else, the folder that contains it: either is on the same file system.
///
/// # Errors
/// If it cannot be read.
pub fn folder(place: &Place) -> Result<OwnedFd> {
    let found = place.found.as_ref();
    let there = found.filter(|found| found.kind() == FileType::Directory);
    let folder = there.map_or(&place.folder, |found| &found.fd);
    folder_at(folder, OsStr::new("."), OFlags::RDONLY).with_context(|| format!("cannot read {}", place.path.display()))
}

/// The bytes of a regular file; none if there is no such file.
///
/// # Errors
/// If it is not a regular file, cannot be read, or is larger than [`LARGEST`].
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let read = || {
        let file = file(&look(path, true)?)?;
        file.map(|file| bytes(&file, path)).transpose()
    };
    match read() {
        Err(error) if has_ended(&error) => Ok(None),
        read => read,
    }
}

/// Whether a file below /proc could not be read because its process had just ended.
fn has_ended(error: &anyhow::Error) -> bool {
    let cause = error.root_cause();
    let code = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    cause.downcast_ref() == Some(&Errno::SRCH) || code == Some(Errno::SRCH.raw_os_error())
}

/// The bytes of an open file from its current position on.
///
/// # Errors
/// If there are more than [`LARGEST`].
pub fn bytes(file: &File, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Reads one byte too many to detect a larger file; the sizes that /proc reports mean nothing.
    let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > LARGEST {
        bail!("{} is too large (limit: {} MiB)", path.display(), LARGEST >> 20);
    }
    Ok(bytes)
}

/// The first `most` bytes of a file, or all of a shorter one.
///
/// # Errors
/// If it is not a regular file, or cannot be read.
pub fn read_start(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    let Some(file) = file(&look(path, true)?)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    let read = file.take(most).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(bytes))
}

/// The bytes of a log from `offset` on, or from its start if it is shorter; only the last [`MAX_LOG_READ`] of them.
///
/// # Errors
/// If it is not a regular file, or cannot be read.
pub fn read_from(path: &Path, offset: u64) -> Result<Option<Vec<u8>>> {
    let Some(mut file) = file(&look(path, true)?)? else {
        return Ok(None);
    };
    let mut read = || {
        let length = file.metadata()?.len();
        let offset = if offset <= length { offset } else { 0 };
        file.seek(SeekFrom::Start(offset.max(length.saturating_sub(MAX_LOG_READ))))?;
        let mut bytes = Vec::new();
        file.by_ref().take(MAX_LOG_READ).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read().with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(bytes))
}

/// The names in a folder, sorted; empty if there is no such folder.
///
/// # Errors
/// If it cannot be read, or has more than [`MAX_ENTRIES`].
pub fn list(path: &Path) -> Result<Vec<String>> {
    let place = look(path, true)?;
    let Some(found) = place.found.filter(|found| found.kind() == FileType::Directory) else {
        return Ok(Vec::new());
    };
    names(&found.fd, path)
}

/// The names in an open folder, sorted.
///
/// # Errors
/// See [`list`].
pub fn names(folder: impl AsFd, path: &Path) -> Result<Vec<String>> {
    let shown = || format!("cannot list {}", path.display());
    let mut names = Vec::new();
    let folder = folder_at(folder, OsStr::new("."), OFlags::RDONLY).with_context(shown)?;
    for entry in rustix::fs::Dir::new(folder).with_context(shown)? {
        let entry = entry.with_context(shown)?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        if names.len() == MAX_ENTRIES {
            bail!("{} has too many entries (limit: {MAX_ENTRIES})", path.display());
        }
        names.push(OsStr::from_bytes(name).to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// A path by which an `O_PATH` descriptor can be passed to calls that accept only paths.
pub fn proc_fd_path(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

    use super::*;

    fn said<T>(result: Result<T>) -> String {
        format!("{:#}", result.err().expect("an error"))
    }

    fn fifo(path: &Path) {
        rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_regular_files_are_read() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        fifo(&at("fifo"));
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        symlink("/dev/zero", at("endless")).unwrap();
        symlink("fifo", at("to-fifo")).unwrap();
        for (name, what) in [
            ("fifo", "fifo is a named pipe (FIFO), not a file"),
            ("to-fifo", "fifo is a named pipe (FIFO), not a file"),
            ("socket", "socket is a socket, not a file"),
            ("endless", "/dev/zero is a device, not a file"),
            (".", "is a directory, not a file"),
        ] {
            let error = said(read(&at(name)));
            assert!(error.ends_with(what), "{error}");
            let error = said(read_from(&at(name), 0));
            assert!(error.ends_with(what), "{error}");
        }
    }

    #[test]
    fn own_files_are_never_links_or_pipes() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        let made = |name: &str| own_file(&at(name)).map(|file| file.metadata().unwrap().ino());
        assert_eq!(made("lock").unwrap(), made("lock").unwrap());
        assert_eq!(fs::metadata(at("lock")).unwrap().mode() & 0o777, 0o600);
        fifo(&at("fifo"));
        assert!(said(made("fifo")).ends_with("is a named pipe (FIFO), not a file"));
        symlink("elsewhere", at("link")).unwrap();
        assert!(said(made("link")).ends_with("is a symbolic link, not a file"));
        assert!(!at("elsewhere").exists());
        mode(top.path(), 0o777);
        assert!(said(made("lock")).contains("which every user can write"));
    }

    #[test]
    fn reading_an_ended_process_is_not_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let path = PathBuf::from(format!("/proc/{}/status", child.id()));
        let opened = File::open(&path).unwrap();
        child.wait().unwrap();
        assert!(has_ended(&bytes(&opened, &path).unwrap_err()));
        assert!(!has_ended(&read(Path::new("/proc/1")).unwrap_err()));
        assert_eq!(read(&path).unwrap(), None);
    }

    #[test]
    fn link_loops_fail_and_paths_below_files_are_missing() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        symlink("b", at("a")).unwrap();
        symlink("a", at("b")).unwrap();
        assert!(said(read(&at("a"))).contains("more than 40 symbolic links"));
        fs::write(at("file"), "x").unwrap();
        assert_eq!(read(&at("file/below")).unwrap(), None);
        assert_eq!(read(&at("nothing/below")).unwrap(), None);
        assert_eq!(list(&at("file")).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn only_links_that_root_placed_are_followed() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        fs::create_dir_all(at("one/two")).unwrap();
        fs::write(at("one/two/file"), "text").unwrap();
        symlink("one/./two/../two", at("short")).unwrap();
        symlink(at("short").join("file"), at("absolute")).unwrap();
        assert_eq!(read(&at("absolute")).unwrap().unwrap(), b"text");
        let place = look(&at("absolute"), true).unwrap();
        assert_eq!(place.path, fs::canonicalize(at("one/two/file")).unwrap());
        symlink("nowhere/at/all", at("dangling")).unwrap();
        assert_eq!(read(&at("dangling")).unwrap(), None);
        assert!(look(&at("dangling"), false).unwrap().found.is_some());
        // A folder that everybody can write to, with and without the sticky bit.
        for open in [0o777, 0o1777] {
            mode(top.path(), open);
            let error = said(read(&at("absolute")));
            assert!(
                error.contains("absolute is a symbolic link") && error.contains("which every user can write"),
                "{error}"
            );
            let error = said(read(&at("short/file")));
            assert!(error.contains("short is a symbolic link"), "{error}");
            assert_eq!(read(&at("one/two/file")).unwrap().unwrap(), b"text");
            // Root's own folder in a sticky one is safe, a new file there is not.
            let sticky = open & 0o1000 != 0;
            assert_eq!(target(&at("one/two/new/er")).is_ok(), sticky);
            let error = said(target(&at("new")));
            assert!(error.contains("which every user can write"), "{error}");
        }
    }

    #[test]
    fn other_users_links_and_folders_are_not_trusted() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can give a link away");
            return;
        }
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        fs::write(at("file"), "text").unwrap();
        symlink("file", at("theirs")).unwrap();
        std::os::unix::fs::lchown(at("theirs"), Some(1), Some(1)).unwrap();
        let error = said(read(&at("theirs")));
        assert!(error.contains("theirs is a symbolic link that belongs to the user daemon"), "{error}");
        fs::create_dir(at("folder")).unwrap();
        chown(at("folder"), Some(1), Some(1)).unwrap();
        fs::write(at("folder/file"), "text").unwrap();
        assert_eq!(read(&at("folder/file")).unwrap().unwrap(), b"text");
        let error = target(&at("folder/file")).err().unwrap();
        let error = error.downcast::<Unwritable>().unwrap();
        assert!(error.to_string().contains("which the user daemon can write"), "{error}");
        assert!(error.fix.contains("chown root"), "{}", error.fix);
    }

    #[test]
    fn empty_groups_do_not_count_as_writers() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can give a folder to a group");
            return;
        }
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("folder");
        fs::create_dir(&folder).unwrap();
        mode(&folder, 0o2775);
        // On Debian, nobody is in staff, and daemon's primary group is daemon.
        chown(&folder, Some(0), Some(50)).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().gid(), 50);
        assert!(target(&folder.join("file")).is_ok());
        chown(&folder, Some(0), Some(1)).unwrap();
        let error = said(target(&folder.join("file")));
        assert!(error.contains("the group daemon (which includes daemon) can write"), "{error}");
    }

    #[test]
    fn size_limits_are_enforced() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("large");
        fs::File::create(&path).unwrap().set_len(LARGEST).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().len() as u64, LARGEST);
        fs::File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        let error = said(read(&path));
        assert!(error.ends_with("large is too large (limit: 16 MiB)"), "{error}");
        assert_eq!(read_from(&path, 3).unwrap().unwrap().len() as u64, MAX_LOG_READ);
        assert_eq!(read_from(&path, LARGEST).unwrap().unwrap(), [0]);
        fs::write(&path, "rotated").unwrap();
        assert_eq!(read_from(&path, 100).unwrap().unwrap(), b"rotated");
        assert!(!read(Path::new("/proc/self/mountinfo")).unwrap().unwrap().is_empty());
        assert!(!read(Path::new("/proc/self/cmdline")).unwrap().unwrap().is_empty());
    }
}
