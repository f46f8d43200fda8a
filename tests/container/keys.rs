//! Tokens signed with a private key, of which the server has only the public half, checked by the tool's own logins and
//! by an independent client; what breaks that is found and repaired.

use std::path::PathBuf;

use serde_json::Value;

use crate::bed::{DOMAIN, HOST_FILE, Machine, Run, got, says, steps_in, written};
use crate::kill_subject::{PUBLIC_KEY, Subject, sample, seed, with_packages};

const KEYS: &str = "/etc/prosody/jts-token-keys.meet.example.org.json";
const MODULE: &str = "/usr/share/jitsi-meet/prosody-plugins/mod_jts_token_keys.lua";

/// Bytes, mode and owner of everything that is changed.
fn state(machine: &Machine) -> String {
    machine.sh(
        "cd /; for f in etc/prosody/* etc/prosody/conf.avail/* usr/share/jitsi-meet/prosody-plugins/*; do stat -c '%n %a %U:%G' $f; test -d $f || sha256sum $f; done",
    )
}

fn install(machine: &Machine, options: &[&str]) -> Run {
    machine.tool(&[&["install", "--yes", "--json"], options].concat())
}

/// A machine with a key pair for an application, and another pair. Returns the first key's name.
pub fn with_pairs(profile: &str) -> (Machine, String) {
    let machine = Machine::boot(profile);
    machine.jicofo_answers();
    let kid = make_pairs(&machine);
    (machine, kid)
}

/// Makes the two pairs. Returns the first key's name.
pub fn make_pairs(machine: &Machine) -> String {
    let made = machine.tool(&["credentials", "keygen", "/root/app", "--json"]);
    assert_eq!(made.code, 0, "{}", made.all());
    assert_eq!(machine.tool(&["credentials", "keygen", "/root/other"]).code, 0);
    made.json()["kid"].as_str().expect("a kid").to_owned()
}

/// What the independent client reports.
pub fn matrix(machine: &Machine, kid: &str, old_secret: Option<&str>) -> Value {
    let shown = machine.tool(&["credentials", "show", "--json"]).json();
    let app_id = shown["app_id"].as_str().expect("an id").to_owned();
    let file = |name: &str| machine.root().join(PathBuf::from(name)).display().to_string();
    let (_secret, secret) = written(old_secret.unwrap_or_default());
    let (key, other) = (file("root/app.key"), file("root/other.key"));
    // A thumbprint may begin with a hyphen.
    let kid = format!("--kid={kid}");
    let mut args = vec![DOMAIN, &app_id, &key, &kid, &other];
    if old_secret.is_some() {
        args.extend(["--secret-file", &secret]);
    }
    machine.keys_matrix(&args)
}

fn client_confirms(machine: &Machine, kid: &str) {
    let seen = matrix(machine, kid, None);
    assert_eq!(seen["ok"], true, "{seen:#}");
}

