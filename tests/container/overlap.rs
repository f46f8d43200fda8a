//! `credentials rotate --keep-old`: both secrets are valid for a time, which ends by itself; under load, after a
//! reboot, without the tool, and wherever the rotation is killed.

use std::process::Stdio;

use serde_json::Value;

use crate::bed::{DOMAIN, LISTENING, Machine, Run, TOOL, got, says, steps_in, written};
use crate::kill_subject::{KEEP_OLD, Subject, sample, seed, with_packages};
use crate::story::STATE;

const KEYS: &str = "/etc/prosody/jts-token-keys.meet.example.org.json";
const MODULE: &str = "/usr/share/jitsi-meet/prosody-plugins/mod_jts_token_keys.lua";

/// An installed machine with a stand-in for jicofo, its state before, and the credentials.
fn installed(profile: &str) -> (Machine, String, (String, String)) {
    let machine = Machine::boot(&with_packages(profile));
    machine.jicofo_answers();
    let before = machine.sh(STATE);
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    let credentials = machine.credentials();
    (machine, before, credentials)
}

fn rotate(machine: &Machine, options: &[&str]) -> Run {
    machine.tool(&[&["credentials", "rotate", "--yes", "--json"], options].concat())
}

/// The outcome of a login with this secret, by the independent client.
fn login(machine: &Machine, (app_id, secret): &(String, String)) -> String {
    let (_file, key) = written(secret);
    let seen = machine.login(&["--host", DOMAIN, "--secret-file", &key, "--iss", app_id]);
    seen["login"].as_str().unwrap_or_default().to_owned()
}

/// When the old secret expires, in seconds since 1970.
fn end(machine: &Machine) -> f64 {
    let keys: Value = serde_json::from_str(&machine.text(KEYS)).expect("JSON");
    keys["earlier"][0]["until"].as_f64().expect("a time")
}

/// A token with the old secret is valid; if it has expired, that is all that is wrong with it.
fn judged_like_the_server(machine: &Machine, (app_id, secret): &(String, String)) {
    machine.sh(&format!("printf %s {secret} > /root/old-secret"));
    let mint = |more: &str| {
        machine.sh(&format!(
            "{TOOL} token mint --room tea --app-id {app_id} --app-secret-file /root/old-secret --domain {DOMAIN} {more} \
             > /root/token"
        ));
    };
    mint("");
    says(&machine.tool(&["token", "inspect", "--file", "/root/token"]), 0, &["signature: right"]);
    mint("--claim exp=1000000000");
    let run = machine.tool(&["verify", "--token-file", "/root/token"]);
    says(&run, 4, &["expired"]);
    assert!(!run.all().contains("signature"), "{}", run.all());
}

/// Everything that can happen, and back.
fn full_lifecycle(profile: &str) {
    let (machine, before, old) = installed(profile);
    let hook = "cat > /root/handed; env > /root/environment; tr '\\0' ' ' < /proc/$$/cmdline > /root/arguments";
    let run = rotate(&machine, &["--keep-old", "1h", "--deploy-hook", hook]);
    assert_eq!(run.code, 0, "{}", run.all());
    assert_eq!(got(&run.json(), "old-credentials"), "accepted", "{}", run.all());
    let new = machine.credentials();
    assert_ne!(new.1, old.1);
    for secret in [&old.1, &new.1] {
        assert!(!run.all().contains(secret.as_str()));
        assert!(!machine.sh("cat /root/environment /root/arguments").contains(secret.as_str()));
    }
    assert_eq!(machine.text("/root/handed"), new.1);
    assert_eq!(machine.access(KEYS).trim(), "640 root:prosody");
    machine.assert_proved();
    assert_eq!((login(&machine, &old), login(&machine, &new)), ("accepted".to_owned(), "accepted".to_owned()));
    says(&machine.tool(&["status"]), 0, &["the old secret is accepted until "]);
    says(&machine.tool(&["credentials", "show"]), 0, &["# the old secret is accepted until "]);
    judged_like_the_server(&machine, &old);

    // The module is gone, and Prosody was restarted without it.
    machine.remove(MODULE);
    machine.sh(&format!("systemctl restart prosody; sleep 1; {LISTENING}"));
    assert_ne!(login(&machine, &old), "accepted");
    says(&machine.tool(&["status"]), 3, &[]);
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    assert_eq!((login(&machine, &old), login(&machine, &new)), ("accepted".to_owned(), "accepted".to_owned()));

    // Another rotation on top: all three are valid, until `--end-now` ends the old ones.
    assert_eq!(rotate(&machine, &["--keep-old", "1h"]).code, 0);
    let newest = machine.credentials();
    for credentials in [&old, &new, &newest] {
        assert_eq!(login(&machine, credentials), "accepted");
    }
    // The secret in use is no old one, even if it is given as the new one.
    machine.sh(&format!("umask 077; printf %s '{}' > /root/same", newest.1));
    assert_eq!(rotate(&machine, &["--keep-old", "1h", "--app-secret-file", "/root/same"]).code, 0);
    let pid = machine.prosody_pid();
    let ended = rotate(&machine, &["--end-now"]);
    assert_eq!((ended.code, steps_in(&ended.json(), "done")), (0, vec!["token-keys".to_owned()]), "{}", ended.all());
    assert!(got(&ended.json(), "old-credentials").starts_with("re"), "{}", ended.all());
    assert_eq!(machine.prosody_pid(), pid, "nothing is restarted");
    for (credentials, seen) in [(&old, "refused"), (&new, "refused"), (&newest, "accepted")] {
        assert_eq!(login(&machine, credentials), seen);
    }
    says(&machine.tool(&["status"]), 0, &["only the current secret is accepted"]);
    assert_eq!(machine.tool(&["install", "--yes", "--json"]).json()["pending"], false);

    // If a hook fails, the run fails, and the new secret stays.
    let failed = rotate(&machine, &["--keep-old", "1h", "--deploy-hook", "echo no such host >&2; exit 7"]);
    says(&failed, 1, &["exit code 7: no such host"]);
    assert_eq!(
        (login(&machine, &newest), login(&machine, &machine.credentials())),
        ("accepted".into(), "accepted".into())
    );
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(machine.sh(STATE), before);
}

