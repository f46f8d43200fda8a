//! What the real plugins of four servers answered to 88 tokens, and what `token inspect` says they would answer.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::run::{Folder, SECRET, tool};

#[path = "../fixtures/verdicts.rs"]
mod table;

/// The options that tell `token inspect` which server to model.
fn server(name: &str, release: &str) -> Vec<String> {
    let mut options =
        format!("--plugins {release} --domain {} --app-id {} --room {}", table::DOMAIN, table::APP, table::ROOM);
    if name == "2026-options" {
        options += " --audience jitsi --domain-check off --require-room off";
    }
    options.split(' ').map(str::to_owned).collect()
}

fn answer(answer: &Value, yes: &str, neither: &str) -> String {
    match (answer["outcome"].as_str(), answer["reason"].as_str()) {
        (Some("accepted"), None) => yes.to_owned(),
        (Some("refused"), Some(said)) if said.starts_with("Not acceptable by exp (") => {
            "refused: Not acceptable by exp (seconds)".to_owned()
        }
        (Some("refused"), Some(said)) => format!("refused: {said}"),
        (Some("no-answer"), None) => format!("no answer: {neither}"),
        other => panic!("{other:?} is not an answer"),
    }
}

/// The outcome in the table's words.
fn in_words(seen: &Value) -> String {
    let login = answer(&seen["login"], "accepted", "neither accepted nor refused");
    match &seen["room"] {
        Value::Null => login,
        room => format!("{login}; {}", answer(room, "entered", "neither entered nor refused")),
    }
}

/// The word that a rejection's reason must contain where a claim is at fault.
fn claim(shape: &str) -> Option<&'static str> {
    let first = shape.split('-').next()?;
    Some(match first {
        "aud" => "\"aud\"",
        "iss" | "matrix" | "keycloak" => "\"iss\"",
        "sub" => "\"sub\"",
        "exp" => "\"exp\"",
        "nbf" => "\"nbf\"",
        "ctx" => "\"context\"",
        "tenant" => "\"context.tenant\"",
        "hdr" => "\"typ\"",
        _ => return None,
    })
}

#[test]
fn inspect_predicts_every_answer_of_real_plugins() {
    let (folder, secret) = Folder::with_secret(SECRET);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut wrong = Vec::new();
    for shape in table::shapes(now.as_secs() as i64, SECRET) {
        let text = String::from_utf8_lossy(&shape.token).into_owned();
        let token = folder.file(&format!("{}.jwt", shape.name), &text, 0o644);
        for ((name, release), said) in table::SERVERS.into_iter().zip(&shape.said) {
            let mut arguments = vec!["token".to_owned(), "inspect".to_owned(), "--json".to_owned()];
            for (option, path) in [("--file", &token), ("--app-secret-file", &secret)] {
                arguments.extend([option.to_owned(), path.display().to_string()]);
            }
            arguments.extend(server(name, release));
            let good = said == "accepted; entered";
            let seen = tool(&arguments).ends(if good { 0 } else { 4 }).json();
            let own = in_words(&seen);
            if own != *said || seen["valid"] != good {
                wrong.push(format!("{} {name}: {own}, not {said}", shape.name));
            }
            let reason = seen["reason"].as_str().unwrap_or_default();
            if let Some(claim) = claim(&shape.name).filter(|claim| !good && !reason.contains(claim)) {
                wrong.push(format!("{} {name}: {claim} is not named in: {reason}", shape.name));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn without_a_key_validity_is_unknown() {
    let star = tool(["token", "mint", "--app-id", "a", "--domain", "m.org", "--app-secret-file", "-"])
        .input(SECRET)
        .ends(0)
        .stdout;
    let seen = tool(["token", "inspect", "--json", &star]).ends(3).json();
    assert_eq!((&seen["valid"], &seen["exit_code"]), (&Value::Null, &3.into()));
}
