//! Makes a change. The only code that mutates the host, apart from the receipt that comes before it.

mod locks;

use std::path::Path;

use anyhow::{Result, bail};

use crate::change::{Change, Guard};
use crate::host::failure::failure;
use crate::host::{Access, Host};

impl Change {
    /// Makes the change and returns warnings (an optional command failed, the restarted daemon complains).
    /// [`Self::Fallback`] is the runner's to unfold.
    pub fn apply(&self, host: &dyn Host) -> Result<Vec<String>> {
        match self {
            Self::Write {
                path,
                bytes,
                access,
                guard,
            } => write(host, path, bytes, *access, *guard)?,
            Self::Remove { path } => host.remove(path)?,
            Self::Rename { from, to } => host.rename(from, to)?,
            Self::Link { path, target } => {
                make_parent(host, path)?;
                host.link(path, target)?;
            }
            Self::PutBack {
                remove,
                folders,
                write,
                ..
            } => {
                remove
                    .iter()
                    .try_for_each(|path| remove_if_empty(host, path))?;
                folders
                    .iter()
                    .try_for_each(|(path, access)| host.make_dir(path, *access))?;
                write
                    .iter()
                    .try_for_each(|(path, bytes, access)| host.write(path, bytes, *access))?;
            }
            Self::Run {
                command,
                patience,
                optional,
                pin,
                ..
            } => {
                let hold = || match pin.as_ref().filter(|_| host.is_live()) {
                    Some(pin) => pin.hold(host),
                    None => Ok(()),
                };
                hold()?;
                let output = locks::run_patiently(host, command, *patience)?;
                match failure(command, &output) {
                    Some(error) if *optional => return Ok(vec![error]),
                    Some(error) => bail!(error),
                    None => {}
                }
                // It may have been moved for the moment of the fetch.
                hold()?;
            }
            Self::Restart(restart) => return restart.make(host),
            Self::Fallback { .. } => bail!("a fallback is made by the runner"),
        }
        Ok(Vec::new())
    }
}

fn write(
    host: &dyn Host,
    path: &Path,
    bytes: &[u8],
    access: Access,
    guard: Option<Guard>,
) -> Result<()> {
    if let Some(guard) = guard.filter(|_| host.is_live()) {
        guard(host, path, bytes)?;
    }
    make_parent(host, path)?;
    host.write(path, bytes, access)
}

fn make_parent(host: &dyn Host, path: &Path) -> Result<()> {
    let access = Access {
        mode: 0o755,
        uid: 0,
        gid: 0,
    };
    match path.parent() {
        Some(folder) if !host.exists(folder)? => host.make_dir(folder, access),
        _ => Ok(()),
    }
}

/// A folder that others have put something into stays.
fn remove_if_empty(host: &dyn Host, path: &Path) -> Result<()> {
    match host.list(path) {
        Ok(inside) if !inside.is_empty() => Ok(()),
        _ => host.remove(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::host::Output;
    use crate::host::fake::{FakeHost, output};

    #[test]
    fn a_failed_command_names_the_compilers_first_error() {
        let host = FakeHost::new().answers(|_| {
            Some(Output {
                code: Some(1),
                stdout: "cc -c a.c\n".into(),
                stderr: "a.c:3:10: fatal error: lua.h: No such file\nError: Build error: Failed compiling\n".into(),
                ..Output::default()
            })
        });
        let change = Change::run(Command::mutate("luarocks").arg("install"), []);
        let error = change.apply(&host).unwrap_err().to_string();
        assert_eq!(
            error,
            "`luarocks install` exited with code 1: a.c:3:10: fatal error: lua.h: No such file; \
             Error: Build error: Failed compiling"
        );
    }

    #[test]
    fn an_optional_command_only_warns() {
        let host = FakeHost::new().answers(|_| output(100, "E: 404"));
        let change = Change::run(Command::mutate("apt-get").arg("update"), []).optional();
        assert!(change.apply(&host).unwrap()[0].contains("404"));
    }
}
