//! From what was seen to a proof: one line a login and room, and the cause when something is not as it must be.

use super::run::Seen;
use super::{PlannedJoin, Trial, cause};
use crate::login::{Join, Login, Server};
use crate::report::{Probe, Proof, Verdict};

/// What can be learned from rooms on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rooms {
    /// The right room was entered, so a refusal of another one means something.
    Open,
    /// Only jicofo opens rooms, but `token_verification` itself was seen to judge.
    Judged,
    /// Only jicofo opens rooms, and nothing more could be seen.
    Closed,
    /// No room was tried, or the right one was refused for a reason that is a fault.
    Unknown,
}

impl Rooms {
    fn of(seen: &[Seen]) -> Self {
        let Some(good) = seen.iter().find(|seen| seen.probe.trial == Trial::Good) else {
            return Self::Unknown;
        };
        let pick = |enters| {
            let mut pairs = good.probe.joins.iter().zip(&good.attempt.joins);
            pairs
                .find(|(planned, _)| planned.enters == enters)
                .map(|(_, join)| join)
        };
        match (pick(true), pick(false)) {
            (Some(Join::Entered), _) => Self::Open,
            (Some(right), wrong) if only_jicofo_opens(right) => {
                let judged =
                    by_token_verification(right) || wrong.is_some_and(by_token_verification);
                if judged { Self::Judged } else { Self::Closed }
            }
            _ => Self::Unknown,
        }
    }

    /// Whether no room could be entered.
    pub(super) fn unopened(self) -> bool {
        matches!(self, Self::Judged | Self::Closed)
    }
}

/// Refused because the room would have to be made first, which only an admin (jicofo) may do.
fn only_jicofo_opens(join: &Join) -> bool {
    match join {
        Join::Refused { text, element, .. } => {
            let text = text.to_lowercase();
            element.as_deref() == Some("room-does-not-exist")
                || text.contains("creation") && text.contains("restricted")
        }
        _ => false,
    }
}

/// Refused by Jitsi's room check: nobody else uses these words.
pub(super) fn by_token_verification(join: &Join) -> bool {
    match join {
        Join::Refused { text, element, .. } => {
            element.is_some() || text.to_lowercase().contains("mismatch")
        }
        _ => false,
    }
}

/// The proof that the logins `seen` make; `untried` more were planned.
pub(super) fn judge(server: &Server, seen: &[Seen], untried: usize) -> Proof {
    let rooms = Rooms::of(seen);
    let probes = lines(seen, rooms);
    let (verdict, why, next) = match cause::find(server, seen, rooms) {
        Some(cause) => (Verdict::Refused, cause.why, Some(cause.next)),
        None if probes.iter().any(|probe| !probe.ok) => {
            let odd: Vec<&str> = probes
                .iter()
                .filter(|probe| !probe.ok)
                .map(|probe| probe.name.as_str())
                .collect();
            let why = format!("not as it must be: {}", odd.join(", "));
            (
                Verdict::Refused,
                why,
                Some("look at Prosody's log: /var/log/prosody/prosody.log".to_owned()),
            )
        }
        None if rooms.unopened() => (Verdict::Partial, partial(rooms), Some(jicofo())),
        None => (Verdict::Full, full(seen), None),
    };
    let why = match untried {
        0 => why,
        1 => format!("{why} (1 more login was not tried)"),
        count => format!("{why} ({count} more logins were not tried)"),
    };
    Proof {
        verdict,
        why,
        next,
        probes,
    }
}

fn full(seen: &[Seen]) -> String {
    let refused = seen.iter().filter(|seen| !seen.probe.accepted).count();
    let rooms = seen
        .iter()
        .flat_map(|seen| &seen.probe.joins)
        .any(|join| !join.enters);
    let good = if rooms {
        "a good token opens its room and no other"
    } else {
        "a good token is accepted"
    };
    match refused {
        0 => good.to_owned(),
        1 => format!("{good}; a bad one is refused"),
        count => format!("{good}; {count} bad ones are refused"),
    }
}

fn partial(rooms: Rooms) -> String {
    let seen = match rooms {
        Rooms::Judged => {
            "the room check (token_verification) is loaded and judges, but no room was seen from inside"
        }
        _ => "whether the room check (token_verification) is loaded could not be seen",
    };
    format!("all logins are as they must be; only jicofo may open rooms here, so {seen}")
}

fn jicofo() -> String {
    "start jicofo (`systemctl start jicofo`) and run `jitsi-tokens-setup verify` for the whole proof".to_owned()
}

fn lines(seen: &[Seen], rooms: Rooms) -> Vec<Probe> {
    let mut lines = Vec::new();
    for Seen { probe, attempt } in seen {
        let ok = match &attempt.login {
            Login::Accepted => probe.accepted,
            Login::Refused { .. } => !probe.accepted,
            _ => false,
        };
        lines.push(Probe {
            name: probe.trial.to_string(),
            expected: if probe.accepted {
                "accepted"
            } else {
                "refused"
            }
            .to_owned(),
            got: attempt.login.to_string(),
            ok,
        });
        let joins = probe.joins.iter().zip(&attempt.joins);
        lines.extend(joins.map(|(planned, join)| room_line(planned, join, rooms)));
    }
    lines
}

fn room_line(planned: &PlannedJoin, join: &Join, rooms: Rooms) -> Probe {
    let (expected, ok) = match (planned.enters, rooms.unopened()) {
        (true, false) => ("entered", *join == Join::Entered),
        (true, true) => (
            "entered, once jicofo has opened it",
            only_jicofo_opens(join),
        ),
        (false, _) => ("refused", matches!(join, Join::Refused { .. })),
    };
    Probe {
        name: planned.name.to_owned(),
        expected: expected.to_owned(),
        got: join.to_string(),
        ok,
    }
}
