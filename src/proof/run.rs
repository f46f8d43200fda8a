//! Makes the planned logins, all at once: a server's answer to one token does not depend on another, and one login
//! takes a second if Prosody has much loaded.

use std::time::{Duration, Instant};

use super::{PlannedProbe, Trial, verdict};
use crate::engine::report::{Proof, Verdict};
use crate::host::Host;
use crate::host::secret::Secret;
use crate::login::net::HttpFault;
use crate::login::{self, Attempt, Companion, Job, Login, Server, Transport};

/// A planned login and its result.
pub(super) struct Answered<'a> {
    /// What was planned.
    pub probe: &'a PlannedProbe,
    /// What happened.
    pub attempt: Attempt,
}

/// Makes the logins that `planned` returns for each server (one per transport), and judges them together.
pub fn run(host: &dyn Host, servers: &[Server], planned: impl Fn(&Server) -> Vec<PlannedProbe>) -> Proof {
    let began = Instant::now();
    let plans: Vec<(&Server, Vec<PlannedProbe>)> = servers.iter().map(|server| (server, planned(server))).collect();
    let all: Vec<(&Server, &PlannedProbe)> =
        plans.iter().flat_map(|(server, probes)| probes.iter().map(|probe| (*server, probe))).collect();
    let jobs: Vec<Job> = all.iter().map(|(server, probe)| job(server, probe)).collect();
    let mut made = login::attempts(host, &jobs);
    retry_unanswered(host, &all, &mut made, TOTAL.saturating_sub(began.elapsed()));
    let mut made = made.into_iter();
    let mut proofs: Vec<(Transport, Proof)> = Vec::new();
    for (server, probes) in &plans {
        let attempts: Vec<Option<Attempt>> = made.by_ref().take(probes.len()).collect();
        let proof = judged(server, probes, attempts);
        // If the first good token got no decision, the second transport was not tried.
        if proofs.is_empty() || !proof.probes.is_empty() {
            proofs.push((server.transport, proof));
        }
    }
    joined(proofs)
}

/// Makes one login.
pub(super) fn one(host: &dyn Host, server: &Server, probe: &PlannedProbe) -> Option<Attempt> {
    login::attempts(host, &[job(server, probe)]).pop().flatten()
}

/// How long to wait for the answer to a bad token: plugins of many years crash on some instead of rejecting them, and a
/// rejection comes as soon as an acceptance.
const REFUSAL: Duration = Duration::from_secs(2);

/// If an accepted or rejected login took longer than this, one without an answer may just have been too slow.
const SLOW: Duration = Duration::from_millis(500);

/// How long all logins together may take, the repeated ones included.
const TOTAL: Duration = Duration::from_millis(9_500);

/// Repeats the logins with bad tokens that a slow Prosody has not answered, now that the others are over: an answer
/// shows whether such a token is accepted after all, and without one its plugin has crashed. `left` is the time for it.
///
/// A web server gets no repeated logins: there they are made at intervals, so that none waits for another, and Jitsi slows
/// down an address that logs in often.
fn retry_unanswered(host: &dyn Host, all: &[(&Server, &PlannedProbe)], made: &mut [Option<Attempt>], left: Duration) {
    let answers = || all.iter().zip(&*made).filter_map(|((_, probe), made)| Some((probe, made.as_ref()?)));
    let silent = |login: &Login| matches!(login, Login::NoAnswer | Login::Down(HttpFault::TimedOut));
    if answers().any(|(probe, made)| probe.trial == Trial::Good && !made.login.decided()) {
        return;
    }
    // Jitsi's plugin does not crash on a missing token, and it may have to fetch a key before it answers.
    let busy = answers().any(|(probe, made)| match &made.login {
        login if login.decided() => made.took > SLOW,
        Login::NoAnswer => matches!(probe.trial, Trial::NoToken | Trial::WrongKey | Trial::UnknownKey),
        login => silent(login),
    });
    let unanswered: Vec<usize> = (0..all.len())
        .filter(|&at| busy && all[at].0.direct && !all[at].1.accepted)
        .filter(|&at| made[at].as_ref().is_some_and(|made| silent(&made.login)))
        .collect();
    let again = |at: &usize| {
        let (server, probe) = all[*at];
        let job = job(server, probe);
        Job { server: Server { wait: server.wait, ..job.server }, limit: Some(left.max(REFUSAL)), ..job }
    };
    let jobs: Vec<Job> = unanswered.iter().map(again).collect();
    if jobs.is_empty() {
        return;
    }
    for (at, attempt) in unanswered.into_iter().zip(login::attempts(host, &jobs)) {
        if attempt.as_ref().is_some_and(|attempt| attempt.login.decided()) {
            made[at] = attempt;
        }
    }
}

