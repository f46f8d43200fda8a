//! `token batch`: opens the input, shows its progress, and writes to standard output as it goes.

mod json;
mod lanes;
mod read;
mod work;
mod write;

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::lanes::{Audience, Tally};
use self::read::{InputForm, RowSource};
use self::write::{OutputForm, RowForm};
use super::{issuer, options, warn};
use crate::cli::{self, Batch};
use crate::commands::{CommandResult, OutputStyle, input_file, usage};
use crate::display::escape;
use crate::display::progress::{Show, say};
use crate::engine::exit::Exit;
use crate::host::Host;
use crate::token::Minter;
use crate::token::options::{TokenOptions, draft};

/// Runs the command.
pub fn run(host: &dyn Host, args: &Batch, output: OutputStyle) -> Result<CommandResult> {
    let options =
        TokenOptions { room: args.room.clone(), ..options(&args.wording, &args.keys, Some(("the rows", &args.file)))? };
    let draft = usage(draft(&options, host.now()))?;
    let form = match (args.format, output.json) {
        (Some(cli::OutputFormArg::Csv | cli::OutputFormArg::Plain), true) => {
            return usage(Err(anyhow::anyhow!("--json cannot be used with another --format")));
        }
        (Some(cli::OutputFormArg::Csv), _) => Some(OutputForm::Csv),
        (Some(cli::OutputFormArg::Plain), _) => Some(OutputForm::Plain),
        (Some(cli::OutputFormArg::Jsonl), _) | (None, true) => Some(OutputForm::JsonLines),
        (None, false) => None,
    };
    let told = args.input_format.map(|form| match form {
        cli::InputFormArg::Csv => InputForm::Csv,
        cli::InputFormArg::Jsonl => InputForm::JsonLines,
    });
    let input = usage(input_file::open(&args.file, "rows", "token batch"))?;
    let source = RowSource::open(input.reader, &input.name, told)?;
    let (issuer, mut warnings) = issuer(host, &args.keys, &args.wording)?;
    let minter = Minter::new(draft, issuer, args.url);
    let odd = usage(source.check(&minter, &input.name))?;
    let form = RowForm::new(form, &source, args.url);
    warnings.extend(
        odd.iter().map(|name| {
            format!("unknown column \"{name}\" {}; name it claim.{name} to make it a claim", form.unknown())
        }),
    );
    // What is wrong with all tokens is reported once.
    warnings.extend(minter.warnings(host.now())?);
    warn(&warnings);
    let mut display = Display::new(output, input.length);
    let tally = lanes::run(source, &minter, &form, args.strict, &mut std::io::stdout().lock(), &mut display)?;
    display.end(tally);
    let exit = if tally.refused > 0 { Exit::Failed } else { Exit::Done };
    Ok(CommandResult { exit, ..CommandResult::done(String::new()) })
}

/// What the operator sees on standard error.
struct Display {
    bar: Option<ProgressBar>,
    began: Instant,
    quiet: bool,
}

impl Display {
    fn new(output: OutputStyle, length: Option<u64>) -> Self {
        let quiet = output.show == Show::Nothing;
        let moving = !quiet && std::io::stderr().is_terminal();
        Self { bar: moving.then(|| bar(length)), began: Instant::now(), quiet }
    }

    fn rate(&self, tally: Tally) -> String {
        let seconds = self.began.elapsed().as_secs_f64().max(1e-3);
        let rate = HumanCount((tally.made as f64 / seconds) as u64);
        format!("{}, {rate}/s", tokens(tally.made))
    }

    /// Shows the final totals; off a terminal, only if rows were rejected.
    fn end(&mut self, tally: Tally) {
        let told = self.bar.take().map(|bar| bar.finish_and_clear()).is_some();
        if tally.refused > 0 {
            let refused = match tally.refused {
                1 => "1 row".to_owned(),
                rows => format!("{} rows", HumanCount(rows)),
            };
            say(&format!("{} made, {refused} refused", tokens(tally.made)));
        } else if told && !self.quiet {
            say(&self.rate(tally));
        }
    }
}

fn tokens(count: u64) -> String {
    if count == 1 { "1 token".to_owned() } else { format!("{} tokens", HumanCount(count)) }
}

impl Audience for Display {
    fn tell(&mut self, text: &str) {
        let text = escape::line(text);
        match &self.bar {
            Some(bar) => bar.suspend(|| say(&text)),
            // One write per line, not several: there may be as many lines as rows.
            None => drop(std::io::stderr().write_all(format!("{text}\n").as_bytes())),
        }
    }

    fn progress(&mut self, tally: Tally) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.rate(tally));
            bar.set_position(tally.position);
        }
    }
}

fn bar(length: Option<u64>) -> ProgressBar {
    let template = match length {
        Some(_) => "{spinner} {percent:>3} %  {wide_msg} {eta} left",
        None => "{spinner} {wide_msg} {elapsed}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr()).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

#[cfg(test)]
mod tests;
