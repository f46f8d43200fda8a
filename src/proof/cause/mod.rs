//! Names the likeliest cause of the results, and what to do next. The worst comes first: a server that does not answer,
//! then one that lets anyone in, then one that keeps everyone out, then the rooms.

mod guests;
mod moderators;
mod recorders;
mod rooms;
pub(super) mod server;

use super::run::Answered;
use super::verdict::{Rooms, lacks_key};
use super::{ProblemKind, Trial};
use crate::login::{Login, Server};
use crate::token::FindingKind;

/// What is wrong, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// What is wrong, in one sentence.
    pub why: String,
    /// The next thing to do.
    pub next: String,
}

fn cause(kind: ProblemKind, why: impl Into<String>, next: impl Into<String>) -> Option<Cause> {
    Some(Cause { kind, why: why.into(), next: next.into() })
}

const REPAIR: &str = "or run `jitsi-tokens-setup install` to repair it";
const LOG: &str = "/var/log/prosody/prosody.err, or `journalctl -u prosody -n 50`";

/// The cause; none if nothing is wrong, or if the cause is unknown.
pub(super) fn find(server: &Server, seen: &[Answered], rooms: Rooms) -> Option<Cause> {
    let of = |trial| seen.iter().find(|seen: &&Answered| seen.probe.trial == trial);
    let good = of(Trial::Good);
    let undecided = good.filter(|good| !good.attempt.login.decided());
    let unreachable = undecided.or_else(|| seen.iter().find(|seen| gone(&seen.attempt.login)));
    if let Some(unreachable) = unreachable.filter(|seen| gone(&seen.attempt.login)) {
        return server::fault(server, &unreachable.attempt.login);
    }
    let let_in: Vec<Trial> = seen
        .iter()
        .filter(|seen| !seen.probe.accepted && seen.attempt.login == Login::Accepted)
        .map(|seen| seen.probe.trial)
        .collect();
    let forged = [Trial::WrongSecret, Trial::WrongKey, Trial::Tampered];
    if let_in.contains(&Trial::NoToken) && forged.iter().any(|forged| let_in.contains(forged)) {
        return cause(
            ProblemKind::TokensNotRequired,
            "OPEN: anyone can join without a token: Prosody does not require tokens for this host",
            format!("restart Prosody if it has not restarted since it was configured; {REPAIR}"),
        );
    }
    let worst = let_in.iter().min_by_key(|trial| gravity(**trial)).and_then(|worst| wrongly_accepted(*worst));
    if worst.as_ref().is_some_and(|worst| worst.kind.is_open()) {
        return worst;
    }
    if let Some(undecided) = undecided {
        return server::fault(server, &undecided.attempt.login);
    }
    // Jitsi's plugins look for the key before they look at a forged signature.
    let forged = of(Trial::WrongKey).filter(|_| good.is_none() && let_in.is_empty());
    if forged.is_some_and(|forged| lacks_key(&forged.attempt.login)) {
        return cause(
            ProblemKind::KeyNotFetched,
            "Prosody does not have the key that the key source has now",
            "run `jitsi-tokens-setup install`: it restarts Prosody, which then fetches the keys; if that does not help, \
             look for \"GET request\" in /var/log/prosody/prosody.log: Prosody looks names up in the DNS only (not in /etc/hosts), checks \
             certificates, and follows no redirect",
        );
    }
    if let Some(Login::Refused { text, condition }) = good.map(|good| &good.attempt.login) {
        return valid_token_rejected(if text.is_empty() { condition } else { text });
    }
    worst
        .or_else(|| rooms::fault(server, seen, rooms))
        .or_else(|| guests::fault(seen))
        .or_else(|| moderators::fault(seen))
        .or_else(|| recorders::fault(seen))
}

fn gone(login: &Login) -> bool {
    matches!(login, Login::Down(_) | Login::Stranger { .. } | Login::NotMade(_))
}

