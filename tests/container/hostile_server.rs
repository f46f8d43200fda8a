//! Servers that misbehave in every way that we could think of: `verify` ends in time and in little memory, blames the
//! server and never calls it proved. The ways are in `tests/client/hostile_ways.py`, each on a port of its own.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use serde_json::Value;

use crate::bed::{DOMAIN, Machine, text};
use crate::rooms::{APP_ID, SECRET, with_tokens};

/// The time limit of a run, whatever the server does. It takes ten seconds on an idle machine; here ten ways are tried
/// at a time, alongside other tests.
const SECONDS: f64 = 15.0;
const MEBIBYTES: f64 = 64.0;
/// A run is killed after this many seconds, so one bad way costs the whole test little.
const PATIENCE: &str = "20";
/// Runs mostly wait, so this many can share two cores.
const AT_ONCE: usize = 10;
/// The longest acceptable report on a hostile server, in bytes: nobody reads more, and it would flood a terminal.
const LONGEST_REPORT: usize = 32 << 10;
/// The port of the server that counts; the ways have the ports after it.
const PORT: u16 = 20_000;
/// How many logins are made in parallel, at least and at most: a meeting server must not be flooded.
const PARALLEL_LOGINS: std::ops::RangeInclusive<u64> = 4..=32;

fn client(script: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client");
    folder.join(script).display().to_string()
}

/// A way to misbehave, as the server lists it.
#[derive(Clone)]
struct Way {
    name: String,
    url: String,
    transport: String,
    insecure: bool,
    good: bool,
}

/// All ways, each on its port in the machine's network; stopped on drop.
pub struct HostileServer {
    child: Child,
    ways: Vec<Way>,
    /// The folder with the secret.
    _folder: tempfile::TempDir,
}

impl HostileServer {
    /// Starts it; it accepts tokens with these credentials. `certificates` is a folder on this machine.
    pub fn start(machine: &Machine, app_id: &str, secret: &str, certificates: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, secret).expect("a file");
        let file = file.display().to_string();
        let (script, port) = (client("hostile_server.py"), PORT.to_string());
        let mut words = vec!["python3", &script, &port, DOMAIN, app_id, &file];
        let certificates = certificates.map(|folder| folder.display().to_string());
        words.extend(certificates.as_deref());
        let mut command = machine.beside(&words);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("it speaks");
        let listed: Value = serde_json::from_str(&line).expect("the list of ways");
        let word = |way: &Value, name: &str| way[name].as_str().unwrap_or_default().to_owned();
        let ways = listed.as_array().expect("a list").iter().map(|way| Way {
            name: word(way, "name"),
            url: word(way, "url"),
            transport: word(way, "transport"),
            insecure: way["insecure"] == true,
            good: way["good"] == true,
        });
        Self { child, ways: ways.collect(), _folder: folder }
    }

    /// The URL of a way.
    pub fn url(&self, name: &str) -> &str {
        let way = self.ways.iter().find(|way| way.name == name);
        &way.unwrap_or_else(|| panic!("there is no way {name}")).url
    }

    /// How many connections each way had, in total and at the same time.
    fn counted(&self, machine: &Machine) -> Value {
        let script = format!(
            "import socket, sys\nconnection = socket.create_connection(('127.0.0.1', {PORT}))\n\
             sys.stdout.write(connection.makefile().read())"
        );
        let output = machine.beside(&["python3", "-c", &script]).output();
        serde_json::from_slice(&output.expect("python3 runs").stdout).expect("the counts")
    }
}

impl Drop for HostileServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The result of one run against one way.
struct Met {
    way: Way,
    code: i64,
    seconds: f64,
    late: bool,
    largest: f64,
    together: f64,
    processes: u64,
    said: String,
}

impl Met {
    /// The output's last line, which has the verdict.
    fn verdict(&self) -> String {
        let last = self.said.lines().rfind(|line| !line.trim().is_empty());
        last.unwrap_or_default().chars().take(110).collect()
    }
}

