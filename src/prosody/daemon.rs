//! The Prosody daemon: whether it is running, since when, as which user, and how many clients are connected. What it
//! says about itself is not trusted.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use crate::host::Host;
use crate::host::command::Command;
use crate::host::ownership::changeable;
use crate::prosody::account::Account;
use crate::prosody::unit::{self, Unit};

/// The kernel's clock ticks per second as /proc shows them; 100 on every Linux that Debian runs on.
const TICKS: u64 = 100;

/// Written by Prosody into its own folder, so it may hold anything.
const PID_FILE: &str = "/run/prosody/prosody.pid";

/// Where control groups are mounted: the unified hierarchy, that of a hybrid setup, systemd's own legacy hierarchy.
const CONTROL_GROUPS: [&str; 3] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];

/// The running daemon, as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process ID.
    pub pid: u32,
    /// When it started; never later than it really did.
    pub since: SystemTime,
    /// Its effective user ID.
    pub uid: u32,
    /// Its effective group ID.
    pub gid: u32,
}

/// A process, as the kernel reports it.
struct Process {
    pid: u32,
    /// When it started, in ticks since boot.
    ticks: u64,
    uid: u32,
    gid: u32,
}

/// The running Prosody; none if it is not running. If it has a unit, it is one of that unit's processes, and its pid
/// file only chooses among them.
pub fn running(host: &dyn Host) -> Result<Option<Running>> {
    let process = match unit::of(host)? {
        Some(unit) => of_unit(host, &unit)?,
        None => by_pid_file(host)?,
    };
    let Some(process) = process else {
        return Ok(None);
    };
    let by_age = start(host, process.ticks)?;
    // Setting the clock later moves `by_age` but not `by_stamp`, which is stamped like the other files.
    let by_stamp = match named_in_pid_file(host) == Some(process.pid) {
        true => host.stat(Path::new(PID_FILE))?.map(|stat| stat.changed),
        false => None,
    };
    Ok(Some(Running {
        pid: process.pid,
        since: by_stamp.map_or(by_age, |stamp| stamp.min(by_age)),
        uid: process.uid,
        gid: process.gid,
    }))
}

/// The process ID in the pid file; none if the file holds anything else.
fn named_in_pid_file(host: &dyn Host) -> Option<u32> {
    let text = host.read_text(Path::new(PID_FILE)).ok().flatten()?;
    text.trim().parse().ok()
}

/// The unit's process that the pid file names, else its oldest one, which systemd started.
fn of_unit(host: &dyn Host, unit: &Unit) -> Result<Option<Process>> {
    let mut processes = Vec::new();
    for pid in members(host, unit)? {
        processes.extend(process(host, pid)?);
    }
    let named = named_in_pid_file(host);
    processes.sort_by_key(|process| (Some(process.pid) != named, process.ticks, process.pid));
    Ok(processes.into_iter().next())
}

/// The processes of a unit: those in its control group.
fn members(host: &dyn Host, unit: &Unit) -> Result<Vec<u32>> {
    let numbers = |text: &str| text.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let mut known = false;
    for root in CONTROL_GROUPS {
        let root = systemd_cgroup(host, Path::new(root))?;
        known |= host.exists(&root.join("system.slice"))?;
        let file = root.join(unit.control_group()).join("cgroup.procs");
        let processes: Vec<u32> = numbers(&host.read_text(&file)?.unwrap_or_default());
        if !processes.is_empty() {
            return Ok(processes);
        }
    }
    if known {
        return Ok(Vec::new());
    }
    // No control groups are visible here, but systemd sees them.
    let query = Command::query("systemctl").args(["show", &unit.name, "--property=MainPID"]);
    let shown = host.run(&query.volatile())?.stdout;
    let shown = shown.trim().trim_start_matches("MainPID=");
    Ok(numbers(shown).into_iter().filter(|pid| *pid != 0).collect())
}

/// The folder of systemd's own control group: in a container that sees others too, below the root of the hierarchy.
fn systemd_cgroup(host: &dyn Host, root: &Path) -> Result<PathBuf> {
    let text = host.read_text(Path::new("/proc/1/cgroup"))?.unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("0::").or(line.split_once(":name=systemd:").map(|(_, path)| path)));
    let path = line.unwrap_or_default().trim_end_matches("/init.scope");
    Ok(root.join(path.trim_start_matches('/')))
}

