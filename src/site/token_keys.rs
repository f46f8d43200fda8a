//! The keys that tokens are checked with besides the app secret: public keys in its place, and earlier secrets until
//! they end. They are in a file that only root can write, and a module of ours passes the right one to Jitsi's plugin
//! at each login, through the plugin's own event (`pre-jitsi-authentication-fetch-key`, since 2022).

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::engine::step::{Obstacle, obstacle};
use crate::host::Host;
use crate::host::secret::Secret;
use crate::lua::value::Value;
use crate::prosody::config::Config;
use crate::prosody::config::edit::Assignment;
use crate::prosody::era::Era;
use crate::site::expectations::in_plugins;
use crate::site::facts::Site;
use crate::site::key_source::KeySource;
use crate::site::own_module::OwnModule;
use crate::site::policy::Policy;
use crate::site::settings::{EarlierSecrets, Settings};
use crate::token::{RsaPublicKey, times};

/// Our module.
pub const MODULE: OwnModule =
    OwnModule { name: "jts_token_keys", text: include_str!("../../templates/mod_jts_token_keys.lua") };

/// The option for the algorithm that tokens are signed with.
const ALGORITHM: &str = "signature_algorithm";

/// The event on which the plugin gets a key from a module.
const EVENT: &str = "pre-jitsi-authentication-fetch-key";

/// An accepted public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedKey {
    /// Its name (`kid`) in the header of tokens.
    pub kid: String,
    /// The key, as PEM.
    pub pem: String,
}

impl AcceptedKey {
    /// The key's SHA-256, if it is valid.
    pub fn fingerprint(&self) -> String {
        RsaPublicKey::from_pem(&self.pem).map_or_else(|_| "damaged".to_owned(), |key| key.fingerprint())
    }
}

/// A secret that was replaced and is still accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierSecret {
    /// In hex, so it is one word whatever it contains.
    secret: String,
    /// Until when, in seconds since 1970.
    pub until: i64,
}

impl EarlierSecret {
    /// A secret that is accepted until this second.
    pub fn new(secret: &Secret, until: i64) -> Self {
        Self { secret: Secret::new(hex::encode(secret.reveal())).reveal().to_owned(), until }
    }

    /// The secret itself; none if the file was damaged.
    pub fn secret(&self) -> Option<Secret> {
        let text = hex::decode(&self.secret).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
        Some(Secret::new(text))
    }
}

/// The contents of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenKeys {
    /// Public keys, in place of the app secret.
    pub keys: Vec<AcceptedKey>,
    /// Secrets that are accepted besides the app secret.
    pub earlier: Vec<EarlierSecret>,
}

/// The path of a site's file.
pub fn path(domain: &str) -> PathBuf {
    PathBuf::from(format!("/etc/prosody/jts-token-keys.{domain}.json"))
}

impl TokenKeys {
    /// What the file contains; none if it does not exist. An invalid file counts as empty.
    ///
    /// # Errors
    /// If it is not a file.
    pub fn read(host: &dyn Host, domain: &str) -> Result<Option<Self>> {
        let Some(bytes) = host.read(&path(domain))? else { return Ok(None) };
        let found: Self = serde_json::from_slice(&bytes).unwrap_or_default();
        // Registered as secrets, so no output shows them.
        for earlier in &found.earlier {
            Secret::new(earlier.secret.clone());
            earlier.secret();
        }
        Ok(Some(found))
    }

