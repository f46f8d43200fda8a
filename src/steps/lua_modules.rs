//! `lua-modules`: every other module that the token plugins require, directly or through their own files, loads.

use anyhow::Result;

use crate::change::Change;
use crate::command::Brings;
use crate::modules;
use crate::prosody::luarocks::{DECODE_CLOSURE, install, provide, watches};
use crate::step::{Check, Context};

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let test = modules::test(cx.host, site)?;
    let mut why = Vec::new();
    let mut changes: Vec<Change> = Vec::new();
    let mut rocks: Vec<&str> = Vec::new();
    for module in modules::wanted(site) {
        let Err(error) = test.loads(cx.host, &module) else {
            continue;
        };
        why.push(error);
        let known = DECODE_CLOSURE
            .iter()
            .find(|rock| rock.modules.contains(&module.as_str()));
        // A module that no rock is known for is sought under its own name.
        let name = known.map_or(module.split('.').next().unwrap_or(&module), |rock| {
            rock.name
        });
        if rocks.contains(&name) {
            continue;
        }
        changes.extend(match known {
            Some(rock) => provide(cx.host, &site.lua, cx.settings, rock)?,
            None => {
                let command = install(&site.lua, cx.settings, name, None)
                    .brings([Brings::Module(module.clone())]);
                vec![Change::run(command, watches())]
            }
        });
        rocks.extend(known.map(|rock| rock.name));
    }
    if changes.is_empty() {
        return Check::satisfied(format!(
            "all that Jitsi's plugins require loads in Lua {}",
            site.lua.version
        ));
    }
    Check::pending(why.join("; "), changes)
}
