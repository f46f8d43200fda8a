//! Recorders have an account and no token: they are let in when tokens are turned on, which is proved with a temporary
//! account that is removed in any case; a host on which anybody can get an account is not let in.

use std::process::Stdio;
use std::time::Duration;

use crate::bed::{HOST_FILE, Machine, got, says};

const RECORDER: &str = "recorder.meet.example.org";
const ALLOWLIST: &str = "token_verification_allowlist";
const PASSWORD: &str = "jibri-password";

/// A machine whose site has a host for recorders, with one account.
pub fn with_recorder(profile: &str) -> Machine {
    let machine = Machine::boot(profile);
    if !machine.text(HOST_FILE).contains(&format!("VirtualHost \"{RECORDER}\"")) {
        machine.sh(&format!(
            "printf '\\nVirtualHost \"{RECORDER}\"\\n    authentication = \"internal_hashed\"\\n    c2s_require_encryption = false\\n' >>{HOST_FILE}; systemctl restart prosody"
        ));
    }
    machine.program(&["prosodyctl", "register", "jibri", RECORDER, PASSWORD]);
    machine.jicofo_answers();
    machine
}

/// The accounts on that host, and this program's record of its own account.
fn accounts(machine: &Machine) -> Vec<String> {
    let found = machine.sh(
        "cd /var/lib/prosody/recorder*/accounts && ls; ls /var/lib/jitsi-tokens-setup 2>/dev/null | grep probe || true",
    );
    found.lines().map(str::to_owned).collect()
}

fn enters(machine: &Machine) -> bool {
    machine.recorder(&format!("jibri@{RECORDER}"), PASSWORD) == "entered"
}

/// `alone`: whether the list alone lets the recorder in. Until spring 2022, the plugins keep nobody out for lack of a
/// token.
fn full_lifecycle(profile: &str, alone: bool) {
    let machine = with_recorder(profile);
    let before = machine.text(HOST_FILE);
    let plan = machine.tool(&["install", "--dry-run"]);
    says(&plan, 0, &[&format!("add \"{RECORDER}\", which enters rooms without a token, to {ALLOWLIST} of")]);
    assert_eq!(accounts(&machine), ["jibri.dat"], "a preview makes no account");

    let run = machine.tool(&["install", "--yes", "--json"]);
    assert_eq!(run.code, 0, "{}", run.all());
    assert_eq!(got(&run.json(), "recorder-room"), "entered", "{}", run.all());
    assert_eq!(accounts(&machine), ["jibri.dat"]);
    assert!(enters(&machine));

    // The running Prosody has loaded another list than the file has.
    let right = machine.text(HOST_FILE);
    machine.edit(HOST_FILE, &format!("s/^\\( *{ALLOWLIST} = \\).*/\\1{{ }}/"));
    machine.systemctl("restart", "prosody");
    assert_eq!(machine.tool(&["status"]).code, 3);
    assert_ne!(enters(&machine), alone);
    machine.set_text(HOST_FILE, &right);
    if alone {
        says(&machine.tool(&["verify"]), 4, &["recorders cannot enter rooms"]);
    }
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    assert!(enters(&machine));

    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(machine.text(HOST_FILE), before);
    assert_eq!(accounts(&machine), ["jibri.dat"]);
}

#[test]
fn a_recorder_gets_in_once_tokens_are_on() {
    full_lifecycle("bookworm-bundled", true);
}

#[test]
fn the_account_of_a_killed_proof_is_removed_by_the_next_run() {
    let machine = with_recorder("bookworm-bundled");
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    let mut proof = machine.command(&["verify"]).stdout(Stdio::null()).spawn().expect("it starts");
    let folder = machine.root().join("var/lib/prosody/recorder%2emeet%2eexample%2eorg/accounts");
    let made = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("jts");
    let names = || std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    while !names().any(|name| made(&name)) {
        assert!(proof.try_wait().expect("it runs").is_none(), "verify ended without an account");
        std::thread::sleep(Duration::from_millis(2));
    }
    machine.program(&["pkill", "-KILL", "-x", "jitsi-tokens-se"]);
    let _ = proof.wait();
    let left = accounts(&machine);
    assert_eq!(left.len(), 3, "jibri's, the proof's and its note: {left:?}");
    says(&machine.tool(&["verify"]), 0, &[]);
    assert_eq!(accounts(&machine), ["jibri.dat"]);
}

#[test]
fn a_host_with_open_registration_is_not_allowed() {
    let machine = with_recorder("bookworm-bundled");
    machine.edit(HOST_FILE, &format!("s/^VirtualHost \"{RECORDER}\"/&\\n    allow_registration = true/"));
    machine.systemctl("restart", "prosody");
    let run = machine.tool(&["install", "--yes", "--json"]);
    assert_eq!(run.code, 0, "{}", run.all());
    assert_eq!(got(&run.json(), "recorder-room"), "");
    assert!(!machine.text(HOST_FILE).contains(ALLOWLIST));
}

mod thorough {
    use super::*;

    #[test]
    fn a_recorder_gets_in_on_debian_11_with_plugins_of_2020() {
        full_lifecycle("bullseye-decode", false);
    }

    #[test]
    fn a_recorder_gets_in_on_debian_12_with_plugins_of_2022() {
        full_lifecycle("bookworm-verify", false);
    }

    #[test]
    fn a_recorder_gets_in_on_debian_12_with_plugins_of_2023() {
        full_lifecycle("bookworm-bundled-2023", true);
    }

    #[test]
    fn a_recorder_gets_in_on_debian_13() {
        full_lifecycle("trixie-bundled", true);
    }
}