#[test]
fn both_secrets_are_valid_until_end_now() {
    full_lifecycle("bookworm-bundled");
}

/// It ends by the clock of Prosody's machine alone.
#[test]
fn the_old_secret_expires_even_without_the_tool() {
    let (machine, _, old) = installed("bookworm-bundled");
    assert_eq!(rotate(&machine, &["--keep-old", "25s"]).code, 0);
    let new = machine.credentials();
    // What a removed package leaves behind.
    machine.sh(&format!("rm -r /var/lib/jitsi-tokens-setup; systemctl restart prosody; {LISTENING}"));
    machine.sh(&format!("while [ $(date +%s) -le {} ]; do sleep 0.2; done", end(&machine)));
    assert_eq!((login(&machine, &old), login(&machine, &new)), ("refused".to_owned(), "accepted".to_owned()));
    says(&machine.tool(&["status"]), 0, &["the old secret has been rejected since "]);
}

/// What happens to logins with the old and the new secret in turn, five times a second.
fn nobody_is_locked_out(profile: &str, keep: &str, seconds: f64) {
    let (machine, _, old) = installed(profile);
    let new = "the-secret-that-comes-next";
    let ((_old, old_file), (_new, new_file)) = (written(&old.1), written(new));
    machine.sh(&format!("umask 077; printf %s {new} > /root/next"));
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client/steady.py");
    let seconds = (seconds + 35.0).to_string();
    let clients = machine
        .beside(&["python3", client, DOMAIN, &old.0, &old_file, &new_file, &seconds])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let run = rotate(&machine, &["--keep-old", keep, "--app-secret-file", "/root/next"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let ends = end(&machine);
    let output = clients.wait_with_output().expect("it ends");
    let seen: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    judge(&seen, ends, keep);
}

fn judge(seen: &[Value], ends: f64, keep: &str) {
    let at = |one: &Value| one["at"].as_f64().expect("a time");
    let of = |whose: &str| seen.iter().filter(|one| one["whose"] == whose).collect::<Vec<_>>();
    let is = |one: &Value, what: &str| one["login"] == what;
    let first_new = of("new").into_iter().find(|one| is(one, "accepted")).map(at).expect("the new secret is accepted");
    let gaps: Vec<f64> = seen.iter().filter(|one| !is(one, "accepted") && !is(one, "refused")).map(at).collect();
    let span = |times: &[f64]| times.last().copied().unwrap_or_default() - times.first().copied().unwrap_or_default();
    // Clocks tick in seconds, and a login may begin before the end and be judged after it.
    let inside = of("old").into_iter().filter(|one| at(one) < ends - 2.0).collect::<Vec<_>>();
    let after = of("old").into_iter().filter(|one| at(one) > ends).collect::<Vec<_>>();
    println!(
        "--keep-old {keep}: {} logins, {} of them without an answer within {:.1} s (the restart); inside the window {} \
         with the old secret and {} with the new one, {} with the old one after it",
        seen.len(),
        gaps.len(),
        span(&gaps),
        inside.len(),
        of("new").into_iter().filter(|one| is(one, "accepted")).count(),
        after.len(),
    );
    let refused: Vec<_> = inside.iter().filter(|one| is(one, "refused")).collect();
    assert!(refused.is_empty(), "the old secret is refused inside the window: {refused:#?}");
    let refused: Vec<_> = of("new").into_iter().filter(|one| at(one) > first_new && is(one, "refused")).collect();
    assert!(refused.is_empty(), "the new secret is refused after the restart: {refused:#?}");
    assert!(inside.iter().filter(|one| at(one) > first_new).count() > 10 && after.len() > 10, "too few logins");
    assert!(after.iter().all(|one| is(one, "refused")), "the old secret is not refused after the window: {after:#?}");
    assert!(span(&gaps) < 30.0, "the restart took {:.1} s", span(&gaps));
}

#[test]
fn nobody_is_locked_out_while_secrets_change() {
    nobody_is_locked_out("bookworm-bundled", "30s", 30.0);
}

#[test]
fn a_killed_rotation_with_overlap_leaves_working_secrets() {
    let mut subject = Subject::new(&with_packages("bookworm-bundled"), KEEP_OLD);
    let points = subject.points();
    assert!(points.len() > 40, "{points:#?}");
    subject.go_through(&sample(&points, seed(), 0, 4));
}

mod thorough {
    use super::*;
    use crate::bed::each;

    #[test]
    fn both_secrets_are_valid_in_every_era() {
        let profiles = ["bullseye-verify", "bookworm-verify", "bullseye-bundled", "bookworm-bundled-2023"];
        let later = ["bookworm-bundled-2024", "trixie-bundled", "forky-bundled"];
        each(&[&profiles[..], &later].concat(), |profile| full_lifecycle(profile));
    }

    #[test]
    fn nobody_is_locked_out_within_a_minute() {
        nobody_is_locked_out("bookworm-bundled", "1m", 60.0);
    }

    #[test]
    fn nobody_is_locked_out_in_any_era() {
        each(&["bookworm-verify", "bullseye-bundled", "trixie-bundled"], |profile| {
            nobody_is_locked_out(profile, "30s", 30.0);
        });
    }
}
