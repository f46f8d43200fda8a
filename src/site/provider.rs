//! Who provides a module that does not load: a copy hidden by other files, Debian's package, for pure Lua the file that
//! Debian ships for another version, and last a rock.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::debian::dpkg::{self, Package};
use crate::engine::change::Change;
use crate::engine::step::Obstacle;
use crate::host::command::{Brings, Command, quote};
use crate::host::ownership::changeable;
use crate::host::{FileKind, Host};
use crate::luarocks::trees::{LIBRARIES, SOURCES};
use crate::luarocks::{DECODE_CLOSURE, install, known, provide, watches};
use crate::prosody::era::Era;
use crate::prosody::interpreter::Interpreter;
use crate::prosody::load_test::{LoadTest, Trouble, aside, linked};
use crate::site::facts::Site;
use crate::site::modules::Missing;
use crate::site::settings::Settings;

/// Who provides a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Nobody has to: a working copy is there, hidden by other files.
    Behind,
    /// Debian's package, which supports this Lua.
    Package(&'static str),
    /// The file that Debian ships for another Lua; pure Lua runs here as well.
    Link {
        /// The file.
        target: PathBuf,
        /// The package that ships it, if it is not installed yet.
        package: Option<&'static str>,
    },
    /// A rock, for the module of this name.
    Rock(String),
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind => write!(f, "a working copy is behind it"),
            Self::Package(package) => write!(f, "from Debian's {package}"),
            Self::Link { target, .. } => {
                write!(f, "from Debian's package for another Lua: {}", target.display())
            }
            Self::Rock(module) => {
                let name = known(module).map_or(module.as_str(), |rock| rock.name);
                write!(f, "from the rock {name}")
            }
        }
    }
}

/// Where Debian keeps pure Lua modules, one folder per version.
const SHARED: &str = "/usr/share/lua";

/// The first provider that works for the module.
pub fn of(host: &dyn Host, lua: &Interpreter, era: Era, module: &str, trouble: &Trouble) -> Result<Provider> {
    if trouble.behind {
        return Ok(Provider::Behind);
    }
    let rock = || Ok(Provider::Rock(module.to_owned()));
    let known = known(module);
    let tutorial = known.is_some_and(|rock| DECODE_CLOSURE.contains(rock));
    if era == Era::Decode && tutorial {
        return rock();
    }
    let absent = match known.and_then(|rock| rock.package) {
        Some(package) => {
            let packages = dpkg::packages(host)?;
            let installed = packages.get(package).is_some_and(Package::is_installed);
            (!installed).then_some(package)
        }
        None => None,
    };
    if let Some(package) = absent {
        let served = served(host, package)?;
        if served.is_empty() || served.contains(&lua.version) {
            return Ok(Provider::Package(package));
        }
        let pure = known.is_some_and(|rock| rock.pure);
        if let Some(other) = served.iter().max().filter(|_| pure) {
            let target = Path::new(SHARED).join(other).join(as_path(module));
            return Ok(Provider::Link { target, package: Some(package) });
        }
        return rock();
    }
    match for_another_lua(host, lua, module)? {
        Some(target) => Ok(Provider::Link { target, package: None }),
        None => rock(),
    }
}

fn as_path(module: &str) -> String {
    format!("{}.lua", module.replace('.', "/"))
}

/// The versions of Lua that a package claims to support; none if apt does not know it or it claims none.
fn served(host: &dyn Host, package: &str) -> Result<Vec<String>> {
    let query = Command::query("apt-cache").args(["show", "--no-all-versions", package]);
    let output = host.run(&query)?;
    let line = output.stdout.lines().find_map(|line| line.strip_prefix("Lua-Versions:"));
    Ok(line.unwrap_or_default().split_whitespace().map(str::to_owned).collect())
}

/// The file of the newest other Lua that loads in this one. Loading it proves that it is pure Lua and has all that it
/// needs.
fn for_another_lua(host: &dyn Host, lua: &Interpreter, module: &str) -> Result<Option<PathBuf>> {
    let mut versions = host.list(Path::new(SHARED))?;
    versions.retain(|version| version.starts_with("5.") && *version != lua.version);
    for version in versions.iter().rev() {
        let file = Path::new(SHARED).join(version).join(as_path(module));
        if host.exists(&file)? && LoadTest::fits(host, lua, module, &file)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// The changes that make the modules load. Modules of one rock are installed together, and one file may hide them all.
pub fn changes<'a>(
    host: &dyn Host,
    site: &Site,
    settings: &Settings,
    missing: impl IntoIterator<Item = &'a Missing>,
) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut moved = BTreeSet::new();
    let mut rocks = BTreeSet::new();
    for missing in missing {
        let mut files = in_the_way(host, site, missing)?;
        files.retain(|file| moved.insert(file.clone()));
        changes.extend(move_aside(host, &files)?);
        match &missing.provider {
            // Packages are installed earlier, all at once.
            Provider::Behind | Provider::Package(_) => {}
            Provider::Link { target, .. } => {
                changes.push(Change::Link { path: linked(&missing.module, &site.lua), target: target.clone() });
            }
            Provider::Rock(module) => {
                let name = known(module).map_or(module.as_str(), |rock| rock.name);
                if rocks.insert(name.to_owned()) {
                    changes.extend(rock(host, site, settings, module)?);
                }
            }
        }
    }
    Ok(changes)
}

