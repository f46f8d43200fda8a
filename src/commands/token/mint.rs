//! Makes a token from what an operator asks for. What can be wrong with that is found before any credentials are
//! looked for.

use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::commands::token::claim_options::{self, ClaimsFile, Sources};
use crate::token::{
    self, Algorithm, Claims, Family, FindingKind, Header, Problem, Rules, Signer, SigningKey, User, Verifier, percent,
    room, times,
};

/// How long a token is valid if nobody says anything.
pub const USUAL_SPAN: Duration = Duration::from_secs(24 * 60 * 60);

/// The audience by custom.
pub const JITSI: &str = "jitsi";

/// When a token ends.
#[derive(Clone, Copy, Debug, Default)]
pub enum Expiry {
    /// After a day, as nobody has said anything.
    #[default]
    Usual,
    /// This long after it begins.
    In(Duration),
    /// At this moment, seconds since 1970.
    At(i64),
    /// Never.
    Never,
}

impl Expiry {
    /// The moment, for a token that begins at `start`.
    pub fn moment(self, start: i64) -> Option<i64> {
        match self {
            Self::Usual => Some(start.saturating_add(seconds(USUAL_SPAN))),
            Self::In(span) => Some(start.saturating_add(seconds(span))),
            Self::At(moment) => Some(moment),
            Self::Never => None,
        }
    }

    /// Refuses a moment that is over before the token begins.
    pub fn check(self, start: i64) -> Result<()> {
        match self {
            Self::At(moment) if moment <= start => {
                bail!("{} is over before the token begins, at {}", times::utc(moment), times::utc(start))
            }
            _ => Ok(()),
        }
    }
}

/// A span in seconds.
pub fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// What a new token shall say. The default is a token for every room and 24 hours.
#[derive(Clone, Debug, Default)]
pub struct MintRequest {
    /// A room's name; none: every room.
    pub room: Option<String>,
    /// A Lua pattern of room names.
    pub room_pattern: Option<String>,
    /// The audience; none: one that the site accepts.
    pub audience: Option<String>,
    /// When it ends.
    pub expiry: Expiry,
    /// When it begins, from now; none: at once.
    pub starts_in: Option<Duration>,
    /// Whom it is for.
    pub user: User,
    /// The user's group.
    pub group: Option<String>,
    /// Features, each `name` or `name=true|false`.
    pub features: Vec<String>,
    /// Further claims, each `name=value`; the value is JSON, or else text.
    pub claims: Vec<String>,
    /// Further claims, a JSON object.
    pub claims_file: Option<ClaimsFile>,
    /// Fields of the header, each `name=value`.
    pub header: Vec<String>,
    /// Whether the meeting's link is wanted.
    pub link: bool,
}

/// Whose token it is to be.
#[derive(Debug)]
pub struct Issuer {
    /// The issuer: the app id, where the site accepts it.
    pub name: String,
    /// An audience that the site accepts; none: the usual one.
    pub audience: Option<String>,
    /// The site's domain.
    pub domain: String,
    /// What to sign with.
    pub key: SigningKey,
    /// How to sign.
    pub algorithm: Algorithm,
    /// The rules by which the site judges tokens, if they are known.
    pub rules: Option<Rules>,
}

/// A token in which only the issuer is missing.
#[derive(Debug)]
pub struct Draft {
    /// The claims; issuer and subject are still empty.
    pub claims: Claims,
    /// Fields of the header.
    pub header: Map<String, Value>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// The claims of `--claim` and `--claims`.
    pub extra: Map<String, Value>,
    link: bool,
    audience_is_given: bool,
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
    /// What the operator should know; for stderr.
    pub warnings: Vec<String>,
}

impl Minted {
    /// What goes to stdout: the link if it was asked for, else the token; no line break.
    pub fn text(&self) -> &str {
        self.url.as_deref().unwrap_or(&self.token)
    }
}

