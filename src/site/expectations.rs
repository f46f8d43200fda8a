//! What this configuration requires of tokens, read the way Jitsi's plugins read it.

use std::sync::Arc;

use anyhow::{Context, Result};

use crate::host::Host;
use crate::host::secret::Secret;
use crate::lua::lexer::{Lexer, TokenKind};
use crate::lua::value::Value;
use crate::prosody::config::Config;
use crate::prosody::era::Era;
use crate::prosody::plugin::Plugin;
use crate::site::key_source::KeySource;
use crate::site::proof_key::ProofKey;
use crate::token::Algorithm;

/// What the configuration requires of a token, defaults included.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// The site's domain.
    pub domain: String,
    /// `app_id`.
    pub app_id: String,
    /// `app_secret`.
    pub app_secret: Secret,
    /// `signature_algorithm`.
    pub algorithm: Algorithm,
    /// `asap_accepted_issuers`; `*` accepts any.
    pub accepted_issuers: Vec<String>,
    /// `asap_accepted_audiences`; `*` accepts any.
    pub accepted_audiences: Vec<String>,
    /// `allow_empty_token`.
    pub allow_empty_token: bool,
    /// `enable_domain_verification`.
    pub domain_verification: bool,
    /// `asap_require_room_claim`.
    pub require_room: bool,
    /// Which plugins read the token.
    pub era: Era,
    /// The virtual host where people log in without a token, if there is one.
    pub guests: Option<String>,
    /// Whether nobody without a token can open a room: a module makes them wait for somebody with one.
    pub waits_for_host: bool,
    /// Whether a module uses the token to decide who moderates.
    pub moderators_by_token: bool,
    /// The virtual host with recorders' accounts, if those enter rooms without a token.
    pub recorders: Option<String>,
    /// Whether tokens are checked with public keys instead of the app secret.
    pub by_public_key: bool,
    /// Where these keys come from, if they are somebody else's.
    pub foreign: Option<Foreign>,
    /// The proof's key, if they are checked with public keys.
    pub proof_key: Option<Arc<ProofKey>>,
}

/// Keys of somebody else, which this program cannot sign with.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// Where they come from.
    pub source: KeySource,
    /// Whether the name of one of them is known.
    pub known: bool,
    /// Why nothing is known about them now, if their source is down or unusable.
    pub silent: Option<String>,
}

impl Expectations {
    /// What a configuration requires that sets nothing but the credentials.
    pub fn defaults(domain: &str, app_id: &str, app_secret: Secret, era: Era) -> Self {
        Self {
            domain: domain.to_owned(),
            app_id: app_id.to_owned(),
            app_secret,
            algorithm: Algorithm::Hs256,
            accepted_issuers: vec![app_id.to_owned()],
            accepted_audiences: vec!["*".to_owned()],
            allow_empty_token: false,
            // The default changed in July 2022; `read` looks at the installed plugins instead.
            domain_verification: era == Era::Bundled,
            require_room: true,
            era,
            guests: None,
            waits_for_host: false,
            moderators_by_token: false,
            recorders: None,
            by_public_key: false,
            foreign: None,
            proof_key: None,
        }
    }
}

/// The expectations of the configuration for `domain`, with these plugins.
pub fn read(
    host: &dyn Host,
    config: &Config,
    domain: &str,
    app_id: &str,
    app_secret: Secret,
    plugin: &Plugin,
) -> Result<Expectations> {
    let era = plugin.era;
    let mut wanted = Expectations::defaults(domain, app_id, app_secret, era);
    wanted.domain_verification = verifies_domains(host, plugin)?;
    let value = |name: &str| config.effective(domain, name).map(|setting| &setting.value);
    let flag = |name: &str| value(name).and_then(Value::as_bool);
    let list = |name: &str| value(name).and_then(accepted);
    if let Some(issuers) = list("asap_accepted_issuers") {
        wanted.accepted_issuers = issuers;
    }
    if let Some(audiences) = list("asap_accepted_audiences") {
        wanted.accepted_audiences = audiences;
    }
    if let Some(allowed) = flag("allow_empty_token") {
        wanted.allow_empty_token = allowed;
    }
    if let Some(verified) = flag("enable_domain_verification") {
        wanted.domain_verification = verified;
    }
    if let Some(required) = flag("asap_require_room_claim") {
        wanted.require_room = required;
    }
    let algorithm = value("signature_algorithm").and_then(|value| Algorithm::named(value.as_str()?));
    // The decode era does not read the option: the rock accepts whatever the token names.
    if let Some(algorithm) = algorithm.filter(|_| era != Era::Decode) {
        wanted.algorithm = algorithm;
    }
    Ok(wanted)
}

/// What a list of issuers or audiences accepts, as `get_option_array` reads it: anything but a list is a list of one,
/// and an empty one accepts nobody. None if it is not set, or unknown.
fn accepted(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Bool(_) | Value::Number(_) => Some(Vec::new()),
        value => value.strings(),
    }
}

/// Whether these plugins check a token's domain by default. They have done so since July 2022, in the middle of an era,
/// so their source is searched.
fn verifies_domains(host: &dyn Host, plugin: &Plugin) -> Result<bool> {
    let found = in_plugins(host, plugin, |tokens| {
        tokens
            .windows(3)
            .any(|three| three[0] == b"enable_domain_verification" && three[1] == b"," && three[2] == b"true")
    })?;
    Ok(found)
}