/// The `verify` command for a way.
fn logins<'a>(way: &'a Way, more: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["verify", "--url", &way.url];
    if way.transport != "both" {
        words.extend(["--transport", &way.transport]);
    }
    if way.insecure {
        words.push("--insecure");
    }
    words.extend(more);
    words
}

/// The command that uses a way as a key source.
fn keys_of<'a>(way: &'a Way, option: &[&'a str]) -> Vec<&'a str> {
    [&["install", "--dry-run"], option, &[&way.url]].concat()
}

fn meet(machine: &Machine, way: &Way, words: &[&str]) -> Met {
    let inner = machine.command(words);
    let output = std::process::Command::new("python3")
        .args([&client("bounded.py"), PATIENCE])
        .arg(inner.get_program())
        .args(inner.get_args())
        .output()
        .expect("python3 runs");
    let seen: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    let number = |name: &str| seen[name].as_f64().unwrap_or(f64::INFINITY);
    let word = |name: &str| seen[name].as_str().unwrap_or_default();
    Met {
        way: way.clone(),
        code: seen["code"].as_i64().unwrap_or(-1),
        seconds: number("seconds"),
        late: seen["late"] == true,
        largest: number("largest_mib"),
        together: number("together_mib"),
        processes: seen["processes"].as_u64().unwrap_or_default(),
        said: format!("{}{}", word("stderr"), word("stdout")),
    }
}

/// Runs the commands of all ways, a few at a time; the results are in the order of `ways`.
fn meet_all<'a>(machine: &Machine, ways: &'a [Way], words: impl Fn(&'a Way) -> Vec<&'a str> + Sync) -> Vec<Met> {
    let waiting: Mutex<VecDeque<(usize, &'a Way)>> = Mutex::new(ways.iter().enumerate().collect());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("the queue").pop_front();
                    let Some((at, way)) = next else { break };
                    let met = meet(machine, way, &words(way));
                    done.lock().expect("the results").push((at, met));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("the results");
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, met)| met).collect()
}

/// Whether a character must not reach a terminal: controls, and characters that change the order or have no width.
fn is_odd(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{e0000}'..='\u{e007f}')
}

/// Words of a program that has crashed.
const BROKEN: [&str; 5] = ["panicked", "overflow", "RUST_BACKTRACE", "memory allocation", "fatal runtime"];

/// For some ways, wordings of which the report must contain at least one.
const TRUE: [(&str, &[&str]); 21] = [
    ("http-never-answers", &["does not respond", "did not answer", "timed out"]),
    ("http-head-drip", &["does not respond", "did not answer", "timed out", "in time"]),
    ("http-web-page", &["web page"]),
    ("http-bad-gateway", &["502"]),
    ("http-redirect-loop", &["another address", "redirect"]),
    ("http-redirect-to-a-file", &["another address", "redirect"]),
    ("http-closed-after-the-request", &["closed", "disconnect", "end of file", "eof", "ended"]),
    ("http-reset-after-the-request", &["reset", "closed", "disconnect", "ended"]),
    ("xml-unterminated", &["not xmpp", "no bosh", "not bosh", "not xml", "xml", "not prosody"]),
    ("xmpp-no-mechanism", &["not loaded", "no token login", "does not offer"]),
    ("xmpp-everybody-is-in", &["anyone can join", "anyone", "everybody"]),
    ("xmpp-success-and-failure", &["anyone can join", "anyone", "everybody", "refused", "rejected", "both"]),
    ("xmpp-silent-at-login", &["neither yes nor no", "no answer", "did not answer"]),
    ("xmpp-success-first", &["signature", "refused", "rejected"]),
    ("ws-web-page", &["web page"]),
    ("ws-wrong-key", &["key", "websocket", "handshake"]),
    ("ws-closed-at-once", &["closed", "ended", "handshake"]),
    ("tls-wrong-name", &["certificate"]),
    ("tls-unknown-authority", &["certificate"]),
    ("tls-plain-http", &["tls", "encrypt", "corrupt", "certificate"]),
    ("good-over-bosh-alone", &["websocket"]),
];

