//! A preview on top of another host: queries run, mutations are remembered instead of made. Checks after a swallowed
//! command see what it declared to provide, so a preview takes the same path as the real run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::{Access, AccessList, Assumed, FileKind, FileText, Host, Output, Stat};
use crate::host::command::{Brings, Command, Effect};
use crate::host::secret::Secret;

enum Node {
    File(Vec<u8>, Access, Option<Vec<u8>>),
    Link(PathBuf),
    Directory(Access),
    Gone,
}

/// A host whose mutations stay in memory.
pub struct Overlay<'a> {
    below: &'a dyn Host,
    nodes: RefCell<BTreeMap<PathBuf, (Node, SystemTime)>>,
    assumed: RefCell<Assumed>,
}

impl<'a> Overlay<'a> {
    /// A preview on top of `below`.
    pub fn new(below: &'a dyn Host) -> Self {
        Self { below, nodes: RefCell::default(), assumed: RefCell::default() }
    }

    fn put(&self, path: &Path, node: Node) {
        let mut assumed = self.assumed.borrow_mut();
        assumed.stale_daemon = true;
        assumed.restarted = false;
        self.nodes.borrow_mut().insert(path.to_owned(), (node, self.now()));
    }

    fn swallow(&self, command: &Command) -> Result<Output> {
        for path in command.brings.iter().flat_map(paths_provided) {
            self.below.writable(Path::new(path))?;
        }
        let mut assumed = self.assumed.borrow_mut();
        for brought in &command.brings {
            match brought {
                Brings::Package(name) => assumed.packages.push(name.clone()),
                Brings::Module(name) => {
                    assumed.modules.push(name.clone());
                    assumed.stale_daemon = true;
                }
                Brings::JwtFunction => {
                    assumed.jwt_function = true;
                    assumed.stale_daemon = true;
                }
                Brings::Debconf { question, value } => assumed.debconf.push((question.clone(), value.clone())),
                Brings::PackageLists => assumed.package_lists = true,
                Brings::RepairedPackages => assumed.repaired_packages = true,
                Brings::Restart => {
                    assumed.stale_daemon = false;
                    assumed.restarted = true;
                }
                Brings::Service(name) => assumed.services.push(name),
            }
        }
        Ok(Output { code: Some(0), ..Output::default() })
    }
}

/// Where a command puts what it provides.
fn paths_provided(brought: &Brings) -> &'static [&'static str] {
    match brought {
        Brings::Package(_) => &["/usr", "/var/lib/dpkg"],
        Brings::Module(_) | Brings::JwtFunction => &["/usr/local"],
        Brings::Debconf { .. } => &["/var/cache/debconf"],
        Brings::PackageLists => &["/var/lib/apt"],
        Brings::RepairedPackages => &["/var/lib/dpkg"],
        Brings::Restart | Brings::Service(_) => &[],
    }
}

