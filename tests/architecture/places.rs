//! What belongs in one place only.

use super::source::{Source, all, has_word, program};

/// Ways to reach files.
const FILES: [&str; 4] = ["std::fs", "fs::", "File::", "OpenOptions"];

/// The code without what sounds like files and only holds types and numbers.
fn bare(source: &Source) -> String {
    source.bare.replace("rustix::fs::", "").replace("std::os::unix::fs::", "")
}

/// Fails with every file outside `places` whose code has one of `words`.
fn only_in(places: &[&str], words: &[&str]) {
    let mut wrong = Vec::new();
    for source in program() {
        if places.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        for word in words.iter().filter(|word| bare(&source).contains(**word)) {
            wrong.push(format!("{}: {word}", source.path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_the_host_touches_the_machine() {
    only_in(&["host/"], &["duct", "os_pipe", "process::Command"]);
    // Strangers are talked to by a child without rights, which has nothing else of the machine.
    only_in(&["login/net/"], &["ureq", "std::net", "std::os::unix::net"]);
    only_in(
        &["host/", "commands/log_file.rs", "commands/input_file.rs", "engine/lock.rs", "display/progress.rs"],
        &FILES,
    );
}

/// A static C library breaks on what other parts nsswitch.conf asks for: see login/net/names.rs.
#[test]
fn no_name_is_looked_up_in_the_program_itself() {
    only_in(&[], &["ToSocketAddrs", "to_socket_addrs", "TcpStream::connect("]);
}

#[test]
fn files_outside_the_host_are_the_log_and_what_operators_name() {
    for source in program() {
        let allowed: &[&str] = match source.path.as_str() {
            // Holds what the host opened.
            "engine/lock.rs" => &["std::fs::File;"],
            // Writes to the log that commands/log_file.rs opened.
            "display/progress.rs" => &["std::fs::File;"],
            // Reads, and nothing else.
            "commands/input_file.rs" => &["std::fs::File;", "File::open("],
            _ => continue,
        };
        let mut rest = bare(&source);
        for use_ in allowed {
            rest = rest.replace(use_, "");
        }
        for word in FILES.into_iter().chain([".write("]) {
            assert!(!rest.contains(word), "{}: {word}", source.path);
        }
    }
}

#[test]
fn only_the_command_line_knows_clap() {
    only_in(&["main.rs", "cli/", "commands/"], &["clap"]);
}

#[test]
fn only_main_the_commands_and_the_progress_print_or_ask() {
    only_in(
        &["main.rs", "commands/", "display/progress.rs", "login/child.rs"],
        &["println!", "print!", "io::stdout", "io::stderr", "io::stdin", "rpassword", "indicatif"],
    );
    // Results are returned as text; main alone writes them.
    for source in program().iter().filter(|source| source.path != "main.rs") {
        for word in ["println!", "print!"] {
            let printing = source.bare.replace("eprintln!", "").replace("eprint!", "");
            assert!(!printing.contains(word), "{}: {word}", source.path);
        }
    }
}

#[test]
fn a_preview_is_another_host_and_no_mode() {
    let places = ["cli/", "commands/", "host/", "engine/report.rs", "display/render.rs"];
    for source in all() {
        if places.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        let text = source.text.to_lowercase().replace('_', " ");
        assert!(!has_word(&text, "dry"), "{} says “dry”", source.path);
    }
}

#[test]
fn no_step_names_a_release() {
    let releases = ["buster", "bullseye", "bookworm", "trixie", "forky", "bionic", "focal", "jammy", "noble"];
    for source in program() {
        for release in releases {
            assert!(!has_word(&source.code, release), "{} names {release}", source.path);
        }
        // Its number may be shown; only src/debian/ may make something hang on it.
        let questions = [".version.parse", ".version ==", "release.id", "release.like"];
        for question in questions.iter().filter(|_| source.module() == "steps") {
            assert!(!source.code.contains(question), "{} asks for {question}", source.path);
        }
    }
}

#[test]
fn nothing_is_left_half_done() {
    for source in all() {
        for word in ["todo!", "unimplemented!", "dbg!", "TODO", "FIXME", "XXX"] {
            assert!(!source.text.contains(word), "{}: {word}", source.path);
        }
    }
}

#[test]
fn names_say_where_they_come_from() {
    for source in program() {
        assert!(!source.bare.contains("super::*"), "{} imports super::*", source.path);
        assert!(!source.path.contains("util"), "{}: a name that says nothing", source.path);
    }
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for source in program() {
        assert!(source.text.starts_with("//! "), "{}", source.path);
    }
}
