use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::{any, prop, proptest};
use serde_json::{Value, json};

use super::{Answer, Inspection, Signature, Verifier, inspect, named_key};
use crate::host::secret::Secret;
use crate::token::sign::part;
use crate::token::{Algorithm, Header, NamedKey, PluginKeys, PublicKey, Rooms, RsaPublicKey, Rules, sign};

const NOW: u64 = 1_800_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn secret() -> Secret {
    Secret::unlisted("SGVsbG9Xb3JsZDEyMzQ1Ng==")
}

fn claims() -> Value {
    json!({"aud": "jitsi", "iss": "app", "sub": "meet.example", "room": "daily", "exp": NOW + 60})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn token(claims: &Value) -> String {
    sign(&Header::default(), claims.as_object().unwrap(), &secret())
}

fn look(input: &str) -> Inspection {
    let rules = Rules {
        issuers: Some(vec!["app".to_owned()]),
        domain: Some("meet.example".to_owned()),
        rooms: Rooms::of_site("meet.example"),
        ..Rules::default()
    };
    inspect(input.as_bytes(), Some(&secret()), &rules, None, now())
}

#[track_caller]
fn fatal(input: &str, words: &str) {
    let seen = look(input);
    assert_eq!(seen.valid(), Some(false), "{input}");
    let found = seen.problems.iter().any(|problem| problem.fatal && problem.text.contains(words));
    assert!(found, "{words}: {:#?}", seen.problems);
}

#[test]
fn valid_tokens_are_accepted_bare_and_in_urls() {
    let token = token(&claims());
    for input in [token.clone(), format!("{token}\n"), format!("https://meet.example/Daily?jwt={token}")] {
        let seen = look(&input);
        assert_eq!(seen.valid(), Some(true), "{:?}", seen.problems);
        assert_eq!((seen.signature, seen.problems.len()), (Signature::Valid, 0));
    }
    let unchecked = inspect(token.as_bytes(), None, &Rules::default(), None, now());
    assert_eq!((unchecked.signature, unchecked.valid()), (Signature::Unchecked, None));
}

#[test]
fn time_problems_are_explained() {
    fatal(&token(&with("exp", json!(NOW - 180))), "expired 3 min ago, at 2027-01-15 07:57:00 UTC");
    fatal(&token(&with("exp", json!(NOW))), "expired 0 s ago");
    fatal(&token(&with("nbf", json!(NOW + 7200))), "not valid before 2027-01-15 10:00:00 UTC, in 2 h");
    fatal(&token(&with("exp", json!("soon"))), "\"exp\" is a text, not a number");
    let odd =
        |claims: &Value| look(&token(claims)).problems.into_iter().map(|problem| problem.text).collect::<String>();
    assert!(odd(&without("exp")).contains("never expires"));
    assert!(odd(&with("exp", json!(NOW * 1000))).contains("milliseconds"));
    assert!(odd(&with("iat", json!(NOW + 60))).contains("in the future"));
}

#[test]
fn issuer_audience_and_room_are_checked() {
    fatal(&token(&with("iss", json!("other"))), "wrong issuer: \"iss\" is \"other\", but this server accepts \"app\"");
    fatal(&token(&with("sub", json!("other.example"))), "wrong domain");
    fatal(&token(&without("aud")), "\"aud\" is missing");
    fatal(&token(&without("room")), "\"room\" is missing");
    fatal(&token(&with("room", json!("Team A"))), "Jitsi calls it \"team%20a\"");
    fatal(&format!("https://meet.example/weekly?jwt={}", token(&claims())), "for another room");
    let every = token(&with("room", json!("*")));
    let seen = look(&format!("https://meet.example/weekly?jwt={every}"));
    assert_eq!(seen.valid(), Some(true));
    let strict = Rules { audiences: vec!["mine".to_owned()], ..Rules::default() };
    for audience in [json!("jitsi"), json!(["mine"]), json!(null)] {
        let token = token(&with("aud", audience));
        let seen = inspect(token.as_bytes(), None, &strict, None, now());
        assert_eq!(seen.valid(), Some(false));
    }
    let mine = token(&with("aud", json!("mine")));
    let seen = inspect(mine.as_bytes(), Some(&secret()), &strict, None, now());
    assert_eq!(seen.valid(), Some(true));
}

#[test]
fn signatures_with_nearly_the_right_secret_are_explained() {
    use base64::Engine;
    let decoded = base64::engine::general_purpose::STANDARD.decode(secret().reveal()).unwrap();
    let decoded = Secret::unlisted(String::from_utf8(decoded).unwrap());
    let line = Secret::unlisted(format!("{}\n", secret().reveal()));
    let other = Secret::unlisted("other");
    for (key, words) in [(decoded, "decoded as base64"), (line, "line break"), (other, "another secret")] {
        let token = sign(&Header::default(), claims().as_object().unwrap(), &key);
        fatal(&token, words);
        assert_eq!(look(&token).signature, Signature::Wrong);
    }
}

#[test]
fn replaced_secrets_are_valid_as_long_as_the_server_accepts_them() {
    let old = Secret::unlisted("the-old-secret");
    let token = sign(&Header::default(), claims().as_object().unwrap(), &old);
    let rules = Rules { earlier_secrets: vec![Secret::unlisted("older"), old], ..Rules::default() };
    let seen = inspect(token.as_bytes(), Some(&secret()), &rules, None, now());
    assert_eq!((seen.valid(), seen.signature), (Some(true), Signature::Valid));
    let seen = inspect(token.as_bytes(), Some(&secret()), &Rules::default(), None, now());
    assert_eq!((seen.valid(), seen.signature), (Some(false), Signature::Wrong));
}

#[test]
fn a_server_checks_with_its_own_public_keys() {
    let key = |byte: u8| -> PublicKey { RsaPublicKey::from_numbers(&[byte; 256], &[1, 0, 1]).unwrap().into() };
    let rules = Rules {
        keys: PluginKeys::Server,
        public_keys: Some(vec![NamedKey { kid: "own".to_owned(), key: key(0xff) }]),
        algorithm: Some(Algorithm::Rs256),
        ..Rules::default()
    };
    let other = key(0xfd);
    let seen = |kid: Value, algorithm: Algorithm| {
        let mut header = Header::new(algorithm);
        header.extra.insert("kid".to_owned(), kid);
        let token = sign(&header, claims().as_object().unwrap(), &secret());
        inspect(token.as_bytes(), Verifier::Public(&other), &rules, None, now())
    };
    let said = |seen: &Inspection| match &seen.login {
        Answer::Refused { said } => said.clone(),
        other => panic!("{other:?}"),
    };
    let unknown = seen(json!("1"), Algorithm::Rs256);
    assert_eq!(said(&unknown), "could not obtain public key");
    assert_eq!(unknown.problems[0].text, "unknown key: \"kid\" is \"1\", but this server accepts \"own\"");
    assert_eq!(said(&seen(json!(1), Algorithm::Rs256)), "'kid' claim is missing");
    assert_eq!(said(&seen(json!("1"), Algorithm::Rs512)), "Invalid or incorrect alg");
    let named = seen(json!("own"), Algorithm::Rs256);
    assert_eq!((said(&named).as_str(), named.signature), ("Invalid signature", Signature::Wrong));
    let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6Im93biJ9.e30.AA";
    assert_eq!(named_key(&rules, token), Some(&key(0xff)), "not the key that was given");
}

#[test]
fn without_other_rules_the_usual_algorithm_is_accepted() {
    let token = sign(&Header::new(Algorithm::Hs512), claims().as_object().unwrap(), &secret());
    fatal(&token, "signed with HS512, but this server only accepts HS256");
    // Without a key nothing is known about the server.
    assert_eq!(inspect(token.as_bytes(), None, &Rules::default(), None, now()).login, Answer::Accepted);
}

#[test]
fn header_problems_are_explained() {
    let claims = claims();
    let claims = claims.as_object().unwrap();
    let raw = |header: Value| format!("{}.{}.AAAA", part(header.as_object().unwrap()), part(claims));
    fatal(&raw(json!({"alg": "HS256"})), "no \"typ\"");
    fatal(&raw(json!({"typ": "JWT", "alg": "none"})), "not signed");
    fatal(&raw(json!({"typ": "JWT", "alg": "XX"})), "does not know the algorithm \"XX\"");
    fatal(&raw(json!({"typ": "JWT"})), "names no algorithm");
    let strict = Rules { algorithm: Some(Algorithm::Hs256), ..Rules::default() };
    let other = sign(&Header::new(Algorithm::Hs512), claims, &secret());
    let seen = inspect(other.as_bytes(), Some(&secret()), &strict, None, now());
    assert_eq!(seen.signature, Signature::Valid);
    assert_eq!(seen.problems[0].text, "signed with HS512, but this server only accepts HS256");
    let rsa = look(&raw(json!({"typ": "JWT", "alg": "RS256"})));
    assert_eq!(rsa.signature, Signature::Unchecked);
}

#[test]
fn bad_pastes_are_explained_and_partly_decoded() {
    let whole = token(&claims());
    fatal("", "input is empty");
    fatal("hello", "not a JWT");
    fatal(&whole[..20], "only the first");
    let cut = &whole[..whole.rfind('.').unwrap()];
    fatal(cut, "the signature (third part) is missing");
    assert!(look(cut).claims.is_some());
    fatal(&whole[..whole.len() - 5], "the signature is wrong");
    fatal(&format!("{}\n{}", &whole[..30], &whole[30..]), "white space");
    fatal(&format!("\"{whole}\""), "quotes");
    fatal(&format!("Bearer {whole}"), "Bearer");
    fatal("https://meet.example/daily", "no token");
    fatal(&whole.replacen('.', "+.", 1), "in base64 instead of base64url");
    fatal("a.b.c.d.e", "encrypted");
    fatal(&format!("{whole}.x"), "has 4 parts");
    fatal("eyJ\u{e9}.b.c", "invalid in base64url");
}

#[test]
fn a_pasted_secret_is_recognized_and_not_shown() {
    let seen = look(secret().reveal());
    assert!(seen.problems[0].text.contains("the app secret, not a token"));
    for input in [secret().reveal().to_owned(), "0123456789ABCDEF0123456789ABCDEF".to_owned(), token(&claims())] {
        let seen = look(&input);
        let shown = format!("{seen:?} {}", serde_json::to_string(&seen).unwrap());
        assert!(!shown.contains(secret().reveal()) && !shown.contains("0123456789ABCDEF"));
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let seen = inspect(&bytes, Some(&secret()), &Rules::default(), None, now());
        assert_eq!(seen.valid(), Some(false));
    }

    #[test]
    fn arbitrary_json_does_not_panic(header in "\\PC{0,40}", name in "aud|iss|sub|room|exp|nbf|iat|context", number in any::<f64>()) {
        let claims = json!({name.as_str(): number, "x": header});
        for value in [json!(header), json!({"typ": header, "alg": header}), json!(["HS256"])] {
            let header = json!({"typ": value, "alg": value});
            let token = format!("{}.{}.x", part(header.as_object().unwrap()), part(claims.as_object().unwrap()));
            look(&token);
        }
    }

    #[test]
    fn minted_claims_are_read_back_unchanged(room in "[a-z0-9_-]{1,20}", name in "\\PC{0,20}") {
        let mut claims = with("room", json!(room));
        claims["context"] = json!({"user": {"name": name}});
        let seen = look(&token(&claims));
        assert_eq!(seen.valid(), Some(true));
        assert_eq!(Value::Object(seen.claims.unwrap()), claims);
    }
}
