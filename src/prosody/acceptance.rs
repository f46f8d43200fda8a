//! Has Prosody itself accept a new configuration before it is put in place, in a shadow copy of /etc/prosody.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::command::Command;
use crate::host::{Access, Host, Kind, Output};
use crate::prosody::account::Account;

/// Where Prosody's configuration is.
pub const FOLDER: &str = "/etc/prosody";

/// The main file.
pub const MAIN: &str = "/etc/prosody/prosody.cfg.lua";

const SHADOW: &str = "/run/jitsi-tokens-setup.shadow";

/// Refuses `bytes` as the new content of `path` unless Prosody accepts them. Follows `prosodyctl check config`: 1 is an
/// error; 2 complains about something, which counts only if all was well before.
pub fn guard(host: &dyn Host, path: &Path, bytes: &[u8]) -> Result<()> {
    let new = in_shadow(host, path, bytes);
    clear(host, Path::new(SHADOW))?;
    let new = new?;
    if new.ok() {
        return Ok(());
    }
    if new.code == Some(2) && !check(host, Path::new(MAIN))?.ok() {
        return Ok(());
    }
    bail!(
        "Prosody does not accept the new {}: {}; nothing was written",
        path.display(),
        complaint(&new)
    )
}

/// Removes the shadow copy that a killed run may have left; there may be a secret in it.
pub fn clear_shadow(host: &dyn Host) -> Result<()> {
    clear(host, Path::new(SHADOW))
}

/// What Prosody says of the configuration as it is: an error only if it cannot be read at all.
pub fn current(host: &dyn Host) -> Result<Result<(), String>> {
    let output = check(host, Path::new(MAIN))?;
    Ok(if output.code == Some(1) {
        Err(complaint(&output))
    } else {
        Ok(())
    })
}

/// The group that may read Prosody's configuration.
pub fn group(host: &dyn Host) -> Result<u32> {
    Ok(Account::of(host)?.gid)
}

/// Whether Prosody's own account can read `path`; its mode alone does not tell (folders above it, access lists).
pub fn readable(host: &dyn Host, path: &Path) -> Result<bool> {
    let path = path.display().to_string();
    let query = Account::of(host)?.runs(Command::query("test").args(["-r", &path]));
    Ok(host.run(&query.volatile())?.ok())
}

fn check(host: &dyn Host, main: &Path) -> Result<Output> {
    let main = main.display().to_string();
    let check = Command::query("prosodyctl").args(["--config", &main, "check", "config"]);
    host.run(&Account::of(host)?.runs_prosodyctl(host, check))
}

fn in_shadow(host: &dyn Host, path: &Path, bytes: &[u8]) -> Result<Output> {
    clear(host, Path::new(SHADOW))?;
    let gid = group(host)?;
    let real = host.real_path(path)?;
    copy(
        host,
        Path::new(FOLDER),
        Path::new(SHADOW),
        gid,
        &real,
        bytes,
    )?;
    check(host, &Path::new(SHADOW).join("prosody.cfg.lua"))
}

/// Copies folders and files; a link becomes the file that it leads to, because Jitsi's links are absolute and would
/// lead back to the old text. Certificates are left where they are.
fn copy(
    host: &dyn Host,
    from: &Path,
    to: &Path,
    gid: u32,
    changed: &Path,
    bytes: &[u8],
) -> Result<()> {
    host.make_dir(
        to,
        Access {
            mode: 0o750,
            uid: 0,
            gid,
        },
    )?;
    for name in host.list(from)? {
        let (source, target) = (from.join(&name), to.join(&name));
        let Some(stat) = host.stat(&source)? else {
            continue;
        };
        match stat.kind {
            Kind::Directory if name != "certs" => {
                copy(host, &source, &target, gid, changed, bytes)?
            }
            Kind::File | Kind::Link => {
                let text = if host.real_path(&source)? == changed {
                    Some(bytes.to_vec())
                } else {
                    host.read(&source)?
                };
                if let Some(text) = text {
                    host.write(
                        &target,
                        &text,
                        Access {
                            mode: 0o640,
                            uid: 0,
                            gid,
                        },
                    )?;
                }
            }
            Kind::Directory | Kind::Other => {}
        }
    }
    Ok(())
}

fn clear(host: &dyn Host, folder: &Path) -> Result<()> {
    for name in host.list(folder)? {
        let path: PathBuf = folder.join(name);
        match host.stat(&path)?.map(|stat| stat.kind) {
            Some(Kind::Directory) => clear(host, &path)?,
            _ => host.remove(&path)?,
        }
    }
    host.remove(folder)
}

/// prosodyctl's own words about the trouble, with the real file's name. Where it breaks down itself, its own error.
fn complaint(output: &Output) -> String {
    let error = output
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("Error: "));
    let crash = output.stderr.lines().find(|line| line.contains(".lua:"));
    let text = error.or(crash).map(str::to_owned).unwrap_or_else(|| {
        let lines = output
            .stdout
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        lines.take(6).collect::<Vec<_>>().join(" ")
    });
    text.replace(SHADOW, FOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    #[test]
    fn new_text_is_seen_through_an_absolute_link() {
        let host = FakeHost::new()
            .file("/etc/passwd", "prosody:x:104:107::/var/lib/prosody:\n")
            .file("/etc/group", "prosody:x:107:\n")
            .file(MAIN, "Include \"conf.d/*.cfg.lua\"\n")
            .file("/etc/prosody/conf.avail/m.cfg.lua", "old")
            .linked(
                "/etc/prosody/conf.d/m.cfg.lua",
                "/etc/prosody/conf.avail/m.cfg.lua",
            )
            .answers(|command| {
                assert_eq!(
                    command.args[1],
                    "/run/jitsi-tokens-setup.shadow/prosody.cfg.lua"
                );
                output(
                    1,
                    "Error: /run/jitsi-tokens-setup.shadow/conf.d/m.cfg.lua:3: unexpected symbol\n",
                )
            });
        let error = guard(&host, Path::new("/etc/prosody/conf.d/m.cfg.lua"), b"new")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/etc/prosody/conf.d/m.cfg.lua:3: unexpected symbol"),
            "{error}"
        );
        assert!(!host.exists(Path::new(SHADOW)).unwrap());
    }
}
