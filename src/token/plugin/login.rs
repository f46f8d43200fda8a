//! The login: `process_and_verify_token`, and `decode` or `verify` of luajwtjitsi. Each step records what it finds and
//! continues where it can, so people learn everything that is wrong; the first finding is the plugin's answer.

use super::finding::{Consequence, Finding, FindingKind, Stage};
use super::rules::{MissingRoom, PluginKeys, Rules};
use super::value::{Crash, TokenValue};
use super::{SignatureCheck, base64, brief, cjson, shown};
use crate::token::algorithm::{Algorithm, Family};
use crate::token::key::NamedKey;
use crate::token::times;

/// The answer to an algorithm other than the configured one.
const WRONG_ALGORITHM: &str = "Invalid or incorrect alg";

/// A login in progress.
pub(super) struct Login<'a> {
    rules: &'a Rules,
    now: i64,
    pub findings: Vec<Finding>,
    pub header: Option<TokenValue>,
    pub claims: Option<TokenValue>,
    pub signature: Option<bool>,
}

/// The three parts, decoded.
struct Parts {
    header: TokenValue,
    claims: TokenValue,
    signature: Option<Vec<u8>>,
    signed: Vec<u8>,
}

impl<'a> Login<'a> {
    pub(super) fn new(rules: &'a Rules, now: i64) -> Self {
        Self { rules, now, findings: Vec::new(), header: None, claims: None, signature: None }
    }

    fn note(&mut self, effect: Consequence, kind: FindingKind, claim: Option<&'static str>, text: impl Into<String>) {
        self.findings.push(Finding { stage: Stage::Login, effect, kind, claim, text: text.into() });
    }

    fn refuse(&mut self, said: &str, kind: FindingKind, claim: &'static str, text: impl Into<String>) {
        self.note(Consequence::Refused(said.to_owned()), kind, Some(claim), text);
    }

    fn odd(&mut self, kind: FindingKind, claim: &'static str, text: impl Into<String>) {
        self.note(Consequence::Odd, kind, Some(claim), text);
    }

    fn crash(&mut self, kind: FindingKind, claim: &'static str, text: impl Into<String>) {
        self.note(Consequence::NoAnswer, kind, Some(claim), text);
    }

    fn misshapen(&mut self, effect: Consequence, text: impl Into<String>) {
        self.note(effect, FindingKind::Format, None, text);
    }

    pub(super) fn run(&mut self, token: &[u8], check: SignatureCheck) {
        if self.rules.keys == PluginKeys::Server && self.key_id(token).is_none() {
            return;
        }
        let own = self.rules.algorithm;
        if let Some(own) = own.filter(|own| own.family() == Family::Ecdsa && !self.rules.plugin.decode) {
            let text = format!("signature_algorithm is {}, which Jitsi does not support", own.name());
            self.refuse("Algorithm not supported", FindingKind::Server, "alg", text);
        }
        let parts = if self.rules.plugin.decode { self.decoded(token) } else { self.verified(token) };
        let Some(parts) = parts else { return };
        match Header::of(&parts.header) {
            Ok(fields) if self.rules.plugin.decode => self.decode(&parts, &fields, check),
            Ok(fields) => self.verify(&parts, &fields, check),
            Err(Crash) => self.without_fields("header", &parts.header),
        }
        (self.header, self.claims) = (Some(parts.header), Some(parts.claims));
    }

    /// The parts as the rocks of the decode era read them: every failure is the same error.
    fn decoded(&mut self, token: &[u8]) -> Option<Parts> {
        let parts = base64::split_at_two_dots(token);
        let [header, claims, signature] = parts[..] else {
            self.misshapen(refused("Invalid token"), shape(token));
            return None;
        };
        let mut read = |part: &[u8], name: &str| {
            let problem = match base64::lbase64(part).map(|text| cjson::decode(&text)) {
                Some(Ok(value)) => return Some(value),
                Some(Err(invalid)) => not_json(name, invalid),
                None => not_base64(name, part),
            };
            self.misshapen(refused("Invalid json"), problem);
            None
        };
        let (header, claims) = (read(header, "header"), read(claims, "payload"));
        self.parts(&parts, header, claims, base64::lbase64(signature))
    }

