//! Jitsi's token plugins, as installed: which JWT function they call and which modules they need, read from their own
//! files. The plugin decides, not the version of a package.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::host::Host;
use crate::lua::requires::{RequireKind, calls_on, requires};
use crate::probe::Era;
use crate::prosody::interpreter::SOURCES;

/// Where Jitsi's packages put their plugins.
pub const FOLDER: &str = "/usr/share/jitsi-meet/prosody-plugins/";

/// The modules that Prosody loads for token authentication.
const ENTRANCES: [&str; 2] = ["mod_auth_token.lua", "mod_token_verification.lua"];

/// What the installed plugins need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// The generation.
    pub era: Era,
    /// The file and line that told it.
    pub told_by: String,
    /// The Lua modules that they require, Prosody's own left out, in alphabetical order.
    pub modules: BTreeSet<String>,
    /// Their files.
    pub files: BTreeSet<PathBuf>,
}

/// Reads the plugins. `Ok(Err(..))` when there are none, or none that are understood: the operator's to know.
pub fn read(host: &dyn Host) -> Result<Result<Plugin, String>> {
    let mut waiting: Vec<PathBuf> = ENTRANCES
        .iter()
        .map(|name| Path::new(FOLDER).join(name))
        .collect();
    if !host.exists(&waiting[0])? {
        return Ok(Err(format!(
            "Jitsi's token plugin {} is not there",
            waiting[0].display()
        )));
    }
    let (mut era, mut modules, mut files) = (None, BTreeSet::new(), BTreeSet::new());
    while let Some(path) = waiting.pop() {
        if files.contains(&path) {
            continue;
        }
        let Some(source) = host.read(&path)? else {
            bail!(
                "{} is required by Jitsi's plugins and not there",
                path.display()
            );
        };
        let wanted =
            requires(&source).with_context(|| format!("cannot read {}", path.display()))?;
        for require in wanted {
            match require.kind {
                RequireKind::Lua if is_prosodys(host, &require.name)? => {}
                RequireKind::Lua => drop(modules.insert(require.name)),
                RequireKind::ModuleLib => {
                    waiting.extend(beside(host, &format!("{}.lib.lua", require.name))?)
                }
                RequireKind::Depends => {
                    waiting.extend(beside(host, &format!("mod_{}.lua", require.name))?)
                }
            }
        }
        if era.is_none() {
            era = era_of(&path, &source)?;
        }
        files.insert(path);
    }
    Ok(match era {
        Some((era, told_by)) => Ok(Plugin {
            era,
            told_by,
            modules,
            files,
        }),
        None => Err(format!(
            "no file of Jitsi's plugins in {FOLDER} calls luajwtjitsi in a way that this program knows"
        )),
    })
}

/// A file among Jitsi's plugins; one that is not there is Prosody's own.
fn beside(host: &dyn Host, name: &str) -> Result<Option<PathBuf>> {
    let path = Path::new(FOLDER).join(name);
    Ok(host.exists(&path)?.then_some(path))
}

/// Prosody's own modules (`util.jid`) come with it.
fn is_prosodys(host: &dyn Host, module: &str) -> Result<bool> {
    let first = module.split('.').next().unwrap_or_default();
    if ["util", "net", "core"].contains(&first) {
        return Ok(true);
    }
    host.exists(&Path::new(SOURCES).join(format!("{}.lua", module.replace('.', "/"))))
}

fn era_of(path: &Path, source: &[u8]) -> Result<Option<(Era, String)>> {
    let bundled = requires(source)?
        .into_iter()
        .find(|require| require.kind == RequireKind::ModuleLib && require.name == "luajwtjitsi");
    if let Some(require) = bundled {
        return Ok(Some((
            Era::Bundled,
            format!("{}:{}", path.display(), require.line),
        )));
    }
    for call in calls_on(source, "luajwtjitsi")? {
        let place = format!("{}:{}", path.display(), call.line);
        match (call.function.as_str(), call.args) {
            ("decode", _) => return Ok(Some((Era::Decode, place))),
            ("verify", 5) => return Ok(Some((Era::Verify, place))),
            _ => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    fn plugins(util: &str) -> Result<Plugin, String> {
        let file = |name: &str| format!("{FOLDER}{name}");
        let host = FakeHost::new()
            .file(
                &file("mod_auth_token.lua"),
                "local t = module:require \"token/util\".new(module)\n",
            )
            .file(
                &file("mod_token_verification.lua"),
                "local t = module:require 'token/util'\n",
            )
            .file(&file("token/util.lib.lua"), util);
        read(&host).unwrap()
    }

    #[test]
    fn the_call_decides_the_era() {
        let plugin = plugins(
            "local jwt = require \"luajwtjitsi\"\nrequire \"util.jid\"\nrequire \"basexx\"\njwt.decode(a, b, true)\n",
        );
        let plugin = plugin.unwrap();
        assert_eq!(plugin.era, Era::Decode);
        assert_eq!(plugin.told_by, format!("{FOLDER}token/util.lib.lua:4"));
        assert_eq!(
            plugin
                .modules
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
            ["basexx", "luajwtjitsi"]
        );
        assert_eq!(
            plugins("local jwt = require 'luajwtjitsi'\njwt.verify(t, a, k, i, u)\n")
                .unwrap()
                .era,
            Era::Verify
        );
        assert_eq!(
            plugins("local jwt = module:require 'luajwtjitsi'\njwt.verify(t, a, k, i, u)\n")
                .unwrap()
                .era,
            Era::Bundled
        );
    }

    #[test]
    fn a_plugin_of_an_unknown_kind_is_not_guessed_at() {
        assert!(plugins("local jwt = require 'luajwtjitsi'\njwt.verify(t, a)\n").is_err());
        assert!(
            read(&FakeHost::new())
                .unwrap()
                .unwrap_err()
                .contains("is not there")
        );
    }
}
