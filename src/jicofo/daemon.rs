//! jicofo's service: whether it runs, since when, and its restart, which is complete once there is a new process.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};

use crate::engine::change::Action;
use crate::engine::step::obstacle;
use crate::host::Host;
use crate::host::command::{Brings, Command};
use crate::host::ownership::changeable;
use crate::jicofo::config;
use crate::prosody::daemon;

/// How long a restart may take: Java starts in seconds, and the old process gets a while to exit.
const PATIENCE: Duration = Duration::from_secs(60);

/// The running jicofo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process ID.
    pub pid: u32,
    /// When it started.
    pub since: SystemTime,
}

/// Where jicofo's own script keeps its process ID. Read only if nobody but root can change it: the script writes it as
/// root.
const PID_FILE: &str = "/run/jicofo.pid";

/// The running jicofo, or none. Its package starts it with a System V script, for which systemd has no main process; it
/// has one if the operator installed a unit instead.
///
/// # Errors
/// If systemd does not answer, or the file cannot be read; an [`Obstacle`](crate::engine::step::Obstacle) if others can change the file.
pub fn running(host: &dyn Host) -> Result<Option<Running>> {
    let mut pid = 0;
    if host.exists(Path::new("/run/systemd/system"))? {
        let query = Command::query("systemctl").args(["show", "jicofo.service", "--property=MainPID"]);
        let shown = host.run(&query.volatile())?.stdout;
        pid = shown.trim().trim_start_matches("MainPID=").parse().unwrap_or(0);
    }
    let file = Path::new(PID_FILE);
    if pid == 0 && host.exists(file)? {
        if let Some(why) = changeable(host, file)? {
            bail!(obstacle(
                format!("cannot tell whether jicofo has restarted: {PID_FILE} {why}"),
                format!("run `chown root {PID_FILE}; chmod go-w {PID_FILE}`, then run this again"),
            ));
        }
        let text = host.read_text(file)?.unwrap_or_default();
        pid = text.trim().parse().unwrap_or(0);
    }
    if pid == 0 {
        return Ok(None);
    }
    Ok(daemon::started(host, pid)?.map(|since| Running { pid, since }))
}

/// Whether jicofo's configuration has changed since the running jicofo started.
///
/// # Errors
/// As [`running`].
pub fn is_stale(host: &dyn Host) -> Result<bool> {
    if host.assumed().services.contains(&SERVICE) {
        return Ok(false);
    }
    let changed = host.stat(&config::file(host))?.map(|stat| stat.changed);
    Ok(running(host)?.is_some_and(|running| changed.is_some_and(|changed| changed >= running.since)))
}

/// A restart of the service.
#[derive(Clone, Copy, Debug)]
pub struct Restart;

/// The service's name.
pub const SERVICE: &str = "jicofo";

fn command() -> Command {
    // Through systemd if it runs, else with the script itself; Debian's `service` knows which.
    Command::mutate("service").args([SERVICE, "restart"]).timeout(PATIENCE).brings([Brings::Service(SERVICE)])
}

impl Action for Restart {
    fn command(&self) -> Option<Command> {
        Some(command())
    }

    /// Restarts jicofo and waits for a new process.
    fn make(&self, host: &dyn Host) -> Result<Vec<String>> {
        let before = running(host)?.map(|running| running.pid);
        let output = host.run(&command())?;
        if !host.is_live() {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        loop {
            if running(host)?.is_some_and(|now| Some(now.pid) != before) {
                return Ok(Vec::new());
            }
            if started.elapsed() > PATIENCE {
                let said = output.stderr.lines().next().unwrap_or("no message from systemd");
                bail!("jicofo failed to restart ({said}); see `journalctl -u jicofo`");
            }
            crate::host::interrupt::check()?;
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::step::Obstacle;
    use crate::host::fake::FakeHost;

    #[test]
    fn a_pid_file_of_another_user_is_an_obstacle() {
        let host = FakeHost::new()
            .file("/proc/9/status", "Uid:\t108\t108\t108\t108\nGid:\t1\t1\t1\t1\n")
            .file("/proc/9/stat", "9 (java) S 1 9 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9500 0")
            .file("/proc/uptime", "100.00 1.0\n");
        assert_eq!(running(&host).unwrap(), None);
        let host = host.file(PID_FILE, "9\n");
        assert_eq!(running(&host).unwrap().map(|running| running.pid), Some(9));
        let host = host.file(config::PATH, "").access(PID_FILE, 0o644, 108, 1);
        let Obstacle { why, fix } = is_stale(&host).unwrap_err().downcast().unwrap();
        assert_eq!(why, "cannot tell whether jicofo has restarted: /run/jicofo.pid can be changed by the user 108");
        assert!(fix.contains("chown root /run/jicofo.pid"), "{fix}");
    }
}
