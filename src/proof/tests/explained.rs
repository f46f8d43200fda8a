//! Two transports together, and one user's token.

use super::*;
use crate::login::{Attempt, Join, Login, Transport};
use crate::proof::explain;
use crate::proof::explain::judge;
use crate::token::Room;
use crate::token::plugin::tests::{rules_of, verdicts as table};

#[test]
fn the_worse_transport_decides_the_verdict() {
    let host = miniature(World::Sound);
    let bosh = Server::local("meet.example");
    let socket = Server { transport: Transport::WebSocket, ..bosh.clone() };
    let planned = || quick(&wanted(Era::Decode), host.now());
    // The miniature has no WebSocket: nobody listens there.
    let proof = crate::proof::run(&host, &[bosh.clone(), socket], |_| planned());
    assert_eq!(proof.verdict, Verdict::Refused);
    assert!(proof.why.starts_with("over WebSocket: connection refused by ws://"), "{}", proof.why);
    let carried: Vec<&str> = proof.probes.iter().map(|probe| probe.transport.as_str()).collect();
    assert_eq!(carried, ["bosh", "bosh", "bosh", "bosh", "bosh", "websocket"]);
    let alike = crate::proof::run(&host, &[bosh.clone(), bosh], |_| planned());
    assert_eq!(alike.verdict, Verdict::Full);
    assert!(alike.why.ends_with("over BOSH and BOSH"), "{}", alike.why);
}

fn explained(token: &str, room: Option<&str>, domain_verification: bool) -> Proof {
    let host = miniature(World::Sound);
    let wanted = Expectations { domain_verification, ..wanted(Era::Bundled) };
    let token = Secret::unlisted(token);
    let rules = token::Rules {
        issuers: Some(wanted.accepted_issuers.clone()),
        domain_verification,
        domain: Some(wanted.domain.clone()),
        rooms: token::Rooms::of_site(&wanted.domain),
        algorithm: Some(wanted.algorithm),
        ..token::Rules::default()
    };
    let server = Server::local("meet.example");
    explain(&host, &server, &wanted, &rules, &token, room)
}

fn token_with(change: impl Fn(&mut crate::token::Claims)) -> String {
    let mut claims = crate::token::Claims {
        audience: "jitsi".to_owned(),
        issuer: "app".to_owned(),
        subject: "meet.example".to_owned(),
        room: Some("tea".to_owned()),
        ..Default::default()
    };
    change(&mut claims);
    let secret = Secret::unlisted("the-app-secret");
    token::sign(&token::Header::new(Algorithm::Hs256), &claims.to_map(), &secret)
}

#[test]
fn one_users_token_is_explained() {
    let good = explained(&token_with(|_| ()), None, true);
    assert_eq!(good.verdict, Verdict::Full, "{good:#?}");
    assert!(good.why.ends_with("it opens the room tea"), "{}", good.why);

    let other_room = explained(&token_with(|_| ()), Some("coffee"), true);
    assert_eq!(other_room.verdict, Verdict::Refused);
    assert!(other_room.why.contains("for another room"), "{}", other_room.why);
    assert!(other_room.fix.unwrap().contains("room = \"coffee\""));

    let issuer = explained(&token_with(|claims| claims.issuer = "x".to_owned()), None, true);
    assert!(issuer.why.contains("wrong issuer"), "{}", issuer.why);
    assert!(issuer.fix.unwrap().contains("set \"iss\" to \"app\""));

    let past = explained(&token_with(|claims| claims.expires_at = Some(1)), None, true);
    assert!(past.why.contains("expired"), "{}", past.why);
    assert!(past.fix.unwrap().contains("create a new token"));
}

/// An entry of the table, as the attempt that leads to it.
fn attempt(said: &str) -> Attempt {
    let (login, room) = said.split_once("; ").unwrap_or((said, ""));
    let login = match login.split_once(": ") {
        None => Login::Accepted,
        Some(("refused", text)) => Login::Refused { condition: "not-allowed".to_owned(), text: text.to_owned() },
        Some(_) => Login::NoAnswer,
    };
    let joins = match room.split_once(": ") {
        None if room.is_empty() => vec![],
        None => vec![Join::Entered],
        Some(("refused", text)) => {
            vec![Join::Refused { condition: "not-allowed".to_owned(), text: text.to_owned(), element: None }]
        }
        Some(_) => vec![Join::NoAnswer],
    };
    Attempt { joins, ..Attempt::of(login) }
}

