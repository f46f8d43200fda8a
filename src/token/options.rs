//! What operators request of a token, in options or rows, and the resulting claims, each of which has only one source.
//! Mistakes are found before any credentials are looked up.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::{Claims, User, role, room, times};

/// How long a token is valid by default.
const DEFAULT_SPAN: Duration = Duration::from_secs(24 * 60 * 60);

/// The customary audience.
pub const JITSI: &str = "jitsi";

/// When a token expires.
#[derive(Clone, Copy, Debug, Default)]
pub enum Expiry {
    /// After a day, the default.
    #[default]
    Usual,
    /// This long after it becomes valid.
    In(Duration),
    /// At this time, in seconds since 1970.
    At(i64),
    /// Never.
    Never,
}

impl Expiry {
    /// The expiry of a token that becomes valid at `start`, both in seconds since 1970; `None` if it never expires.
    pub fn moment(self, start: i64) -> Option<i64> {
        match self {
            Self::Usual => Some(start.saturating_add(seconds(DEFAULT_SPAN))),
            Self::In(span) => Some(start.saturating_add(seconds(span))),
            Self::At(moment) => Some(moment),
            Self::Never => None,
        }
    }

    /// Rejects an expiry that is not after the token becomes valid.
    pub fn check(self, start: i64) -> Result<()> {
        match self {
            Self::At(moment) if moment <= start => {
                bail!("{} is before the token becomes valid, at {}", times::utc(moment), times::utc(start))
            }
            _ => Ok(()),
        }
    }
}

/// A duration in whole seconds.
fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// A user's possible affiliations with a room: those of XMPP, and two words that Jitsi treats as `owner`.
const AFFILIATIONS: [&str; 7] = ["owner", "moderator", "teacher", "admin", "member", "none", "outcast"];

/// Claims from a file or standard input.
#[derive(Clone, Debug)]
pub struct ClaimsFile {
    /// Its name in messages.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
}

impl ClaimsFile {
    fn read(&self) -> Result<Map<String, Value>> {
        let name = &self.name;
        match serde_json::from_slice(&self.bytes).with_context(|| format!("{name} is not valid JSON"))? {
            Value::Object(claims) => Ok(claims),
            _ => bail!("{name} is not a JSON object ({{\"name\": value, …}})"),
        }
    }
}

/// What a new token should contain. The default is a token for every room, valid for 24 hours.
#[derive(Clone, Debug, Default)]
pub struct TokenOptions {
    /// A room's name; `None` for every room.
    pub room: Option<String>,
    /// A Lua pattern of room names.
    pub room_pattern: Option<String>,
    /// The audience; `None` for one that the site accepts.
    pub audience: Option<String>,
    /// When it expires.
    pub expiry: Expiry,
    /// When it becomes valid, from now; `None` for at once.
    pub starts_in: Option<Duration>,
    /// The user it is for.
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
}

/// A token that lacks only its issuer's part.
#[derive(Debug)]
pub struct Draft {
    /// The claims; issuer and subject are still empty.
    pub claims: Claims,
    /// Fields of the header.
    pub header: Map<String, Value>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
    /// The claims of `--claim` and `--claims`.
    pub extra: Map<String, Value>,
    /// Whether the options name an audience.
    pub audience_is_given: bool,
    /// Whether they name a room, or a pattern for several.
    pub room_is_given: bool,
}

