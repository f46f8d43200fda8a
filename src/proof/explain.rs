//! One user's token: what the server answers to it, and why.

use std::time::SystemTime;

use super::cause::server as unreachable;
use super::line::{Group, Lines, OtherLine};
use super::{ProblemKind, verdict};
use crate::engine::report::{self, Probe, Proof, Verdict};
use crate::host::Host;
use crate::host::secret::Secret;
use crate::login::{self, Attempt, Join, Login, Server};
use crate::site::expectations::Expectations;
use crate::token::{self, Answer, FindingKind, Inspection, Problem, Room, Rules, Stage};

/// Tries `token` at the login and in `room`, and explains the result.
pub fn explain(
    host: &dyn Host,
    server: &Server,
    wanted: &Expectations,
    rules: &Rules,
    token: &Secret,
    room: Option<&str>,
) -> Proof {
    let room = &room.map_or_else(|| own_room(token, host.now()), str::to_owned);
    let attempt = login::one(host, server, Some(token), room, &[room]);
    let text = token.reveal().as_bytes();
    let there = Room::named(room.as_str());
    let read = token::inspect(text, Some(&wanted.app_secret), rules, Some(&there), host.now());
    let judged = judge(server, wanted, &attempt, &read, room);
    let lines = Lines { group: Group::ThisToken, transport: server.transport };
    let accepted = attempt.login == Login::Accepted;
    let mut probes = vec![lines.login(OtherLine::GivenToken, true, &attempt.login, accepted)];
    if let Some(join) = attempt.joins.first() {
        let entered = *join == Join::Entered;
        let line = lines.room(OtherLine::GivenTokenRoom, true, join, entered);
        probes.push(Probe { name: format!("room {room}"), room: Some(room.clone()), ..line });
    }
    Proof {
        problem: judged.problem.map(report::id),
        token_problem: judged.token_problem.map(report::id),
        fix: judged.fix,
        logins_made: 1,
        logins_planned: 1,
        probes,
        ..Proof::without_logins(judged.verdict, judged.why)
    }
}

/// The room that the token names, else one that nobody uses.
fn own_room(token: &Secret, now: SystemTime) -> String {
    let read = token::inspect(token.reveal().as_bytes(), None, &Rules::default(), None, now);
    let claim = read.claims.as_ref().and_then(|claims| claims.get("room"));
    // A pattern is not a name, though it may look like one.
    let context = read.claims.as_ref().and_then(|claims| claims.get("context"));
    let regex = context.and_then(|context| context.get("room")?.get("regex"));
    let named = claim.and_then(|room| room.as_str()).filter(|room| {
        regex.is_none() && !room.is_empty() && room.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
    });
    named.map_or_else(super::plan::fresh_room, str::to_lowercase)
}

/// The verdict on one user's token.
pub(super) struct Judgement {
    pub verdict: Verdict,
    pub problem: Option<ProblemKind>,
    /// What is wrong with the token.
    pub token_problem: Option<FindingKind>,
    pub why: String,
    pub fix: Option<String>,
}

impl Judgement {
    fn refused(problem: Option<ProblemKind>, why: String, fix: Option<String>) -> Self {
        Self { verdict: Verdict::Refused, problem, token_problem: None, why, fix }
    }

    fn invalid(token_problem: FindingKind, why: String, fix: String) -> Self {
        let problem = Some(ProblemKind::TokenInvalid);
        Self { token_problem: Some(token_problem), ..Self::refused(problem, why, Some(fix)) }
    }
}

pub(super) fn judge(
    server: &Server,
    wanted: &Expectations,
    attempt: &Attempt,
    read: &Inspection,
    room: &str,
) -> Judgement {
    match (&attempt.login, attempt.joins.first()) {
        (Login::Accepted, Some(Join::Entered)) => {
            let why = format!("Prosody accepts this token, and it opens the room {room}");
            Judgement { verdict: Verdict::Full, ..Judgement::refused(None, why, None) }
        }
        (Login::Accepted, Some(join)) => explain_room(server, wanted, attempt, join, read, room),
        (Login::Refused { .. }, _) => explain_login(&attempt.login, wanted, read),
        // With somebody else's keys, the plugin also crashes for lack of one.
        (Login::NoAnswer, _) if read.login == Answer::Silence || wanted.foreign.is_some() => {
            explain_login(&attempt.login, wanted, read)
        }
        (login, _) => match unreachable::fault(server, login) {
            Some(cause) => Judgement::refused(Some(cause.kind), cause.why, Some(cause.next)),
            None => Judgement::refused(Some(ProblemKind::UnexpectedResult), login.to_string(), None),
        },
    }
}

/// Every problem that keeps people out at this stage.
fn fatal(read: &Inspection, stage: Stage) -> Vec<&Problem> {
    let counts = |problem: &&Problem| problem.fatal && problem.stage == stage;
    read.problems.iter().filter(counts).collect()
}

/// Rejected at the login, or left without an answer there: signature, times, issuer, audience.
fn explain_login(login: &Login, wanted: &Expectations, read: &Inspection) -> Judgement {
    let found = fatal(read, Stage::Login);
    let said = match login {
        Login::Refused { condition, text } if text.is_empty() => condition,
        Login::Refused { text, .. } => text,
        _ => "no answer (its plugin crashed)",
    };
    let Some(worst) = found.first() else {
        if verdict::lacks_key(login) {
            return Judgement::refused(
                Some(ProblemKind::KeyNotFetched),
                format!("Prosody rejects this token (\"{said}\"): it has no key with the token's kid"),
                Some("compare the kid with the keys that `jitsi-tokens-setup status` lists; a new key is fetched when Prosody restarts".to_owned()),
            );
        }
        return Judgement::refused(
            Some(ProblemKind::ValidTokenRejected),
            format!(
                "Prosody rejects this token (\"{said}\") although it matches the configuration: the running Prosody \
                 uses other credentials, or its clock differs from this machine's"
            ),
            Some("find out more: jitsi-tokens-setup verify".to_owned()),
        );
    };
    let texts: Vec<&str> = found.iter().map(|problem| problem.text.as_str()).collect();
    let why = format!("Prosody rejects this token (\"{said}\"): {}", texts.join("; "));
    Judgement::invalid(worst.kind, why, advice(worst, wanted))
}

