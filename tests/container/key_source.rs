//! Tokens that somebody else signs: a key set and a key server, installed, proved by the tool and by an independent
//! client that has a key, damaged, found, repaired, undone; and unusable key sources, which are rejected before
//! anything is changed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::bed::{DOMAIN, HOST_FILE, Machine, Run, got, says, steps_in, written};
use crate::pairings::boot_to_verify;

pub const JWKS: &str = "http://127.0.0.1:8098/jwks";
pub const SERVER: &str = "http://127.0.0.1:8098/keys";
const FALL_BACK: &str = "asap_key_server = \"http://127.0.0.1:0/unknown-kid\"";

/// The provider's server, running in the container's network until dropped.
pub struct Provider {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Provider {
    /// Starts it without any keys.
    pub fn start(machine: &Machine) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client/key_source.py").display().to_string();
        let mut command = machine.beside(&["python3", &script, "8098"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the provider starts");
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        let mut provider = Self { child, answers };
        provider.ready();
        provider
    }

    /// Makes it serve these keys of the machine, each under a name.
    pub fn serves(&mut self, machine: &Machine, kids: &[(&str, &str)]) {
        self.says(&json!({"kids": served(machine, kids)}));
    }

    fn ready(&mut self) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the provider speaks");
        assert_eq!(line.trim(), "ready");
    }

