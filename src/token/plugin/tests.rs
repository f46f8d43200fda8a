//! Tests the model against what real plugins answered, and against arbitrary bytes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proptest::prelude::{any, prop, proptest};

use super::{Answer, Judgement, PluginKeys, PluginRelease, Room, Rooms, Rules, judge};
use crate::token::algorithm::Algorithm;
use crate::token::key::hmac_accepts;

#[path = "../../../tests/fixtures/verdicts.rs"]
pub(crate) mod verdicts;

const SECRET: &str = "the-app-secret";
const NOW: u64 = 1_800_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn rules(release: &str) -> Rules {
    let release = PluginRelease::parse(release).unwrap();
    let decode = release.plugin().decode;
    Rules {
        plugin: release.plugin(),
        lua: super::Lua::of(if decode { "5.2" } else { "5.4" }),
        algorithm: (!decode).then_some(Algorithm::Hs256),
        issuers: Some(vec![verdicts::APP.to_owned()]),
        domain: Some(verdicts::DOMAIN.to_owned()),
        domain_verification: release.checks_domains(),
        rooms: Rooms::of_site(verdicts::DOMAIN),
        ..Rules::default()
    }
}

/// The rules of a server in the table, by its column.
pub(crate) fn rules_of(server: usize) -> Rules {
    let (name, release) = verdicts::SERVERS[server];
    let mut rules = rules(release);
    if name == "2026-options" {
        rules.audiences = vec!["jitsi".to_owned()];
        (rules.domain_verification, rules.require_room) = (false, false);
    }
    rules
}

fn ask(token: &[u8], rules: &Rules, room: Option<&str>) -> Judgement {
    let check = |algorithm: Algorithm, signed: &[u8], signature: &[u8]| {
        Some(hmac_accepts(algorithm, SECRET.as_bytes(), signed, signature))
    };
    let room = room.map(Room::named);
    judge(token, rules, room.as_ref(), &check, now())
}

/// The judgement, worded as in the table.
fn in_words(judged: &Judgement) -> String {
    let word = |answer: &Answer, yes: &str, neither: &str| match answer {
        Answer::Accepted => yes.to_owned(),
        Answer::Refused { said } if said.starts_with("Not acceptable by exp (") => {
            "refused: Not acceptable by exp (seconds)".to_owned()
        }
        Answer::Refused { said } => format!("refused: {said}"),
        Answer::Silence => format!("no answer: {neither}"),
        Answer::Unknown => "unknown".to_owned(),
    };
    let login = word(&judged.login, "accepted", "neither accepted nor refused");
    match &judged.room {
        Some(room) => format!("{login}; {}", word(room, "entered", "neither entered nor refused")),
        None => login,
    }
}

