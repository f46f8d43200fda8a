//! `status`: every step's check and the logins; nothing is changed. What is pending is what `install` would do: each
//! step is checked on the machine as the ones before would leave it, so that none requires what another installs.

use anyhow::Result;

use crate::cli;
use crate::commands::{CommandResult, OutputStyle, keys, outcome};
use crate::display::progress::Progress;
use crate::engine::runner::Runner;
use crate::engine::step::Part;
use crate::host::child::Silent;
use crate::host::overlay::Overlay;
use crate::host::system::System;
use crate::site::remembered::Remembered;
use crate::site::settings::Credentials;
use crate::site::view::{Context, View};
use crate::steps::STEPS;

/// Runs the command.
pub fn run(args: cli::SiteArgs, output: OutputStyle) -> Result<CommandResult> {
    let mut settings = keys::settings(args.domain.as_deref())?;
    settings.generated = Credentials::announced();
    let host = System::new(&Silent);
    let mut view = View::gather(&host, settings)?;
    if let Ok(site) = &view.facts.site {
        Remembered::read(&host, &site.domain)?.complete(&mut view.settings.policy)?;
    }
    view.facts.prefetch_simulation(&host)?;
    let overlay = Overlay::new(&host);
    let cx = |host| Context::new(host, &view);
    let progress = Progress::hidden();
    let logins = STEPS.partition_point(|step| step.part != Part::Proof);
    let mut outcome = Runner::new(&STEPS[..logins], &cx(&overlay), &progress).apply()?;
    // Also if a step is blocked: an open server is worse than whatever is in the way.
    if view.facts.site.is_ok() {
        outcome.add(Runner::new(&STEPS[logins..], &cx(&host), &progress).survey()?);
    }
    let report = outcome::report("status", false, &view.facts, outcome);
    Ok(outcome::outcome(&report, output, false))
}
