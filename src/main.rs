//! Parses the command line, dispatches, prints the error and sets the exit code. Start reading at `steps/mod.rs`, the
//! program's table of contents; `engine/step.rs` has the vocabulary and `engine/runner/mod.rs` the loop.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test makes its own files and children"))]

mod cli;
mod commands;
mod debian;
mod display;
mod engine;
#[cfg(test)]
mod fuzz_tests;
mod host;
mod jicofo;
mod login;
mod lua;
mod luarocks;
mod proof;
mod prosody;
mod site;
mod steps;
mod token;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

use engine::exit::Exit;

fn main() -> ExitCode {
    host::own_process::set_inherited_cloexec();
    // Before anything else: the child that talks to servers must not have read or started anything yet.
    if std::env::args_os().nth(1).is_some_and(|word| word == login::child::COMMAND) {
        return login::child::main();
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == login::fetch::COMMAND) {
        return login::fetch::main();
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == host::as_owner::COMMAND) {
        return host::as_owner::main();
    }
    if let Err(error) = host::own_process::disable_core_dumps() {
        display::progress::say(&format!("jitsi-tokens-setup: {error:#}"));
        return ExitCode::FAILURE;
    }
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return report_clap_error(&error),
    };
    // A strict umask of root's would leave rocks that Prosody's user cannot read; our own files set their modes
    // explicitly.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    run(cli)
}

fn run(cli: cli::Cli) -> ExitCode {
    let (json, lines) = (cli.global.json, cli.global.json_lines);
    match commands::run(cli) {
        Ok(outcome) => {
            if !outcome.aside.is_empty() {
                display::progress::say(outcome.aside.trim_end());
            }
            let text =
                if json || lines || outcome.data { outcome.text } else { display::terminal::shown(&outcome.text) };
            printed(outcome.exit, write_out(&text))
        }
        Err(error) => {
            let exit = commands::exit_of(&error);
            let text = display::escape::line(&format!("{error:#}"));
            if json || lines {
                print_json_error(text.clone(), exit, lines);
            }
            display::progress::say(&format!("jitsi-tokens-setup: {text}"));
            exit.into()
        }
    }
}

/// Prints a result in full. Whatever is still buffered when the program exits would be lost silently.
fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// The exit code of a command, given how printing its result went.
fn printed(exit: Exit, result: io::Result<()>) -> ExitCode {
    match result {
        // A closed pipe (`| head`) is the reader's choice, not a failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            display::progress::say(&format!("jitsi-tokens-setup: cannot write the result to standard output: {error}"));
            Exit::Failed.into()
        }
        _ => exit.into(),
    }
}

/// Reports a mistake on the command line: clap's own message and, for programs, its first paragraph as JSON. `--help`
/// and `--version` end up here too.
fn report_clap_error(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    // clap repeats arguments unescaped.
    let lines: Vec<String> = text.lines().map(display::escape::line).collect();
    let shown = lines.join("\n");
    if !error.use_stderr() {
        let result = error.print().and_then(|()| io::stdout().flush());
        return printed(Exit::Done, result);
    }
    if shown == text.trim_end() {
        let _ = error.print();
    } else {
        display::progress::say(&shown);
    }
    let given = |option: &str| std::env::args_os().any(|argument| argument == option);
    let lines = given("--json-lines");
    if lines || given("--json") {
        let first = text.split("\n\n").next().unwrap_or_default();
        let words: Vec<&str> = first.split_whitespace().skip(1).collect();
        print_json_error(display::escape::line(&words.join(" ")), Exit::Usage, lines);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

fn print_json_error(error: String, exit_code: Exit, one_line: bool) {
    let failure = engine::report::Failure { schema: engine::report::SchemaVersion, error, exit_code };
    let mut shown = display::render::json(&failure);
    if one_line {
        shown = display::render::on_one_line(shown);
    }
    // The exit code already says that something is wrong.
    let _ = write_out(&shown);
}
