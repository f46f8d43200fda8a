//! Checks a new configuration with Prosody itself, in a shadow copy of /etc/prosody, before it is put in place.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::host::command::Command;
use crate::host::failure::clipped;
use crate::host::{Access, Expected, FileKind, FileText, Host, Output};
use crate::prosody::account::Account;

/// The folder of Prosody's configuration.
pub const FOLDER: &str = "/etc/prosody";

/// The main configuration file.
pub const MAIN: &str = "/etc/prosody/prosody.cfg.lua";

/// The shadow copy. Its name is no longer than the real folder's: Lua shortens file names of 60 bytes and more in
/// messages, and Prosody's loader crashes when it looks for one there to complain about an option that is set twice.
const SHADOW: &str = "/run/jts.new";

/// The most entries below /etc/prosody, certificates not counted: more than anybody has.
const MAX_ENTRIES: usize = 20_000;

/// The deepest nesting of folders: as deep as anybody's, and far less than a path allows.
const MAX_DEPTH: usize = 16;

/// How long Prosody may take to read it; half a second is usual. Its user's modules run meanwhile, and may never end.
const LIMIT: Duration = Duration::from_secs(15);

/// Rejects a new text of `path` unless Prosody accepts it. `prosodyctl check config` exits 1 on an error, and 2 on a
/// complaint, which counts only if there was none before.
pub fn guard(host: &dyn Host, path: &Path, text: &FileText) -> Result<()> {
    // Usually known already; once the shadow's files are written, it would have to be asked again.
    let old = check(host, Path::new(MAIN))?;
    let new = in_shadow(host, path, text);
    clear(host, Path::new(SHADOW))?;
    let new = new?;
    if new.ok() || (new.code == Some(2) && !old.ok()) {
        return Ok(());
    }
    bail!("Prosody rejects the new {}: {}; nothing was written", path.display(), complaint(&new))
}

/// Removes the shadow copy that a killed run may have left; it may hold a secret.
pub fn clear_shadow(host: &dyn Host) -> Result<()> {
    clear(host, Path::new(SHADOW))
}

/// Prosody's verdict on the current configuration: an error only if it cannot be read at all.
pub fn current(host: &dyn Host) -> Result<Result<(), String>> {
    let output = check(host, Path::new(MAIN))?;
    Ok(if output.code == Some(1) { Err(complaint(&output)) } else { Ok(()) })
}

/// Why Prosody's loader cannot read the current configuration, in its own words. None if it can read it but something
/// fails on a value: that may be what an edit is about to fix.
pub fn unreadable(host: &dyn Host) -> Result<Option<String>> {
    let output = check(host, Path::new(MAIN))?;
    Ok(if output.ok() { None } else { loader_error(&output) })
}

/// The ID of the group that may read Prosody's configuration.
pub fn group(host: &dyn Host) -> Result<u32> {
    Ok(Account::of(host)?.gid)
}

/// Whether Prosody's own account can read `path`; its mode does not tell (folders above it, access lists).
pub fn readable(host: &dyn Host, path: &Path) -> Result<bool> {
    let path = path.display().to_string();
    let query = Account::of(host)?.runs(Command::query("test").args(["-r", &path]));
    Ok(host.run(&query.volatile())?.ok())
}

/// Started by root, prosodyctl runs the configuration, and any Lua that it finds, before it switches to the user that
/// the configuration names. So it is started as the daemon's account.
fn check(host: &dyn Host, main: &Path) -> Result<Output> {
    let main = main.display().to_string();
    let check = Command::query("prosodyctl").args(["--config", &main, "check", "config"]);
    host.run(&Account::of(host)?.runs(check.timeout(LIMIT)))
}

fn in_shadow(host: &dyn Host, path: &Path, text: &FileText) -> Result<Output> {
    clear(host, Path::new(SHADOW))?;
    let mut shadow = Shadow {
        host,
        gid: group(host)?,
        changed: host.real_path(path)?,
        text,
        placed: None,
        folders: Vec::new(),
        entries: 0,
    };
    shadow.folder(Path::new(FOLDER), Path::new(SHADOW))?;
    check(host, &Path::new(SHADOW).join("prosody.cfg.lua"))
}

/// A shadow of /etc/prosody with one new text: folders like the real ones, with links to the real files in them.
/// Nothing is copied or opened, so it lets nobody read what they could not read before.
struct Shadow<'a> {
    host: &'a dyn Host,
    gid: u32,
    /// The file that gets the new text, links resolved.
    changed: PathBuf,
    text: &'a FileText<'a>,
    /// Where the shadow has the new text. Jitsi's links are absolute and would lead back to the old one.
    placed: Option<PathBuf>,
    /// The folders being made, outermost first: the real one and its shadow.
    folders: Vec<(PathBuf, PathBuf)>,
    entries: usize,
}

