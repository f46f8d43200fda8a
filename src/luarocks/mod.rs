//! luarocks, told which Lua to build for: by itself it uses another version than Prosody's on most releases.

pub mod fork_commit;
pub mod manifest;
pub mod rockspec;
pub mod trees;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::engine::change::Change;
use crate::engine::step::Obstacle;
use crate::engine::watch::Watch;
use crate::host::command::{Brings, Command};
use crate::host::ownership::others_place;
use crate::host::{Access, Host};
use crate::luarocks::manifest::broken;
use crate::luarocks::trees::{LIBRARIES, LISTS, SOURCES, Trees};
use crate::prosody::interpreter::Interpreter;

/// How long a download and a compilation may take.
const LIMIT: Duration = Duration::from_secs(900);

/// A rock to install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rock {
    /// Its name.
    pub name: &'static str,
    /// The version to install; the newest if none.
    pub version: Option<&'static str>,
    /// The modules that are needed from it.
    pub modules: &'static [&'static str],
    /// The Debian package that ships them, for the Lua versions that it supports.
    pub package: Option<&'static str>,
    /// Whether it is pure Lua.
    pub pure: bool,
}

/// The rocks of the common how-to (docs/speed.md): what the decode era needs besides luajwtjitsi itself.
pub const DECODE_CLOSURE: [Rock; 4] = [
    Rock { name: "basexx", version: None, modules: &["basexx"], package: Some("lua-basexx"), pure: true },
    Rock {
        name: "luaossl",
        version: None,
        modules: &["openssl.digest", "openssl.hmac", "openssl.pkey", "openssl.rand"],
        package: Some("lua-luaossl"),
        pure: false,
    },
    // Pinned because of https://github.com/mpx/lua-cjson/issues/56.
    Rock {
        name: "lua-cjson",
        version: Some("2.1.0"),
        modules: &["cjson", "cjson.safe"],
        package: Some("lua-cjson"),
        pure: false,
    },
    Rock { name: "lbase64", version: None, modules: &["base64"], package: None, pure: false },
];

/// What newer plugins also require.
const INSPECT: Rock =
    Rock { name: "inspect", version: None, modules: &["inspect"], package: Some("lua-inspect"), pure: true };

/// The modules that luajwtjitsi 3.0-0 requires.
pub const VERIFY_CLOSURE: [&str; 5] = ["basexx", "cjson.safe", "openssl.digest", "openssl.hmac", "openssl.pkey"];

/// The rock that provides a module. Names match by their first part, so `openssl.bignum` is found with its siblings.
pub fn known(module: &str) -> Option<&'static Rock> {
    const ALL: [&Rock; 5] = [&DECODE_CLOSURE[0], &DECODE_CLOSURE[1], &DECODE_CLOSURE[2], &DECODE_CLOSURE[3], &INSPECT];
    let family = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    ALL.into_iter().find(|rock| rock.modules.iter().any(|known| family(known) == family(module)))
}

/// Where luarocks installs the programs of rocks. Much else may be there, so only the programs of our rocks are
/// watched.
const PROGRAMS: &str = "/usr/local/bin";

/// The programs of our rocks: both are lua-cjson's.
const ROCK_PROGRAMS: [&str; 2] = ["json2lua", "lua2json"];

/// Whether this is a rock's program, or the name that luarocks gives to another program that was in its place.
pub fn is_program(path: &Path) -> bool {
    programs().any(|program| program == path)
}

fn programs() -> impl Iterator<Item = PathBuf> {
    ROCK_PROGRAMS.iter().flat_map(|name| {
        let path = Path::new(PROGRAMS).join(name);
        [path.with_file_name(format!("{name}~")), path]
    })
}

/// Everything that a run of luarocks touches.
pub fn watches() -> Vec<Watch> {
    Trees::watches().chain(programs().map(|path| Watch::file(&path))).collect()
}