    /// Combines the parts. If one could not be read, keeps the other for people to read.
    fn parts(
        &mut self,
        parts: &[&[u8]],
        header: Option<TokenValue>,
        claims: Option<TokenValue>,
        signature: Option<Vec<u8>>,
    ) -> Option<Parts> {
        match (header, claims) {
            (Some(header), Some(claims)) => Some(Parts { header, claims, signature, signed: parts[..2].join(&b'.') }),
            (header, claims) => {
                (self.header, self.claims) = (header, claims);
                None
            }
        }
    }

    /// The parts as `jwt.verify` reads them. What basexx cannot decode reaches cjson as one argument too many, an error
    /// that nobody catches.
    fn verified(&mut self, token: &[u8]) -> Option<Parts> {
        let parts = base64::split_between_dots(token);
        let [header, claims, signature] = parts[..] else {
            self.misshapen(refused("Invalid token"), shape(token));
            return None;
        };
        let mut read = |part: &[u8], name: &str, said: &str| match base64::basexx(part) {
            Ok(text) => {
                cjson::decode(&text).map_err(|invalid| self.misshapen(refused(said), not_json(name, invalid))).ok()
            }
            Err(_) => {
                self.misshapen(Consequence::NoAnswer, not_base64(name, part));
                None
            }
        };
        let header = read(header, "header", "Invalid header");
        let claims = read(claims, "payload", "Invalid body");
        let decoded = base64::basexx(signature).ok();
        if decoded.is_none() {
            let text = not_base64("signature", signature);
            self.misshapen(refused("Invalid signature"), text);
        }
        self.parts(&parts, header, claims, decoded)
    }

    /// The check that precedes all others where public keys are fetched. `None` if the plugin gets no further.
    fn key_id(&mut self, token: &[u8]) -> Option<()> {
        let Some(dot) = token.iter().position(|byte| *byte == b'.') else {
            self.misshapen(refused("Invalid token"), shape(token));
            return None;
        };
        let Ok(text) = base64::basexx(&token[..dot]) else {
            let text = not_base64("header", &token[..dot]);
            let effect = if self.rules.plugin.explains { refused("Invalid token") } else { Consequence::NoAnswer };
            self.misshapen(effect, text);
            return None;
        };
        let header = match cjson::decode(&text) {
            Ok(header) => header,
            Err(invalid) => {
                self.misshapen(refused("bad token format"), not_json("header", invalid));
                return None;
            }
        };
        match Header::of(&header) {
            Ok(fields) => {
                self.key_fields(&fields);
                Some(())
            }
            Err(Crash) => {
                self.without_fields("header", &header);
                None
            }
        }
    }

    /// A value whose fields the plugin reads, but which has none.
    fn without_fields(&mut self, name: &str, value: &TokenValue) {
        let kind = value.kind();
        let text = format!("its {name} is {kind}, not an object, and the plugin crashes on it");
        self.misshapen(Consequence::NoAnswer, text);
    }

    fn key_fields(&mut self, header: &Header) {
        if let Some(accepted) = &self.rules.public_keys {
            return self.named_key(header, accepted);
        }
        match header.kid {
            None => self.refuse(
                "'kid' claim is missing",
                FindingKind::Key,
                "kid",
                "the header has no \"kid\" (key ID), which this server needs to find the public key",
            ),
            Some(TokenValue::Text(_) | TokenValue::Number(_)) => {}
            Some(other) => {
                let kind = other.kind();
                let text = format!("the header's \"kid\" is {kind}, and the plugin crashes on it");
                self.crash(FindingKind::Key, "kid", text);
            }
        }
        if self.rules.plugin.decode {
            return;
        }
        match header.alg {
            None => {
                self.refuse(
                    "'alg' claim is missing",
                    FindingKind::Algorithm,
                    "alg",
                    "the header names no algorithm (\"alg\")",
                );
            }
            Some(TokenValue::Text(name)) if name.starts_with(b"RS") => {}
            Some(TokenValue::Text(name)) => {
                let text = format!("signed with {}, but this server only accepts RS256, RS384 and RS512", brief(name));
                let said = "'kid' claim only support with RS family";
                self.refuse(said, FindingKind::Algorithm, "alg", text);
            }
            Some(other) => {
                let kind = other.kind();
                let text = format!("the header's \"alg\" is {kind}, and the plugin crashes on it");
                self.crash(FindingKind::Algorithm, "alg", text);
            }
        }
    }

