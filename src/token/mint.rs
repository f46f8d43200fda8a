//! Makes tokens from options, one or a hundred thousand: the claims, what the issuer adds to them, and the signature.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::options::{Draft, normalized_room};
use super::row::{self, Field, Row};
use super::{
    Algorithm, Claims, Family, FindingKind, Header, Problem, Rules, Signer, SigningKey, Verifier, percent, room, times,
};

/// Who issues the tokens, and how they are signed.
#[derive(Debug)]
pub struct Issuer {
    /// The issuer (`iss`): the app ID, if the site accepts it.
    pub name: String,
    /// An audience that the site accepts; `None` for the usual one.
    pub audience: Option<String>,
    /// The site's domain.
    pub domain: String,
    /// The key to sign with.
    pub key: SigningKey,
    /// The algorithm to sign with.
    pub algorithm: Algorithm,
    /// The key ID, for the header of tokens that do not set one.
    pub kid: Option<String>,
    /// The rules by which the site judges tokens, if known.
    pub rules: Option<Rules>,
}

/// Makes tokens that share options, issuer and key.
pub struct Minter {
    draft: Draft,
    header: Header,
    signer: Signer,
    domain: String,
    rules: Option<Rules>,
    link: bool,
}

/// A token, in buffers that are reused for the next one.
#[derive(Default)]
pub struct Token {
    claims: Vec<u8>,
    signature: Vec<u8>,
    /// The token, ASCII.
    pub token: Vec<u8>,
    /// Its link, if links are wanted.
    pub url: String,
}

/// A new token.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Minted {
    /// The token.
    pub token: String,
    /// Its header.
    pub header: Map<String, Value>,
    /// Its claims.
    pub claims: Map<String, Value>,
    /// The meeting's link with the token in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Warnings; also on stderr.
    pub warnings: Vec<String>,
}

impl Minted {
    /// What to print on stdout: the link if requested, else the token; no line break.
    pub fn text(&self) -> &str {
        self.url.as_deref().unwrap_or(&self.token)
    }
}

impl Minter {
    /// Fills in what depends on the issuer. `link` says whether the meetings' links are wanted.
    pub fn new(mut draft: Draft, issuer: Issuer, link: bool) -> Self {
        if let Some(kid) = &issuer.kid {
            draft.header.entry("kid").or_insert_with(|| kid.as_str().into());
        }
        draft.warnings.extend(doubts(&issuer));
        let Issuer { name, audience, domain, key, algorithm, rules, .. } = issuer;
        draft.claims.issuer = name;
        draft.claims.subject.clone_from(&domain);
        if let Some(audience) = audience.filter(|_| !draft.audience_is_given) {
            draft.claims.audience = audience;
        }
        let header = Header { algorithm, extra: draft.header.clone() };
        Self { signer: Signer::new(&header, key), draft, header, domain, rules, link }
    }

    /// Makes one token from the options alone.
    ///
    /// # Errors
    /// If signing fails.
    pub fn mint(&self, now: SystemTime) -> Result<Minted> {
        let (row, mut token) = (Row::default(), Token::default());
        self.make(&row, &mut token, &mut |_| {})?;
        let claims = self.claims(&row, &mut |_| {})?.to_map();
        let text = String::from_utf8(token.token)?;
        let mut warnings = self.draft.warnings.clone();
        warnings.extend(objections(&text, &claims, self.rules.as_ref(), now));
        Ok(Minted { url: self.link.then_some(token.url), header: self.header.fields(), token: text, claims, warnings })
    }

    /// Makes the token for a row. `note` receives warnings about the row.
    ///
    /// # Errors
    /// If the row is invalid or signing fails.
    pub fn make(&self, row: &Row, token: &mut Token, note: &mut dyn FnMut(String)) -> Result<()> {
        let claims = self.claims(row, note)?;
        token.claims.clear();
        serde_json::to_writer(&mut token.claims, &claims)?;
        token.token.clear();
        self.signer.append(&token.claims, &mut token.token, &mut token.signature)?;
        if self.link {
            token.url = self.link_of(&claims, std::str::from_utf8(&token.token)?);
        }
        Ok(())
    }

    /// The claims from the options, overridden by those of the row.
    fn claims<'a>(&'a self, row: &'a Row, note: &mut dyn FnMut(String)) -> Result<Claims<Cow<'a, str>>> {
        let usual = &self.draft.claims;
        let text = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
        let room = match row.get(Field::Room) {
            Some(written) if !room::is_plain(written) => {
                let (normal, warning) = normalized_room(written)?;
                warning.into_iter().for_each(&mut *note);
                Some(Cow::Owned(normal))
            }
            Some(plain) => Some(Cow::Borrowed(plain)),
            None => text(&usual.room),
        };
        Ok(Claims {
            audience: Cow::Borrowed(&usual.audience),
            issuer: Cow::Borrowed(&usual.issuer),
            subject: Cow::Borrowed(row.get(Field::Sub).unwrap_or(&usual.subject)),
            room,
            room_is_pattern: usual.room_is_pattern,
            issued_at: usual.issued_at,
            not_before: usual.not_before,
            expires_at: row.end(usual)?,
            user: row.user(&usual.user, note)?,
            group: row.get(Field::Group).map(Cow::Borrowed).or_else(|| text(&usual.group)),
            features: row.features(&usual.features, note)?,
            extra: if row.claims.is_empty() {
                usual.extra.clone()
            } else {
                let mut all = self.draft.extra.clone();
                all.extend(row.claims.clone());
                all.into()
            },
        })
    }

