//! The Lua that runs Prosody, resolved as the daemon does it: the first line of the program that is started, found on
//! the daemon's own PATH. Our own PATH says nothing about it, and neither does `/usr/bin/lua`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::Command;
use crate::host::Host;
use crate::prosody::daemon::{Running, running};

/// The interpreter of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// Its path.
    pub path: PathBuf,
    /// Its version, `5.2`.
    pub version: String,
    /// Where the modules of this Prosody are.
    pub sources: PathBuf,
    /// The variables of the daemon that tell Lua where to look (`LUA_PATH` and the like).
    pub env: Vec<(String, String)>,
}

/// Where a unit that sets no PATH of its own looks.
const UNIT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where Debian's package has Prosody's own modules.
pub const SOURCES: &str = "/usr/lib/prosody";

/// How the daemon was started, or would be.
struct Start {
    /// The script that is Prosody.
    program: PathBuf,
    /// Its environment.
    env: Vec<(String, String)>,
    /// The interpreter in its process, and since when; only of one that runs.
    process: Option<(PathBuf, Running)>,
}

impl Interpreter {
    /// The interpreter that the next start of Prosody takes; none if there is no Prosody.
    pub fn find(host: &dyn Host) -> Result<Option<Self>> {
        let Some(start) = start(host)? else {
            return Ok(None);
        };
        let Some(text) = host.read_text(&start.program)? else {
            return Ok(None);
        };
        let named = named(host, &start, text.lines().next().unwrap_or_default())?;
        let path = match &start.process {
            Some((exe, daemon)) if is_started_otherwise(host, exe, daemon, &start, &named)? => {
                exe.clone()
            }
            _ => named,
        };
        let sources = text
            .lines()
            .find_map(|line| line.strip_prefix("CFG_SOURCEDIR="))
            .map_or(SOURCES, |value| value.trim_matches([';', '"', '\'', ' ']));
        let env = start.env.into_iter().filter(|(name, _)| {
            ["LUA_PATH", "LUA_CPATH", "LUA_INIT"]
                .iter()
                .any(|start| name.starts_with(start))
        });
        Ok(Some(Self {
            version: version(host, &path)?,
            path,
            sources: sources.into(),
            env: env.collect(),
        }))
    }
}

/// The running daemon tells; else its unit; else the places where a package or a build puts it.
fn start(host: &dyn Host) -> Result<Option<Start>> {
    if let Some(daemon) = running(host)? {
        let folder = PathBuf::from(format!("/proc/{}", daemon.pid));
        let words = |name: &str| -> Result<Vec<String>> {
            let text = host.read_text(&folder.join(name))?.unwrap_or_default();
            Ok(text.split('\0').map(str::to_owned).collect())
        };
        let program = words("cmdline")?
            .into_iter()
            .find(|word| word.starts_with('/') && word.ends_with("/prosody"));
        let env = words("environ")?;
        let env = env.iter().filter_map(|line| line.split_once('='));
        let exe = host.read_link(&folder.join("exe")).ok();
        return Ok(Some(Start {
            program: program.map_or_else(|| "/usr/bin/prosody".into(), PathBuf::from),
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            process: exe.map(|exe| (exe, daemon)),
        }));
    }
    let unit = unit(host)?;
    let program = unit
        .iter()
        .find_map(|(name, value)| (name == "program").then(|| PathBuf::from(value)));
    let places = program
        .into_iter()
        .chain(["/usr/bin/prosody", "/usr/local/bin/prosody"].map(PathBuf::from));
    for program in places {
        if host.exists(&program)? {
            return Ok(Some(Start {
                program,
                env: unit,
                process: None,
            }));
        }
    }
    Ok(None)
}

/// What systemd would start: the variables of the unit, and as `program` the script.
fn unit(host: &dyn Host) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    if !host.exists(Path::new("/run/systemd/system"))? {
        return Ok(found);
    }
    let query =
        Command::query("systemctl").args(["show", "prosody", "-p", "ExecStart,Environment"]);
    for line in host.run(&query)?.stdout.lines() {
        if let Some(words) = line.strip_prefix("Environment=") {
            let pairs = words.split(' ').filter_map(|word| word.split_once('='));
            found.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        } else if let Some(start) = line.strip_prefix("ExecStart=") {
            let program = start.split([' ', '=']).find(|w| w.ends_with("/prosody"));
            found.extend(program.map(|program| ("program".to_owned(), program.to_owned())));
        }
    }
    Ok(found)
}

