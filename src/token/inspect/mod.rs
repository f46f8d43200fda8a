//! Reads whatever people hand over as a token: never fails, never repeats a secret, and explains what a server would do
//! with it, according to the model in [`super::plugin`].

use std::time::SystemTime;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Map;

use super::algorithm::{Algorithm, Family};
use super::key::{PublicKey, hmac_accepts};
use super::locate::{Located, locate};
use super::plugin::{Answer, Consequence, Finding, FindingKind, Judgement, Room, Rules, Stage, TokenValue, judge};
use super::role::{self, Doubt};
use super::room;
use crate::host::secret::Secret;

/// Fields of a header or claims.
type Fields = Map<String, serde_json::Value>;

/// What a token turned out to be.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Inspection {
    /// The header, if it could be read.
    pub header: Option<Fields>,
    /// The claims, if they could be read.
    pub claims: Option<Fields>,
    /// Whether the signature is valid.
    pub signature: Signature,
    /// The server's answer at login; a signature that could not be checked is assumed to be valid.
    pub login: Answer,
    /// The server's answer when the room is entered; null if the login is rejected.
    pub room: Option<Answer>,
    /// The room, if one was given; otherwise a room that the token names is assumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_name: Option<String>,
    /// What is wrong or odd, the worst first.
    pub problems: Vec<Problem>,
    /// The room in the meeting link that contained the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_room: Option<String>,
}

impl Inspection {
    /// Whether the token opens its room, or the one that was named. `None` if that cannot be decided, for example
    /// without a key to verify the signature.
    pub fn valid(&self) -> Option<bool> {
        let answers = [Some(&self.login), self.room.as_ref()];
        let no = |answer: &Answer| matches!(answer, Answer::Refused { .. } | Answer::Silence);
        let unknown = |answer: &Answer| *answer == Answer::Unknown;
        let mut given = answers.into_iter().flatten();
        if given.clone().any(no) {
            Some(false)
        } else if given.any(unknown) || self.signature != Signature::Valid {
            None
        } else {
            Some(true)
        }
    }
}

/// Whether a signature is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// Made with the given secret or private key.
    Valid,
    /// Not made with it.
    Wrong,
    /// No key was given, or not the kind that the algorithm needs.
    Unchecked,
    /// There is no signature to check.
    Missing,
}

/// What signatures are verified with.
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

    /// Whether a signature is valid; `None` if it takes another kind of key to tell.
    fn check(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Option<bool> {
        if self.family() != Some(algorithm.family()) {
            return None;
        }
        match self {
            Self::Nothing => None,
            Self::Secret(secret) => {
                let secret = secret.reveal().as_bytes();
                Some(hmac_accepts(algorithm, secret, signed, signature))
            }
            Self::Public(key) => Some(key.accepts(algorithm, signed, signature)),
        }
    }
}

impl<'a> From<Option<&'a Secret>> for Verifier<'a> {
    fn from(secret: Option<&'a Secret>) -> Self {
        secret.map_or(Self::Nothing, Self::Secret)
    }
}

/// A problem or an oddity of a token.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Problem {
    /// Whether it keeps the token from being accepted.
    pub fatal: bool,
    /// When it matters.
    pub stage: Stage,
    /// What it is about.
    pub kind: FindingKind,
    /// The claim or header field at fault.
    pub claim: Option<&'static str>,
    /// What it is, in one sentence without a period.
    pub text: String,
}

impl From<Finding> for Problem {
    fn from(finding: Finding) -> Self {
        Self {
            fatal: matches!(finding.effect, Consequence::Refused(_) | Consequence::NoAnswer),
            stage: finding.stage,
            kind: finding.kind,
            claim: finding.claim,
            text: finding.text,
        }
    }
}

impl From<Doubt> for Problem {
    fn from(Doubt { kind, claim, text }: Doubt) -> Self {
        Self { fatal: false, stage: Stage::Room, kind, claim: Some(claim), text }
    }
}