/// Checks what is asked for. An error is the operator's mistake (exit code 2).
pub fn draft(request: &MintRequest, now: SystemTime) -> Result<Draft> {
    let mut warnings = Vec::new();
    let (room, room_is_pattern) = room_claim(request, &mut warnings)?;
    let mut sources = options(request)?;
    let features = features(request, &mut sources, &mut warnings)?;
    if let Some(affiliation) = &request.user.affiliation {
        claim_options::check_affiliation(affiliation)?;
    }
    let file = request.claims_file.as_ref();
    let extra = claim_options::extra_claims(file, &request.claims, &mut sources)?;
    warnings.extend(replaced(request, &extra));
    let issued = times::unix(now);
    let start = issued.saturating_add(request.starts_in.map_or(0, seconds));
    request.expiry.check(start)?;
    if matches!(request.expiry, Expiry::Never) {
        warnings.push("this token never expires: the only way to end it is another app secret".to_owned());
    }
    Ok(Draft {
        claims: Claims {
            audience: request.audience.clone().unwrap_or_else(|| JITSI.to_owned()),
            room: Some(room),
            room_is_pattern,
            issued_at: Some(issued),
            // Left out unless asked for: plugins allow no difference between clocks, and "from now" then means
            // "refused" on a server whose clock is a second behind.
            not_before: request.starts_in.map(|_| start),
            expires_at: request.expiry.moment(start),
            user: request.user.clone(),
            group: request.group.clone(),
            features,
            extra: extra.clone().into(),
            ..Claims::default()
        },
        header: claim_options::header_fields(&request.header)?,
        warnings,
        extra,
        link: request.link,
        audience_is_given: request.audience.is_some(),
    })
}

fn features(request: &MintRequest, sources: &mut Sources, warnings: &mut Vec<String>) -> Result<Vec<(String, bool)>> {
    let mut features = Vec::new();
    for text in &request.features {
        let (name, on) = claim_options::feature(text)?;
        sources.add(&["context", "features", name], "--feature")?;
        warnings.extend(claim_options::unknown_feature(name));
        features.push((name.to_owned(), on));
    }
    Ok(features)
}

/// What to say about further claims in place of those that the credentials give.
fn replaced(request: &MintRequest, extra: &Map<String, Value>) -> Vec<String> {
    let mut warnings = Vec::new();
    for name in ["iss", "sub"] {
        let option = |claim: &String| claim.split_once('=').is_some_and(|(own, _)| own == name);
        let from =
            if request.claims.iter().any(option) { format!("--claim {name}=…") } else { "--claims".to_owned() };
        if extra.contains_key(name) {
            warnings.push(format!("{from} takes the place of the “{name}” that the token would have had"));
        }
    }
    warnings
}

/// The claims that options give.
fn options(request: &MintRequest) -> Result<Sources> {
    let mut sources = Sources::default();
    let user = &request.user;
    let expiry = match request.expiry {
        Expiry::Usual => None,
        Expiry::In(_) => Some("--expires-in"),
        Expiry::At(_) => Some("--expires-at"),
        Expiry::Never => Some("--never"),
    };
    let pattern = request.room_pattern.is_some();
    for (is_given, path, option) in [
        (request.room.is_some(), &["room"][..], "--room"),
        (pattern, &["room"], "--room-pattern"),
        (pattern, &["context", "room", "regex"], "--room-pattern"),
        (request.audience.is_some(), &["aud"], "--audience"),
        (expiry.is_some(), &["exp"], expiry.unwrap_or_default()),
        (request.starts_in.is_some(), &["nbf"], "--starts-in"),
        (request.group.is_some(), &["context", "group"], "--group"),
    ] {
        if is_given {
            sources.add(path, option)?;
        }
    }
    let moderator = user.moderator.is_some();
    for (is_given, name, option) in [
        (user.id.is_some(), "id", "--user-id"),
        (user.name.is_some(), "name", "--name"),
        (user.email.is_some(), "email", "--email"),
        (user.avatar.is_some(), "avatar", "--avatar"),
        (moderator, "moderator", "--moderator"),
        (moderator, "affiliation", "--moderator"),
        (user.affiliation.is_some(), "affiliation", "--affiliation"),
    ] {
        if is_given {
            sources.add(&["context", "user", name], option)?;
        }
    }
    Ok(sources)
}

fn room_claim(request: &MintRequest, warnings: &mut Vec<String>) -> Result<(String, bool)> {
    if let Some(pattern) = &request.room_pattern {
        warnings.extend(room::check_pattern(pattern)?);
        return Ok((pattern.clone(), true));
    }
    let name = request.room.as_deref().unwrap_or("*");
    let (room, warning) = normal_room(name)?;
    warnings.extend(warning);
    Ok((room, false))
}

/// The room as a token names it, and what to say if that is not how it was written.
pub fn normal_room(name: &str) -> Result<(String, Option<String>)> {
    if name.is_empty() {
        bail!("the room has no name: give one, or * for every room");
    }
    if name == "*" {
        return Ok((name.to_owned(), None));
    }
    let room = room::normal(name);
    if room.is_empty() {
        bail!("nothing is left of the room name “{name}” once Jitsi has dropped what it does not take");
    }
    let warning = room::warning(name).map(|text| format!("{text}; the token is for that name"));
    Ok((room, warning))
}