    /// What our module checks: the `kid`, the algorithm, then whether it has such a key.
    fn named_key(&mut self, header: &Header, accepted: &[NamedKey]) {
        let Some(kid @ TokenValue::Text(_)) = header.kid else {
            let text = "the header has no \"kid\" (key ID) that is a text; this server needs it to find the public key";
            return self.refuse("'kid' claim is missing", FindingKind::Key, "kid", text);
        };
        if let (Some(TokenValue::Text(name)), Some(only)) = (header.alg, self.rules.algorithm) {
            if name != only.name().as_bytes() {
                let text = format!("signed with {}, but this server only accepts {}", brief(name), only.name());
                self.refuse(WRONG_ALGORITHM, FindingKind::Algorithm, "alg", text);
            }
        }
        if !accepted.iter().any(|known| kid.is(&known.kid)) {
            let kids: Vec<String> = accepted.iter().map(|known| known.kid.clone()).collect();
            let text = format!("unknown key: \"kid\" is {}, but this server accepts {}", shown(kid), list(&kids));
            self.refuse("could not obtain public key", FindingKind::Key, "kid", text);
        }
    }

    /// `jwt.decode`, and what the plugin of its era does with the result.
    fn decode(&mut self, parts: &Parts, header: &Header, check: SignatureCheck) {
        self.header_type(header);
        let name = match header.alg {
            Some(TokenValue::Text(name)) => Some(name),
            Some(other) if other.truth() => {
                let text = format!("the header's \"alg\" is {}, not a string", other.kind());
                self.refuse("Invalid alg", FindingKind::Algorithm, "alg", text);
                None
            }
            _ => {
                self.no_algorithm("Invalid alg");
                None
            }
        };
        if parts.claims.field("exp").is_err() {
            return self.without_fields("payload", &parts.claims);
        }
        self.times_are_numbers(&parts.claims);
        if let Some(name) = name {
            match known(name) {
                None => self.unknown_algorithm("Algorithm not supported", name),
                Some(algorithm) => self.signature(algorithm, parts, check),
            }
        }
        self.times(&parts.claims);
        if let Ok(Some(alg)) = parts.claims.field("alg") {
            if alg.is("none") || alg.is("") {
                let text = "the claims contain an \"alg\" of \"none\"";
                let said = "'alg' claim must not be empty";
                self.refuse(said, FindingKind::Algorithm, "alg", text);
            }
        }
        self.issuer(&parts.claims, "Invalid issuer ('iss' claim)");
        self.room_is_present(&parts.claims);
        self.audience(&parts.claims, "Invalid audience ('aud' claim)");
        self.context(&parts.claims);
    }

