//! A machine in memory, for unit tests: files in a map, commands answered by the test.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};

use super::{Access, AccessList, Assumed, ChangedMeanwhile, Expected, FileKind, FileText, Host, Output, Stat};
use crate::host::command::{Command, Effect};
use crate::host::secret::Secret;

/// Changes a file right before it is replaced: gets the attempt's number and the current bytes, returns the new ones.
type Meddler = Box<dyn Fn(usize, &[u8]) -> Option<Vec<u8>>>;
type Answer = Box<dyn Fn(&Command) -> Option<Output>>;
type Confined = Box<dyn Fn(&str, &str) -> String>;

#[derive(Clone)]
enum Node {
    File(Vec<u8>, Access),
    Link(PathBuf),
    Directory,
}

/// A machine in memory.
#[derive(Default)]
pub struct FakeHost {
    nodes: RefCell<BTreeMap<PathBuf, Node>>,
    answers: Vec<Answer>,
    confined: Option<Confined>,
    waited: Cell<u64>,
    changed: BTreeMap<PathBuf, SystemTime>,
    locked: BTreeMap<PathBuf, i32>,
    lists: RefCell<BTreeMap<PathBuf, Vec<u8>>>,
    meddler: Option<Meddler>,
    replaced: Cell<usize>,
    access: RefCell<BTreeMap<PathBuf, Access>>,
    /// The mutating commands that were run, as shell lines.
    pub mutations: RefCell<Vec<String>>,
    /// The messages to the operator.
    pub notices: RefCell<Vec<String>>,
    /// The paths that were flushed to disk.
    pub flushed: RefCell<Vec<PathBuf>>,
}

impl FakeHost {
    /// An empty machine.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a file of mode 0644 that root owns.
    pub fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.put(Path::new(path), Node::File(bytes.as_ref().to_vec(), Access::root(0o644)));
        self
    }

    /// Sets a file's time of change. The default is 1970, or now below /run, which does not survive a reboot.
    pub fn changed(mut self, path: &str, time: SystemTime) -> Self {
        self.changed.insert(PathBuf::from(path), time);
        self
    }

    /// Gives a path this mode, owner and group.
    pub fn access(self, path: &str, mode: u32, uid: u32, gid: u32) -> Self {
        let access = Access { mode, uid, gid };
        self.access.borrow_mut().insert(PathBuf::from(path), access);
        self
    }

    /// Gives a path this access list.
    pub fn listed(self, path: &str, list: Vec<u8>) -> Self {
        self.lists.borrow_mut().insert(PathBuf::from(path), list);
        self
    }

    /// Has this process hold a lock on this file.
    pub fn locked(mut self, path: &str, process: i32) -> Self {
        self.locked.insert(PathBuf::from(path), process);
        self
    }

    /// Adds a Prosody, process 7, that has run for this many seconds, at most 100, on a machine without systemd.
    pub fn running_prosody(self, seconds: u32) -> Self {
        let started = (100 - seconds) * 100;
        self.file("/usr/bin/lua5.2", "")
            .linked("/proc/7/exe", "/usr/bin/lua5.2")
            .file("/proc/7/status", "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n")
            .file("/run/prosody/prosody.pid", "7\n")
            .file("/proc/7/stat", format!("7 (lua5.2) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {started} 0"))
            .file("/proc/uptime", "100.00 1.0\n")
    }

    /// Adds a symbolic link.
    pub fn linked(self, path: &str, target: &str) -> Self {
        self.put(Path::new(path), Node::Link(PathBuf::from(target)));
        self
    }

    /// Answers the commands for which `answer` returns something; the first answer wins.
    pub fn answers(mut self, answer: impl Fn(&Command) -> Option<Output> + 'static) -> Self {
        self.answers.push(Box::new(answer));
        self
    }

    /// Has somebody change files right before they are replaced by a write that expects certain bytes.
    pub fn meddled(mut self, meddler: impl Fn(usize, &[u8]) -> Option<Vec<u8>> + 'static) -> Self {
        self.meddler = Some(Box::new(meddler));
        self
    }

    /// Does the tasks of a child without privileges: `child` turns task and input into output.
    pub fn confines(mut self, child: impl Fn(&str, &str) -> String + 'static) -> Self {
        self.confined = Some(Box::new(child));
        self
    }

    /// Lets this many seconds pass.
    pub fn wait(&self, seconds: u64) {
        self.waited.set(self.waited.get() + seconds);
    }

    fn put(&self, path: &Path, node: Node) {
        let mut nodes = self.nodes.borrow_mut();
        for parent in path.ancestors().skip(1) {
            nodes.entry(parent.to_owned()).or_insert(Node::Directory);
        }
        nodes.insert(path.to_owned(), node);
    }

    fn stat_of(&self, path: &Path, kind: FileKind, access: Access, size: u64) -> Stat {
        let access = self.access.borrow().get(path).copied().unwrap_or(access);
        Stat {
            kind,
            mode: access.mode,
            uid: access.uid,
            gid: access.gid,
            size,
            changed: match self.changed.get(path) {
                Some(time) => *time,
                None if path.starts_with("/run") => self.now(),
                None => SystemTime::UNIX_EPOCH,
            },
        }
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        let mut path = path.to_owned();
        for _ in 0..16 {
            match self.nodes.borrow().get(&path) {
                Some(Node::Link(target)) => {
                    path = path.parent().unwrap_or(Path::new("/")).join(target);
                }
                _ => break,
            }
        }
        path
    }
}

