//! Asks whether to go ahead: yes, no and, where there is something to explain, explain.

#![expect(clippy::print_stderr, reason = "the question goes to the terminal, not among the results")]

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, Result};

use crate::commands::Usage;
use crate::host::interrupt::Declined;

/// Succeeds if there is a terminal to ask on.
///
/// # Errors
/// A [`Usage`] that names the options that make the question unnecessary.
pub fn ensure_interactive() -> Result<()> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return Ok(());
    }
    Err(Usage("not a terminal: use --yes to apply or --dry-run to preview".to_owned()).into())
}

/// Returns if the answer is yes; asks again if it is none of the words offered.
///
/// # Errors
/// [`Declined`] for no, an empty line, and the end of the input.
pub fn agreed(question: &str, explanation: Option<&str>) -> Result<()> {
    let offered = if explanation.is_some() { "yes/No/explain" } else { "yes/No" };
    let mut lines = std::io::stdin().lock().lines();
    loop {
        eprint!("{question} [{offered}] ");
        std::io::stderr().flush()?;
        let Some(line) = lines.next().transpose().context("cannot read the answer")? else {
            eprintln!();
            return Err(Declined.into());
        };
        match (line.trim().to_lowercase().as_str(), explanation) {
            ("y" | "yes", _) => return Ok(()),
            ("n" | "no" | "", _) => return Err(Declined.into()),
            ("e" | "explain", Some(text)) => eprint!("{text}"),
            _ => {}
        }
    }
}
