//! Reads whatever people hand over as a token: never fails, never repeats a secret, and says in words what is wrong.

use std::time::SystemTime;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, Family};
use super::judge::{self, Expect};
use super::key::{PublicKey, hmac_accepts};
use super::locate::locate;
use crate::secret::Secret;

/// Fields of a header or claims.
type Fields = Map<String, Value>;

/// What a token turned out to be.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Inspection {
    /// The header, if it could be read.
    pub header: Option<Fields>,
    /// The claims, if they could be read.
    pub claims: Option<Fields>,
    /// Whether the signature is right.
    pub signature: Signature,
    /// What is wrong or odd, the worst first.
    pub problems: Vec<Problem>,
    /// The room of the meeting's address that the token was in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_room: Option<String>,
}

impl Inspection {
    /// Whether nothing stands against it. Without a secret that is as much as can be said.
    pub fn valid(&self) -> bool {
        self.signature != Signature::Wrong && !self.problems.iter().any(|problem| problem.fatal)
    }
}

/// Whether a signature is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// Made with the secret, or the private half of the key, that was given.
    Valid,
    /// Not made with it.
    Wrong,
    /// No key was given, or not the kind that the algorithm needs.
    Unchecked,
    /// There is none that could be checked.
    Missing,
}

/// What signatures are checked with.
#[derive(Clone, Copy, Debug, Default)]
pub enum Verifier<'a> {
    /// Nothing.
    #[default]
    Nothing,
    /// The app secret.
    Secret(&'a Secret),
    /// The public key.
    Public(&'a PublicKey),
}

impl Verifier<'_> {
    fn family(&self) -> Option<Family> {
        match self {
            Self::Nothing => None,
            Self::Secret(_) => Some(Family::Hmac),
            Self::Public(key) => Some(key.family()),
        }
    }
}

impl<'a> From<Option<&'a Secret>> for Verifier<'a> {
    fn from(secret: Option<&'a Secret>) -> Self {
        secret.map_or(Self::Nothing, Self::Secret)
    }
}

/// Something that is wrong with a token, or odd.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Problem {
    /// Whether Jitsi refuses the token for it.
    pub fatal: bool,
    /// What it is, in one sentence without a full stop.
    pub text: String,
}

impl Problem {
    /// Jitsi refuses the token for this.
    pub fn fatal(text: impl Into<String>) -> Self {
        Self {
            fatal: true,
            text: text.into(),
        }
    }

    /// Worth knowing.
    pub fn odd(text: impl Into<String>) -> Self {
        Self {
            fatal: false,
            text: text.into(),
        }
    }
}

/// Reads `input` (a token or a meeting's address) as of `now`.
pub fn inspect<'a>(
    input: &[u8],
    verifier: impl Into<Verifier<'a>>,
    expect: &Expect,
    now: SystemTime,
) -> Inspection {
    let verifier = verifier.into();
    let text = String::from_utf8_lossy(input);
    let found = locate(&text);
    let mut seen = Inspection {
        header: None,
        claims: None,
        signature: Signature::Missing,
        problems: found.mended.into_iter().map(Problem::fatal).collect(),
        link_room: found.room,
    };
    if found.missing {
        seen.problems.push(Problem::fatal(
            "this address carries no token: ?jwt=… is missing or empty",
        ));
        return seen;
    }
    let parts: Vec<&str> = found.token.split('.').collect();
    if let Some(problem) = shape(&parts, verifier) {
        seen.problems.push(problem);
    }
    if parts.len() >= 2 {
        seen.header = read_part(parts[0], "header", &mut seen.problems);
        seen.claims = read_part(parts[1], "payload", &mut seen.problems);
    }
    let algorithm = seen.header.as_ref().and_then(|header| {
        let (algorithm, problems) = judge::header(header, expect);
        seen.problems.extend(problems);
        algorithm
    });
    if let [header, payload, signature] = parts[..] {
        let signed = &found.token[..header.len() + 1 + payload.len()];
        seen.signature = check(signed, signature, algorithm, verifier, &mut seen.problems);
    }
    if let Some(claims) = &seen.claims {
        let problems = judge::claims(claims, expect, seen.link_room.as_deref(), now);
        seen.problems.extend(problems);
    }
    seen.problems.sort_by_key(|problem| !problem.fatal);
    seen
}

