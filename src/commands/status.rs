//! `status`: every step's check and the logins; nothing is changed.

use anyhow::Result;

use crate::cli;
use crate::commands::{Outcome, Output, keys, reports};
use crate::facts::Facts;
use crate::host::child::Silent;
use crate::host::system::System;
use crate::progress::Progress;
use crate::runner::Runner;
use crate::step::Context;
use crate::steps::STEPS;

/// Runs the command.
pub fn run(args: cli::Site, output: Output) -> Result<Outcome> {
    let settings = keys::settings(args.domain.as_deref())?;
    let host = System::new(&Silent);
    let facts = Facts::gather(&host, &settings)?;
    let cx = Context {
        host: &host,
        settings: &settings,
        facts: &facts,
        thorough: false,
        spans: &[],
    };
    let outcome = Runner::new(&STEPS, &cx, &Progress::hidden()).survey()?;
    let report = reports::report("status", false, &facts, outcome);
    Ok(reports::outcome(&report, output, false))
}
