//! Turns the results into a proof: one line per login and room, and the cause if something is wrong.

use super::line::Lines;
use super::run::Answered;
use super::{PlannedJoin, ProblemKind, Trial, cause};
use crate::engine::report::{self, Probe, Proof, Verdict};
use crate::login::{Attempt, Focus, Join, Login, Server};

/// What can be learned from rooms on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rooms {
    /// The right room was entered, so a rejection of another one means something.
    Open,
    /// Only jicofo opens rooms, but `token_verification` itself was seen to reject a room.
    Judged,
    /// Only jicofo opens rooms, and a room that the token does not name was refused for that alone, although the
    /// configuration loads the room check: until 2025 its hook had the same priority as Prosody's rule, so which one
    /// answers first is chance.
    Unseen,
    /// As `Unseen`, but the configuration does not load the room check.
    Unguarded,
    /// No room was tried, or the right one was refused because something is wrong.
    Unknown,
}

impl Rooms {
    fn of(server: &Server, seen: &[Answered]) -> Self {
        let Some(good) = seen.iter().find(|seen| seen.probe.trial == Trial::Good) else {
            return Self::Unknown;
        };
        let pick = |enters| {
            let mut pairs = good.probe.joins.iter().zip(&good.attempt.joins);
            pairs.find(|(planned, _)| planned.enters == enters).map(|(_, join)| join)
        };
        let opened = good.attempt.focus == Some(Focus::Ready);
        match (pick(true), pick(false)) {
            (Some(Join::Entered), _) => Self::Open,
            (Some(right), Some(wrong)) if only_jicofo_opens(right) && !opened => {
                if by_token_verification(right) || by_token_verification(wrong) {
                    Self::Judged
                } else if only_jicofo_opens(wrong) && server.room_check {
                    Self::Unseen
                } else if only_jicofo_opens(wrong) {
                    Self::Unguarded
                } else {
                    Self::Unknown
                }
            }
            _ => Self::Unknown,
        }
    }

    /// Whether no room could be entered.
    pub(super) fn unopened(self) -> bool {
        matches!(self, Self::Judged | Self::Unseen | Self::Unguarded)
    }
}

/// Refused because the room would have to be created first, which only an admin (jicofo) may do.
pub(super) fn only_jicofo_opens(join: &Join) -> bool {
    match join {
        Join::Refused { text, element, .. } => {
            let text = text.to_lowercase();
            element.as_deref() == Some("room-does-not-exist")
                || text.contains("creation") && text.contains("restricted")
        }
        _ => false,
    }
}

/// Refused although nobody was there to open the room, which says nothing about who may enter it.
pub(super) fn not_opened(attempt: &Attempt, join: &Join) -> bool {
    only_jicofo_opens(join) && attempt.focus != Some(Focus::Ready)
}

/// Whether a login showed nothing about its room, because jicofo did not open that one. The good token's rooms are judged
/// by [`Rooms`].
pub(super) fn is_untested(seen: &Answered) -> bool {
    seen.probe.trial != Trial::Good && seen.attempt.joins.iter().any(|join| not_opened(&seen.attempt, join))
}

/// Refused by Jitsi's room check: nothing else uses these words.
pub(super) fn by_token_verification(join: &Join) -> bool {
    match join {
        Join::Refused { text, element, .. } => element.is_some() || text.to_lowercase().contains("mismatch"),
        _ => false,
    }
}

/// The proof from the logins `seen`; `untried` more were planned, and `alike` more had the same result as the first.
pub(super) fn judge(server: &Server, seen: &[Answered], untried: usize, alike: usize) -> Proof {
    let rooms = Rooms::of(server, seen);
    let probes = lines(server, seen, rooms);
    let (verdict, problem, why, fix) = match cause::find(server, seen, rooms) {
        Some(cause) => (Verdict::Refused, Some(cause.kind), cause.why, Some(cause.next)),
        None if probes.iter().any(|probe| !probe.ok) => {
            let odd: Vec<&str> = probes.iter().filter(|probe| !probe.ok).map(|probe| probe.name.as_str()).collect();
            let why = format!("unexpected result: {}", odd.join(", "));
            let fix = "see Prosody's log: /var/log/prosody/prosody.log".to_owned();
            (Verdict::Refused, Some(ProblemKind::UnexpectedResult), why, Some(fix))
        }
        // If the last full proof still holds, the rooms were seen in that one.
        None if rooms.unopened() && !unasked(seen) => {
            let (why, fix) = partial(server, seen, rooms);
            (Verdict::Partial, Some(ProblemKind::RoomsNotTested), why, Some(fix))
        }
        None if seen.iter().all(|seen| seen.probe.trial != Trial::Good) && !seen.is_empty() => {
            let (why, fix) = by_foreign_keys(server, seen);
            (Verdict::Partial, Some(ProblemKind::ValidTokenNotTested), why, Some(fix))
        }
        None => match untested(server, seen).filter(|_| !unasked(seen)) {
            Some((rest, remedy)) => {
                let why = format!("{}; {rest}", full(seen));
                (Verdict::Partial, Some(ProblemKind::RoomsNotTested), why, Some(then_verify(remedy)))
            }
            None => (Verdict::Full, None, full(seen), None),
        },
    };
    let everybody = seen.iter().any(|seen| seen.probe.trial == Trial::NoToken && seen.probe.accepted);
    let why = if everybody && verdict != Verdict::Refused {
        format!("{why}; OPEN: anyone can join without a token (allow_empty_token is on)")
    } else {
        why
    };
    let why = match (untried, alike) {
        (0, 0) => why,
        (0, 1) => format!("{why} (1 more login had the same result)"),
        (0, count) => format!("{why} ({count} more logins had the same result)"),
        (1, _) => format!("{why} (1 more login was not tested)"),
        (count, _) => format!("{why} ({count} more logins were not tested)"),
    };
    Proof {
        problem: problem.map(report::id),
        open: everybody || problem.is_some_and(ProblemKind::is_open),
        fix,
        logins_made: seen.len() + alike,
        logins_planned: seen.len() + alike + untried,
        probes,
        warnings: crashes(seen),
        keeps_out: verdict == Verdict::Refused && keeps_out(seen, rooms, problem),
        ..Proof::without_logins(verdict, why)
    }
}