    /// Changes what it serves.
    fn says(&mut self, state: &Value) {
        let input = self.child.stdin.as_mut().expect("its input");
        writeln!(input, "{state}").expect("the provider listens");
        self.ready();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn state(machine: &Machine) -> String {
    machine.sh(
        "cd /; for f in etc/prosody/* etc/prosody/conf.avail/*; do stat -c '%n %a %U:%G' $f; test -d $f || sha256sum $f; done",
    )
}

fn install(machine: &Machine, options: &[&str]) -> Run {
    machine.tool(&[&["install", "--yes", "--json"], options].concat())
}

/// Restarts Prosody, and waits for what it fetches at its start.
fn restart(machine: &Machine) {
    machine.sh("systemctl restart prosody; for i in $(seq 50); do ss -ltn | grep -q ':5280 ' && break; sleep 0.2; done; sleep 1");
}

fn file(machine: &Machine, name: &str) -> String {
    machine.root().join(PathBuf::from(format!("root/{name}.key"))).display().to_string()
}

fn served(machine: &Machine, kids: &[(&str, &str)]) -> Value {
    kids.iter().map(|(kid, key)| ((*kid).to_owned(), json!(file(machine, key)))).collect()
}

/// A machine that requires tokens, and the provider's keys.
fn with_keys(profile: &str) -> Machine {
    let machine = boot_to_verify(profile);
    machine.jicofo_answers();
    for name in ["one", "two", "other"] {
        says(&machine.tool(&["credentials", "keygen", &format!("/root/{name}")]), 0, &[]);
    }
    machine
}

/// What a client that has one of the keys reports.
fn matrix(machine: &Machine, key: &str, kid: &str) -> Value {
    let (app_id, secret) = machine.credentials();
    let (_old, old) = written(&secret);
    let (key, other) = (file(machine, key), file(machine, "other"));
    machine.keys_matrix(&[DOMAIN, &app_id, &key, &other, "--kid", kid, "--secret-file", &old])
}

fn client_confirms(machine: &Machine, key: &str, kid: &str) {
    let seen = matrix(machine, key, kid);
    assert_eq!(seen["ok"], true, "{seen:#}");
}

/// A way to name keys, and the line that it puts in Prosody's configuration.
struct Way {
    options: &'static [&'static str],
    line: &'static str,
    /// Whether the document holds certificates by kid.
    certificates: bool,
}

const KEY_SET: Way = Way { options: &["--jwks", JWKS], line: FALL_BACK, certificates: false };
const CERTIFICATES: Way = Way { certificates: true, ..KEY_SET };
const KEY_SERVER: Way = Way {
    options: &["--key-server", SERVER, "--kid", "one"],
    line: "asap_key_server = \"http://127.0.0.1:8098/keys\"",
    certificates: false,
};

impl Way {
    fn is_server(&self) -> bool {
        self.options[0] == "--key-server"
    }
}

/// Everything that can happen, and back.
fn full_lifecycle(profile: &str, way: &Way) {
    let machine = with_keys(profile);
    let before = state(&machine);
    says(&install(&machine, &[]), 0, &[]);
    // The file with the old secret stays, and must not keep the provider's tokens out.
    says(&machine.tool(&["credentials", "rotate", "--yes", "--keep-old", "1h"]), 0, &[]);
    let (_, secret) = machine.credentials();
    let mut provider = Provider::start(&machine);
    let keys = |kids: &[(&str, &str)]| json!({"kids": served(&machine, kids), "certificates": way.certificates});
    provider.says(&keys(&[("one", "one"), ("two", "two")]));

    let plan = machine.tool(&[&["install", "--dry-run"], way.options].concat());
    says(&plan, 0, &["one (RSA, 2048 bits)", "signs with the app secret stops working"]);
    installed_and_proved(&machine, way);

    // Without jicofo, recorders cannot be tested, and nobody else is.
    let recorders = machine.text(HOST_FILE).contains("VirtualHost \"recorder.");
    machine.sh("rm /run/bed-jicofo");
    let alone = machine.tool(&["verify"]);
    says(&alone, 0, &["Prosody has the keys"]);
    assert_eq!(alone.all().contains("so this was not tested: recorder's account"), recorders, "{}", alone.all());
    machine.jicofo_answers();

    // Somebody removes the line.
    machine.edit(HOST_FILE, "/asap_key_server/d; /cache_keys_url/d");
    restart(&machine);
    assert_ne!(machine.tool(&["status"]).code, 0);
    says(&install(&machine, &[]), 0, &[]);
    client_confirms(&machine, "two", "two");

    // The source loses its key, and gets it back.
    provider.says(&keys(&[]));
    let found = if way.is_server() { "(kid one): HTTP status 404" } else { "no RSA key with a kid" };
    says(&machine.tool(&["status"]), 5, &[found]);
    provider.says(&keys(&[("one", "one")]));
    says(&machine.tool(&["status"]), 0, &[]);

    // Prosody starts while the provider is down, which then comes back.
    drop(provider);
    restart(&machine);
    says(&machine.tool(&["status"]), 5, &["connection refused"]);
    let mut provider = Provider::start(&machine);
    provider.says(&keys(&[("one", "one")]));
    found_and_fetched(&machine, way);
    says(&machine.tool(&["verify"]), 0, &["Prosody has the keys"]);

    if !way.is_server() {
        // The same without the fallback: the plugin crashes on forged and genuine tokens alike.
        machine.edit(HOST_FILE, "/asap_key_server/d");
        drop(provider);
        restart(&machine);
        provider = Provider::start(&machine);
        provider.says(&keys(&[("one", "one")]));
        says(&machine.tool(&["verify"]), 4, &["Prosody does not have the key that"]);
        says(&install(&machine, &[]), 0, &[]);
        client_confirms(&machine, "one", "one");
    }

    // Another key under another name replaces it.
    provider.says(&keys(&[("renewed", "two")]));
    if way.is_server() {
        says(&machine.tool(&["status"]), 5, &["(kid one): HTTP status 404"]);
        says(&install(&machine, &["--key-server", SERVER, "--kid", "renewed"]), 0, &[]);
    }
    found_and_fetched(&machine, way);
    client_confirms(&machine, "two", "renewed");
    says(&machine.tool(&["status"]), 0, &["renewed (RSA, 2048 bits)"]);

    says(&install(&machine, &["--key-server", "off", "--jwks", "off"]), 0, &[]);
    assert_eq!(machine.credentials().1, secret);
    assert!(!machine.text(HOST_FILE).contains(way.line));
    says(&machine.tool(&["verify"]), 0, &[]);
    own_keys_in_between(&machine, way);
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(state(&machine), before);
}

/// What is chosen last replaces what was chosen before, and what is off can be turned off.
fn own_keys_in_between(machine: &Machine, way: &Way) {
    let options: Vec<&str> = way.options.iter().map(|word| if *word == "one" { "renewed" } else { word }).collect();
    let own = ["--public-key", "/root/two.pub", "--kid", "mine"];
    let same = |options: &[&str]| assert_eq!(install(machine, options).json()["pending"], false, "{options:?}");
    says(&install(machine, &options), 0, &[]);
    let kept = install(machine, &own);
    assert_eq!((kept.code, &kept.json()["proof"]["verdict"]), (0, &json!("full")), "{}", kept.all());
    assert!(!machine.text(HOST_FILE).contains(way.line));
    same(&["--jwks", "off", "--key-server", "off"]);
    same(&["--oidc", "off"]);
    says(&install(machine, &options), 0, &[]);
    client_confirms(machine, "two", "renewed");
    same(&["--public-key=off"]);
    machine.sh("umask 077; echo the-secret-from-now-on > /root/new-secret");
    let off = ["--jwks", "off", "--key-server", "off", "--signature-algorithm", "HS384"];
    says(&install(machine, &[&off[..], &["--app-secret-file", "/root/new-secret"]].concat()), 0, &[]);
    same(&["--jwks", "off"]);
    assert!(machine.text(HOST_FILE).contains("signature_algorithm = \"HS384\""), "{}", machine.text(HOST_FILE));
}

fn installed_and_proved(machine: &Machine, way: &Way) {
    let run = install(machine, way.options);
    assert_eq!(run.code, 0, "{}", run.all());
    let report = run.json();
    assert_eq!(report["proof"]["verdict"], "partial", "{report:#}");
    for id in ["wrong-key", "unknown-kid", "no-kid", "public-key-as-secret", "other-algorithm", "unsigned"] {
        assert!(got(&report, id).starts_with("refused"), "{id}: {report:#}");
    }
    assert_eq!(got(&report, "wrong-key"), "refused: Invalid signature");
    assert_eq!(got(&report, "unknown-kid"), "refused: could not obtain public key");
    assert!(got(&report, "old-credentials").starts_with("refused"), "{report:#}");
    assert!(run.all().contains("verify --token-file"), "{}", run.all());
    assert!(machine.text(HOST_FILE).contains(way.line), "{}", machine.text(HOST_FILE));
    client_confirms(machine, "one", "one");
    says(&machine.tool(&["status"]), 0, &["one (RSA, 2048 bits)"]);
    let again = install(machine, &[]);
    assert_eq!(again.json()["pending"], false, "{}", again.all());
    a_providers_token_completes_the_proof(machine);
    says(&machine.tool(&["credentials", "rotate", "--yes"]), 2, &["does not use the app secret"]);
    let (option, url) = (way.options[0], way.options[1]);
    says(&machine.tool(&["credentials", "show"]), 0, &["# tokens are checked with the keys of ", url]);
    let shown = machine.tool(&["credentials", "show", "--json"]).json();
    let field = option.trim_start_matches('-').replace('-', "_");
    assert_eq!(shown["key_source"][&field], url, "{shown:#}");
}

/// Prosody does not have the keys of a document: that is reported, and a restart fetches them. It fetches a key
/// server's keys when it needs them.
fn found_and_fetched(machine: &Machine, way: &Way) {
    if way.is_server() {
        return;
    }
    says(&machine.tool(&["status"]), 4, &["Prosody does not have the key that"]);
    let repaired = install(machine, &[]);
    assert_eq!((repaired.code, steps_in(&repaired.json(), "done")), (0, vec!["prosody-restart".to_owned()]));
}

/// Runs `verify --token-file` with a token signed by the provider's key.
fn a_providers_token_completes_the_proof(machine: &Machine) {
    let (app_id, _) = machine.credentials();
    let mint = ["token", "mint", "--key", "/root/one.key", "--header", "kid=one", "--app-id", &app_id];
    let minted = machine.tool(&[&mint[..], &["--domain", DOMAIN, "--room", "tea"]].concat());
    assert_eq!(minted.code, 0, "{}", minted.all());
    machine.sh(&format!("echo '{}' > /root/token", minted.stdout.trim()));
    says(&machine.tool(&["verify", "--token-file", "/root/token", "--room", "tea"]), 0, &["accepted", "entered"]);
    let forged = ["token", "mint", "--key", "/root/other.key", "--header", "kid=one", "--app-id", &app_id];
    let forged = machine.tool(&[&forged[..], &["--domain", DOMAIN, "--room", "tea"]].concat());
    machine.sh(&format!("echo '{}' > /root/token", forged.stdout.trim()));
    says(&machine.tool(&["verify", "--token-file", "/root/token", "--room", "tea"]), 4, &["Invalid signature"]);
}

#[test]
fn a_key_set_works_on_debian_12() {
    full_lifecycle("bookworm-bundled", &KEY_SET);
}

#[test]
fn unusable_key_sources_change_nothing() {
    let machine = with_keys("bookworm-bundled");
    says(&install(&machine, &[]), 0, &[]);
    let before = state(&machine);
    says(&install(&machine, &["--jwks", JWKS]), 5, &["connection refused"]);
    let mut provider = Provider::start(&machine);
    let key = file(&machine, "one");
    for (state, words) in [
        (json!({}), "no RSA key with a kid"),
        (json!({"kids": {"one": key}, "headers": {"Cache-Control": "max-age=0"}}), "every 0 s"),
        (json!({"kids": {"one": key}, "headers": {"Cache-Control": "max-age=1h"}}), "not a number"),
        (
            json!({"status": 302, "headers": {"Location": "https://other.example/"}}),
            "redirects to https://other.example/",
        ),
        (json!({"status": 503}), "HTTP status 503"),
        (json!({"body": "<!DOCTYPE html><html>"}), "an HTML page"),
        (json!({"body": "{\"keys\": [], \"next\": 5}"}), "not text, which is an error"),
        (json!({"kids": {"one": key}, "size": 100 << 20}), "longer than 256 KiB"),
    ] {
        provider.says(&state);
        let run = install(&machine, &["--jwks", JWKS]);
        says(&run, 5, &[JWKS, words]);
    }
    provider.says(&json!({"kids": {"one": key}}));
    says(&install(&machine, &["--key-server", SERVER, "--kid", "two"]), 5, &["(kid two): HTTP status 404"]);
    // A provider with a self-signed certificate.
    machine.sh(
        "cd /root; openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>/dev/null
         (setsid openssl s_server -quiet -accept 127.0.0.1:8444 -key tls.key -cert tls.crt -WWW >/dev/null 2>&1 &) ; sleep 1",
    );
    says(
        &install(&machine, &["--jwks", "https://127.0.0.1:8444/jwks"]),
        5,
        &["https://127.0.0.1:8444/jwks", "certificate"],
    );
    assert_eq!(state(&machine), before);
}

/// A source that the plugins of an era cannot use is rejected with the reason, and nothing is changed.
fn refused(profile: &str, options: &[&str], why: &str) {
    let machine = Machine::boot(profile);
    let before = state(&machine);
    says(&install(&machine, options), 5, &[why]);
    assert_eq!(state(&machine), before);
}

#[test]
fn plugins_too_old_for_key_sources_are_reported() {
    refused("bullseye-decode", &["--jwks", JWKS], "--jwks needs newer token plugins");
    refused("bullseye-decode", &["--key-server", SERVER], "--key-server needs newer token plugins");
}

mod thorough {
    use super::*;
    use crate::bed::each;

