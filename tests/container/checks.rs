//! What must hold for an install on a fresh machine, its rerun and its uninstall, whatever the pairing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::bed::{changes_in_words, steps_in};
use crate::story::Story;
use crate::tree::differences;

/// A check, with its name.
type Check = (&'static str, fn(&Story));

/// All checks.
pub const ALL: [Check; 14] = [
    ("at_first_anyone_gets_in_and_changes_are_pending", at_first_anyone_gets_in_and_changes_are_pending),
    (
        "an_independent_client_confirms_five_logins_and_both_rooms",
        an_independent_client_confirms_five_logins_and_both_rooms,
    ),
    ("generated_credentials_are_32_upper_case_hex_digits", generated_credentials_are_32_upper_case_hex_digits),
    ("a_preview_changes_nothing", a_preview_changes_nothing),
    ("a_preview_lists_exactly_the_changes_of_the_run", a_preview_lists_exactly_the_changes_of_the_run),
    ("status_and_preview_are_consistent", status_and_preview_are_consistent),
    ("the_secret_is_not_in_processes_or_output", the_secret_is_not_in_processes_or_output),
    ("the_secret_is_not_in_logs_or_readable_files", the_secret_is_not_in_logs_or_readable_files),
    ("status_is_clean_even_after_a_reboot", status_is_clean_even_after_a_reboot),
    ("verify_tries_every_login_and_json_is_complete", verify_tries_every_login_and_json_is_complete),
    ("json_reports_contain_everything_in_the_text", json_reports_contain_everything_in_the_text),
    ("a_second_install_changes_nothing", a_second_install_changes_nothing),
    ("a_second_install_connects_only_to_prosody", a_second_install_connects_only_to_prosody),
    ("uninstall_undoes_everything", uninstall_undoes_everything),
];

pub fn at_first_anyone_gets_in_and_changes_are_pending(story: &Story) {
    assert!(story.open_before);
    assert_eq!(story.status_before.code, 3);
    assert!(steps_in(&story.status_before.json(), "pending").contains(&"prosody-config".to_owned()));
}

pub fn an_independent_client_confirms_five_logins_and_both_rooms(story: &Story) {
    let cases = story.matrix["cases"].as_object().unwrap().clone();
    let names: Vec<&str> = cases.keys().map(String::as_str).collect();
    assert_eq!(names, ["good", "other-room", "none", "wrong-secret", "expired", "wrong-issuer"]);
    assert_eq!(story.matrix["ok"], true, "{:#}", story.matrix);
}

pub fn generated_credentials_are_32_upper_case_hex_digits(story: &Story) {
    let (app_id, secret) = &story.credentials;
    for value in [app_id, secret] {
        assert!(
            value.len() == 32 && value.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)),
            "{value}"
        );
    }
}

pub fn a_preview_changes_nothing(story: &Story) {
    assert_eq!(story.preview.code, 0, "{}", story.preview.all());
    assert_eq!(differences(&story.tree_before_preview, &story.tree_after_preview), Vec::<String>::new());
}

/// The changes of all steps except `verify`, as text; the app ID that a run generated is replaced by its placeholder.
fn changes(story: &Story, report: &Value) -> String {
    let steps = report["steps"].as_array().unwrap().clone();
    let listed = steps.iter().filter(|step| step["id"] != "verify");
    let text: String = listed.map(|step| format!("{}: {:#}\n", step["id"], step["changes"])).collect();
    text.replace(&story.credentials.0, ANNOUNCED)
}

/// The placeholder for an app ID that a run would generate.
const ANNOUNCED: &str = "generated-by-install";

pub fn a_preview_lists_exactly_the_changes_of_the_run(story: &Story) {
    let preview = changes(story, &story.preview.json());
    assert!(preview.contains("prosody-config") && preview.contains("diff"), "{preview}");
    assert_eq!(preview, changes(story, &story.install.json()));
}

