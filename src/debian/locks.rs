//! Waits for locks of apt and dpkg that other programs hold.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::engine::change::{Change, Wrapper};
use crate::host::command::Command;
use crate::host::failure::relevant_lines;
use crate::host::{Host, Output};

/// The files that apt and dpkg lock while they work: dpkg's two, then those of apt's lists and archives.
const LOCKS: [&str; 4] =
    ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"];

/// How long to wait for apt, dpkg or debconf while another program has it locked.
#[derive(Clone, Copy, Debug)]
pub struct Patience(pub Duration);

impl Patience {
    /// Wraps a change so that its command waits this long.
    pub fn with(self, change: Change) -> Change {
        change.wrapped(Arc::new(self))
    }
}

impl Wrapper for Patience {
    /// Reruns the command while another program holds a lock that it needs. apt's own waiting covers neither the lock
    /// on its lists nor the one on its archives, and apt 1.8 does not wait at all.
    fn run(&self, host: &dyn Host, command: &Command) -> Result<Output> {
        self.until(host, || {
            let output = host.run(command)?;
            if output.ok() || !locked(&output) { Ok(Ok(output)) } else { Ok(Err(reason(host, &output)?)) }
        })
    }

    /// Waits for dpkg's locks: whoever holds one changes packages, and their scripts change files.
    fn wait(&self, host: &dyn Host) -> Result<()> {
        self.until(host, || {
            for lock in &LOCKS[..2] {
                if let Some(process) = host.lock_holder(Path::new(lock))? {
                    // In apt's words.
                    return Ok(Err(format!(": {lock} is held by process {process} ({})", name(host, process))));
                }
            }
            Ok(Ok(()))
        })
    }
}

impl Patience {
    /// Tries again, one second apart, while `attempt` returns the reason why it has to wait.
    fn until<T>(self, host: &dyn Host, attempt: impl Fn() -> Result<Result<T, String>>) -> Result<T> {
        let started = Instant::now();
        let mut said = false;
        loop {
            let reason = match attempt()? {
                Ok(result) => return Ok(result),
                Err(reason) => reason,
            };
            if started.elapsed() >= self.0 {
                bail!(
                    "the package database was still locked after {} s{reason}; wait for that program, or use a longer \
                     --lock-timeout",
                    self.0.as_secs()
                );
            }
            crate::host::interrupt::check()?;
            if !said {
                host.notice(&format!("waiting: the package database is locked{reason}"));
                said = true;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
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

/// The error, and the holder of the lock if the error does not name it: dpkg gives at best a PID, apt 1.8 nothing.
fn reason(host: &dyn Host, output: &Output) -> Result<String> {
    let said = relevant_lines(output);
    if said.contains("held by process") {
        return Ok(said);
    }
    // If the error names a lock, the holders of other locks are irrelevant.
    let named = LOCKS.iter().any(|lock| said.contains(lock));
    for lock in LOCKS.iter().filter(|lock| !named || said.contains(**lock)) {
        if let Some(process) = host.lock_holder(Path::new(lock))? {
            return Ok(format!("{said} (held by process {process}, {})", name(host, process)));
        }
    }
    Ok(said)
}

/// The name of a process, as far as it can be read.
fn name(host: &dyn Host, process: i32) -> String {
    let file = format!("/proc/{process}/comm");
    let name = host.read_text(Path::new(&file)).ok().flatten();
    name.unwrap_or_default().chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::watch::Watch;
    use crate::host::fake::{FakeHost, output};

    #[test]
    fn the_holder_of_a_stuck_lock_is_named() {
        let host = FakeHost::new().answers(|_| {
            output(100, "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)")
        });
        let error = Patience(Duration::ZERO).run(&host, &Command::mutate("apt-get")).unwrap_err().to_string();
        assert!(error.contains("held by process 7 (apt)") && error.contains("--lock-timeout"), "{error}");
    }

    #[test]
    fn a_lock_holder_known_by_pid_gets_a_name() {
        let host = FakeHost::new()
            .answers(|_| {
                let text = "dpkg: error: dpkg frontend lock was locked by another process with pid 88";
                output(2, text)
            })
            .file("/proc/88/comm", "unattended-upgr\n")
            .locked("/var/lib/dpkg/lock-frontend", 88);
        let error = Patience(Duration::ZERO).run(&host, &Command::mutate("dpkg")).unwrap_err().to_string();
        assert!(error.contains("(held by process 88, unattended-upgr); wait for that program"), "{error}");
    }

    #[test]
    fn holders_of_other_locks_are_not_blamed() {
        let lists = "/var/lib/apt/lists/lock";
        let host = FakeHost::new()
            .answers(move |_| output(100, &format!("E: Could not get lock {lists} - open (11)")))
            .file("/proc/7/comm", "other\n")
            .file("/proc/8/comm", "holder\n")
            .locked(LOCKS[0], 7)
            .locked(lists, 8);
        let error = Patience(Duration::ZERO).run(&host, &Command::mutate("apt-get")).unwrap_err().to_string();
        assert!(error.contains("(held by process 8, holder)"), "{error}");
    }

    #[test]
    fn recorded_commands_wait_for_dpkgs_locks_first() {
        let install = |host: &FakeHost| {
            let watched = Change::run(Command::mutate("apt-get"), [Watch::file(Path::new("/etc/x"))]);
            Patience(Duration::ZERO).with(watched).wait(host)
        };
        for lock in &LOCKS[..2] {
            let host = FakeHost::new().file("/proc/7/comm", "apt\n").locked(lock, 7);
            let error = install(&host).unwrap_err().to_string();
            assert!(error.contains(&format!("after 0 s: {lock} is held by process 7 (apt); wait for")), "{error}");
            // Nothing is recorded of this one.
            let update = Patience(Duration::ZERO).with(Change::run(Command::mutate("apt-get"), []));
            update.wait(&host).unwrap();
        }
        install(&FakeHost::new().locked(LOCKS[2], 7)).unwrap();
    }
}
