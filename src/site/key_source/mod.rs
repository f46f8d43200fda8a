//! Where the keys to check tokens with come from if somebody else signs tokens: a key server, or a document with all
//! keys. Both are read as Jitsi's plugins will read them, before anything is changed.

mod document;
mod max_age;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use sha2::{Digest, Sha256};

pub use document::{ForeignKey, Looked};

use crate::engine::step::{Obstacle, obstacle};
use crate::host::Host;
use crate::host::failure::clipped;
use crate::login::fetch::{Document, fetch, in_words};
use crate::lua::value::Value;
use crate::prosody::config::Config;
use crate::prosody::config::edit::Assignment;
use crate::prosody::era::Era;
use crate::prosody::plugin::Plugin;
use crate::site::expectations::in_plugins;
use crate::site::login_page::check_web_url;
use crate::site::oidc::SignOn;
use crate::site::policy::{Address, Policy};
use crate::token::Algorithm;

/// Placeholder for a key server next to `cache_keys_url`, if there is none: without `asap_key_server` an unknown kid is
/// an error in Lua, and the login gets no answer. Nobody can listen on port 0, so the connection is refused at once and
/// the plugin rejects the token ("could not obtain public key").
pub const NO_KEY_SERVER: &str = "http://127.0.0.1:0/unknown-kid";

const KEY_SERVER: &str = "asap_key_server";
const DOCUMENT: &str = "cache_keys_url";

/// Where keys come from; at least one of the two is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource {
    /// The URL of the key server, which has one file per key.
    pub server: Option<String>,
    /// The URL of the document with all keys.
    pub document: Option<String>,
    /// The names of keys that the key server must have.
    pub kids: Vec<String>,
}

impl KeySource {
    /// The source that this configuration names.
    pub fn configured(config: &Config, domain: &str) -> Option<Self> {
        let text = |name: &str| config.effective(domain, name)?.value.as_str().map(str::to_owned);
        Self::of(text(KEY_SERVER).filter(|url| url != NO_KEY_SERVER), text(DOCUMENT), Vec::new())
    }

    /// The source that the operator chose.
    pub fn chosen(policy: &Policy) -> Option<Self> {
        let url = |address: &Option<Address>| address.as_ref().and_then(Address::url).map(str::to_owned);
        Self::of(url(&policy.key_server), url(&policy.jwks), policy.kids.clone())
    }

    /// The source that tokens are to be checked with: the chosen one, else the configured one, unless that is turned off
    /// or replaced by public keys.
    pub fn wanted(config: &Config, domain: &str, policy: &Policy) -> Option<Self> {
        Self::chosen(policy).or_else(|| Self::configured(config, domain).filter(|_| !is_decided(policy)))
    }

    fn of(server: Option<String>, document: Option<String>, kids: Vec<String>) -> Option<Self> {
        (server.is_some() || document.is_some()).then_some(Self { server, document, kids })
    }

