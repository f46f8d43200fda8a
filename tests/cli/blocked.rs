//! Whatever blocks a run is reported in one sentence, with how to fix it, and exit code 5.

use serde_json::json;

use super::run::{Ended, is_root, line, not_run};

const REPORTS: [&str; 5] = ["install", "install --yes", "install --dry-run", "status", "verify"];

fn blocked_report(ended: Ended, why: &str, fix: &str) {
    ended
        .stderr("")
        .stdout(&format!("✗ preflight         blocked: {why}\n{:20}{fix}\nBlocked at preflight: {why}\n", ""));
}

fn blocked_json(command: &str, ended: &Ended, why: &str, fix: &str) {
    let mut report = ended.json();
    // Only a run that could change something reports how long its steps took.
    if let Some(step) = report["steps"][0].as_object_mut() {
        step.remove("seconds");
    }
    let name = command.split(' ').next().unwrap();
    assert_eq!(report["command"], name, "{report}");
    assert_eq!(report["exit_code"], 5, "{report}");
    let step = json!({"id": "preflight", "state": "blocked", "reason": why, "fix": fix, "changes": []});
    assert_eq!(report["steps"], json!([step]));
}

#[test]
fn reports_without_root_are_blocked_at_preflight() {
    for command in REPORTS {
        blocked_report(line(command).ends(5), "must be run as root", "use sudo");
        let ended = line(&format!("{command} --json")).ends(5).stderr("");
        blocked_json(command, &ended, "must be run as root", "use sudo");
    }
}

#[test]
fn credentials_and_uninstall_require_root() {
    let sentence = "must be run as root; use sudo";
    for command in [
        "credentials show",
        "credentials show --reveal",
        "credentials show --secret-only",
        "credentials rotate",
        "credentials rotate --yes",
        "credentials rotate --dry-run",
        "uninstall",
        "uninstall --yes",
        "uninstall --dry-run",
    ] {
        line(command).ends(5).complains(sentence);
        let ended = line(&format!("{command} --json")).ends(5);
        let expected = json!({"schema": 2, "error": sentence, "exit_code": 5});
        assert_eq!(ended.json(), expected, "{command}");
        assert_eq!(ended.stderr, format!("jitsi-tokens-setup: {sentence}\n"));
    }
}

#[test]
fn mint_without_credentials_lists_missing_options() {
    line("token mint --room tea").ends(5).complains(
        "use --app-id, --app-secret-file and --domain together; they cannot be read from this machine: must be \
         run as root; use sudo",
    );
}

#[test]
fn without_prosody_the_fix_is_to_install_jitsi() {
    let name = "without_prosody_the_fix_is_to_install_jitsi";
    if !is_root() {
        return not_run(name, "the tests do not run as root");
    }
    if std::path::Path::new("/usr/bin/prosody").exists() {
        return not_run(name, "there is a Prosody on this machine");
    }
    let (why, fix) = ("Prosody is not installed (no /usr/bin/prosody)", "install Jitsi Meet first");
    for command in ["install --dry-run", "status", "verify"] {
        blocked_report(line(command).by_current_user().ends(5), why, fix);
        let ended = line(&format!("{command} --json")).by_current_user().ends(5);
        blocked_json(command, &ended, why, fix);
    }
    line("credentials show").by_current_user().ends(5).complains(&format!("{why}; {fix}"));
    let ended = line("credentials show --json").by_current_user().ends(5);
    assert_eq!(ended.json()["error"], format!("{why}; {fix}"));
}

#[test]
fn uninstall_without_a_receipt_does_nothing() {
    let name = "uninstall_without_a_receipt_does_nothing";
    if !is_root() {
        return not_run(name, "the tests do not run as root");
    }
    if std::path::Path::new("/var/lib/jitsi-tokens-setup").exists() {
        return not_run(name, "there is a receipt on this machine");
    }
    line("uninstall --dry-run")
        .by_current_user()
        .ends(0)
        .stderr("warning: nothing to undo: there is no receipt of an install on this machine\n")
        .stdout("Nothing to do.\n");
}
