//! How Prosody is restarted. Only a new process that answers counts: every way to request a restart exits 0 in some
//! case where nothing happened. If one way has no effect, the next is tried.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};

use crate::engine::change::Action;
use crate::host::command::{Brings, Command, Session};
use crate::host::failure::failure;
use crate::host::{Host, Output};
use crate::login::{self, Server};
use crate::prosody::account::Account;
use crate::prosody::daemon::running;
use crate::prosody::listening::PATIENCE;
use crate::prosody::{loaded, log};

/// The patience divided by this is how long to wait for a Prosody that has not started, if systemd reports it as failed
/// or another way is left to try.
const GIVEN_UP: u32 = 10;

/// How long one command may take.
const LIMIT: Duration = Duration::from_secs(120);

/// How long a Prosody that no longer answers may take to stop; systemd itself waits 90 s. One that hangs while it loads
/// a module never stops by itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A restart (or start), and what must be observed afterwards.
#[derive(Clone, Debug)]
pub struct Restart {
    /// The ways to do it, best first; each is one or more commands.
    ways: Vec<Vec<Command>>,
    /// Where Prosody must answer.
    server: Server,
    /// The log files to search for modules that failed to load.
    logs: Vec<PathBuf>,
    /// The configuration files that the new process reads.
    config: Vec<PathBuf>,
    /// How long Prosody may take to answer.
    patience: Duration,
}

impl Restart {
    /// A restart in the ways that this machine offers.
    pub fn new(host: &dyn Host, server: Server, logs: Vec<PathBuf>) -> Result<Self> {
        let ways = if host.exists(Path::new("/run/systemd/system"))? {
            vec![vec![mutate("systemctl", &["restart", "prosody"]).timeout(STOP_TIMEOUT)]]
        } else {
            without_systemd(&Account::of(host)?)
        };
        Ok(Self { ways, server, logs, config: Vec::new(), patience: PATIENCE })
    }

    /// Records after the restart that the new process has read these files.
    pub fn of(self, config: Vec<PathBuf>) -> Self {
        Self { config, ..self }
    }
}

impl Action for Restart {
    /// The command that is tried first.
    fn command(&self) -> Option<Command> {
        self.ways.first()?.first().cloned()
    }

    /// Restarts Prosody and waits for the evidence: a new process with its port open. Returns what the log says about
    /// modules that failed to load; the logins will show what that means.
    fn make(&self, host: &dyn Host) -> Result<Vec<String>> {
        let (before, asked_at) = (running(host)?.map(|daemon| daemon.pid), host.now());
        let mark = log::mark(host, &self.logs)?;
        let meaning = self.meaning(host)?;
        let mut complaint = None;
        for (at, way) in self.ways.iter().enumerate() {
            for command in way {
                let mut asked = host.run(command);
                if asked.is_err() && command.program == "systemctl" {
                    crate::host::interrupt::check()?;
                    asked = self.kill_and_wait(host, asked_at);
                }
                if too_many_starts(host, command, &asked)? {
                    host.run(&mutate("systemctl", &["reset-failed", "prosody"]))?;
                    asked = host.run(command);
                }
                crate::host::interrupt::check()?;
                if !host.is_live() {
                    return asked.map(|_| Vec::new());
                }
                // Whatever the command reports, its effect is checked below.
                complaint = match asked {
                    Ok(output) => failure(command, &output).or(complaint),
                    Err(error) => Some(format!("{error:#}")),
                };
            }
            let last = at + 1 == self.ways.len();
            if let Some(pid) = self.wait(host, before, last)? {
                // If the files mean the same before and after the start, that is what Prosody read.
                if self.meaning(host)? == meaning {
                    loaded::remember(host, pid, &meaning)?;
                }
                return log::failed_modules(host, &mark, pid);
            }
        }
        let mut what = explain(host, before)?;
        if let Some(complaint) = complaint {
            what = format!("{what} ({complaint})");
        }
        bail!(what)
    }
}