/// The files that must go first.
fn in_the_way(host: &dyn Host, site: &Site, missing: &Missing) -> Result<Vec<PathBuf>> {
    let mut files = missing.trouble.in_the_way.clone();
    match &missing.provider {
        Provider::Behind | Provider::Package(_) => {}
        Provider::Link { .. } => {
            // A file that is there but not found cannot be read by Prosody's user, or is a dangling link.
            let place = linked(&missing.module, &site.lua);
            if host.exists(&place)? && !files.contains(&place) {
                files.push(place);
            }
        }
        Provider::Rock(_) => files = hiding_a_rock(site, &missing.trouble),
    }
    Ok(files)
}

/// luarocks replaces what is in its own trees; a file earlier in the search path would keep hiding the rock.
pub fn hiding_a_rock(site: &Site, trouble: &Trouble) -> Vec<PathBuf> {
    let own = |file: &PathBuf| {
        [SOURCES, LIBRARIES].iter().any(|tree| file.starts_with(Path::new(tree).join(&site.lua.version)))
    };
    let files = trouble.in_the_way.iter();
    files.filter(|file| !own(file)).cloned().collect()
}

fn rock(host: &dyn Host, site: &Site, settings: &Settings, module: &str) -> Result<Vec<Change>> {
    let Some(rock) = known(module) else {
        // No known rock has this module, so the one of its own name is tried.
        let name = module.split('.').next().unwrap_or(module);
        let command = install(host, &site.lua, settings.rocks_server.as_deref(), name, None)?
            .brings([Brings::Module(module.to_owned())]);
        return Ok(vec![Change::run(command, watches())]);
    };
    let mut changes = provide(host, &site.lua, settings.rocks_server.as_deref(), rock)?;
    if let Some(Change::Run { command, .. }) = changes.last_mut() {
        // A module that the table does not name comes with its siblings.
        command.brings.push(Brings::Module(module.to_owned()));
    }
    Ok(changes)
}