    #[test]
    fn a_key_server_works_in_every_era() {
        let profiles = ["bullseye-verify", "bookworm-verify", "bullseye-bundled", "bookworm-bundled-2023"];
        let later = ["bookworm-bundled-2024", "bookworm-bundled", "trixie-bundled", "forky-bundled"];
        each(&[profiles, later].concat(), |profile| full_lifecycle(profile, &KEY_SERVER));
    }

    #[test]
    fn a_key_set_works_on_debian_13_and_14() {
        each(&["trixie-bundled", "forky-bundled"], |profile| full_lifecycle(profile, &KEY_SET));
    }

    #[test]
    fn certificates_by_kid_work_since_2023() {
        let profiles = ["bullseye-bundled", "bookworm-bundled-2023", "bookworm-bundled-2024", "bookworm-bundled"];
        each(&profiles, |profile| full_lifecycle(profile, &CERTIFICATES));
    }

    #[test]
    fn key_sets_that_older_plugins_cannot_use_are_rejected() {
        each(&["bullseye-verify", "bookworm-verify"], |profile| {
            refused(profile, &["--jwks", JWKS], "--jwks needs newer token plugins");
        });
        each(&["bullseye-bundled", "bookworm-bundled-2023", "bookworm-bundled-2024"], |profile| {
            let machine = with_keys(profile);
            let mut provider = Provider::start(&machine);
            provider.serves(&machine, &[("one", "one")]);
            let before = state(&machine);
            says(&install(&machine, &["--jwks", JWKS]), 5, &["read certificates by kid only"]);
            assert_eq!(state(&machine), before);
        });
    }
}
