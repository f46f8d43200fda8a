//! The running Prosody: whether it runs, since when, and how it is restarted. A restart is believed only with
//! evidence, since every way of asking for one exits 0 in some case where nothing happened.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};

use crate::command::{Brings, Command};
use crate::host::failure::failure;
use crate::host::{Host, HttpFault, HttpRequest};
use crate::prosody::log;

/// The kernel's clock ticks per second as /proc shows them; 100 on every Linux that Debian runs on.
const TICKS: u64 = 100;

/// How long a restarted Prosody may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// After this time a Prosody that systemd calls failed is not waited for any longer.
const GIVEN_UP: Duration = Duration::from_secs(2);

/// How long it may still load modules once it answers.
const SETTLING: Duration = Duration::from_millis(200);

/// The daemon as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// When it started; never later than the truth.
    pub since: SystemTime,
}

/// The running Prosody; none if it does not run. Asks /proc, starts nothing.
pub fn running(host: &dyn Host) -> Result<Option<Running>> {
    let Some(text) = host.read_text(Path::new("/run/prosody/prosody.pid"))? else {
        return Ok(None);
    };
    let Ok(pid) = text.trim().parse::<u32>() else {
        return Ok(None);
    };
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let command_line = host.read_text(&folder.join("cmdline"))?.unwrap_or_default();
    if !command_line
        .split('\0')
        .any(|word| word.ends_with("/prosody") || word == "prosody")
    {
        return Ok(None);
    }
    let Some(stat) = host.read_text(&folder.join("stat"))? else {
        return Ok(None);
    };
    // The name in parentheses may hold anything; the start time is the 20th field after it.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name
        .split_whitespace()
        .nth(19)
        .and_then(|t| t.parse().ok())
        .context("cannot read /proc")?;
    let uptime = host
        .read_text(Path::new("/proc/uptime"))?
        .unwrap_or_default();
    let uptime: f64 = uptime
        .split_whitespace()
        .next()
        .and_then(|t| t.parse().ok())
        .context("cannot read /proc/uptime")?;
    let age = (uptime - ticks as f64 / TICKS as f64).max(0.0);
    let since = host
        .now()
        .checked_sub(Duration::from_secs_f64(age))
        .context("the clock is before 1970")?;
    Ok(Some(Running { pid, since }))
}

/// A restart (or start) to make, and what must be seen afterwards.
#[derive(Clone, Debug)]
pub struct Restart {
    /// How it is asked for.
    pub command: Command,
    /// The address that must answer.
    pub url: String,
    /// The host that it is asked as.
    pub domain: String,
    /// The log files to look into.
    pub logs: Vec<PathBuf>,
}

impl Restart {
    /// The way of this machine.
    pub fn new(host: &dyn Host, url: String, domain: String, logs: Vec<PathBuf>) -> Result<Self> {
        let command = if host.exists(Path::new("/run/systemd/system"))? {
            Command::mutate("systemctl").args(["restart", "prosody"])
        } else {
            Command::mutate("prosodyctl").arg("restart")
        };
        let command = command
            .timeout(Duration::from_secs(120))
            .brings([Brings::Restart]);
        Ok(Self {
            command,
            url,
            domain,
            logs,
        })
    }

