//! The proof: which logins a configuration must accept and which it must reject ([`plan`]), made for real ([`run`]) and
//! judged ([`verdict`]). A probe expects what the configuration requires, nothing else.

mod additional_logins;
mod cause;
mod explain;
pub mod jicofo;
pub mod last_proof;
mod line;
pub mod next_restart;
mod plan;
mod problem;
pub mod recorder;
mod run;
mod transports;
mod verdict;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::report::{Probe, Proof};
use crate::host::Host;
use crate::host::interrupt;
use crate::host::secret::Secret;
use crate::login::{self, Attempt, Focus, Login, Password, Server};
use crate::site::expectations::Expectations;
use crate::site::key_source::{self, KeySource};
use crate::site::proof_key::{ProofKey, Published};
use crate::site::remembered::Remembered;
use crate::token::sign::part;
use crate::token::{Algorithm, Claims, Header};

pub use crate::proof::additional_logins::add;
pub use explain::explain;
pub use line::{Group, OtherLine};
pub use plan::{opener, plan, quick};
pub use problem::ProblemKind;
pub use run::run;
pub use transports::{NotTriedKind, not_tried};

/// What a probe is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trial {
    /// A valid token for one room.
    #[serde(rename = "valid-token")]
    Good,
    /// A valid token for every room.
    #[serde(rename = "token-for-every-room")]
    EveryRoom,
    /// No token.
    NoToken,
    /// Signed with another secret.
    WrongSecret,
    /// An expired token.
    Expired,
    /// A token that is not valid yet.
    NotYetValid,
    /// Issued by another app ID.
    WrongIssuer,
    /// A modified payload with the original signature.
    #[serde(rename = "tampered-payload")]
    Tampered,
    /// `alg` is `none`.
    Unsigned,
    /// A correct signature with another algorithm.
    OtherAlgorithm,
    /// The secret used as if it were a public key.
    #[serde(rename = "secret-as-public-key")]
    SecretAsKey,
    /// Signed with another key, but with the key ID of an accepted one.
    WrongKey,
    /// With an unknown key ID.
    #[serde(rename = "unknown-kid")]
    UnknownKey,
    /// Without a key ID.
    #[serde(rename = "no-kid")]
    NoKeyName,
    /// The public key used as if it were a secret.
    #[serde(rename = "public-key-as-secret")]
    KeyAsSecret,
    /// No `room` claim.
    #[serde(rename = "no-room-claim")]
    NoRoom,
    /// For another audience.
    WrongAudience,
    /// For another site.
    #[serde(rename = "other-site")]
    WrongDomain,
    /// Text that is not a token.
    #[serde(rename = "malformed-token")]
    Malformed,
    /// A guest: no token, on the guests' virtual host.
    Guest,
    /// A guest alone in a room, who has to wait.
    GuestAlone,
    /// A guest in a room where somebody with a token is.
    GuestWithHost,
    /// No token, on the site's own virtual host, alone in a room, where guests have to wait.
    #[serde(rename = "no-token-alone")]
    NobodyIsHost,
    /// A token that makes its holder a moderator.
    #[serde(rename = "moderator-token")]
    Moderator,
    /// A token that does not, used by the first person in a room.
    #[serde(rename = "plain-token")]
    NoModerator,
    /// A recorder's account, without a token, in a room where somebody with a token is.
    Recorder,
}

impl Trial {
    /// The heading under which people look for it.
    pub fn group(self) -> Group {
        match self {
            Self::Good | Self::EveryRoom | Self::NoToken | Self::Malformed => Group::WhoGetsIn,
            Self::WrongSecret
            | Self::Tampered
            | Self::Unsigned
            | Self::OtherAlgorithm
            | Self::SecretAsKey
            | Self::WrongKey
            | Self::UnknownKey
            | Self::NoKeyName
            | Self::KeyAsSecret => Group::Signature,
            Self::Expired | Self::NotYetValid => Group::Time,
            Self::WrongIssuer | Self::NoRoom | Self::WrongAudience | Self::WrongDomain => Group::Claims,
            Self::Guest | Self::GuestAlone | Self::GuestWithHost | Self::NobodyIsHost => Group::Guests,
            Self::Moderator | Self::NoModerator => Group::Moderators,
            Self::Recorder => Group::Recorders,
        }
    }
}

