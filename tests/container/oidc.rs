//! A real identity provider (npm's `oidc-provider`) and a real browser: `install --oidc`, the login with the provider's
//! own form, the return to the room, and whom the plugins reject; keys that change, and a provider that is down.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{DOMAIN, Machine, Run, got, says};
use crate::browser::{NO_LOGIN, Site, meeting};
use crate::rooms::restart;
use crate::story::STATE;

const ISSUER: &str = "https://id.meet.example.org:8443";
const CLIENT: &str = "jitsi-meet";
const OIDC: [&str; 4] = ["--oidc", ISSUER, "--client-id", CLIENT];

/// How often Prosody fetches the keys, in seconds, as the provider's Cache-Control allows.
const FRESH: u64 = 6;

/// The provider, on the browser's machine, running until dropped.
struct Provider {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Provider {
    /// Starts it, not listening yet.
    fn start(site: &Site) -> Self {
        let mut command = site.browser.inside(&["node", "/srv/browser/client/provider.mjs", DOMAIN, CLIENT]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the provider starts");
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        let mut provider = Self { child, answers };
        provider.ready();
        provider.is(json!({ "down": true }));
        provider
    }

    fn ready(&mut self) {
        let mut line = String::new();
        while line.trim() != "ready" {
            line.clear();
            assert_ne!(self.answers.read_line(&mut line).expect("the provider speaks"), 0, "the provider ended");
        }
    }

    /// Changes its behavior; settings that are not named return to their defaults.
    fn is(&mut self, state: Value) {
        writeln!(self.child.stdin.as_mut().expect("its input"), "{state}").expect("the provider listens");
        self.ready();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // It ends when its input ends.
        self.child.stdin.take();
        let _ = self.child.wait();
    }
}

/// Jitsi's page of 2026 as installed on the machine, as far as the program looks at it, and a machine that trusts the
/// authority of the provider's certificate.
fn site(profile: &str) -> Site {
    let site = Site::boot(profile);
    site.machine.jicofo_answers();
    let authority = site.browser.text("/srv/browser/ca.crt");
    site.machine.sh(&format!(
        "set -e; mkdir -p /usr/share/jitsi-meet/libs /usr/share/jitsi-meet/static
         echo '{{state}} {{code_challenge}} tokenAuthInline' > /usr/share/jitsi-meet/libs/app.bundle.min.js
         printf '%s' '{authority}' > /usr/local/share/ca-certificates/bed.crt; update-ca-certificates"
    ));
    site
}

fn install(site: &Site, options: &[&str]) -> Run {
    site.machine.tool(&[&["install", "--yes", "--json"], options].concat())
}

fn state(machine: &Machine) -> String {
    format!("{}{}", machine.sh(STATE), machine.text(&format!("/etc/jitsi/meet/{DOMAIN}-config.js")))
}

/// How a visit ended, in the browser's words.
fn end(seen: &Value) -> String {
    let word = |name: &str| seen[name].as_str().unwrap_or_default();
    match word("state") {
        "refused" => format!("refused: {}", word("detail")),
        state => state.to_owned(),
    }
}

/// Makes these visits and insists on how they end. Returns the tokens that they got.
fn visits(site: &Site, transport: &str, visits: &[(Value, &str)]) -> Vec<String> {
    let asked: Vec<Value> = visits.iter().map(|(visit, _)| visit.clone()).collect();
    let seen = site.visits(transport, &asked);
    assert_eq!(seen.len(), visits.len(), "{seen:#?}");
    for (seen, (_, wanted)) in seen.iter().zip(visits) {
        let seconds = seen["seconds"].as_f64().unwrap_or_default();
        println!("  {transport}, {}: {} ({seconds:.1} s)", seen["who"].as_str().unwrap_or_default(), end(seen));
        assert_eq!(&end(seen), wanted, "{seen:#}");
    }
    seen.iter().map(|seen| seen["token"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Somebody who logs in at the provider to enter this room.
fn login(who: &str, room: &str) -> Value {
    json!({ "who": who, "open": meeting(room), "login": who })
}

/// Prosody's answer to a token, by the independent client: "accepted" or the reason.
fn said(site: &Site, token: &str) -> String {
    let seen = site.machine.login(&["--host", DOMAIN, "--token", token]);
    let words = [&seen["text"], &seen["login"]].map(|word| word.as_str().unwrap_or_default().to_owned());
    words.into_iter().find(|word| !word.is_empty()).unwrap_or_default()
}

/// Waits until Prosody gives this answer to a token; returns how long that took, in seconds.
fn until(site: &Site, token: &str, wanted: &str, limit: u64) -> f64 {
    let start = Instant::now();
    loop {
        let said = said(site, token);
        if said == wanted {
            return start.elapsed().as_secs_f64();
        }
        assert!(start.elapsed().as_secs() < limit, "after {limit} s: {said}, not {wanted}");
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Installs with a provider whose keys may be cached for [`FRESH`] seconds.
fn installed(site: &Site) -> Provider {
    let mut provider = Provider::start(site);
    provider.is(fresh(json!({})));
    says(&install(site, &OIDC), 0, &["can join every room"]);
    provider
}

/// A state of the provider, with keys that may be cached for [`FRESH`] seconds.
fn fresh(mut state: Value) -> Value {
    state["cache"] = json!(format!("max-age={FRESH}"));
    state
}

/// A token from a login in the browser.
fn token(site: &Site, who: &str) -> String {
    visits(site, "websocket", &[(login(who, who), "joined")]).remove(0)
}

fn full_lifecycle(profile: &str, transport: &str) {
    let site = site(profile);
    let before = state(&site.machine);
    let unchanged = |options: &[&str], code: i32, words: &[&str]| {
        says(&install(&site, options), code, words);
        assert_eq!(state(&site.machine), before, "{options:?}: something was changed");
    };
    let mut provider = Provider::start(&site);
    unchanged(&OIDC, 5, &["openid-configuration: connection refused; nothing was changed"]);
    provider.is(json!({}));
    unchanged(&OIDC, 5, &["does not know static/sso.html"]);
    site.machine.sh("touch /usr/share/jitsi-meet/static/sso.html");
    unchanged(&["--oidc", &format!("{ISSUER}/realm"), "--client-id", CLIENT], 5, &["HTTP status 404"]);

    let run = install(&site, &OIDC);
    says(&run, 0, &["can join every room", "verify --token-file", "every 6 hours"]);
    assert_eq!(got(&run.json(), "unknown-kid"), "refused: could not obtain public key");
    assert_eq!(install(&site, &[]).json()["pending"], false);

    println!("{profile}:");
    let tokens = visits(
        &site,
        transport,
        &[
            (json!({ "who": "alice", "open": meeting("tea") }), "blocked"),
            (login("alice", "tea"), "joined"),
            // Somebody with a session at the provider sees no form.
            (json!({ "who": "alice", "open": meeting("milk"), "login": true }), "joined"),
            (
                json!({ "who": "bob", "open": meeting("tea"), "login": false }),
                "refused: login: the login window was closed",
            ),
        ],
    );
    let alice = &tokens[1];
    completed(&site, alice);
    visits(&site, transport, &[(json!({ "who": "with a link", "open": meeting("sugar"), "token": alice }), "joined")]);

    let mut refused = |state: Value, who: &str, wanted: &str, reason: &str| {
        provider.is(state);
        let tokens = visits(&site, transport, &[(login(who, "tea"), wanted)]);
        if !reason.is_empty() {
            assert_eq!(said(&site, &tokens[0]), reason);
        }
    };
    refused(json!({ "audience": "another" }), "token for another client", NO_LOGIN, "invalid 'aud' claim");
    refused(json!({ "typ": "at+jwt" }), "as RFC 9068 has it", NO_LOGIN, "Invalid typ");
    refused(json!({ "cors": false }), "page not allowed to ask", "refused: login: Failed to fetch", "");
    short_lived(&site, &mut provider, transport);

    says(&install(&site, &["--oidc", "off"]), 0, &[]);
    says(&site.machine.tool(&["verify"]), 0, &["valid token", "right room"]);
    says(&site.machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(state(&site.machine), before);
}

/// Verifies the provider's token with the program's own proof, in two rooms.
fn completed(site: &Site, token: &str) {
    site.machine.sh(&format!("umask 077; printf %s '{token}' > /root/token"));
    for room in ["tea", "another"] {
        let run = site.machine.tool(&["verify", "--token-file", "/root/token", "--room", room]);
        says(&run, 0, &["accepted", "entered"]);
    }
    site.machine.remove("/root/token");
}

/// Tokens that live for three seconds: the meeting goes on, the next login is rejected.
fn short_lived(site: &Site, provider: &mut Provider, transport: &str) {
    provider.is(json!({ "life": 3 }));
    let tokens =
        visits(site, transport, &[(login("dave", "tea"), "joined"), (json!({ "who": "dave", "look": 4 }), "joined")]);
    let again = json!({ "who": "dave's token, later", "open": meeting("tea"), "token": tokens[0] });
    visits(site, transport, &[(again, NO_LOGIN)]);
    assert!(said(site, &tokens[0]).starts_with("Not acceptable by exp"));
}

/// New keys at the provider, while Prosody runs.
fn keys_change(profile: &str) {
    let site = site(profile);
    site.machine.sh("touch /usr/share/jitsi-meet/static/sso.html");
    let mut provider = installed(&site);
    let old = token(&site, "old");

    // The new key signs at once.
    provider.is(fresh(json!({ "keys": ["two", "one"] })));
    let start = Instant::now();
    let seen = site.visits("websocket", &[login("new", "new")]);
    let new = seen[0]["token"].as_str().expect("a token").to_owned();
    println!("{profile}: at once after the change: {}", end(&seen[0]));
    until(&site, &new, "accepted", 2 * FRESH);
    println!(
        "{profile}: the new key is accepted {:.1} s after the change (max-age={FRESH})",
        start.elapsed().as_secs_f64()
    );
    assert!(start.elapsed().as_secs() <= FRESH + 4);
    assert_eq!(said(&site, &old), "accepted");
    visits(&site, "websocket", &[(login("alice", "tea"), "joined")]);
    says(&site.machine.tool(&["status"]), 0, &["two (RSA, 2048 bits), one (RSA"]);

    // The old key is discarded: Jitsi's plugin keeps it for 90 minutes more, or until Prosody restarts.
    provider.is(fresh(json!({ "keys": ["two"] })));
    std::thread::sleep(Duration::from_secs(2 * FRESH));
    assert_eq!(said(&site, &old), "accepted");
    restart(&site.machine);
    until(&site, &new, "accepted", 10);
    assert_eq!(said(&site, &old), "could not obtain public key");
    let thrown = json!({ "who": "key thrown away", "open": meeting("tea"), "token": old });
    visits(&site, "websocket", &[(thrown, NO_LOGIN), (login("bob", "tea"), "joined")]);
}

/// The provider is down for a while, with and without a restart of Prosody.
fn provider_down(profile: &str) {
    let site = site(profile);
    site.machine.sh("touch /usr/share/jitsi-meet/static/sso.html");
    let mut provider = installed(&site);
    let alice = token(&site, "alice");

    provider.is(fresh(json!({ "down": true })));
    std::thread::sleep(Duration::from_secs(2 * FRESH));
    visits(
        &site,
        "websocket",
        &[
            (json!({ "who": "has a token", "open": meeting("tea"), "token": alice }), "joined"),
            (
                json!({ "who": "has none", "open": meeting("tea"), "login": false }),
                "refused: login: the login window was closed",
            ),
        ],
    );
    says(&site.machine.tool(&["status"]), 5, &["connection refused"]);
    let silent = ["the key source cannot be used now", "/jwks: connection refused", "a Prosody that has started since"];
    says(&site.machine.tool(&["verify"]), 0, &silent);
    let before = state(&site.machine);
    says(&install(&site, &OIDC), 5, &["connection refused; nothing was changed"]);
    assert_eq!(state(&site.machine), before);

    restart(&site.machine);
    assert_eq!(said(&site, &alice), "could not obtain public key");
    says(&site.machine.tool(&["verify"]), 0, &silent);
    provider.is(fresh(json!({})));
    let seconds = until(&site, &alice, "accepted", 40);
    println!("{profile}: Prosody has the keys {seconds:.1} s after the provider is back");
    says(&site.machine.tool(&["status"]), 0, &["one (RSA, 2048 bits)"]);
    visits(&site, "websocket", &[(login("bob", "tea"), "joined")]);
}

#[test]
fn a_real_provider_logs_people_in_on_debian_12() {
    full_lifecycle("bookworm-bundled", "websocket");
}

mod thorough {
    #[test]
    fn a_real_provider_logs_people_in_on_debian_13() {
        super::full_lifecycle("trixie-bundled", "bosh");
    }

    #[test]
    fn keys_change_at_the_provider_on_debian_12() {
        super::keys_change("bookworm-bundled");
    }

    #[test]
    fn keys_change_at_the_provider_on_debian_13() {
        super::keys_change("trixie-bundled");
    }

    #[test]
    fn the_provider_is_down_on_debian_12() {
        super::provider_down("bookworm-bundled");
    }

    #[test]
    fn the_provider_is_down_on_debian_13() {
        super::provider_down("trixie-bundled");
    }
}