    /// `jwt.verify`, and what the plugins since then do with the result.
    fn verify(&mut self, parts: &Parts, header: &Header, check: SignatureCheck) {
        let rules = self.rules;
        self.header_type(header);
        let wrong = WRONG_ALGORITHM;
        match header.alg {
            Some(TokenValue::Text(name)) => match (known(name), rules.algorithm) {
                (None, _) => {
                    self.unknown_algorithm(wrong, name);
                    let name = std::str::from_utf8(name).unwrap_or_default();
                    if let Some(own) = Algorithm::named(name) {
                        self.check_anyway(own, parts, check);
                    }
                }
                (Some(own), Some(only)) if own != only => {
                    let text = format!("signed with {}, but this server only accepts {}", own.name(), only.name());
                    self.refuse(wrong, FindingKind::Algorithm, "alg", text);
                    self.check_anyway(own, parts, check);
                }
                (Some(own), _) => self.signature(own, parts, check),
            },
            Some(other) if other.truth() => {
                let text = format!("the header's \"alg\" is {}, not a string", other.kind());
                self.refuse(wrong, FindingKind::Algorithm, "alg", text);
            }
            _ => self.no_algorithm(wrong),
        }
        if parts.claims.field("exp").is_err() {
            return self.without_fields("payload", &parts.claims);
        }
        self.times_are_numbers(&parts.claims);
        self.times(&parts.claims);
        self.issuer(&parts.claims, "invalid 'iss' claim");
        self.audience(&parts.claims, "invalid 'aud' claim");
        self.room_is_present(&parts.claims);
        if rules.plugin.needs_sub && field(&parts.claims, "sub").is_none() {
            let text = "\"sub\" is missing; it must be the site's domain";
            self.refuse("sub claim is missing", FindingKind::Subject, "sub", text);
        }
        self.context(&parts.claims);
    }

    /// Whether the signature is valid, for people to know: the plugin never gets that far.
    fn check_anyway(&mut self, algorithm: Algorithm, parts: &Parts, check: SignatureCheck) {
        let Some(signature) = &parts.signature else {
            return;
        };
        self.signature = check(algorithm, &parts.signed, signature);
        if self.signature == Some(false) {
            let effect = refused("Invalid signature");
            self.note(effect, FindingKind::Signature, None, "the signature is wrong");
        }
    }

    fn header_type(&mut self, header: &Header) {
        let text = match header.typ {
            Some(typ) if typ.is("JWT") => return,
            None => "the header has no \"typ\": \"JWT\", which Jitsi requires".to_owned(),
            Some(other) => format!("the header's \"typ\" is {}, not \"JWT\"", shown(other)),
        };
        self.refuse("Invalid typ", FindingKind::Type, "typ", text);
    }

    fn no_algorithm(&mut self, said: &str) {
        let text = "the header names no algorithm (\"alg\")";
        self.refuse(said, FindingKind::Algorithm, "alg", text);
    }

    fn unknown_algorithm(&mut self, said: &str, name: &[u8]) {
        let text = if name.eq_ignore_ascii_case(b"none") {
            "it is not signed (\"alg\" is \"none\")".to_owned()
        } else {
            format!("Jitsi does not know the algorithm \"{}\"", brief(name))
        };
        self.refuse(said, FindingKind::Algorithm, "alg", text);
    }

    fn signature(&mut self, algorithm: Algorithm, parts: &Parts, check: SignatureCheck) {
        // The secret used as a public key: luaossl throws, and nobody catches it.
        if algorithm.family() == Family::Rsa && self.rules.keys == PluginKeys::Secret {
            let known = self.rules.plugin.decode || self.rules.algorithm.is_some();
            if known {
                let text = format!(
                    "signed with {}, but this server has a secret and no public key: the plugin crashes",
                    algorithm.name()
                );
                self.crash(FindingKind::Algorithm, "alg", text);
                return;
            }
        }
        let right = match &parts.signature {
            Some(signature) if signature.is_empty() => Some(false),
            Some(signature) => check(algorithm, &parts.signed, signature),
            None => Some(false),
        };
        self.signature = right;
        let text = match &parts.signature {
            _ if right != Some(false) => return,
            Some(signature) if signature.is_empty() => "its signature (third part) is empty",
            Some(_) => "the signature is wrong",
            // Already reported.
            None if !self.rules.plugin.decode => return,
            None => "its signature is incomplete or damaged",
        };
        let effect = refused("Invalid signature");
        self.note(effect, FindingKind::Signature, None, text);
    }

    fn times_are_numbers(&mut self, claims: &TokenValue) {
        for (name, said) in [("exp", "exp must be number"), ("nbf", "nbf must be number")] {
            match field(claims, name) {
                None | Some(TokenValue::Number(_) | TokenValue::Bool(false)) => {}
                Some(other) => {
                    let text = format!("\"{name}\" is {}, not a number; it must be seconds since 1970", other.kind());
                    self.refuse(said, FindingKind::Time, name, text);
                }
            }
        }
    }

