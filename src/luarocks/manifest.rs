//! Which files luarocks has recorded for a rock. luarocks 2.4 cannot repair a rock with a missing file: it refuses to
//! remove it, and installs the new copy under another name, because the missing one is still recorded.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::debian::dpkg;
use crate::host::Host;
use crate::lua::lexer::{Lexer, TokenKind};
use crate::luarocks::trees::{LIBRARIES, LISTS, SOURCES};

/// Where the installed luarocks lists its rocks: in one folder before 3.0, in one per Lua version since. The old folder
/// outlives an upgrade of Debian, but nothing reads it any more.
fn folder(host: &dyn Host, lua: &str) -> Result<PathBuf> {
    let packages = dpkg::packages(host)?;
    let shared = packages.get("luarocks").is_some_and(|package| package.version.starts_with("2."));
    let name = if shared { "rocks".to_owned() } else { format!("rocks-{lua}") };
    Ok(Path::new(LISTS).join(name))
}

/// The listed versions of a rock with missing files, and those files.
pub fn broken(host: &dyn Host, lua: &str, rock: &str) -> Result<Vec<(String, Vec<PathBuf>)>> {
    let mut found = Vec::new();
    let folder = folder(host, lua)?.join(rock);
    // The folder's name becomes a command-line argument.
    for version in host.list(&folder)?.into_iter().filter(|name| name.starts_with(|c: char| c.is_ascii_alphanumeric()))
    {
        let Some(manifest) = host.read(&folder.join(&version).join("rock_manifest"))? else {
            continue;
        };
        let mut missing = Vec::new();
        for file in files(&manifest, lua) {
            if !host.exists(&file)? {
                missing.push(file);
            }
        }
        if !missing.is_empty() {
            found.push((version, missing));
        }
    }
    Ok(found)
}

/// The manifest is Lua: `rock_manifest = { lua = { ["basexx.lua"] = "MD5", dir = { … } }, lib = { … } }`.
fn files(manifest: &[u8], lua: &str) -> Vec<PathBuf> {
    let mut lexer = Lexer::new(manifest);
    let (mut path, mut name, mut after_equals) = (Vec::<String>::new(), String::new(), false);
    let mut found = Vec::new();
    while let Ok(token) = lexer.token() {
        let text = String::from_utf8_lossy(&manifest[token.start..token.end]);
        match (token.kind, text.as_ref()) {
            (TokenKind::End, _) => break,
            (TokenKind::Symbol, "=") => after_equals = true,
            (TokenKind::Symbol, "{") => {
                path.push(std::mem::take(&mut name));
                after_equals = false;
            }
            (TokenKind::Symbol, "}") => {
                path.pop();
            }
            (TokenKind::Text, _) if after_equals => {
                found.extend(deployed(&path, &name, lua));
                after_equals = false;
            }
            (TokenKind::Text | TokenKind::Name, word) => word.trim_matches(['"', '\'']).clone_into(&mut name),
            _ => {}
        }
    }
    found
}

/// Where a file of the manifest is installed; none for documentation and the like.
fn deployed(path: &[String], name: &str, lua: &str) -> Option<PathBuf> {
    let [_, kind, below @ ..] = path else {
        return None;
    };
    let root = match kind.as_str() {
        "lua" => SOURCES,
        "lib" => LIBRARIES,
        _ => return None,
    };
    let mut full = Path::new(root).join(lua);
    for part in below.iter().map(String::as_str).chain([name]) {
        // Rocks come from somebody else's server, and every missing file is replaced by a stand-in.
        if part.is_empty() || part == "." || part == ".." || part.contains('/') {
            return None;
        }
        full.push(part);
    }
    Some(full)
}

/// Whether a rock tree's manifest lists this rock: `repository = { basexx = { ["0.4.1-1"] = { … } } }`.
pub fn lists(manifest: &[u8], rock: &str, version: &str) -> bool {
    let mut lexer = Lexer::new(manifest);
    let (mut path, mut name) = (Vec::<String>::new(), String::new());
    while let Ok(token) = lexer.token() {
        let text = String::from_utf8_lossy(&manifest[token.start..token.end]);
        match (token.kind, text.as_ref()) {
            (TokenKind::End, _) => break,
            (TokenKind::Symbol, "{") => {
                path.push(std::mem::take(&mut name));
                if path == ["repository", rock, version] {
                    return true;
                }
            }
            (TokenKind::Symbol, "}") => {
                path.pop();
            }
            (TokenKind::Text | TokenKind::Name, word) => word.trim_matches(['"', '\'']).clone_into(&mut name),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    #[test]
    fn missing_listed_files_are_found() {
        let manifest = "rock_manifest = {\n   [\"a-1.rockspec\"] = \"0f\",\n   lua = {\n      [\"a.lua\"] = \"1f\",\n      \
                        sub = {\n [\"b.lua\"] = \"2f\"\n }\n },\n lib = { [\"_a.so\"] = \"3f\" },\n doc = { x = \"4f\" }\n}\n";
        let on = |luarocks: &'static str| {
            FakeHost::new()
                .file("/usr/local/lib/luarocks/rocks/a/1-1/rock_manifest", manifest)
                .file("/usr/local/share/lua/5.2/a.lua", "")
                .answers(move |_| output(0, luarocks))
        };
        let missing = ["/usr/local/share/lua/5.2/sub/b.lua", "/usr/local/lib/lua/5.2/_a.so"].map(PathBuf::from);
        let old = on("luarocks\tii \t2.4.2+dfsg-1.1\n");
        assert_eq!(broken(&old, "5.2", "a").unwrap(), [("1-1".to_owned(), missing.to_vec())]);
        assert!(broken(&old, "5.2", "b").unwrap().is_empty());
        let option = old.file("/usr/local/lib/luarocks/rocks/a/--force/rock_manifest", manifest);
        assert_eq!(broken(&option, "5.2", "a").unwrap().len(), 1, "the name of a folder is not an option");
        // After an upgrade of Debian.
        let new = on("luarocks\tii \t3.8.0+dfsg1-1\n");
        assert!(broken(&new, "5.4", "a").unwrap().is_empty());
    }

    #[test]
    fn manifest_paths_outside_the_tree_are_ignored() {
        let manifest = b"rock_manifest = { lua = { [\"/etc/cron.d/x\"] = \"0f\", [\"..\"] = { [\"y.lua\"] = \"0f\" }, \
              [\"../../z.lua\"] = \"0f\", [\"a.lua\"] = \"0f\" } }";
        assert_eq!(files(manifest, "5.2"), [Path::new("/usr/local/share/lua/5.2/a.lua")]);
    }

    #[test]
    fn a_manifest_lists_the_rocks_of_its_repository() {
        let manifest =
            b"commands = {}\nmodules = {\n basexx = { \"luajwtjitsi/3.0-0\" }\n}\nrepository = {\n basexx = {\n \
            [\"0.4.1-1\"] = { { arch = \"installed\", commands = {}, dependencies = {} } }\n },\n [\"lua-cjson\"] = \
            { [\"2.1.0-1\"] = {} }\n}\n";
        assert!(lists(manifest, "basexx", "0.4.1-1"));
        assert!(lists(manifest, "lua-cjson", "2.1.0-1"));
        assert!(!lists(manifest, "basexx", "2.1.0-1"));
        assert!(!lists(manifest, "luajwtjitsi", "3.0-0"));
        assert!(!lists(b"", "basexx", "0.4.1-1"));
    }
}
