//! Applies a change through a host.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::engine::change::{Change, Guard, Wrapper};
use crate::engine::merge::rebase;
use crate::host::command::Command;
use crate::host::failure::failure;
use crate::host::{Access, ChangedMeanwhile, Expected, FileText, Host};

/// How many times to try to write a file that others write to at the same time.
const ATTEMPTS: usize = 20;

impl Change {
    /// Applies the change and returns warnings (an optional command failed, the restarted daemon complains).
    /// [`Self::Fallback`] is handled by the runner.
    pub fn apply(&self, host: &dyn Host) -> Result<Vec<String>> {
        match self {
            Self::Write { path, bytes, access, list, seen, guard, by_owner } => {
                let (list, expected) = (list.clone(), seen.expected());
                let text = FileText { bytes, access: *access, list, expected, by_owner: *by_owner };
                write(host, path, &text, *guard)?;
            }
            Self::Remove { path } => host.remove(path)?,
            Self::Rename { from, to } => host.rename(from, to)?,
            Self::Link { path, target } => {
                make_parent(host, path)?;
                host.link(path, target)?;
            }
            Self::RestoreTree { remove, folders, write, .. } => put_back(host, remove, folders, write)?,
            Self::Run { command, wrapper, optional, .. } => return run(host, command, wrapper.as_deref(), *optional),
            Self::Act(action) => return action.make(host),
            Self::Fallback { .. } => bail!("a fallback is made by the runner"),
        }
        Ok(Vec::new())
    }
}

/// Runs a command. If an optional one fails, that is returned as a warning.
fn run(host: &dyn Host, command: &Command, wrapper: Option<&dyn Wrapper>, optional: bool) -> Result<Vec<String>> {
    let output = match wrapper {
        Some(wrapper) => wrapper.run(host, command)?,
        None => host.run(command)?,
    };
    match failure(command, &output) {
        Some(error) if optional => Ok(vec![error]),
        Some(error) => bail!(error),
        None => Ok(Vec::new()),
    }
}

/// Writes a file. If others have changed it since it was read, makes the same edit on top of their text, and at once,
/// because the writer may not be finished. Lines that both changed are left to the check.
fn write(host: &dyn Host, path: &Path, text: &FileText, guard: Option<Guard>) -> Result<()> {
    let guard = guard.filter(|_| host.is_live());
    if let Some(guard) = guard {
        guard(host, path, text)?;
    }
    make_parent(host, path)?;
    let Err(mut error) = host.replace(path, text) else {
        return Ok(());
    };
    let Expected::Bytes(base) = text.expected else {
        return Err(error);
    };
    for _ in 1..ATTEMPTS {
        let changed = error.downcast_ref::<ChangedMeanwhile>();
        if changed.is_none_or(|changed| changed.kept.is_some()) {
            break;
        }
        let Some(theirs) = host.read(path)? else {
            break;
        };
        let Some(rebased) = rebase(base, text.bytes, &theirs) else {
            break;
        };
        let again = FileText { bytes: &rebased, expected: Expected::Bytes(&theirs), ..text.clone() };
        match host.replace(path, &again) {
            // The guard accepted the edit on top of one text, and what others wrote is their own business; only the
            // combination has not been checked yet.
            Ok(()) => return guard.map_or(Ok(()), |guard| guard(host, path, &again)),
            Err(next) => error = next,
        }
    }
    Err(error)
}

fn make_parent(host: &dyn Host, path: &Path) -> Result<()> {
    let access = Access::root(0o755);
    match path.parent() {
        Some(folder) if !host.exists(folder)? => host.make_dir(folder, access),
        _ => Ok(()),
    }
}

fn put_back(
    host: &dyn Host,
    remove: &[PathBuf],
    folders: &[(PathBuf, Access)],
    write: &[(PathBuf, Vec<u8>, Access)],
) -> Result<()> {
    remove.iter().try_for_each(|path| remove_if_empty(host, path))?;
    folders.iter().try_for_each(|(path, access)| host.make_dir(path, *access))?;
    write.iter().try_for_each(|(path, bytes, access)| host.write(path, bytes, *access))
}