/// What to do about a problem.
fn advice(problem: &Problem, wanted: &Expectations) -> String {
    let host = &wanted.domain;
    match problem.kind {
        FindingKind::Surroundings => "use the token alone, on one line (eyJ..., with two dots)".to_owned(),
        FindingKind::Missing | FindingKind::Format => {
            "copy the token again, with all three parts (`jitsi-tokens-setup token inspect` shows them), or create a \
             new one"
                .to_owned()
        }
        FindingKind::Type => "add typ = \"JWT\" to the token's header".to_owned(),
        FindingKind::Algorithm => format!(
            "sign tokens with {}, or set signature_algorithm of VirtualHost \"{host}\" to their algorithm",
            wanted.algorithm.name()
        ),
        FindingKind::Key | FindingKind::Signature => advice_on_keys(problem.kind, wanted),
        FindingKind::Expired => "create a new token".to_owned(),
        FindingKind::NotYetValid => {
            "compare `date -u` here and where the token was created, or create tokens without \"nbf\"".to_owned()
        }
        FindingKind::Time => "write times as numbers, in seconds since 1970".to_owned(),
        FindingKind::Issuer => format!(
            "set \"iss\" to \"{}\" in the tokens, or add their issuer to asap_accepted_issuers of VirtualHost \
             \"{host}\"",
            wanted.app_id
        ),
        FindingKind::Audience => format!(
            "set \"aud\" to an accepted audience (a string) in the tokens, or add theirs to asap_accepted_audiences \
             of VirtualHost \"{host}\""
        ),
        FindingKind::Room => format!(
            "set \"room\" to a room's name or \"*\" in the tokens, or set asap_require_room_claim = false in \
             VirtualHost \"{host}\""
        ),
        FindingKind::OtherRoom => {
            "enter the room that the token names, or create a token for this room (or with room = \"*\")".to_owned()
        }
        FindingKind::Pattern => {
            "use a lower-case Lua pattern that matches the whole room name, or the name itself without \
             context.room.regex"
                .to_owned()
        }
        FindingKind::Subject => format!(
            "set \"sub\" to \"{host}\" (or \"*\") in the tokens; if you cannot change them, set \
             enable_domain_verification = false in VirtualHost \"{host}\" and restart Prosody"
        ),
        FindingKind::Tenant => "make context.tenant a string, or leave it out".to_owned(),
        FindingKind::Context => "make context, context.user and context.room objects, or leave them out".to_owned(),
        FindingKind::Role => "set context.user.moderator to true for moderators".to_owned(),
        FindingKind::Features => "put the features in context.features, each true or false".to_owned(),
        FindingKind::Server => {
            format!("set muc_mapper_domain_base = \"{host}\" in Prosody's configuration and restart Prosody")
        }
    }
}

/// What to do about a token signed with a key that the server does not accept.
fn advice_on_keys(problem: FindingKind, wanted: &Expectations) -> String {
    match problem {
        FindingKind::Signature if wanted.by_public_key => {
            "sign tokens with the private key that their kid names".to_owned()
        }
        FindingKind::Signature => {
            "sign tokens with the secret that Prosody uses: jitsi-tokens-setup credentials show --reveal".to_owned()
        }
        _ if wanted.by_public_key && wanted.foreign.is_none() => {
            "set \"kid\" in the token's header to that of an accepted key: jitsi-tokens-setup credentials show"
                .to_owned()
        }
        _ => format!(
            "add the key ID as \"kid\" to the token's header; check asap_key_server and cache_keys_url of \
             VirtualHost \"{}\"",
            wanted.domain
        ),
    }
}

/// Logged in, but kept out of the room: room and domain.
fn explain_room(
    server: &Server,
    wanted: &Expectations,
    attempt: &Attempt,
    join: &Join,
    read: &Inspection,
    room: &str,
) -> Judgement {
    if let Some(worst) = fatal(read, Stage::Room).first() {
        let next = match worst.kind {
            FindingKind::OtherRoom => format!(
                "enter the room that the token names, or create a token with room = \"{}\" (or \"*\")",
                room.to_lowercase()
            ),
            _ => advice(worst, wanted),
        };
        let why = format!("Prosody accepts this token, but the room {room} does not open ({join}): {}", worst.text);
        return Judgement::invalid(worst.kind, why, next);
    }
    if verdict::only_jicofo_opens(join) {
        let (reason, remedy) = verdict::unopened(server, attempt.focus.as_ref());
        let why = format!(
            "Prosody accepts this token, but the room {room} could not be tested: only jicofo may open rooms here, and \
             {reason}"
        );
        let fix = Some(format!("{remedy} and try again"));
        let problem = Some(ProblemKind::RoomsNotTested);
        return Judgement { verdict: Verdict::Partial, ..Judgement::refused(problem, why, fix) };
    }
    Judgement::refused(
        Some(ProblemKind::RoomRefused),
        format!("Prosody accepts this token and it allows the room {room}, but the room does not open ({join})"),
        Some("find out more: jitsi-tokens-setup verify".to_owned()),
    )
}
