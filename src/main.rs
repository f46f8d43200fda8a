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
mod lua;
mod modules;
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

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let json = cli.global.json;
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
            if json {
                let value = serde_json::json!({ "schema": report::SCHEMA, "error": text, "exit_code": code });
                let _ = writeln!(std::io::stdout(), "{value:#}");
            }
            eprintln!("jitsi-tokens-setup: {text}");
            ExitCode::from(code)
        }
    }
}
