//! How the host is altered, as data. What people read about a change is derived from it, never written beside it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::Command;
use crate::host::{Access, Host, Output};
use crate::prosody::daemon::Restart;
use crate::prosody::luarocks::TREES;
use crate::report::ChangeReport;
use crate::secret::{redact, redact_settings};

/// Something whose state is recorded around a change, so that the change can be taken back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watch {
    /// A file: bytes, mode, owner.
    File(PathBuf),
    /// Everything below a folder.
    Tree(PathBuf),
    /// Which Debian packages are installed.
    Packages,
    /// A debconf answer, `package/name`.
    Debconf(String),
}

/// Looks at a file's new bytes before they are put in place, and refuses them with an error.
pub type Guard = fn(&dyn Host, &Path, &[u8]) -> Result<()>;

/// One alteration of the host.
#[derive(Clone, Debug)]
pub enum Change {
    /// Write a file.
    Write {
        /// Where; a link is followed.
        path: PathBuf,
        /// Its new bytes.
        bytes: Vec<u8>,
        /// Its mode and owner afterwards.
        access: Access,
        /// Must accept the bytes first.
        guard: Option<Guard>,
    },
    /// Remove a file, a link or an empty folder.
    Remove {
        /// What.
        path: PathBuf,
    },
    /// Make a symbolic link.
    Link {
        /// Where.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// Put what is below a folder back as it was.
    PutBack {
        /// The folder.
        root: PathBuf,
        /// What was not there, folders after what is in them.
        remove: Vec<PathBuf>,
        /// Folders that were there, and how, each after the one that it is in.
        folders: Vec<(PathBuf, Access)>,
        /// What was there, and how.
        write: Vec<(PathBuf, Vec<u8>, Access)>,
    },
    /// Run a command.
    Run {
        /// Which.
        command: Command,
        /// What it may touch.
        watches: Vec<Watch>,
        /// How long to wait for somebody else's lock of apt, dpkg or debconf.
        patience: Duration,
        /// Whether a failure is only worth a warning.
        optional: bool,
    },
    /// Restart the daemon and wait for the evidence.
    Restart(Restart),
    /// Make one change; only if it really failed, make others in its place.
    Fallback {
        /// What is tried.
        first: Box<Change>,
        /// What is done instead.
        otherwise: Vec<Change>,
        /// What that means, for the report.
        note: String,
    },
}

impl Change {
    /// Writes a file.
    pub fn write(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>, access: Access) -> Self {
        Self::Write {
            path: path.into(),
            bytes: bytes.into(),
            access,
            guard: None,
        }
    }

    /// Runs a command that touches `watches`.
    pub fn run(command: Command, watches: impl IntoIterator<Item = Watch>) -> Self {
        let watches = watches.into_iter().collect();
        Self::Run {
            command,
            watches,
            patience: Duration::ZERO,
            optional: false,
        }
    }

    /// Waits up to `limit` for somebody else's lock.
    pub fn patient(mut self, limit: Duration) -> Self {
        if let Self::Run { patience, .. } = &mut self {
            *patience = limit;
        }
        self
    }

    /// Makes a failure of the command only worth a warning.
    pub fn optional(mut self) -> Self {
        if let Self::Run { optional, .. } = &mut self {
            *optional = true;
        }
        self
    }

    /// What it touches.
    pub fn watches(&self) -> Vec<Watch> {
        match self {
            Self::Write { path, .. } | Self::Remove { path } | Self::Link { path, .. } => {
                vec![watch_of(path)]
            }
            Self::Run { watches, .. } => watches.clone(),
            Self::PutBack { .. } | Self::Restart(_) => Vec::new(),
            Self::Fallback {
                first, otherwise, ..
            } => first
                .watches()
                .into_iter()
                .chain(otherwise.iter().flat_map(Self::watches))
                .collect(),
        }
    }

    /// The change in one line.
    pub fn describe(&self) -> String {
        redact(&match self {
            Self::Write { path, access, .. } => {
                format!("write {} (mode {:04o})", path.display(), access.mode)
            }
            Self::Remove { path } => format!("remove {}", path.display()),
            Self::Link { path, target } => {
                format!("link {} to {}", path.display(), target.display())
            }
            Self::PutBack {
                root,
                remove,
                write,
                ..
            } => {
                format!(
                    "put {} back: remove {}, restore {}",
                    root.display(),
                    remove.len(),
                    write.len()
                )
            }
            Self::Run { command, .. } => command.display(),
            Self::Restart(restart) => restart.command.display(),
            Self::Fallback { first, .. } => return first.describe(),
        })
    }