/// The interpreter that a script's first line names.
fn named(host: &dyn Host, start: &Start, line: &str) -> Result<PathBuf> {
    let program = start.program.display();
    let mut words = line
        .strip_prefix("#!")
        .unwrap_or_default()
        .split_whitespace();
    let (first, second) = (words.next(), words.next());
    let name = match (first, second) {
        (Some(first), Some(second)) if first.ends_with("/env") => second,
        (Some(first), _) => first,
        (None, _) => bail!("{program} does not name its interpreter in its first line"),
    };
    if !name.rsplit('/').next().unwrap_or(name).starts_with("lua") {
        bail!("{program} is run by “{name}”, which is no Lua that this program knows");
    }
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

/// Whether the process runs something else than the first line leads to because it was started in another way
/// (`ExecStart=/opt/lua/bin/lua …`). Not so if the program or what its first line leads to came after the start: then
/// the next start takes that. A script there is a wrapper that ends in another interpreter.
fn is_started_otherwise(
    host: &dyn Host,
    exe: &Path,
    daemon: &Running,
    start: &Start,
    named: &Path,
) -> Result<bool> {
    if host.real_path(named)? == exe || !host.exists(exe)? {
        return Ok(false);
    }
    for path in [named, &start.program] {
        if host
            .stat(path)?
            .is_some_and(|stat| stat.changed >= daemon.since)
        {
            return Ok(false);
        }
    }
    let wrapper = host
        .read(named)?
        .is_some_and(|text| text.starts_with(b"#!"));
    Ok(!wrapper)
}

/// Debian's interpreters say their version in their name; any other is asked.
fn version(host: &dyn Host, path: &Path) -> Result<String> {
    let real = host.real_path(path)?;
    let name = real.strip_prefix("/usr/bin/lua").ok().or(real
        .to_str()
        .and_then(|path| path.strip_prefix("/usr/bin/lua"))
        .map(Path::new));
    let name = name.and_then(Path::to_str).unwrap_or_default();
    let debian = name.len() == 3 && name.starts_with("5.");
    if debian {
        return Ok(name.to_owned());
    }
    let query = Command::query(path.display().to_string())
        .args(["-e", "io.write(_VERSION)"])
        .user("prosody");
    let output = host.run(&query)?;
    output
        .stdout
        .strip_prefix("Lua ")
        .filter(|version| output.ok() && version.starts_with("5."))
        .map(str::to_owned)
        .with_context(|| {
            format!(
                "{}, which runs Prosody, is no Lua that this program knows",
                path.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    fn installed() -> FakeHost {
        FakeHost::new()
            .file(
                "/usr/bin/prosody",
                "#!/usr/bin/env lua5.2\nCFG_SOURCEDIR=\"/usr/lib/prosody\";\n",
            )
            .file("/usr/bin/lua5.2", "\x7fELF")
    }

    fn daemon(host: FakeHost, exe: &str, environ: &str) -> FakeHost {
        host.file("/run/prosody/prosody.pid", "7\n")
            .file("/proc/7/cmdline", "lua5.2\0/usr/bin/prosody\0-F\0")
            .file("/proc/7/environ", environ)
            .file(
                "/proc/7/stat",
                format!("7 (lua5.2) S {}5000 0", "0 ".repeat(18)),
            )
            .file("/proc/uptime", "60.00 1.0\n")
            .linked("/proc/7/exe", exe)
    }

    fn found(host: &FakeHost) -> (String, String) {
        let lua = Interpreter::find(host).unwrap().unwrap();
        (lua.path.display().to_string(), lua.version)
    }

    #[test]
    fn the_first_line_is_resolved_on_the_units_path() {
        assert_eq!(
            found(&installed()),
            ("/usr/bin/lua5.2".into(), "5.2".into())
        );
        // systemd's PATH has /usr/local/bin in front: the daemon really runs this one, whatever its name says.
        let host = installed()
            .file("/usr/local/bin/lua5.2", "\x7fELF")
            .answers(|command| {
                (command.program == "/usr/local/bin/lua5.2").then(|| output(0, "Lua 5.3"))?
            });
        assert_eq!(found(&host), ("/usr/local/bin/lua5.2".into(), "5.3".into()));
        assert_eq!(Interpreter::find(&FakeHost::new()).unwrap(), None);
    }

    #[test]
    fn a_lua_elsewhere_on_our_own_path_is_not_taken() {
        let host = installed()
            .file("/root/bin/lua5.2", "")
            .file("/usr/bin/lua", "");
        assert_eq!(found(&host).0, "/usr/bin/lua5.2");
    }

    #[test]
    fn the_daemons_environment_counts() {
        let host = daemon(
            installed().file("/opt/lua5.2", "\x7fELF"),
            "/opt/lua5.2",
            "PATH=/opt\0LUA_PATH=/srv/?.lua;;\0SECRET=x\0",
        )
        .answers(|_| output(0, "Lua 5.2"));
        let lua = Interpreter::find(&host).unwrap().unwrap();
        assert_eq!(lua.path, Path::new("/opt/lua5.2"));
        assert_eq!(lua.env, [("LUA_PATH".into(), "/srv/?.lua;;".into())]);
    }

    #[test]
    fn a_process_that_was_started_in_another_way_is_believed() {
        let host = daemon(installed().file("/opt/lua", "\x7fELF"), "/opt/lua", "")
            .answers(|_| output(0, "Lua 5.4"));
        assert_eq!(found(&host), ("/opt/lua".into(), "5.4".into()));
        // Its file is gone since (an upgrade): the next start takes what the first line says.
        let host = daemon(installed(), "/usr/bin/lua5.1 (deleted)", "");
        assert_eq!(found(&host).0, "/usr/bin/lua5.2");
    }

    #[test]
    fn a_prosody_of_ones_own_in_usr_local_has_its_modules_there() {
        let host = FakeHost::new()
            .file(
                "/usr/local/bin/prosody",
                "#!/usr/bin/lua5.4\nCFG_SOURCEDIR='/usr/local/lib/prosody';\n",
            )
            .file("/usr/bin/lua5.4", "");
        let lua = Interpreter::find(&host).unwrap().unwrap();
        assert_eq!(lua.sources, Path::new("/usr/local/lib/prosody"));
        assert_eq!(lua.version, "5.4");
    }
}
