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
fn some_crates_are_one_place_s_business() {
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
fn a_preview_is_another_host_and_no_mode() {
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
fn no_step_names_a_release() {
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
fn nothing_is_left_half_done() {
    for source in all() {
        for word in ["TODO", "FIXME", "XXX"] {
            assert!(!source.text.contains(word), "{}: {word}", source.path);
        }
    }
}

#[test]
fn names_say_where_they_come_from() {
    for source in program() {
        assert!(!source.code.contains("super::*"), "{} imports super::*", source.path);
        assert!(!source.path.contains("util"), "{}: a name that says nothing", source.path);
    }
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for source in program() {
        assert!(source.text.starts_with("//! "), "{}", source.path);
    }
}
