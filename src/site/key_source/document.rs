//! What a document with keys contains, as Jitsi's plugins read it: a JSON Web Key Set, or certificates by their kid.
//! Anything that would raise an error there, after which nothing is fetched any more, is rejected.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::max_age::{Refresh, refresh};
use crate::host::failure::clipped;
use crate::login::fetch::Document;
use crate::token::RsaPublicKey;

/// The shortest accepted time between two fetches, in seconds. With `max-age=0` Prosody made 576 requests in 4 s.
const SHORTEST: u64 = 5;

/// A key that somebody else signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name (`kid`) in the header of tokens.
    pub kid: String,
    /// The key, as PEM.
    pub pem: String,
    /// Its size in bits.
    bits: usize,
}

/// What a key source contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The keys that tokens can be checked with.
    pub keys: Vec<ForeignKey>,
    /// Remarks for the operator.
    pub notes: Vec<String>,
}

impl Looked {
    /// The keys and the remarks, on one line.
    pub fn describe(&self) -> String {
        let key = |key: &ForeignKey| format!("{} (RSA, {} bits)", key.kid, key.bits);
        let keys = self.keys.iter().map(key).collect::<Vec<_>>().join(", ");
        let keys = (!keys.is_empty()).then(|| format!("keys for RS256: {keys}"));
        clipped(&keys.into_iter().chain(self.notes.iter().cloned()).collect::<Vec<_>>().join("; "))
    }
}

/// The body of a response, if Prosody would read it.
pub fn body(document: &Document) -> Result<&str, String> {
    match (document.status, &document.location) {
        (200, _) => Ok(&document.body),
        (300..=399, Some(location)) => {
            Err(format!("it redirects to {location}; Prosody follows no redirect, so use that URL if it is correct"))
        }
        (300..=399, None) => Err("it redirects; Prosody follows no redirect".to_owned()),
        (status, _) => Err(format!("HTTP status {status}")),
    }
}

/// The keys of a document; `sets` says whether the plugins read JSON Web Key Sets.
pub fn of_all(document: &Document, sets: bool) -> Result<Looked, String> {
    let text = body(document)?;
    let entries = match serde_json::from_str(text) {
        Ok(Value::Object(entries)) => entries,
        Ok(_) => return Err("it is not a JSON object with keys".to_owned()),
        Err(_) if text.trim_start().starts_with('<') => return Err("it is an HTML page, not a key set".to_owned()),
        Err(_) => return Err("it is not JSON".to_owned()),
    };
    let mut looked = Looked::default();
    for (name, value) in &entries {
        match value {
            Value::Array(keys) if name == "keys" && sets => of_set(keys, &mut looked)?,
            Value::Array(_) if name == "keys" => {
                return Err(
                    "it is a JSON Web Key Set, and the installed plugins read certificates by kid only; upgrade \
                            jitsi-meet-prosody"
                        .to_owned(),
                );
            }
            Value::String(text) if text.starts_with("-----BEGIN CERTIFICATE-----") => {
                let key = of_pem(name, text).map_err(|why| format!("the certificate \"{name}\" is damaged: {why}"))?;
                looked.keys.push(key);
            }
            Value::String(_) => {}
            _ => {
                return Err(format!(
                    "its member \"{name}\" is not text, which is an error in Jitsi's plugin: it would not fetch the keys \
                     again"
                ));
            }
        }
    }
    if looked.keys.is_empty() {
        let notes = looked.notes.join("; ");
        let notes = if notes.is_empty() { notes } else { format!(" ({notes})") };
        return Err(format!("it has no RSA key with a kid that Jitsi's plugins can use{notes}"));
    }
    looked.notes.extend(freshness(document.cache_control.as_deref(), sets)?);
    Ok(looked)
}

/// The key in a file of a key server.
pub fn of_one(document: &Document, kid: &str) -> Result<ForeignKey, String> {
    let text = body(document)?;
    if text.trim_start().starts_with('<') {
        return Err("it is an HTML page, not a key".to_owned());
    }
    of_pem(kid, text)
}

