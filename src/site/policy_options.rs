//! The operator's choices about tokens as options of Prosody's configuration, and whether the installed plugins read
//! them: an option that no plugin reads would be an empty promise.

use std::path::Path;

use anyhow::{Context, Result};

use crate::host::Host;
use crate::lua::names::mentions;
use crate::lua::value::Value;
use crate::prosody::plugin::{FOLDER, Plugin};
use crate::site::settings::Policy;

/// One choice.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The command-line option that makes it.
    pub flag: &'static str,
    /// The name of Prosody's option.
    pub name: &'static str,
    /// What the option is set to.
    pub value: Value,
    /// Whether it belongs to the rooms' component instead of the virtual host.
    pub rooms: bool,
}

/// The choices that were made.
pub fn choices(policy: &Policy) -> Vec<Choice> {
    let list = |entries: &[String]| {
        let entry = |text: &String| (None, Value::String(text.clone().into_bytes()));
        (!entries.is_empty()).then(|| Value::Table(entries.iter().map(entry).collect()))
    };
    let algorithm = policy.algorithm.map(|algorithm| Value::String(algorithm.name().into()));
    let all = [
        ("--allow-empty-token", "allow_empty_token", policy.allow_empty_token.map(Value::Bool)),
        ("--issuer", "asap_accepted_issuers", list(&policy.issuers)),
        ("--audience", "asap_accepted_audiences", list(&policy.audiences)),
        ("--signature-algorithm", "signature_algorithm", algorithm),
        ("--domain-check", "enable_domain_verification", policy.domain_check.map(Value::Bool)),
        ("--require-room", "asap_require_room_claim", policy.require_room.map(Value::Bool)),
        (
            "--moderators-need-token",
            "token_verification_require_token_for_moderation",
            policy.moderators_need_token.map(Value::Bool),
        ),
    ];
    let choice = |(flag, name, value): (&'static str, &'static str, Option<Value>)| {
        let rooms = name.starts_with("token_verification_");
        value.map(|value| Choice { flag, name, value, rooms })
    };
    all.into_iter().filter_map(choice).collect()
}

/// The first choice that the installed plugins do not support, in a sentence that names the file.
pub fn unread(host: &dyn Host, plugin: &Plugin, choices: &[Choice]) -> Result<Option<String>> {
    let mut sources = Vec::new();
    for path in plugin.files.iter().filter(|_| !choices.is_empty()) {
        let source = host.read(path)?.with_context(|| format!("{} vanished", path.display()))?;
        sources.push((path, source));
    }
    let named = |name: &str| -> Result<Option<&Path>> {
        for (path, source) in &sources {
            if mentions(source, name).with_context(|| format!("cannot read {}", path.display()))? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    };
    for choice in choices {
        if named(choice.name)?.is_some() {
            continue;
        }
        let reader = if choice.rooms {
            Path::new(FOLDER).join("mod_token_verification.lua")
        } else {
            // The file that would read it: the one that reads the secret.
            match named("app_secret")? {
                Some(path) => path.to_owned(),
                None => Path::new(FOLDER).join("mod_auth_token.lua"),
            }
        };
        return Ok(Some(format!(
            "{} sets {}, which the installed plugin {} does not support",
            choice.flag,
            choice.name,
            reader.display()
        )));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::prosody::era::Era;
    use crate::prosody::plugin::Plugin;
    use crate::token::Algorithm;

    #[test]
    fn options_that_no_plugin_reads_are_reported() {
        let file = |name: &str| format!("{FOLDER}{name}");
        let host = FakeHost::new()
            .file(&file("mod_auth_token.lua"), "local t = module:require 'token/util'\n")
            .file(&file("mod_token_verification.lua"), "local t = module:require 'token/util'\n")
            .file(
                &file("token/util.lib.lua"),
                "local jwt = require 'luajwtjitsi'\n-- 'signature_algorithm'\nx:get('app_secret', [[asap_accepted_issuers]])\njwt.decode(a, b, true)\n",
            );
        let files = ["mod_auth_token.lua", "mod_token_verification.lua", "token/util.lib.lua"];
        let plugin = Plugin {
            era: Era::Decode,
            era_source: String::new(),
            modules: Default::default(),
            files: files.iter().map(|name| file(name).into()).collect(),
        };
        let said = |policy: &Policy| unread(&host, &plugin, &choices(policy)).unwrap();
        let mut policy = Policy { issuers: vec!["a".to_owned()], ..Policy::default() };
        assert_eq!(said(&policy), None);
        policy.algorithm = Some(Algorithm::Hs384);
        assert_eq!(
            said(&policy).unwrap(),
            format!(
                "--signature-algorithm sets signature_algorithm, which the installed plugin \
                 {FOLDER}token/util.lib.lua does not support"
            )
        );
        let policy = Policy { moderators_need_token: Some(true), ..Policy::default() };
        assert!(said(&policy).unwrap().contains(&file("mod_token_verification.lua")));
    }
}