/// Reads `input` (a token or a meeting's URL) as of `now`, as a server with these rules reads it; `room` is where its
/// bearer wants to go, else the room in the URL, else the one that the token names.
pub fn inspect<'a>(
    input: &[u8],
    verifier: impl Into<Verifier<'a>>,
    rules: &'a Rules,
    room: Option<&Room>,
    now: SystemTime,
) -> Inspection {
    let found = locate(&String::from_utf8_lossy(input));
    if found.missing {
        return without_token(found);
    }
    let linked = found
        .room
        .as_deref()
        .map(|name| Room { name: room::normal(name), tenant: found.tenant.as_deref().map(room::normal) });
    let wanted = room.or(linked.as_ref());
    // What the server checks with, where that is known, whatever else there is to check with.
    let verifier = named_key(rules, &found.token).map_or_else(|| verifier.into(), Verifier::Public);
    let rules = &for_key(rules, verifier);
    let check = |algorithm: Algorithm, signed: &[u8], signature: &[u8]| {
        let accepts = |earlier: &Secret| hmac_accepts(algorithm, earlier.reveal().as_bytes(), signed, signature);
        let right = verifier.check(algorithm, signed, signature)?;
        Some(right || rules.earlier_secrets.iter().any(accepts))
    };
    let judged = judge(found.raw.as_bytes(), rules, wanted, &check, now);
    // If something surrounds the token, what is inside is explained too.
    let inner = match found.surroundings.is_empty() {
        true => judged.clone(),
        false => judge(found.token.as_bytes(), rules, wanted, &check, now),
    };
    let (header, claims) =
        (shown(inner.header.as_ref(), &found.token, 0), shown(inner.claims.as_ref(), &found.token, 1));
    let signature = match (inner.signature, &header) {
        (Some(true), _) => Signature::Valid,
        (Some(false), _) if found.token.ends_with('.') => Signature::Missing,
        (Some(false), _) => Signature::Wrong,
        (None, Some(_)) if found.token.matches('.').count() == 2 => Signature::Unchecked,
        (None, _) => Signature::Missing,
    };
    let mut problems = problems(&found, &judged.login, inner, verifier);
    problems.extend(not_checked(signature, header.as_ref(), verifier));
    problems.extend(claims.iter().flat_map(role::doubts).map(Problem::from));
    Inspection {
        header,
        claims,
        signature,
        login: judged.login,
        room: judged.room,
        room_name: wanted.map(|room| room.name.clone()),
        problems,
        link_room: found.room,
    }
}

fn without_token(found: Located) -> Inspection {
    Inspection {
        header: None,
        claims: None,
        signature: Signature::Missing,
        login: Answer::Refused { said: "token required".to_owned() },
        room: None,
        room_name: None,
        problems: vec![Problem {
            fatal: true,
            stage: Stage::Login,
            kind: FindingKind::Missing,
            claim: None,
            text: "this address carries no token: ?jwt=… is missing or empty".to_owned(),
        }],
        link_room: found.room,
    }
}

/// The server's own key that the token names.
fn named_key<'a>(rules: &'a Rules, token: &str) -> Option<&'a PublicKey> {
    let accepted = rules.public_keys.as_ref()?;
    let header = shown(None, token, 0)?;
    let kid = header.get("kid")?.as_str()?;
    accepted.iter().find(|known| known.kid == kid).map(|known| &known.key)
}

/// The rules, completed by what the key implies: a server with this key accepts the algorithm that is usual for it,
/// unless another is known.
fn for_key(rules: &Rules, verifier: Verifier) -> Rules {
    let mut rules = rules.clone();
    let Some(family) = verifier.family() else {
        return rules;
    };
    if family != Family::Hmac && rules.keys == super::PluginKeys::Secret {
        rules.keys = super::PluginKeys::Public;
    }
    // Jitsi supports no ECDSA, so that is not what a server with any public key is configured for.
    let usual = if family == Family::Hmac { Algorithm::Hs256 } else { Algorithm::Rs256 };
    rules.algorithm = rules.algorithm.or(Some(usual));
    rules
}

