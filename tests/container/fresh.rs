//! What must be true of an install on a fresh machine, its rerun and its uninstall.

use serde_json::Value;

use crate::bed::{differences, steps_in};
use crate::story::story;

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn before_anybody_gets_in_and_status_says_pending() {
    assert!(story().open_before);
    assert_eq!(story().status_before.code, 3);
    assert!(
        steps_in(&story().status_before.json(), "pending").contains(&"prosody-config".to_owned())
    );
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn an_independent_client_confirms_five_logins_and_both_rooms() {
    let cases = story().matrix["cases"].as_object().unwrap().clone();
    let names: Vec<&str> = cases.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "good",
            "other-room",
            "none",
            "wrong-secret",
            "expired",
            "wrong-issuer"
        ]
    );
    assert_eq!(story().matrix["ok"], true, "{:#}", story().matrix);
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn generated_credentials_are_32_upper_case_hex_digits() {
    let (app_id, secret) = &story().credentials;
    for value in [app_id, secret] {
        assert!(
            value.len() == 32
                && value
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)),
            "{value}"
        );
    }
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn a_preview_changes_no_byte() {
    assert_eq!(story().preview.code, 0, "{}", story().preview.all());
    assert_eq!(
        differences(&story().tree_before_preview, &story().tree_after_preview),
        Vec::<String>::new()
    );
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn a_preview_lists_exactly_the_changes_that_the_run_reports() {
    let changes = |report: &Value| {
        let steps = report["steps"].as_array().unwrap().clone();
        let listed = steps.iter().filter(|step| step["id"] != "verify");
        let text = listed
            .map(|step| format!("{}: {:#}\n", step["id"], step["changes"]))
            .collect::<String>();
        mask_generated(&text)
    };
    let (preview, run) = (
        changes(&story().preview.json()),
        changes(&story().install.json()),
    );
    assert!(
        preview.contains("luarocks") && preview.contains("diff"),
        "{preview}"
    );
    assert_eq!(preview, run);
}

/// Every run of a preview makes an id of its own.
fn mask_generated(text: &str) -> String {
    let mut masked = String::new();
    let mut run = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_digit() || ('A'..='F').contains(&c) {
            run.push(c);
            continue;
        }
        masked.push_str(if run.len() == 32 { "GENERATED" } else { &run });
        run.clear();
        masked.push(c);
    }
    masked
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn the_secret_is_in_no_argument_no_environment_and_no_output() {
    let secret = story().credentials.1.as_bytes();
    let (rounds, seen) = &story().watched;
    assert!(
        *rounds > 100 && seen.len() > 50,
        "the watch looked {rounds} times and saw {}",
        seen.len()
    );
    assert!(!seen.iter().any(|blob| contains(blob, secret)));
    for run in [
        &story().install,
        &story().rerun,
        &story().verify_text,
        &story().status_after,
        &story().uninstall,
    ] {
        assert!(!contains(run.all().as_bytes(), secret));
    }
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn the_secret_is_in_no_log_and_in_no_file_that_others_can_read() {
    let secret = story().credentials.1.as_bytes();
    let holders: Vec<_> = story()
        .written
        .iter()
        .filter(|(_, _, bytes)| contains(bytes, secret))
        .collect();
    assert!(
        !holders.is_empty(),
        "the configuration at least must hold it"
    );
    for (path, mode, _) in holders {
        assert_eq!(mode & 0o007, 0, "{path} has mode {mode:o}");
        assert!(!path.contains("/var/log/"), "{path} is a log");
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn afterwards_status_is_content_even_after_a_reboot() {
    assert_eq!(
        story().status_after.code,
        0,
        "{}",
        story().status_after.all()
    );
    assert_eq!(
        steps_in(&story().status_after.json(), "pending"),
        Vec::<String>::new()
    );
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn verify_makes_every_login_in_under_two_seconds_and_json_holds_what_the_text_shows() {
    assert_eq!((story().verify_json.code, story().verify_text.code), (0, 0));
    let proof = story().verify_json.json()["proof"].clone();
    assert_eq!(proof["verdict"], "full");
    let probes = proof["probes"].as_array().unwrap().clone();
    assert!(probes.len() >= 7, "{proof:#}");
    for probe in &probes {
        assert_eq!(probe["ok"], true);
        for field in ["name", "got"] {
            assert!(
                story()
                    .verify_text
                    .stdout
                    .contains(probe[field].as_str().unwrap()),
                "{probe}"
            );
        }
    }
    // The bound that the issue sets for an idle server; a hung probe waits for five seconds.
    assert!(
        story().verify_took.as_secs_f64() < 2.0,
        "{:?}",
        story().verify_took
    );
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn the_json_of_every_report_holds_what_its_text_shows() {
    for (json, text) in &story().twins {
        let report = json.json();
        assert_eq!(report["exit_code"], json.code);
        assert_eq!(json.code, text.code);
        for line in text.stdout.lines().filter(|line| !line.trim().is_empty()) {
            let words = line.trim().trim_start_matches(['✓', '+', '-', '✗']).trim();
            assert!(
                holds(&report, words),
                "“{words}” is not in the JSON: {report:#}"
            );
        }
    }
}

/// Whether a line of text is made of a report's strings; headings and fixed sentences of the renderer apart.
fn holds(report: &Value, line: &str) -> bool {
    let fixed = [
        "Logins against",
        "This is a preview",
        "Something is pending",
        "Nothing to do",
        "only if that fails",
    ];
    let mut strings = Vec::new();
    collect(report, &mut strings);
    let known = |part: &str| strings.iter().any(|text| text.contains(part));
    let value = line
        .split_once("  ")
        .map_or(line, |(_, value)| value)
        .trim()
        .trim_start_matches("skipped: ");
    fixed.iter().any(|start| line.starts_with(start))
        || known(line)
        || known(value)
        || line
            .split_once(' ')
            .is_some_and(|(id, rest)| known(id) && known(rest.trim()))
}

fn collect<'a>(value: &'a Value, strings: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => strings.push(text),
        Value::Array(all) => all.iter().for_each(|value| collect(value, strings)),
        Value::Object(all) => all.values().for_each(|value| collect(value, strings)),
        _ => {}
    }
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn a_second_install_changes_nothing() {
    let story = story();
    assert_eq!(story.rerun.code, 0, "{}", story.rerun.all());
    assert!(story.tree_before_rerun.len() > 500);
    let touched: Vec<_> = story
        .tree_before_rerun
        .iter()
        .filter(|(path, was)| story.tree_after_rerun.get(*path) != Some(was))
        .collect();
    assert!(touched.is_empty(), "{touched:#?}");
    assert_eq!(story.tree_before_rerun.len(), story.tree_after_rerun.len());
    assert_eq!(story.pid_before_rerun, story.pid_after_rerun);
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn a_second_install_starts_a_handful_of_children_and_talks_to_prosody_only() {
    let calls = &story().rerun_calls;
    let ours = calls
        .rsplit_once("execve(\"/opt/jitsi-tokens-setup/jitsi-tokens-setup\"")
        .expect("the tool ran")
        .1;
    let children = ours
        .lines()
        .filter(|line| line.contains("execve(") && line.ends_with("= 0"))
        .count();
    assert!(
        (1..=10).contains(&children),
        "{children} children:\n{calls}"
    );
    let foreign: Vec<&str> = ours
        .lines()
        .filter(|line| line.contains("connect(") && line.contains("AF_INET"))
        .filter(|line| !line.contains("sin_port=htons(5280)"))
        .collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
    assert!(
        ours.contains("htons(5280)"),
        "it logs in to Prosody:\n{calls}"
    );
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn uninstall_gives_the_machine_back() {
    let story = story();
    assert_eq!(story.uninstall_preview.code, 0);
    assert_eq!(story.uninstall.code, 0, "{}", story.uninstall.all());
    let lines = |text: &str| {
        text.lines()
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (before, after) = (lines(&story.state_before), lines(&story.state_after));
    let gone: Vec<_> = before.difference(&after).collect();
    let new: Vec<_> = after.difference(&before).collect();
    assert!(before.len() > 150, "{}", story.state_before);
    assert!(
        gone.is_empty() && new.is_empty(),
        "gone: {gone:#?}\nnew: {new:#?}"
    );
    assert!(story.open_after, "people get in as before");
    assert_eq!(story.leftovers.trim(), "/run/jitsi-tokens-setup.lock");
}