    /// Its addresses, for people.
    pub fn name(&self) -> String {
        let both = [self.document.as_deref(), self.server.as_deref()];
        both.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

/// Whether the plugins have a key server to ask for an unknown kid, be it a placeholder; without one they crash on it.
pub fn is_server_set(config: &Config, domain: &str) -> bool {
    config.effective(domain, KEY_SERVER).is_some_and(|setting| setting.value != Value::Nil)
}

/// Rejects the URL of a key source that Jitsi's plugins could not use.
///
/// # Errors
/// What is wrong, in words for the operator.
pub fn check_source_url(option: &str, url: &str) -> Result<()> {
    check_web_url(option, url)?;
    if let Some(odd) = url.chars().find(|c| !c.is_ascii_graphic() || "\"'\\<>{}".contains(*c)) {
        bail!("{option} contains {odd:?}, which cannot be in a URL; write it percent-encoded");
    }
    if url.starts_with("http://localhost") || url.starts_with("https://localhost") {
        bail!(
            "{option} needs an address instead of localhost, such as 127.0.0.1: Prosody looks names up in the DNS only"
        );
    }
    if option == "--key-server" && (url.ends_with('/') || url.contains(['?', '#'])) {
        bail!(
            "{option} must not end with a slash, a query or a fragment: Jitsi's plugin adds \
             /FILE.pem to it"
        );
    }
    Ok(())
}

/// Whether the operator has decided about key sources. Public keys on this machine replace them.
fn is_decided(policy: &Policy) -> bool {
    policy.key_server.is_some() || policy.jwks.is_some() || policy.has_public_keys()
}

/// Options of the virtual host that go with the chosen source. [`token_keys`](crate::site::token_keys) chooses the
/// algorithm.
pub fn host_options(config: &Config, domain: &str, policy: &Policy) -> Vec<Assignment> {
    if !is_decided(policy) {
        return Vec::new();
    }
    let text = |text: &str| Value::String(text.into());
    let set = |name: &str| config.effective(domain, name).is_some_and(|setting| setting.value != Value::Nil);
    let (server, document) = match KeySource::chosen(policy) {
        None => (None, None),
        Some(source) => {
            let stands_in = source.document.as_ref().map(|_| NO_KEY_SERVER.to_owned());
            (source.server.or(stands_in), source.document)
        }
    };
    let mut options = Vec::new();
    for (name, url) in [(KEY_SERVER, server), (DOCUMENT, document)] {
        match url {
            Some(url) => options.push((name, text(&url))),
            None if set(name) => options.push((name, Value::Nil)),
            None => {}
        }
    }
    // Without a key source there are no claims of a provider either, only the operator's own.
    if policy.sign_on == Some(SignOn::Off) && KeySource::configured(config, domain).is_some() {
        let claims = [
            ("asap_accepted_issuers", policy.issuers.is_empty()),
            ("asap_accepted_audiences", policy.audiences.is_empty()),
            ("asap_require_room_claim", policy.require_room.is_none()),
        ];
        // Those of every host are the operator's own.
        let own = |name: &str| config.option(Some(domain), name).is_some_and(|setting| setting.value != Value::Nil);
        let gone = claims.into_iter().filter(|(name, unchosen)| *unchosen && own(name));
        options.extend(gone.map(|(name, _)| (name, Value::Nil)));
    }
    options
}

/// What the change costs, if anything: a plugin with a key source accepts no app secret, and vice versa.
pub fn price(config: &Config, domain: &str, policy: &Policy) -> Option<String> {
    match (KeySource::configured(config, domain), KeySource::wanted(config, domain, policy)) {
        (None, Some(_)) => {
            let with = if policy.public_keys.is_some() { "a key of its own" } else { "the app secret" };
            Some(format!(
                "every application that signs with {with} stops working: its tokens are rejected, and only those of \
                 the key source are accepted"
            ))
        }
        (Some(_), None) if policy.has_public_keys() => Some("tokens of the key source stop working".to_owned()),
        (Some(_), None) => {
            let algorithm = policy.algorithm.unwrap_or(Algorithm::Hs256).name();
            Some(format!(
                "tokens of the key source stop working; tokens signed with the app secret ({algorithm}) are accepted again"
            ))
        }
        _ => None,
    }
}

/// Why the installed plugins cannot use this source, if they cannot.
///
/// # Errors
/// If a plugin cannot be read.
pub fn unable(host: &dyn Host, plugin: &Plugin, source: &KeySource) -> Result<Option<Obstacle>> {
    let names = |name: &str| in_plugins(host, plugin, |tokens| tokens.contains(&name.as_bytes()));
    let (option, read) = match &source.document {
        Some(_) => ("--jwks", names(DOCUMENT)?),
        None => ("--key-server", names(KEY_SERVER)?),
    };
    // The rocks of the decode era do not check RSA signatures, or crash on them.
    let able = read && plugin.era != Era::Decode;
    Ok((!able).then(|| {
        obstacle(
            format!("{option} needs newer token plugins: the installed ones do not support it"),
            "upgrade jitsi-meet-prosody (2022 for --key-server, July 2023 for --jwks); nothing was changed",
        )
    }))
}

/// What the source contains now, as the installed plugins read it.
///
/// # Errors
/// If a plugin cannot be read. What is wrong with the source is the inner error, in one sentence.
pub fn look(host: &dyn Host, plugin: &Plugin, source: &KeySource) -> Result<Result<Looked, String>> {
    // In February 2024 they still read certificates only.
    let sets = in_plugins(host, plugin, |tokens| tokens.contains(&&b"token/jwk"[..]))?;
    // It may quote a remote server, at any length.
    Ok(look_as(host, source, sets).map_err(|why| clipped(&why)))
}

/// One of the source's keys, if the name of one is known.
///
/// # Errors
/// Why the source cannot be used now, in one sentence.
pub fn some_key(host: &dyn Host, source: &KeySource) -> Result<Option<ForeignKey>, String> {
    let looked = look_as(host, source, true).map_err(|why| clipped(&why))?;
    Ok(looked.keys.into_iter().next())
}

fn look_as(host: &dyn Host, source: &KeySource, sets: bool) -> Result<Looked, String> {
    let mut looked = Looked::default();
    if let Some(url) = &source.document {
        let found = fetched(host, url).and_then(|document| document::of_all(&document, sets));
        looked = found.map_err(|why| format!("{url}: {why}"))?;
    }
    if let Some(base) = &source.server {
        look_at_server(host, base, &source.kids, &mut looked)?;
    }
    Ok(looked)
}

/// The URL of a key's file on a key server.
fn file(base: &str, kid: &str) -> String {
    format!("{base}/{}.pem", hex::encode(Sha256::digest(kid)))
}

fn look_at_server(host: &dyn Host, base: &str, kids: &[String], looked: &mut Looked) -> Result<(), String> {
    let unknown = file(base, "jts-probe-unknown");
    let answer = fetched(host, &unknown).map_err(|why| format!("{base}: {why}"))?;
    match answer.status {
        400..=499 => {}
        200 | 204 => {
            return Err(format!(
                "{base}: it has a file for any kid (HTTP status {} for {unknown}), which Jitsi's plugin would use as a key",
                answer.status
            ));
        }
        _ => document::body(&answer).map(drop).map_err(|why| format!("{base}: {why}"))?,
    }
    for kid in kids {
        let url = file(base, kid);
        let key = fetched(host, &url).and_then(|document| document::of_one(&document, kid));
        looked.keys.push(key.map_err(|why| format!("{url} (kid {kid}): {why}"))?);
    }
    if kids.is_empty() {
        looked.notes.push("it answers; its keys are unknown (use --kid NAME to check one)".to_owned());
    }
    Ok(())
}

/// Fetches a URL, once per run: the steps' checks run several times.
fn fetched(host: &dyn Host, url: &str) -> Result<Document, String> {
    static SEEN: Mutex<BTreeMap<String, Result<Document, String>>> = Mutex::new(BTreeMap::new());
    if let Some(seen) = SEEN.lock().unwrap_or_else(PoisonError::into_inner).get(url) {
        return seen.clone();
    }
    let answer = fetch(host, url).map_err(|fault| in_words(&fault));
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(url.to_owned(), answer.clone());
    answer
}

#[cfg(test)]
mod tests;