    /// Restarts and waits for the evidence: a new process, its port open. Returns what the log says of modules that
    /// failed to load; the logins will tell what that means.
    pub fn make(&self, host: &dyn Host) -> Result<Vec<String>> {
        let before = running(host)?.map(|daemon| daemon.pid);
        let mark = log::mark(host, &self.logs)?;
        let output = host.run(&self.command)?;
        if !host.is_live() {
            return Ok(Vec::new());
        }
        if let Some(error) = failure(&self.command, &output) {
            bail!(error);
        }
        let started = Instant::now();
        loop {
            match running(host)? {
                Some(daemon) if Some(daemon.pid) != before && self.answers(host) => {
                    // The port may open before the last module was tried.
                    std::thread::sleep(SETTLING);
                    return log::failed_modules(host, &mark, daemon.pid);
                }
                _ if started.elapsed() > PATIENCE => bail!("{}", explain(host, before)?),
                None if started.elapsed() > GIVEN_UP && has_failed(host)? => {
                    bail!("{}", explain(host, before)?)
                }
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
            crate::interrupt::check()?;
        }
    }

    fn answers(&self, host: &dyn Host) -> bool {
        let request = HttpRequest {
            url: self.url.clone(),
            headers: vec![("Host".to_owned(), self.domain.clone())],
            body: None,
            timeout: Duration::from_secs(2),
        };
        // Any answer shows that the port is open; what it is worth is for the logins to say.
        !matches!(
            host.http(&request),
            Err(HttpFault::Refused | HttpFault::TimedOut)
        )
    }
}

/// Whether systemd has given up on it; `systemctl restart` exits 0 all the same.
fn has_failed(host: &dyn Host) -> Result<bool> {
    if !host.exists(Path::new("/run/systemd/system"))? {
        return Ok(false);
    }
    let query = Command::query("systemctl")
        .args(["is-active", "prosody"])
        .volatile();
    Ok(matches!(
        host.run(&query)?.stdout.trim(),
        "failed" | "inactive"
    ))
}

fn explain(host: &dyn Host, before: Option<u32>) -> Result<String> {
    let what = match running(host)? {
        None => "Prosody does not run after the restart".to_owned(),
        Some(daemon) if Some(daemon.pid) == before => {
            "Prosody was not restarted: the old process still runs".to_owned()
        }
        Some(_) => "Prosody runs but does not answer on its web port".to_owned(),
    };
    let query = Command::query("journalctl").args([
        "-q",
        "--no-pager",
        "-o",
        "cat",
        "-n",
        "20",
        "-u",
        "prosody",
    ]);
    let journal = host
        .run(&query.volatile())
        .map(|output| output.stdout)
        .unwrap_or_default();
    let line = journal.lines().rev().find(|line| line.contains("rror"));
    Ok(match line {
        Some(line) => format!("{what}; the journal says: {}", line.trim()),
        None => format!("{what}; see `journalctl -u prosody`"),
    })
}

/// How many connections to Prosody's client and web ports are open now: what a restart drops.
pub fn connections(host: &dyn Host, ports: &[u16]) -> Result<usize> {
    let mut open = 0;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = host.read_text(Path::new(table))?.unwrap_or_default();
        open += text.lines().filter(|line| is_open_on(line, ports)).count();
    }
    Ok(open)
}

/// Fields of /proc/net/tcp: number, local address:port in hex, remote, state; 01 is ESTABLISHED.
fn is_open_on(line: &str, ports: &[u16]) -> bool {
    let fields: Vec<&str> = line.split_whitespace().take(4).collect();
    let [_, local, _, "01"] = fields[..] else {
        return false;
    };
    let port = local
        .rsplit(':')
        .next()
        .and_then(|port| u16::from_str_radix(port, 16).ok());
    port.is_some_and(|port| ports.contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn the_daemons_start_is_read_from_proc() {
        let stat = format!("7 (lua (5.2)) S {}5000 0", "0 ".repeat(18));
        let host = FakeHost::new()
            .file("/run/prosody/prosody.pid", "7\n")
            .file("/proc/7/cmdline", "lua5.2\0/usr/bin/prosody\0-F\0")
            .file("/proc/7/stat", stat)
            .file("/proc/uptime", "60.00 1.0\n");
        let daemon = running(&host).unwrap().unwrap();
        assert_eq!(daemon.pid, 7);
        assert_eq!(
            host.now().duration_since(daemon.since).unwrap(),
            Duration::from_secs(10)
        );
    }

    #[test]
    fn a_stale_pid_file_is_no_daemon() {
        let host = FakeHost::new()
            .file("/run/prosody/prosody.pid", "7\n")
            .file("/proc/7/cmdline", "sshd\0");
        assert_eq!(running(&host).unwrap(), None);
        assert_eq!(running(&FakeHost::new()).unwrap(), None);
    }

    #[test]
    fn open_connections_are_counted_by_port() {
        let line =
            |local: &str, state: &str| format!("0: 0100007F:{local} 0100007F:9999 {state} 0\n");
        let table = [
            line("14A0", "01"),
            line("14A0", "0A"),
            line("1466", "01"),
            line("0016", "01"),
        ]
        .concat();
        let host = FakeHost::new().file("/proc/net/tcp", table);
        assert_eq!(connections(&host, &[5280, 5222]).unwrap(), 2);
    }
}
