//! The running Prosody: whether it runs, since when, and who is connected.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::host::Host;

/// The kernel's clock ticks per second as /proc shows them; 100 on every Linux that Debian runs on.
const TICKS: u64 = 100;

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
    let pid_file = Path::new("/run/prosody/prosody.pid");
    let Some(text) = host.read_text(pid_file)? else {
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
    let by_age = host
        .now()
        .checked_sub(Duration::from_secs_f64(age))
        .context("the clock is before 1970")?;
    // A clock that was put right since moves the first, and not the second, which is stamped as the other files are.
    let by_stamp = host.stat(pid_file)?.map_or(by_age, |stat| stat.changed);
    let since = by_age.min(by_stamp);
    Ok(Some(Running { pid, since }))
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

    /// One that started ten seconds ago, and wrote its pid file at this time.
    fn daemon_of(stamp: SystemTime) -> FakeHost {
        let stat = format!("7 (lua (5.2)) S {}5000 0", "0 ".repeat(18));
        FakeHost::new()
            .file("/run/prosody/prosody.pid", "7\n")
            .file("/proc/7/cmdline", "lua5.2\0/usr/bin/prosody\0-F\0")
            .file("/proc/7/stat", stat)
            .file("/proc/uptime", "60.00 1.0\n")
            .changed("/run/prosody/prosody.pid", stamp)
    }

    fn age(host: &FakeHost) -> u64 {
        let daemon = running(host).unwrap().unwrap();
        assert_eq!(daemon.pid, 7);
        host.now().duration_since(daemon.since).unwrap().as_secs()
    }

    #[test]
    fn the_daemons_start_is_read_from_proc() {
        let now = FakeHost::new().now();
        assert_eq!(age(&daemon_of(now - Duration::from_secs(9))), 10);
    }

    #[test]
    fn a_clock_that_jumped_since_makes_the_start_earlier_never_later() {
        let now = FakeHost::new().now();
        // It was an hour behind, or ahead.
        assert_eq!(age(&daemon_of(now - Duration::from_secs(3609))), 3609);
        assert_eq!(age(&daemon_of(now + Duration::from_secs(3591))), 10);
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
