//! What Jitsi's token plugins do with a token: one model, step by step as in their Lua, for all generations and
//! options. `token inspect`, the warnings of `token mint` and `batch`, and the explanations of `verify` rely on it.

mod base64;
mod cjson;
mod finding;
mod login;
pub mod pattern;
mod room;
mod rules;
mod value;

use std::time::SystemTime;

pub use finding::{Answer, Consequence, Finding, FindingKind, Stage};
pub use rules::{MissingRoom, PluginKeys, PluginModel, PluginRelease, Room, Rooms, Rules, TenantLog};
pub use value::{Lua, TokenValue};

use super::algorithm::Algorithm;
use super::times;

/// Verifies a signature: the algorithm, what was signed, the signature. `None` if there is no key to verify it with.
pub type SignatureCheck<'a> = &'a dyn Fn(Algorithm, &[u8], &[u8]) -> Option<bool>;

/// A server's response to a token.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// At the login.
    pub login: Answer,
    /// At the room, if the login was accepted.
    pub room: Option<Answer>,
    /// Whether the signature is valid; `None` if it could not be checked, or the check was never reached.
    pub signature: Option<bool>,
    /// Everything wrong or odd, in the order in which the plugin would encounter it. The server reports only the first
    /// error at a stage; the others would be next.
    pub findings: Vec<Finding>,
    /// The header, if it could be read.
    pub header: Option<TokenValue>,
    /// The claims, if they could be read.
    pub claims: Option<TokenValue>,
}

/// What the server does with a token, given byte for byte as it arrives there, and with its bearer, who then enters a
/// room: the given one, or the one that the token names.
pub fn judge(token: &[u8], rules: &Rules, room: Option<&Room>, check: SignatureCheck, now: SystemTime) -> Judgement {
    let mut login = login::Login::new(rules, times::unix(now));
    login.run(token, check);
    let mut findings = login.findings;
    if let Some(claims) = &login.claims {
        findings.extend(room::findings(claims, rules, room));
    }
    let answer = Answer::at(Stage::Login, &findings);
    Judgement {
        room: (answer == Answer::Accepted).then(|| Answer::at(Stage::Room, &findings)),
        login: answer,
        signature: login.signature,
        findings,
        header: login.header,
        claims: login.claims,
    }
}

/// JSON as the plugins read it.
pub fn read_json(text: &[u8]) -> Option<TokenValue> {
    cjson::decode(text).ok()
}

/// Foreign text, without control characters and cut to 80 characters.
fn brief(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

/// A value, worded for a sentence.
fn shown(value: &TokenValue) -> String {
    match value {
        TokenValue::Text(text) => format!("\"{}\"", brief(text)),
        TokenValue::Number(_) => format!("the number {}", value.to_json()),
        other => other.kind().to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