#[test]
fn answers_match_those_of_the_real_plugins() {
    let mut wrong = Vec::new();
    for shape in verdicts::shapes(NOW as i64, SECRET) {
        for (server, said) in shape.said.iter().enumerate() {
            let token = shape.token.trim_ascii();
            let judged = ask(token, &rules_of(server), Some(verdicts::ROOM));
            let own = in_words(&judged);
            if own != *said {
                let server = verdicts::SERVERS[server].0;
                wrong.push(format!("{} {server}: {own}, not {said}", shape.name));
            }
            // Every rejection comes with a reason.
            let out = own != "accepted; entered";
            assert_eq!(out, judged.findings.iter().any(|finding| finding.effect != super::Consequence::Odd));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

fn signed(header: &str, claims: &[u8]) -> Vec<u8> {
    use ::base64::Engine;
    use ::base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}").into_bytes()
}

#[test]
fn the_first_problem_decides_and_all_are_listed() {
    let claims = br#"{"aud":"x","iss":"other","sub":"elsewhere","room":"coffee","exp":1}"#;
    let token = signed(r#"{"alg":"HS256","typ":"JWT"}"#, claims);
    let judged = ask(&token, &rules_of(3), Some("tea"));
    let kinds: Vec<super::FindingKind> = judged.findings.iter().map(|finding| finding.kind).collect();
    use super::FindingKind::{Audience, Expired, Issuer, OtherRoom, Subject};
    assert_eq!(kinds, [Expired, Issuer, Audience, OtherRoom, Subject]);
    assert!(matches!(judged.login, Answer::Refused { said } if said.starts_with("Not acceptable by exp")));
    assert_eq!(judged.room, None);
}

/// Measured with the plugins of August 2026.
#[test]
fn empty_lists_accept_nobody() {
    let claims = br#"{"aud":"jitsi","iss":"my_app","sub":"meet.example.org","room":"tea","exp":9999999999}"#;
    let token = signed(r#"{"alg":"HS256","typ":"JWT"}"#, claims);
    let refused = |release: &str, empty: fn(&mut Rules)| {
        let mut rules = rules(release);
        empty(&mut rules);
        in_words(&ask(&token, &rules, Some("tea")))
    };
    let issuers: fn(&mut Rules) = |rules| rules.issuers = Some(Vec::new());
    let audiences: fn(&mut Rules) = |rules| rules.audiences.clear();
    assert_eq!(refused("2026-08", issuers), "refused: invalid 'iss' claim");
    assert_eq!(refused("2026-08", audiences), "refused: invalid 'aud' claim");
    assert_eq!(refused("2020-08", issuers), "refused: Invalid issuer ('iss' claim)");
    assert_eq!(refused("2020-08", audiences), "refused: Invalid audience ('aud' claim)");
}

#[test]
fn tenant_rooms_need_the_tenant_as_sub() {
    let token = |sub: &str| {
        let claims = format!(r#"{{"aud":"x","iss":"{}","sub":"{sub}","room":"tea"}}"#, verdicts::APP);
        signed(r#"{"alg":"HS256","typ":"JWT"}"#, claims.as_bytes())
    };
    let room = Room { name: "tea".to_owned(), tenant: Some("Acme".to_owned()) };
    for server in 1..3 {
        let enters = |sub: &str| {
            let check = |_: Algorithm, _: &[u8], _: &[u8]| Some(true);
            judge(&token(sub), &rules_of(server), Some(&room), &check, now()).room == Some(Answer::Accepted)
        };
        assert!(enters("acme") && enters("ACME") && enters("*"));
        assert!(!enters(verdicts::DOMAIN) && !enters("other"));
    }
}

#[test]
fn a_foreign_domain_base_closes_every_room() {
    let mut rules = rules_of(2);
    rules.rooms.mapped = Some("conference.other.example".to_owned());
    let shape = &verdicts::shapes(NOW as i64, SECRET)[0];
    let judged = ask(&shape.token, &rules, Some("tea"));
    assert_eq!(in_words(&judged), "accepted; refused: Room does not exist");
}

#[test]
fn a_key_server_requires_kid_and_an_rs_algorithm() {
    let mut rules = rules_of(2);
    (rules.keys, rules.algorithm) = (PluginKeys::Server, Some(Algorithm::Rs256));
    let said = |header: &str| in_words(&ask(&signed(header, b"{}"), &rules, None));
    assert_eq!(said(r#"{"alg":"HS256","typ":"JWT"}"#), "refused: 'kid' claim is missing");
    assert_eq!(said(r#"{"alg":"HS256","typ":"JWT","kid":"a"}"#), "refused: 'kid' claim only support with RS family");
    assert!(said(r#"{"alg":7,"typ":"JWT","kid":"a"}"#).starts_with("no answer"));
}

#[test]
fn releases_are_months_or_years() {
    let of = |text: &str| PluginRelease::parse(text).map(|release| (release.year, release.month));
    assert_eq!(of("2023"), Ok((2023, 12)));
    assert_eq!(of("2020-08"), Ok((2020, 8)));
    for text in ["", "23", "2019", "2023-13", "2023-1", "2023-+1", "x"] {
        assert!(of(text).is_err(), "{text}");
    }
}

#[test]
fn hostile_tokens_are_checked_in_time() {
    let begun = Instant::now();
    let claims = format!(
        r#"{{"aud":"x","iss":"{}","sub":"*","room":"{}","context":{{"room":{{"regex":true}}}}}}"#,
        verdicts::APP,
        ".-".repeat(150) + "b"
    );
    let token = signed(r#"{"alg":"HS256","typ":"JWT"}"#, claims.as_bytes());
    let judged = ask(&token, &rules_of(2), Some(&"a".repeat(1000)));
    assert_eq!(judged.room, Some(Answer::Unknown));
    let large = signed("{}", "[".repeat(500_000).as_bytes());
    ask(&large, &rules_of(2), None);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        header in prop::collection::vec(any::<u8>(), 0..40),
        claims in "[\\[\\]{}\":,0-9aNntrue. \\\\-]{0,60}",
        server in 0usize..4,
    ) {
        let header = String::from_utf8_lossy(&header).into_owned();
        for token in [bytes, signed(&header, claims.as_bytes()), signed("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims.as_bytes())] {
            ask(&token, &rules_of(server), None);
            ask(&token, &rules_of(server), Some("tea"));
        }
    }

    #[test]
    fn arbitrary_claims_do_not_panic(name in "aud|iss|sub|room|exp|nbf|iat|context", value in "null|true|false|-?[0-9]{1,3}|\"[a-z%\\[(*.-]{0,6}\"|\\[\\]|\\{\\}|NaN", server in 0usize..4) {
        let claims = format!(r#"{{"aud":"x","iss":"{}","sub":"*","room":"tea","{name}":{value}}}"#, verdicts::APP);
        let token = signed("{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims.as_bytes());
        ask(&token, &rules_of(server), Some("tea"));
    }
}
