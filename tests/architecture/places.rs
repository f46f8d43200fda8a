//! What may be used in one place only.

use super::source::{all, has_word, program};

/// Crates that only one place may use; `clippy.toml` does the same for items of the standard library.
const CRATES: [(&str, &[&str]); 6] = [
    ("duct", &["host/"]),
    // Only a child process without rights talks to strangers.
    ("ureq", &["login/net/"]),
    ("tungstenite", &["login/net/"]),
    ("clap", &["main.rs", "cli/", "commands/"]),
    ("indicatif", &["display/progress.rs", "commands/token/"]),
    ("rpassword", &["commands/"]),
];

#[test]
fn some_crates_are_used_in_one_place_only() {
    let mut wrong = Vec::new();
    for source in program() {
        for (name, places) in CRATES {
            if has_word(&source.code, name) && !places.iter().any(|place| source.path.starts_with(place)) {
                wrong.push(format!("{}: {name}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_preview_is_another_host_not_a_flag() {
    let places = ["cli/", "commands/", "host/", "engine/report.rs", "display/render.rs"];
    for source in all() {
        if places.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        let text = source.text.to_lowercase().replace('_', " ");
        assert!(!has_word(&text, "dry"), "{} says \"dry\"", source.path);
    }
}

#[test]
fn no_step_depends_on_a_release() {
    let releases = ["buster", "bullseye", "bookworm", "trixie", "forky", "bionic", "focal", "jammy", "noble"];
    for source in program() {
        for release in releases {
            assert!(!has_word(&source.code, release), "{} names {release}", source.path);
        }
        // Its number may be shown, but only src/debian/ may make a decision depend on it.
        let questions = [".version.parse", ".version ==", "release.id", "release.like"];
        for question in questions.iter().filter(|_| source.module() == "steps") {
            assert!(!source.code.contains(question), "{} asks for {question}", source.path);
        }
    }
}

#[test]
fn source_has_no_todo_comments() {
    for source in all() {
        for word in ["TODO", "FIXME", "XXX"] {
            assert!(!source.text.contains(word), "{}: {word}", source.path);
        }
    }
}

#[test]
fn no_glob_imports_and_no_util_modules() {
    for source in program() {
        assert!(!source.code.contains("super::*"), "{} imports super::*", source.path);
        assert!(!source.path.contains("util"), "{}: a name that says nothing", source.path);
    }
}

#[test]
fn every_file_starts_with_a_doc_comment() {
    for source in program() {
        assert!(source.text.starts_with("//! "), "{}", source.path);
    }
}
