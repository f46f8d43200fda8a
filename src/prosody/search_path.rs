//! Where Prosody's Lua looks for modules, as root works it out: from the interpreter before it loads any, from the
//! unit's variables, and from what Prosody puts before and after those. What a module says about it does not count.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::host::Host;
use crate::host::command::Command;
use crate::host::ownership::{changeable_or_target, others_place};
use crate::prosody::interpreter::Interpreter;

/// Where Debian keeps Prosody's data, including what `prosodyctl install` installs.
const DATA: &str = "/var/lib/prosody";

/// Lua's templates for file names, with a `?` for the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPath {
    /// Those for Lua files (`package.path`).
    lua: Vec<String>,
    /// Those for libraries (`package.cpath`).
    libraries: Vec<String>,
}

/// Asks the interpreter for its own paths. Runs as root, since only root can change it, and loads nothing.
pub fn question(lua: &Interpreter) -> Command {
    let script = "io.write(_VERSION, '\\n', package.path, '\\n', package.cpath, '\\n')";
    let query = Command::query(lua.path.display().to_string()).args(["-e", script]).lasting();
    // LUA_INIT is left out: it is code.
    let paths = lua.env.iter().filter(|(name, _)| name.starts_with("LUA_PATH") || name.starts_with("LUA_CPATH"));
    paths.fold(query, |query, (name, value)| query.env(name, value))
}

impl SearchPath {
    /// The interpreter's version, and its own two paths.
    pub fn ask(host: &dyn Host, lua: &Interpreter) -> Result<(String, Self)> {
        let output = host.run(&question(lua))?;
        let mut lines = output.stdout.lines();
        let mut line = || {
            lines.next().filter(|_| output.ok()).with_context(|| {
                let path = lua.path.display();
                format!("cannot get the module search path of {path}, which runs Prosody")
            })
        };
        let version = line()?;
        let version = version.strip_prefix("Lua ").unwrap_or_default().to_owned();
        let (files, libraries) = (templates(line()?), templates(line()?));
        Ok((version, Self { lua: files, libraries }))
    }

    /// The daemon's search paths.
    pub fn of(host: &dyn Host, lua: &Interpreter) -> Result<Self> {
        let (_, own) = Self::ask(host, lua)?;
        let (sources, version) = (lua.sources.display(), &lua.version);
        let mut all = Self { lua: vec![format!("{sources}/?.lua")], libraries: vec![format!("{sources}/?.so")] };
        all.lua.extend(own.lua);
        all.libraries.extend(own.libraries);
        // luarocks' loader comes before everything else, and finds the rocks in the home of Prosody's user.
        if all.first(host, "luarocks.loader")?.is_some() {
            let home = lua.account.home.display();
            let tree = format!("{home}/.luarocks/share/lua/{version}");
            all.lua.splice(0..0, [format!("{tree}/?.lua"), format!("{tree}/?/init.lua")]);
            all.libraries.insert(0, format!("{home}/.luarocks/lib/lua/{version}/?.so"));
        }
        let tree = format!("{DATA}/custom_plugins/share/lua/{version}");
        all.lua.extend([format!("{tree}/?.lua"), format!("{tree}/?/init.lua")]);
        all.libraries.push(format!("{DATA}/custom_plugins/lib/lua/{version}/?.so"));
        Ok(all)
    }

    /// The files that Lua would load this module from, in order, each if all before it were missing. Lua takes anything
    /// it can open as the module's file, even a folder or a pipe. Nothing is opened here.
    pub fn candidates(&self, host: &dyn Host, module: &str) -> Result<Vec<PathBuf>> {
        let mut found: Vec<PathBuf> = Vec::new();
        for path in self.places(module) {
            if !found.contains(&path) && is_there(host, &path) {
                found.push(path);
            }
        }
        Ok(found)
    }

