//! Computes the logins from the configuration. Every bad token is good but for one thing, so its rejection proves that
//! one check. None is valid for more than a minute: the plugins log the tokens that they reject, in full.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::{OtherLine, PlannedJoin, PlannedProbe, Trial};
use crate::host::secret::Secret;
use crate::login::Password;
use crate::prosody::era::Era;
use crate::site::expectations::Expectations;
use crate::site::proof_key::ProofKey;
use crate::token::{Algorithm, Claims, Header, sign};
use crate::token::{sign::part, times};

/// How long a probe's token is valid, in seconds.
const LIFE: i64 = 60;

/// All logins that test something about this configuration, the good token first. The good ones go to `room` if it is
/// given, else to a room that nobody uses.
pub fn plan(wanted: &Expectations, now: SystemTime, room: Option<&str>) -> Vec<PlannedProbe> {
    let maker = Maker { room, ..Maker::new(wanted, now) };
    if let Some(foreign) = &wanted.foreign {
        return foreign_trials(foreign.known).into_iter().map(|trial| maker.probe(trial)).collect();
    }
    let mut trials = vec![
        Trial::Good,
        Trial::EveryRoom,
        Trial::NoToken,
        Trial::Malformed,
        Trial::Tampered,
        Trial::Unsigned,
        Trial::Expired,
        Trial::NotYetValid,
    ];
    trials.extend(match wanted.by_public_key {
        true => &[Trial::WrongKey, Trial::UnknownKey, Trial::NoKeyName, Trial::KeyAsSecret][..],
        false => &[Trial::WrongSecret, Trial::SecretAsKey],
    });
    let takes_all = |accepted: &[String]| accepted.iter().any(|value| value == "*");
    if !takes_all(&wanted.accepted_issuers) {
        trials.push(Trial::WrongIssuer);
    }
    if !takes_all(&wanted.accepted_audiences) {
        trials.push(Trial::WrongAudience);
    }
    // `decode` accepts whatever algorithm the token names, as long as the secret is right.
    if wanted.era != Era::Decode {
        trials.push(Trial::OtherAlgorithm);
    }
    if wanted.require_room {
        trials.push(Trial::NoRoom);
    }
    if wanted.domain_verification {
        trials.push(Trial::WrongDomain);
    }
    trials.extend(role_trials(wanted));
    // By group, so each heading appears once.
    trials.sort_by_key(|trial| trial.group());
    trials.into_iter().map(|trial| maker.probe(trial)).collect()
}

/// If somebody else signs: every login that must be rejected, as far as it can be made without one of their keys. If
/// the name of one is known, Prosody's answer to a forged signature shows whether it has the key. An expired token
/// would be rejected for its signature, which says nothing about time.
fn foreign_trials(known: bool) -> Vec<Trial> {
    let mut trials = vec![Trial::NoToken, Trial::Malformed];
    if known {
        trials.extend([Trial::WrongKey, Trial::KeyAsSecret, Trial::OtherAlgorithm]);
    }
    trials.extend([Trial::UnknownKey, Trial::NoKeyName, Trial::Unsigned]);
    trials
}

/// The logins of a rerun: a good token in its own room and another one, no token, and a token that must be rejected.
pub fn quick(wanted: &Expectations, now: SystemTime) -> Vec<PlannedProbe> {
    let maker = Maker::new(wanted, now);
    let guest = wanted.guests.as_ref().map(|_| Trial::Guest);
    // Generating another key would take longer than the logins.
    let forged = match (&wanted.foreign, wanted.by_public_key) {
        (Some(foreign), _) if !foreign.known => Trial::UnknownKey,
        (Some(_), _) => Trial::WrongKey,
        (None, true) => Trial::Tampered,
        (None, false) => Trial::WrongSecret,
    };
    let good = wanted.foreign.is_none().then_some(Trial::Good);
    let trials = good.into_iter().chain([Trial::NoToken]).chain(guest).chain([forged]);
    trials.map(|trial| maker.probe(trial)).collect()
}

/// What this configuration promises about people without a token, and about who moderates.
fn role_trials(wanted: &Expectations) -> Vec<Trial> {
    let mut trials = match (&wanted.guests, wanted.waits_for_host) {
        (None, _) => vec![],
        (Some(_), false) => vec![Trial::Guest],
        (Some(_), true) => vec![Trial::GuestAlone, Trial::GuestWithHost],
    };
    // If nobody gets in without a token, the login already shows that.
    if wanted.waits_for_host && wanted.allow_empty_token {
        trials.push(Trial::NobodyIsHost);
    }
    if wanted.moderators_by_token {
        trials.extend([Trial::Moderator, Trial::NoModerator]);
    }
    trials
}