/// The same for servers that are right in all but one login.
const ONLY: [(&str, &[&str]); 14] = [
    ("only-no-token", &["without a token", "no token"]),
    ("only-malformed", &["no token", "not a token", "malformed"]),
    ("only-unsigned", &["unsigned tokens", "unsigned"]),
    ("only-other-algorithm", &["other algorithm", "another algorithm", "different algorithm"]),
    ("only-secret-as-key", &["secret as public key", "public key"]),
    ("only-signature", &["another secret", "wrong secret", "different secret"]),
    ("only-expired", &["expired"]),
    ("only-not-yet", &["not yet valid"]),
    ("only-issuer", &["issuer"]),
    ("only-no-room", &["no room claim", "room claim"]),
    ("only-wrong-room", &["every token opens every room", "any room", "every room"]),
    ("only-wrong-domain", &["another site", "wrong domain", "domain"]),
    ("only-every-room", &["every room"]),
    ("only-right-room", &["its own room", "right room", "its room"]),
];

/// What is wrong with a run.
fn faults(met: &Met) -> Vec<String> {
    // All its logins are right, and rooms could not be tried: the proof is called partial.
    let partial = met.way.name == "xmpp-jicofo-is-never-ready" && met.said.contains("Partly verified");
    let wanted = if met.way.good || partial { 0 } else { 4 };
    let mut wrong = unbounded(met, &[wanted]);
    let said = met.said.to_lowercase();
    let words = TRUE.iter().chain(&ONLY).find(|(name, _)| *name == met.way.name);
    if let Some((_, words)) = words.filter(|(_, words)| !words.iter().any(|word| said.contains(word))) {
        wrong.push(format!("says none of {words:?}"));
    }
    wrong
}

/// What no server may do to any command.
fn unbounded(met: &Met, codes: &[i64]) -> Vec<String> {
    let mut wrong = Vec::new();
    if !codes.contains(&met.code) {
        wrong.push(format!("exit {}, not {codes:?}", met.code));
    }
    if met.seconds > SECONDS {
        let more = if met.late { "over " } else { "" };
        wrong.push(format!("{more}{} s", met.seconds));
    }
    let memory = met.largest.max(met.together);
    if memory > MEBIBYTES {
        wrong.push(format!("{memory} MiB"));
    }
    if met.said.len() > LONGEST_REPORT {
        wrong.push(format!("{} KiB of output", met.said.len() >> 10));
    }
    if let Some(odd) = met.said.chars().find(|c| is_odd(*c)) {
        wrong.push(format!("prints {odd:?}"));
    }
    let broken = BROKEN.iter().find(|word| met.said.contains(**word));
    wrong.extend(broken.map(|word| format!("prints \"{word}\"")));
    wrong
}

/// Prints the table; returns the faults.
fn judged(all: &[Met], faults: impl Fn(&Met) -> Vec<String>) -> Vec<String> {
    println!("way | exit | s | MiB of the largest | MiB together | processes | verdict");
    let mut wrong = Vec::new();
    for met in all {
        println!(
            "{} | {} | {:.1} | {:.0} | {:.0} | {} | {}",
            met.way.name,
            met.code,
            met.seconds,
            met.largest,
            met.together,
            met.processes,
            met.verdict().escape_debug()
        );
        let faults = faults(met);
        if !faults.is_empty() {
            wrong.push(format!("{}: {}", met.way.name, faults.join("; ")));
        }
    }
    wrong
}