/// The claims that the options request. Errors are the operator's mistakes (exit code 2).
pub fn draft(options: &TokenOptions, now: SystemTime) -> Result<Draft> {
    let mut warnings = Vec::new();
    let (room, room_is_pattern) = room_claim(options, &mut warnings)?;
    let mut sources = sources(options)?;
    let features = features(options, &mut sources, &mut warnings)?;
    if let Some(affiliation) = &options.user.affiliation {
        check_affiliation(affiliation)?;
    }
    let file = options.claims_file.as_ref();
    let extra = extra_claims(file, &options.claims, &mut sources)?;
    warnings.extend(replaced(options, &extra));
    let issued = times::unix(now);
    let start = issued.saturating_add(options.starts_in.map_or(0, seconds));
    options.expiry.check(start)?;
    if matches!(options.expiry, Expiry::Never) {
        warnings.push("this token never expires: only a new app secret revokes it".to_owned());
    }
    Ok(Draft {
        claims: Claims {
            audience: options.audience.clone().unwrap_or_else(|| JITSI.to_owned()),
            room: Some(room),
            room_is_pattern,
            issued_at: Some(issued),
            // Left out unless requested: plugins allow no clock skew, so "from now" would mean "rejected" on a server
            // whose clock is a second behind.
            not_before: options.starts_in.map(|_| start),
            expires_at: options.expiry.moment(start),
            user: options.user.clone(),
            group: options.group.clone(),
            features,
            extra: extra.clone().into(),
            ..Claims::default()
        },
        header: header_fields(&options.header)?,
        warnings,
        room_is_given: options.room.is_some() || options.room_pattern.is_some() || extra.contains_key("room"),
        extra,
        audience_is_given: options.audience.is_some(),
    })
}

fn features(options: &TokenOptions, sources: &mut Sources, warnings: &mut Vec<String>) -> Result<Vec<(String, bool)>> {
    let mut features = Vec::new();
    for text in &options.features {
        let (name, on) = feature(text)?;
        sources.add(&["context", "features", name], "--feature")?;
        warnings.extend(unknown_feature(name));
        features.push((name.to_owned(), on));
    }
    Ok(features)
}

/// Warnings about further claims that override those from the credentials.
fn replaced(options: &TokenOptions, extra: &Map<String, Value>) -> Vec<String> {
    let mut warnings = Vec::new();
    for name in ["iss", "sub"] {
        let option = |claim: &String| claim.split_once('=').is_some_and(|(own, _)| own == name);
        let from =
            if options.claims.iter().any(option) { format!("--claim {name}=…") } else { "--claims".to_owned() };
        if extra.contains_key(name) {
            warnings.push(format!("{from} overrides the default \"{name}\""));
        }
    }
    warnings
}

/// The claims that the options set.
fn sources(options: &TokenOptions) -> Result<Sources> {
    let mut sources = Sources::default();
    let user = &options.user;
    let expiry = match options.expiry {
        Expiry::Usual => None,
        Expiry::In(_) => Some("--expires-in"),
        Expiry::At(_) => Some("--expires-at"),
        Expiry::Never => Some("--never"),
    };
    let pattern = options.room_pattern.is_some();
    for (is_given, path, option) in [
        (options.room.is_some(), &["room"][..], "--room"),
        (pattern, &["room"], "--room-pattern"),
        (pattern, &["context", "room", "regex"], "--room-pattern"),
        (options.audience.is_some(), &["aud"], "--audience"),
        (expiry.is_some(), &["exp"], expiry.unwrap_or_default()),
        (options.starts_in.is_some(), &["nbf"], "--starts-in"),
        (options.group.is_some(), &["context", "group"], "--group"),
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

fn room_claim(options: &TokenOptions, warnings: &mut Vec<String>) -> Result<(String, bool)> {
    if let Some(pattern) = &options.room_pattern {
        warnings.extend(room::check_pattern(pattern)?);
        return Ok((pattern.clone(), true));
    }
    let name = options.room.as_deref().unwrap_or("*");
    let (room, warning) = normalized_room(name)?;
    warnings.extend(warning);
    Ok((room, false))
}

/// The room's name as it appears in a token, and a warning if that differs from what was written.
pub fn normalized_room(name: &str) -> Result<(String, Option<String>)> {
    if name.is_empty() {
        bail!("empty room name: use a name, or * for every room");
    }
    if name == "*" {
        return Ok((name.to_owned(), None));
    }
    let room = room::normal(name);
    if room.is_empty() {
        bail!("invalid room name \"{name}\": Jitsi drops all of its characters");
    }
    let warning = room::warning(name).map(|text| format!("{text}, so the token is for that room"));
    Ok((room, warning))
}

/// The source of every claim.
#[derive(Debug, Default)]
struct Sources(Vec<(Vec<String>, String)>);

impl Sources {
    /// Records that `source` sets this claim (`["context", "user", "name"]`); an error if it is already set.
    fn add(&mut self, path: &[&str], source: &str) -> Result<()> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        let same = |other: &[String]| other.starts_with(&path) || path.starts_with(other);
        if let Some((_, other)) = self.0.iter().find(|(other, _)| same(other)) {
            let name = path.join(".");
            if other == source {
                bail!("the claim \"{name}\" is given twice");
            }
            bail!("the claim \"{name}\" has two sources: {other} and {source}");
        }
        self.0.push((path, source.to_owned()));
        Ok(())
    }

    fn add_all(&mut self, map: &Map<String, Value>, source: &str) -> Result<()> {
        let mut path = Vec::new();
        self.descend(map, &mut path, source)
    }

    fn descend<'a>(&mut self, map: &'a Map<String, Value>, path: &mut Vec<&'a str>, source: &str) -> Result<()> {
        for (name, value) in map {
            path.push(name);
            match value {
                Value::Object(inner) if !inner.is_empty() => self.descend(inner, path, source)?,
                _ => self.add(path, source)?,
            }
            path.pop();
        }
        Ok(())
    }
}

