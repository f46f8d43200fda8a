use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{InspectRequest, MintRequest, inspect, mint};
use crate::secret::Secret;
use crate::token::User;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn request() -> MintRequest {
    MintRequest::new("app", Secret::unlisted("the-app-secret"), "meet.example")
}

fn read(input: &str) -> super::inspect::Inspected {
    let secret = Secret::unlisted("the-app-secret");
    inspect(
        &InspectRequest::new(input, Some(secret), Some("app"), Some("meet.example")),
        now(),
    )
}

#[test]
fn a_minted_token_is_what_inspect_calls_valid() {
    let minted = mint(&request(), now()).unwrap();
    assert_eq!(minted.text(), minted.token);
    assert_eq!(
        Value::Object(minted.claims.clone()).to_string(),
        r#"{"aud":"jitsi","iss":"app","sub":"meet.example","room":"*","iat":1800000000,"exp":1800086400}"#
    );
    let seen = read(&minted.token);
    assert_eq!((seen.valid, seen.exit_code), (true, 0), "{}", seen.text());
    assert_eq!(seen.verdict, "Jitsi would take it");
    assert!(
        seen.text()
            .contains("until 2027-01-16 08:00:00 UTC (in 1 d)"),
        "{}",
        seen.text()
    );
}

#[test]
fn user_features_group_and_claims_reach_the_token() {
    let mut request = request();
    request.user = User {
        name: Some("Ada".to_owned()),
        ..User::default()
    };
    request.features = vec![
        "recording".to_owned(),
        "livestreaming=false".to_owned(),
        "warp".to_owned(),
    ];
    request.claims = vec![
        "n=1".to_owned(),
        "o={\"a\":[]}".to_owned(),
        "t=a=b".to_owned(),
        "iss=me".to_owned(),
    ];
    request.starts_in = Some(Duration::from_secs(60));
    let minted = mint(&request, now()).unwrap();
    let features = json!({"recording": "true", "livestreaming": "false", "warp": "true"});
    assert_eq!(
        minted.claims["context"],
        json!({"user": {"name": "Ada"}, "features": features})
    );
    let picked = ["n", "o", "t", "iss", "nbf", "exp"].map(|name| minted.claims[name].clone());
    let expected = json!([1, {"a": []}, "a=b", "me", 1_800_000_060, 1_800_086_460]);
    assert_eq!(Value::from(picked.to_vec()), expected);
    assert_eq!(minted.warnings.len(), 2, "{:?}", minted.warnings);
    assert!(read(&minted.token).text().contains("for   Ada"));
}

#[test]
fn a_room_gets_jitsis_form_and_the_link_carries_both() {
    let mut request = request();
    (request.room, request.link) = ("Team A".to_owned(), true);
    let minted = mint(&request, now()).unwrap();
    assert_eq!(minted.claims["room"], "team%20a");
    assert!(minted.warnings[0].contains("“team%20a”"));
    let link = minted.url.as_deref().unwrap();
    assert_eq!(
        link,
        format!("https://meet.example/team%20a?jwt={}", minted.token)
    );
    assert!(read(link).valid);
    request.room = "*".to_owned();
    let minted = mint(&request, now()).unwrap();
    assert!(minted.text().starts_with("https://meet.example/meeting-"));
    assert!(read(minted.text()).valid);
}

#[test]
fn mistakes_are_one_sentence_each() {
    let with = |change: fn(&mut MintRequest)| {
        let mut request = request();
        change(&mut request);
        mint(&request, now()).unwrap_err().to_string()
    };
    assert!(with(|request| request.room.clear()).contains("no name"));
    assert!(with(|request| request.room = "???".to_owned()).contains("nothing is left"));
    assert!(
        with(|request| request.features = vec!["recording=yes".to_owned()]).contains("NAME=true")
    );
    assert!(with(|request| request.claims = vec!["x".to_owned()]).contains("NAME=VALUE"));
    assert!(with(|request| request.claims = vec!["x={".to_owned()]).contains("no JSON: EOF"));
    assert!(
        with(|request| request.claims = vec!["x=1".to_owned(), "x=2".to_owned()]).contains("twice")
    );
}

#[test]
fn a_token_without_end_is_worth_a_warning() {
    let mut request = request();
    request.expires_in = None;
    let minted = mint(&request, now()).unwrap();
    assert!(!minted.claims.contains_key("exp"));
    assert!(minted.warnings[0].contains("never expires"));
}

#[test]
fn a_refused_token_exits_4_and_its_json_holds_what_the_text_says() {
    let mut request = request();
    request.expires_in = Some(Duration::from_secs(1));
    let minted = mint(&request, now() - Duration::from_secs(300)).unwrap();
    let seen = read(&minted.token);
    assert_eq!(seen.exit_code, 4);
    assert!(
        seen.verdict
            .starts_with("Jitsi would refuse it: expired 4 min ago"),
        "{}",
        seen.verdict
    );
    let value = serde_json::to_value(&seen).unwrap();
    assert_eq!(
        (&value["valid"], &value["signature"]),
        (&json!(false), &json!("valid"))
    );
    assert_eq!(value["claims"]["iss"], "app");
    let text = seen.text();
    for problem in value["problems"].as_array().unwrap() {
        assert!(text.contains(problem["text"].as_str().unwrap()));
    }
}

#[test]
fn a_pasted_secret_is_not_repeated() {
    let seen = read("the-app-secret");
    assert_eq!(seen.exit_code, 4);
    let shown = format!("{} {}", seen.text(), serde_json::to_string(&seen).unwrap());
    assert!(!shown.contains("the-app-secret"), "{shown}");
}
