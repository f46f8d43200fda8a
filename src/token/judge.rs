//! What Jitsi says about a header and claims, as its plugins of all eras read them (the options' defaults included).

use std::time::SystemTime;

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::inspect::Problem;
use super::{room, times};

/// What is known of the server that the token is for; nothing known, nothing compared.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// Issuers that it takes: the app id, unless `asap_accepted_issuers` says otherwise. Empty: unknown.
    pub issuers: Vec<String>,
    /// Audiences that it takes. Empty: unknown, or any.
    pub audiences: Vec<String>,
    /// The site's domain.
    pub domain: Option<String>,
    /// Whether it compares `sub` with the domain; none: unknown.
    pub domain_verification: Option<bool>,
    /// The room that is to be entered.
    pub room: Option<String>,
    /// The only algorithm that it takes; none: whatever the token names.
    pub algorithm: Option<Algorithm>,
}

/// The header's algorithm, if it is one of ours, and what is wrong with the header.
pub(super) fn header(
    header: &Map<String, Value>,
    expect: &Expect,
) -> (Option<Algorithm>, Vec<Problem>) {
    let mut problems = Vec::new();
    match header.get("typ") {
        Some(Value::String(typ)) if typ == "JWT" => {}
        Some(_) => problems.push(Problem::fatal("the header's “typ” is not “JWT”")),
        None => problems.push(Problem::fatal(
            "the header has no “typ”: \"JWT\", which Jitsi's plugins ask for",
        )),
    }
    let Some(name) = header.get("alg").and_then(Value::as_str) else {
        problems.push(Problem::fatal("the header names no algorithm (“alg”)"));
        return (None, problems);
    };
    let algorithm = Algorithm::named(name);
    if name.eq_ignore_ascii_case("none") {
        problems.push(Problem::fatal(
            "it is not signed (“alg” is “none”), so anybody could have made it",
        ));
    } else if algorithm.is_none() {
        problems.push(Problem::fatal(format!(
            "Jitsi does not know the algorithm “{}”",
            brief(name)
        )));
    } else if let Some(wanted) = expect.algorithm.filter(|wanted| Some(*wanted) != algorithm) {
        problems.push(Problem::fatal(format!(
            "it is signed with {name}, this server takes {} only",
            wanted.name()
        )));
    }
    (algorithm, problems)
}

/// What is wrong with the claims.
pub(super) fn claims(
    claims: &Map<String, Value>,
    expect: &Expect,
    link_room: Option<&str>,
    now: SystemTime,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    validity(claims, times::unix(now), &mut problems);
    issuer(claims, expect, &mut problems);
    audience(claims, expect, &mut problems);
    subject(claims, expect, &mut problems);
    rooms(claims, expect.room.as_deref().or(link_room), &mut problems);
    problems
}

fn validity(claims: &Map<String, Value>, now: i64, problems: &mut Vec<Problem>) {
    let mut time = |name: &str| match claims.get(name) {
        None => None,
        Some(Value::Number(number)) => number.as_f64(),
        Some(_) => {
            let text = format!("“{name}” is no number; it must be seconds since 1970");
            problems.push(Problem::fatal(text));
            None
        }
    };
    let (until, from) = (time("exp"), time("nbf"));
    let made = time("iat");
    let distance = |moment: f64| times::span((moment - now as f64).abs() as u64);
    match until {
        Some(until) if now as f64 >= until => {
            problems.push(Problem::fatal(format!(
                "expired {} ago, at {}",
                distance(until),
                times::utc(until as i64)
            )));
        }
        Some(until) if until > 100_000_000_000.0 => {
            problems.push(Problem::odd(
                "“exp” looks like milliseconds; it counts seconds, so this token never ends",
            ));
        }
        Some(_) => {}
        None if !claims.contains_key("exp") => {
            problems.push(Problem::odd("it never expires (no “exp”)"))
        }
        None => {}
    }
    if let Some(from) = from.filter(|from| (now as f64) < *from) {
        problems.push(Problem::fatal(format!(
            "not valid before {}, in {} (Jitsi allows no difference between clocks)",
            times::utc(from as i64),
            distance(from)
        )));
    }
    if let Some(made) = made.filter(|made| now as f64 + 5.0 < *made) {
        let text = format!(
            "made {} in the future: one of the two clocks is wrong",
            distance(made)
        );
        problems.push(Problem::odd(text));
    }
}

