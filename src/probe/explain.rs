//! One user's token: what the server says about it, and why.

use std::time::SystemTime;

use super::cause::server as unreachable;
use super::{Expectations, verdict};
use crate::host::Host;
use crate::login::{self, Attempt, Join, Login, Server};
use crate::report::{Probe, Proof, Verdict};
use crate::secret::Secret;
use crate::token::{self, Expect, Inspection};

/// Tries `token` at the door and at `room`, and says what came of it.
pub fn explain(
    host: &dyn Host,
    server: &Server,
    wanted: &Expectations,
    token: &Secret,
    room: Option<&str>,
) -> Proof {
    let room = &room.map_or_else(|| own_room(token, host.now()), str::to_owned);
    let attempt = login::one(host, server, Some(token), room, &[room]);
    let read = read(wanted, token, room, host.now());
    let (verdict, why, next) = judge(server, wanted, &attempt, &read, room);
    let line = |name: String, expected: &str, got: String, ok| Probe {
        group: "this token",
        transport: server.transport.to_string(),
        name,
        expected: expected.to_owned(),
        got,
        ok,
    };
    let accepted = attempt.login == Login::Accepted;
    let mut probes = vec![line(
        "login".to_owned(),
        "accepted",
        attempt.login.to_string(),
        accepted,
    )];
    if let Some(join) = attempt.joins.first() {
        let entered = *join == Join::Entered;
        probes.push(line(
            format!("room {room}"),
            "entered",
            join.to_string(),
            entered,
        ));
    }
    Proof {
        verdict,
        why,
        next,
        probes,
    }
}

/// The room that the token names, else one that nobody uses.
fn own_room(token: &Secret, now: SystemTime) -> String {
    let read = token::inspect(token.reveal().as_bytes(), None, &Expect::default(), now);
    let claim = read.claims.as_ref().and_then(|claims| claims.get("room"));
    let named = claim.and_then(|room| room.as_str()).filter(|room| {
        !room.is_empty()
            && room
                .chars()
                .all(|c| c.is_alphanumeric() || "-_.".contains(c))
    });
    named.map_or_else(super::plan::fresh_room, str::to_lowercase)
}

fn read(wanted: &Expectations, token: &Secret, room: &str, now: SystemTime) -> Inspection {
    let expect = Expect {
        issuers: wanted.accepted_issuers.clone(),
        audiences: wanted.accepted_audiences.clone(),
        domain: Some(wanted.domain.clone()),
        domain_verification: Some(wanted.domain_verification),
        room: Some(room.to_owned()),
        algorithm: (wanted.era != super::Era::Decode).then_some(wanted.algorithm),
    };
    let text = token.reveal().as_bytes();
    token::inspect(text, Some(&wanted.app_secret), &expect, now)
}

type Judgement = (Verdict, String, Option<String>);

fn judge(
    server: &Server,
    wanted: &Expectations,
    attempt: &Attempt,
    read: &Inspection,
    room: &str,
) -> Judgement {
    match (&attempt.login, attempt.joins.first()) {
        (Login::Accepted, Some(Join::Entered)) => {
            let why = format!("Prosody takes this token, and it opens the room {room}");
            (Verdict::Full, why, None)
        }
        (Login::Accepted, Some(join)) => at_the_room(server, wanted, attempt, join, read, room),
        (Login::Refused { .. }, _) => at_the_door(&attempt.login, wanted, read),
        (login, _) => match unreachable::fault(server, login) {
            Some(cause) => (Verdict::Refused, cause.why, Some(cause.next)),
            None => (Verdict::Refused, login.to_string(), None),
        },
    }
}

/// Refused at the login: signature, times, issuer, audience.
fn at_the_door(login: &Login, wanted: &Expectations, read: &Inspection) -> Judgement {
    let at_login = |text: &str| !text.starts_with("for another room") && !about_the_domain(text);
    let found: Vec<&str> = read
        .problems
        .iter()
        .filter(|problem| problem.fatal && at_login(&problem.text))
        .map(|problem| problem.text.as_str())
        .collect();
    let said = match login {
        Login::Refused { condition, text } if text.is_empty() => condition,
        Login::Refused { text, .. } => text,
        _ => "",
    };
    if found.is_empty() {
        return (
            Verdict::Refused,
            format!(
                "Prosody refuses this token (“{said}”), and nothing in it is wrong: the running Prosody has other \
                 credentials than its configuration, or another clock than this machine"
            ),
            Some("see how it treats a token of our own: jitsi-tokens-setup verify".to_owned()),
        );
    }
    let why = format!(
        "Prosody refuses this token (“{said}”): {}",
        found.join("; ")
    );
    let has = |words: &[&str]| {
        let all = found.join(" ").to_lowercase();
        words.iter().any(|word| all.contains(word))
    };
    let next = if has(&["signature", "secret"]) {
        "sign with the secret that Prosody uses: jitsi-tokens-setup credentials show --reveal"
            .to_owned()
    } else if has(&["expired"]) {
        "have a new token made: an old one cannot be mended".to_owned()
    } else if has(&["not valid before"]) {
        "compare `date -u` here and where the token was made, or have it made without “nbf”"
            .to_owned()
    } else if has(&["iss"]) {
        format!(
            "write iss = \"{}\" into the tokens, or add their issuer to asap_accepted_issuers of VirtualHost \"{}\"",
            wanted.app_id, wanted.domain
        )
    } else if has(&["aud"]) {
        format!(
            "write another aud into the tokens, or add theirs to asap_accepted_audiences of VirtualHost \"{}\"",
            wanted.domain
        )
    } else {
        "jitsi-tokens-setup token inspect shows all that is in it".to_owned()
    };
    (Verdict::Refused, why, Some(next))
}

fn about_the_domain(text: &str) -> bool {
    text.contains("“sub”")
}

/// Let in, and kept out of the room: room and domain.
fn at_the_room(
    server: &Server,
    wanted: &Expectations,
    attempt: &Attempt,
    join: &Join,
    read: &Inspection,
    room: &str,
) -> Judgement {
    let mut problems = read.problems.iter().filter(|problem| problem.fatal);
    if let Some(domain) = problems
        .clone()
        .find(|problem| about_the_domain(&problem.text))
    {
        let host = &wanted.domain;
        return (
            Verdict::Refused,
            format!(
                "Prosody takes this token, but no room opens ({join}): {}",
                domain.text
            ),
            Some(format!(
                "write sub = \"{host}\" (or \"*\") into the tokens; only where they come from somebody who cannot \
                 change them, set enable_domain_verification = false in VirtualHost \"{host}\" and restart Prosody"
            )),
        );
    }
    if let Some(other) = problems.next() {
        return (
            Verdict::Refused,
            format!(
                "Prosody takes this token, but the room {room} does not open ({join}): {}",
                other.text
            ),
            Some(format!(
                "enter the room that the token names, or have one made with room = \"{}\" (or \"*\")",
                room.to_lowercase()
            )),
        );
    }
    if verdict::only_jicofo_opens(join) {
        let (reason, remedy) = verdict::unopened(server, attempt.focus.as_ref());
        return (
            Verdict::Partial,
            format!(
                "Prosody takes this token; whether it opens the room {room} could not be seen: only jicofo may open \
                 rooms here, and {reason}"
            ),
            Some(format!("{remedy} and try again")),
        );
    }
    (
        Verdict::Refused,
        format!(
            "Prosody takes this token, and nothing in it is against the room {room}, but the room does not open ({join})"
        ),
        Some("see how the room treats a token of our own: jitsi-tokens-setup verify".to_owned()),
    )
}
