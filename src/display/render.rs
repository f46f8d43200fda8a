//! The report as text for people, in colour or not, and as JSON. Two functions of the same value.

use std::fmt::Write;
use std::io::IsTerminal;

use serde::Serialize;

use crate::display::escape;
use crate::engine::report::{ChangeReport, Proof, Report, State, StepReport, Verdict};
use crate::host::secret::redact;

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Puts colour around words, or does not.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// For a stream of this kind.
    pub fn new(colour: Colour, stream: &impl IsTerminal) -> Self {
        let wanted = match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Self { on: wanted }
    }

    /// Without colour.
    pub fn plain() -> Self {
        Self { on: false }
    }

    /// Whether there is colour.
    pub fn colours(self) -> bool {
        self.on
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Text of less weight.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn sign(self, state: State) -> String {
        let (code, sign) = match state {
            State::Satisfied => ("32", "✓"),
            State::Done | State::Proved => ("1;32", "✓"),
            State::Pending => ("33", "+"),
            State::Skipped => ("2", "-"),
            State::Blocked | State::Failed | State::Refused => ("1;31", "✗"),
        };
        self.with(code, sign)
    }

    /// A step in one line.
    pub fn step(self, report: &StepReport) -> String {
        let word = match report.state {
            State::Skipped => "skipped: ",
            State::Blocked => "blocked: ",
            State::Failed => "failed: ",
            _ => "",
        };
        format!("{} {:<18}{word}{}", self.sign(report.state), report.id, escape::line(&report.why))
    }
}

/// Fields whose values are words of the program.
const OWN: [&str; 8] = ["command", "event", "group", "id", "kind", "state", "step", "verdict"];

/// A report, an event or a failure as JSON; secrets masked.
pub fn json(value: &impl Serialize) -> String {
    escape::json(value, &OWN)
}

/// A text that is JSON, on one line; any other as it is.
pub fn on_one_line(text: String) -> String {
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(value) => escape::escaped(&format!("{value}\n")),
        Err(_) => text,
    }
}

/// Every step with its changes and the files' differences; or only those that have something to do.
pub fn plan(report: &Report, paint: Paint, only_pending: bool) -> String {
    let mut text = String::new();
    let has_part = |step: &&StepReport| !only_pending || step.state == State::Pending;
    for step in report.steps.iter().filter(has_part) {
        let _ = writeln!(text, "{}", paint.step(step));
        if let Some(fix) = &step.fix {
            let _ = writeln!(text, "{}", indented(fix, 20));
        }
        for change in &step.changes {
            describe(&mut text, change, paint, 4);
        }
    }
    text
}

/// The whole report. Steps were shown while they ran, so `brief` leaves them out.
pub fn report(report: &Report, paint: Paint, brief: bool) -> String {
    let mut text = String::new();
    if !brief {
        // Nothing is as urgent as a server that is open or shut.
        if refused(report) {
            let _ = writeln!(text, "{}", paint.with("1;31", &summary(report)));
        }
        text += &plan(report, paint, false);
    }
    if let Some(proof) = &report.proof {
        logins(&mut text, proof, paint);
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "{} {}", paint.with("33", "warning:"), escape::line(warning));
    }
    let _ = writeln!(text, "{}", paint.bold(&summary(report)));
    for next in &report.next {
        let _ = writeln!(text, "  {}", escape::line(next));
    }
    if let Some(log) = &report.log {
        let _ = writeln!(text, "{}", paint.dim(&escape::line(&format!("  log: {log}"))));
    }
    redact(&text)
}

fn refused(report: &Report) -> bool {
    let proof = report.proof.as_ref();
    proof.is_some_and(|proof| proof.verdict == Verdict::Refused)
}

/// The outcome in one sentence.
fn summary(report: &Report) -> String {
    let failed = report.steps.iter().find(|step| matches!(step.state, State::Failed | State::Blocked));
    let done = report.steps.iter().any(|step| step.state == State::Done);
    if let Some(step) = failed {
        let word = if step.state == State::Blocked { "Blocked" } else { "Failed" };
        return format!("{word} at {}: {}", step.id, escape::line(&step.why));
    }
    match (&report.proof, report.pending) {
        (Some(proof), _) if proof.verdict == Verdict::Refused => {
            format!("Verification failed: {}", escape::line(&proof.why))
        }
        (_, true) if report.dry_run => "Preview only; nothing was changed.".to_owned(),
        (_, true) => "Changes needed: run `jitsi-tokens-setup install`.".to_owned(),
        (Some(proof), false) if report.command == "verify" => {
            let word = match proof.verdict {
                Verdict::Partial => "Partly verified",
                _ if !report.warnings.is_empty() => "Verified, with a warning",
                _ => "Proved",
            };
            format!("{word}: {}", escape::line(&proof.why))
        }
        (Some(proof), false) if done => format!("Done: {}", escape::line(&proof.why)),
        (Some(proof), false) => format!("Nothing to do: {}", escape::line(&proof.why)),
        (None, false) if done => "Done.".to_owned(),
        (None, false) => "Nothing to do.".to_owned(),
    }
}

fn logins(text: &mut String, proof: &Proof, paint: Paint) {
    let _ = writeln!(text, "{}", paint.bold("Test logins"));
    let mut heading = String::new();
    for probe in &proof.probes {
        let this = format!("{:<30}{}", probe.group, probe.transport);
        if this != heading {
            let _ = writeln!(text, "  {}", paint.dim(&this));
            heading = this;
        }
        let sign = if probe.ok { paint.sign(State::Satisfied) } else { paint.sign(State::Refused) };
        let expected = if probe.ok { String::new() } else { format!("  (expected: {})", probe.expected) };
        let _ = writeln!(text, "    {sign} {:<25} {}{expected}", escape::line(&probe.name), escape::line(&probe.got));
    }
    if let Some(next) = &proof.next {
        let _ = writeln!(text, "  {}", escape::line(next));
    }
}

fn describe(text: &mut String, change: &ChangeReport, paint: Paint, indent: usize) {
    let _ = writeln!(text, "{:indent$}{}", "", paint.bold(&escape::line(&change.what)));
    for line in change.diff.iter().flat_map(|diff| diff.lines()) {
        let code = match line.as_bytes().first() {
            Some(b'+') => "32",
            Some(b'-') => "31",
            _ => "2",
        };
        let _ = writeln!(text, "{:indent$}  {}", "", paint.with(code, &escape::line(line)));
    }
    for fallback in &change.fallback {
        let _ = writeln!(text, "{:indent$}{}", "", paint.dim("if that fails:"));
        describe(text, fallback, paint, indent + 2);
    }
}

fn indented(text: &str, by: usize) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{:by$}{}", "", escape::line(line))).collect();
    lines.join("\n")
}
