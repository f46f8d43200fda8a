//! The loop: check, show, record, apply, check again. It knows no concrete steps, and no previews: those use another
//! host underneath.

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::engine::change::Change;
use crate::engine::observer::{End, Observer};
use crate::engine::receipt::{self, Receipt};
use crate::engine::report::{Proof, State, StepReport, Verdict};
use crate::engine::step::{Check, Context, Part, Step};
use crate::host::interrupt::{self, Interrupted};
use crate::host::secret::redact;
use crate::host::{ChangedMeanwhile, Unwritable};

/// The most rounds over all steps: a later step may undo an earlier one (a package's script replacing a rock), which
/// the next round repairs.
const ROUNDS: usize = 3;

/// How many times a step's changes are planned while others keep changing the same lines.
const PLANS: usize = 5;

/// The outcome of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The steps, in order.
    pub steps: Vec<StepReport>,
    /// The logins, if they were made.
    pub proof: Option<Proof>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// The part that failed, if one did.
    pub failed: Option<Part>,
}

impl Outcome {
    /// Whether a step has this state.
    pub fn any(&self, state: State) -> bool {
        self.steps.iter().any(|step| step.state == state)
    }

    /// Adds what another run over later steps found.
    pub fn add(&mut self, later: Self) {
        self.steps.extend(later.steps);
        self.proof = later.proof.or(self.proof.take());
        self.warnings.extend(later.warnings);
        self.failed = self.failed.or(later.failed);
    }

    fn ended(&self) -> bool {
        self.any(State::Blocked) || self.failed.is_some()
    }
}

/// Goes through the steps on one host.
pub struct Runner<'a, 'r, 'h, V: 'static> {
    steps: &'a [Step<V>],
    cx: &'a Context<'a, V>,
    observer: &'a dyn Observer,
    receipt: Option<&'r mut Receipt<'h>>,
    only: Option<&'a str>,
    /// Whether something pending was left out because only one step was asked for.
    left_out: bool,
    /// Whether the first round is over: later rounds are shown only where they do something.
    shown: bool,
    outcome: Outcome,
}