fn issuer(claims: &Map<String, Value>, expect: &Expect, problems: &mut Vec<Problem>) {
    match claims.get("iss") {
        None => problems.push(Problem::fatal("“iss” is missing; it must be the app id")),
        Some(Value::String(issuer)) => {
            let taken = expect
                .issuers
                .iter()
                .any(|known| known == issuer || known == "*");
            if !expect.issuers.is_empty() && !taken {
                let text = format!(
                    "wrong issuer: “iss” is “{}”, this server takes {}",
                    brief(issuer),
                    list(&expect.issuers)
                );
                problems.push(Problem::fatal(text));
            }
        }
        Some(_) => problems.push(Problem::fatal("“iss” is no text; it must be the app id")),
    }
}

fn audience(claims: &Map<String, Value>, expect: &Expect, problems: &mut Vec<Problem>) {
    let audiences: Vec<&str> = match claims.get("aud") {
        None => {
            problems.push(Problem::fatal(
                "“aud” is missing; the claim must be there (“jitsi” by custom)",
            ));
            return;
        }
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        Some(_) => vec![],
    };
    let taken = |audience: &&str| {
        expect
            .audiences
            .iter()
            .any(|known| known == audience || known == "*")
    };
    if audiences.is_empty() {
        problems.push(Problem::fatal(
            "“aud” is neither a text nor a list of texts",
        ));
    } else if !expect.audiences.is_empty() && !audiences.iter().any(taken) {
        let text = format!(
            "wrong audience: “aud” is “{}”, this server takes {}",
            brief(&audiences.join(", ")),
            list(&expect.audiences)
        );
        problems.push(Problem::fatal(text));
    }
}

fn subject(claims: &Map<String, Value>, expect: &Expect, problems: &mut Vec<Problem>) {
    let checked = expect.domain_verification;
    let problem = |text: String| match checked {
        Some(false) => Problem::odd(format!("{text}; this server does not look at it")),
        Some(true) => Problem::fatal(text),
        None => Problem::fatal(format!(
            "{text}; only a server without enable_domain_verification lets that pass"
        )),
    };
    match claims.get("sub") {
        None => problems.push(problem(
            "“sub” is missing; it must be the site's domain".to_owned(),
        )),
        Some(Value::String(subject)) => {
            let other = |domain: &&str| subject != "*" && !subject.eq_ignore_ascii_case(domain);
            if let Some(domain) = expect.domain.as_deref().filter(other) {
                let text = format!(
                    "wrong domain: “sub” is “{}”, the site is “{domain}”",
                    brief(subject)
                );
                problems.push(problem(text));
            }
        }
        Some(_) => problems.push(Problem::fatal(
            "“sub” is no text; it must be the site's domain",
        )),
    }
}

/// Whether the room of these claims is a Lua pattern (`context.room.regex`).
pub fn room_is_pattern(claims: &Map<String, Value>) -> bool {
    let room = claims
        .get("context")
        .and_then(|context| context.get("room"));
    match room.and_then(|room| room.get("regex")) {
        Some(Value::Bool(is)) => *is,
        Some(Value::String(text)) => text == "true",
        _ => false,
    }
}

fn rooms(claims: &Map<String, Value>, wanted: Option<&str>, problems: &mut Vec<Problem>) {
    let name = match claims.get("room") {
        Some(Value::String(name)) => name,
        None => {
            problems.push(Problem::fatal(
                "“room” is missing; it must be a room's name, or * for every room",
            ));
            return;
        }
        Some(_) => {
            problems.push(Problem::fatal(
                "“room” is no text; it must be a room's name, or * for every room",
            ));
            return;
        }
    };
    if name == "*" || room_is_pattern(claims) {
        return;
    }
    if let Some(wanted) = wanted.filter(|wanted| !room::same(&room::normal(wanted), name)) {
        let text = format!(
            "for another room: the token opens “{}”, not “{}”",
            brief(name),
            brief(&room::normal(wanted))
        );
        problems.push(Problem::fatal(text));
    } else if !room::same(&room::normal(name), name) {
        problems.push(Problem::fatal(format!(
            "no room has the name “{}”: Jitsi calls it “{}”",
            brief(name),
            brief(&room::normal(name))
        )));
    }
}

fn list(values: &[String]) -> String {
    values
        .iter()
        .map(|value| format!("“{value}”"))
        .collect::<Vec<_>>()
        .join(" or ")
}

/// Foreign text, cut to what a line can hold.
fn brief(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match clean.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}
