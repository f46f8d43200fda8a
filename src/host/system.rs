//! The real machine: files, children and HTTP. Together with [`super::child`] the only place of the program for
//! `std::fs` writes, `duct` and sockets.

use std::cell::OnceCell;
use std::fs;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::answers::Answers;
use super::child::{self, Event, Watcher};
use super::replace::{clear, replace};
use super::{
    Access, Assumed, Host, HttpFault, HttpRequest, HttpResponse, Kind, Output, Socket, Stat,
    Unopened, names, tls, websocket,
};
use crate::command::{Command, Effect};

/// Answers longer than this are cut: no server that we ask has a reason to send more.
pub(super) const LONGEST_ANSWER: u64 = 1 << 20;

/// The machine that the program runs on.
pub struct System<'a> {
    watcher: &'a dyn Watcher,
    agent: ureq::Agent,
    /// The same for encrypted connections, made when there is one: it reads what the machine trusts.
    encrypted: OnceCell<ureq::Agent>,
    insecure: bool,
    answers: Answers,
}

impl<'a> System<'a> {
    /// The machine; `watcher` is told what its children print.
    pub fn new(watcher: &'a dyn Watcher) -> Self {
        Self {
            watcher,
            agent: agent(None),
            encrypted: OnceCell::new(),
            insecure: false,
            answers: Answers::default(),
        }
    }

    /// Whether encrypted connections take any certificate.
    pub fn insecure(self, insecure: bool) -> Self {
        Self { insecure, ..self }
    }

    fn agent_for(&self, url: &str) -> Result<&ureq::Agent, HttpFault> {
        if !url.starts_with("https:") {
            return Ok(&self.agent);
        }
        if self.encrypted.get().is_none() {
            let tls = tls::for_ureq(self.insecure)?;
            let _ = self.encrypted.set(agent(Some(tls)));
        }
        Ok(self.encrypted.get().unwrap_or(&self.agent))
    }
}