fn of_pem(kid: &str, text: &str) -> Result<ForeignKey, String> {
    let key = RsaPublicKey::from_key_or_certificate(text).map_err(|error| format!("{error:#}"))?;
    Ok(ForeignKey { kid: kid.to_owned(), pem: key.to_pem(), bits: key.bits() })
}

fn of_set(keys: &[Value], looked: &mut Looked) -> Result<(), String> {
    for (at, key) in keys.iter().enumerate() {
        let Value::Object(key) = key else {
            return Err(format!("entry {} of its keys is not a key, which is an error in Jitsi's plugin", at + 1));
        };
        match of_jwk(key)? {
            Jwk::Usable(key) => looked.keys.push(key),
            Jwk::Ignored(why) => looked.notes.push(why),
        }
    }
    Ok(())
}

enum Jwk {
    Usable(ForeignKey),
    Ignored(String),
}

/// A key of a set. The plugins look only at `kid`, `n` and `e`; the provider uses `alg` and `use`.
fn of_jwk(key: &Map<String, Value>) -> Result<Jwk, String> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let kind = text("kty").unwrap_or("unknown");
    let ignored = |why: String| Ok(Jwk::Ignored(why));
    let Some(kid) = text("kid") else {
        return ignored(format!("a key without a kid is ignored ({kind})"));
    };
    let (Some(n), Some(e)) = (key.get("n"), key.get("e")) else {
        return ignored(format!("key {kid} is ignored: Jitsi's plugins use RSA keys only, and it is {kind}"));
    };
    let number = |value: &Value| {
        let text = value.as_str()?;
        URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
    };
    let (Some(n), Some(e)) = (number(n), number(e)) else {
        return Err(format!("key {kid} is damaged (n or e is not base64url), which is an error in Jitsi's plugin"));
    };
    if let Some(other) = text("alg").filter(|alg| *alg != "RS256") {
        return ignored(format!("key {kid} cannot be used: it is for {other}, and only RS256 is accepted"));
    }
    if text("use").is_some_and(|usage| usage != "sig") {
        return ignored(format!("key {kid} is not for signatures, but the plugins would accept it"));
    }
    match RsaPublicKey::from_numbers(&n, &e) {
        Ok(rsa) => Ok(Jwk::Usable(ForeignKey { kid: kid.to_owned(), pem: rsa.to_pem(), bits: rsa.bits() })),
        Err(error) => Err(format!("key {kid}: {error:#}")),
    }
}

/// How soon new keys are seen, if that is late, or too often. Without `max-age`, plugins from before February 2024
/// never fetch again; plugins that read key sets are newer than that.
fn freshness(header: Option<&str>, sets: bool) -> Result<Option<String>, String> {
    match refresh(header) {
        Refresh::Every(seconds) if seconds < SHORTEST => Err(format!(
            "its Cache-Control (\"{}\") would have Prosody fetch it every {seconds} s without end; the provider has to send \
             a longer max-age (an hour, say)",
            header.unwrap_or_default()
        )),
        Refresh::Every(seconds) if seconds < 60 => {
            Ok(Some(format!("Prosody fetches it twice every {seconds} s, as its Cache-Control says")))
        }
        Refresh::Every(_) => Ok(None),
        Refresh::SixHours if !sets => Ok(Some(
            "its Cache-Control has no max-age: plugins from before February 2024 fetch it only when Prosody starts, later ones \
             every 6 hours; tokens of a new key are rejected until then"
                .to_owned(),
        )),
        Refresh::SixHours => Ok(Some(
            "its Cache-Control has no max-age, so Prosody fetches it every 6 hours, and rejects tokens of a new key until \
             then"
                .to_owned(),
        )),
        Refresh::Error => Err(format!(
            "the max-age of its Cache-Control (\"{}\") is not a number, which is an error in Jitsi's plugin: it would not \
             fetch the keys again",
            header.unwrap_or_default()
        )),
    }
}