impl<'a, 'r, 'h, V: 'static> Runner<'a, 'r, 'h, V> {
    /// A run of `steps`, whose changes are not recorded anywhere unless [`Self::recorded`] is called.
    pub fn new(steps: &'a [Step<V>], cx: &'a Context<'a, V>, observer: &'a dyn Observer) -> Self {
        Self {
            steps,
            cx,
            observer,
            receipt: None,
            only: None,
            left_out: false,
            shown: false,
            outcome: Outcome::default(),
        }
    }

    /// Records the changes in `receipt`.
    pub fn recorded(mut self, receipt: &'r mut Receipt<'h>) -> Self {
        self.receipt = Some(receipt);
        self
    }

    /// Applies only this step (and has the daemon load its changes); those before it must already be satisfied.
    pub fn only(mut self, step: Option<&'a str>) -> Self {
        self.only = step;
        self
    }

    /// Checks every step and changes nothing. Logins are made even if something is pending: what the server does now
    /// matters most when its configuration is wrong.
    pub fn survey(mut self) -> Result<Outcome> {
        for step in self.steps {
            if self.outcome.ended() {
                break;
            }
            self.visit(step, false)?;
        }
        Ok(self.outcome)
    }

    /// Applies what is pending until nothing is, then makes the logins.
    pub fn apply(mut self) -> Result<Outcome> {
        for round in 1..=ROUNDS {
            let before = self.changes();
            for step in self.steps.iter().filter(|step| step.part != Part::Proof) {
                interrupt::check()?;
                if !self.outcome.ended() {
                    self.visit(step, true)?;
                }
            }
            self.shown = true;
            let quiet = self.changes() == before;
            if quiet || self.outcome.ended() || !self.cx.host.is_live() {
                break;
            }
            if round == ROUNDS {
                self.outcome.warnings.push("the steps keep undoing each other; see the log".to_owned());
            }
        }
        for step in self.steps.iter().filter(|step| step.part == Part::Proof) {
            if self.outcome.ended() {
                break;
            }
            if self.left_for_later() {
                self.record(step, State::Skipped, "no test logins: some changes were left for later".to_owned());
            } else if self.cx.host.is_live() {
                self.visit(step, true)?;
            } else {
                self.record(step, State::Skipped, "test logins follow the changes".to_owned());
            }
        }
        Ok(self.outcome)
    }

    fn changes(&self) -> usize {
        self.outcome.steps.iter().map(|step| step.changes.len()).sum()
    }

    /// Whether the daemon's loading of the changes was left for later at the operator's request.
    fn left_for_later(&self) -> bool {
        let daemon = |state| {
            let is = |id| self.outcome.steps.iter().any(|report| report.id == id && report.state == state);
            self.steps.iter().any(|step| step.part == Part::Daemon && is(step.id))
        };
        daemon(State::Skipped) || self.left_out && !daemon(State::Done)
    }

    fn visit(&mut self, step: &Step<V>, apply: bool) -> Result<()> {
        let started = Instant::now();
        let before = self.changes();
        let place = self.steps.iter().position(|other| other.id == step.id).map_or(0, |at| at + 1);
        self.observer.begin(step.id, step.title, (place, self.steps.len()));
        let result = self.settle(step, apply);
        let failed = match result {
            Ok(()) => None,
            Err(error) if error.is::<Interrupted>() || interrupt::asked() > 0 => {
                self.observer.end(End::Interrupted);
                return Err(Interrupted.into());
            }
            Err(error) => match error.downcast_ref::<Unwritable>() {
                Some(obstacle) if !self.cx.host.is_live() => {
                    let (why, fix) = (obstacle.to_string(), obstacle.fix.clone());
                    self.record(step, State::Blocked, why);
                    self.fix(step, fix);
                    None
                }
                _ => Some(redact(&format!("{error:#}"))),
            },
        };
        if let Some(why) = failed {
            self.outcome.failed = Some(step.part);
            self.record(step, State::Failed, why);
        }
        let shown = !self.shown || self.failed_or_changed_since(before);
        let live = apply && self.cx.host.is_live();
        if let Some(report) = self.report_of(step) {
            let seconds = report.seconds.unwrap_or(0.0) + started.elapsed().as_secs_f64();
            report.seconds = live.then_some((seconds * 1000.0).round() / 1000.0);
        }
        if let Some(report) = self.outcome.steps.iter().find(|report| report.id == step.id) {
            self.observer.end(if shown { End::Report(report) } else { End::Again(report) });
        }
        Ok(())
    }

    fn failed_or_changed_since(&self, changes: usize) -> bool {
        self.outcome.failed.is_some() || self.changes() != changes
    }

    fn report_of(&mut self, step: &Step<V>) -> Option<&mut StepReport> {
        self.outcome.steps.iter_mut().find(|report| report.id == step.id)
    }

    fn settle(&mut self, step: &Step<V>, apply: bool) -> Result<()> {
        let wanted = self.only.is_none_or(|only| only == step.id) || step.part != Part::Machine;
        let check = (step.check)(self.cx)?;
        match check {
            Check::Pending(why, _) if apply && !wanted => {
                if self.precedes_the_selected(step) {
                    let why = format!("this step is needed first: {why}");
                    self.record(step, State::Blocked, why);
                    self.fix(step, "run `install` without --only".to_owned());
                } else {
                    self.left_out = true;
                    self.record(step, State::Skipped, format!("not selected (--only): {why}"));
                }
            }
            Check::Pending(why, changes) if apply => self.apply_all(step, why, &changes)?,
            Check::Pending(why, changes) => {
                self.record(step, State::Pending, why);
                self.list(step, &changes)?;
            }
            other => self.note(step, other),
        }
        Ok(())
    }

    fn precedes_the_selected(&self, step: &Step<V>) -> bool {
        let position = |id: &str| self.steps.iter().position(|step| step.id == id);
        self.only.is_some_and(|only| position(step.id) < position(only))
    }

    /// Records a check that needs no changes. What an earlier round did stays in the report.
    fn note(&mut self, step: &Step<V>, check: Check) {
        let done = self.outcome.steps.iter().any(|report| report.id == step.id && report.state == State::Done);
        match check {
            Check::Satisfied(_) if done => {}
            Check::Satisfied(why) => self.record(step, State::Satisfied, why),
            Check::Skipped(why) => self.record(step, State::Skipped, why),
            Check::NotNeeded(why) => {
                self.record(step, State::Skipped, why);
                if let Some(report) = self.report_of(step) {
                    report.not_needed = true;
                }
            }
            Check::Blocked { why, fix } => {
                self.record(step, State::Blocked, why);
                self.fix(step, fix);
            }
            Check::Proved(proof) => {
                let state = if proof.verdict == Verdict::Refused { State::Refused } else { State::Proved };
                self.record(step, state, redact(&proof.why));
                self.outcome.proof = Some(proof);
            }
            Check::Pending(why, _) => self.record(step, State::Pending, why),
        }
    }

    fn apply_all(&mut self, step: &Step<V>, why: String, changes: &[Change]) -> Result<()> {
        let live = self.cx.host.is_live();
        self.record(step, if live { State::Done } else { State::Pending }, why);
        self.apply_planned(step, changes)?;
        if !live {
            return self.settles(step, changes);
        }
        match (step.check)(self.cx)? {
            Check::Satisfied(why) | Check::Skipped(why) | Check::NotNeeded(why) => {
                self.record(step, State::Done, why);
                Ok(())
            }
            Check::Proved(_) => Ok(()),
            Check::Pending(why, _) | Check::Blocked { why, .. } => {
                anyhow::bail!("still not satisfied after its changes: {why}")
            }
        }
    }

    /// A preview sees files as they will be, so a step that is still pending once they are written would be pending
    /// after every run: better to say so before anything is changed.
    fn settles(&mut self, step: &Step<V>, changes: &[Change]) -> Result<()> {
        let known = |change: &Change| matches!(change, Change::Write { .. });
        if !changes.iter().all(known) {
            return Ok(());
        }
        if let Check::Pending(why, _) = (step.check)(self.cx)? {
            let why = format!("the planned changes are not enough: {why}");
            self.record(step, State::Blocked, why);
            let fix = "make this change by hand, and please report this as a bug";
            self.fix(step, fix.to_owned());
        }
        Ok(())
    }

    /// Makes the changes one by one. If others have changed the same lines of a file since the step's check read it,
    /// the check runs again and plans anew.
    fn apply_planned(&mut self, step: &Step<V>, changes: &[Change]) -> Result<()> {
        let mut plan = changes.to_vec();
        for attempt in 1.. {
            let mut made = Ok(());
            for change in &plan {
                interrupt::check()?;
                self.list(step, std::slice::from_ref(change))?;
                made = self.make(step, change);
                if made.is_err() {
                    break;
                }
            }
            let Err(error) = made else { break };
            let Some(changed) = error.downcast_ref::<ChangedMeanwhile>() else {
                return Err(error);
            };
            if changed.kept.is_some() || attempt == PLANS {
                anyhow::bail!("{error:#} (attempt {attempt}); stop that program, then run this again");
            }
            self.unlist(step);
            match (step.check)(self.cx)? {
                Check::Pending(_, changes) => plan = changes,
                Check::Satisfied(_) | Check::Skipped(_) | Check::NotNeeded(_) | Check::Proved(_) => break,
                Check::Blocked { why, .. } => anyhow::bail!("{error:#}; now {why}"),
            }
        }
        Ok(())
    }

    /// Removes the last change, which was not made, from the report.
    fn unlist(&mut self, step: &Step<V>) {
        if let Some(report) = self.report_of(step) {
            report.changes.pop();
        }
    }

    fn make(&mut self, step: &Step<V>, change: &Change) -> Result<()> {
        if let Change::Fallback { first, otherwise, note } = change {
            let trouble = match self.make(step, first) {
                Ok(()) => match self.still_needs(step) {
                    Some(trouble) => trouble,
                    None => return Ok(()),
                },
                Err(error) => format!("{error:#}"),
            };
            interrupt::check()?;
            self.outcome.warnings.push(redact(&format!("{note} ({trouble})")));
            return otherwise.iter().try_for_each(|change| self.make(step, change));
        }
        if let Some(receipt) = &mut self.receipt {
            change.wait(self.cx.host)?;
            receipt.begin(step.id, change).context("cannot write the receipt; nothing was changed")?;
            if interrupt::asked() > 0 {
                receipt.drop_unfinished().context("cannot write the receipt")?;
            }
            interrupt::check()?;
        }
        let applied = change.apply(self.cx.host);
        if let Change::Run { watches, .. } = change {
            if !watches.is_empty() {
                // The receipt must not list files that a power cut could still lose.
                receipt::flush(self.cx.host)?;
            }
        }
        let changed = matches!(&applied, Err(error) if error.is::<ChangedMeanwhile>());
        if let Some(receipt) = &mut self.receipt {
            if changed {
                receipt.drop_unfinished().context("cannot write the receipt")?;
            }
            receipt.settle().context("cannot write the receipt")?;
        }
        let warnings = applied?;
        self.outcome.warnings.extend(warnings.iter().map(|warning| redact(warning)));
        Ok(())
    }

    /// What the step's check still requires, or why it cannot tell: either way, what was done did not help.
    fn still_needs(&self, step: &Step<V>) -> Option<String> {
        if !self.cx.host.is_live() {
            return None;
        }
        match (step.check)(self.cx) {
            Ok(Check::Pending(why, _) | Check::Blocked { why, .. }) => Some(why),
            Ok(_) => None,
            Err(error) => Some(format!("{error:#}")),
        }
    }

    fn list(&mut self, step: &Step<V>, changes: &[Change]) -> Result<()> {
        for change in changes {
            let shown = change.report(self.cx.host, self.observer)?;
            self.observer.change(step.id, &shown);
            if let Some(report) = self.report_of(step) {
                report.changes.push(shown);
            }
        }
        Ok(())
    }

    fn record(&mut self, step: &Step<V>, state: State, why: String) {
        let why = redact(&why);
        match self.report_of(step) {
            Some(report) => {
                report.state = state;
                report.why = why;
                report.not_needed = false;
            }
            None => {
                let (fix, changes, seconds, not_needed) = (None, Vec::new(), None, false);
                self.outcome.steps.push(StepReport { id: step.id, state, why, fix, changes, seconds, not_needed });
            }
        }
    }

    fn fix(&mut self, step: &Step<V>, fix: String) {
        if let Some(report) = self.report_of(step) {
            report.fix = Some(redact(&fix));
        }
    }
}

#[cfg(test)]
mod tests;