/// An output with this exit code and standard output.
pub fn output(code: i32, stdout: &str) -> Option<Output> {
    Some(Output { code: Some(code), stdout: stdout.to_owned(), ..Output::default() })
}

impl Host for FakeHost {
    fn notice(&self, text: &str) {
        self.notices.borrow_mut().push(text.to_owned());
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        match self.nodes.borrow().get(&self.resolve(path)) {
            Some(Node::File(bytes, _)) => Ok(Some(bytes.clone())),
            Some(_) => bail!("{} is a directory", path.display()),
            None => Ok(None),
        }
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let stat = |kind, access: Access, size| self.stat_of(path, kind, access, size);
        Ok(self.nodes.borrow().get(path).map(|node| match node {
            Node::File(bytes, access) => stat(FileKind::File, *access, bytes.len() as u64),
            Node::Link(_) => stat(FileKind::Link, Access::root(0o777), 0),
            Node::Directory => stat(FileKind::Directory, Access::root(0o755), 0),
        }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let dir = self.resolve(dir);
        let nodes = self.nodes.borrow();
        let inside = nodes.keys().filter(|path| path.parent() == Some(&dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        match self.nodes.borrow().get(path) {
            Some(Node::Link(target)) => Ok(target.clone()),
            _ => bail!("{} is not a link", path.display()),
        }
    }

    fn real_path(&self, path: &Path) -> Result<PathBuf> {
        Ok(self.resolve(path))
    }

    fn run(&self, command: &Command) -> Result<Output> {
        if command.effect == Effect::Mutate {
            self.mutations.borrow_mut().push(command.display());
        }
        match self.answers.iter().find_map(|answer| answer(command)) {
            Some(output) => Ok(output),
            None => bail!("no answer for: {}", command.display()),
        }
    }

    fn confined(&self, task: &str, input: Secret, _limit: Duration) -> Result<Output> {
        match &self.confined {
            Some(child) => Ok(Output { code: Some(0), stdout: child(task, input.reveal()), ..Output::default() }),
            None => bail!("no child for the task {task}"),
        }
    }

    fn replace(&self, path: &Path, text: &FileText) -> Result<()> {
        let path = self.resolve(path);
        let read = |path: &Path| match self.nodes.borrow().get(path) {
            Some(Node::File(bytes, access)) => Some((bytes.clone(), *access)),
            _ => None,
        };
        if let (Some(meddler), Expected::Bytes(_)) = (&self.meddler, text.expected) {
            self.replaced.set(self.replaced.get() + 1);
            if let Some((bytes, access)) = read(&path) {
                if let Some(changed) = meddler(self.replaced.get(), &bytes) {
                    self.put(&path, Node::File(changed, access));
                }
            }
        }
        let there = read(&path).map(|(bytes, _)| bytes);
        let as_expected = match text.expected {
            Expected::Anything => true,
            Expected::Nothing => there.is_none(),
            Expected::Bytes(bytes) => there.as_deref() == Some(bytes),
        };
        if !as_expected {
            return Err(ChangedMeanwhile { path, kept: None }.into());
        }
        let mut lists = self.lists.borrow_mut();
        match &text.list {
            AccessList::Exactly(Some(list)) => drop(lists.insert(path.clone(), list.clone())),
            AccessList::Exactly(None) => drop(lists.remove(&path)),
            AccessList::Fitting if text.access.mode & 0o007 == 0 => drop(lists.remove(&path)),
            AccessList::Fitting | AccessList::Kept => {}
        }
        self.access.borrow_mut().remove(&path);
        self.put(&path, Node::File(text.bytes.to_vec(), text.access));
        Ok(())
    }

    fn access_list(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        Ok(self.lists.borrow().get(path).cloned())
    }

    fn link(&self, path: &Path, target: &Path) -> Result<()> {
        self.put(path, Node::Link(target.to_owned()));
        Ok(())
    }

    fn make_dir(&self, path: &Path, access: Access) -> Result<()> {
        self.put(path, Node::Directory);
        self.access.borrow_mut().insert(path.to_owned(), access);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let node = self.nodes.borrow_mut().remove(from);
        match node.filter(|_| !self.nodes.borrow().contains_key(to)) {
            Some(node) => self.put(to, node),
            None => bail!("cannot rename {}", from.display()),
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.nodes.borrow_mut().remove(path);
        Ok(())
    }

    fn clear(&self, path: &Path, known: &dyn Fn(&[u8]) -> bool) -> Result<Option<PathBuf>> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = path.with_file_name(format!(".{name}.jitsi-tokens-setup.tmp"));
        if self.read(&temporary)?.is_none_or(|bytes| known(&bytes)) {
            return self.remove(&temporary).map(|()| None);
        }
        let kept = path.with_file_name(format!(".{name}.changed-meanwhile"));
        self.rename(&temporary, &kept).map(|()| Some(kept))
    }

    fn flush(&self, path: &Path) -> Result<()> {
        self.flushed.borrow_mut().push(path.to_owned());
        Ok(())
    }

    fn lock_holder(&self, path: &Path) -> Result<Option<i32>> {
        Ok(self.locked.get(path).copied())
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + self.waited.get())
    }

    fn is_root(&self) -> bool {
        true
    }

    fn is_live(&self) -> bool {
        true
    }

    fn assumed(&self) -> Assumed {
        Assumed::default()
    }
}