impl Host for System<'_> {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        absent(fs::read(path)).with_context(|| format!("cannot read {}", path.display()))
    }

    fn read_from(&self, path: &Path, offset: u64) -> Result<Option<Vec<u8>>> {
        let read = || {
            let mut file = fs::File::open(path)?;
            if offset <= file.metadata()?.len() {
                file.seek(SeekFrom::Start(offset))?;
            }
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        absent(read()).with_context(|| format!("cannot read {}", path.display()))
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let meta = absent(fs::symlink_metadata(path))
            .with_context(|| format!("cannot look at {}", path.display()))?;
        Ok(meta.map(|meta| Stat {
            kind: kind(&meta),
            mode: meta.mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
            size: meta.len(),
            changed: SystemTime::UNIX_EPOCH
                + Duration::new(meta.ctime() as u64, meta.ctime_nsec() as u32),
        }))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let entries =
            absent(fs::read_dir(dir)).with_context(|| format!("cannot list {}", dir.display()))?;
        let mut names = Vec::new();
        for entry in entries.into_iter().flatten() {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf> {
        fs::read_link(path).with_context(|| format!("cannot read the link {}", path.display()))
    }

    fn real_path(&self, path: &Path) -> Result<PathBuf> {
        let real = absent(fs::canonicalize(path))
            .with_context(|| format!("cannot resolve {}", path.display()))?;
        Ok(real.unwrap_or_else(|| path.to_owned()))
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

    fn foresee(&self, query: &Command) {
        self.answers.foresee(query);
    }

    fn http(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFault> {
        let agent = self.agent_for(&request.url)?;
        let sent = match &request.body {
            Some(body) => {
                let mut call = agent.post(&request.url);
                for (name, value) in &request.headers {
                    call = call.header(name, value);
                }
                call.config()
                    .timeout_global(Some(request.timeout))
                    .build()
                    .send(body)
            }
            None => {
                let mut call = agent.get(&request.url);
                for (name, value) in &request.headers {
                    call = call.header(name, value);
                }
                call.config()
                    .timeout_global(Some(request.timeout))
                    .build()
                    .call()
            }
        };
        let response = sent.map_err(fault)?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        let mut reader = response.into_body().into_reader().take(LONGEST_ANSWER);
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| fault(error.into()))?;
        Ok(HttpResponse {
            status,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    fn websocket(&self, request: &HttpRequest) -> Result<Box<dyn Socket>, Unopened> {
        websocket::open(request, self.insecure)
    }

    fn write(&self, path: &Path, bytes: &[u8], access: Access) -> Result<()> {
        self.answers.forget();
        let path = self.real_path(path)?;
        let elsewhere = replace(&path, bytes, access)
            .with_context(|| format!("cannot write {}", path.display()))?;
        if elsewhere > 0 {
            self.notice(&format!(
                "{} has {elsewhere} more name(s) in other folders (hard links); they keep the old text",
                path.display()
            ));
        }
        Ok(())
    }

    fn writable(&self, path: &Path) -> Result<()> {
        super::replace::writable(&self.real_path(path)?)
    }

    fn link(&self, path: &Path, target: &Path) -> Result<()> {
        self.answers.forget();
        std::os::unix::fs::symlink(target, path)
            .with_context(|| format!("cannot make the link {}", path.display()))
    }

    fn make_dir(&self, path: &Path, access: Access) -> Result<()> {
        let made = fs::create_dir_all(path).and_then(|()| {
            std::os::unix::fs::chown(path, Some(access.uid), Some(access.gid))?;
            fs::set_permissions(path, fs::Permissions::from_mode(access.mode))
        });
        made.with_context(|| format!("cannot make the folder {}", path.display()))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.answers.forget();
        let removed = match self.stat(path)?.map(|stat| stat.kind) {
            Some(Kind::Directory) => fs::remove_dir(path),
            Some(_) => fs::remove_file(path),
            None => return Ok(()),
        };
        removed.with_context(|| format!("cannot remove {}", path.display()))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.answers.forget();
        let renamed = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system that cannot do both at once.
            Err(Errno::INVAL) if self.stat(to)?.is_none() => fs::rename(from, to),
            Err(Errno::INVAL) => Err(Errno::EXIST.into()),
            renamed => renamed.map_err(Into::into),
        };
        let (from, to) = (from.display(), to.display());
        renamed.with_context(|| format!("cannot rename {from} to {to}"))
    }

    fn lock_holder(&self, path: &Path) -> Result<Option<i32>> {
        let Ok(file) = fs::File::open(path) else {
            return Ok(None);
        };
        let wanted = Flock::from(FlockType::WriteLock);
        let held = fcntl_getlk(&file, &wanted)
            .with_context(|| format!("cannot see who has locked {}", path.display()))?;
        let holder = |lock: Flock| lock.pid.map_or(0, |pid| pid.as_raw_nonzero().get());
        Ok(held.map(holder))
    }

    fn clear(&self, path: &Path) -> Result<()> {
        clear(&self.real_path(path)?)
    }

    fn flush(&self, path: &Path) -> Result<()> {
        let Ok(file) = fs::File::open(path) else {
            return Ok(());
        };
        rustix::fs::syncfs(&file).with_context(|| format!("cannot sync {}", path.display()))
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

fn agent(tls: Option<ureq::tls::TlsConfig>) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0);
    let config = match tls {
        Some(tls) => config.tls_config(tls).build(),
        None => config.build(),
    };
    let connector = ureq::unversioned::transport::DefaultConnector::default();
    ureq::Agent::with_parts(config, connector, names::Names)
}

fn absent<T>(result: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn kind(meta: &fs::Metadata) -> Kind {
    let kind = meta.file_type();
    if kind.is_file() {
        Kind::File
    } else if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Link
    } else {
        Kind::Other
    }
}

fn fault(error: ureq::Error) -> HttpFault {
    match error {
        ureq::Error::Timeout(_) => HttpFault::TimedOut,
        ureq::Error::ConnectionFailed => HttpFault::Refused,
        ureq::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => HttpFault::Refused,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => HttpFault::TimedOut,
            _ => HttpFault::Other(error.to_string()),
        },
        other => HttpFault::Other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::child::Silent;

    #[test]
    fn a_written_file_has_its_mode_and_leaves_no_temporary() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.cfg.lua");
        let host = System::new(&Silent);
        let meta = fs::metadata(folder.path()).unwrap();
        let access = Access {
            mode: 0o640,
            uid: meta.uid(),
            gid: meta.gid(),
        };
        host.write(&path, b"one", access).unwrap();
        host.write(&path, b"two", access).unwrap();
        assert_eq!(host.read(&path).unwrap().unwrap(), b"two");
        assert_eq!(host.stat(&path).unwrap().unwrap().mode, 0o640);
        assert_eq!(host.list(folder.path()).unwrap(), ["x.cfg.lua"]);
    }
}
