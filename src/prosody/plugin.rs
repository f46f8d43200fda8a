//! Jitsi's installed token plugins: which JWT function they call and which modules they require, read from their own
//! files. What the plugins do counts, not a package's version.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::host::Host;
use crate::host::ownership::changeable_or_target;
use crate::lua::requires::{RequireKind, calls_on, requires};
use crate::prosody::era::Era;
use crate::prosody::interpreter::Interpreter;

/// Where Jitsi's packages install their plugins.
pub const FOLDER: &str = "/usr/share/jitsi-meet/prosody-plugins/";

/// The modules that Prosody loads for token authentication.
const ENTRANCES: [&str; 2] = ["auth_token", "token_verification"];

/// The module that tells the eras apart.
const JWT: &str = "luajwtjitsi";

/// How many files are read at most; Jitsi's plugins have a dozen.
const MAX_FILES: usize = 200;

/// Why the plugins could not be read, as the end of a sentence about them or a sentence of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// There are none, or none that this program understands.
    Unknown(String),
    /// Users other than root can change one of their files, so they are not read.
    Shared(String),
}

/// What the installed plugins need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Their generation.
    pub era: Era,
    /// The file and line that showed it.
    pub era_source: String,
    /// The Lua modules that they require, except Prosody's own, in alphabetical order.
    pub modules: BTreeSet<String>,
    /// Their files.
    pub files: BTreeSet<PathBuf>,
}

/// Reads the plugins that Prosody loads from `paths`. `Ok(Err(..))` tells the operator why they could not be read.
pub fn read(host: &dyn Host, lua: &Interpreter, paths: &[PathBuf]) -> Result<Result<Plugin, Unread>> {
    let mut reader = Reader {
        host,
        lua,
        paths,
        waiting: Vec::new(),
        found: Plugin { era: Era::Decode, era_source: String::new(), modules: BTreeSet::new(), files: BTreeSet::new() },
        calls: Vec::new(),
    };
    for module in ENTRANCES {
        match reader.find(module, &format!("mod_{module}.lua"))? {
            Some(path) => reader.waiting.push((module.to_owned(), path)),
            None => {
                let path = Path::new(FOLDER).join(format!("mod_{module}.lua"));
                let why = format!("Jitsi's token plugin {} does not exist", path.display());
                return Ok(Err(Unread::Unknown(why)));
            }
        }
    }
    while let Some((module, path)) = reader.waiting.pop() {
        if reader.found.files.insert(path.clone()) {
            if let Err(error) = reader.file(&module, &path)? {
                return Ok(Err(error));
            }
        }
    }
    let judged = judge(&reader.calls).map_err(Unread::Unknown);
    Ok(judged.map(|(era, era_source)| Plugin { era, era_source, ..reader.found }))
}

/// How a plugin gets `luajwtjitsi`, and what it calls in it.
enum Use {
    /// It ships its own.
    Bundled,
    /// It requires the rock.
    Required,
    /// It calls this function with this many arguments.
    Called(String, usize),
}

struct Reader<'a> {
    host: &'a dyn Host,
    lua: &'a Interpreter,
    paths: &'a [PathBuf],
    /// Files to read, each with the Prosody module that it belongs to.
    waiting: Vec<(String, PathBuf)>,
    found: Plugin,
    /// Every use of `luajwtjitsi`, with file and line.
    calls: Vec<(Use, String)>,
}

