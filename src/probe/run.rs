//! Makes the planned logins, one after the other: against a local server each takes a few milliseconds, and a busy
//! meeting server is not the place for a burst.

use super::{PlannedProbe, Trial, verdict};
use crate::host::Host;
use crate::login::{self, Attempt, Focus, Join, Login, Server};
use crate::report::Proof;
use crate::secret::Secret;

/// A planned login and what came of it.
pub(super) struct Seen<'a> {
    /// The plan.
    pub probe: &'a PlannedProbe,
    /// The outcome.
    pub attempt: Attempt,
}

/// Makes the logins and judges them. A server that cannot even decide about the good token is not asked further.
pub fn run(host: &dyn Host, server: &Server, planned: &[PlannedProbe]) -> Proof {
    let mut seen: Vec<Seen> = Vec::with_capacity(planned.len());
    let mut rooms_are_silent = false;
    let mut asking = server.clone();
    for probe in planned {
        // One wait for rooms that do not answer tells as much as many.
        let wanted = probe.joins.iter().filter(|_| !rooms_are_silent);
        let rooms: Vec<&str> = wanted.map(|join| join.room.as_str()).collect();
        let token = probe.token.as_ref().map(Secret::reveal);
        let attempt = login::attempt(host, &asking, token, &probe.room, &rooms);
        let gone = matches!(attempt.login, Login::Down(_) | Login::NotBosh { .. });
        let hopeless = gone || probe.trial == Trial::Good && !attempt.login.decided();
        rooms_are_silent |= attempt.joins.contains(&Join::NoAnswer);
        // So does one answer of jicofo that it does not open rooms.
        if attempt
            .focus
            .as_ref()
            .is_some_and(|focus| *focus != Focus::Ready)
        {
            asking.focus = None;
        }
        seen.push(Seen { probe, attempt });
        if hopeless {
            break;
        }
    }
    verdict::judge(server, &seen, planned.len() - seen.len())
}
