//! What Jitsi's token plugins say to a token: one model, step by step as their Lua does it, for all generations and
//! options. `token inspect`, the warnings of `token mint` and `batch`, and the explanations of `verify` rest on it.

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

/// Checks a signature: the algorithm, what was signed, the signature. None: there is no key to check it with.
pub type SignatureCheck<'a> = &'a dyn Fn(Algorithm, &[u8], &[u8]) -> Option<bool>;

/// What a server says to a token.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// At the login.
    pub login: Answer,
    /// At the room, if the login was accepted.
    pub room: Option<Answer>,
    /// Whether the signature is right; none: it could not be checked, or nobody came to it.
    pub signature: Option<bool>,
    /// All that is wrong or odd, in the order in which the plugin would come to it. Only the first one that is wrong
    /// at a stage is what the server says; the others would be next.
    pub findings: Vec<Finding>,
    /// The header, if it could be read.
    pub header: Option<TokenValue>,
    /// The claims, if they could be read.
    pub claims: Option<TokenValue>,
}

/// Says what the server does with a token, byte for byte as it arrives there, and with somebody who then enters a
/// room: the one given, or the one that the token names.
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

/// Foreign text, cut to what a line can hold.
fn brief(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

/// A value as a sentence can hold it.
fn shown(value: &TokenValue) -> String {
    match value {
        TokenValue::Text(text) => format!("\"{}\"", brief(text)),
        TokenValue::Number(_) => format!("the number {}", value.to_json()),
        other => other.kind().to_owned(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