/// A login that enters a room of its own and shows whether jicofo opens rooms: with our token, or, if only somebody else
/// can sign, with `theirs`.
pub fn opener(wanted: &Expectations, now: SystemTime, theirs: Option<&Secret>) -> Option<PlannedProbe> {
    let ours = Maker::new(wanted, now).probe(Trial::EveryRoom);
    match wanted.foreign {
        None => Some(ours),
        Some(_) => theirs.map(|token| PlannedProbe { token: Some(token.clone()), ..ours }),
    }
}

/// The login with an account instead of a token, into a room in which somebody with a token is if we can sign one.
pub(super) fn recorder(wanted: &Expectations, now: SystemTime, password: Password) -> PlannedProbe {
    PlannedProbe { password: Some(password), ..Maker::new(wanted, now).probe(Trial::Recorder) }
}

/// A room that nobody uses, with a name that tells an operator where it came from.
pub(super) fn fresh_room() -> String {
    format!("jts-probe-{:016x}", rand::random::<u64>())
}

/// A token that this configuration accepts, for every room.
pub(super) fn good_token(wanted: &Expectations, now: SystemTime) -> Secret {
    let maker = Maker::new(wanted, now);
    maker.signed(&maker.claims("*"))
}

struct Maker<'a> {
    wanted: &'a Expectations,
    now: i64,
    room: Option<&'a str>,
}

impl<'a> Maker<'a> {
    fn new(wanted: &'a Expectations, now: SystemTime) -> Self {
        let now = times::unix(now);
        Self { wanted, now, room: None }
    }

    fn probe(&self, trial: Trial) -> PlannedProbe {
        let room = self.room.map_or_else(fresh_room, str::to_owned);
        let join = |line, room: &str, enters| PlannedJoin { line, room: room.to_owned(), enters };
        let joins = match trial {
            Trial::Good => {
                vec![join(OtherLine::RightRoom, &room, true), join(OtherLine::WrongRoom, &fresh_room(), false)]
            }
            Trial::EveryRoom => vec![join(OtherLine::EveryRoom, &room, true)],
            // The domain is checked when a room is entered, not at the login.
            Trial::WrongDomain => vec![join(OtherLine::OtherSiteRoom, &room, false)],
            Trial::GuestAlone => vec![join(OtherLine::GuestAloneRoom, &room, false)],
            Trial::GuestWithHost => vec![join(OtherLine::GuestWithHostRoom, &room, true)],
            Trial::NobodyIsHost => vec![join(OtherLine::NoTokenAloneRoom, &room, false)],
            Trial::Moderator => vec![join(OtherLine::ModeratorRoom, &room, true)],
            Trial::NoModerator => vec![join(OtherLine::PlainTokenRoom, &room, true)],
            Trial::Recorder => vec![join(OtherLine::RecorderRoom, &room, true)],
            _ => vec![],
        };
        let recorder = trial == Trial::Recorder;
        let guest = matches!(trial, Trial::Guest | Trial::GuestAlone | Trial::GuestWithHost);
        let moderates = matches!(trial, Trial::Moderator | Trial::NoModerator).then_some(trial == Trial::Moderator);
        let in_any_case = guest
            || recorder
            || moderates.is_some()
            || matches!(trial, Trial::Good | Trial::EveryRoom | Trial::WrongDomain);
        PlannedProbe {
            token: self.token(trial, &room),
            accepted: in_any_case
                || matches!(trial, Trial::NoToken | Trial::NobodyIsHost) && self.wanted.allow_empty_token,
            password: None,
            login_host: if recorder {
                self.wanted.recorders.clone()
            } else {
                self.wanted.guests.clone().filter(|_| guest)
            },
            // If only somebody else can sign, nobody with a token can be there.
            host: ((recorder || trial == Trial::GuestWithHost) && self.wanted.foreign.is_none())
                .then(|| self.signed(&self.claims(&room))),
            moderates,
            trial,
            room,
            joins,
        }
    }