/// The claim at fault and a word of the advice that fits, by the token's shape.
fn expected(shape: &str) -> Option<(&'static str, &'static str)> {
    Some(match shape {
        "aud-array-2" | "aud-number" | "aud-empty" | "aud-null" | "aud-other" => ("\"aud\"", "(a string)"),
        "iss-wrong" | "iss-null" | "matrix" | "keycloak" => ("\"iss\"", "set \"iss\""),
        "sub-appid" | "sub-null" | "sub-tenant" | "sub-empty" | "sub-array" => ("\"sub\"", "set \"sub\""),
        "exp-string" | "nbf-string" | "nbf-null" => ("not a number", "as numbers"),
        "exp-past" | "iat-string-expired" => ("expired", "new token"),
        "nbf-future" | "nbf-ms" => ("\"nbf\"", "date -u"),
        "ctx-null" => ("\"context\"", "context.room objects"),
        "tenant-null" => ("\"context.tenant\"", "context.tenant"),
        "hdr-notyp" | "hdr-at+jwt" => ("\"typ\"", "typ = "),
        "alg-hs512" | "alg-hs384" => ("signed with HS", "sign tokens with HS256"),
        "alg-lower" => ("\"hs256\"", "sign tokens with HS256"),
        "room-null" | "room-bool" => ("\"room\"", "set \"room\""),
        "room-other" | "room-number" | "room-empty" | "room-jid" | "room-tenantpath" => {
            ("another room", "enter the room")
        }
        "newline" => ("white space", "on one line"),
        "urlenc" => ("percent-encoded", "on one line"),
        _ => return None,
    })
}

#[test]
fn recorded_answers_are_explained_by_the_faulty_claim() {
    let host = FakeHost::new();
    let now = host.now();
    let seconds = crate::token::times::unix(now);
    let secret = Secret::unlisted("the-app-secret");
    let server = Server::local(table::DOMAIN);
    let wanted = Expectations::defaults(table::DOMAIN, table::APP, secret.clone(), Era::Bundled);
    let mut named = 0;
    for shape in table::shapes(seconds, secret.reveal()) {
        for (server_number, said) in shape.said.iter().enumerate() {
            let rules = rules_of(server_number);
            let name = table::SERVERS[server_number].0;
            let room = Room::named(table::ROOM);
            let read = token::inspect(&shape.token, Some(&secret), &rules, Some(&room), now);
            let attempt = attempt(said);
            let judged = judge(&server, &wanted, &attempt, &read, table::ROOM);
            let (verdict, why) = (judged.verdict, judged.why);
            let good = said == "accepted; entered";
            assert_eq!(verdict == Verdict::Full, good, "{} {name}: {why}", shape.name);
            let unexplained = why.contains("although it matches") || why.contains("answer a valid token");
            assert!(!unexplained, "{} {name}: {why}", shape.name);
            if let Some((claim, advice)) = expected(&shape.name).filter(|_| !good) {
                let next = judged.fix.unwrap();
                assert!(judged.token_problem.is_some(), "{} {name}", shape.name);
                assert!(why.contains(claim), "{} {name}: {why}", shape.name);
                assert!(next.contains(advice), "{} {name}: {next}", shape.name);
                named += 1;
            }
        }
    }
    assert!(named > 60, "only {named} explanations were looked at");
}

#[test]
fn a_refusal_is_recognized_by_its_full_text() {
    use crate::token::FindingKind;
    for (said, kind) in [
        ("'aud' claim is missing", Some(FindingKind::Audience)),
        ("'kid' claim is missing", Some(FindingKind::Key)),
        ("room claim is missing", Some(FindingKind::Room)),
        ("sub claim is missing", Some(FindingKind::Subject)),
        ("signature verification key is missing", Some(FindingKind::Key)),
        ("Not acceptable by exp (5 sec since expired)", Some(FindingKind::Expired)),
        ("a missing secret issue", None),
    ] {
        assert_eq!(FindingKind::from_refusal(said), kind, "{said}");
    }
}