/// Without a unit: the process that the pid file names, if it runs as Prosody's account or root and its program is a
/// Lua that only root can change. Its arguments are not read: it can set them as it likes, and can place them on a file
/// system of its own that never answers.
fn by_pid_file(host: &dyn Host) -> Result<Option<Process>> {
    let Some(pid) = named_in_pid_file(host) else {
        return Ok(None);
    };
    let Some(process) = process(host, pid)? else {
        return Ok(None);
    };
    let own = process.uid == 0 || Account::of(host).is_ok_and(|account| account.uid == process.uid);
    let is_lua = |program: &Path| {
        let name = program.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("lua")
    };
    let is_roots_lua = match program(host, pid).filter(|program| is_lua(program)) {
        Some(program) => changeable(host, &program)?.is_none(),
        None => false,
    };
    Ok((own && is_roots_lua).then_some(process))
}

/// The program that a process runs. Its file may have been replaced since.
pub fn program(host: &dyn Host, pid: u32) -> Option<PathBuf> {
    let link = host.read_link(&PathBuf::from(format!("/proc/{pid}/exe"))).ok()?;
    let text = link.to_string_lossy();
    Some(text.strip_suffix(" (deleted)").unwrap_or(&text).into())
}

/// Reads a process from /proc; none if it has ended.
fn process(host: &dyn Host, pid: u32) -> Result<Option<Process>> {
    let read = |name: &str| host.read_text(&PathBuf::from(format!("/proc/{pid}/{name}")));
    let (Some(stat), Some(status)) = (read("stat")?, read("status")?) else {
        return Ok(None);
    };
    // The name in parentheses may hold anything; the start time is the 20th field after it.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().nth(19);
    // The real ID comes first, then the effective one.
    let effective = |name: &str| -> Option<u32> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let numbers =
        || Some(Process { pid, ticks: ticks?.parse().ok()?, uid: effective("Uid:")?, gid: effective("Gid:")? });
    numbers().map(Some).context("cannot read /proc")
}

/// When a process started; none if it has ended.
///
/// # Errors
/// If /proc cannot be read.
pub fn started(host: &dyn Host, pid: u32) -> Result<Option<SystemTime>> {
    process(host, pid)?.map(|process| start(host, process.ticks)).transpose()
}

/// The time that is this many ticks after boot.
fn start(host: &dyn Host, ticks: u64) -> Result<SystemTime> {
    let uptime = host.read_text(Path::new("/proc/uptime"))?.unwrap_or_default();
    let uptime: f64 =
        uptime.split_whitespace().next().and_then(|t| t.parse().ok()).context("cannot read /proc/uptime")?;
    let age = (uptime - ticks as f64 / TICKS as f64).max(0.0);
    host.now().checked_sub(Duration::from_secs_f64(age)).context("the clock is set to before 1970")
}