    /// What the file should contain; none if it should not exist. Once created, it stays until public keys are turned
    /// off or a key source is chosen: without it Prosody would have to restart when the last earlier secret ends.
    /// `current` is the app secret that the configuration will have.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn wanted(host: &dyn Host, settings: &Settings, domain: &str, current: &Secret) -> Result<Option<Self>> {
        if KeySource::chosen(&settings.policy).is_some() {
            return Ok(None);
        }
        let seen = Self::read(host, domain)?;
        let keys = settings.policy.public_keys.clone().unwrap_or_default();
        let mut earlier = seen.as_ref().map(|seen| seen.earlier.clone()).unwrap_or_default();
        match &settings.earlier {
            EarlierSecrets::Kept => {}
            EarlierSecrets::Ended => earlier.clear(),
            EarlierSecrets::With { secret, until, since } => {
                let new = EarlierSecret::new(secret, *until);
                earlier.retain(|other| other.secret != new.secret && other.until > *since);
                earlier.push(new);
            }
        }
        // Public keys and secrets are never accepted side by side.
        if !keys.is_empty() {
            earlier.clear();
        }
        let wanted = Self { keys, earlier }.besides(current);
        let none = wanted == Self::default() && (seen.is_none() || are_turned_off(&settings.policy));
        Ok((!none).then_some(wanted))
    }

    /// The keys without the current secret, which came back into use: it is no earlier one, and has no end.
    pub fn besides(mut self, current: &Secret) -> Self {
        self.earlier.retain(|earlier| earlier.secret().as_ref() != Some(current));
        self
    }

    /// The contents as written to the file.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(format!("{}\n", serde_json::to_string_pretty(self)?).into_bytes())
    }

    /// What is accepted now, in one sentence.
    pub fn describe(&self, now: SystemTime) -> String {
        if !self.keys.is_empty() {
            let kids: Vec<&str> = self.keys.iter().map(|key| key.kid.as_str()).collect();
            let keys = if kids.len() == 1 { "kid" } else { "kids" };
            return format!("tokens must be signed with a private key; accepted: {keys} {}", kids.join(", "));
        }
        let last = self.earlier.iter().map(|earlier| earlier.until).max();
        match (self.earlier_until(now), last) {
            (Some(until), _) => format!("the old secret is accepted until {}", times::utc(until)),
            (None, Some(until)) => format!("the old secret has been rejected since {}", times::utc(until)),
            (None, None) => "only the current secret is accepted".to_owned(),
        }
    }

    /// When the last replaced secret ends, in seconds since 1970; none if no replaced secret is accepted.
    pub fn earlier_until(&self, now: SystemTime) -> Option<i64> {
        self.earlier.iter().map(|earlier| earlier.until).filter(|until| *until > times::unix(now)).max()
    }
}

/// Why the installed plugins accept no key from a module, if they do not. Those of the decode era use one only together
/// with a key server.
///
/// # Errors
/// If a plugin cannot be read.
pub fn unable(host: &dyn Host, site: &Site, option: &str) -> Result<Option<Obstacle>> {
    let plugin = &site.plugin;
    let takes = plugin.era != Era::Decode
        && in_plugins(host, plugin, |tokens| tokens.contains(&EVENT.as_bytes()))?
        && in_plugins(host, plugin, |tokens| {
            tokens.windows(3).any(|three| three == [&b"session"[..], b".", b"public_key"])
        })?;
    Ok((!takes).then(|| {
        obstacle(
            format!("the installed Jitsi plugins are too old for {option}: they do not let a module choose the key"),
            format!("upgrade jitsi-meet-prosody (2022 or newer), or leave out {option}; nothing was changed"),
        )
    }))
}

/// Whether public keys are turned off, or replaced by a key source.
fn are_turned_off(policy: &Policy) -> bool {
    policy.public_keys.as_ref().is_some_and(Vec::is_empty) || KeySource::chosen(policy).is_some()
}

/// The virtual host's module, and whether to enable it; empty if it stays as it is.
///
/// # Errors
/// As [`TokenKeys::read`].
pub fn host_modules(
    host: &dyn Host,
    config: &Config,
    settings: &Settings,
    domain: &str,
    current: &Secret,
) -> Result<Vec<(&'static str, bool)>> {
    let wanted = TokenKeys::wanted(host, settings, domain, current)?.is_some();
    // A key source came in its place, or was chosen without it ever having been there.
    let decided = wanted || settings.policy.public_keys.is_some() || enabled(config, domain);
    Ok(if decided && (wanted || are_turned_off(&settings.policy)) { vec![(MODULE.name, wanted)] } else { vec![] })
}