    /// The change for the report, with the difference to what `host` has now.
    pub fn report(&self, host: &dyn Host) -> Result<ChangeReport> {
        let (kind, diff, fallback) = match self {
            Self::Write { path, bytes, .. } => {
                ("write", Some(difference(host, path, bytes)?), Vec::new())
            }
            Self::Remove { .. } => ("remove", None, Vec::new()),
            Self::PutBack { .. } => ("put-back", None, Vec::new()),
            Self::Link { .. } => ("link", None, Vec::new()),
            Self::Run { .. } | Self::Restart(_) => ("run", None, Vec::new()),
            Self::Fallback {
                first, otherwise, ..
            } => {
                let fallback = otherwise
                    .iter()
                    .map(|change| change.report(host))
                    .collect::<Result<_>>()?;
                return Ok(ChangeReport {
                    fallback,
                    ..first.report(host)?
                });
            }
        };
        Ok(ChangeReport {
            kind,
            what: self.describe(),
            diff,
            fallback,
        })
    }

    /// Makes the change and returns warnings (an optional command failed, the restarted daemon complains).
    /// [`Self::Fallback`] is the runner's to unfold.
    pub fn apply(&self, host: &dyn Host) -> Result<Vec<String>> {
        match self {
            Self::Write {
                path,
                bytes,
                access,
                guard,
            } => {
                if let Some(guard) = guard.filter(|_| host.is_live()) {
                    guard(host, path, bytes)?;
                }
                if let Some(folder) = path
                    .parent()
                    .filter(|folder| !host.exists(folder).unwrap_or(true))
                {
                    host.make_dir(
                        folder,
                        Access {
                            mode: 0o755,
                            uid: 0,
                            gid: 0,
                        },
                    )?;
                }
                host.write(path, bytes, *access)?;
            }
            Self::Remove { path } => host.remove(path)?,
            Self::Link { path, target } => host.link(path, target)?,
            Self::PutBack {
                remove,
                folders,
                write,
                ..
            } => {
                for path in remove {
                    // A folder that others have put something into stays.
                    if host.list(path).is_ok_and(|inside| inside.is_empty())
                        || host.list(path).is_err()
                    {
                        host.remove(path)?;
                    }
                }
                for (path, access) in folders {
                    host.make_dir(path, *access)?;
                }
                for (path, bytes, access) in write {
                    host.write(path, bytes, *access)?;
                }
            }
            Self::Run {
                command,
                patience,
                optional,
                ..
            } => {
                let output = run_patiently(host, command, *patience)?;
                match failure(command, &output) {
                    Some(error) if *optional => return Ok(vec![error]),
                    Some(error) => bail!(error),
                    None => {}
                }
            }
            Self::Restart(restart) => return restart.make(host),
            Self::Fallback { .. } => bail!("a fallback is made by the runner"),
        }
        Ok(Vec::new())
    }
}

/// A file in luarocks' trees is watched with its tree: luarocks moves and removes it later.
fn watch_of(path: &Path) -> Watch {
    let tree = TREES.iter().find(|tree| path.starts_with(tree));
    tree.map_or_else(
        || Watch::File(path.to_owned()),
        |tree| Watch::Tree((*tree).into()),
    )
}

fn difference(host: &dyn Host, path: &Path, bytes: &[u8]) -> Result<String> {
    let before = host
        .read(path)
        .with_context(|| format!("cannot compare {}", path.display()))?
        .unwrap_or_default();
    let patch = diffy::create_patch_bytes(&before, bytes).to_bytes();
    let text = String::from_utf8_lossy(&patch).into_owned();
    // The two header lines of the patch would only say "original" and "modified".
    let body: Vec<&str> = text.lines().skip(2).collect();
    Ok(redact_settings(&body.join("\n")))
}

/// What went wrong with a command, in one or a few lines; none if it exited 0.
pub fn failure(command: &Command, output: &Output) -> Option<String> {
    if output.ok() {
        return None;
    }
    let ended = match output.code {
        Some(code) => format!("exited with code {code}"),
        None => "was ended by a signal".to_owned(),
    };
    let said = telling_lines(output);
    Some(redact(&format!("`{}` {ended}{said}", command.display())))
}

/// The lines that say most: a compiler's first error, else what luarocks, dpkg or apt call an error, else the last.
fn telling_lines(output: &Output) -> String {
    let all: Vec<&str> = output
        .stderr
        .lines()
        .chain(output.stdout.lines())
        .map(str::trim)
        .collect();
    let compiler = all
        .iter()
        .find(|line| line.contains(": error:") || line.contains(": fatal error:"));
    let tools = all.iter().filter(|line| {
        ["E: ", "Error: ", "Build error: ", "dpkg: error", "fatal: "]
            .iter()
            .any(|start| line.starts_with(start))
    });
    let mut lines: Vec<&str> = compiler.into_iter().chain(tools.take(3)).copied().collect();
    if lines.is_empty() {
        let last = output
            .stderr
            .lines()
            .rev()
            .chain(output.stdout.lines().rev());
        lines = last
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .take(1)
            .collect();
    }
    lines.dedup();
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let text = lines.join("; ").chars().map(printable).collect::<String>();
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

/// Runs a command again and again while somebody else holds a lock that it needs. apt's own waiting covers neither
/// the lock of its lists nor the one of its archives, and apt 1.8 has none.
fn run_patiently(host: &dyn Host, command: &Command, patience: Duration) -> Result<Output> {
    let started = Instant::now();
    loop {
        let output = host.run(command)?;
        if output.ok() || !locked(&output) {
            return Ok(output);
        }
        if started.elapsed() >= patience {
            bail!(
                "gave up after waiting {} s for another program's lock{}; wait for it, or give a longer --lock-timeout",
                patience.as_secs(),
                telling_lines(&output)
            );
        }
        crate::interrupt::check()?;
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn locked(output: &Output) -> bool {
    let said = |text: &str| output.stderr.contains(text) || output.stdout.contains(text);
    said("Could not get lock")
        || said("Unable to acquire the dpkg frontend lock")
        || said("Unable to lock the administration directory")
        || said("lock was locked by another process")
        || said("is locked by another process")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    #[test]
    fn a_file_change_shows_its_difference_with_secrets_masked() {
        let host = FakeHost::new().file("/etc/a", "one\ntwo\n");
        let secret = crate::secret::Secret::new("very-hidden-99");
        let text = format!("one\nthree {}\n", secret.reveal());
        let report = Change::write(
            "/etc/a",
            text,
            Access {
                mode: 0o640,
                uid: 0,
                gid: 0,
            },
        )
        .report(&host)
        .unwrap();
        assert_eq!(report.what, "write /etc/a (mode 0640)");
        assert_eq!(
            report.diff.unwrap(),
            "@@ -1,2 +1,2 @@\n one\n-two\n+three <redacted>"
        );
    }

    #[test]
    fn a_failed_command_names_the_compilers_first_error() {
        let host = FakeHost::new().answers(|_| {
            Some(Output {
                code: Some(1),
                stdout: "cc -c a.c\n".into(),
                stderr: "a.c:3:10: fatal error: lua.h: No such file\nError: Build error: Failed compiling\n".into(),
            })
        });
        let change = Change::run(Command::mutate("luarocks").arg("install"), []);
        let error = change.apply(&host).unwrap_err().to_string();
        assert_eq!(
            error,
            "`luarocks install` exited with code 1: a.c:3:10: fatal error: lua.h: No such file; \
             Error: Build error: Failed compiling"
        );
    }

    #[test]
    fn an_optional_command_only_warns() {
        let host = FakeHost::new().answers(|_| output(100, "E: 404"));
        let change = Change::run(Command::mutate("apt-get").arg("update"), []).optional();
        assert!(change.apply(&host).unwrap()[0].contains("404"));
    }

    #[test]
    fn a_lock_that_is_never_released_names_its_holder() {
        let host = FakeHost::new().answers(|_| {
            output(
                100,
                "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)",
            )
        });
        let error = Change::run(Command::mutate("apt-get"), [])
            .apply(&host)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("held by process 7 (apt)") && error.contains("--lock-timeout"),
            "{error}"
        );
    }
}
