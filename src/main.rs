//! Parse, dispatch, print the error, exit code. Start reading at `steps/mod.rs`, the program's table of contents;
//! `step.rs` has the vocabulary and `runner.rs` the loop.

mod apply;
mod change;
mod cli;
mod command;
mod commands;
mod credentials;
mod debian;
mod facts;
mod host;
mod image;
mod interrupt;
mod lock;
mod login;
mod lost_lines;
mod lua;
mod mask;
mod modules;
mod pin;
mod probe;
mod progress;
mod prosody;
mod receipt;
mod render;
mod report;
mod revert;
mod rockspec;
mod runner;
mod secret;
mod settings;
mod step;
mod steps;
mod token;
mod web_config;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error),
    };
    let (json, lines) = (cli.global.json, cli.global.json_lines);
    // A careful root's umask would leave rocks that Prosody's user cannot read; our own files name their modes.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    match commands::run(cli) {
        Ok(outcome) => {
            // A closed pipe (`| head`) is the reader's choice, not a failure.
            let _ = std::io::stdout().lock().write_all(outcome.text.as_bytes());
            ExitCode::from(outcome.code)
        }
        Err(error) => {
            let code = commands::code_of(&error);
            let text = render::printable(&secret::redact(&format!("{error:#}")));
            if json || lines {
                tell_programs(text.clone(), code, lines);
            }
            progress::say(&format!("jitsi-tokens-setup: {text}"));
            ExitCode::from(code)
        }
    }
}

/// A mistake on the command line: clap's own words, and for programs their first paragraph as JSON. `--help` and
/// `--version` come this way too.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    // clap repeats what it was given as it stands.
    let lines: Vec<String> = text.lines().map(render::printable).collect();
    let shown = lines.join("\n");
    if shown == text.trim_end() {
        let _ = error.print();
    } else {
        progress::say(&shown);
    }
    let given = |option: &str| std::env::args_os().any(|argument| argument == option);
    let lines = given("--json-lines");
    if error.use_stderr() && (lines || given("--json")) {
        let first = text.split("\n\n").next().unwrap_or_default();
        let words: Vec<&str> = first.split_whitespace().skip(1).collect();
        tell_programs(render::printable(&words.join(" ")), 2, lines);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn tell_programs(error: String, exit_code: u8, one_line: bool) {
    let failure = report::Failure {
        schema: report::SCHEMA,
        error,
        exit_code,
    };
    let mut shown = render::json(&failure);
    if one_line {
        shown = render::on_one_line(shown);
    }
    let _ = std::io::stdout().lock().write_all(shown.as_bytes());
}
