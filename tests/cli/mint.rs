//! `token mint` with given credentials, which needs neither root nor a machine with Jitsi.

use super::run::{Folder, Run, SECRET, line, token};

/// `token mint` with complete credentials and these further options.
fn mint<'a>(secret_file: &'a std::path::Path, more: impl IntoIterator<Item = &'a str>) -> Run {
    token("mint", secret_file, more)
}

fn is_token(text: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.split('.').count() == 3 && text.split('.').all(|part| !part.is_empty() && part.chars().all(known))
}

#[test]
fn stdout_contains_only_the_token() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let ended = mint(&path, []).ends(0).stderr("");
    assert!(ended.stdout.strip_suffix('\n').is_some_and(is_token), "{ended:?}");
}

#[test]
fn mint_json_has_the_token_and_its_claims() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let options = [
        "--json",
        "--room",
        "tea",
        "--name",
        "Ada",
        "--email",
        "ada@example.org",
        "--moderator",
        "--group",
        "staff",
        "--feature",
        "recording",
        "--feature",
        "livestreaming=false",
        "--claim",
        "n=1",
        "--claim",
        "t=a=b",
        "--audience",
        "app",
        "--expires-in",
        "2h",
        "--starts-in",
        "1m",
    ];
    let minted = mint(&path, options).ends(0).stderr("").json();
    assert!(is_token(minted["token"].as_str().unwrap()), "{minted}");
    assert_eq!(minted["header"], serde_json::json!({"typ": "JWT", "alg": "HS256"}));
    let claims = &minted["claims"];
    let made = claims["iat"].as_i64().unwrap();
    assert_eq!(
        claims,
        &serde_json::json!({
            "aud": "app", "iss": "my_app", "sub": "meet.example.org", "room": "tea",
            "iat": made, "nbf": made + 60, "exp": made + 60 + 7200,
            "context": {
                "user": {"name": "Ada", "email": "ada@example.org", "moderator": true, "affiliation": "owner"},
                "group": "staff",
                "features": {"recording": "true", "livestreaming": "false"},
            },
            "n": 1, "t": "a=b",
        })
    );
    assert_eq!(minted["warnings"], serde_json::json!([]));
    assert_eq!(minted.get("url"), None);
}

#[test]
fn a_link_has_the_normalized_room_and_the_token() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let ended = mint(&path, ["--room", "Tea Party", "--url"]).ends(0).stderr(
        "warning: Jitsi changes the room name \"Tea Party\" to \"tea%20party\", so the token is for that \
            room\n",
    );
    let token = ended.stdout.strip_prefix("https://meet.example.org/tea%20party?jwt=").unwrap();
    assert!(is_token(token.trim_end()), "{ended:?}");
}

#[test]
fn a_link_for_every_room_opens_a_new_room() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let room = || {
        let ended = mint(&path, ["--url"]).ends(0).stderr("");
        let (address, token) = ended.stdout.split_once("?jwt=").unwrap();
        assert!(is_token(token.trim_end()), "{ended:?}");
        let room = address.strip_prefix("https://meet.example.org/meeting-");
        room.unwrap().to_owned()
    };
    assert_ne!(room(), room());
}

#[test]
fn mint_without_expiry_causes_a_warning() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let ended = mint(&path, ["--never", "--json"])
        .ends(0)
        .stderr("warning: this token never expires: only a new app secret revokes it\n");
    let minted = ended.json();
    assert_eq!(minted["claims"].get("exp"), None);
    assert_eq!(minted["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn the_secret_can_come_from_standard_input() {
    let given = "token mint --app-id my_app --domain meet.example.org --app-secret-file -";
    let ended = line(given).input(format!("{SECRET}\n")).ends(0).stderr("");
    assert!(is_token(ended.stdout.trim_end()), "{ended:?}");
}