    fn times(&mut self, claims: &TokenValue) {
        let time = |name| match field(claims, name) {
            Some(TokenValue::Number(number)) => Some(*number),
            _ => None,
        };
        let now = self.now as f64;
        match time("exp") {
            Some(until) if now >= until => self.expired(claims, until),
            Some(until) if until > 100_000_000_000.0 => {
                let text = "\"exp\" looks like milliseconds; it must be in seconds, so this token never expires";
                self.odd(FindingKind::Time, "exp", text);
            }
            Some(_) => {}
            None if matches!(field(claims, "exp"), None | Some(TokenValue::Bool(false))) => {
                self.odd(FindingKind::Time, "exp", "it never expires (no \"exp\")");
            }
            None => {}
        }
        if let Some(from) = time("nbf").filter(|from| now < *from) {
            let text = format!(
                "not valid before {}, in {} (\"nbf\"; Jitsi tolerates no clock difference)",
                times::utc(from as i64),
                distance(from, now)
            );
            let said = "Not acceptable by nbf";
            self.refuse(said, FindingKind::NotYetValid, "nbf", text);
        }
        if let Some(made) = time("iat").filter(|made| now + 5.0 < *made) {
            let text = format!("created {} in the future (\"iat\"): one of the clocks is wrong", distance(made, now));
            self.odd(FindingKind::Time, "iat", text);
        }
    }

    fn expired(&mut self, claims: &TokenValue, until: f64) {
        let now = self.now as f64;
        let text = format!("expired {} ago, at {} (\"exp\")", distance(until, now), times::utc(until as i64));
        let made = field(claims, "iat").filter(|made| made.truth());
        let explained = self.rules.plugin.explains;
        if let Some(made) = made.filter(|made| explained && !made.is_numeric()) {
            let text = format!("{text}; \"iat\" is {}, and the plugin crashes when it says so", made.kind());
            self.crash(FindingKind::Expired, "exp", text);
            return;
        }
        let said = match explained {
            true => format!("Not acceptable by exp ({} sec since expired)", now - until),
            false => "Not acceptable by exp".to_owned(),
        };
        self.refuse(&said, FindingKind::Expired, "exp", text);
    }

    fn issuer(&mut self, claims: &TokenValue, said: &str) {
        let Some(issuer) = field(claims, "iss") else {
            let text = "\"iss\" is missing; it must be the app ID";
            self.refuse("'iss' claim is missing", FindingKind::Issuer, "iss", text);
            return;
        };
        match &self.rules.issuers {
            Some(accepted) if !takes(accepted, issuer) => {
                let text =
                    format!("wrong issuer: \"iss\" is {}, but this server accepts {}", shown(issuer), list(accepted));
                self.refuse(said, FindingKind::Issuer, "iss", text);
            }
            // The accepted issuers are unknown: it must at least be a string, unless any is accepted.
            None if !matches!(issuer, TokenValue::Text(_)) => {
                let text = format!("\"iss\" is {}, not a string; it must be the app ID", issuer.kind());
                self.refuse(said, FindingKind::Issuer, "iss", text);
            }
            _ => {}
        }
    }

    fn audience(&mut self, claims: &TokenValue, said: &str) {
        let Some(audience) = field(claims, "aud") else {
            let text = "\"aud\" is missing; use any value, such as \"jitsi\"";
            self.refuse("'aud' claim is missing", FindingKind::Audience, "aud", text);
            return;
        };
        if takes(&self.rules.audiences, audience) {
            if !matches!(audience, TokenValue::Text(_)) {
                let text = format!(
                    "\"aud\" is {}, which is rejected where audiences are limited; use a string",
                    audience.kind()
                );
                self.odd(FindingKind::Audience, "aud", text);
            }
            return;
        }
        let accepted = list(&self.rules.audiences);
        let text = match audience {
            TokenValue::Text(_) => {
                format!("wrong audience: \"aud\" is {}, but this server accepts {accepted}", shown(audience))
            }
            other => {
                format!("wrong audience: \"aud\" is {}, not a string; this server accepts {accepted}", other.kind())
            }
        };
        self.refuse(said, FindingKind::Audience, "aud", text);
    }