impl Shadow<'_> {
    fn folder(&mut self, from: &Path, to: &Path) -> Result<()> {
        let real = self.host.real_path(from)?;
        if self.folders.len() == MAX_DEPTH {
            bail!("{} is nested too deeply below {FOLDER} (limit: {MAX_DEPTH} directories)", from.display());
        }
        self.host.make_dir(to, self.access(&real)?)?;
        self.folders.push((real.clone(), to.to_owned()));
        for name in self.host.list(&real)? {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                bail!("{FOLDER} has too many entries (limit: {MAX_ENTRIES})");
            }
            self.entry(&real.join(&name), &to.join(&name))?;
        }
        self.folders.pop();
        Ok(())
    }

    /// Users who can list the real folder can list its shadow; only root can write to it.
    fn access(&self, real: &Path) -> Result<Access> {
        let stat = self.host.stat(real)?.with_context(|| format!("{} vanished", real.display()))?;
        Ok(match stat.uid {
            0 => Access { mode: stat.mode & 0o755, uid: 0, gid: stat.gid },
            // Most likely Prosody's own.
            _ => Access { mode: 0o750, uid: 0, gid: self.gid },
        })
    }

    fn entry(&mut self, source: &Path, target: &Path) -> Result<()> {
        let Some(stat) = self.host.stat(source)? else {
            return Ok(());
        };
        let link = |to: &Path| self.host.link(target, to);
        match stat.kind {
            // It holds no configuration.
            FileKind::Directory if source.ends_with("certs") => link(source),
            FileKind::Directory => self.folder(source, target),
            FileKind::File if source == self.changed => self.place(target),
            FileKind::File => link(source),
            FileKind::Link => match self.host.real_path(source) {
                Ok(real) if real == self.changed => self.place(target),
                Ok(real) => match self.stand_in(&real) {
                    Some(folder) => link(&folder),
                    None if self.changed.starts_with(&real) => self.folder(source, target),
                    None => link(source),
                },
                // A loop, or another user's link: Prosody will find out.
                Err(_) => link(source),
            },
            // Opening a pipe would block forever.
            FileKind::Other => Ok(()),
        }
    }

    /// The shadow of the folder that a link leads to.
    fn stand_in(&self, real: &Path) -> Option<PathBuf> {
        let known = self.folders.iter().find(|(folder, _)| folder == real);
        let (_, shadow) = known.or(self.folders.first())?;
        if known.is_some() {
            return Some(shadow.clone());
        }
        let below = real.strip_prefix(&self.folders.first()?.0).ok()?;
        let folder = self.host.stat(real).ok()??.kind == FileKind::Directory;
        folder.then(|| shadow.join(below))
    }

    fn place(&mut self, target: &Path) -> Result<()> {
        if let Some(placed) = &self.placed {
            return self.host.link(target, placed);
        }
        let text = FileText { expected: Expected::Nothing, ..self.text.clone() };
        self.host.replace(target, &text)?;
        self.placed = Some(target.to_owned());
        Ok(())
    }
}

fn clear(host: &dyn Host, folder: &Path) -> Result<()> {
    for name in host.list(folder)? {
        let path: PathBuf = folder.join(name);
        match host.stat(&path)?.map(|stat| stat.kind) {
            Some(FileKind::Directory) => clear(host, &path)?,
            _ => host.remove(&path)?,
        }
    }
    host.remove(folder)
}

/// The error that stopped the configuration's loader.
fn loader_error(output: &Output) -> Option<String> {
    let mut lines = output.stdout.lines();
    let error = lines.find_map(|line| line.trim().strip_prefix("Error: "))?;
    Some(clipped(&error.replace(SHADOW, FOLDER)))
}