/// What the number of parts tells.
fn shape(parts: &[&str], verifier: Verifier) -> Option<Problem> {
    let whole = parts.first().copied().unwrap_or_default();
    Some(Problem::fatal(match parts.len() {
        1 if whole.is_empty() => "there is nothing here".to_owned(),
        1 if matches!(verifier, Verifier::Secret(secret) if secret.reveal() == whole) => {
            "this is the app secret itself, not a token: never send it to anybody".to_owned()
        }
        1 if whole.starts_with("eyJ") => "it was cut off: only the first of its three parts is here".to_owned(),
        1 => "this is no token (a token has two dots in it); if it is a secret, take care where it has been pasted"
            .to_owned(),
        2 => "it was cut off: two of its three parts are here, the signature is missing".to_owned(),
        3 if parts[2].is_empty() => "its third part, the signature, is empty".to_owned(),
        3 => return None,
        5 => "it is an encrypted token (five parts), which Jitsi cannot read".to_owned(),
        count => format!("it has {count} parts, a token has three"),
    }))
}

/// Takes both alphabets, with padding or without: what is odd is said, what is written is still shown.
fn decode(part: &str) -> Option<Vec<u8>> {
    let forgiving = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let url = GeneralPurpose::new(&alphabet::URL_SAFE, forgiving);
    let plain = part
        .trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_");
    url.decode(plain).ok()
}

fn plain_base64(name: &str) -> Problem {
    Problem::fatal(format!(
        "its {name} is written in plain base64; a token uses base64url (- and _, no = at the end)"
    ))
}

fn read_part(part: &str, name: &str, problems: &mut Vec<Problem>) -> Option<Fields> {
    if part.contains(['=', '+', '/']) {
        problems.push(plain_base64(name));
    }
    let Some(bytes) = decode(part) else {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_+/=".contains(c);
        let why = if part.chars().all(known) {
            "characters are missing, it was cut off or damaged"
        } else {
            "it holds characters that base64url does not have"
        };
        problems.push(Problem::fatal(format!("its {name} cannot be read: {why}")));
        return None;
    };
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(fields)) => Some(fields),
        Ok(_) => {
            problems.push(Problem::fatal(format!("its {name} is JSON, but no object")));
            None
        }
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            let text = format!(
                "its {name} is no JSON (line {line}, column {column}): cut off, or no token at all"
            );
            problems.push(Problem::fatal(text));
            None
        }
    }
}

fn check(
    signed: &str,
    signature: &str,
    algorithm: Option<Algorithm>,
    verifier: Verifier,
    problems: &mut Vec<Problem>,
) -> Signature {
    if signature.is_empty() {
        return Signature::Missing;
    }
    let (Some(algorithm), Some(family)) = (algorithm, verifier.family()) else {
        return Signature::Unchecked;
    };
    if algorithm.family() != family {
        problems.push(Problem::odd(format!(
            "the signature was not checked: {} wants {}, and {} was given",
            algorithm.name(),
            algorithm.family().key(),
            family.key()
        )));
        return Signature::Unchecked;
    }
    if signature.contains(['=', '+', '/']) {
        problems.push(plain_base64("signature"));
    }
    let Some(signature) = decode(signature) else {
        problems.push(Problem::fatal(
            "its signature cannot be read: it was cut off or damaged",
        ));
        return Signature::Wrong;
    };
    let signed = signed.as_bytes();
    let right = match verifier {
        Verifier::Nothing => false,
        Verifier::Secret(secret) => {
            hmac_accepts(algorithm, secret.reveal().as_bytes(), signed, &signature)
        }
        Verifier::Public(key) => key.accepts(algorithm, signed, &signature),
    };
    if right {
        return Signature::Valid;
    }
    let why = match verifier {
        Verifier::Secret(secret) => near_misses(secret.reveal())
            .into_iter()
            .find(|(_, key)| hmac_accepts(algorithm, key, signed, &signature))
            .map_or(
                "it was signed with another secret, or changed afterwards",
                |(why, _)| why,
            ),
        _ => "it was signed with another key, or changed afterwards",
    };
    problems.push(Problem::fatal(format!("the signature is wrong: {why}")));
    Signature::Wrong
}

/// Keys that people sign with by mistake.
fn near_misses(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut keys = vec![
        (
            "a line break was taken for part of the secret",
            format!("{secret}\n").into_bytes(),
        ),
        (
            "white space around the secret was left out",
            secret.trim().as_bytes().to_vec(),
        ),
        (
            "the secret was used in lower case",
            secret.to_lowercase().into_bytes(),
        ),
        (
            "the secret was used in capitals",
            secret.to_uppercase().into_bytes(),
        ),
    ];
    let decoded = STANDARD
        .decode(secret)
        .or_else(|_| URL_SAFE_NO_PAD.decode(secret));
    keys.extend(decoded.ok().map(|key| {
        (
            "the secret was taken for base64 and decoded before signing",
            key,
        )
    }));
    keys.extend(hex::decode(secret).ok().map(|key| {
        (
            "the secret was taken for hex and decoded before signing",
            key,
        )
    }));
    keys
}

#[cfg(test)]
mod tests;