impl Draft {
    /// The token.
    pub fn mint(mut self, issuer: Issuer, now: SystemTime) -> Result<Minted> {
        self.issued_by(&issuer);
        let Issuer { domain, key, algorithm, rules, .. } = issuer;
        let header = Header { algorithm, extra: self.header };
        let token = Signer::new(&header, key).sign(&serde_json::to_vec(&self.claims)?)?;
        let claims = self.claims.to_map();
        self.warnings.extend(objections(&token, &claims, rules.as_ref(), now));
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let room = text("room").unwrap_or("*");
        let tenant = text("sub").and_then(|sub| tenant(sub, &domain, rules.as_ref()));
        Ok(Minted {
            url: self.link.then(|| link(&domain, tenant, room, self.claims.room_is_pattern, &token)),
            header: header.fields(),
            token,
            claims,
            warnings: self.warnings,
        })
    }

    /// Fills in what follows from whose token it is to be.
    pub fn issued_by(&mut self, issuer: &Issuer) {
        self.warnings.extend(self.doubts(issuer));
        self.claims.issuer.clone_from(&issuer.name);
        self.claims.subject.clone_from(&issuer.domain);
        if let Some(audience) = issuer.audience.as_ref().filter(|_| !self.audience_is_given) {
            self.claims.audience.clone_from(audience);
        }
    }

    /// Whether `--claim` or `--claims` give this claim.
    pub fn gives(&self, name: &str) -> bool {
        self.extra.contains_key(name)
    }

    /// What speaks against this way of signing, where that does not depend on what a server says to the token.
    fn doubts(&self, issuer: &Issuer) -> Option<String> {
        let algorithm = issuer.algorithm;
        let name = algorithm.name();
        match algorithm.family() {
            // No plugin knows it, whatever it is told.
            Family::Ecdsa => None,
            Family::Rsa if !self.header.contains_key("kid") => Some(
                "Jitsi finds the public key of a token by its key id, and this one has none: give --header kid=ID"
                    .to_owned(),
            ),
            _ if issuer.rules.is_some() || [Algorithm::Hs256, Algorithm::Rs256].contains(&algorithm) => None,
            _ => Some(format!("Jitsi takes {name} only where its configuration has signature_algorithm = \"{name}\"")),
        }
    }
}

/// What the server would say against a token; one of a site that is not known, as far as that can be told. That the
/// token has yet to begin is meant so.
pub fn objections(token: &str, claims: &Map<String, Value>, rules: Option<&Rules>, now: SystemTime) -> Vec<String> {
    let begins = claims.get("nbf").and_then(Value::as_f64).unwrap_or(0.0);
    let wait = (begins - times::unix(now) as f64).clamp(0.0, 1e12);
    let then = now + Duration::from_secs(wait.ceil() as u64);
    let known = rules.cloned().unwrap_or_default();
    let subject = claims.get("sub").and_then(Value::as_str);
    let domain = known.domain.clone().unwrap_or_default();
    let of_tenant = subject.and_then(|subject| tenant(subject, &domain, rules));
    let seen = token::inspect(token.as_bytes(), Verifier::Nothing, &known, None, then);
    let warning = |problem: &Problem| {
        match (problem.kind, of_tenant) {
            // A tenant's rooms are elsewhere, and there it is right.
            (FindingKind::Subject, Some(tenant)) => rules.map(|_| {
                format!("this token opens rooms of the tenant “{tenant}” only: https://{domain}/{tenant}/ROOM")
            }),
            _ if problem.fatal => Some(format!("Jitsi would refuse this token: {}", problem.text)),
            (FindingKind::Audience, _) => Some(problem.text.clone()),
            _ => None,
        }
    };
    seen.problems.iter().filter_map(warning).collect()
}

/// The tenant that a `sub` names: whatever is neither the site's domain nor all, where the server looks at it.
pub fn tenant<'a>(subject: &'a str, domain: &str, rules: Option<&Rules>) -> Option<&'a str> {
    let looked_at = rules.is_none_or(|rules| rules.domain_verification);
    let other = !subject.is_empty() && subject != "*" && !subject.eq_ignore_ascii_case(domain);
    (looked_at && other).then_some(subject)
}

/// The meeting's address. A token for many rooms needs some room to go to: one that nobody else is in.
pub fn link(domain: &str, tenant: Option<&str>, room: &str, is_pattern: bool, token: &str) -> String {
    let room =
        if room == "*" || is_pattern { format!("meeting-{:08x}", rand::random::<u32>()) } else { room.to_owned() };
    let tenant = tenant.map_or_else(String::new, |tenant| format!("{}/", percent::encode(&tenant.to_lowercase())));
    format!("https://{domain}/{tenant}{room}?jwt={}", percent::encode(token))
}