/// The virtual host's option for the algorithm, wherever the keys come from: RS256 with keys, and HS256 again once they
/// are turned off; what else is configured stays.
pub fn algorithm(config: &Config, domain: &str, policy: &Policy) -> Option<Assignment> {
    let is = |algorithm: &str| Some((ALGORITHM, Value::String(algorithm.into())));
    if policy.has_public_keys() || KeySource::chosen(policy).is_some() {
        return is("RS256");
    }
    let decided = policy.public_keys.is_some() || policy.key_server.is_some() || policy.jwks.is_some();
    let by_secret = policy.algorithm.is_none() && KeySource::wanted(config, domain, policy).is_none();
    if decided && by_secret && checks_signatures_by_key(config, domain) { is("HS256") } else { None }
}

fn checks_signatures_by_key(config: &Config, domain: &str) -> bool {
    let algorithm = config.effective(domain, ALGORITHM);
    algorithm.and_then(|setting| setting.value.as_str()).is_some_and(|name| name.starts_with("RS"))
}

/// Whether this configuration enables our module.
fn enabled(config: &Config, domain: &str) -> bool {
    let enabled = config.option(Some(domain), "modules_enabled");
    enabled.is_some_and(|setting| setting.value.lists(MODULE.name))
}

/// Whether this configuration has our module check tokens with public keys. It leaves that to the plugins if they have a
/// key source.
pub fn by_public_key(config: &Config, domain: &str) -> bool {
    enabled(config, domain)
        && checks_signatures_by_key(config, domain)
        && KeySource::configured(config, domain).is_none()
}

/// The public keys that this configuration accepts; empty if it uses the app secret.
///
/// # Errors
/// As [`TokenKeys::read`].
pub fn accepted(host: &dyn Host, config: &Config, domain: &str) -> Result<Vec<AcceptedKey>> {
    if !by_public_key(config, domain) {
        return Ok(Vec::new());
    }
    Ok(TokenKeys::read(host, domain).context("cannot read the public keys")?.unwrap_or_default().keys)
}