    /// Warnings that apply to all tokens: the ones that `mint` gives for one.
    ///
    /// # Errors
    /// If signing fails.
    pub fn warnings(&self, now: SystemTime) -> Result<Vec<String>> {
        Ok(self.mint(now)?.warnings)
    }

    /// The meeting's URL.
    fn link_of(&self, claims: &Claims<Cow<str>>, token: &str) -> String {
        let extra = |name: &str| self.draft.extra.get(name).and_then(Value::as_str);
        let subject = extra("sub").unwrap_or(&claims.subject);
        let tenant = tenant(subject, &self.domain, self.rules.as_ref());
        let room = extra("room").or(claims.room.as_deref()).unwrap_or("*");
        link(&self.domain, tenant, room, claims.room_is_pattern, token)
    }

    /// Whether the options name a room, so rows may omit it.
    pub fn room_is_given(&self) -> bool {
        self.draft.room_is_given
    }

    /// Whether links are wanted.
    pub fn links(&self) -> bool {
        self.link
    }

    /// Checks that rows may have this field.
    ///
    /// # Errors
    /// If `--claim` or `--claims` already set its claim.
    pub fn allow(&self, field: Field) -> Result<()> {
        row::allow(field, &self.draft.extra)
    }

    /// Checks that rows may have a further claim of this name.
    ///
    /// # Errors
    /// If something else sets it.
    pub fn allow_claim(&self, name: &str) -> Result<()> {
        row::allow_claim(name, &self.draft.extra)
    }
}

/// A warning about an algorithm that Jitsi accepts only if configured to, for sites whose rules are not known.
fn doubts(issuer: &Issuer) -> Option<String> {
    let algorithm = issuer.algorithm;
    let name = algorithm.name();
    match algorithm.family() {
        // No plugin supports it, however it is configured.
        Family::Ecdsa => None,
        _ if issuer.rules.is_some() || [Algorithm::Hs256, Algorithm::Rs256].contains(&algorithm) => None,
        _ => Some(format!("Jitsi accepts {name} only if its configuration has signature_algorithm = \"{name}\"")),
    }
}

/// What the server would object to in a token, as far as that can be told if the site is not known. A token that is not
/// valid yet is meant to be so.
fn objections(token: &str, claims: &Map<String, Value>, rules: Option<&Rules>, now: SystemTime) -> Vec<String> {
    let begins = claims.get("nbf").and_then(Value::as_f64).unwrap_or(0.0);
    let wait = (begins - times::unix(now) as f64).clamp(0.0, 1e12);
    let then = now + Duration::from_secs(wait.ceil() as u64);
    let known = rules.cloned().unwrap_or_default();
    let subject = claims.get("sub").and_then(Value::as_str);
    let domain = known.domain.clone().unwrap_or_default();
    let of_tenant = subject.and_then(|subject| tenant(subject, &domain, rules));
    let seen = super::inspect(token.as_bytes(), Verifier::Nothing, &known, None, then);
    let warning = |problem: &Problem| {
        match (problem.kind, of_tenant) {
            // The tenant's rooms have their own URLs, and there it is valid.
            (FindingKind::Subject, Some(tenant)) => rules.map(|_| {
                format!("this token only opens rooms of the tenant \"{tenant}\": https://{domain}/{tenant}/ROOM")
            }),
            _ if problem.fatal => Some(format!("Jitsi rejects this token: {}", problem.text)),
            (FindingKind::Audience | FindingKind::Role | FindingKind::Features, _) => Some(problem.text.clone()),
            _ => None,
        }
    };
    seen.problems.iter().filter_map(warning).collect()
}

/// The tenant that a `sub` names: anything but the site's domain and `*`, if the server checks `sub`.
fn tenant<'a>(subject: &'a str, domain: &str, rules: Option<&Rules>) -> Option<&'a str> {
    let looked_at = rules.is_none_or(|rules| rules.domain_verification);
    let other = !subject.is_empty() && subject != "*" && !subject.eq_ignore_ascii_case(domain);
    (looked_at && other).then_some(subject)
}

/// The meeting's URL. A token for many rooms still needs one to go to: a random one that nobody else is in.
fn link(domain: &str, tenant: Option<&str>, room: &str, is_pattern: bool, token: &str) -> String {
    let room =
        if room == "*" || is_pattern { format!("meeting-{:08x}", rand::random::<u32>()) } else { room.to_owned() };
    let tenant = tenant.map_or_else(String::new, |tenant| format!("{}/", percent::encode(&tenant.to_lowercase())));
    format!("https://{domain}/{tenant}{room}?jwt={}", percent::encode(token))
}