/// How long jicofo may take to make a newcomer an owner: up to 2 s.
const OWNER_DELAY: Duration = Duration::from_millis(2_300);

fn job(server: &Server, probe: &PlannedProbe) -> Job {
    // A missing token does not crash the plugin: no answer to it means nothing.
    let patient = probe.accepted || probe.trial == Trial::NoToken;
    let wait = if patient { server.wait } else { server.wait.min(REFUSAL) };
    Job {
        server: Server { wait, login_host: probe.login_host.clone(), ..server.clone() },
        token: probe.token.as_ref().map(|token| token.reveal().to_owned()),
        password: probe.password.clone(),
        room: probe.room.clone(),
        join: probe.joins.iter().map(|join| join.room.clone()).collect(),
        company: probe.host.iter().map(companion).collect(),
        stays: probe.moderates.map(|_| OWNER_DELAY),
        limit: None,
    }
}

/// Somebody with a token.
fn companion(token: &Secret) -> Companion {
    Companion { login_host: None, token: Some(token.reveal().to_owned()) }
}

/// What the logins over one transport prove.
fn judged(server: &Server, probes: &[PlannedProbe], attempts: Vec<Option<Attempt>>) -> Proof {
    let mut seen: Vec<Answered> = Vec::with_capacity(probes.len());
    for (probe, attempt) in probes.iter().zip(attempts) {
        seen.extend(attempt.map(|attempt| Answered { probe, attempt }));
    }
    let untried = probes.len() - seen.len();
    let alike = drop_repeated_answers(&mut seen);
    verdict::judge(server, &seen, untried, alike)
}

/// If a server decides nothing about a good token, the same answer to the others adds nothing. Returns how many there
/// were.
fn drop_repeated_answers(seen: &mut Vec<Answered>) -> usize {
    let good = seen.iter().find(|seen| seen.probe.trial == Trial::Good);
    let Some(undecided) = good.map(|good| good.attempt.login.clone()).filter(|login| !login.decided()) else {
        return 0;
    };
    let before = seen.len();
    let repeats = |login: &Login| *login == undecided;
    seen.retain(|seen| seen.probe.trial == Trial::Good || !repeats(&seen.attempt.login));
    before - seen.len()
}

fn joined(mut proofs: Vec<(Transport, Proof)>) -> Proof {
    let severity = |verdict: Verdict| match verdict {
        Verdict::Full => 0,
        Verdict::Partial => 1,
        Verdict::Refused => 2,
    };
    // The first of the worst; `max_by_key` would give the last.
    let worst = (0..proofs.len()).rev().max_by_key(|at| severity(proofs[*at].1.verdict));
    let Some((transport, mut proof)) = worst.map(|at| proofs[at].clone()) else {
        return verdict::nothing_tested();
    };
    let alike = proofs.iter().all(|(_, other)| other.why == proof.why);
    let names: Vec<String> = proofs.iter().map(|(name, _)| name.to_string()).collect();
    if proofs.len() > 1 && alike {
        proof.why = format!("{}, over {}", proof.why, names.join(" and "));
    } else if proofs.len() > 1 && proof.verdict == Verdict::Full {
        // Fewer logins were made over the other one: see `verify` through a web server.
        let others: Vec<&str> = names[1..].iter().map(String::as_str).collect();
        let others = others.join(" and ");
        proof.why = format!("{}, over {transport}; the logins tested over {others} agree", proof.why);
    } else if proofs.len() > 1 {
        proof.why = format!("over {transport}: {}", proof.why);
    }
    let said = proofs.iter().flat_map(|(_, each)| each.warnings.clone());
    proof.warnings = said.collect();
    let sum = |count: fn(&Proof) -> usize| proofs.iter().map(|(_, each)| count(each)).sum();
    (proof.logins_made, proof.logins_planned) = (sum(|each| each.logins_made), sum(|each| each.logins_planned));
    proof.open = proofs.iter().any(|(_, each)| each.open);
    proof.probes = proofs.drain(..).flat_map(|(_, each)| each.probes).collect();
    proof
}