/// Whether Jitsi's plugins answered like this because they have no key of the name in the token. With a key set alone
/// (`cache_keys_url` without `asap_key_server`) they crash for lack of it.
pub(super) fn lacks_key(login: &Login) -> bool {
    match login {
        Login::Refused { text, .. } => text.contains("could not obtain public key"),
        login => crashed(login),
    }
}

/// What is proved if only somebody else can sign a valid token, and how to prove the rest.
fn by_foreign_keys(server: &Server, seen: &[Answered]) -> (String, String) {
    let has = |seen: &Answered| seen.probe.trial == Trial::WrongKey && !lacks_key(&seen.attempt.login);
    let has = seen.iter().any(has);
    let keys = if has { "Prosody has the keys" } else { "it is unknown whether Prosody can fetch the keys" };
    let mut why = format!(
        "invalid tokens are rejected, and {keys}; a valid token, expiry, claims and rooms were not tested, because only \
         the provider can sign a token"
    );
    let mut fix =
        "to test the rest, save a token from the provider and run `jitsi-tokens-setup verify --token-file FILE`"
            .to_owned();
    if let Some((rest, remedy)) = untested(server, seen) {
        why = format!("{why}; {rest}");
        fix = format!("{}; {fix}", then_verify(remedy));
    }
    (why, fix)
}

/// What was not tested because jicofo did not open the room for it, and why; and what to do about that.
fn untested(server: &Server, seen: &[Answered]) -> Option<(String, &'static str)> {
    let untested: Vec<&Answered> = seen.iter().filter(|seen| is_untested(seen)).collect();
    let (reason, remedy) = unopened(server, untested.first()?.attempt.focus.as_ref());
    let names: Vec<String> = untested.iter().map(|seen| seen.probe.trial.to_string()).collect();
    let names = names.join(", ");
    Some((format!("only jicofo may open rooms here, and {reason}, so this was not tested: {names}"), remedy))
}

fn then_verify(remedy: &str) -> String {
    format!("{remedy}, then run `jitsi-tokens-setup verify`")
}

/// Whether jicofo is there and was not asked to open rooms.
fn unasked(seen: &[Answered]) -> bool {
    let answer = seen.iter().find_map(|seen| seen.attempt.focus.as_ref());
    answer == Some(&Focus::Unasked)
}

/// Whether somebody with a good token is kept out, or may be, as far as can be known if only somebody else can sign one.
fn keeps_out(seen: &[Answered], rooms: Rooms, problem: Option<ProblemKind>) -> bool {
    let Some(good) = seen.iter().find(|seen| seen.probe.trial == Trial::Good) else {
        return !matches!(problem, Some(ProblemKind::RecordersCannotLogIn | ProblemKind::RecordersKeptOut));
    };
    let mut joins = good.probe.joins.iter().zip(&good.attempt.joins);
    let outside = joins.any(|(planned, join)| planned.enters && *join != Join::Entered);
    good.attempt.login != Login::Accepted || outside && !rooms.unopened()
}

/// The proof if no login was made.
pub(super) fn nothing_tested() -> Proof {
    let problem = Some(report::id(ProblemKind::NothingTested));
    Proof { problem, keeps_out: true, ..Proof::without_logins(Verdict::Refused, "no login was tested") }
}