/// Whether only jicofo opens rooms: the configuration says so, or the plugins require a room to exist before anybody
/// enters it.
pub fn only_jicofo_opens_rooms(host: &dyn Host, config: &Config, muc: &str, plugin: &Plugin) -> Result<bool> {
    let restricted = config.effective(muc, "restrict_room_creation");
    if restricted.and_then(|setting| setting.value.as_bool()) == Some(true) {
        return Ok(true);
    }
    in_plugins(host, plugin, |tokens| tokens.contains(&b"room-does-not-exist".as_slice()))
}

/// Whether one of the plugins' files has such tokens, without comments and the quotes of strings.
pub fn in_plugins(host: &dyn Host, plugin: &Plugin, wanted: impl Fn(&[&[u8]]) -> bool) -> Result<bool> {
    for path in &plugin.files {
        let source = host.read(path)?.unwrap_or_default();
        let tokens = code(&source).with_context(|| format!("cannot read {}", path.display()))?;
        if wanted(&tokens) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The tokens of a Lua source, without comments and the quotes of strings.
pub(super) fn code(source: &[u8]) -> Result<Vec<&[u8]>> {
    let mut lexer = Lexer::new(source);
    let mut found = Vec::new();
    loop {
        let token = lexer.token()?;
        let text = &source[token.start..token.end];
        match token.kind {
            TokenKind::End => return Ok(found),
            TokenKind::Mark | TokenKind::Space | TokenKind::Comment | TokenKind::LongComment => {}
            TokenKind::Text if text.len() >= 2 => found.push(&text[1..text.len() - 1]),
            _ => found.push(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::fake::FakeHost;

    fn read_from(text: &str, era: Era, plugin: &str) -> (Expectations, bool) {
        let host = FakeHost::new().file("/p.lua", text).file("/util.lib.lua", plugin);
        let config = Config::load(&host, Path::new("/p.lua")).unwrap();
        let plugin = Plugin {
            era,
            era_source: String::new(),
            modules: Default::default(),
            files: [Path::new("/util.lib.lua").to_owned()].into(),
        };
        let secret = Secret::new("expected-secret");
        let wanted = read(&host, &config, "m.org", "app", secret, &plugin).unwrap();
        let only_jicofo = only_jicofo_opens_rooms(&host, &config, "conference.m.org", &plugin).unwrap();
        (wanted, only_jicofo)
    }

    #[test]
    fn host_options_win_over_global_ones() {
        let text = "allow_empty_token = true\nVirtualHost \"m.org\"\nallow_empty_token = false\n\
                    asap_accepted_audiences = { \"a\", \"b\" }\nenable_domain_verification = true\n";
        let (wanted, _) = read_from(text, Era::Decode, "");
        assert!(!wanted.allow_empty_token && wanted.domain_verification);
        assert_eq!(wanted.accepted_audiences, ["a", "b"]);
    }

    #[test]
    fn an_empty_list_accepts_nobody() {
        let issuers = |text: &str| {
            let host = format!("{text}VirtualHost \"m.org\"\n");
            read_from(&host, Era::Bundled, "").0.accepted_issuers
        };
        assert_eq!(issuers(""), ["app"]);
        assert_eq!(issuers("asap_accepted_issuers = nil\n"), ["app"]);
        assert_eq!(issuers("asap_accepted_issuers = \"one\"\n"), ["one"]);
        for empty in ["{ }", "{ accepted = \"one\" }", "{ 5 }", "false"] {
            let none = issuers(&format!("asap_accepted_issuers = {empty}\n"));
            assert_eq!(none, [""; 0], "{empty}");
        }
        // Unknown: the default is the best guess.
        assert_eq!(issuers("asap_accepted_issuers = { ENV_ISSUER }\n"), ["app"]);
        let (wanted, _) = read_from("asap_accepted_audiences = {}\nVirtualHost \"m.org\"\n", Era::Decode, "");
        assert_eq!(wanted.accepted_audiences, [""; 0]);
    }

    #[test]
    fn the_algorithm_is_read_by_later_plugins_only() {
        let text = "VirtualHost \"m.org\"\nsignature_algorithm = \"HS512\"\n";
        let algorithm = |era| read_from(text, era, "").0.algorithm;
        assert_eq!(algorithm(Era::Decode), Algorithm::Hs256);
        assert_eq!(algorithm(Era::Bundled), Algorithm::Hs512);
    }

    #[test]
    fn the_default_domain_check_is_read_from_the_plugin() {
        let checks = |text: &str, plugin: &str| {
            let host = format!("VirtualHost \"m.org\"\n{text}\n");
            read_from(&host, Era::Verify, plugin).0.domain_verification
        };
        let newer = "local b = module:get_option_boolean( -- since then\n'enable_domain_verification', true);\n";
        let older = "local b = module:get_option_boolean('enable_domain_verification', false);\n";
        assert!(checks("", newer));
        assert!(!checks("", older));
        assert!(!checks("", "-- 'enable_domain_verification', true\n"));
        assert!(!checks("enable_domain_verification = false", newer));
        assert!(checks("enable_domain_verification = true", older));
    }

    #[test]
    fn configuration_or_plugin_can_restrict_room_creation() {
        let only_jicofo = |text: &str, plugin: &str| {
            let host = format!("Component \"conference.m.org\" \"muc\"\n{text}\n");
            read_from(&host, Era::Verify, plugin).1
        };
        assert!(only_jicofo("restrict_room_creation = true", ""));
        assert!(!only_jicofo("restrict_room_creation = \"local\"", ""));
        assert!(!only_jicofo("", ""));
        assert!(only_jicofo("", "return false, \"room-does-not-exist\";\n"));
    }
}
