//! The Lua that runs Prosody, resolved as for the daemon: the interpreter on the first line of the program that is
//! started, looked up on the daemon's own PATH. Our own PATH says nothing about it, and neither does `/usr/bin/lua`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::host::Host;
use crate::host::ownership::{changeable, changeable_or_target};
use crate::prosody::account::Account;
use crate::prosody::daemon::{self, running};
use crate::prosody::search_path::SearchPath;
use crate::prosody::unit::{self, Unit};

/// The daemon's interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Its path. Only root can change what is there.
    pub path: PathBuf,
    /// Its version, such as `5.2`.
    pub version: String,
    /// Where this Prosody's own modules are.
    pub sources: PathBuf,
    /// The unit's variables for Lua (`LUA_PATH`, `LUA_CPATH`, `LUA_INIT` and their versioned forms).
    pub env: Vec<(String, String)>,
    /// The account that runs it.
    pub account: Account,
}

/// The PATH of a unit that sets none.
const UNIT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where Debian's package installs Prosody's own modules.
pub const SOURCES: &str = "/usr/lib/prosody";

/// Where a package or a build from source installs Prosody.
const PROGRAMS: [&str; 2] = ["/usr/bin/prosody", "/usr/local/bin/prosody"];

/// How the daemon is started.
struct Start {
    /// Prosody's script.
    program: PathBuf,
    /// The interpreter, if the unit names one; otherwise the script's first line does.
    interpreter: Option<String>,
    /// The unit's environment.
    env: Vec<(String, String)>,
}

impl Interpreter {
    /// Debian's Lua of this version with Debian's Prosody, for unit tests.
    #[cfg(test)]
    pub fn debians(version: &str) -> Self {
        Self {
            path: format!("/usr/bin/lua{version}").into(),
            version: version.to_owned(),
            sources: SOURCES.into(),
            env: Vec::new(),
            account: Account {
                user: "prosody".to_owned(),
                group: "prosody".to_owned(),
                uid: 104,
                gid: 107,
                home: "/var/lib/prosody".into(),
            },
        }
    }

    /// The interpreter that the next start of Prosody will use; none if Prosody is not installed.
    pub fn find(host: &dyn Host) -> Result<Option<Self>> {
        let Some(start) = start(host)? else {
            return Ok(None);
        };
        let Some(text) = host.read_text(&start.program)? else {
            return Ok(None);
        };
        // The script names the interpreter and the folder of Prosody's own modules.
        if let Some(why) = changeable_or_target(host, &start.program)? {
            bail!("{}, which starts Prosody, {why}", start.program.display());
        }
        let named = match &start.interpreter {
            Some(name) => on_path(host, &start, name)?,
            None => named(host, &start, text.lines().next().unwrap_or_default())?,
        };
        let path = match running_interpreter(host, &start, &named)? {
            Some(program) => program,
            None => named,
        };
        // From here on, root runs it too.
        if let Some(why) = changeable_or_target(host, &path)? {
            bail!("{}, which runs Prosody, {why}", path.display());
        }
        let sources = text
            .lines()
            .find_map(|line| line.strip_prefix("CFG_SOURCEDIR="))
            .map_or(SOURCES, |value| value.trim_matches([';', '"', '\'', ' ']));
        let env = start
            .env
            .into_iter()
            .filter(|(name, _)| ["LUA_PATH", "LUA_CPATH", "LUA_INIT"].iter().any(|start| name.starts_with(start)));
        let mut lua = Self {
            version: String::new(),
            path,
            sources: sources.into(),
            env: env.collect(),
            account: Account::of(host)?,
        };
        lua.version = version(host, &lua)?;
        Ok(Some(lua))
    }
}

/// How Prosody is started: as its unit says, else from one of the usual places.
fn start(host: &dyn Host) -> Result<Option<Start>> {
    let unit = unit::of(host)?.unwrap_or_default();
    let (program, interpreter) = of_unit(&unit);
    let named = program.into_iter().filter(|program| program.is_absolute());
    for program in named.chain(PROGRAMS.map(PathBuf::from)) {
        if host.exists(&program)? {
            return Ok(Some(Start { program, interpreter, env: unit.env }));
        }
    }
    Ok(None)
}

/// The script and its interpreter, as far as `ExecStart=` names them.
fn of_unit(unit: &Unit) -> (Option<PathBuf>, Option<String>) {
    let is_prosody = |word: &&String| word.ends_with("/prosody");
    let Some(at) = unit.start.iter().position(|word| is_prosody(&word)) else {
        return (None, None);
    };
    let lua = unit.start[..at].iter().rev().find(|word| is_lua(word));
    (Some(PathBuf::from(&unit.start[at])), lua.cloned())
}

fn is_lua(word: &str) -> bool {
    word.rsplit('/').next().unwrap_or(word).starts_with("lua")
}