/// The replaced secrets that this configuration still accepts.
///
/// # Errors
/// As [`TokenKeys::read`].
pub fn earlier(host: &dyn Host, config: &Config, domain: &str) -> Result<Vec<Secret>> {
    if !enabled(config, domain) || checks_signatures_by_key(config, domain) {
        return Ok(Vec::new());
    }
    let now = times::unix(host.now());
    let known = TokenKeys::read(host, domain).context("cannot read the replaced secrets")?.unwrap_or_default();
    Ok(known.earlier.iter().filter(|earlier| earlier.until > now).filter_map(EarlierSecret::secret).collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::fake::FakeHost;
    use crate::site::policy::Address;

    const FILE: &str = "/etc/prosody/jts-token-keys.m.org.json";

    fn key(kid: &str) -> AcceptedKey {
        AcceptedKey { kid: kid.to_owned(), pem: "P".to_owned() }
    }

    fn wanted(host: &FakeHost, keys: Option<Vec<AcceptedKey>>, earlier: EarlierSecrets) -> Option<TokenKeys> {
        let policy = Policy { public_keys: keys, ..Policy::default() };
        let settings = Settings { earlier, policy, ..Settings::default() };
        TokenKeys::wanted(host, &settings, "m.org", &Secret::new("current-secret")).unwrap()
    }

    #[test]
    fn without_keys_or_earlier_secrets_there_is_no_file() {
        let host = FakeHost::new();
        assert_eq!(wanted(&host, None, EarlierSecrets::Kept), None);
        assert_eq!(wanted(&host, Some(vec![]), EarlierSecrets::Kept), None);
        let host = host.file(FILE, "{}");
        assert_eq!(wanted(&host, None, EarlierSecrets::Kept), Some(TokenKeys::default()));
        assert_eq!(wanted(&host, Some(vec![]), EarlierSecrets::Kept), None);
    }

    #[test]
    fn an_earlier_secret_lasts_until_ended_or_replaced() {
        let host = FakeHost::new();
        let now = times::unix(host.now());
        let old = Secret::new("old-secret-111");
        let with = |secret: &Secret, until| EarlierSecrets::With { secret: secret.clone(), until, since: now };
        let first = wanted(&host, None, with(&old, now + 60)).unwrap();
        assert_eq!(first.earlier, [EarlierSecret::new(&old, now + 60)]);
        assert!(first.describe(host.now()).contains("accepted until"));
        let host = host.file(FILE, first.to_bytes().unwrap());
        let first_only = first.earlier.clone();
        assert_eq!(wanted(&host, None, EarlierSecrets::Kept), Some(first));
        let both = wanted(&host, None, with(&Secret::new("newer-secret-22"), now + 90)).unwrap();
        assert_eq!(both.earlier.len(), 2);
        assert_eq!(wanted(&host, None, with(&Secret::new("current-secret"), now + 90)).unwrap().earlier, first_only);
        let back = TokenKeys::wanted(&host, &Settings::default(), "m.org", &old).unwrap();
        assert_eq!(back, Some(TokenKeys::default()), "the old secret is the current one again");
        assert_eq!(wanted(&host, None, EarlierSecrets::Ended), Some(TokenKeys::default()));
        let keys = wanted(&host, Some(vec![key("a")]), EarlierSecrets::Kept).unwrap();
        assert_eq!(keys, TokenKeys { keys: vec![key("a")], earlier: vec![] });
    }

    /// With a key source, an enabled module without keys would reject everybody.
    #[test]
    fn a_key_source_replaces_own_keys_and_earlier_secrets() {
        let left = r#"{"keys":[{"kid":"a","pem":"P"}],"earlier":[{"secret":"6162","until":5}]}"#;
        let jwks = Some(Address::At("https://k/j".to_owned()));
        for left in [Some(left), None] {
            let host = || left.map_or_else(FakeHost::new, |left| FakeHost::new().file(FILE, left));
            let settings =
                Settings { policy: Policy { jwks: jwks.clone(), ..Policy::default() }, ..Settings::default() };
            let current = Secret::new("current-secret");
            assert_eq!(TokenKeys::wanted(&host(), &settings, "m.org", &current).unwrap(), None);
            for (list, expected) in [
                ("{ \"jts_token_keys\" }", &[("jts_token_keys", false)][..]),
                ("{ \"smacks\" }", &[]),
                ("names()", &[]),
            ] {
                let host = host().file("/p.lua", format!("VirtualHost \"m.org\"\nmodules_enabled = {list}\n"));
                let config = Config::load(&host, Path::new("/p.lua")).unwrap();
                let modules = host_modules(&host, &config, &settings, "m.org", &current).unwrap();
                assert_eq!(modules, expected, "{list}");
            }
        }
        let by_key = |options: &str| {
            let text = format!(
                "VirtualHost \"m.org\"\nmodules_enabled = {{ \"jts_token_keys\" }}\nsignature_algorithm = \"RS256\"\n{options}"
            );
            let host = FakeHost::new().file("/p.lua", text);
            by_public_key(&Config::load(&host, Path::new("/p.lua")).unwrap(), "m.org")
        };
        assert!(by_key("") && !by_key("cache_keys_url = \"https://k/j\"\n"));
    }

    #[test]
    fn a_damaged_file_is_rewritten() {
        let host = FakeHost::new().file(FILE, "{\"keys\":");
        assert_eq!(wanted(&host, Some(vec![key("a")]), EarlierSecrets::Kept).unwrap().keys, [key("a")]);
    }

    #[test]
    fn the_file_holds_no_secret_in_plain_text() {
        let secret = Secret::new("quote\"and-more");
        let keys = TokenKeys { keys: vec![], earlier: vec![EarlierSecret::new(&secret, 1)] };
        let text = String::from_utf8(keys.to_bytes().unwrap()).unwrap();
        assert!(!text.contains("and-more"));
        assert!(!crate::host::secret::redact(&text).contains(&hex::encode("and-more")), "masked in reports");
    }
}