    /// The places in folders that exist.
    pub fn existing(&self, host: &dyn Host) -> Result<Self> {
        let folders = self.folders(host)?;
        let there = |templates: &[String]| -> Vec<String> {
            let of = |place: &&String| folder(place).is_some_and(|found| folders.contains(&found));
            templates.iter().filter(of).cloned().collect()
        };
        Ok(Self { lua: there(&self.lua), libraries: there(&self.libraries) })
    }

    /// The places in folders that only root can write to, and those that other users can write to as well.
    pub fn split(&self, host: &dyn Host) -> Result<(Self, Self)> {
        let (mut roots, mut others) = (Self::default(), Self::default());
        for template in &self.lua {
            let path = if is_root_only(host, template)? { &mut roots } else { &mut others };
            path.lua.push(template.clone());
        }
        for template in &self.libraries {
            let path = if is_root_only(host, template)? { &mut roots } else { &mut others };
            path.libraries.push(template.clone());
        }
        Ok((roots, others))
    }

    /// The first place in these trees that users other than root can change.
    pub fn others_place(&self, host: &dyn Host) -> Option<PathBuf> {
        let folders = self.lua.iter().chain(&self.libraries).filter_map(|place| folder(place));
        folders.filter_map(|folder| others_place(host, &folder).ok().flatten()).map(|(place, _)| place).next()
    }

    /// The places in trees where only root can change anything.
    pub fn closed(&self, host: &dyn Host) -> Self {
        let mut known = BTreeMap::new();
        let mut is_closed = |place: &&String| {
            let Some(folder) = folder(place) else {
                return false;
            };
            *known.entry(folder).or_insert_with_key(|folder| {
                // Debian's own trees are managed by dpkg, file by file, and large.
                let is_from_debian = ["/usr/share/lua", "/usr/lib"].iter().any(|tree| folder.starts_with(tree));
                is_from_debian || matches!(others_place(host, folder), Ok(None))
            })
        };
        let lua = self.lua.iter().filter(&mut is_closed).cloned().collect();
        Self { lua, libraries: self.libraries.iter().filter(&mut is_closed).cloned().collect() }
    }

    /// The existing folders of these places, each once.
    pub fn folders(&self, host: &dyn Host) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for folder in self.lua.iter().chain(&self.libraries).filter_map(|place| folder(place)) {
            if !found.contains(&folder) && is_there(host, &folder) {
                found.push(folder);
            }
        }
        Ok(found)
    }

    /// The variables that make the load test look here and nowhere else.
    pub fn variables(&self) -> [(String, String); 2] {
        [("ONLY_PATH".to_owned(), self.lua.join(";")), ("ONLY_CPATH".to_owned(), self.libraries.join(";"))]
    }

    /// Every path where Lua would look for a module, existing or not; empty for an invalid module name.
    pub fn places(&self, module: &str) -> Vec<PathBuf> {
        if !is_module_name(module) {
            return Vec::new();
        }
        let at = |templates: &[String], module: &str| -> Vec<PathBuf> {
            let file = module.replace('.', "/");
            let paths = templates.iter().map(|template| template.replace('?', &file));
            paths.map(PathBuf::from).collect()
        };
        let mut places = at(&self.lua, module);
        places.extend(at(&self.libraries, module));
        // A library may hold all modules below its name: cjson.so has cjson.safe too.
        if let Some((family, _)) = module.split_once('.') {
            places.extend(at(&self.libraries, family));
        }
        places
    }

    fn first(&self, host: &dyn Host, module: &str) -> Result<Option<PathBuf>> {
        Ok(self.candidates(host, module)?.into_iter().next())
    }
}

/// The folder that a place is in, whatever the module's name.
fn folder(place: &str) -> Option<PathBuf> {
    let (before, _) = place.split_once('?')?;
    let (folder, _) = before.rsplit_once('/')?;
    Some(PathBuf::from(if folder.is_empty() { "/" } else { folder }))
}

/// Whether something exists. A path through another user's link counts as existing: they can change where it leads.
fn is_there(host: &dyn Host, path: &Path) -> bool {
    host.exists(path).unwrap_or(true)
}