/// The interpreter that a script's first line names.
fn named(host: &dyn Host, start: &Start, line: &str) -> Result<PathBuf> {
    let program = start.program.display();
    let mut words = line.strip_prefix("#!").unwrap_or_default().split_whitespace();
    let (first, second) = (words.next(), words.next());
    let name = match (first, second) {
        (Some(first), Some(second)) if first.ends_with("/env") => second,
        (Some(first), _) => first,
        (None, _) => bail!("{program} has no interpreter line (#!)"),
    };
    if !is_lua(name) {
        bail!("{program} is run by \"{name}\", which is not a known Lua interpreter");
    }
    on_path(host, start, name)
}

/// Looks up a program on the unit's own PATH.
fn on_path(host: &dyn Host, start: &Start, name: &str) -> Result<PathBuf> {
    if name.starts_with('/') {
        return Ok(name.into());
    }
    let path = start.env.iter().find(|(name, _)| name == "PATH");
    for folder in path.map_or(UNIT_PATH, |(_, value)| value).split(':') {
        let path = Path::new(folder).join(name);
        if host.exists(&path)? {
            return Ok(path);
        }
    }
    bail!("{name}, which runs Prosody, is not installed")
}

/// Without a unit: the program that the running process runs, if it differs from what the first line leads to because
/// Prosody was started in another way. None if the script or that interpreter is newer than the process: the next start
/// will use the new one. None if the first line leads to a script: that is a wrapper, which ends in another
/// interpreter. A program that users other than root can change is not trusted.
fn running_interpreter(host: &dyn Host, start: &Start, named: &Path) -> Result<Option<PathBuf>> {
    if unit::of(host)?.is_some() {
        return Ok(None);
    }
    let Some(daemon) = running(host)? else {
        return Ok(None);
    };
    let Some(exe) = daemon::program(host, daemon.pid) else {
        return Ok(None);
    };
    let other = host.real_path(named)? != exe && host.exists(&exe)?;
    if !other || !is_lua(&exe.to_string_lossy()) || changeable(host, &exe)?.is_some() {
        return Ok(None);
    }
    for path in [named, &start.program] {
        if host.stat(path)?.is_some_and(|stat| stat.changed >= daemon.since) {
            return Ok(None);
        }
    }
    let wrapper = host.read(named)?.is_some_and(|text| text.starts_with(b"#!"));
    Ok((!wrapper).then_some(exe))
}

/// Debian's interpreters have their version in their name; any other is asked for it.
fn version(host: &dyn Host, lua: &Interpreter) -> Result<String> {
    let real = host.real_path(&lua.path)?;
    let name = real.to_str().and_then(|path| path.strip_prefix("/usr/bin/lua"));
    if let Some(version) = name.filter(|name| is_version(name)) {
        return Ok(version.to_owned());
    }
    match SearchPath::ask(host, lua)?.0 {
        version if is_version(&version) => Ok(version),
        _ => bail!("{}, which runs Prosody, is not a known Lua interpreter", lua.path.display()),
    }
}

