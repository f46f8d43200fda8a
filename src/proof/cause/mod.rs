//! Names the likeliest cause of what was seen, and the next thing to do about it. The worst comes first: a server that
//! does not answer, then one that lets anybody in, then one that keeps everybody out, then the rooms.

mod guests;
mod moderators;
mod recorders;
mod rooms;
pub(super) mod server;

use super::Trial;
use super::run::Answered;
use super::verdict::Rooms;
use crate::login::{Login, Server};
use crate::token::FindingKind;

/// What is wrong, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// What is wrong, in one sentence.
    pub why: String,
    /// The next thing to do.
    pub next: String,
}

fn cause(why: impl Into<String>, next: impl Into<String>) -> Option<Cause> {
    Some(Cause { why: why.into(), next: next.into() })
}

const REPAIR: &str = "`jitsi-tokens-setup install` finds and repairs it";
const LOG: &str = "/var/log/prosody/prosody.err, or `journalctl -u prosody -n 50`";

/// The cause; none if nothing is wrong, or if the cause is unknown.
pub(super) fn find(server: &Server, seen: &[Answered], rooms: Rooms) -> Option<Cause> {
    let good = seen.iter().find(|seen| seen.probe.trial == Trial::Good);
    let stuck = good.into_iter().chain(seen).find(|seen| !seen.attempt.login.decided());
    if let Some(stuck) = stuck.filter(|stuck| stuck.probe.trial == Trial::Good || gone(&stuck.attempt.login)) {
        return server::fault(server, &stuck.attempt.login);
    }
    let let_in: Vec<Trial> = seen
        .iter()
        .filter(|seen| !seen.probe.accepted && seen.attempt.login == Login::Accepted)
        .map(|seen| seen.probe.trial)
        .collect();
    if let_in.contains(&Trial::NoToken) && let_in.contains(&Trial::WrongSecret) {
        return cause(
            "anybody gets in, with any token or none: Prosody does not authenticate this host by token",
            format!("Prosody may not have been restarted since it was configured; {REPAIR}"),
        );
    }
    if let Some(Login::Refused { text, condition }) = good.map(|good| &good.attempt.login) {
        return good_refused(if text.is_empty() { condition } else { text });
    }
    let_in
        .iter()
        .min_by_key(|trial| gravity(**trial))
        .and_then(|worst| wrongly_accepted(*worst))
        .or_else(|| rooms::fault(server, seen, rooms))
        .or_else(|| guests::fault(seen, rooms))
        .or_else(|| moderators::fault(seen))
        .or_else(|| recorders::fault(seen, rooms))
}

fn gone(login: &Login) -> bool {
    matches!(login, Login::Down(_) | Login::Stranger { .. })
}

/// The plugins have a sentence for each check, which tells which one said no.
fn good_refused(text: &str) -> Option<Cause> {
    let restart = format!("restart Prosody if the configuration has changed since its start; {REPAIR}");
    let (what, next) = match FindingKind::of_refusal(text) {
        Some(FindingKind::Signature) => ("the running Prosody has another app_secret than the configuration", restart),
        Some(FindingKind::Expired | FindingKind::NotYetValid) => (
            "the clock of Prosody's machine is another than the one of this program",
            "compare `date -u` on both; `timedatectl` shows whether the clock is kept right".to_owned(),
        ),
        Some(FindingKind::Issuer) => {
            ("the running Prosody has another app_id, or other asap_accepted_issuers", restart)
        }
        Some(FindingKind::Audience) => ("asap_accepted_audiences of the running Prosody are others", restart),
        Some(FindingKind::Algorithm) => ("the running Prosody wants another signature_algorithm", restart),
        Some(FindingKind::Missing) => (
            "the token did not reach the plugin",
            "something in between drops the address's query; try without it".to_owned(),
        ),
        Some(FindingKind::Key) => (
            "Prosody asks a key server instead of using the app_secret",
            "remove asap_key_server and cache_keys_url from the host, or have the key server's tokens tried".to_owned(),
        ),
        _ => ("for a reason that this program does not know", format!("look into {LOG}; {REPAIR}")),
    };
    cause(format!("a good token is refused (\"{text}\"): {what}"), next)
}

/// The smaller, the worse.
fn gravity(trial: Trial) -> usize {
    match trial {
        Trial::Unsigned => 0,
        Trial::WrongSecret => 1,
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
        Trial::NoToken => format!("see whether allow_empty_token is set and Prosody was restarted since; {REPAIR}"),
        _ => {
            format!("Prosody may run with an older configuration or another luajwtjitsi; {REPAIR}")
        }
    };
    match trial {
        Trial::Unsigned => cause("anybody can make a token: one without a signature was accepted", next),
        Trial::WrongSecret => cause("anybody can make a token: one signed with another secret was accepted", next),
        Trial::Tampered => cause("anybody can change a token: one with a changed payload was accepted", next),
        Trial::Malformed => cause("anybody gets in with a text that is not a token", next),
        Trial::NoToken => cause("people get in without a token, though the configuration asks for one", next),
        Trial::WrongIssuer => cause(
            "a token of another issuer was accepted: the installed luajwtjitsi does not look at it (2.0-0 under a \
             newer plugin does that)",
            next,
        ),
        Trial::Expired => cause("an expired token was accepted: tokens are valid for ever", next),
        other => cause(format!("a token that must be refused was accepted: {other}"), next),
    }
}
