//! Makes the planned logins, one after the other: against a local server each takes a few milliseconds, and a busy
//! meeting server is not the place for a burst.

use super::{PlannedProbe, Trial, extra, verdict};
use crate::host::Host;
use crate::login::{self, Attempt, Focus, Join, Login, Server, Transport};
use crate::report::{Proof, Verdict};
use crate::secret::Secret;

/// A planned login and what came of it.
pub(super) struct Seen<'a> {
    /// The plan.
    pub probe: &'a PlannedProbe,
    /// The outcome.
    pub attempt: Attempt,
}

/// Makes the planned logins at each server, one transport after the other, and judges them together.
pub fn over_each(
    host: &dyn Host,
    servers: &[Server],
    planned: impl Fn() -> Vec<PlannedProbe>,
) -> Proof {
    let mut proofs: Vec<(Transport, Proof)> = Vec::new();
    for server in servers {
        let proof = run(host, server, &planned());
        // Where the first good token gets no answer, the second transport only repeats it.
        let hopeless = proof.verdict == Verdict::Refused && proof.probes.len() <= 1;
        proofs.push((server.transport, proof));
        if hopeless {
            break;
        }
    }
    joined(proofs)
}

fn joined(mut proofs: Vec<(Transport, Proof)>) -> Proof {
    let severity = |verdict: Verdict| match verdict {
        Verdict::Full => 0,
        Verdict::Partial => 1,
        Verdict::Refused => 2,
    };
    // The first of the worst; `max_by_key` would give the last.
    let worst = (0..proofs.len())
        .rev()
        .max_by_key(|at| severity(proofs[*at].1.verdict));
    let Some((transport, mut proof)) = worst.map(|at| proofs[at].clone()) else {
        return verdict::nothing_tried();
    };
    let alike = proofs.iter().all(|(_, other)| other.why == proof.why);
    let names: Vec<String> = proofs.iter().map(|(name, _)| name.to_string()).collect();
    if proofs.len() > 1 && alike {
        proof.why = format!("{}, over {}", proof.why, names.join(" and "));
    } else if proofs.len() > 1 {
        proof.why = format!("over {transport}: {}", proof.why);
    }
    proof.probes = proofs.drain(..).flat_map(|(_, each)| each.probes).collect();
    proof
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
        let gone = matches!(attempt.login, Login::Down(_) | Login::Stranger { .. });
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
    let mut proof = verdict::judge(server, &seen, planned.len() - seen.len());
    // Whatever failed already says more.
    if let (Some(guests), false) = (&server.guests, proof.verdict == Verdict::Refused) {
        extra::guests(host, server, guests, &mut proof);
    }
    proof
}