impl Trial {
    /// Whether it is about who waits, moderates or records, not about tokens as such.
    fn is_about_roles(self) -> bool {
        matches!(self.group(), Group::Guests | Group::Moderators | Group::Recorders)
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "valid token",
            Self::EveryRoom => "token for every room",
            Self::NoToken => "no token",
            Self::WrongSecret => "wrong secret",
            Self::Expired => "expired",
            Self::NotYetValid => "not yet valid",
            Self::WrongIssuer => "wrong issuer",
            Self::Tampered => "tampered payload",
            Self::Unsigned => "unsigned (alg none)",
            Self::OtherAlgorithm => "other algorithm",
            Self::SecretAsKey => "secret as public key",
            Self::WrongKey => "wrong key",
            Self::UnknownKey => "unknown kid",
            Self::NoKeyName => "no kid",
            Self::KeyAsSecret => "public key as secret",
            Self::NoRoom => "no room claim",
            Self::WrongAudience => "wrong audience",
            Self::WrongDomain => "another site's token",
            Self::Malformed => "malformed token",
            Self::Guest => "guest without a token",
            Self::GuestAlone => "guest, nobody there",
            Self::GuestWithHost => "guest, with a host",
            Self::NobodyIsHost => "no token, nobody there",
            Self::Moderator => "moderator's token",
            Self::NoModerator => "ordinary token",
            Self::Recorder => "recorder's account",
        })
    }
}

/// One login to make, and what a server with this configuration does with it.
#[derive(Clone, Debug)]
pub struct PlannedProbe {
    /// What it is about.
    pub trial: Trial,
    /// The token; a secret, because a good one opens a room for a minute.
    pub token: Option<Secret>,
    /// The name and password of an account, in place of a token.
    pub password: Option<Password>,
    /// The room named in the address.
    pub room: String,
    /// Whether the login should be accepted.
    pub accepted: bool,
    /// Rooms to enter once logged in.
    pub joins: Vec<PlannedJoin>,
    /// The XMPP host to log in to, if it is not the site's.
    pub login_host: Option<String>,
    /// The token of somebody who is already in the room.
    pub host: Option<Secret>,
    /// Whether the bearer should end up moderating the first of the rooms; none if nothing is promised about that.
    pub moderates: Option<bool>,
}

/// One room to enter.
#[derive(Clone, Debug)]
pub struct PlannedJoin {
    /// What it is about.
    pub line: OtherLine,
    /// The room.
    pub room: String,
    /// Whether the token opens it.
    pub enters: bool,
}

/// If tokens are checked with public keys: creates this run's key, has it accepted while the result lives, and has
/// everything made for `wanted` signed with it. A proof of `every` login also needs a second key, which nobody accepts.
///
/// # Errors
/// If there is no openssl, or the key cannot be handed to Prosody.
pub fn with_key<'a>(host: &'a dyn Host, wanted: &mut Expectations, every: bool) -> Result<Option<Published<'a>>> {
    static KEY: OnceLock<Arc<ProofKey>> = OnceLock::new();
    if !wanted.by_public_key {
        return Ok(None);
    }
    if let Some(foreign) = &mut wanted.foreign {
        foreign.source.kids = Remembered::read(host, &wanted.domain)?.kids;
        let key = key_source::some_key(host, &foreign.source).unwrap_or_else(|why| {
            foreign.silent = Some(why);
            None
        });
        foreign.known = key.is_some();
        let (kid, pem) = key.map_or_else(|| (UNKNOWN.to_owned(), String::new()), |key| (key.kid, key.pem));
        let posing = ProofKey::posing_as(host, &kid, &pem).context("cannot create the key for the test logins")?;
        wanted.proof_key = Some(Arc::new(posing));
        return Ok(None);
    }
    let key = match KEY.get() {
        Some(key) => Arc::clone(key),
        None => {
            let made = ProofKey::new(host).context("cannot create the key for the test logins")?;
            Arc::clone(KEY.get_or_init(|| Arc::new(made)))
        }
    };
    if every {
        key.with_wrong(host)?;
    }
    let published = Published::new(host, &key)?;
    wanted.proof_key = Some(key);
    Ok(Some(published))
}