/// Certificates: from a trusted authority, for this server and for another name; from an unknown authority; and one
/// followed by a megabyte of other certificates.
const CERTIFICATES: &str = "set -e; mkdir -p /root/tls /etc/ssl/certs; cd /root/tls
key() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \"$@\" 2>/dev/null; }
key -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.crt
for pair in good=IP:127.0.0.1 wrong-name=DNS:other.example.org; do
  name=${pair%%=*}; key -subj /CN=$name -keyout $name.key -out $name.csr
  printf 'basicConstraints=CA:FALSE\\nsubjectAltName=%s\\n' ${pair#*=} > extra
  openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extra -out $name.crt 2>/dev/null
  cat $name.key $name.crt > $name.pem
done
key -x509 -days 2 -subj /CN=unknown -addext subjectAltName=IP:127.0.0.1 -keyout unknown.key -out unknown.crt
cat unknown.key unknown.crt > unknown.pem
{ cat good.pem; for i in $(seq 2500); do cat ca.crt; done; } > chain.pem
cat ca.crt >> /etc/ssl/certs/ca-certificates.crt";

#[test]
fn verify_copes_with_every_hostile_server() {
    let started = Instant::now();
    let machine = with_tokens("bookworm-bundled");
    machine.sh(CERTIFICATES);
    let certificates = machine.root().join("root/tls");
    let server = HostileServer::start(&machine, APP_ID, SECRET, Some(&certificates));
    let bad = server.ways.iter().filter(|way| !way.good).count();
    assert!(bad >= 45, "{bad} ways");
    let mut wrong = judged(&meet_all(&machine, &server.ways, |way| logins(way, &[])), faults);
    // Output for programs may reach a terminal as well.
    let odd = |way: &&Way| way.name.contains("odd") || way.name.contains("stream-error");
    let odd: Vec<Way> = server.ways.iter().filter(odd).cloned().collect();
    for met in meet_all(&machine, &odd, |way| logins(way, &["--json"])) {
        let json = serde_json::from_str::<Value>(&met.said).is_ok();
        if !json || met.said.chars().any(is_odd) {
            wrong.push(format!("{} --json: {:?}", met.way.name, met.said));
        }
    }
    let counted = server.counted(&machine);
    for name in ["good-late-bosh", "good-late-websocket"] {
        let most = counted[name]["at_once"].as_u64().unwrap_or_default();
        println!("{name}: {most} connections at the same time");
        if !PARALLEL_LOGINS.contains(&most) {
            wrong.push(format!("{name}: {most} logins side by side, not {PARALLEL_LOGINS:?}"));
        }
    }
    println!("{} ways in {:.0} s", server.ways.len(), started.elapsed().as_secs_f64());
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A key source is a stranger too: whatever it answers, a preview ends in time and believes nothing but keys.
fn previews_cope_with(options: &[&[&str]], part: usize) {
    let machine = with_tokens("bookworm-bundled");
    machine.sh(CERTIFICATES);
    let certificates = machine.root().join("root/tls");
    let server = HostileServer::start(&machine, APP_ID, SECRET, Some(&certificates));
    let is_one = |way: &&Way| ["http-", "tls-", "keys-"].iter().any(|kind| way.name.starts_with(kind)) && !way.good;
    let ways: Vec<Way> = server.ways.iter().filter(is_one).step_by(part).cloned().collect();
    let mut wrong = Vec::new();
    for option in options {
        let started = Instant::now();
        let all = meet_all(&machine, &ways, |way| keys_of(way, option));
        wrong.extend(judged(&all, |met| {
            // Keys that the plugins would accept are not a fault, nor is a key server that does not have a file.
            let taken = met.way.name.starts_with("keys-") || met.said.contains("which keys it has is not known");
            unbounded(met, if taken { &[0, 1, 5] } else { &[1, 5] })
        }));
        println!("{option:?}: {} ways in {:.0} s", ways.len(), started.elapsed().as_secs_f64());
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_preview_copes_with_some_hostile_key_sources() {
    previews_cope_with(&[&["--jwks"]], 4);
}

mod thorough {
    #[test]
    fn a_preview_copes_with_every_hostile_key_source() {
        let options: [&[&str]; 3] = [&["--jwks"], &["--key-server"], &["--client-id=jitsi", "--oidc"]];
        super::previews_cope_with(&options, 1);
    }
}
