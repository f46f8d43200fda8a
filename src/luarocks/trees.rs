//! The folders that luarocks installs to, as the receipt records them.

use std::path::Path;

use anyhow::Result;

use crate::engine::leftovers::wait_for;
use crate::engine::receipt::Entry;
use crate::engine::snapshot::{self, Keep, Snapshot};
use crate::engine::watch::{Watch, WatchKind};
use crate::host::Host;

/// Where luarocks installs compiled modules, one folder per Lua version.
pub const LIBRARIES: &str = "/usr/local/lib/lua";

/// Where luarocks keeps its lists of rocks and of each rock's files.
pub const LISTS: &str = "/usr/local/lib/luarocks";

/// Where luarocks installs modules written in Lua, one folder per Lua version.
pub const SOURCES: &str = "/usr/local/share/lua";

/// The folders that rocks are installed to.
pub const ROCK_TREES: [&str; 3] = [LIBRARIES, LISTS, SOURCES];

/// Everything below such a folder.
pub struct Trees;

impl Trees {
    /// A watch for each of these folders, to record it around a change.
    pub fn watches() -> impl Iterator<Item = Watch> {
        ROCK_TREES.iter().map(|tree| Watch::new(&Self, *tree))
    }
}

impl WatchKind for Trees {
    fn name(&self) -> &'static str {
        "tree"
    }

    fn capture(&self, host: &dyn Host, which: &str, keep: Keep) -> Result<Snapshot> {
        snapshot::tree(host, Path::new(which), keep)
    }

    fn settle(&self, host: &dyn Host, _entry: &Entry) -> Result<()> {
        wait_for("luarocks", host, luarocks)
    }

    /// luarocks moves and removes files in its trees, no matter who put them there.
    fn holds(&self, file: &Path) -> Option<&'static str> {
        ROCK_TREES.into_iter().find(|tree| file.starts_with(tree))
    }
}

/// A running luarocks. 2.4 takes no lock, so processes are searched.
fn luarocks(host: &dyn Host) -> Result<Option<i32>> {
    for name in host.list(Path::new("/proc"))? {
        let Ok(process) = name.parse() else { continue };
        let folder = Path::new("/proc").join(&name);
        if !is_roots_lua(host, &folder)? {
            continue;
        }
        let command_line = folder.join("cmdline");
        // The process may exit meanwhile.
        let command_line = host.read_text(&command_line).ok().flatten().unwrap_or_default();
        // The interpreter, then the script.
        if command_line.split('\0').take(2).any(|word| word == "luarocks" || word.ends_with("/luarocks")) {
            return Ok(Some(process));
        }
    }
    Ok(None)
}

/// Whether root runs it, with Lua. Anybody can name a process luarocks, even a program that runs as root on their
/// behalf (`su`).
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
    fn only_real_luarocks_processes_are_found() {
        let host = FakeHost::new()
            .linked("/proc/7/exe", "/usr/bin/lua5.2")
            .file("/proc/7/cmdline", "vi\0/etc/passwd\0/usr/bin/luarocks\0")
            .linked("/proc/8/exe", "/usr/bin/lua5.2")
            .file("/proc/8/cmdline", "lua5.2\0/usr/bin/luarocks-admin\0")
            // Another user's process, and a program of root's that waits for another user's password.
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