    fn room_is_present(&mut self, claims: &TokenValue) {
        if !self.rules.require_room || field(claims, "room").is_some() {
            return;
        }
        let text = "\"room\" is missing; use a room's name, or * for every room";
        match self.rules.plugin.missing_room {
            MissingRoom::Refused => {
                self.refuse("'room' claim is missing", FindingKind::Room, "room", text);
            }
            MissingRoom::RefusedLast => {
                self.refuse("room claim is missing", FindingKind::Room, "room", text);
            }
            MissingRoom::Crash => {
                let text = format!("{text}; this Jitsi drops the connection without a message");
                self.crash(FindingKind::Room, "room", text);
            }
        }
    }

    /// The plugin reads fields of the context, which only objects, lists and strings allow.
    fn context(&mut self, claims: &TokenValue) {
        if let Some(context) = field(claims, "context").filter(|it| it.field("user").is_err()) {
            let text = format!(
                "\"context\" is {}, and the plugin crashes on it; leave it out or make it an object",
                context.kind()
            );
            self.crash(FindingKind::Context, "context", text);
        }
    }
}

/// The header fields that are read.
struct Header<'a> {
    typ: Option<&'a TokenValue>,
    alg: Option<&'a TokenValue>,
    kid: Option<&'a TokenValue>,
}

impl<'a> Header<'a> {
    fn of(header: &'a TokenValue) -> Result<Self, Crash> {
        Ok(Self { typ: header.field("typ")?, alg: header.field("alg")?, kid: header.field("kid")? })
    }
}

/// A claim. Claims without fields have been handled before.
fn field<'a>(claims: &'a TokenValue, name: &str) -> Option<&'a TokenValue> {
    claims.field(name).ok().flatten()
}

/// The algorithms of luajwtjitsi, which never include ECDSA.
fn known(name: &[u8]) -> Option<Algorithm> {
    let name = std::str::from_utf8(name).ok()?;
    Algorithm::named(name).filter(|algorithm| algorithm.family() != Family::Ecdsa)
}

fn refused(said: &str) -> Consequence {
    Consequence::Refused(said.to_owned())
}

fn takes(accepted: &[String], claim: &TokenValue) -> bool {
    accepted.iter().any(|own| own == "*" || claim.is(own))
}

fn list(values: &[String]) -> String {
    if values.is_empty() {
        return "none at all".to_owned();
    }
    values.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(" or ")
}

fn distance(moment: f64, now: f64) -> String {
    times::span((moment - now).abs() as u64)
}

/// What the number of parts says about the token.
fn shape(token: &[u8]) -> String {
    let text = match token.split(|byte| *byte == b'.').count() {
        1 if token.is_empty() => "the input is empty",
        1 if token.starts_with(b"eyJ") => "it is incomplete: only the first of three parts is here",
        1 => "not a JWT; if this is your secret, rotate it",
        2 => "it is incomplete: the signature (third part) is missing",
        3 if token.ends_with(b".") => "its signature (third part) is empty",
        3 => "one of its three parts is empty",
        5 => "it is encrypted (five parts), which Jitsi does not support",
        count => return format!("it has {count} parts instead of three"),
    };
    text.to_owned()
}

fn not_json(name: &str, invalid: cjson::Invalid) -> String {
    if invalid.too_deep {
        return format!("its {name} is nested too deeply");
    }
    format!("its {name} is not valid JSON (byte {}): incomplete, or not a token", invalid.at + 1)
}

fn not_base64(name: &str, part: &[u8]) -> String {
    if part.iter().any(|byte| b"+/".contains(byte)) {
        return format!("its {name} is in base64 instead of base64url (- and _, no padding)");
    }
    format!("its {name} contains characters that are invalid in base64url")
}