/// The number of open connections to Prosody's client and web ports, which a restart drops.
pub fn connections(host: &dyn Host, ports: &[u16]) -> Result<usize> {
    let mut open = 0;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        // Any user can open more of them than are worth counting.
        let text = host.read_start(Path::new(table), 16 << 20)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
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
    let port = local.rsplit(':').next().and_then(|port| u16::from_str_radix(port, 16).ok());
    port.is_some_and(|port| ports.contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    /// Adds a process of this user that started this many ticks after boot.
    fn with_process(host: FakeHost, pid: u32, uid: u32, ticks: u32, program: &str) -> FakeHost {
        let folder = format!("/proc/{pid}");
        host.file(&format!("{folder}/cmdline"), "lua5.2\0/usr/bin/prosody\0-F\0")
            .file(&format!("{folder}/stat"), format!("{pid} (lua (5.2)) S {}{ticks} 0", "0 ".repeat(18)))
            .file(
                &format!("{folder}/status"),
                format!("Name:\tlua\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t107\t107\t107\t107\n"),
            )
            .linked(&format!("{folder}/exe"), program)
    }

    fn machine() -> FakeHost {
        FakeHost::new()
            .file("/etc/passwd", "prosody:x:104:107::/var/lib/prosody:\n")
            .file("/etc/group", "prosody:x:107:\n")
            .file("/usr/bin/lua5.2", "")
            .file("/proc/uptime", "60.00 1.0\n")
    }

    /// A daemon that started ten seconds ago and wrote its pid file at this time.
    fn daemon_of(stamp: SystemTime) -> FakeHost {
        with_process(machine(), 7, 104, 5000, "/usr/bin/lua5.2").file(PID_FILE, "7\n").changed(PID_FILE, stamp)
    }

    fn age(host: &FakeHost) -> u64 {
        let daemon = running(host).unwrap().unwrap();
        assert_eq!((daemon.pid, daemon.uid, daemon.gid), (7, 104, 107));
        host.now().duration_since(daemon.since).unwrap().as_secs()
    }

    /// A machine whose systemd has a unit with these processes.
    fn unit_of(processes: &str) -> FakeHost {
        machine()
            .file("/run/systemd/system/x", "")
            .file("/sys/fs/cgroup/system.slice/prosody.service/cgroup.procs", processes)
            .answers(|command| {
                assert_eq!(command.program, "systemctl");
                crate::host::fake::output(0, "LoadState=loaded\nUser=prosody\nGroup=prosody\n")
            })
    }

    #[test]
    fn the_start_time_is_read_from_proc() {
        let now = FakeHost::new().now();
        assert_eq!(age(&daemon_of(now - Duration::from_secs(9))), 10);
    }

    #[test]
    fn a_clock_jump_never_makes_the_start_later() {
        let now = FakeHost::new().now();
        // The clock was an hour behind, then an hour ahead.
        assert_eq!(age(&daemon_of(now - Duration::from_secs(3609))), 3609);
        assert_eq!(age(&daemon_of(now + Duration::from_secs(3591))), 10);
    }

    #[test]
    fn a_stale_pid_file_is_not_a_daemon() {
        let host = FakeHost::new().file("/run/prosody/prosody.pid", "7\n").file("/proc/7/cmdline", "sshd\0");
        assert_eq!(running(&host).unwrap(), None);
        assert_eq!(running(&FakeHost::new()).unwrap(), None);
    }

    #[test]
    fn the_pid_file_only_chooses_among_the_units_processes() {
        let host = unit_of("7\n9\n");
        let host = with_process(host, 7, 104, 5000, "/usr/bin/lua5.2");
        let host = with_process(host, 9, 104, 5500, "/usr/bin/lua5.2");
        // A process that Prosody's user started in a session of its own.
        let host = with_process(host, 11, 104, 5900, "/usr/bin/lua5.2");
        let pid = |host: &FakeHost| running(host).unwrap().map(|daemon| daemon.pid);
        assert_eq!(pid(&host), Some(7));
        let host = host.file(PID_FILE, "9\n");
        assert_eq!(pid(&host), Some(9));
        for lie in ["11\n", "", "seven", "-1", "/etc/shadow"] {
            let host = unit_of("7\n9\n").file(PID_FILE, lie);
            let host = with_process(host, 7, 104, 5000, "/usr/bin/lua5.2");
            let host = with_process(host, 9, 104, 5500, "/usr/bin/lua5.2");
            assert_eq!(pid(&with_process(host, 11, 104, 5900, "/x")), Some(7), "{lie}");
        }
        assert_eq!(pid(&with_process(unit_of("").file(PID_FILE, "11"), 11, 104, 1, "/x")), None);
    }

    #[test]
    fn without_a_unit_account_and_program_must_be_trusted() {
        let named = |uid, program: &str| {
            let host = with_process(machine(), 7, uid, 5000, program).file(PID_FILE, "7\n");
            let host = host.file("/var/lib/prosody/lua", "").access("/var/lib/prosody", 0o750, 104, 107);
            running(&host).unwrap().map(|daemon| (daemon.pid, daemon.uid, daemon.gid))
        };
        assert_eq!(named(104, "/usr/bin/lua5.2"), Some((7, 104, 107)));
        assert_eq!(named(0, "/usr/bin/lua5.2 (deleted)"), Some((7, 0, 107)));
        assert_eq!(named(1000, "/usr/bin/lua5.2"), None);
        assert_eq!(named(104, "/var/lib/prosody/lua"), None);
    }

    #[test]
    fn process_arguments_are_not_read() {
        let host = with_process(machine(), 7, 104, 5000, "/usr/bin/lua5.2").file(PID_FILE, "7\n");
        host.remove(Path::new("/proc/7/cmdline")).unwrap();
        let unreadable = host.file("/proc/7/cmdline/below", "");
        assert_eq!(running(&unreadable).unwrap().map(|daemon| daemon.pid), Some(7));
        let other = with_process(machine(), 7, 104, 5000, "/bin/sh").file(PID_FILE, "7\n");
        assert_eq!(running(&other.file("/bin/sh", "")).unwrap(), None);
    }

    #[test]
    fn open_connections_are_counted_by_port() {
        let line = |local: &str, state: &str| format!("0: 0100007F:{local} 0100007F:9999 {state} 0\n");
        let table = [line("14A0", "01"), line("14A0", "0A"), line("1466", "01"), line("0016", "01")].concat();
        let host = FakeHost::new().file("/proc/net/tcp", table);
        assert_eq!(connections(&host, &[5280, 5222]).unwrap(), 2);
    }
}