/// Everything that can happen, and back.
fn full_lifecycle(profile: &str) {
    let (machine, kid) = with_pairs(profile);
    let before = state(&machine);
    says(&install(&machine, &[]), 0, &[]);
    let (_, old) = machine.credentials();

    let run = install(&machine, &["--public-key", "/root/app.pub"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let report = run.json();
    assert_eq!(report["proof"]["verdict"], "full", "{report:#}");
    for id in ["wrong-key", "unknown-kid", "no-kid", "public-key-as-secret", "other-algorithm", "unsigned"] {
        assert!(got(&report, id).starts_with("refused"), "{id}: {report:#}");
    }
    assert_eq!(got(&report, "valid-token"), "accepted");
    assert!(got(&report, "old-credentials").starts_with("refused"), "{report:#}");
    assert!(!run.all().contains(&old), "the old secret is shown");
    assert!(!machine.text(HOST_FILE).contains(&old), "the old secret is still there");
    let seen = matrix(&machine, &kid, Some(&old));
    assert_eq!(seen["ok"], true, "{seen:#}");
    assert_eq!(machine.access(KEYS).trim(), "640 root:prosody");
    assert!(!machine.exists("/run/jitsi-tokens-setup.proof-keys.json"), "the proof's key is accepted no longer");

    shown_and_used(&machine, &kid);
    damaged_and_repaired(&machine, &kid, &old);

    // Two keys at once, then none.
    says(
        &install(&machine, &["--public-key", "/root/other.pub", "--kid", "next", "--public-key", "/root/app.pub"]),
        0,
        &[],
    );
    accepted_under_their_own_names(&machine, "next", &kid);
    says(&install(&machine, &["--public-key=off"]), 0, &[]);
    machine.assert_proved();
    assert!(!machine.exists(KEYS));
    assert_ne!(matrix(&machine, &kid, None)["cases"]["good"]["login"], "accepted");
    says(&machine.tool(&["status"]), 0, &[]);

    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(state(&machine), before);
}

/// What the application needs to know, and what is no longer shown or accepted.
fn shown_and_used(machine: &Machine, kid: &str) {
    let fingerprint = machine
        .sh("openssl pkey -pubin -in /root/app.pub -outform DER | sha256sum")
        .split(' ')
        .next()
        .map(str::to_owned);
    let fingerprint = fingerprint.expect("a sum");
    says(&machine.tool(&["credentials", "show"]), 0, &[kid, &fingerprint]);
    says(&machine.tool(&["credentials", "show", "--reveal"]), 2, &["no app secret in use"]);
    says(&machine.tool(&["token", "mint", "--room", "tea"]), 2, &["--key FILE"]);
    says(&machine.tool(&["credentials", "rotate", "--yes"]), 2, &["no app secret to rotate"]);
    machine.sh(&format!("{} token mint --room tea --key /root/app.key > /root/token", crate::bed::TOOL));
    says(&machine.tool(&["verify", "--token-file", "/root/token", "--room", "tea"]), 0, &["this token"]);
    judged_with_the_servers_keys(machine);
    says(&machine.tool(&["status"]), 0, &["--public-key (kid", "tokens must be signed with a private key"]);
    let again = install(machine, &[]);
    assert_eq!((again.code, again.json()["pending"].clone()), (0, false.into()), "{}", again.all());
}

/// `token inspect` says what the server does, also about another key than the server's.
fn judged_with_the_servers_keys(machine: &Machine) {
    let inspect = |file: &str, more: &[&str]| machine.tool(&[&["token", "inspect", "--file", file], more].concat());
    says(&inspect("/root/token", &[]), 0, &["Jitsi accepts it", "signature: right"]);
    says(&inspect("/root/token", &["--key", "/root/other.pub"]), 0, &["this server does not accept that key"]);
    let mint = format!("{} token mint --room tea", crate::bed::TOOL);
    machine.sh(&format!("{mint} --key /root/app.key --header kid=1 > /root/renamed"));
    machine.sh(&format!("{mint} --key /root/other.key > /root/foreign"));
    for (file, key) in [("/root/renamed", "/root/app.pub"), ("/root/foreign", "/root/other.pub")] {
        says(&inspect(file, &["--key", key]), 4, &["unknown key"]);
        says(&machine.tool(&["verify", "--token-file", file]), 4, &["could not obtain public key", "unknown key"]);
    }
}

fn damaged_and_repaired(machine: &Machine, kid: &str, old: &str) {
    // Somebody removes the key or renames it: a rerun restores it without a restart.
    for damage in ["s/.*/{}/", "s/\"kid\": .*/\"kid\": \"another\",/"] {
        machine.edit(KEYS, damage);
        assert_eq!(matrix(machine, kid, None)["cases"]["good"]["login"], "refused", "{damage}");
        says(&machine.tool(&["status"]), 3, &[]);
        let mended = install(machine, &[]);
        assert_eq!((mended.code, steps_in(&mended.json(), "done")), (0, vec!["token-keys".to_owned()]));
        client_confirms(machine, kid);
    }

    // The module is gone, and Prosody was restarted without it: nobody gets in, not even with the old secret.
    machine.remove(MODULE);
    machine.sh(&format!("systemctl restart prosody; sleep 1; {}", crate::bed::LISTENING));
    assert_ne!(matrix(machine, kid, Some(old))["cases"]["old secret"]["login"], "accepted");
    says(&machine.tool(&["verify"]), 4, &[]);
    says(&machine.tool(&["status"]), 4, &[]);
    let mended = install(machine, &[]);
    assert_eq!(mended.code, 0, "{}", mended.all());
    assert_eq!(steps_in(&mended.json(), "done"), ["token-keys", "prosody-restart"]);
    client_confirms(machine, kid);
}

/// Two keys are accepted, each under its own name: the first is the other pair's.
fn accepted_under_their_own_names(machine: &Machine, first: &str, second: &str) {
    let seen = matrix(machine, second, None)["cases"].clone();
    assert_eq!(seen["good"]["login"], "accepted", "{seen:#}");
    assert_eq!(seen["wrong key"]["login"], "refused", "{seen:#}");
    let seen = matrix(machine, first, None)["cases"].clone();
    assert_eq!(seen["good"]["login"], "refused", "{seen:#}");
    assert_eq!(seen["wrong key"]["login"], "accepted", "the other pair's, under its own name: {seen:#}");
}

#[test]
fn public_keys_replace_the_secret() {
    full_lifecycle("bookworm-bundled");
}

/// A fresh machine has no earlier secret either.
#[test]
fn keygen_never_overwrites_and_fresh_machines_use_keys() {
    let (machine, kid) = with_pairs("bookworm-bundled");
    assert_eq!((machine.mode("/root/app.key"), machine.mode("/root/app.pub")), ("600".to_owned(), "644".to_owned()));
    let sums = machine.sh("sha256sum /root/app.*");
    says(&machine.tool(&["credentials", "keygen", "/root/app"]), 1, &["never overwritten"]);
    machine.sh("mv /root/app.key /root/kept; ln -s /root/victim /root/app.key");
    says(&machine.tool(&["credentials", "keygen", "/root/app"]), 1, &["never overwritten"]);
    machine.sh("mv /root/kept /root/app.key");
    assert!(!machine.exists("/root/victim"));
    assert_eq!(machine.sh("sha256sum /root/app.*"), sums);
    says(&machine.tool(&["credentials", "keygen", "--type", "p256", "/root/ec"]), 2, &["only RSA keys"]);

    let before = state(&machine);
    let plan = machine.tool(&["install", "--dry-run", "--public-key", "/root/app.pub", "--kid", "mine"]);
    says(
        &plan,
        0,
        &["+    signature_algorithm = \"RS256\"", "accepted: kid mine; tokens signed with the app secret stop working"],
    );
    assert_eq!(state(&machine), before);
    says(&install(&machine, &["--public-key", "/root/app.pub"]), 0, &[]);
    client_confirms(&machine, &kid);
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(state(&machine), before);
}

/// The plugins of 2020 use a module's key only together with a key server.
#[test]
fn plugins_too_old_for_module_keys_block() {
    let (machine, _) = with_pairs("bullseye-decode");
    let before = state(&machine);
    says(&install(&machine, &["--public-key", "/root/app.pub"]), 5, &["too old", "leave out --public-key"]);
    assert_eq!(state(&machine), before);
    says(&install(&machine, &[]), 0, &[]);
    let installed = state(&machine);
    let rotate = machine.tool(&["credentials", "rotate", "--yes", "--keep-old", "1h"]);
    says(&rotate, 5, &["too old", "leave out --keep-old"]);
    assert_eq!(state(&machine), installed);
}

#[test]
fn a_killed_key_change_is_finished_or_undone() {
    let mut subject = Subject::new(&with_packages("bookworm-bundled"), PUBLIC_KEY);
    let points = subject.points();
    assert!(points.len() > 40, "{points:#?}");
    subject.go_through(&sample(&points, seed(), 0, 4));
}

mod thorough {
    use super::*;
    use crate::bed::each;

    #[test]
    fn public_keys_replace_the_secret_in_every_era() {
        let profiles = ["bullseye-verify", "bookworm-verify", "bullseye-bundled", "bookworm-bundled-2023"];
        let later = ["bookworm-bundled-2024", "trixie-bundled", "forky-bundled"];
        each(&[&profiles[..], &later].concat(), |profile| full_lifecycle(profile));
    }
}
