//! One file per command. Each gathers what it needs, runs, and returns its result and how it ended; `main` prints the
//! result. Only `token batch` writes its own output, as it goes.

mod ask;
mod credentials;
mod input_file;
mod install;
mod keygen;
mod keys;
mod log_file;
mod man;
mod outcome;
mod public_keys;
mod schema;
mod secret_file;
mod status;
mod token;
mod uninstall;
mod verify;

use std::fmt;
use std::path::Path;

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::{Cli, CliCommand};
use crate::display::progress::{Progress, Show};
use crate::display::render::{self, Paint};
use crate::engine::exit::Exit;
use crate::engine::lock::{self, Lock};
use crate::engine::receipt;
use crate::host::interrupt::{Declined, Interrupted};
use crate::host::{Host, Unwritable};
use crate::prosody::acceptance;

/// What goes to standard output, and the exit code.
pub struct CommandResult {
    /// The result.
    pub text: String,
    /// What goes to standard error before the result.
    pub aside: String,
    /// How the command ended.
    pub exit: Exit,
    /// Whether the result is data, which is printed unchanged in every locale.
    pub data: bool,
}

impl CommandResult {
    /// A successful result, with nothing for standard error.
    pub fn done(text: String) -> Self {
        Self { text, aside: String::new(), exit: Exit::Done, data: false }
    }

    /// A successful result that programs read.
    pub fn data(text: String) -> Self {
        Self { data: true, ..Self::done(text) }
    }
}

/// How results are shown.
#[derive(Clone, Copy)]
pub struct OutputStyle {
    /// As JSON.
    pub json: bool,
    /// As one line of JSON, after a line for each event.
    pub lines: bool,
    /// How much progress is shown.
    pub show: Show,
    /// Color and layout on standard output.
    pub paint: Paint,
    /// Color and layout on standard error.
    pub progress_paint: Paint,
}

impl OutputStyle {
    /// The display of a run.
    pub fn progress(self) -> Progress {
        Progress::new(self.show, self.progress_paint).with_events(self.lines)
    }
}

/// A mistake on the command line: [`Exit::Usage`].
#[derive(Debug)]
pub struct Usage(pub String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Something that the operator must do first: [`Exit::Blocked`].
#[derive(Debug)]
pub struct Blocked(pub String);

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Blocked {}

/// Acquires the lock, or returns a [`Blocked`] that names its holder.
pub fn acquire_lock() -> Result<Lock> {
    lock::take().map_err(|error| Blocked(format!("{error:#}")).into())
}

/// Cleans up after a killed run. Returns a [`Blocked`] if the receipt or the log could not be written.
pub fn prepare(host: &dyn Host) -> Result<()> {
    for folder in [receipt::FOLDER, log_file::FOLDER] {
        if let Err(error) = host.writable(Path::new(folder)) {
            let known = error.downcast_ref::<Unwritable>();
            // On Ubuntu the group syslog can write to /var/log; the log's own folder is checked when it is opened.
            if folder == log_file::FOLDER && known.is_some_and(|known| known.shared) {
                continue;
            }
            let fix = known.map_or("", |known| &known.fix);
            return Err(Blocked(format!("{error:#}; {fix}; nothing was changed")).into());
        }
    }
    acceptance::clear_shadow(host)
}

/// Turns any error in the operator's input into a usage error.
pub fn usage<T>(result: Result<T>) -> Result<T> {
    result.map_err(|error| Usage(format!("{error:#}")).into())
}

/// The exit code of a command that ended with this error.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    if error.is::<Interrupted>() {
        Exit::Interrupted
    } else if error.is::<Declined>() {
        Exit::Failed
    } else if error.is::<Usage>() {
        Exit::Usage
    } else if error.is::<Blocked>() {
        Exit::Blocked
    } else {
        Exit::Failed
    }
}

/// Runs the command that the command line names.
pub fn run(cli: Cli) -> Result<CommandResult> {
    let color = cli.global.color.into();
    let output = OutputStyle {
        json: cli.global.json || cli.global.json_lines,
        lines: cli.global.json_lines,
        show: match (cli.global.quiet, cli.global.verbose) {
            (true, _) => Show::Nothing,
            (_, true) => Show::Everything,
            _ => Show::Steps,
        },
        paint: Paint::new(color, &std::io::stdout(), cli.global.verbose),
        progress_paint: Paint::new(color, &std::io::stderr(), cli.global.verbose),
    };
    let mut outcome = dispatch(cli.command, output)?;
    if output.lines {
        outcome.text = render::on_one_line(outcome.text);
    }
    Ok(outcome)
}

fn dispatch(command: CliCommand, output: OutputStyle) -> Result<CommandResult> {
    match command {
        CliCommand::Install(args) => install::run(*args, output),
        CliCommand::Status(args) => status::run(args, output),
        CliCommand::Verify(args) => verify::run(args, output),
        CliCommand::Token(args) => token::run(args, output),
        CliCommand::Credentials(args) => credentials::run(args, output),
        CliCommand::Uninstall(args) => uninstall::run(args, output),
        CliCommand::Completions { shell, .. } => Ok(completions(shell)),
        CliCommand::Schema { command } => schema::run(&command, output),
        CliCommand::Man { command, .. } => man::run(&command),
    }
}

fn completions(shell: clap_complete::Shell) -> CommandResult {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "jitsi-tokens-setup", &mut bytes);
    // For a name with hyphens, clap_complete 4.6 sets the variable to one word and compares it to another.
    let text = String::from_utf8_lossy(&bytes).replace("jitsi__subcmd__tokens__subcmd__setup", "jitsi__tokens__setup");
    CommandResult::done(text)
}
