//! Turns a runner's outcome into a report, and a report into the result of a command.

use crate::commands::{CommandResult, OutputStyle};
use crate::display::progress::Show;
use crate::display::render;
use crate::engine::exit::Exit;
use crate::engine::report::{Report, SchemaVersion, State, Verdict};
use crate::engine::runner;
use crate::site::facts::Facts;

const DEBUG_LOG: &str = "Prosody's debug log contains the app secret; set the log level to \"info\" in Prosody's \
    configuration and restart Prosody";

/// The report of a run.
pub fn report(command: &'static str, dry_run: bool, facts: &Facts, outcome: runner::Outcome) -> Report {
    let exit_code = exit(&outcome, dry_run);
    let pending = outcome.any(State::Pending);
    let mut warnings = outcome.warnings;
    for warning in outcome.proof.iter().flat_map(|proof| &proof.warnings) {
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    if facts.site.as_ref().is_ok_and(|site| site.debug_log) {
        warnings.push(DEBUG_LOG.to_owned());
    }
    Report {
        schema: SchemaVersion,
        command,
        dry_run,
        pending,
        domain: facts.site.as_ref().ok().map(|site| site.domain.clone()),
        steps: outcome.steps,
        proof: outcome.proof,
        login_as_before: None,
        warnings,
        next: Vec::new(),
        log: None,
        exit_code,
    }
}

/// Blocked outranks failed, failed outranks refused; a preview is done whether or not something is pending.
fn exit(outcome: &runner::Outcome, dry_run: bool) -> Exit {
    let refused = outcome.proof.as_ref().is_some_and(|proof| proof.verdict == Verdict::Refused);
    if outcome.any(State::Blocked) {
        Exit::Blocked
    } else if outcome.failed.is_some() {
        Exit::Failed
    } else if refused {
        Exit::Refused
    } else if outcome.any(State::Pending) && !dry_run {
        Exit::Pending
    } else {
        Exit::Done
    }
}

/// The result that shows a report. `brief` leaves out the steps, which were shown while they ran.
pub fn outcome(report: &Report, output: OutputStyle, brief: bool) -> CommandResult {
    if output.json {
        return CommandResult { exit: report.exit_code, ..CommandResult::data(render::json(report)) };
    }
    let shown = render::report(report, output.paint, output.progress_paint, brief);
    let good = report.exit_code == Exit::Done && !report.dry_run && report.command == "status";
    let silent = good && output.show == Show::Nothing;
    let text = if silent { String::new() } else { shown.result };
    CommandResult { aside: shown.aside, exit: report.exit_code, ..CommandResult::done(text) }
}