impl Restart {
    /// For a systemd that still waits for the old processes to stop: kills them if Prosody no longer answers, and waits
    /// for the start, which systemd has already queued. Prosody 13 makes its children ignore SIGTERM, so one of them
    /// may be left.
    fn kill_and_wait(&self, host: &dyn Host, asked_at: SystemTime) -> Result<Output> {
        let old = running(host)?.is_some_and(|daemon| daemon.since < asked_at);
        if old && !login::answers(host, &self.server) {
            host.run(&mutate("systemctl", &["kill", "--signal=SIGKILL", "prosody"]))?;
        }
        host.run(&mutate("systemctl", &["start", "prosody"]))
    }

    fn meaning(&self, host: &dyn Host) -> Result<String> {
        loaded::meaning(host, self.config.iter().map(PathBuf::as_path))
    }

    /// The ID of the new process once it answers; none if this way had no effect.
    fn wait(&self, host: &dyn Host, before: Option<u32>, last: bool) -> Result<Option<u32>> {
        let started = Instant::now();
        loop {
            let new = running(host)?.filter(|daemon| Some(daemon.pid) != before);
            if let Some(daemon) = new.filter(|_| login::answers(host, &self.server)) {
                return Ok(Some(daemon.pid));
            }
            // Prosody is down or still the old process: nothing more will happen.
            let given_up = new.is_none() && started.elapsed() > self.patience / GIVEN_UP;
            if given_up && (!last || has_failed(host)?) {
                return Ok(None);
            }
            if started.elapsed() > self.patience {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(20));
            crate::host::interrupt::check()?;
        }
    }
}

/// Whether systemd may have refused because of too many starts, the sixth within ten seconds: a Prosody that crashes
/// gets there, and so do a run, a second run and `uninstall`. After an earlier crash, systemd's result is still the
/// crash, so a refusal cannot be told from another failure to start.
fn too_many_starts(host: &dyn Host, command: &Command, asked: &Result<Output>) -> Result<bool> {
    if command.program != "systemctl" || asked.as_ref().map_or(true, Output::ok) {
        return Ok(false);
    }
    has_failed(host)
}

fn mutate(program: &str, args: &[&str]) -> Command {
    Command::mutate(program).args(args.iter().copied()).timeout(LIMIT).brings([Brings::Restart])
}

/// Prosody 13's prosodyctl refuses anything without `--force`, and a restart even with it. Debian 12's init script
/// finds no process to stop, reports success, and starts a second one. prosodyctl runs as Prosody's account; run as
/// root, it would switch to that only after reading the configuration.
fn without_systemd(account: &Account) -> Vec<Vec<Command>> {
    let home = account.home.display().to_string();
    let prosodyctl = |args: &[&str]| account.runs(mutate("prosodyctl", args)).env("HOME", &home);
    vec![
        vec![prosodyctl(&["restart"])],
        vec![prosodyctl(&["stop", "--force"]), prosodyctl(&["start", "--force"])],
        // In a session of its own: it starts Prosody, which must not have root's terminal.
        vec![mutate("/etc/init.d/prosody", &["restart"]).session(Session::Own)],
    ]
}

/// Whether systemd has given up on Prosody; `systemctl restart` exits 0 all the same.
fn has_failed(host: &dyn Host) -> Result<bool> {
    if !host.exists(Path::new("/run/systemd/system"))? {
        return Ok(false);
    }
    let query = Command::query("systemctl").args(["is-active", "prosody"]).volatile();
    Ok(matches!(host.run(&query)?.stdout.trim(), "failed" | "inactive"))
}

