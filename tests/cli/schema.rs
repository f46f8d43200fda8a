//! JSON for machines: what `schema COMMAND` promises is what `--json` and `--json-lines` print. Every JSON document
//! that these tests see is checked against it, see `run`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use serde_json::Value;

use super::run::{COMMANDS, line, not_run, token};

/// Python's jsonschema, which is independent of how our schemas are made.
struct Validator {
    _child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Validator {
    fn start() -> Option<Mutex<Self>> {
        let there = Command::new("python3")
            .args(["-c", "from jsonschema import Draft202012Validator"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !there {
            not_run("validation against the schemas", "there is no python3-jsonschema");
            return None;
        }
        let mut child = Command::new("python3")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client/validate.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Some(Mutex::new(Self {
            questions: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            _child: child,
        }))
    }

    fn ask(&mut self, schema: &Value, document: &Value) -> String {
        let question = serde_json::to_string(&(schema, document)).unwrap();
        writeln!(self.questions, "{question}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(answer.ends_with('\n'), "the validator died of {question}");
        answer.trim().to_owned()
    }
}

/// What is wrong with a document, if anything.
fn wrong(schema: &Value, document: &Value) -> Option<String> {
    static VALIDATOR: OnceLock<Option<Mutex<Validator>>> = OnceLock::new();
    let validator = VALIDATOR.get_or_init(Validator::start).as_ref()?;
    let mut validator = validator.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Some(validator.ask(schema, document)).filter(|answer| !answer.is_empty())
}

/// The commands that have a schema.
fn commands() -> Vec<String> {
    let complaint = line("schema nonsense").ends(2).stderr;
    let (_, names) = complaint.split_once("commands that have: ").unwrap();
    names.trim().split(", ").map(str::to_owned).collect()
}

fn schema(command: &str, option: &str) -> Value {
    let shown = line(&format!("schema {command}")).ends(0).stderr("");
    let shown_of_lines = line(&format!("schema {command} --json-lines")).ends(0);
    assert_eq!(shown_of_lines.stdout.lines().count(), 1);
    if option == "--json" { shown.json() } else { shown_of_lines.json() }
}

/// Checks what a run printed against the schema of its command, if it has one.
pub fn check(arguments: &[String], stdout: &str) {
    let given = |option: &str| arguments.iter().any(|argument| argument == option);
    let is_schema = arguments.first().is_some_and(|word| word == "schema");
    if is_schema || given("--help") || !(given("--json") || given("--json-lines")) {
        return;
    }
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    let words = arguments.join(" ");
    let called = |name: &&String| words.starts_with(name.as_str());
    let Some(command) = NAMES.get_or_init(commands).iter().find(called) else {
        return;
    };
    let option = if given("--json-lines") { "--json-lines" } else { "--json" };
    let documents: Vec<&str> = if option == "--json" { vec![stdout] } else { stdout.lines().collect() };
    let schema = schema(command, option);
    for document in documents {
        let document = serde_json::from_str(document).unwrap_or_else(|error| panic!("{words}: {error}: {document}"));
        if let Some(wrong) = wrong(&schema, &document) {
            panic!("{words}: not as its schema says: {wrong}\n{document:#}");
        }
    }
}

#[test]
fn every_command_with_a_result_has_a_schema() {
    let with_schema = commands();
    for command in COMMANDS {
        // Their output is for shells, man and validators.
        if ["completions", "man", "schema"].contains(&command) {
            continue;
        }
        let help = line(&format!("{command} --help")).ends(0).stdout;
        let below = help.split_once("Commands:\n").map(|(_, rest)| rest);
        let leaves: Vec<String> = match below {
            None => vec![command.to_owned()],
            Some(rest) => rest
                .lines()
                .take_while(|line| !line.is_empty())
                .filter_map(|line| line.split_whitespace().next())
                .filter(|word| *word != "help")
                .map(|word| format!("{command} {word}"))
                .collect(),
        };
        for leaf in leaves {
            // It streams lines in the `--format` given and makes no report.
            if leaf == "token batch" {
                continue;
            }
            assert!(with_schema.contains(&leaf), "{leaf}: {with_schema:?}");
        }
    }
}

#[test]
fn the_validator_tells_good_from_bad() {
    let schema = schema("status", "--json");
    let good = line("status --json").end().json();
    if let Some(wrong) = wrong(&schema, &good) {
        panic!("{wrong}");
    }
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("pending");
    let mut with = good.clone();
    with["steps"][0]["colour"] = Value::from("red");
    let mut another = good.clone();
    another["command"] = Value::from("install");
    let mut unknown = good;
    unknown["steps"][0]["state"] = Value::from("perhaps");
    let there = Validator::start().is_some();
    for bad in [without, with, another, unknown] {
        assert_eq!(wrong(&schema, &bad).is_some(), there, "{bad:#}");
    }
}

#[test]
fn a_command_without_json_has_no_schema() {
    line("schema man").ends(2);
    line("schema").ends(2);
}

#[test]
fn usage_errors_are_json_too() {
    for (words, error) in [
        ("status --json --domain", "a value is required"),
        ("install --nonsense --json", "unexpected argument"),
        ("uninstall --json-lines --lock-timeout x", "--lock-timeout"),
    ] {
        let ended = line(words).ends(2);
        let failure = ended.json();
        assert_eq!(failure["exit_code"], 2);
        let said = failure["error"].as_str().unwrap();
        assert!(said.contains(error) && !said.contains('\n'), "{said}");
        assert!(ended.stderr.contains("Usage:") || ended.stderr.contains("--help"), "{ended:?}");
    }
}

#[test]
fn json_lines_end_with_the_json_report() {
    let (_folder, secret) = super::run::Folder::with_secret(super::run::SECRET);
    let run = |option| token("inspect", &secret, ["a.b.c", option]).ends(4);
    let (whole, lines) = (run("--json"), run("--json-lines"));
    assert_eq!(lines.stdout.lines().count(), 1);
    // `now` is the second in which each of them ran.
    let timeless = |mut result: Value| {
        result["now"].take();
        result
    };
    assert_eq!(timeless(whole.json()), timeless(lines.json()));
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The current schema version.
fn version() -> u64 {
    let number = line("status --json").end().json()["schema"].as_u64();
    number.expect("a number")
}

#[test]
fn schema_1_rejects_the_current_output() {
    assert_eq!(version(), 2, "write down what readers of the schema before get to see");
    // The schemas that 0.1.0 printed.
    let schemas = fixture("schema-1.json");
    let (_folder, secret) = super::run::Folder::with_secret(super::run::SECRET);
    for (command, document, missing) in [
        ("status", line("status --json").end().json(), "'why' is a required property"),
        (
            "token inspect",
            token("inspect", &secret, ["a.b.c", "--json"]).ends(4).json(),
            "'summary' is a required property",
        ),
    ] {
        // A reader that checks the number needs nothing else: it is in the same place in every document (see `check`).
        assert_eq!(document["schema"], 2, "{document:#}");
        if let Some(wrong) = wrong(&schemas[command], &document) {
            assert!(wrong.contains(missing), "{command}: {wrong}");
        }
    }
}

#[test]
fn documents_of_other_versions_are_rejected() {
    let old = fixture("report-1.json");
    let mut newer = line("install --dry-run --json").end().json();
    newer["schema"] = Value::from(version() + 1);
    let schema = schema("install", "--json");
    assert!(schema["title"].as_str().unwrap().ends_with(&format!(", schema {}", version())), "{schema:#}");
    for document in [old, newer] {
        if let Some(wrong) = wrong(&schema, &document) {
            assert!(wrong.contains(&format!("'{} was expected'", version())), "{wrong}");
        }
    }
}

#[test]
fn ansible_and_docs_name_the_current_schema() {
    let top = env!("CARGO_MANIFEST_DIR");
    for (path, words) in [
        ("scripts/deploy/ansible/plugins/modules/token_auth.py", format!("\nSCHEMA = {}\n", version())),
        ("docs/automation.md", format!("This version prints schema {}.", version())),
    ] {
        let text = std::fs::read_to_string(format!("{top}/{path}")).unwrap();
        assert!(text.contains(&words), "{path}: {words:?}");
    }
}