impl Host for Overlay<'_> {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        match self.nodes.borrow().get(&self.real_path(path)?) {
            Some((Node::File(bytes, ..), _)) => Ok(Some(bytes.clone())),
            Some((Node::Gone, _)) => Ok(None),
            _ => self.below.read(path),
        }
    }

    fn read_start(&self, path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
        self.below.read_start(path, most)
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let nodes = self.nodes.borrow();
        let Some((node, changed)) = nodes.get(path) else {
            return self.below.stat(path);
        };
        let link = Access::root(0o777);
        let (kind, access, size) = match node {
            Node::File(bytes, access, _) => (FileKind::File, *access, bytes.len() as u64),
            Node::Link(_) => (FileKind::Link, link, 0),
            Node::Directory(access) => (FileKind::Directory, *access, 0),
            Node::Gone => return Ok(None),
        };
        Ok(Some(Stat { kind, mode: access.mode, uid: access.uid, gid: access.gid, size, changed: *changed }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let mut names = self.below.list(dir)?;
        for (path, (node, _)) in self.nodes.borrow().iter().filter(|(path, _)| path.parent() == Some(dir)) {
            let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
                continue;
            };
            names.retain(|known| *known != name);
            if !matches!(node, Node::Gone) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        match self.nodes.borrow().get(path) {
            Some((Node::Link(target), _)) => Ok(target.clone()),
            _ => self.below.read_link(path),
        }
    }

    fn real_path(&self, path: &Path) -> Result<PathBuf> {
        match self.nodes.borrow().get(path) {
            Some((Node::Link(target), _)) => {
                let target = path.parent().unwrap_or(Path::new("/")).join(target);
                self.below.real_path(&target)
            }
            Some(_) => Ok(path.to_owned()),
            None => self.below.real_path(path),
        }
    }

    fn run(&self, command: &Command) -> Result<Output> {
        match command.effect {
            Effect::Query => self.below.run(command),
            Effect::Mutate => self.swallow(command),
        }
    }

    fn prefetch(&self, query: &Command) {
        self.below.prefetch(query);
    }

    fn confined(&self, task: &str, input: Secret, limit: Duration) -> Result<Output> {
        self.below.confined(task, input, limit)
    }

    fn replace(&self, path: &Path, text: &FileText) -> Result<()> {
        let path = self.real_path(path)?;
        if !text.by_owner {
            self.below.writable(&path)?;
        }
        let list = match &text.list {
            AccessList::Exactly(list) => list.clone(),
            AccessList::Fitting if text.access.mode & 0o007 == 0 => None,
            AccessList::Fitting | AccessList::Kept => self.access_list(&path)?,
        };
        self.put(&path, Node::File(text.bytes.to_vec(), text.access, list));
        Ok(())
    }

    fn access_list(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        match self.nodes.borrow().get(path) {
            Some((Node::File(.., list), _)) => Ok(list.clone()),
            Some(_) => Ok(None),
            None => self.below.access_list(path),
        }
    }

    fn writable(&self, path: &Path) -> Result<()> {
        self.below.writable(path)
    }

    fn link(&self, path: &Path, target: &Path) -> Result<()> {
        self.below.writable(path)?;
        self.put(path, Node::Link(target.to_owned()));
        Ok(())
    }

    fn make_dir(&self, path: &Path, access: Access) -> Result<()> {
        let mut access = access;
        for folder in path.ancestors() {
            if self.exists(folder)? {
                break;
            }
            self.below.writable(folder)?;
            self.put(folder, Node::Directory(access));
            // Missing folders above it are created with this mode.
            access = Access::root(0o755);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.below.writable(to)?;
        let stat = self.stat(from)?.with_context(|| format!("{} vanished", from.display()))?;
        let node = match stat.kind {
            FileKind::Link => Node::Link(self.read_link(from)?),
            _ => {
                let access = Access { mode: stat.mode, uid: stat.uid, gid: stat.gid };
                let list = self.access_list(from)?;
                Node::File(self.read(from)?.unwrap_or_default(), access, list)
            }
        };
        self.put(from, Node::Gone);
        self.put(to, node);
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        if self.exists(path)? {
            self.below.writable(path)?;
        }
        self.put(path, Node::Gone);
        Ok(())
    }

    fn lock_holder(&self, path: &Path) -> Result<Option<i32>> {
        self.below.lock_holder(path)
    }

    fn now(&self) -> SystemTime {
        self.below.now()
    }

    fn is_root(&self) -> bool {
        self.below.is_root()
    }

    fn is_live(&self) -> bool {
        false
    }

    fn assumed(&self) -> Assumed {
        self.assumed.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::FakeHost;
    use super::*;

    #[test]
    fn writes_stay_in_memory_and_are_read_back() {
        let below = FakeHost::new().file("/etc/a", "old");
        let host = Overlay::new(&below);
        let access = Access { mode: 0o640, uid: 0, gid: 7 };
        host.write(Path::new("/etc/a"), b"new", access).unwrap();
        host.write(Path::new("/etc/b"), b"more", access).unwrap();
        assert_eq!(host.read(Path::new("/etc/a")).unwrap().unwrap(), b"new");
        assert_eq!(host.list(Path::new("/etc")).unwrap(), ["a", "b"]);
        assert_eq!(host.stat(Path::new("/etc/a")).unwrap().unwrap().mode, 0o640);
        assert_eq!(below.read(Path::new("/etc/a")).unwrap().unwrap(), b"old");
    }

    #[test]
    fn missing_parent_folders_are_created() {
        let below = FakeHost::new().file("/usr/local/bin/x", "");
        let host = Overlay::new(&below);
        host.make_dir(Path::new("/usr/local/share/lua/5.4"), Access::root(0o755)).unwrap();
        let changeable = crate::host::ownership::changeable(&host, Path::new("/usr/local/share/lua/5.4/basexx.lua"));
        assert_eq!(changeable.unwrap(), None);
        assert_eq!(host.list(Path::new("/usr/local")).unwrap(), ["bin", "share"]);
    }

    #[test]
    fn a_preview_assumes_what_a_command_provides() {
        let below = FakeHost::new();
        let host = Overlay::new(&below);
        let install = Command::mutate("luarocks").arg("install").brings([Brings::Module("basexx".into())]);
        assert!(host.run(&install).unwrap().ok());
        assert_eq!(host.assumed().modules, ["basexx"]);
        assert!(host.assumed().stale_daemon);
        assert!(below.mutations.borrow().is_empty());
    }
}
