use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{escaped, json, line, lines, mask};
use crate::host::secret::{Known, Secret};

const TRICKS: [char; 22] = [
    '\u{1b}',
    '\u{7}',
    '\u{7f}',
    '\u{80}',
    '\u{9b}',
    '\u{9f}',
    '\u{ad}',
    '\u{61c}',
    '\u{200b}',
    '\u{200f}',
    '\u{2028}',
    '\u{2029}',
    '\u{202a}',
    '\u{202e}',
    '\u{2060}',
    '\u{2066}',
    '\u{2069}',
    '\u{fe00}',
    '\u{feff}',
    '\u{fffb}',
    '\u{e0041}',
    '\u{e0100}',
];

#[test]
fn deceptive_characters_are_shown_escaped() {
    for trick in TRICKS {
        let text = format!("a{trick}b");
        let shown = line(&text);
        assert!(!shown.contains(trick) && shown != "ab", "{shown:?}");
        let quoted = escaped(&serde_json::to_string(&text).unwrap());
        assert!(!quoted.contains(trick), "{quoted:?}");
        assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
    }
    assert_eq!(line("a\u{202e}b\nc\u{9b}"), "a<U+202E>b\u{fffd}c\u{fffd}");
    assert_eq!(lines("a\u{e0041}\nb\r"), "a<U+E0041>\nb\u{fffd}");
    assert_eq!(escaped("\"\u{e0041}\u{9b}\""), "\"\\udb40\\udc41\\u009b\"");
}

#[test]
fn names_in_any_language_are_unchanged() {
    for text in ["Zoë", "Ελένη", "שלום", "محمد", "नमस्ते", "日本", "❤\u{fe0f}", "a\tb"] {
        assert_eq!(line(text), text);
        assert_eq!(escaped(text), text);
    }
}

/// A report as `--json` prints it, with `said` wherever text comes from the machine.
fn report(said: &str) -> Value {
    json!({
        "schema": 2, "command": "status", "pending": true, "domain": "meet.example.org",
        "steps": [{"id": "verify", "state": "satisfied", "reason": said, "changes": [
            {"kind": "run", "command": [said, said], "diff": format!("+ x = \"{said}\"")}
        ], "seconds": 0.123}],
        "claims": {"state": said, "exit_code": [said, 1, true, null]},
        "warnings": [said], "exit_code": 3
    })
}

const OWN: [&str; 4] = ["command", "id", "state", "kind"];

fn names(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(names).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| {
                let below = names(value);
                std::iter::once(name.clone()).chain(below.into_iter().map(move |below| format!("{name}.{below}")))
            })
            .collect(),
        _ => BTreeSet::new(),
    }
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// Checks that masking this secret leaves the JSON's fields alone, and our own words and numbers in them.
fn check(secret: &str) {
    // Not the list that all tests share, which would garble what other tests compare.
    let mut known = Known::new();
    known.remember(secret);
    let before = report(&format!("it said {secret}, twice: {secret}{secret}"));
    let mut masked = before.clone();
    mask(&mut masked, &OWN, &|text| known.redact_value(text));
    let text = json(&masked, &[]);
    let after: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(names(&before), names(&after), "{text}");
    for field in
        ["/schema", "/command", "/pending", "/steps/0/state", "/steps/0/kind", "/steps/0/seconds", "/exit_code"]
    {
        assert_eq!(before.pointer(field), after.pointer(field), "{text}");
    }
    // Shorter secrets are masked only where they are a whole value or in quotes.
    if secret.len() >= 8 && !"<redacted>".contains(secret) {
        for foreign in
            ["/steps/0/reason", "/steps/0/changes/0/command", "/steps/0/changes/0/diff", "/claims", "/warnings"]
        {
            for shown in strings(after.pointer(foreign).expect("a field")) {
                assert!(!shown.contains(secret), "{secret}: {text}");
            }
        }
        let shown = known.redact(&format!("say {secret} now"));
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn json_like_secrets_leave_the_json_intact() {
    for secret in [
        "exit_code",
        "\": \"satisfied",
        "\", \"",
        "{",
        "}",
        "true",
        "0123",
        "0.123",
        "satisfied",
        "steps",
        "\"steps\": [",
        "null,",
        "\\",
        "\\\"",
        "\"",
        "\\u0041\\u0042",
        "<redacted>",
        "redacted",
        "cted> <reda",
        "\u{202e}12345678",
        "schema",
        "\n  \"",
        "  \"reason\"",
        "command\": \"",
        "status\",\n",
    ] {
        check(secret);
    }
    Secret::new("zq");
    assert_eq!(
        json(&json!(["zq", "zqs", "a 'zq'"]), &[]),
        "[\n  \"<redacted>\",\n  \"zqs\",\n  \"a '<redacted>'\"\n]\n"
    );
}

#[test]
fn overlapping_secrets_are_masked_entirely() {
    Secret::new("overlap-one-two");
    Secret::new("one-two-three-x");
    assert_eq!(line("a overlap-one-two-three-x b"), "a <redacted> b");
    Secret::new("abababab");
    assert_eq!(line("ababababab!"), "<redacted>!");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_secret_leaves_the_json_intact(secret in r#"[\PC"{}:,\\ a-z0-9_<>]{1,24}"#) {
        check(&secret);
    }
}
