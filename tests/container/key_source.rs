//! Tokens that somebody else signs: a key set and a key server, installed, proved by the tool and by an independent client
//! that has a key, damaged, found, repaired, undone; and key sources that are no use, which are refused before anything is
//! changed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::bed::{DOMAIN, HOST_FILE, Machine, Run, got, says};

const JWKS: &str = "http://127.0.0.1:8098/jwks";
const SERVER: &str = "http://127.0.0.1:8098/keys";
const FALL_BACK: &str = "asap_key_server = \"http://127.0.0.1:0/unknown-kid\"";

/// The provider's server in the container's network, until it is dropped.
struct Provider {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Provider {
    fn start(machine: &Machine) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client/key_source.py").display().to_string();
        let mut command = machine.beside(&["python3", &script, "8098"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the provider starts");
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        let mut provider = Self { child, answers };
        provider.ready();
        provider
    }

    fn ready(&mut self) {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the provider speaks");
        assert_eq!(line.trim(), "ready");
    }

    /// Changes what it says.
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

/// Prosody with what it fetches at its start.
fn restart(machine: &Machine) {
    machine.sh("systemctl restart prosody; for i in $(seq 50); do ss -ltn | grep -q ':5280 ' && break; sleep 0.2; done; sleep 1");
}

fn file(machine: &Machine, name: &str) -> String {
    machine.root().join(PathBuf::from(format!("root/{name}.key"))).display().to_string()
}

/// A machine with tokens turned on, and the provider's keys.
fn with_keys(profile: &str) -> Machine {
    let machine = Machine::boot(profile);
    machine.jicofo_answers();
    for name in ["one", "two", "other"] {
        says(&machine.tool(&["credentials", "keygen", &format!("/root/{name}")]), 0, &[]);
    }
    machine
}

/// What a client sees that has one of the keys.
fn matrix(machine: &Machine, key: &str, kid: &str) -> Value {
    let (app_id, secret) = machine.credentials();
    let old = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(old.path(), secret).expect("a file");
    let old = old.path().display().to_string();
    let (key, other) = (file(machine, key), file(machine, "other"));
    machine.keys_matrix(&[DOMAIN, &app_id, &key, &other, "--kid", kid, "--secret-file", &old])
}

fn proved_by_others(machine: &Machine, key: &str, kid: &str) {
    let seen = matrix(machine, key, kid);
    assert_eq!(seen["ok"], true, "{seen:#}");
}

/// Everything that can happen, and back.
fn the_whole_life(profile: &str, options: &[&str], line: &str) {
    let machine = with_keys(profile);
    let before = state(&machine);
    says(&install(&machine, &[]), 0, &[]);
    let (_, secret) = machine.credentials();
    let mut provider = Provider::start(&machine);
    provider.says(&json!({"kids": {"one": file(&machine, "one"), "two": file(&machine, "two")}}));

    let plan = machine.tool(&[&["install", "--dry-run"], options].concat());
    says(&plan, 0, &["one (RSA, 2048 bits)", "signs with the app secret stops working"]);
    let run = install(&machine, options);
    assert_eq!(run.code, 0, "{}", run.all());
    let report = run.json();
    assert_eq!(report["proof"]["verdict"], "partial", "{report:#}");
    for name in ["wrong key", "unknown kid", "no kid", "public key as secret", "other algorithm", "unsigned (alg none)"]
    {
        assert!(got(&report, name).starts_with("refused"), "{name}: {report:#}");
    }
    assert_eq!(got(&report, "wrong key"), "refused: Invalid signature");
    assert_eq!(got(&report, "unknown kid"), "refused: could not obtain public key");
    assert!(got(&report, "old credentials").starts_with("refused"), "{report:#}");
    assert!(run.all().contains("verify --token-file"), "{}", run.all());
    assert!(machine.text(HOST_FILE).contains(line), "{}", machine.text(HOST_FILE));
    proved_by_others(&machine, "one", "one");
    says(&machine.tool(&["status"]), 0, &["one (RSA, 2048 bits)"]);
    let again = install(&machine, &[]);
    assert_eq!(again.json()["pending"], false, "{}", again.all());
    a_token_of_theirs_completes_the_proof(&machine);
    says(&machine.tool(&["credentials", "rotate", "--yes"]), 2, &["does not use the app secret"]);

    // Somebody takes the line out.
    machine.edit(HOST_FILE, "/asap_key_server/d; /cache_keys_url/d");
    restart(&machine);
    assert_ne!(machine.tool(&["status"]).code, 0);
    says(&install(&machine, &[]), 0, &[]);
    proved_by_others(&machine, "two", "two");

    // Prosody starts while the provider is down, and it comes back.
    drop(provider);
    restart(&machine);
    says(&machine.tool(&["status"]), 5, &["connection refused"]);
    let mut provider = Provider::start(&machine);
    provider.says(&json!({"kids": {"one": file(&machine, "one")}}));
    if options[0] == "--jwks" {
        says(&machine.tool(&["status"]), 4, &["Prosody does not have the key that"]);
    }
    restart(&machine);
    says(&machine.tool(&["verify"]), 0, &["Prosody has the keys"]);

    says(&install(&machine, &["--key-server", "off", "--jwks", "off"]), 0, &[]);
    assert_eq!(machine.credentials().1, secret);
    assert!(!machine.text(HOST_FILE).contains(line));
    says(&machine.tool(&["verify"]), 0, &[]);
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(state(&machine), before);
}

/// `verify --token-file` with a token of the provider's.
fn a_token_of_theirs_completes_the_proof(machine: &Machine) {
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
fn a_key_set_checks_tokens_on_debian_12() {
    the_whole_life("bookworm-bundled", &["--jwks", JWKS], FALL_BACK);
}

#[test]
fn a_source_that_is_of_no_use_is_refused_before_anything_is_changed() {
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
    // A provider whose certificate nobody vouches for.
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

/// The page of 2026, as far as it matters.
fn with_page(machine: &Machine) -> String {
    let page = format!("/etc/jitsi/meet/{DOMAIN}-config.js");
    machine.sh(&format!(
        "mkdir -p /etc/jitsi/meet /usr/share/jitsi-meet/libs /usr/share/jitsi-meet/static
         printf 'var config = {{\\n    hosts: {{\\n        domain: 1,\\n    }},\\n    // tokenAuthInline: false,\\n}};\\n' > {page}
         echo '{{state}} {{code_challenge}} tokenAuthInline' > /usr/share/jitsi-meet/libs/app.bundle.min.js"
    ));
    page
}

#[test]
fn an_openid_provider_logs_people_in_and_its_tokens_open_every_room() {
    let machine = with_keys("bookworm-bundled");
    let page = with_page(&machine);
    let all = |machine: &Machine| format!("{}{}", state(machine), machine.text(&page));
    let before = all(&machine);
    says(&install(&machine, &[]), 0, &[]);
    let oidc = ["--oidc", "http://127.0.0.1:8098", "--client-id", "jitsi"];
    says(&install(&machine, &oidc), 1, &["openid-configuration: connection refused; nothing was changed"]);
    let mut provider = Provider::start(&machine);
    provider.says(&json!({"kids": {"one": file(&machine, "one")}}));
    says(&install(&machine, &oidc), 5, &["does not know static/sso.html"]);
    machine.sh("touch /usr/share/jitsi-meet/static/sso.html");

    let run = install(&machine, &oidc);
    says(&run, 0, &["can join every room", "verify --token-file"]);
    let text = machine.text(&page);
    for part in [
        "tokenAuthUrl: 'https://id.example.org/openid/auth?client_id=jitsi&response_type=code&scope=openid",
        "redirect_uri=https%3A%2F%2Fmeet.example.org%2Fstatic%2Fsso.html&state={state}&code_challenge={code_challenge}",
        "sso: { ssoService: 'id.example.org/openid', tokenService: 'id.example.org/openid', clientId: 'jitsi' },",
        "\n    tokenAuthInline: true,\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let again = install(&machine, &[]);
    assert_eq!(again.json()["pending"], false, "{}", again.all());

    let get = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8098/access-token').read().decode())";
    let token = machine.beside(&["python3", "-c", get]).output().expect("python runs").stdout;
    let token = String::from_utf8(token).expect("a token");
    machine.sh(&format!("echo '{}' > /root/token", token.trim()));
    for room in ["tea", "another"] {
        let run = machine.tool(&["verify", "--token-file", "/root/token", "--room", room]);
        says(&run, 0, &["accepted", "entered"]);
        let seen = machine.login(&["--host", DOMAIN, "--token", token.trim(), "--join", room, "--ask-focus"]);
        assert_eq!(seen["join"], "entered", "{seen:#}");
    }

    says(&install(&machine, &["--oidc", "off"]), 0, &[]);
    assert!(!machine.text(&page).contains("    tokenAuth"), "{}", machine.text(&page));
    says(&machine.tool(&["verify"]), 0, &["valid token", "right room"]);
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(all(&machine), before);
}

#[test]
fn plugins_that_are_too_old_for_a_key_source_are_named() {
    let machine = Machine::boot("bullseye-decode");
    let before = state(&machine);
    says(&install(&machine, &["--jwks", JWKS]), 5, &["--jwks needs newer token plugins"]);
    says(&install(&machine, &["--key-server", SERVER]), 5, &["--key-server needs newer token plugins"]);
    assert_eq!(state(&machine), before);
}

mod thorough {
    use super::*;

    #[test]
    fn a_key_server_checks_tokens_on_debian_12() {
        let line = format!("asap_key_server = \"{SERVER}\"");
        the_whole_life("bookworm-bundled", &["--key-server", SERVER, "--kid", "one"], &line);
    }

    #[test]
    fn a_key_set_checks_tokens_on_debian_13() {
        the_whole_life("trixie-bundled", &["--jwks", JWKS], FALL_BACK);
    }
}