/// Whether only root can put a file into the folder of this place. Not so if it is missing: others may create it.
fn is_root_only(host: &dyn Host, place: &str) -> Result<bool> {
    match folder(place) {
        // If anybody else can write to the root folder, everything is lost anyway.
        Some(folder) if folder == Path::new("/") => Ok(true),
        // An error means that it leads through another user's link.
        Some(folder) => Ok(is_there(host, &folder) && matches!(changeable_or_target(host, &folder), Ok(None))),
        None => Ok(false),
    }
}

/// Whether this is a valid module name, such as `openssl.hmac`: it becomes part of paths.
pub fn is_module_name(name: &str) -> bool {
    let word = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        !part.is_empty() && part.chars().all(plain)
    };
    name.len() <= 100 && name.split('.').all(word)
}

/// The templates in a search path. Relative ones mean different places to different processes, so they do not count.
fn templates(path: &str) -> Vec<String> {
    let usable =
        |template: &&str| template.starts_with('/') && template.contains('?') && !template.contains(char::is_control);
    path.split(';').filter(usable).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    fn lua() -> Interpreter {
        let env = vec![("LUA_PATH_5_4".into(), "/srv/?.lua;;".into()), ("LUA_INIT".into(), "@/tmp/x.lua".into())];
        Interpreter { env, ..Interpreter::debians("5.4") }
    }

    fn machine() -> FakeHost {
        FakeHost::new().answers(|command| {
            assert_eq!(command.env, [("LUA_PATH_5_4".into(), "/srv/?.lua;;".into())]);
            assert_eq!(command.user, None);
            output(0, "Lua 5.4\n/srv/?.lua;./?.lua;/usr/share/lua/5.4/?.lua\n/usr/lib/lua/5.4/?.so;?\n")
        })
    }

    fn candidates(host: &FakeHost, module: &str) -> Vec<String> {
        let path = SearchPath::of(host, &lua()).unwrap();
        let found = path.candidates(host, module).unwrap();
        found.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn candidates_are_in_luas_search_order() {
        let host = machine()
            .file("/usr/lib/lua/5.4/cjson.so", "")
            .file("/usr/share/lua/5.4/cjson/safe.lua", "")
            .file("/var/lib/prosody/custom_plugins/share/lua/5.4/cjson/safe.lua", "")
            .file("/var/lib/prosody/.luarocks/share/lua/5.4/cjson/safe.lua", "")
            .file("/usr/lib/prosody/cjson/safe.lua", "");
        let own = [
            "/usr/lib/prosody/cjson/safe.lua",
            "/usr/share/lua/5.4/cjson/safe.lua",
            "/var/lib/prosody/custom_plugins/share/lua/5.4/cjson/safe.lua",
            "/usr/lib/lua/5.4/cjson.so",
        ];
        assert_eq!(candidates(&host, "cjson.safe"), own);
        let host = host.file("/usr/share/lua/5.4/luarocks/loader.lua", "");
        let rock = "/var/lib/prosody/.luarocks/share/lua/5.4/cjson/safe.lua";
        assert_eq!(candidates(&host, "cjson.safe"), [&[rock][..], &own[..]].concat());
    }

    /// Prosody's user can put anything there. Lua opens it and gets no module, so it hides the good copy behind it.
    #[test]
    fn directories_are_candidates_too() {
        let host = machine().file("/srv/inspect.lua/below", "").file("/usr/share/lua/5.4/inspect.lua", "");
        assert_eq!(candidates(&host, "inspect"), ["/srv/inspect.lua", "/usr/share/lua/5.4/inspect.lua"]);
    }

    #[test]
    fn invalid_module_names_have_no_candidates() {
        let host = machine().file("/etc/passwd.lua", "").file("/usr/share/lua/5.4/.lua", "");
        for name in ["../../../../etc/passwd", "/etc/passwd", "", ".", "a..b", "a\tb", "a\nb", "?", "a;b"] {
            assert!(candidates(&host, name).is_empty(), "{name}");
        }
    }
}