/// Whether it is a version such as `5.4` and nothing else: it becomes part of paths.
fn is_version(text: &str) -> bool {
    text.strip_prefix("5.").is_some_and(|minor| minor.len() == 1 && minor.as_bytes()[0].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    fn installed() -> FakeHost {
        FakeHost::new()
            .file("/etc/passwd", "prosody:x:104:107::/var/lib/prosody:\n")
            .file("/etc/group", "prosody:x:107:\n")
            .file("/usr/bin/prosody", "#!/usr/bin/env lua5.2\nCFG_SOURCEDIR=\"/usr/lib/prosody\";\n")
            .file("/usr/bin/lua5.2", "\x7fELF")
    }

    fn daemon(host: FakeHost, exe: &str) -> FakeHost {
        host.file("/run/prosody/prosody.pid", "7\n")
            .file("/proc/7/cmdline", "lua5.2\0/usr/bin/prosody\0-F\0")
            .file("/proc/7/environ", "PATH=/opt\0LUA_INIT=@/tmp/x.lua\0")
            .file("/proc/7/status", "Uid:\t104\t104\nGid:\t107\t107\n")
            .file("/proc/7/stat", format!("7 (lua5.2) S {}5000 0", "0 ".repeat(18)))
            .file("/proc/uptime", "60.00 1.0\n")
            .linked("/proc/7/exe", exe)
    }

    /// A Lua that reports this version.
    fn saying(host: FakeHost, version: &'static str) -> FakeHost {
        host.answers(move |command| {
            command.program.contains("lua").then(|| output(0, &format!("{version}\n/?.lua\n/?.so\n")))?
        })
    }

    /// A machine whose systemd has this unit.
    fn unit(host: FakeHost, shown: &'static str) -> FakeHost {
        host.file("/run/systemd/system/x", "").answers(move |command| {
            let shown = format!("LoadState=loaded\nUser=prosody\nGroup=prosody\n{shown}\n");
            (command.program == "systemctl").then(|| output(0, &shown))?
        })
    }

    fn found(host: &FakeHost) -> (String, String) {
        let lua = Interpreter::find(host).unwrap().unwrap();
        (lua.path.display().to_string(), lua.version)
    }

    #[test]
    fn the_shebang_is_resolved_on_the_units_path() {
        assert_eq!(found(&installed()), ("/usr/bin/lua5.2".into(), "5.2".into()));
        // /usr/local/bin comes first on systemd's PATH: the daemon really runs this one, whatever its name suggests.
        let host = saying(installed().file("/usr/local/bin/lua5.2", "\x7fELF"), "Lua 5.3");
        assert_eq!(found(&host), ("/usr/local/bin/lua5.2".into(), "5.3".into()));
        assert_eq!(Interpreter::find(&FakeHost::new()).unwrap(), None);
    }

    #[test]
    fn a_lua_on_our_own_path_is_ignored() {
        let host = installed().file("/root/bin/lua5.2", "").file("/usr/bin/lua", "");
        assert_eq!(found(&host).0, "/usr/bin/lua5.2");
    }

    #[test]
    fn a_script_others_can_change_is_not_trusted() {
        let host = installed().access("/usr/bin/prosody", 0o755, 104, 107);
        let error = Interpreter::find(&host).unwrap_err().to_string();
        assert!(error.starts_with("/usr/bin/prosody, which starts Prosody, "), "{error}");
    }

    #[test]
    fn a_version_with_path_characters_is_refused() {
        let host = saying(installed().file("/usr/local/bin/lua5.2", "\x7fELF"), "Lua 5.4/../../../etc");
        let error = Interpreter::find(&host).unwrap_err().to_string();
        assert!(error.contains("is not a known Lua interpreter"), "{error}");
    }

    #[test]
    fn only_the_units_environment_is_used() {
        let host = installed().file("/opt/lua5.2", "\x7fELF");
        let host = unit(host, "Environment=PATH=/opt 'LUA_PATH=/srv/?.lua;;' SECRET=x");
        let host = saying(daemon(host, "/opt/lua5.2"), "Lua 5.2");
        let lua = Interpreter::find(&host).unwrap().unwrap();
        assert_eq!(lua.path, Path::new("/opt/lua5.2"));
        assert_eq!(lua.env, [("LUA_PATH".into(), "/srv/?.lua;;".into())]);
        let host = daemon(installed(), "/usr/bin/lua5.2");
        assert_eq!(Interpreter::find(&host).unwrap().unwrap().env, []);
    }

    #[test]
    fn the_units_interpreter_wins_over_the_running_one() {
        let exec = "ExecStart={ path=/opt/lua ; argv[]=/opt/lua /usr/bin/prosody -F ; ignore_errors=no }";
        let host = installed().file("/opt/lua", "\x7fELF").file("/srv/lua", "\x7fELF");
        let host = saying(unit(daemon(host, "/srv/lua"), exec), "Lua 5.4");
        assert_eq!(found(&host), ("/opt/lua".into(), "5.4".into()));
    }

    #[test]
    fn without_a_unit_the_running_trusted_program_counts() {
        let host = |exe: &str| daemon(installed().file("/opt/lua", "\x7fELF"), exe);
        assert_eq!(found(&saying(host("/opt/lua"), "Lua 5.4")), ("/opt/lua".into(), "5.4".into()));
        // Another user can change it.
        let changed = host("/opt/lua").access("/opt", 0o755, 104, 107);
        assert_eq!(found(&changed).0, "/usr/bin/lua5.2");
        // Its file is gone (after an upgrade): the next start uses what the first line names.
        assert_eq!(found(&host("/usr/bin/lua5.1 (deleted)")).0, "/usr/bin/lua5.2");
    }

    #[test]
    fn an_interpreter_that_others_can_change_is_not_run() {
        let host = installed().access("/usr/bin/lua5.2", 0o755, 104, 107);
        let error = Interpreter::find(&host).unwrap_err().to_string();
        assert_eq!(error, "/usr/bin/lua5.2, which runs Prosody, can be changed by the user prosody");
    }

    #[test]
    fn a_local_prosody_has_its_modules_in_usr_local() {
        let host = installed()
            .file("/usr/bin/lua5.4", "")
            .file("/usr/local/bin/prosody", "#!/usr/bin/lua5.4\nCFG_SOURCEDIR='/usr/local/lib/prosody';\n");
        host.remove(Path::new("/usr/bin/prosody")).unwrap();
        let lua = Interpreter::find(&host).unwrap().unwrap();
        assert_eq!(lua.sources, Path::new("/usr/local/lib/prosody"));
        assert_eq!(lua.version, "5.4");
    }
}
