//! Makes a token from what an operator asks for.

use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::token::{self, Algorithm, Claims, Header, User, percent, room, times};

/// Features that Jitsi knows; others are minted with a warning.
const FEATURES: [&str; 12] = [
    "recording",
    "livestreaming",
    "transcription",
    "outbound-call",
    "inbound-call",
    "sip-outbound-call",
    "sip-inbound-call",
    "screen-sharing",
    "file-upload",
    "flip",
    "room",
    "send-groupchat",
];

/// Claims that have an option of their own, so `--claim` for them may be a mistake.
const OWN: [&str; 7] = ["aud", "iss", "sub", "room", "iat", "nbf", "exp"];

/// What a new token shall say.
#[derive(Clone, Debug)]
pub struct MintRequest {
    /// The app id, which becomes the issuer.
    pub app_id: String,
    /// The app secret.
    pub secret: Secret,
    /// How to sign.
    pub algorithm: Algorithm,
    /// The site's domain.
    pub domain: String,
    /// `*`, or a room's name.
    pub room: String,
    /// The audience; `jitsi` by custom.
    pub audience: String,
    /// How long it is valid; none: for ever.
    pub expires_in: Option<Duration>,
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
    /// Whether the meeting's link is wanted.
    pub link: bool,
}

impl MintRequest {
    /// A token for every room and 24 hours.
    pub fn new(app_id: impl Into<String>, secret: Secret, domain: impl Into<String>) -> Self {
        Self {
            app_id: app_id.into(),
            secret,
            algorithm: Algorithm::default(),
            domain: domain.into(),
            room: "*".to_owned(),
            audience: "jitsi".to_owned(),
            expires_in: Some(Duration::from_secs(24 * 60 * 60)),
            starts_in: None,
            user: User::default(),
            group: None,
            features: Vec::new(),
            claims: Vec::new(),
            link: false,
        }
    }
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

/// Makes a token. An error is the operator's mistake (exit code 2).
pub fn mint(request: &MintRequest, now: SystemTime) -> Result<Minted> {
    let mut warnings = Vec::new();
    if request.room.is_empty() {
        bail!("the room has no name: give one, or * for every room");
    }
    let mut room = request.room.clone();
    if room != "*" {
        warnings
            .extend(room::warning(&room).map(|text| format!("{text}; the token is for that name")));
        room = room::normal(&room);
        if room.is_empty() {
            bail!(
                "nothing is left of the room name “{}” once Jitsi has dropped what it does not take",
                request.room
            );
        }
    }
    let features = request
        .features
        .iter()
        .map(|text| feature(text, &mut warnings))
        .collect::<Result<_>>()?;
    let extra = extra_claims(&request.claims, &mut warnings)?;
    let issued = times::unix(now);
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    let start = issued.saturating_add(request.starts_in.map_or(0, seconds));
    if request.expires_in.is_none() {
        warnings.push(
            "this token never expires: the only way to end it is another app secret".to_owned(),
        );
    }
    let claims = Claims {
        audience: request.audience.clone(),
        issuer: request.app_id.clone(),
        subject: request.domain.clone(),
        room: Some(room.clone()),
        issued_at: Some(issued),
        // Left out unless asked for: plugins allow no difference between clocks, and "from now" then means "refused"
        // on a server whose clock is a second behind.
        not_before: request.starts_in.map(|_| start),
        expires_at: request
            .expires_in
            .map(|span| start.saturating_add(seconds(span))),
        user: request.user.clone(),
        group: request.group.clone(),
        features,
        extra,
    };
    let (header, claims) = (Header::new(request.algorithm), claims.to_map());
    let token = token::sign(&header, &claims, &request.secret);
    Ok(Minted {
        url: request.link.then(|| link(&request.domain, &room, &token)),
        header: header.fields(),
        token,
        claims,
        warnings,
    })
}

/// The meeting's address. A token for every room needs some room to go to: one that nobody else is in.
fn link(domain: &str, room: &str, token: &str) -> String {
    let fresh = || format!("meeting-{:08x}", rand::random::<u32>());
    let room = if room == "*" {
        fresh()
    } else {
        room.to_owned()
    };
    format!("https://{domain}/{room}?jwt={}", percent::encode(token))
}

fn feature(text: &str, warnings: &mut Vec<String>) -> Result<(String, bool)> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    let on = match value {
        "true" => true,
        "false" => false,
        _ => bail!("the feature “{text}” is neither NAME, NAME=true nor NAME=false"),
    };
    if name.is_empty() {
        bail!("a feature without a name: “{text}”");
    }
    if !FEATURES.contains(&name) {
        warnings.push(format!(
            "Jitsi is not known to have a feature “{name}”; it is in the token all the same"
        ));
    }
    Ok((name.to_owned(), on))
}

fn extra_claims(texts: &[String], warnings: &mut Vec<String>) -> Result<Map<String, Value>> {
    let mut claims = Map::new();
    for text in texts {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            bail!("the claim “{text}” is not of the form NAME=VALUE");
        };
        // What looks like a structure and is none is a typing error, not a text.
        let value = match serde_json::from_str(value) {
            Ok(value) => value,
            Err(error) if value.starts_with(['{', '[', '"']) => {
                bail!("the value of the claim “{name}” is no JSON: {error}")
            }
            Err(_) => Value::from(value),
        };
        if OWN.contains(&name) {
            warnings.push(format!(
                "--claim {name}=… takes the place of the “{name}” that the token would have had"
            ));
        }
        if claims.insert(name.to_owned(), value).is_some() {
            bail!("the claim “{name}” is given twice");
        }
    }
    Ok(claims)
}