/// prosodyctl's own words about the problem, with the real file's name; if it crashed, the message of the crash.
fn complaint(output: &Output) -> String {
    if let Some(error) = loader_error(output) {
        return error;
    }
    let crash = output.stderr.lines().find(|line| line.contains(".lua:"));
    let text = crash.map_or_else(
        || {
            let lines = output.stdout.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.take(6).collect::<Vec<_>>().join(" ")
        },
        str::to_owned,
    );
    clipped(&text.replace(SHADOW, FOLDER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::AccessList;
    use crate::host::fake::{FakeHost, output};

    const TEXT: FileText = FileText {
        bytes: b"new",
        access: Access { mode: 0o640, uid: 0, gid: 107 },
        list: AccessList::Fitting,
        expected: Expected::Anything,
        by_owner: false,
    };

    #[test]
    fn shadow_paths_are_not_longer_than_real_ones() {
        assert!(SHADOW.len() <= FOLDER.len());
    }

    #[test]
    fn new_text_is_checked_through_an_absolute_link() {
        let host = FakeHost::new()
            .file("/etc/passwd", "prosody:x:104:107::/var/lib/prosody:\n")
            .file("/etc/group", "prosody:x:107:\n")
            .file(MAIN, "Include \"conf.d/*.cfg.lua\"\n")
            .file("/etc/prosody/conf.avail/m.cfg.lua", "old")
            .linked("/etc/prosody/conf.d/m.cfg.lua", "/etc/prosody/conf.avail/m.cfg.lua")
            .answers(|command| {
                if command.args[1] == MAIN {
                    return output(0, "");
                }
                assert_eq!(command.args[1], "/run/jts.new/prosody.cfg.lua");
                output(1, "Error: /run/jts.new/conf.d/m.cfg.lua:3: unexpected symbol\n")
            });
        let error = guard(&host, Path::new("/etc/prosody/conf.d/m.cfg.lua"), &TEXT).unwrap_err().to_string();
        assert!(error.contains("/etc/prosody/conf.d/m.cfg.lua:3: unexpected symbol"), "{error}");
        assert!(!host.exists(Path::new(SHADOW)).unwrap());
    }

    /// The shadow when the file `changed` gets the new text: each path with its content or link target.
    fn shadowed(host: &FakeHost, changed: &str) -> Vec<String> {
        let mut shadow = Shadow {
            host,
            gid: 107,
            changed: host.real_path(Path::new(changed)).unwrap(),
            text: &TEXT,
            placed: None,
            folders: Vec::new(),
            entries: 0,
        };
        shadow.folder(Path::new(FOLDER), Path::new(SHADOW)).unwrap();
        let mut all = Vec::new();
        let mut rest = vec![PathBuf::from(SHADOW)];
        while let Some(folder) = rest.pop() {
            for name in host.list(&folder).unwrap() {
                let path = folder.join(name);
                let shown = path.strip_prefix(SHADOW).unwrap().display().to_string();
                match host.stat(&path).unwrap().unwrap().kind {
                    FileKind::Directory => rest.push(path),
                    FileKind::Link => all.push(format!("{shown} -> {}", host.read_link(&path).unwrap().display())),
                    _ => all.push(format!("{shown} = {}", host.read_text(&path).unwrap().unwrap())),
                }
            }
        }
        all.sort();
        all
    }

    #[test]
    fn the_shadow_links_all_but_the_new_text() {
        let host = FakeHost::new()
            .file(MAIN, "secret = 1")
            .file("/etc/prosody/certs/key", "secret")
            .file("/etc/prosody/conf.avail/m.cfg.lua", "old")
            .file("/etc/prosody/conf.avail/other.cfg.lua", "secret")
            .linked("/etc/prosody/conf.d/m.cfg.lua", "/etc/prosody/conf.avail/m.cfg.lua")
            .linked("/etc/prosody/conf.d/loop.cfg.lua", "loop.cfg.lua")
            .linked("/etc/prosody/again", "/etc/prosody")
            .linked("/etc/prosody/modules", "/usr/lib/prosody/modules")
            .file("/usr/lib/prosody/modules/x.lua", "")
            .linked("/etc/prosody/enabled", "/etc/prosody/conf.d");
        let seen = shadowed(&host, "/etc/prosody/conf.avail/m.cfg.lua");
        assert_eq!(
            seen,
            [
                "again -> /run/jts.new",
                "certs -> /etc/prosody/certs",
                "conf.avail/m.cfg.lua = new",
                "conf.avail/other.cfg.lua -> /etc/prosody/conf.avail/other.cfg.lua",
                "conf.d/loop.cfg.lua -> /etc/prosody/conf.d/loop.cfg.lua",
                "conf.d/m.cfg.lua -> /run/jts.new/conf.avail/m.cfg.lua",
                "enabled -> /run/jts.new/conf.d",
                "modules -> /etc/prosody/modules",
                "prosody.cfg.lua -> /etc/prosody/prosody.cfg.lua",
            ]
        );
    }

    #[test]
    fn a_linked_folder_with_the_changed_file_is_shadowed() {
        let host = FakeHost::new()
            .file(MAIN, "")
            .file("/srv/hosts/m.cfg.lua", "old")
            .linked("/srv/hosts/back", "/srv/hosts")
            .linked("/etc/prosody/conf.d", "/srv/hosts");
        assert_eq!(
            shadowed(&host, "/srv/hosts/m.cfg.lua"),
            [
                "conf.d/back -> /run/jts.new/conf.d",
                "conf.d/m.cfg.lua = new",
                "prosody.cfg.lua -> /etc/prosody/prosody.cfg.lua",
            ]
        );
    }
}