    fn token(&self, trial: Trial, room: &str) -> Option<Secret> {
        let mut claims = self.claims(room);
        match trial {
            Trial::NoToken
            | Trial::Guest
            | Trial::GuestAlone
            | Trial::GuestWithHost
            | Trial::NobodyIsHost
            | Trial::Recorder => return None,
            Trial::Malformed => return Some(Secret::unlisted("not-a-token")),
            Trial::WrongSecret => {
                let secret = Secret::unlisted(format!("{}-not", self.wanted.app_secret.reveal()));
                return Some(self.signed_with(&claims, self.wanted.algorithm, &secret));
            }
            Trial::OtherAlgorithm => {
                if let Some(key) = &self.wanted.proof_key {
                    return Some(key.token(Algorithm::Rs512, &claims));
                }
                let other = Algorithm::ALL.into_iter().find(|other| *other != self.wanted.algorithm);
                let other = other.unwrap_or_default();
                return Some(self.signed_with(&claims, other, &self.wanted.app_secret));
            }
            Trial::Tampered => return Some(self.tampered(&claims)),
            Trial::Unsigned => return Some(self.unsigned(&claims)),
            Trial::WrongKey | Trial::UnknownKey | Trial::NoKeyName | Trial::KeyAsSecret => {
                return self.wanted.proof_key.as_deref().map(|key| by_key(trial, key, &claims));
            }
            Trial::SecretAsKey => return Some(self.secret_as_key(&claims)),
            Trial::Good | Trial::NoModerator => {}
            Trial::Moderator => claims.user.moderator = Some(true),
            Trial::EveryRoom => claims.room = Some("*".to_owned()),
            Trial::Expired => {
                claims.issued_at = Some(self.now - 2 * LIFE);
                claims.not_before = claims.issued_at;
                claims.expires_at = Some(self.now - LIFE);
            }
            // Expires before it becomes valid: nobody who finds it in a log can use it later.
            Trial::NotYetValid => claims.not_before = Some(self.now + 86_400),
            Trial::WrongIssuer => claims.issuer = "jts-probe-wrong-issuer".to_owned(),
            Trial::NoRoom => claims.room = None,
            Trial::WrongAudience => claims.audience = "jts-probe-wrong-audience".to_owned(),
            Trial::WrongDomain => claims.subject = "jts-probe.invalid".to_owned(),
        }
        Some(self.signed(&claims))
    }

    /// Claims that this configuration accepts.
    fn claims(&self, room: &str) -> Claims {
        // Where any value is accepted, the one that people are told to write.
        let accepted = |values: &[String], usual: &str| {
            let any = values.is_empty() || values.iter().any(|value| value == "*" || value == usual);
            let first = values.first().filter(|_| !any);
            first.map_or_else(|| usual.to_owned(), std::clone::Clone::clone)
        };
        Claims {
            audience: accepted(&self.wanted.accepted_audiences, "jitsi"),
            issuer: accepted(&self.wanted.accepted_issuers, &self.wanted.app_id),
            subject: self.wanted.domain.clone(),
            room: Some(room.to_owned()),
            issued_at: Some(self.now),
            // The plugins allow no clock skew; the check of `nbf` has its own probe.
            not_before: Some(self.now - LIFE),
            expires_at: Some(self.now + LIFE),
            ..Claims::default()
        }
    }

    fn signed(&self, claims: &Claims) -> Secret {
        if let Some(key) = &self.wanted.proof_key {
            return key.token(self.wanted.algorithm, claims);
        }
        self.signed_with(claims, self.wanted.algorithm, &self.wanted.app_secret)
    }

    fn signed_with(&self, claims: &Claims, algorithm: Algorithm, secret: &Secret) -> Secret {
        Secret::unlisted(sign(&Header::new(algorithm), &claims.to_map(), secret))
    }

    /// Claims to be signed with a key pair, but uses the secret as anybody could use the public key: a plugin that
    /// trusts the header would check one with the other.
    fn secret_as_key(&self, claims: &Claims) -> Secret {
        let mut header = Header::default().fields();
        header.insert("alg".to_owned(), "RS256".into());
        let signed = format!("{}.{}", part(&header), part(&claims.to_map()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.wanted.app_secret.reveal().as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        Secret::unlisted(format!("{signed}.{signature}"))
    }

    /// The signature of one payload on another one that grants more.
    fn tampered(&self, claims: &Claims) -> Secret {
        let token = self.signed(claims);
        let more = Claims { room: Some("*".to_owned()), ..claims.clone() };
        let mut parts: Vec<&str> = token.reveal().split('.').collect();
        let payload = part(&more.to_map());
        parts[1] = &payload;
        Secret::unlisted(parts.join("."))
    }

    fn unsigned(&self, claims: &Claims) -> Secret {
        let key = self.wanted.proof_key.as_ref();
        let mut header = key.map_or_else(Header::default, |key| key.header(Algorithm::default())).fields();
        header.insert("alg".to_owned(), "none".into());
        Secret::unlisted(format!("{}.{}.", part(&header), part(&claims.to_map())))
    }
}

/// Tokens in which only the key is wrong.
fn by_key(trial: Trial, key: &ProofKey, claims: &Claims) -> Secret {
    match trial {
        Trial::WrongKey => key.wrong_token(claims),
        Trial::UnknownKey => key.token_of(Some(super::UNKNOWN), claims),
        Trial::NoKeyName => key.token_of(None, claims),
        // A plugin that trusts the header would check an HMAC with the text of the public key.
        _ => Secret::unlisted(sign(&key.header(Algorithm::Hs256), &claims.to_map(), &key.public())),
    }
}