/// Removes a path unless it is a folder that others have put something into.
fn remove_if_empty(host: &dyn Host, path: &Path) -> Result<()> {
    match host.list(path) {
        Ok(inside) if !inside.is_empty() => Ok(()),
        _ => host.remove(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Output;
    use crate::host::fake::{FakeHost, output};

    #[test]
    fn only_missing_folders_are_created() {
        let host = FakeHost::new().file("/etc/theirs/x", "").access("/etc/theirs", 0o750, 0, 107);
        let access = Access::root(0o644);
        for path in ["/etc/theirs/y", "/etc/new/folder/y"] {
            Change::write(path, "new", access).apply(&host).unwrap();
        }
        Change::Link { path: "/usr/local/share/l".into(), target: "/etc/theirs/x".into() }.apply(&host).unwrap();
        let mode = |path: &str| host.stat(Path::new(path)).unwrap().map(|stat| (stat.mode, stat.gid));
        assert_eq!(mode("/etc/theirs"), Some((0o750, 107)));
        assert_eq!(mode("/etc/new/folder"), Some((0o755, 0)));
        assert_eq!(mode("/usr/local/share"), Some((0o755, 0)));
        let made = FakeHost::new();
        make_parent(&made, Path::new("/a/b/c")).unwrap();
        assert_eq!(made.stat(Path::new("/a/b")).unwrap().map(|stat| stat.kind), Some(crate::host::FileKind::Directory));
    }

    #[test]
    fn failures_include_the_first_compiler_error() {
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
    fn nonempty_folders_are_not_removed() {
        let host = FakeHost::new().file("/a/theirs/x", "").file("/a/ours", "");
        for path in ["/a/theirs", "/a/ours"] {
            remove_if_empty(&host, Path::new(path)).unwrap();
        }
        let there = |path: &str| host.exists(Path::new(path)).unwrap();
        assert!(there("/a/theirs") && there("/a/theirs/x") && !there("/a/ours"));
    }

    #[test]
    fn a_restored_folder_is_as_it_was() {
        let host = FakeHost::new().file("/r/ours/x", "").file("/r/changed", "ours");
        let change = Change::RestoreTree {
            root: "/r".into(),
            remove: vec!["/r/ours/x".into(), "/r/ours".into()],
            folders: vec![("/r/gone".into(), Access::root(0o750))],
            write: vec![("/r/changed".into(), b"theirs".to_vec(), ACCESS)],
        };
        assert_eq!(change.apply(&host).unwrap(), Vec::<String>::new());
        assert_eq!(host.list(Path::new("/r")).unwrap(), ["changed", "gone"]);
        assert_eq!(host.read_text(Path::new("/r/changed")).unwrap().unwrap(), "theirs");
        let mode = |path: &str| host.stat(Path::new(path)).unwrap().unwrap().mode;
        assert_eq!((mode("/r/gone"), mode("/r/changed")), (0o750, ACCESS.mode));
    }

    const ACCESS: Access = Access::root(0o640);

    fn meddled(attempts: usize, theirs: fn(&str) -> String) -> (FakeHost, Result<Vec<String>>) {
        let host = FakeHost::new().file("/etc/x", "one\ntwo\nthree\n").meddled(move |attempt, now| {
            let now = String::from_utf8(now.to_vec()).unwrap();
            (attempt <= attempts).then(|| theirs(&now).into_bytes())
        });
        let seen = Some(b"one\ntwo\nthree\n".to_vec());
        let change = Change::write("/etc/x", "ONE\ntwo\nthree\n", ACCESS).in_place_of(seen);
        let applied = change.apply(&host);
        (host, applied)
    }

    #[test]
    fn lines_that_others_add_meanwhile_are_kept() {
        let (host, applied) = meddled(3, |now| format!("{now}theirs\n"));
        applied.unwrap();
        let text = host.read_text(Path::new("/etc/x")).unwrap().unwrap();
        assert_eq!(text, "ONE\ntwo\nthree\ntheirs\ntheirs\ntheirs\n");
    }

    #[test]
    fn conflicting_edits_and_endless_writers_fail() {
        for (attempts, theirs) in [
            (1, (|now: &str| now.replace("one", "1")) as fn(&str) -> String),
            (usize::MAX, |now| format!("{now}theirs\n")),
        ] {
            let (host, applied) = meddled(attempts, theirs);
            assert!(applied.unwrap_err().is::<ChangedMeanwhile>());
            let text = host.read_text(Path::new("/etc/x")).unwrap().unwrap();
            assert!(!text.contains("ONE"), "{text}");
        }
    }

    #[test]
    fn an_optional_command_only_warns() {
        let host = FakeHost::new().answers(|_| output(100, "E: 404"));
        let change = Change::run(Command::mutate("apt-get").arg("update"), []).optional();
        assert!(change.apply(&host).unwrap()[0].contains("404"));
    }
}
