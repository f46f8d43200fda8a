//! The end of what a killed run had begun. What outlived it is waited for: what it brings is known only then. What it
//! had not put in place yet goes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::engine::change::Watch;
use crate::host::Host;

/// What apt and dpkg hold as long as they work.
const LOCK: &str = "/var/lib/dpkg/lock-frontend";

/// As long as the commands' own patience is without `--lock-timeout`.
const LONGEST: Duration = Duration::from_secs(300);

/// Returns when nobody is at work any more that a killed run may have left at work on `watch`, and no file of its own
/// (with a secret in it, say) stands beside the real one.
pub fn settle(host: &dyn Host, watch: &Watch) -> Result<()> {
    match watch {
        Watch::Packages => wait_for("a package manager", host, package_manager),
        Watch::Tree(_) => wait_for("luarocks", host, luarocks),
        Watch::File(path) => host.clear(path),
        Watch::Debconf(_) => Ok(()),
    }
}

fn wait_for(what: &str, host: &dyn Host, at_work: impl Fn(&dyn Host) -> Result<Option<i32>>) -> Result<()> {
    let started = Instant::now();
    let mut said = false;
    while let Some(process) = at_work(host)? {
        if started.elapsed() >= LONGEST {
            bail!("{what} (process {process}) is still at work; wait for it to end, and run this again");
        }
        crate::host::interrupt::check()?;
        if !said {
            host.notice(&format!("waiting for {what} (process {process}) to end"));
            said = true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn package_manager(host: &dyn Host) -> Result<Option<i32>> {
    host.lock_holder(Path::new(LOCK))
}

/// luarocks 2.4 locks nothing, so its processes are looked for.
fn luarocks(host: &dyn Host) -> Result<Option<i32>> {
    for name in host.list(Path::new("/proc"))? {
        let Ok(process) = name.parse() else { continue };
        let folder = Path::new("/proc").join(&name);
        if !is_roots_lua(host, &folder)? {
            continue;
        }
        let command_line = folder.join("cmdline");
        // A process may end while it is looked at.
        let command_line = host.read_text(&command_line).ok().flatten().unwrap_or_default();
        // The interpreter, then the script.
        if command_line.split('\0').take(2).any(|word| word == "luarocks" || word.ends_with("/luarocks")) {
            return Ok(Some(process));
        }
    }
    Ok(None)
}

/// Ours is root's, and Lua. Anybody can call a process luarocks, one that a program of root's runs for them too (`su`).
fn is_roots_lua(host: &dyn Host, process: &Path) -> Result<bool> {
    if host.stat(process)?.is_none_or(|stat| stat.uid != 0) {
        return Ok(false);
    }
    let program = host.read_link(&process.join("exe")).unwrap_or_default();
    let name = program.file_name().unwrap_or_default();
    Ok(name.to_string_lossy().starts_with("lua"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn luarocks_at_work_is_found_and_its_namesakes_are_not() {
        let host = FakeHost::new()
            .linked("/proc/7/exe", "/usr/bin/lua5.2")
            .file("/proc/7/cmdline", "vi\0/etc/passwd\0/usr/bin/luarocks\0")
            .linked("/proc/8/exe", "/usr/bin/lua5.2")
            .file("/proc/8/cmdline", "lua5.2\0/usr/bin/luarocks-admin\0")
            // Another user's, and a program that waits for another user's password.
            .file("/proc/10/cmdline", "lua5.2\0/usr/bin/luarocks\0")
            .linked("/proc/10/exe", "/usr/bin/lua5.2")
            .access("/proc/10", 0o555, 1000, 1000)
            .file("/proc/11/cmdline", "luarocks\0")
            .linked("/proc/11/exe", "/usr/bin/su")
            .file("/proc/uptime", "luarocks");
        assert_eq!(luarocks(&host).unwrap(), None);
        let host = host.file("/proc/9/cmdline", "/usr/bin/lua5.2\0/usr/bin/luarocks\0install\0luaossl\0");
        let host = host.linked("/proc/9/exe", "/usr/bin/lua5.2");
        assert_eq!(luarocks(&host).unwrap(), Some(9));
    }
}
