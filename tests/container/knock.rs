//! `uninstall` while somebody knocks without a token, 20 times a second: nobody gets in before the configuration from
//! before the install is in force, and other hosts in the file stay as closed as they were.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::bed::{DOMAIN, FRESH, HOST_FILE, LISTENING, Machine, says, text};
use crate::story::{provisioned, story};

/// Another site in the same file, closed by hand, in the spellings that the removal scripts of all years look for.
const SECOND: &str = "
VirtualHost \"second.example.org\"
    authentication = \"token\" -- do not delete me
    app_id=\"theirs\"
    app_secret=\"their-secret\"
    c2s_require_encryption = false
VirtualHost \"third.example.org\"
    authentication = \"token\"
    app_id=\"theirs\"
    app_secret=\"their-secret\"
    c2s_require_encryption = false
Component \"conference.second.example.org\" \"muc\"
    modules_enabled = {
        \"token_verification\";
    }
-- With authentication = \"token\" people need a token.
";

/// The running client.
struct Knocking(Child);

impl Knocking {
    fn start(machine: &Machine) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client/knock.py");
        let file = machine.root().join(HOST_FILE.trim_start_matches('/'));
        let (script, file) = (script.display().to_string(), file.display().to_string());
        let hosts = [DOMAIN, "second.example.org", "third.example.org"];
        let program = [&["python3", &script, "--file", &file][..], &hosts].concat();
        let child =
            machine.beside(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self(child.expect("it starts"))
    }

    fn stop(mut self) -> Value {
        drop(self.0.stdin.take());
        let output = self.0.wait_with_output().expect("it ends");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", text(&output.stderr)))
    }
}

/// The hash of the host file without what [`SECOND`] added.
fn original_hash(machine: &Machine) -> String {
    let added = SECOND.len();
    let sum = machine.sh(&format!("head -c -{added} {HOST_FILE} | sha256sum"));
    sum.split(' ').next().unwrap_or_default().to_owned()
}

/// `hash` is that of the host file before the install.
fn nobody_gets_in_too_early(machine: &Machine, hash: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("second"), SECOND).expect("a file");
    let host_file = machine.root().join(HOST_FILE.trim_start_matches('/'));
    let before = std::fs::read(&host_file).expect("the host file");
    std::fs::write(&host_file, [&before, SECOND.as_bytes()].concat()).expect("it is written");
    machine.sh(&format!("systemctl restart prosody; sleep 0.5; {LISTENING}"));

    let knocking = Knocking::start(machine);
    sleep(Duration::from_secs(1));
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    sleep(Duration::from_secs(1));
    let seen = knocking.stop();

    let whole = machine.sh(&format!("sha256sum {HOST_FILE}"));
    let accepted = seen["accepted"].as_array().expect("a list");
    let kinds: BTreeSet<(&str, bool)> = accepted
        .iter()
        .map(|login| {
            let host = login["host"].as_str().unwrap_or_default();
            let hash = login["file"].as_str().unwrap_or_default();
            (host, whole.starts_with(hash))
        })
        .collect();
    println!("{} logins in {} s, {} accepted", seen["tried"], seen["seconds"], accepted.len());
    assert_eq!(kinds, BTreeSet::from([(DOMAIN, true)]), "{seen}");
    let (tried, seconds) = (seen["tried"].as_f64(), seen["seconds"].as_f64());
    assert!(tried > seconds.map(|seconds| seconds * 18.0), "{seen}");

    let file = std::fs::read(&host_file).expect("the host file");
    assert!(file.ends_with(SECOND.as_bytes()), "{}", text(&file));
    assert_eq!(original_hash(machine), hash, "{}", text(&file));
}

#[test]
fn nobody_gets_in_before_the_old_configuration_is_active() {
    let machine = Machine::boot(provisioned());
    let line = story()
        .state_before
        .lines()
        .find(|line| line.ends_with(HOST_FILE.trim_start_matches('/')) && !line.starts_with("etc/"));
    let hash = line.and_then(|line| line.split(' ').next()).expect("a hash");
    nobody_gets_in_too_early(&machine, hash);
}

mod thorough {
    use super::*;

    fn on(profile: &str) {
        assert_ne!(profile, FRESH);
        let machine = Machine::boot(profile);
        machine.jicofo_answers();
        let hash = machine.sh(&format!("sha256sum {HOST_FILE}"));
        let hash = hash.split(' ').next().unwrap_or_default();
        says(&machine.tool(&["install", "--yes"]), 0, &[]);
        nobody_gets_in_too_early(&machine, hash);
    }

    #[test]
    fn the_same_on_bookworm() {
        on("bookworm-bundled");
    }

    #[test]
    fn the_same_on_trixie() {
        on("trixie-bundled");
    }
}
