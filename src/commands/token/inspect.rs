//! Explains a token to people: the verdict, who and where and when, and everything odd about it.

use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::shown;
use crate::token::{self, Expect, Inspection, Problem, PublicKey, Signature, Verifier, times};

/// What to read, and what is known of the server.
#[derive(Clone, Debug, Default)]
pub struct InspectRequest {
    /// A token, or a meeting's address with one.
    pub input: Vec<u8>,
    /// The app secret, if it is known.
    pub secret: Option<Secret>,
    /// The public key, if there is one; it is then what signatures are checked with.
    pub key: Option<PublicKey>,
    /// What the server takes.
    pub expect: Expect,
}

/// What a token turned out to be.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Inspected {
    /// Whether Jitsi would take it, as far as can be seen from here.
    pub valid: bool,
    /// The verdict in one sentence.
    pub verdict: String,
    /// Who, where and when, in words.
    pub summary: Vec<String>,
    /// What was read.
    #[serde(flatten)]
    pub inspection: Inspection,
    /// 0 valid, 4 not.
    pub exit_code: u8,
}

/// Reads a token.
pub fn inspect(request: &InspectRequest, now: SystemTime) -> Inspected {
    let verifier = match &request.key {
        Some(key) => Verifier::Public(key),
        None => request.secret.as_ref().into(),
    };
    let inspection = token::inspect(&request.input, verifier, &request.expect, now);
    let valid = inspection.valid();
    let worst = inspection.problems.iter().find(|problem| problem.fatal);
    let verdict = match (worst, inspection.signature) {
        (Some(Problem { text, .. }), _) => format!("Jitsi would refuse it: {text}"),
        (None, Signature::Valid) => "Jitsi would take it".to_owned(),
        (None, _) => {
            "Jitsi would take it, if the signature is right (no key to check it with)".to_owned()
        }
    };
    Inspected {
        valid,
        verdict,
        summary: inspection
            .claims
            .as_ref()
            .map(|claims| summary(claims, now))
            .unwrap_or_default(),
        inspection,
        exit_code: if valid { 0 } else { 4 },
    }
}

fn summary(claims: &Map<String, Value>, now: SystemTime) -> Vec<String> {
    let mut lines = Vec::new();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let user = claims
        .get("context")
        .and_then(|context| context.get("user"));
    let who = |field: &str| text(user.and_then(|user| user.get(field)));
    let names: Vec<String> = ["name", "email", "id"]
        .into_iter()
        .filter_map(who)
        .collect();
    if !names.is_empty() {
        lines.push(format!("for   {}", names.join(", ")));
    }
    let pattern = token::room_is_pattern(claims);
    lines.extend(text(claims.get("room")).map(|name| match name.as_str() {
        "*" => "room  every room".to_owned(),
        name if pattern => format!("room  every room whose name is like the Lua pattern {name}"),
        name => format!("room  {name}"),
    }));
    lines.extend(text(claims.get("sub")).map(|domain| format!("site  {domain}")));
    lines.extend(text(claims.get("iss")).map(|issuer| format!("by    {issuer}")));
    let now = times::unix(now);
    for (label, name) in [("made ", "iat"), ("from ", "nbf"), ("until", "exp")] {
        let Some(moment) = claims
            .get(name)
            .and_then(Value::as_f64)
            .map(|moment| moment as i64)
        else {
            continue;
        };
        let distance = times::span(moment.abs_diff(now));
        let when = if moment > now {
            format!("in {distance}")
        } else {
            format!("{distance} ago")
        };
        lines.push(format!("{label} {} ({when})", times::utc(moment)));
    }
    lines.push(format!("now   {} by this machine's clock", times::utc(now)));
    lines
}

impl Inspected {
    /// What goes to stdout. The token may come from a stranger, and so do the names in it.
    pub fn text(&self) -> String {
        let mut lines = vec![self.verdict.clone(), String::new()];
        lines.extend(self.summary.iter().map(|line| format!("  {line}")));
        let signature = match self.inspection.signature {
            Signature::Valid => "right",
            Signature::Wrong => "WRONG",
            Signature::Unchecked => "not checked",
            Signature::Missing => "none that could be checked",
        };
        lines.push(format!("  signature: {signature}"));
        for problem in &self.inspection.problems {
            let mark = if problem.fatal { "✗" } else { "!" };
            lines.push(format!("  {mark} {}", problem.text));
        }
        for (name, fields) in [
            ("header", &self.inspection.header),
            ("claims", &self.inspection.claims),
        ] {
            if let Some(fields) = fields {
                lines.push(format!("\n{name} {:#}", shown::masked(fields)));
            }
        }
        let text = lines.join("\n");
        text.lines()
            .map(|line| format!("{}\n", shown::line(line)))
            .collect()
    }
}