/// The claims from a file and from `NAME=VALUE` options, merged.
fn extra_claims(file: Option<&ClaimsFile>, options: &[String], sources: &mut Sources) -> Result<Map<String, Value>> {
    let mut claims = Map::new();
    if let Some(file) = file {
        claims = file.read()?;
        sources.add_all(&claims, "--claims")?;
    }
    for option in options {
        let Some((name, value)) = option.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            bail!("invalid claim \"{option}\": use NAME=VALUE");
        };
        let one = Map::from_iter([(name.to_owned(), json_or_text("claim", name, value)?)]);
        sources.add_all(&one, "--claim")?;
        merge(&mut claims, one);
    }
    Ok(claims)
}

/// Header fields from `NAME=VALUE` options. Values are strings, as `kid` must be, unless they look like structures.
fn header_fields(options: &[String]) -> Result<Map<String, Value>> {
    let mut fields = Map::new();
    for option in options {
        let Some((name, value)) = option.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            bail!("invalid header field \"{option}\": use NAME=VALUE");
        };
        if ["typ", "alg"].contains(&name) {
            bail!("the header field \"{name}\" cannot be set; use --algorithm for the signature");
        }
        let value = if value.starts_with(['{', '[', '"']) {
            json_or_text("header field", name, value)?
        } else {
            Value::from(value)
        };
        if fields.insert(name.to_owned(), value).is_some() {
            bail!("the header field \"{name}\" is given twice");
        }
    }
    Ok(fields)
}

/// Parses JSON, or else takes the value as text. What looks like a structure but is not valid is a typing error.
pub fn json_or_text(what: &str, name: &str, value: &str) -> Result<Value> {
    match serde_json::from_str(value) {
        Ok(value) => Ok(value),
        Err(error) if value.starts_with(['{', '[', '"']) => {
            bail!("invalid JSON in the {what} \"{name}\": {error}")
        }
        Err(_) => Ok(Value::from(value)),
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (_, value) => drop(into.insert(name, value)),
        }
    }
}

/// A feature written as `NAME`, `NAME=true` or `NAME=false`.
pub fn feature(text: &str) -> Result<(&str, bool)> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    let on = match value {
        "true" => true,
        "false" => false,
        _ => bail!("invalid feature \"{text}\": use NAME, NAME=true or NAME=false"),
    };
    if name.is_empty() {
        bail!("invalid feature \"{text}\": the name is missing");
    }
    Ok((name, on))
}

/// A warning about a feature that Jitsi does not know.
pub fn unknown_feature(name: &str) -> Option<String> {
    (!role::FEATURES.contains(&name)).then(|| format!("unknown feature \"{name}\"; it was added to the token anyway"))
}

/// Rejects an affiliation that nothing reads.
pub fn check_affiliation(affiliation: &str) -> Result<()> {
    if !AFFILIATIONS.contains(&affiliation) {
        bail!("invalid affiliation \"{affiliation}\": use one of {}", AFFILIATIONS.join(", "));
    }
    Ok(())
}
