//! The examples in docs/tokens.md, for people whose application makes the tokens: run unchanged, with the credentials
//! of a real install; the running Prosody lets their tokens in.

use std::path::Path;
use std::process::Command;

use crate::bed::{DOMAIN, Machine, text};
use crate::story::provisioned;

/// The code block of docs/tokens.md in this language.
fn example(language: &str) -> String {
    let chapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tokens.md");
    let chapter = std::fs::read_to_string(chapter).expect("there is a chapter");
    let opening = format!("\n```{language}\n");
    let (_, rest) = chapter.split_once(&opening).expect("there is an example");
    assert!(!rest.contains(&opening), "one example in {language}");
    rest.split_once("\n```\n").expect("it ends").0.to_owned()
}

/// Runs the example with the three variables and nothing else; returns the link that it printed.
fn link(machine: &Machine, program: &str, language: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("example");
    std::fs::write(&file, example(language)).expect("a file");
    let (app_id, secret) = machine.credentials();
    let output = Command::new(program)
        .arg(&file)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs([("JITSI_DOMAIN", DOMAIN), ("JITSI_APP_ID", &app_id), ("JITSI_APP_SECRET", &secret)])
        .output()
        .unwrap_or_else(|error| panic!("cannot run {program} (scripts/setup check): {error}"));
    assert!(output.status.success(), "{program}: {}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

fn gets_in(program: &str, language: &str) {
    let machine = Machine::boot(provisioned());
    let link = link(&machine, program, language);
    let (address, token) = link.split_once("?jwt=").expect("a token in the link");
    assert_eq!(address, format!("https://{DOMAIN}/tea"));
    machine.sh(&format!("(umask 077; printf %s '{token}' > /root/token)"));
    let run = machine.tool(&["verify", "--token-file", "/root/token", "--room", "tea"]);
    assert_eq!(run.code, 0, "{}", run.all());
    // It opens that room and no other.
    let other = machine.tool(&["verify", "--token-file", "/root/token", "--room", "coffee"]);
    assert_eq!(other.code, 4, "{}", other.all());
}

#[test]
fn the_python_examples_token_is_accepted() {
    gets_in("/usr/bin/python3", "python");
}

#[test]
fn the_node_examples_token_is_accepted() {
    gets_in("node", "javascript");
}

#[test]
fn the_php_examples_token_is_accepted() {
    gets_in("php", "php");
}
