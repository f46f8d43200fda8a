//! What Prosody has logged since a given moment. When a module fails to load, only the log tells.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::host::Host;
use crate::host::command::Command;
use crate::lua::value::{Key, Value};
use crate::prosody::config::Config;

/// Debian's log file, for a configuration that names none.
const USUAL: &str = "/var/log/prosody/prosody.log";

/// The sizes of the log files at one moment, in bytes.
#[derive(Clone, Debug, Default)]
pub struct Mark(Vec<(PathBuf, u64)>);

/// The log files that the configuration names, or Debian's.
pub fn files(config: &Config) -> Vec<PathBuf> {
    let mut files = Vec::new();
    match config.option(None, "log").map(|setting| &setting.value) {
        Some(value) => collect(value, &mut files),
        None => files.push(USUAL.into()),
    }
    files
}

fn collect(value: &Value, files: &mut Vec<PathBuf>) {
    match value {
        Value::Table(fields) => fields.iter().for_each(|(_, value)| collect(value, files)),
        _ => files.extend(value.as_str().filter(|text| text.starts_with('/')).map(PathBuf::from)),
    }
}

/// Whether any log has the debug level, at which Jitsi's token plugin logs the secret.
pub fn logs_debug(config: &Config) -> bool {
    let setting = config.option(None, "log").map(|setting| &setting.value);
    setting.is_some_and(|value| is_debug_level(None, value))
}

/// Whether it is `debug = "file"`, or a table whose `levels` are `"debug"`, `{ "debug" }` or `{ min = "debug" }`.
fn is_debug_level(key: Option<&Key>, value: &Value) -> bool {
    let is = |key: Option<&Key>, name: &[u8]| matches!(key, Some(Key::Name(known)) if known == name);
    match value {
        Value::Table(fields) if is(key, b"levels") => {
            fields.iter().any(|(key, value)| !is(key.as_ref(), b"max") && value.as_bytes() == Some(b"debug"))
        }
        Value::Table(fields) => fields.iter().any(|(key, value)| is_debug_level(key.as_ref(), value)),
        _ => is(key, b"debug") || (is(key, b"levels") && value.as_bytes() == Some(b"debug")),
    }
}

/// The current sizes of the logs.
pub fn mark(host: &dyn Host, files: &[PathBuf]) -> Result<Mark> {
    let length = |path: &PathBuf| Ok((path.clone(), host.stat(path)?.map_or(0, |stat| stat.size)));
    Ok(Mark(files.iter().map(length).collect::<Result<_>>()?))
}

/// The modules that failed to load since `mark`, each as a sentence; from the journal if there is no log file.
pub fn failed_modules(host: &dyn Host, mark: &Mark, pid: u32) -> Result<Vec<String>> {
    let mut text = String::new();
    for (path, offset) in &mark.0 {
        if let Some(bytes) = host.read_from(path, *offset)? {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    if mark.0.is_empty() && host.exists(Path::new("/run/systemd/system"))? {
        let query = Command::query("journalctl").args(["-q", "--no-pager", "-o", "cat", &format!("_PID={pid}")]);
        // The journal may hold more than is read; then nothing is known.
        let output = host.run(&query.volatile());
        text = output.map(|output| output.stdout).unwrap_or_default();
    }
    Ok(failures(&text))
}

/// How many failed modules are reported at most.
const MAX_FAILURES: usize = 20;

fn failures(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        let Some(start) = ["Unable to load module '", "Error initializing module '"].iter().find_map(|s| line.find(s))
        else {
            continue;
        };
        let said: String = line[start..].chars().filter(|c| !c.is_control()).take(400).collect();
        let said = format!("Prosody's log: {}", said.trim_end_matches(':'));
        if !found.contains(&said) {
            found.push(said);
        }
        // Prosody's own user may write any number of them.
        if found.len() == MAX_FAILURES {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn debug_logging_is_detected_in_every_notation() {
        let reads = |text: &str| {
            let host = FakeHost::new().file("/etc/prosody/prosody.cfg.lua", text);
            let config = Config::load(&host, Path::new("/etc/prosody/prosody.cfg.lua")).unwrap();
            logs_debug(&config)
        };
        assert!(reads("log = { info = '/l'; debug = '/d' }"));
        assert!(reads("log = { { levels = { min = 'debug' }, to = 'console' } }"));
        assert!(reads("log = { { levels = { 'error', 'debug' }, to = 'file', filename = '/d' } }"));
        assert!(!reads("log = { info = '/var/log/debug'; error = '*syslog' }"));
        assert!(!reads("log = '/var/log/prosody/debug'"));
    }

    #[test]
    fn only_lines_after_the_mark_count() {
        let old = "Nov 25 modulemanager\terror\tUnable to load module 'old': x.lua: No such file\n";
        let new = "Nov 25 modulemanager\terror\tError initializing module 'auth_token' on 'm': a.lua:1: module 'basexx' not found:\n";
        let path = Path::new("/var/log/prosody/prosody.log");
        let host = FakeHost::new().file(path.to_str().unwrap(), old);
        let mark = mark(&host, &[path.to_owned()]).unwrap();
        let access = crate::host::Access::root(0o644);
        host.write(path, format!("{old}{new}").as_bytes(), access).unwrap();
        assert_eq!(
            failed_modules(&host, &mark, 1).unwrap(),
            ["Prosody's log: Error initializing module 'auth_token' on 'm': a.lua:1: module 'basexx' not found"]
        );
    }
}