/// Moves files out of the way, to names that nothing loads; undo moves them back. A link is removed, since it has no
/// contents to keep. A file that anybody but root can change is left to the operator, as an [`Obstacle`].
pub fn move_aside(host: &dyn Host, files: &[PathBuf]) -> Result<Vec<Change>> {
    let obstacle = |file: &Path, what: String, fix: String| Obstacle {
        why: format!("{} hides a module that Prosody needs, and {what}", file.display()),
        fix,
    };
    let mut changes = Vec::new();
    for file in files {
        // An error means that it leads through another user's link.
        let who = changeable(host, file).unwrap_or_else(|error| Some(format!("cannot be checked: {error:#}")));
        if let Some(who) = who {
            let name = quote(&file.to_string_lossy());
            let fix = match host.stat(file).ok().flatten().map(|stat| stat.kind) {
                Some(FileKind::Directory) => {
                    format!("move it elsewhere (mv {name} /root/), then run this again")
                }
                _ => format!("remove it (rm {name}), then run this again"),
            };
            bail!(obstacle(file, who, fix));
        }
        if let Some(package) = dpkg::owner(host, file)? {
            let fix = "reinstall or remove that package, then run this again".to_owned();
            bail!(obstacle(file, format!("belongs to the package {package}"), fix));
        }
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            continue;
        };
        // Resolved, so no link on the way can be redirected meanwhile.
        let path = host.real_path(folder)?.join(name);
        let stat = host.stat(&path)?.with_context(|| format!("{} vanished", file.display()))?;
        if stat.kind == FileKind::Link {
            changes.push(Change::Remove { path });
            continue;
        }
        let to = aside(&path);
        if host.exists(&to)? {
            let to = to.display();
            let fix = format!("move {to} elsewhere, then run this again");
            bail!(obstacle(file, format!("{to}, its backup name, already exists"), fix));
        }
        changes.push(Change::Rename { from: path, to });
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    fn lua(version: &str) -> Interpreter {
        Interpreter::debians(version)
    }

    /// A machine with these packages, whose apt knows which Lua versions others support, and whose Lua loads any file.
    fn machine(installed: &'static str) -> FakeHost {
        FakeHost::new().file("/usr/share/lua/5.1/inspect.lua", "").file("/usr/share/lua/5.3/inspect.lua", "").answers(
            move |command| match command.program.as_str() {
                "/usr/bin/lua5.2" | "/usr/bin/lua5.4" if command.stdin.is_none() => {
                    output(0, "Lua 5.4\n/usr/share/lua/5.4/?.lua\n/usr/lib/lua/5.4/?.so\n")
                }
                "/usr/bin/lua5.4" => output(0, "1\tyes\n"),
                "dpkg-query" => output(0, installed),
                "apt-cache" => output(
                    0,
                    match command.args.last().map(String::as_str) {
                        Some("lua-cjson") => "Package: lua-cjson\nLua-Versions: 5.1 5.4\n",
                        Some("lua-basexx") => "Package: lua-basexx\nLua-Versions: 5.1 5.2\n",
                        _ => "",
                    },
                ),
                _ => output(0, "1\tno\tsyntax error\n"),
            },
        )
    }

    fn chosen(host: &FakeHost, version: &str, era: Era, module: &str) -> Provider {
        of(host, &lua(version), era, module, &Trouble::default()).unwrap()
    }

    #[test]
    fn packages_are_preferred_then_linked_files_then_rocks() {
        let host = machine("lua-inspect\tii \t1\n");
        let choose = |module| chosen(&host, "5.4", Era::Verify, module);
        assert_eq!(choose("cjson.safe"), Provider::Package("lua-cjson"));
        // The package does not support this Lua, but its file will load.
        assert_eq!(
            choose("basexx"),
            Provider::Link { target: "/usr/share/lua/5.2/basexx.lua".into(), package: Some("lua-basexx") }
        );
        // Installed, but not found: the file of the newest other Lua that loads here.
        assert_eq!(
            choose("inspect"),
            Provider::Link { target: "/usr/share/lua/5.3/inspect.lua".into(), package: None }
        );
        assert_eq!(choose("base64"), Provider::Rock("base64".into()));
        assert_eq!(chosen(&host, "5.3", Era::Verify, "cjson"), Provider::Rock("cjson".into()));
        assert_eq!(chosen(&host, "5.2", Era::Verify, "inspect"), Provider::Rock("inspect".into()));
    }

    #[test]
    fn the_decode_era_gets_its_modules_as_rocks() {
        let host = machine("");
        assert_eq!(chosen(&host, "5.4", Era::Decode, "cjson"), Provider::Rock("cjson".into()));
        // A file that hides a working copy only has to go.
        let hidden = Trouble { behind: true, ..Trouble::default() };
        let found = of(&host, &lua("5.4"), Era::Decode, "cjson", &hidden);
        assert_eq!(found.unwrap(), Provider::Behind);
    }

    #[test]
    fn blocking_files_are_renamed_except_debians() {
        let path = PathBuf::from("/usr/local/lib/lua/5.4/cjson.so");
        let host = FakeHost::new().file("/usr/local/lib/lua/5.4/cjson.so", "of another Lua").answers(|_| output(1, ""));
        let changes = move_aside(&host, std::slice::from_ref(&path)).unwrap();
        for change in &changes {
            change.apply(&host).unwrap();
        }
        assert!(!host.exists(&path).unwrap());
        let aside = PathBuf::from("/usr/local/lib/lua/5.4/cjson.so.set-aside-by-jitsi-tokens-setup");
        assert_eq!(host.read(&aside).unwrap().unwrap(), b"of another Lua");
        let debians = FakeHost::new()
            .file("/usr/lib/prosody/x.lua", "")
            .answers(|_| output(0, "prosody: /usr/lib/prosody/x.lua\n"));
        let error = move_aside(&debians, &["/usr/lib/prosody/x.lua".into()]).unwrap_err();
        assert!(error.to_string().contains("belongs to the package prosody"));
    }

    #[test]
    fn untrusted_files_and_older_copies_are_untouched() {
        let folder = "/var/lib/prosody/custom_plugins/share/lua/5.4";
        let path = PathBuf::from(format!("{folder}/basexx.lua"));
        let host = FakeHost::new()
            .file(&path.to_string_lossy(), "")
            .file("/etc/passwd", "prosody:x:104:107::/:\n")
            .access("/var/lib/prosody", 0o750, 104, 107)
            .file("/usr/local/lib/lua/5.4/cjson.so", "")
            .linked("/usr/local/lib/lua/5.4/cjson.so.set-aside-by-jitsi-tokens-setup", "/etc/shadow")
            .answers(|_| output(1, ""));
        let error = move_aside(&host, std::slice::from_ref(&path)).unwrap_err();
        let obstacle: Obstacle = error.downcast().unwrap();
        assert_eq!(
            obstacle.why,
            format!(
                "{folder}/basexx.lua hides a module that Prosody needs, and is in the directory {folder}, \
                 which the user prosody can write to"
            )
            .replace(&format!("directory {folder},"), "directory /var/lib/prosody,")
        );
        assert!(obstacle.fix.contains(&format!("rm {folder}/basexx.lua")), "{}", obstacle.fix);
        let error = move_aside(&host, &[folder.into()]).unwrap_err();
        let obstacle: Obstacle = error.downcast().unwrap();
        assert!(obstacle.fix.contains(&format!("mv {folder} /root/")), "{}", obstacle.fix);
        let error = move_aside(&host, &["/usr/local/lib/lua/5.4/cjson.so".into()]).unwrap_err();
        assert!(error.to_string().contains("already exists"), "{error}");
    }
}
