//! A real browser: Debian's Chromium with Jitsi's own library, through nginx, on a page that joins as Jitsi's does
//! (`tests/client/browser`). Each visit ends as `verify` predicts.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::bed::{DOMAIN, HOST_FILE, Machine, TOOL, says, text};
use crate::broken_servers::Front;
use crate::rooms::restart;

/// The configuration of the site's page, as Jitsi's package writes it.
const CONFIG: &str = include_str!("../client/browser/config.js");

/// A machine with Jitsi, and next to it one with a browser and the site's web server.
pub struct Site {
    pub machine: Machine,
    pub browser: Machine,
}

impl Site {
    pub fn boot(profile: &str) -> Self {
        let machine = Machine::boot(profile);
        machine.sh(&format!(
            "set -e; mkdir -p /etc/jitsi/meet; cat > /etc/jitsi/meet/{DOMAIN}-config.js <<'END'\n{CONFIG}END"
        ));
        let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client/browser");
        let settings = machine.root().join("etc/jitsi/meet");
        let browser = machine.neighbor("browser", &[(&client, "/srv/browser/client"), (&settings, "/etc/jitsi/meet")]);
        browser.sh("nginx -c /srv/browser/client/nginx.conf");
        Self { machine, browser }
    }

    /// What each visit showed, in order.
    pub fn visits(&self, transport: &str, visits: &[Value]) -> Vec<Value> {
        let mut command = self.browser.inside(&["node", "/srv/browser/client/drive.mjs"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the driver starts");
        let asked = json!({ "transport": transport, "visits": visits }).to_string();
        child.stdin.take().expect("a pipe").write_all(asked.as_bytes()).expect("the driver listens");
        let output = child.wait_with_output().expect("it ends");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("the driver printed no JSON ({error}): {}", text(&output.stderr)))
    }

    fn mint(&self, options: &[&str]) -> String {
        self.machine.program(&[&[TOOL, "token", "mint"], options].concat()).trim().to_owned()
    }
}

/// A visit, and the login of the proof that predicts how it ends.
#[derive(Clone)]
struct Case {
    visit: Value,
    probe: &'static str,
    /// The end in the browser's words.
    end: &'static str,
}

fn case(visit: Value, probe: &'static str, end: &'static str) -> Case {
    Case { visit, probe, end }
}

const NOT_ALLOWED: &str = "refused: conference.connectionError.notAllowed";
pub const NO_LOGIN: &str = "refused: connection.passwordRequired";

/// The address of a room.
pub fn meeting(room: &str) -> String {
    format!("https://{DOMAIN}/{room}")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The claims of a token for this room.
fn claims(app_id: &str, room: &str, exp: u64) -> Value {
    json!({ "iss": app_id, "aud": "jitsi", "sub": DOMAIN, "room": room, "exp": exp })
}

/// Somebody with a token that an application has made.
fn bearer(who: &str, address: &str, claims: &Value, secret: &str) -> Value {
    json!({ "who": who, "open": address, "claims": claims, "secret": secret })
}

/// Valid and invalid tokens, and links that the tool makes.
fn logins(site: &Site, transport: &str) -> Vec<Case> {
    let (id, secret) = site.machine.credentials();
    let room = format!("tea-{transport}");
    let tea = meeting(&room);
    let link = site.mint(&["--room", &room, "--url"]);
    let (address, token) = link.split_once("jwt=").expect("a token in it");
    assert_eq!(address.trim_end_matches(['?', '#']), tea);
    let good = claims(&id, &room, now() + 60);
    let (other, past) = (claims(&id, "another", now() + 60), claims(&id, &room, now() - 61));
    vec![
        case(bearer("good token", &tea, &good, &secret), "right-room", "joined"),
        case(json!({ "who": "a link", "open": link }), "right-room", "joined"),
        case(json!({ "who": "in the query", "open": format!("{tea}?jwt={token}") }), "right-room", "joined"),
        // With a token in both, as after a login page, the fragment's counts.
        case(json!({ "who": "in both", "open": format!("{tea}?jwt=a.b.c#jwt=%22{token}%22") }), "right-room", "joined"),
        case(bearer("another room's", &tea, &other, &secret), "wrong-room", NOT_ALLOWED),
        case(json!({ "who": "no-token", "open": tea }), "no-token", NO_LOGIN),
        case(json!({ "who": "malformed", "open": format!("{tea}#jwt=%22a.b.c%22") }), "malformed-token", NO_LOGIN),
        case(bearer("wrong secret", &tea, &good, "another"), "wrong-secret", NO_LOGIN),
        case(bearer("expired", &tea, &past, &secret), "expired", NO_LOGIN),
    ]
}

/// A guest before and after somebody with a token.
fn guests(site: &Site, transport: &str) -> Vec<Case> {
    let (id, secret) = site.machine.credentials();
    let room = format!("milk-{transport}");
    let milk = meeting(&room);
    let (good, other) = (claims(&id, &room, now() + 60), claims(&id, "another", now() + 60));
    vec![
        case(json!({ "who": "guest", "open": milk }), "guest-alone-room", "lobby"),
        case(json!({ "who": "no-token", "open": format!("{milk}?login=true") }), "no-token", NO_LOGIN),
        case(bearer("another room's", &milk, &other, &secret), "wrong-room", NOT_ALLOWED),
        case(json!({ "who": "guest", "look": 0.5 }), "guest-alone-room", "lobby"),
        case(bearer("host", &milk, &good, &secret), "right-room", "joined"),
        case(json!({ "who": "guest", "until": "joined" }), "guest-with-host-room", "joined"),
        case(json!({ "who": "second guest", "open": milk }), "guest-with-host-room", "joined"),
    ]
}

/// What the token says about moderators, looked at again once jicofo has had time to act.
fn roles(site: &Site, transport: &str) -> Vec<Case> {
    let room = format!("sugar-{transport}");
    let link = |options: &[&str]| site.mint(&[&["--room", &room, "--url"], options].concat());
    vec![
        case(json!({ "who": "plain token", "open": link(&[]) }), "right-room", "joined"),
        case(json!({ "who": "plain token", "look": 2.5 }), "plain-token-role", "participant"),
        case(json!({ "who": "moderator", "open": link(&["--moderator"]) }), "right-room", "joined"),
        case(json!({ "who": "moderator", "look": 2.5 }), "moderator-role", "moderator"),
        case(json!({ "who": "plain token", "look": 0 }), "plain-token-role", "participant"),
    ]
}

/// What `verify` reports under this ID over this transport.
fn proved(report: &Value, transport: &str, case: &Case) -> String {
    let probes = report["proof"]["probes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = probes.iter().find(|probe| probe["id"] == case.probe && probe["transport"] == transport);
    let found = found.unwrap_or_else(|| panic!("verify has no “{}” over {transport}: {report:#}", case.probe));
    let word = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(role) = word(&found["role"]["role"]) {
        return role;
    }
    let said = [word(&found["outcome"]), word(&found["reason"])];
    said.into_iter().flatten().collect::<Vec<_>>().join(": ")
}

/// What the browser saw, in the words of the proof.
fn as_verify_says(seen: &str) -> &str {
    match seen {
        "joined" => "entered",
        "lobby" => "refused: waiting-for-host",
        "moderator" => "moderator",
        "participant" => "participant",
        _ => "refused",
    }
}

/// Makes the visits over both transports, prints them next to the results of `verify`, and compares.
fn agrees(site: &Site, title: &str, cases: impl Fn(&Site, &str) -> Vec<Case>) {
    let start = Instant::now();
    let run = site.machine.tool(&["verify", "--json"]);
    let mut table = format!("{title} (verify, both transports: {:.1} s)\n", start.elapsed().as_secs_f64());
    assert_eq!(run.code, 0, "{}", run.all());
    let report = run.json();
    let mut wrong = Vec::new();
    for transport in ["bosh", "websocket"] {
        let cases = cases(site, transport);
        let start = Instant::now();
        let seen = site.visits(transport, &cases.iter().map(|case| case.visit.clone()).collect::<Vec<_>>());
        writeln!(table, "  {transport}: {:.1} s", start.elapsed().as_secs_f64()).expect("a text");
        assert_eq!(seen.len(), cases.len(), "{seen:#?}");
        for (case, seen) in cases.iter().zip(&seen) {
            let word = |name: &str| seen[name].as_str().unwrap_or_default();
            let asked_role = case.probe.ends_with("-role");
            let got = match word("detail") {
                _ if asked_role => word("role").to_owned(),
                detail if word("state") == "refused" => format!("refused: {detail}"),
                _ => word("state").to_owned(),
            };
            let said = proved(&report, transport, case);
            let agreed = got == case.end && said.starts_with(as_verify_says(&got));
            writeln!(
                table,
                "    {} {:<15}{got:<48}{:>4.1} s   {:<16}{said}",
                if agreed { "✓" } else { "✗" },
                word("who"),
                seen["seconds"].as_f64().unwrap_or_default(),
                case.probe,
            )
            .expect("a text");
            if !agreed {
                wrong.push(format!("{transport}, {}: {got}, not {}; verify: {said}", word("who"), case.end));
            }
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{wrong:#?}\n{table}");
}

fn install(site: &Site, options: &[&str]) {
    says(&site.machine.tool(&[&["install", "--yes"], options].concat()), 0, &[]);
}

/// Whom the plugins of every era let in.
fn tokens(site: &Site) {
    site.machine.jicofo_answers();
    install(site, &[]);
    agrees(site, "tokens", logins);
}

/// Guests and moderators: what the plugins can do from 2022 on.
fn guests_and_roles(site: &Site) {
    site.machine.sh("apt-get install -q -y jicofo");
    install(site, &["--guests", "--web-config", "--moderators", "token"]);
    agrees(site, "guests and moderators", |site, transport| [guests(site, transport), roles(site, transport)].concat());
}

fn everything(site: &Site) {
    tokens(site);
    guests_and_roles(site);
}

#[test]
fn browser_logins_agree_with_verify_on_debian_12() {
    everything(&Site::boot("bookworm-bundled"));
}

mod thorough {
    use super::*;

    /// In 2020 jicofo is a component of Prosody's, which nothing in the bed plays, and the library needs one.
    #[test]
    fn browser_logins_agree_with_verify_in_2020() {
        let site = with_websocket("bullseye-decode");
        install(&site, &[]);
        let host_file = site.machine.text(HOST_FILE);
        let secret = host_file.lines().find_map(|line| line.trim().strip_prefix("component_secret = \""));
        let key = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(key.path(), secret.expect("a secret").trim_end_matches('"')).expect("a file");
        let _jicofo = Front::of(&site.machine, "focus.py", &[DOMAIN, &key.path().display().to_string()]);
        agrees(&site, "tokens", logins);
    }

    #[test]
    fn browser_logins_agree_with_verify_in_2022() {
        tokens(&with_websocket("bookworm-verify"));
    }

    /// The templates until 2023 have no WebSocket yet.
    fn with_websocket(profile: &str) -> Site {
        let site = Site::boot(profile);
        site.machine.edit(HOST_FILE, "s/^ *\"bosh\";/\"bosh\"; \"websocket\";/");
        site.machine.edit(
            "/etc/prosody/prosody.cfg.lua",
            "1i consider_websocket_secure = true\\ncross_domain_websocket = { \"https://meet.example.org\" }",
        );
        restart(&site.machine);
        site
    }

    #[test]
    fn browser_logins_agree_with_verify_on_debian_13() {
        everything(&Site::boot("trixie-bundled"));
    }

    #[test]
    fn browser_logins_agree_with_verify_in_2023_on_debian_11() {
        everything(&with_websocket("bullseye-bundled"));
    }

    #[test]
    fn browser_logins_agree_with_verify_in_2023_on_debian_12() {
        everything(&with_websocket("bookworm-bundled-2023"));
    }
}
