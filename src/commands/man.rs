//! `man`: the manual page of the program, or of one of its commands, made from the same definitions as `--help`.

use anyhow::Result;
use clap::{Arg, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::cli::Cli;
use crate::commands::{CommandResult, Usage};

/// The section for administration commands: the program is in an `sbin` folder.
const SECTION: &str = "8";

/// When the texts of the pages were last changed.
const DATE: &str = "2026-11-29";

/// Paths that the program reads and writes.
const FILES: [(&str, &str); 4] = [
    ("/etc/prosody", "Prosody's configuration. The virtual host's file contains the app ID and the app secret."),
    (
        "/var/lib/jitsi-tokens-setup",
        "The receipt: every change made by install, and the previous state. Keep it: uninstall needs it.",
    ),
    (
        "/var/log/jitsi-tokens-setup",
        "Logs of the last install and the last uninstall: every command and its output, with secrets masked.",
    ),
    ("/run/jitsi-tokens-setup.lock", "Lock that keeps two runs from changing the machine at the same time."),
];

const EXIT_STATUS: [(&str, &str); 7] = [
    ("0", "Success, or nothing to do."),
    ("1", "Failed."),
    ("2", "Invalid command line."),
    ("3", "Changes needed (status)."),
    ("4", "Verification failed, or the inspected token is invalid."),
    ("5", "Blocked: fix the reported problem first."),
    ("130", "Interrupted."),
];

/// Runs the command; `words` name the command that the page is for, such as `token mint`.
pub fn run(words: &[String]) -> Result<CommandResult> {
    // Only after `build` does every subcommand know its whole name. The built-in `help` has no page.
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut command = &program;
    let mut above = None;
    for word in words {
        let Some(found) = command.find_subcommand(word) else {
            return Err(Usage(format!("no manual page for \"{word}\"")).into());
        };
        above = Some(command);
        command = found;
    }
    Ok(CommandResult::done(page(command, above)?))
}

fn name(command: &Command) -> String {
    command.get_bin_name().unwrap_or(command.get_name()).replace(' ', "-")
}

fn page(command: &Command, above: Option<&Command>) -> Result<String> {
    let man = Man::new(command.clone().name(name(command)))
        .section(SECTION)
        .manual("jitsi-tokens-setup")
        .date(DATE)
        .source(concat!("jitsi-tokens-setup ", env!("CARGO_PKG_VERSION")));
    let mut bytes = Vec::new();
    man.render_title(&mut bytes)?;
    man.render_name_section(&mut bytes)?;
    synopsis(command).to_writer(&mut bytes)?;
    man.render_description_section(&mut bytes)?;
    man.render_options_section(&mut bytes)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut bytes)?;
    }
    let mut more = Roff::new();
    examples(&mut more, command);
    table(&mut more, "FILES", &FILES);
    table(&mut more, "EXIT STATUS", &EXIT_STATUS);
    see_also(&mut more, command, above);
    more.to_writer(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The usage of a command: its own options with their values, and `[OPTIONS]` for those that every command has.
fn synopsis(command: &Command) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["SYNOPSIS"]);
    let mut parts = vec![bold(command.get_bin_name().unwrap_or(command.get_name())), roman(" ")];
    let shown = |argument: &&Arg| !argument.is_hide_set() && !argument.is_global_set();
    for argument in command.get_arguments().filter(shown) {
        let values: Vec<&str> =
            argument.get_value_names().into_iter().flatten().map(clap::builder::Str::as_str).collect();
        let takes = argument.get_action().takes_values();
        let value = values.join(" ");
        let (open, close) = if argument.is_required_set() { ("", "") } else { ("[", "]") };
        match argument.get_long() {
            Some("help" | "version") => {}
            Some(long) => {
                parts.extend([roman(open), bold(format!("--{long}"))]);
                if takes {
                    parts.extend([roman(" "), italic(value)]);
                }
                parts.push(roman(format!("{close} ")));
            }
            None => parts.extend([roman(open), italic(value), roman(format!("{close} "))]),
        }
    }
    parts.push(roman(if command.has_subcommands() { "[OPTIONS] COMMAND" } else { "[OPTIONS]" }));
    page.text(parts);
    page
}

/// The examples at the end of `--help`, or those of all subcommands if it has none.
fn examples(page: &mut Roff, command: &Command) {
    let lines = |command: &Command| -> Vec<String> {
        let text = command.get_after_help().map(ToString::to_string);
        let text = text.unwrap_or_default();
        text.lines()
            .skip_while(|line| !line.starts_with("Example"))
            .skip(1)
            .take_while(|line| line.starts_with(' '))
            .map(|line| line.strip_prefix("  ").unwrap_or(line).to_owned())
            .collect()
    };
    let mut found = lines(command);
    if found.is_empty() {
        found = command.get_subcommands().flat_map(lines).collect();
    }
    page.control("SH", ["EXAMPLES"]);
    page.control("nf", []);
    for line in found {
        page.text([roman(line)]);
    }
    page.control("fi", []);
}

fn table(page: &mut Roff, heading: &str, rows: &[(&str, &str)]) {
    page.control("SH", [heading]);
    for (term, meaning) in rows {
        page.control("TP", []);
        page.text([bold(*term)]);
        page.text([roman(*meaning)]);
    }
}

/// The page of the parent, then those of the subcommands or, if there are none, of the siblings.
fn see_also(page: &mut Roff, command: &Command, above: Option<&Command>) {
    let beside =
        || above.into_iter().flat_map(Command::get_subcommands).filter(|other| other.get_name() != command.get_name());
    let near: Vec<&Command> =
        if command.has_subcommands() { command.get_subcommands().collect() } else { beside().collect() };
    let names: Vec<String> = above.into_iter().chain(near).map(name).collect();
    page.control("SH", ["SEE ALSO"]);
    let last = names.len().saturating_sub(1);
    for (index, name) in names.into_iter().enumerate() {
        let end = if index == last { "" } else { "," };
        page.text([bold(name), roman(format!("({SECTION}){end}"))]);
    }
}