pub fn status_and_preview_are_consistent(story: &Story) {
    let (status, preview) = (story.status_before.json(), story.preview.json());
    assert_eq!(changes(story, &status), changes(story, &preview));
    for report in [&status, &preview] {
        let text = report.to_string();
        assert!(text.contains(ANNOUNCED), "{text}");
        assert!(!text.contains("debconf has other credentials"), "{text}");
        let steps = report["steps"].as_array().unwrap();
        let commands: Vec<&Value> = steps.iter().flat_map(|step| step["changes"].as_array().unwrap()).collect();
        for (number, command) in commands.iter().enumerate() {
            assert!(!commands[..number].contains(command), "twice: {command}");
        }
        // No step reports something as present that another step reports as missing.
        let said = |state: &str| -> String {
            let those = steps.iter().filter(|step| step["state"] == state);
            those.map(|step| format!("{}\n", step["reason"])).collect()
        };
        let satisfied = said("satisfied");
        for module in said("pending").split("module '").skip(1) {
            let module = module.split('\'').next().unwrap();
            assert!(!satisfied.contains(&format!("{module} loads")), "{satisfied}");
        }
        assert!(!satisfied.contains("every Lua module"), "{satisfied}");
        assert!(!satisfied.contains("restarted since the last change"), "{satisfied}");
    }
}

pub fn the_secret_is_not_in_processes_or_output(story: &Story) {
    let secret = story.credentials.1.as_bytes();
    let (rounds, seen) = &story.watched;
    assert!(*rounds > 20 && seen.len() > 20, "the watch looked {rounds} times and saw {}", seen.len());
    assert!(!seen.iter().any(|blob| contains(blob, secret)));
    for run in [&story.install, &story.rerun, &story.verify_text, &story.status_after, &story.uninstall] {
        assert!(!contains(run.all().as_bytes(), secret));
    }
}

pub fn the_secret_is_not_in_logs_or_readable_files(story: &Story) {
    let secret = story.credentials.1.as_bytes();
    let holders: Vec<_> = story.written.iter().filter(|(_, _, bytes)| contains(bytes, secret)).collect();
    assert!(!holders.is_empty(), "the configuration at least must hold it");
    for (path, mode, _) in holders {
        assert_eq!(mode & 0o007, 0, "{path} has mode {mode:o}");
        assert!(!path.contains("/var/log/"), "{path} is a log");
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

pub fn status_is_clean_even_after_a_reboot(story: &Story) {
    assert_eq!(story.status_after.code, 0, "{}", story.status_after.all());
    assert_eq!(steps_in(&story.status_after.json(), "pending"), Vec::<String>::new());
}

pub fn verify_tries_every_login_and_json_is_complete(story: &Story) {
    assert_eq!((story.verify_json.code, story.verify_text.code), (0, 0));
    let proof = story.verify_json.json()["proof"].clone();
    assert_eq!(proof["verdict"], story.proof, "{proof:#}");
    let probes = proof["probes"].as_array().unwrap().clone();
    assert!(probes.len() >= 7, "{proof:#}");
    for transport in ["bosh", "websocket"] {
        let others = proof["transports_not_tried"].as_array().cloned().unwrap_or_default();
        let reason = others.iter().find(|other| other["transport"] == transport).map(|other| other["id"].clone());
        let tried = probes.iter().any(|probe| probe["transport"] == transport);
        assert_eq!(reason, (!tried).then(|| "not-enabled".into()), "{proof:#}");
    }
    for probe in &probes {
        assert_eq!(probe["ok"], true);
        for field in ["name", "reason"] {
            let text = probe[field].as_str().unwrap_or_default();
            assert!(story.verify_text.stdout.contains(steady(text)), "{probe}");
        }
    }
}

pub fn json_reports_contain_everything_in_the_text(story: &Story) {
    for (json, text) in &story.twins {
        let report = json.json();
        assert_eq!(report["exit_code"], json.code);
        assert_eq!(json.code, text.code);
        for line in text.stdout.lines().filter(|line| !line.trim().is_empty()) {
            let words =
                steady(line).trim().trim_start_matches(['✓', '+', '-', '✗']).trim().trim_start_matches("warning: ");
            assert!(holds(&report, words), "\"{words}\" is not in the JSON: {report:#}");
        }
    }
}

/// Drops how long ago a token expired, which differs from run to run.
fn steady(text: &str) -> &str {
    match text.split_once(" (") {
        Some((before, seconds)) if seconds.contains("sec since expired") => before,
        _ => text,
    }
}

/// Whether a line of text is made of a report's strings, apart from the renderer's headings and fixed sentences.
fn holds(report: &Value, line: &str) -> bool {
    let fixed =
        ["Test logins", "Preview only", "Changes needed", "Nothing to do", "All good", "Verified", "if that fails"];
    let mut strings = Vec::new();
    collect(report, &mut strings);
    let lines = composed(report);
    strings.extend(lines.iter().map(String::as_str));
    let known = |part: &str| strings.iter().any(|text| text.contains(part));
    let value = line.split_once("  ").map_or(line, |(_, value)| value).trim().trim_start_matches("skipped: ");
    let counted = line.split_once(' ').filter(|(count, _)| count.parse::<usize>().is_ok());
    fixed.iter().any(|start| line.starts_with(start))
        || counted.is_some_and(|(_, what)| what.starts_with("change"))
        || known(line)
        || known(value)
        || line
            .split_once(' ')
            .is_some_and(|(id, rest)| known(id) && known(rest.trim().trim_start_matches("skipped: ")))
}

/// The lines of text that JSON holds in several fields: logins, changes and advice.
fn composed(report: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = ["BOSH", "WebSocket", "no answer: neither accepted nor refused"].map(str::to_owned).to_vec();
    for probe in list(&report["proof"]["probes"]) {
        // The text form calls a room that nobody opened refused.
        let outcome = word(&probe["outcome"]).replace("not-opened", "refused");
        lines.push(format!("{outcome}: {}", word(&probe["reason"])));
        lines.push(format!("{} ({})", word(&probe["role"]["role"]), word(&probe["role"]["affiliation"])));
        lines.push(word(&probe["group"]).replace('-', " "));
    }
    for other in list(&report["proof"]["transports_not_tried"]) {
        let name = word(&other["transport"]).replace("bosh", "BOSH").replace("websocket", "WebSocket");
        lines.push(format!("{name} not tested: {}", word(&other["reason"])));
    }
    for next in list(&report["next"]) {
        lines.push(format!("{}: {}", word(&next["text"]), word(&next["command"])));
    }
    lines.extend(changes_in_words(report));
    lines
}

fn collect<'a>(value: &'a Value, strings: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => strings.push(text),
        Value::Array(all) => all.iter().for_each(|value| collect(value, strings)),
        Value::Object(all) => all.values().for_each(|value| collect(value, strings)),
        _ => {}
    }
}