fn explain(host: &dyn Host, before: Option<u32>) -> Result<String> {
    let what = match running(host)? {
        None => "Prosody is not running after the restart".to_owned(),
        Some(daemon) if Some(daemon.pid) == before => {
            "Prosody did not restart: the old process is still running".to_owned()
        }
        Some(_) => "Prosody is running but does not answer on its HTTP port".to_owned(),
    };
    if !host.exists(Path::new("/run/systemd/system"))? {
        return Ok(format!("{what}; run `prosodyctl start` and see Prosody's log"));
    }
    let query = Command::query("journalctl").args(["-q", "--no-pager", "-o", "cat", "-n", "20", "-u", "prosody"]);
    let journal = host.run(&query.volatile()).map(|output| output.stdout).unwrap_or_default();
    let line = journal.lines().rev().find(|line| line.contains("rror"));
    Ok(match line {
        Some(line) => format!("{what}; journal: {}", line.trim()),
        None => format!("{what}; see `journalctl -u prosody`"),
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::host::fake::{FakeHost, output};
    use crate::login::net::HttpFault;

    fn restart(host: &FakeHost) -> Restart {
        Restart::new(host, Server::local("m.org"), Vec::new()).unwrap()
    }

    #[test]
    fn every_way_is_tried_until_a_new_process_runs() {
        let asked = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&asked);
        let host = FakeHost::new()
            .file("/etc/passwd", "prosody:x:104:107::/var/lib/prosody:\n")
            .file("/etc/group", "prosody:x:107:\n")
            .answers(move |command| {
                seen.borrow_mut().push(command.display());
                output(0, "")
            });
        let mut restart = restart(&host);
        restart.patience = Duration::from_millis(100);
        let error = restart.make(&host).unwrap_err().to_string();
        assert_eq!(
            *asked.borrow(),
            [
                "prosodyctl restart",
                "prosodyctl stop --force",
                "prosodyctl start --force",
                "setsid /etc/init.d/prosody restart"
            ]
            .map(|line| match line.starts_with("prosodyctl") {
                true => format!(
                    "HOME=/var/lib/prosody setsid setpriv --reuid=prosody --regid=prosody --init-groups -- {line}"
                ),
                false => line.to_owned(),
            })
        );
        assert!(error.contains("is not running after the restart"), "{error}");
    }

    #[test]
    fn the_start_limit_is_reset_once() {
        let asked = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&asked);
        let host = FakeHost::new().file("/run/systemd/system/x", "").answers(move |command| {
            seen.borrow_mut().push(command.display());
            match command.args[0].as_str() {
                "restart" => output(1, ""),
                "is-active" => output(3, "failed\n"),
                _ => output(0, ""),
            }
        });
        let mut restart = restart(&host);
        restart.patience = Duration::from_millis(100);
        assert!(restart.make(&host).is_err());
        let asked = asked.borrow();
        let made: Vec<&str> = asked
            .iter()
            .filter_map(|line| line.strip_prefix("systemctl "))
            .filter(|line| line.starts_with("re"))
            .collect();
        assert_eq!(made, ["restart prosody", "reset-failed prosody", "restart prosody"]);
    }

    /// The `systemctl` commands that are run if `restart` does not return and Prosody answers like this.
    fn systemctl_commands(answer: HttpFault) -> Vec<String> {
        let asked = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&asked);
        let host = FakeHost::new()
            .file("/run/systemd/system/x", "")
            .running_prosody(50)
            .file("/sys/fs/cgroup/system.slice/prosody.service/cgroup.procs", "7\n")
            .serves(move |_| Err(answer.clone()))
            .answers(move |command| {
                seen.borrow_mut().push(command.display());
                match command.args[0].as_str() {
                    "restart" => None,
                    "show" => output(0, "Id=prosody.service\nLoadState=loaded\nSlice=system.slice\nExecStart={ path=/usr/bin/prosody ; argv[]=/usr/bin/prosody -F ; }\n"),
                    _ => output(0, ""),
                }
            });
        let mut restart = restart(&host);
        restart.patience = Duration::from_millis(100);
        assert!(restart.make(&host).is_err());
        let asked = asked.borrow();
        let made = asked.iter().filter_map(|line| line.strip_prefix("systemctl "));
        made.filter(|line| !line.starts_with("show") && !line.starts_with("is-active")).map(str::to_owned).collect()
    }

    #[test]
    fn a_hanging_prosody_is_killed() {
        let made = systemctl_commands(HttpFault::Refused);
        assert_eq!(made, ["restart prosody", "kill --signal=SIGKILL prosody", "start prosody"]);
    }

    #[test]
    fn a_responding_prosody_is_not_killed() {
        let made = systemctl_commands(HttpFault::Other("garbage".to_owned()));
        assert_eq!(made, ["restart prosody", "start prosody"]);
    }

    #[test]
    fn only_systemd_is_asked_where_it_runs() {
        let host = FakeHost::new().file("/run/systemd/system/x", "");
        let restart = restart(&host);
        assert_eq!(restart.command().unwrap().display(), "systemctl restart prosody");
        assert_eq!(restart.ways.len(), 1);
    }
}