/// The name of a key that does not exist.
const UNKNOWN: &str = "jts-probe-unknown";

/// How long Prosody may take to fetch keys after it has started.
const FETCH: Duration = Duration::from_secs(5);

/// Waits a few seconds at most until Prosody has fetched somebody else's keys, which it does while it starts.
///
/// # Errors
/// If the run is interrupted.
pub fn wait_for_keys(host: &dyn Host, server: &Server, wanted: &Expectations) -> Result<()> {
    match &wanted.foreign {
        Some(foreign) if foreign.known => lacks_key(host, server, &foreign.source, true, host.now()).map(drop),
        _ => Ok(()),
    }
}

/// Whether Prosody still lacks the key that the source has now, some seconds after `since`. Asked with a token that
/// nobody signed: Jitsi's plugins look for the key first. `crashes` says whether they crash for lack of one.
///
/// # Errors
/// If the run is interrupted.
pub fn lacks_key(
    host: &dyn Host,
    server: &Server,
    source: &KeySource,
    crashes: bool,
    since: SystemTime,
) -> Result<bool> {
    let Ok(Some(key)) = key_source::some_key(host, source) else { return Ok(false) };
    let mut header = Header::new(Algorithm::Rs256);
    header.extra.insert("kid".to_owned(), key.kid.into());
    let token = format!("{}.{}.AAAA", part(&header.fields()), part(&Claims::<String>::default().to_map()));
    let token = Secret::unlisted(token);
    loop {
        let answer = baseline(host, server, Some(&token)).login;
        if !verdict::lacks_key(&answer) || !crashes && !matches!(answer, Login::Refused { .. }) {
            return Ok(false);
        }
        if host.now() >= since + FETCH {
            return Ok(true);
        }
        interrupt::check()?;
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Warns in a proof that the key source cannot be used now, if that is so.
pub fn warn_if_unusable(proof: &mut Proof, wanted: &Expectations) {
    let silent = wanted.foreign.as_ref().and_then(|foreign| foreign.silent.as_ref());
    proof.warnings.extend(silent.map(|why| {
        format!(
            "the key source cannot be used now ({why}): people cannot log in there, and a Prosody that has started since \
             rejects every token until it has fetched the keys"
        )
    }));
}

/// Whether people get in now: one login with a good token, or without one, that enters no room.
pub fn baseline(host: &dyn Host, server: &Server, token: Option<&Secret>) -> Attempt {
    login::one(host, server, token, &plan::fresh_room(), &[])
}

/// A login without a token that should be accepted, as a line of a report.
pub fn without_token(server: &Server, login: &Login) -> Probe {
    let lines = line::Lines { group: Group::WhoGetsIn, transport: server.transport };
    lines.login(Trial::NoToken, true, login, *login == Login::Accepted)
}

/// Waits until jicofo opens a room for the login that `opener` returns, `until` at the latest; not at all if it returns
/// none. Anything else that is wrong is for the proof to find.
pub fn wait_for_jicofo(
    host: &dyn Host,
    server: &Server,
    opener: impl Fn(SystemTime) -> Option<PlannedProbe>,
    until: SystemTime,
) -> Result<()> {
    let mut told = false;
    loop {
        let focus = opener(host.now()).and_then(|probe| run::one(host, server, &probe)).and_then(|made| made.focus);
        let on_its_way = |focus: &Focus| focus.is_absent() || matches!(focus, Focus::NotReady | Focus::NoAnswer);
        if !focus.as_ref().is_some_and(on_its_way) || host.now() >= until {
            return Ok(());
        }
        if !told {
            host.notice("waiting for jicofo to start");
            told = true;
        }
        interrupt::check()?;
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// A token that this configuration accepts, for a baseline; valid for a minute.
pub fn good_token(wanted: &Expectations, now: SystemTime) -> Secret {
    plan::good_token(wanted, now)
}

#[cfg(test)]
mod tests;