/// All problems, in the order in which people should read them.
fn problems(found: &Located, login: &Answer, inner: Judgement, verifier: Verifier) -> Vec<Problem> {
    let accepted = *login == Answer::Accepted;
    let surroundings = found.surroundings.iter().map(|text| Problem {
        fatal: !accepted,
        stage: Stage::Login,
        kind: FindingKind::Surroundings,
        claim: None,
        text: text.clone(),
    });
    let mut problems: Vec<Problem> = surroundings.collect();
    for finding in inner.findings {
        let mut problem = Problem::from(finding);
        match problem.kind {
            FindingKind::Signature if found.token.matches('.').count() == 2 => {
                if let Some(why) = why_wrong(&found.token, verifier) {
                    problem.text = format!("the signature is wrong: {why}");
                }
            }
            FindingKind::Format if found.token.ends_with('.') && is_unsigned(&found.token) => {
                problem.text = "it is not signed (\"alg\" is \"none\")".to_owned();
            }
            FindingKind::Format if is_secret(&found.token, verifier) => {
                problem.text = "this is the app secret, not a token; if it was sent to anybody, rotate it".to_owned();
            }
            _ => {}
        }
        let same = |known: &Problem| {
            known.fatal
                && (known.kind, known.claim, known.fatal) == (problem.kind, problem.claim, problem.fatal)
                && problem.claim.is_some()
        };
        if !problems.iter().any(same) {
            problems.push(problem);
        }
    }
    problems.sort_by_key(|problem| !problem.fatal);
    problems
}

/// A note that the signature needs another kind of key.
fn not_checked(signature: Signature, header: Option<&Fields>, verifier: Verifier) -> Option<Problem> {
    let family = verifier.family()?;
    let algorithm = Algorithm::named(header?.get("alg")?.as_str()?)?;
    let other = signature == Signature::Unchecked && algorithm.family() != family;
    other.then(|| Problem {
        fatal: false,
        stage: Stage::Login,
        kind: FindingKind::Signature,
        claim: None,
        text: format!(
            "the signature was not checked: {} needs {}, not {}",
            algorithm.name(),
            algorithm.family().key(),
            family.key()
        ),
    })
}

fn is_unsigned(token: &str) -> bool {
    let header = shown(None, token, 0);
    let algorithm = header.as_ref().and_then(|header| header.get("alg")?.as_str());
    algorithm.is_some_and(|algorithm| algorithm.eq_ignore_ascii_case("none"))
}

fn is_secret(token: &str, verifier: Verifier) -> bool {
    matches!(verifier, Verifier::Secret(secret) if secret.reveal() == token)
}

/// Why a signature is wrong, if there is one.
fn why_wrong(token: &str, verifier: Verifier) -> Option<&'static str> {
    let (signed, signature) = token.rsplit_once('.')?;
    let signature = decode(signature).filter(|signature| !signature.is_empty())?;
    let Verifier::Secret(secret) = verifier else {
        return Some("signed with another key, or modified");
    };
    let header = shown(None, token, 0)?;
    let algorithm = Algorithm::named(header.get("alg")?.as_str()?)?;
    let near = near_misses(secret.reveal())
        .into_iter()
        .find(|(_, key)| hmac_accepts(algorithm, key, signed.as_bytes(), &signature));
    Some(near.map_or("signed with another secret, or modified", |(why, _)| why))
}

/// Accepts both alphabets, with or without padding: the content is shown whatever the server does with it.
fn decode(part: &str) -> Option<Vec<u8>> {
    let forgiving = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let url = GeneralPurpose::new(&alphabet::URL_SAFE, forgiving);
    let plain = part.trim_end_matches('=').replace('+', "-").replace('/', "_");
    url.decode(plain).ok()
}

/// A part of the token for people to read: as the plugin read it, else as far as it can be read at all.
fn shown(read: Option<&TokenValue>, token: &str, part: usize) -> Option<Fields> {
    if let Some(value) = read {
        return value.to_map();
    }
    let mut parts = token.split('.');
    let part = parts.nth(part)?;
    // A token of a single part may be a secret.
    if !token.contains('.') {
        return None;
    }
    super::plugin::read_json(&decode(part)?)?.to_map()
}

/// Keys that people sign with by mistake.
fn near_misses(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut keys = vec![
        ("a line break was included in the secret", format!("{secret}\n").into_bytes()),
        ("white space around the secret was removed", secret.trim().as_bytes().to_vec()),
        ("the secret was used in lower case", secret.to_lowercase().into_bytes()),
        ("the secret was used in upper case", secret.to_uppercase().into_bytes()),
    ];
    let decoded = STANDARD.decode(secret).or_else(|_| URL_SAFE_NO_PAD.decode(secret));
    keys.extend(decoded.ok().map(|key| ("the secret was decoded as base64 before signing", key)));
    keys.extend(hex::decode(secret).ok().map(|key| ("the secret was decoded as hex before signing", key)));
    keys
}

#[cfg(test)]
mod tests;
