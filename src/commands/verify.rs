//! `verify`: all logins that the configuration asks for, against the running Prosody.

use anyhow::Result;

use crate::cli;
use crate::commands::{Outcome, Output, keys, reports};
use crate::facts::Facts;
use crate::host::child::Silent;
use crate::host::system::System;
use crate::progress::Progress;
use crate::report::{Proof, Verdict};
use crate::runner::{self, Runner};
use crate::step::{Context, Part};
use crate::steps::STEPS;

/// Runs the command.
pub fn run(args: cli::Verify, output: Output) -> Result<Outcome> {
    let settings = keys::settings(args.site.domain.as_deref())?;
    let host = System::new(&Silent);
    let facts = Facts::gather(&host, &settings)?;
    let cx = Context {
        host: &host,
        settings: &settings,
        facts: &facts,
        thorough: true,
        spans: &[],
    };
    let outcome = match &facts.site {
        Ok(site) if keys::of_machine(&host, site).is_err() => not_set_up(&site.domain),
        _ => {
            // The first step says what is in the way, if anything is.
            let first_and_last = |index: usize| index == 0 || STEPS[index].part == Part::Proof;
            let mut outcome = runner::Outcome::default();
            for index in (0..STEPS.len()).filter(|index| first_and_last(*index)) {
                let next = Runner::new(&STEPS[index..=index], &cx, &Progress::hidden()).survey()?;
                let ended = next.failed.is_some() || next.any(crate::report::State::Blocked);
                outcome.add(next);
                if ended {
                    break;
                }
            }
            outcome
        }
    };
    let mut report = reports::report("verify", false, &facts, outcome);
    if report.proof.is_some() {
        report.steps.clear();
    }
    Ok(reports::outcome(&report, output, false))
}

fn not_set_up(domain: &str) -> runner::Outcome {
    let why = format!(
        "token authentication is not set up: Prosody's configuration has no app id and secret for {domain}"
    );
    let next = Some("set it up: jitsi-tokens-setup install".to_owned());
    let proof = Proof {
        verdict: Verdict::Refused,
        why,
        next,
        probes: Vec::new(),
    };
    runner::Outcome {
        proof: Some(proof),
        ..runner::Outcome::default()
    }
}