pub fn a_second_install_changes_nothing(story: &Story) {
    assert_eq!(story.rerun.code, 0, "{}", story.rerun.all());
    assert!(story.tree_before_rerun.len() > 500);
    let touched: Vec<_> =
        story.tree_before_rerun.iter().filter(|(path, was)| story.tree_after_rerun.get(*path) != Some(was)).collect();
    assert!(touched.is_empty(), "{touched:#?}");
    assert_eq!(story.tree_before_rerun.len(), story.tree_after_rerun.len());
    assert_eq!(story.pid_before_rerun, story.pid_after_rerun);
}

pub fn a_second_install_connects_only_to_prosody(story: &Story) {
    let calls = &story.rerun_calls;
    let ours = calls.rsplit_once("execve(\"/opt/jitsi-tokens-setup/jitsi-tokens-setup\"").expect("the tool ran").1;
    // setsid and setpriv exec the program that they start.
    let children: BTreeSet<&str> = ours
        .lines()
        .filter(|line| line.contains("execve(") && line.ends_with("= 0"))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!((1..=11).contains(&children.len()), "{} children:\n{calls}", children.len());
    let foreign: Vec<&str> = ours
        .lines()
        .filter(|line| line.contains("connect(") && line.contains("AF_INET"))
        .filter(|line| !line.contains("sin_port=htons(5280)"))
        .collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
    assert!(!ours.contains("listen("), "it opens no port:\n{calls}");
    assert!(ours.contains("htons(5280)"), "it logs in to Prosody:\n{calls}");
}

pub fn uninstall_undoes_everything(story: &Story) {
    assert_eq!(story.uninstall_preview.code, 0);
    assert_eq!(story.uninstall.code, 0, "{}", story.uninstall.all());
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (before, after) = (lines(&story.state_before), lines(&story.state_after));
    let gone: Vec<_> = before.difference(&after).collect();
    let new: Vec<_> = after.difference(&before).collect();
    assert!(before.len() > 150, "{}", story.state_before);
    assert!(gone.is_empty() && new.is_empty(), "gone: {gone:#?}\nnew: {new:#?}");
    assert!(story.open_after, "people can join as before");
    assert_eq!(story.leftovers.trim(), "/run/jitsi-tokens-setup.lock");
}