/// luarocks run by this interpreter. Called by its full path: 2.4 ignores `--lua-version`, and 3.8 does not find a bare
/// name. It runs as root, executes the manifests that it finds and writes through any link in its way, so only root may
/// be able to change its trees.
fn luarocks(host: &dyn Host, lua: &Interpreter) -> Result<Command> {
    for tree in [format!("{LIBRARIES}/{}", lua.version), format!("{SOURCES}/{}", lua.version), LISTS.to_owned()] {
        if let Some((folder, why)) = others_place(host, Path::new(&tree))? {
            let folder = folder.display();
            bail!(Obstacle {
                why: format!("luarocks installs to {folder}, which {why}"),
                fix: format!(
                    "let only root write there (chown root {folder}; chmod go-w {folder}), then run this again"
                ),
            });
        }
    }
    Ok(Command::mutate(format!("/usr/bin/lua{}", lua.version)).arg("/usr/bin/luarocks").timeout(LIMIT))
}

/// Installs one rock without its dependencies, which we install ourselves. From `server`, or luarocks' default.
///
/// # Errors
/// An [`Obstacle`] if users other than root can write where luarocks installs.
pub fn install(
    host: &dyn Host,
    lua: &Interpreter,
    server: Option<&str>,
    name: &str,
    version: Option<&str>,
) -> Result<Command> {
    let mut command = luarocks(host, lua)?.arg("install");
    if let Some(server) = server {
        command = command.arg(format!("--server={server}"));
    }
    command = command.args(["--deps-mode=none", name]);
    Ok(match version {
        Some(version) => command.arg(version),
        None => command,
    })
}

/// Removes a rock, even if something else needs it.
///
/// # Errors
/// An [`Obstacle`] if users other than root can write where luarocks removes files.
pub fn remove(host: &dyn Host, lua: &Interpreter, name: &str, version: &str) -> Result<Command> {
    Ok(luarocks(host, lua)?.args(["remove", "--force", name, version]))
}

/// The changes that install a rock of the closure.
pub fn provide(host: &dyn Host, lua: &Interpreter, server: Option<&str>, rock: &Rock) -> Result<Vec<Change>> {
    let brings = rock.modules.iter().map(|module| Brings::Module((*module).to_owned()));
    let command = install(host, lua, server, rock.name, rock.version)?.brings(brings);
    let mut changes = remove_broken_rock(host, lua, rock.name)?;
    changes.push(Change::run(command, watches()));
    Ok(changes)
}

/// Removes a rock that luarocks lists although some of its files are missing. luarocks only removes a complete rock, so
/// stand-ins are written first; they refuse to load, in case the run ends in between.
pub fn remove_broken_rock(host: &dyn Host, lua: &Interpreter, name: &str) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for (version, files) in broken(host, &lua.version, name)? {
        let access = Access::root(0o644);
        let stand_in = "error(\"this file was lost; run jitsi-tokens-setup install\")\n";
        changes.extend(files.into_iter().map(|file| Change::write(file, stand_in, access)));
        changes.push(Change::run(remove(host, lua, name, &version)?, watches()));
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn luarocks_is_not_run_in_trees_others_can_change() {
        let lua = Interpreter::debians("5.2");
        let machine = || {
            FakeHost::new()
                .file("/usr/local/share/lua/5.2/openssl/digest.lua", "")
                .file("/usr/local/share/lua/5.4/theirs/a.lua", "")
                .file("/usr/local/lib/luarocks/rocks-5.2/basexx/0.4.1-1/rock_manifest", "")
                .access("/usr/local/share/lua/5.4/theirs", 0o755, 104, 107)
        };
        let tried = |host: FakeHost| install(&host, &lua, None, "basexx", None).map(|command| command.display());
        // Another Lua's tree is not touched, and root creates one that does not exist yet.
        assert!(tried(machine()).is_ok());
        for folder in ["/usr/local/share/lua/5.2/openssl", "/usr/local/lib/luarocks/rocks-5.2/basexx", "/usr/local/lib"]
        {
            let error = tried(machine().access(folder, 0o755, 104, 107)).unwrap_err();
            let why = error.downcast::<Obstacle>().unwrap().why;
            assert!(why.contains(folder) && why.contains("the user 104"), "{why}");
        }
        // A link of root's to another user's file.
        let linked = machine().file("/srv/theirs.lua", "").access("/srv/theirs.lua", 0o644, 104, 107);
        assert!(tried(linked.linked("/usr/local/share/lua/5.2/a.lua", "/srv/theirs.lua")).is_err());
    }
}
