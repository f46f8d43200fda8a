//! The real machine: its files, through the modules next to this one, and its child processes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rustix::fs::{AtFlags, FileType, RenameFlags, renameat_with};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::child::{self, Event, Watcher};
use super::{Access, Assumed, FileKind, FileText, Host, Output, Stat, Unwritable, as_owner, folders, open, replace};
use crate::host::command::{Command, Effect, Session};
use crate::host::queries::Answers;
use crate::host::secret::Secret;

/// The machine that the program runs on.
pub struct System<'a> {
    watcher: &'a dyn Watcher,
    answers: Answers,
}

impl<'a> System<'a> {
    /// The machine; `watcher` receives what its children print.
    pub fn new(watcher: &'a dyn Watcher) -> Self {
        Self { watcher, answers: Answers::default() }
    }
}

impl Host for System<'_> {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        open::read(path)
    }

    fn read_from(&self, path: &Path, offset: u64) -> Result<Option<Vec<u8>>> {
        open::read_from(path, offset)
    }

    fn read_start(&self, path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
        open::read_start(path, most)
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        Ok(open::look(path, false)?.found.map(|found| Stat {
            kind: kind(found.kind()),
            mode: found.stat.st_mode & 0o7777,
            uid: found.stat.st_uid,
            gid: found.stat.st_gid,
            size: found.stat.st_size as u64,
            changed: SystemTime::UNIX_EPOCH
                + Duration::new(found.stat.st_ctime as u64, found.stat.st_ctime_nsec as u32),
        }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        open::list(dir)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        let shown = || format!("cannot read the link {}", path.display());
        let place = open::look(path, false)?;
        let target = rustix::fs::readlinkat(&place.folder, &place.name, Vec::new());
        let target = target.with_context(shown)?.into_bytes();
        Ok(PathBuf::from(OsString::from_vec(target)))
    }

    fn real_path(&self, path: &Path) -> Result<PathBuf> {
        let place = open::look(path, true)?;
        Ok(match place.found {
            Some(_) => place.path,
            None => path.to_owned(),
        })
    }

    fn access_list(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        let place = open::look(path, false)?;
        let list = match place.found.as_ref().map(open::OpenedEntry::kind) {
            Some(FileType::RegularFile) => open::file(&place)?.map_or(Ok(None), super::access_list::read),
            Some(FileType::Directory) => open::folder(&place).and_then(super::access_list::read),
            _ => Ok(None),
        };
        list.with_context(|| format!("cannot access {}", path.display()))
    }

    fn run(&self, command: &Command) -> Result<Output> {
        if command.effect == Effect::Mutate {
            self.answers.forget();
            let output = child::run(command, self.watcher);
            self.answers.forget();
            return output;
        }
        self.answers.to(command, self.watcher)
    }

    fn prefetch(&self, query: &Command) {
        self.answers.prefetch(query);
    }

    fn confined(&self, task: &str, input: Secret, limit: Duration) -> Result<Output> {
        // The running program itself, even if its file has been replaced since.
        let command = Command::query("/proc/self/exe").arg(task).timeout(limit);
        // An arena of its own for each thread would reserve 64 MiB: a few threads at a time would reach the memory
        // limit.
        let mut command = command.session(Session::ByItself).env("MALLOC_ARENA_MAX", "1");
        command.stdin = Some(input);
        child::run(&command, self.watcher)
    }

    fn replace(&self, path: &Path, text: &FileText) -> Result<()> {
        self.answers.forget();
        if text.by_owner {
            return as_owner::write(self.watcher, path, text);
        }
        let elsewhere = replace::replace(path, text)?;
        if elsewhere > 0 {
            self.notice(&format!(
                "{} has {elsewhere} more hard link(s) elsewhere, which keep the old content",
                path.display()
            ));
        }
        Ok(())
    }

    fn writable(&self, path: &Path) -> Result<()> {
        replace::writable(path)
    }

    fn link(&self, path: &Path, target: &Path) -> Result<()> {
        self.answers.forget();
        let place = open::for_writing(path, false)?.with_folder()?;
        rustix::fs::symlinkat(target, &place.folder, &place.name)
            .map_err(anyhow::Error::from)
            .and_then(|()| replace::sync(&place.folder))
            .with_context(|| format!("cannot create the link {}", path.display()))
    }

    fn make_dir(&self, path: &Path, access: Access) -> Result<()> {
        folders::make(path, access).with_context(|| format!("cannot create the directory {}", path.display()))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.answers.forget();
        let place = open::for_writing(path, false)?;
        let Some(found) = &place.found else {
            return Ok(());
        };
        let flags = match found.kind() {
            FileType::Directory => AtFlags::REMOVEDIR,
            _ => AtFlags::empty(),
        };
        rustix::fs::unlinkat(&place.folder, &place.name, flags)
            .with_context(|| format!("cannot remove {}", path.display()))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.answers.forget();
        let (old, new) = (open::for_writing(from, false)?.with_folder()?, open::for_writing(to, false)?.with_folder()?);
        let flags = RenameFlags::NOREPLACE;
        let renamed = match renameat_with(&old.folder, &old.name, &new.folder, &new.name, flags) {
            // A file system without this flag.
            Err(Errno::INVAL) if new.found.is_none() => {
                rustix::fs::renameat(&old.folder, &old.name, &new.folder, &new.name)
            }
            Err(Errno::INVAL) => Err(Errno::EXIST),
            renamed => renamed,
        };
        let (from, to) = (from.display(), to.display());
        renamed.with_context(|| format!("cannot rename {from} to {to}"))
    }

    fn lock_holder(&self, path: &Path) -> Result<Option<i32>> {
        let Ok(Some(file)) = open::look(path, true).and_then(|place| open::file(&place)) else {
            return Ok(None);
        };
        let wanted = Flock::from(FlockType::WriteLock);
        let held = fcntl_getlk(&file, &wanted)
            .with_context(|| format!("cannot find out who has locked {}", path.display()))?;
        let holder = |lock: Flock| lock.pid.map_or(0, |pid| pid.as_raw_nonzero().get());
        Ok(held.map(holder))
    }

    fn clear(&self, path: &Path, known: &dyn Fn(&[u8]) -> bool) -> Result<Option<PathBuf>> {
        match replace::clear(path, known) {
            // Root wrote nothing in somebody else's folder; the account that did cleans up before its next write.
            Err(error) if error.downcast_ref::<Unwritable>().is_some_and(|unwritable| unwritable.shared) => Ok(None),
            cleared => cleared,
        }
    }

    fn flush(&self, path: &Path) -> Result<()> {
        let folder = open::folder(&open::look(path, true)?)?;
        rustix::fs::syncfs(&folder).with_context(|| format!("cannot sync {}", path.display()))
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn is_root(&self) -> bool {
        rustix::process::geteuid().is_root()
    }

    fn is_live(&self) -> bool {
        true
    }

    fn assumed(&self) -> Assumed {
        Assumed::default()
    }

    fn notice(&self, text: &str) {
        self.watcher.event(&Event::Notice(text));
    }
}

fn kind(kind: FileType) -> FileKind {
    match kind {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Link,
        _ => FileKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::host::child::Silent;

    #[test]
    fn writing_sets_the_mode_and_leaves_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.cfg.lua");
        let host = System::new(&Silent);
        let meta = fs::metadata(folder.path()).unwrap();
        let access = Access { mode: 0o640, uid: meta.uid(), gid: meta.gid() };
        host.write(&path, b"one", access).unwrap();
        host.write(&path, b"two", access).unwrap();
        assert_eq!(host.read(&path).unwrap().unwrap(), b"two");
        assert_eq!(host.stat(&path).unwrap().unwrap().mode, 0o640);
        assert_eq!(host.list(folder.path()).unwrap(), ["x.cfg.lua"]);
    }
}