impl Reader<'_> {
    fn file(&mut self, module: &str, path: &Path) -> Result<Result<(), Unread>> {
        if self.found.files.len() > MAX_FILES {
            let why = format!("the token plugins have too many files (limit: {MAX_FILES})");
            return Ok(Err(Unread::Unknown(why)));
        }
        // Root fetches and installs what the plugins require, so nobody else may decide what that is.
        if let Some(why) = changeable_or_target(self.host, path)? {
            let why = format!("{}, a file of Jitsi's token plugin, {why}", path.display());
            return Ok(Err(Unread::Shared(why)));
        }
        let source = self.host.read(path)?.with_context(|| format!("{} vanished", path.display()))?;
        let place = |line: usize| format!("{}:{line}", path.display());
        let (requires, calls) = match requires(&source).and_then(|requires| {
            let calls = calls_on(&source, JWT)?;
            Ok((requires, calls))
        }) {
            Ok(read) => read,
            Err(error) => {
                return Ok(Err(Unread::Unknown(format!("{}: {error}", place(error.line())))));
            }
        };
        for require in requires {
            let at = place(require.line);
            match require.kind {
                RequireKind::Lua if ships_with_prosody(self.host, self.lua, &require.name)? => {}
                RequireKind::Lua => {
                    if require.name == JWT {
                        self.calls.push((Use::Required, at));
                    }
                    self.found.modules.insert(require.name);
                }
                RequireKind::ModuleLib => {
                    let name = format!("{}.lib.lua", require.name);
                    let Some(path) = self.find(module, &name)? else {
                        return Ok(Err(Unread::Unknown(format!("{at}: {name} is required but does not exist"))));
                    };
                    if require.name == JWT {
                        self.calls.push((Use::Bundled, at));
                    }
                    self.waiting.push((module.to_owned(), path));
                }
                // A module that is not found here is Prosody's own.
                RequireKind::Depends => {
                    let path = self.find(&require.name, &format!("mod_{}.lua", require.name))?;
                    self.waiting.extend(path.map(|path| (require.name, path)));
                }
            }
        }
        let calls = calls.into_iter();
        self.calls.extend(calls.map(|call| (Use::Called(call.function, call.args), place(call.line))));
        Ok(Ok(()))
    }

    /// Where Prosody finds a file of a module: path by path, in a folder of the module's own or directly in the path.
    fn find(&self, module: &str, name: &str) -> Result<Option<PathBuf>> {
        for path in self.paths {
            let folders = [format!("mod_{module}/{module}"), format!("mod_{module}"), module.to_owned(), String::new()];
            for folder in folders {
                let file = path.join(folder).join(name);
                if self.host.exists(&file)? {
                    return Ok(Some(file));
                }
            }
        }
        Ok(None)
    }
}

/// Whether a module ships with Prosody, such as `util.jid`.
fn ships_with_prosody(host: &dyn Host, lua: &Interpreter, module: &str) -> Result<bool> {
    let first = module.split('.').next().unwrap_or_default();
    if ["util", "net", "core", "prosody"].contains(&first) {
        return Ok(true);
    }
    host.exists(&lua.sources.join(format!("{}.lua", module.replace('.', "/"))))
}

