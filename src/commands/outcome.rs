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

/// Refused outranks blocked, since only logins tell whether the server is open; blocked outranks failed. A preview is
/// done whether or not something is pending.
fn exit(outcome: &runner::Outcome, dry_run: bool) -> Exit {
    let refused = outcome.proof.as_ref().is_some_and(|proof| proof.verdict == Verdict::Refused);
    if refused {
        Exit::Refused
    } else if outcome.any(State::Blocked) {
        Exit::Blocked
    } else if outcome.failed.is_some() {
        Exit::Failed
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::release::Release;
    use crate::display::render::Paint;
    use crate::engine::report::{Proof, StepReport};
    use crate::engine::step::{Part, obstacle};

    fn blocked(verdict: Option<Verdict>) -> Report {
        let (id, why, fix) = ("preflight", "it is in the way".to_owned(), None);
        let (state, changes, seconds, not_needed) = (State::Blocked, Vec::new(), None, false);
        let outcome = runner::Outcome {
            steps: vec![StepReport { id, state, why, fix, changes, seconds, not_needed }],
            proof: verdict.map(|verdict| Proof::without_logins(verdict, "OPEN: anyone can join".to_owned())),
            failed: Some(Part::Proof),
            ..runner::Outcome::default()
        };
        let facts = Facts { release: Release::default(), site: Err(obstacle("none", "none")) };
        report("status", false, &facts, outcome)
    }

    #[test]
    fn unexpected_logins_outrank_a_blocked_step() {
        for (verdict, exit, line) in [
            (Some(Verdict::Refused), Exit::Refused, "Verification failed: OPEN: anyone can join"),
            (Some(Verdict::Full), Exit::Blocked, "✗ preflight         blocked: it is in the way"),
            (None, Exit::Blocked, "✗ preflight         blocked: it is in the way"),
        ] {
            let report = blocked(verdict);
            let text = render::report(&report, Paint::plain(), Paint::plain(), false).result;
            assert_eq!((report.exit_code, text.lines().next()), (exit, Some(line)));
        }
    }
}