/// The plugins have a different message for each check, which shows the one that failed.
fn valid_token_rejected(text: &str) -> Option<Cause> {
    let restart = format!("restart Prosody if its configuration has changed since it started; {REPAIR}");
    let (kind, what, next) = match FindingKind::from_refusal(text) {
        Some(FindingKind::Signature) => {
            (ProblemKind::OtherSecret, "the running Prosody uses another app_secret than its configuration", restart)
        }
        Some(FindingKind::Expired | FindingKind::NotYetValid) => (
            ProblemKind::ClocksDiffer,
            "the clocks of Prosody's machine and this machine differ",
            "compare `date -u` on both; `timedatectl` shows whether the clock is synchronized".to_owned(),
        ),
        Some(FindingKind::Issuer) => (
            ProblemKind::OtherIssuer,
            "the running Prosody uses another app_id or other asap_accepted_issuers",
            restart,
        ),
        Some(FindingKind::Audience) => {
            (ProblemKind::OtherAudience, "the running Prosody uses other asap_accepted_audiences", restart)
        }
        Some(FindingKind::Algorithm) => {
            (ProblemKind::OtherAlgorithm, "the running Prosody uses another signature_algorithm", restart)
        }
        Some(FindingKind::Missing) => (
            ProblemKind::TokenLost,
            "the token did not reach Prosody's plugin",
            "a proxy in between drops the URL's query string; test without it".to_owned(),
        ),
        Some(FindingKind::Key) => (
            ProblemKind::OtherKeySource,
            "Prosody uses a key server instead of the app_secret",
            "remove asap_key_server and cache_keys_url from the virtual host, or test a token signed for the key \
             server (--token-file)"
                .to_owned(),
        ),
        _ => (ProblemKind::ValidTokenRejected, "the reason is unknown", format!("see {LOG}; {REPAIR}")),
    };
    cause(kind, format!("valid tokens are rejected (\"{text}\"): {what}"), next)
}

/// Lower is worse.
fn gravity(trial: Trial) -> usize {
    match trial {
        Trial::Unsigned => 0,
        Trial::WrongSecret | Trial::WrongKey | Trial::KeyAsSecret => 1,
        Trial::Tampered => 2,
        Trial::Malformed => 3,
        Trial::NoToken => 4,
        Trial::WrongIssuer => 5,
        Trial::Expired => 6,
        Trial::Good
        | Trial::EveryRoom
        | Trial::NotYetValid
        | Trial::OtherAlgorithm
        | Trial::SecretAsKey
        | Trial::UnknownKey
        | Trial::NoKeyName
        | Trial::NoRoom
        | Trial::WrongAudience
        | Trial::WrongDomain
        | Trial::Guest
        | Trial::GuestAlone
        | Trial::GuestWithHost
        | Trial::NobodyIsHost
        | Trial::Moderator
        | Trial::NoModerator
        | Trial::Recorder => 7,
    }
}

fn wrongly_accepted(trial: Trial) -> Option<Cause> {
    let next = match trial {
        Trial::NoToken => format!("check that allow_empty_token is off and that Prosody has restarted since; {REPAIR}"),
        _ => {
            format!("restart Prosody, which may use an older configuration or luajwtjitsi; {REPAIR}")
        }
    };
    let (kind, why) = match trial {
        Trial::Unsigned => (
            ProblemKind::UnsignedTokenAccepted,
            "OPEN: anyone can forge a token: unsigned tokens are accepted".to_owned(),
        ),
        Trial::WrongSecret | Trial::WrongKey | Trial::KeyAsSecret => {
            let with = match trial {
                Trial::WrongSecret => "another secret",
                Trial::WrongKey => "another key",
                _ => "the public key as a secret",
            };
            let why = format!("OPEN: anyone can forge a token: tokens signed with {with} are accepted");
            (ProblemKind::ForgedTokenAccepted, why)
        }
        Trial::Tampered => (
            ProblemKind::TamperedTokenAccepted,
            "OPEN: anyone can change a token: tokens with a modified payload are accepted".to_owned(),
        ),
        Trial::Malformed => (
            ProblemKind::MalformedTokenAccepted,
            "OPEN: anyone can join: text that is not a token is accepted".to_owned(),
        ),
        Trial::NoToken => (
            ProblemKind::NoTokenAccepted,
            "OPEN: anyone can join without a token, although the configuration requires one".to_owned(),
        ),
        Trial::WrongIssuer => (
            ProblemKind::WrongIssuerAccepted,
            "tokens of any issuer are accepted: the installed luajwtjitsi does not check the issuer (2.0-0 with a \
             newer plugin)"
                .to_owned(),
        ),
        Trial::Expired => {
            (ProblemKind::ExpiredTokenAccepted, "expired tokens are accepted: tokens are valid forever".to_owned())
        }
        other => (ProblemKind::InvalidTokenAccepted, format!("an invalid token is accepted: {other}")),
    };
    cause(kind, why, next)
}