/// The era that all uses agree on, and the first place that shows it.
fn judge(uses: &[(Use, String)]) -> Result<(Era, String), String> {
    if let Some((_, place)) = uses.iter().find(|(used, _)| matches!(used, Use::Bundled)) {
        return Ok((Era::Bundled, place.clone()));
    }
    let mut told: Option<(Era, &String)> = None;
    for (used, place) in uses {
        let Use::Called(function, args) = used else {
            continue;
        };
        let era = match (function.as_str(), args) {
            ("decode", _) => Era::Decode,
            ("verify", 5) => Era::Verify,
            ("verify", _) => {
                return Err(format!(
                    "{place}: the plugin calls luajwtjitsi's verify with {args} arguments; only five are supported"
                ));
            }
            _ => continue,
        };
        match told {
            Some((known, first)) if known != era => {
                return Err(format!(
                    "{place}: the plugin calls both decode and verify of luajwtjitsi (see also {first}); only one is \
                     supported"
                ));
            }
            Some(_) => {}
            None => told = Some((era, place)),
        }
    }
    match (told, uses.first()) {
        (Some((era, place)), _) => Ok((era, place.clone())),
        (None, Some((_, place))) => Err(format!("{place}: the plugin uses luajwtjitsi in an unsupported way")),
        (None, None) => Err(format!("no file of the token plugins in {FOLDER} uses luajwtjitsi")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    fn lua() -> Interpreter {
        Interpreter::debians("5.2")
    }

    fn files(folder: &str, util: &str) -> FakeHost {
        let file = |name: &str| format!("{folder}{name}");
        FakeHost::new()
            .file(&file("mod_auth_token.lua"), "local t = module:require \"token/util\".new(module)\n")
            .file(&file("mod_token_verification.lua"), "local t = module:require 'token/util'\n")
            .file(&file("token/util.lib.lua"), util)
    }

    fn plugins(util: &str) -> Result<Plugin, Unread> {
        let host = files(FOLDER, util).file(&format!("{FOLDER}luajwtjitsi.lib.lua"), "");
        read(&host, &lua(), &[FOLDER.into()]).unwrap()
    }

    #[test]
    fn the_call_decides_the_era() {
        let plugin = plugins(
            "local jwt = require \"luajwtjitsi\"\nrequire \"util.jid\"\nrequire \"basexx\"\njwt.decode(a, b, true)\n",
        );
        let plugin = plugin.unwrap();
        assert_eq!(plugin.era, Era::Decode);
        assert_eq!(plugin.era_source, format!("{FOLDER}token/util.lib.lua:4"));
        assert_eq!(plugin.modules.iter().map(String::as_str).collect::<Vec<_>>(), ["basexx", "luajwtjitsi"]);
        let era = |text: &str| plugins(text).unwrap().era;
        assert_eq!(era("local jwt = require 'luajwtjitsi'\njwt.verify(t, a, k, i, u)\n"), Era::Verify);
        assert_eq!(era("local jwt = module:require 'luajwtjitsi'\njwt.verify(t, a, k, i, u)\n"), Era::Bundled);
    }

    #[test]
    fn unknown_plugins_are_refused_with_the_line() {
        for (text, line) in [
            ("local jwt = require 'luajwtjitsi'\njwt.verify(t, a)\n", 2),
            ("\nlocal jwt = require 'luajwtjitsi'\njwt.inspect(t, a)\n", 2),
            ("local jwt = require 'luajwtjitsi'\njwt.decode(t, a)\njwt.verify(t, a, k, i, u)\n", 3),
            ("\n\nx = 'y\n", 3),
            ("\nmodule:require 'gone'\n", 2),
        ] {
            let Unread::Unknown(why) = plugins(text).unwrap_err() else { panic!("not read") };
            let place = format!("{FOLDER}token/util.lib.lua:{line}: ");
            assert!(why.starts_with(&place), "{why}");
        }
        assert!(plugins("").is_err());
        let none = read(&FakeHost::new(), &lua(), &[FOLDER.into()]).unwrap().unwrap_err();
        assert!(matches!(none, Unread::Unknown(why) if why.contains("does not exist")));
    }

    /// The plugins name the rocks that root installs.
    #[test]
    fn a_file_that_others_can_change_is_not_read() {
        for (file, why) in [
            ("/opt/plugins/token/util.lib.lua", "can be changed by the user prosody"),
            (
                "/var/lib/prosody/plugins/token/util.lib.lua",
                "is in the directory /var/lib/prosody, which the user prosody can write to",
            ),
            (
                "/srv/plugins/token/util.lib.lua",
                "is in the directory /var/lib/prosody, which the user prosody can \
                write to",
            ),
        ] {
            let folder = file.strip_suffix("token/util.lib.lua").unwrap();
            let host = FakeHost::new()
                .file("/etc/passwd", "prosody:x:104:107::/:\n")
                .file(&format!("{folder}mod_auth_token.lua"), "module:require 'token/util'")
                .file(&format!("{folder}mod_token_verification.lua"), "module:require 'token/util'")
                .file("/opt/plugins/token/util.lib.lua", "this is no Lua at all")
                .access("/opt/plugins/token/util.lib.lua", 0o644, 104, 107)
                .file("/var/lib/prosody/plugins/token/util.lib.lua", "this is no Lua at all")
                .access("/var/lib/prosody", 0o750, 104, 107)
                .linked("/srv/plugins/token/util.lib.lua", "/var/lib/prosody/plugins/token/util.lib.lua");
            let refused = read(&host, &lua(), &[folder.into()]).unwrap().unwrap_err();
            let Unread::Shared(said) = refused else { panic!("{refused:?}") };
            assert!(said.ends_with(why), "{said}");
        }
    }

    #[test]
    fn endless_plugin_chains_are_refused() {
        let chain = |host: FakeHost, at: usize| {
            host.file(&format!("{FOLDER}part{at}.lib.lua"), format!("module:require 'part{}'", at + 1))
        };
        let host = (0..=MAX_FILES).fold(files(FOLDER, "module:require 'part0'"), chain);
        let why = read(&host, &lua(), &[FOLDER.into()]).unwrap().unwrap_err();
        assert!(matches!(why, Unread::Unknown(why) if why.contains("limit: 200")));
    }

    #[test]
    fn the_first_plugin_path_wins() {
        let host = files(FOLDER, "local j = require 'luajwtjitsi'; j.decode(t, k, true)")
            .file("/opt/plugins/mod_auth_token/mod_auth_token.lua", "module:require 'token/util'")
            .file("/opt/plugins/token/util.lib.lua", "local j = require 'luajwtjitsi'; j.verify(t, a, k, i, u)");
        let paths = ["/opt/plugins".into(), FOLDER.into()];
        let plugin = read(&host, &lua(), &paths).unwrap().unwrap();
        assert_eq!(plugin.era, Era::Verify);
        assert_eq!(plugin.era_source, "/opt/plugins/token/util.lib.lua:1");
    }
}