fn full(seen: &[Answered]) -> String {
    let refused = seen.iter().filter(|seen| !seen.probe.accepted).count();
    let rooms = seen.iter().flat_map(|seen| &seen.probe.joins).any(|join| !join.enters);
    let good = if rooms { "a valid token opens its room and no other" } else { "a valid token is accepted" };
    let mut parts = vec![good.to_owned()];
    let tested = |trial: Trial| seen.iter().any(|seen| seen.probe.trial == trial && !is_untested(seen));
    if tested(Trial::GuestWithHost) {
        parts.push("guests wait until somebody with a token joins".to_owned());
    }
    if seen.iter().any(|seen| seen.probe.moderates.is_some() && seen.attempt.standing.is_some()) {
        parts.push("the token decides who moderates".to_owned());
    }
    if tested(Trial::Recorder) {
        parts.push("recorders get in".to_owned());
    }
    match refused {
        0 => {}
        1 => parts.push("an invalid one is rejected".to_owned()),
        count => parts.push(format!("{count} invalid ones are rejected")),
    }
    parts.join("; ")
}

/// Why no room was seen from inside, and how to get the full proof.
fn partial(server: &Server, seen: &[Answered], rooms: Rooms) -> (String, String) {
    let answer = seen.iter().find_map(|seen| seen.attempt.focus.as_ref());
    let (reason, remedy) = unopened(server, answer);
    let (check, unseen) = if rooms == Rooms::Judged {
        ("works", "no room was entered")
    } else {
        ("is configured", "it could not be tested")
    };
    (
        format!(
            "all logins are as expected and the room check (token_verification) {check}; but only jicofo may open \
             rooms here, and {reason}, so {unseen}"
        ),
        then_verify(remedy),
    )
}

/// Why jicofo did not open a room, and what to do about it.
pub(super) fn unopened(server: &Server, answer: Option<&Focus>) -> (String, &'static str) {
    let focus = server.focus.as_deref().unwrap_or("jicofo");
    match answer {
        Some(answer) if answer.is_absent() => {
            (format!("{focus} is not connected ({answer})"), "start jicofo (`systemctl start jicofo`)")
        }
        Some(Focus::NoAnswer) => (format!("{focus} does not answer"), "restart jicofo (`systemctl restart jicofo`)"),
        Some(Focus::NotReady) => (format!("{focus} did not open one in time"), "see /var/log/jitsi/jicofo.log"),
        Some(answer @ Focus::Refused { .. }) => {
            (format!("{focus} refuses (\"{answer}\")"), "see /var/log/jitsi/jicofo.log")
        }
        Some(Focus::Ready | Focus::Unasked) | None => {
            ("it was not asked to open one".to_owned(), "start jicofo (`systemctl start jicofo`)")
        }
    }
}

/// Whether the plugin crashed on a token, or ended the session over it, without a decision.
fn crashed(login: &Login) -> bool {
    matches!(login, Login::NoAnswer | Login::StreamError(_))
}

/// Whether a bad token got no answer. Nobody gets in with it, so that counts as a rejection, with a warning about the
/// plugin. A login without a token does not crash it, so there no answer means nothing.
fn refused_by_crash(seen: &Answered) -> bool {
    !seen.probe.accepted && seen.probe.trial != Trial::NoToken && crashed(&seen.attempt.login)
}

fn crashes(seen: &[Answered]) -> Vec<String> {
    let names: Vec<String> =
        seen.iter().filter(|seen| refused_by_crash(seen)).map(|seen| seen.probe.trial.to_string()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "the token plugin crashes on some invalid tokens instead of rejecting them ({}): nobody can join with one, \
         but each logs an error in Prosody's log; a newer jitsi-meet-prosody rejects them",
        names.join(", ")
    )]
}

fn lines(server: &Server, seen: &[Answered], rooms: Rooms) -> Vec<Probe> {
    let mut lines = Vec::new();
    for answered in seen {
        let Answered { probe, attempt } = answered;
        let here = Lines { group: probe.trial.group(), transport: server.transport };
        let ok = match &attempt.login {
            Login::Accepted => probe.accepted,
            Login::Refused { .. } => !probe.accepted,
            _ => refused_by_crash(answered),
        };
        lines.push(here.login(probe.trial, probe.accepted, &attempt.login, ok));
        let joins = probe.joins.iter().zip(&attempt.joins);
        lines.extend(joins.map(|(planned, join)| {
            let untested = is_untested(answered) || rooms.unopened();
            let ok = as_expected(planned, join, untested);
            here.room(planned.line, planned.enters, join, ok)
        }));
        if let (Some(moderates), Some(standing)) = (probe.moderates, &attempt.standing) {
            lines.push(here.role(moderates, standing));
        }
    }
    lines
}

/// `unopened`: whether jicofo may have opened no room for this login.
fn as_expected(planned: &PlannedJoin, join: &Join, unopened: bool) -> bool {
    match planned.enters {
        true => *join == Join::Entered || unopened && only_jicofo_opens(join),
        // A room check that crashes lets nobody in.
        false => *join != Join::Entered,
    }
}
