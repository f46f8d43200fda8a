//! The report as text for people, with or without color, and as JSON: two functions of the same value.

use std::fmt::Write;
use std::io::IsTerminal;
use std::os::fd::AsFd;

use serde::Serialize;

use crate::display::escape;
use crate::display::terminal::{self, Screen};
use crate::display::wrap::wrap;
use crate::engine::report::{ChangeKind, ChangeReport, NotTried, Probe, Proof, Report, State, StepReport, Verdict};
use crate::host::secret::redact;

/// When to use color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Color {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How text is adapted to a stream: colors, line breaks, amount of detail.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
    screen: Screen,
    /// Whether every detail is shown on a terminal too.
    verbose: bool,
}

impl Paint {
    /// Adapts text to this stream.
    pub fn new(color: Color, stream: &(impl IsTerminal + AsFd), verbose: bool) -> Self {
        let screen = Screen::of(stream);
        let on = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal::wants_color(screen.terminal, |name| std::env::var_os(name)),
        };
        Self { on, screen, verbose }
    }

    /// No color, and every detail: for a file.
    pub fn plain() -> Self {
        Self { on: false, screen: Screen::default(), verbose: true }
    }

    /// Whether somebody is looking who did not ask for every detail.
    fn brief(self) -> bool {
        self.screen.terminal && !self.verbose
    }

    /// Whether a step is shown.
    pub fn shows(self, step: &StepReport) -> bool {
        !(step.not_needed && self.brief())
    }

    /// Breaks text into lines that fit. The first begins at column `first`, the others are indented by `hang`.
    pub fn wrap(self, text: &str, first: usize, hang: usize) -> String {
        wrap(text, self.screen.width, first, hang)
    }

    /// The number of columns, if known.
    pub fn width(self) -> Option<usize> {
        self.screen.width
    }

    /// Whether colors are used.
    pub fn colors(self) -> bool {
        self.on
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Dimmed text.
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

    /// A step's line; `took` is its duration as text, or empty.
    pub fn step(self, report: &StepReport, took: &str) -> String {
        let word = match report.state {
            State::Skipped => "skipped: ",
            State::Blocked => "blocked: ",
            State::Failed => "failed: ",
            _ => "",
        };
        let why = format!("{word}{}{took}", escape::line(&report.why));
        let id = format!("{:<18}", report.id);
        let column = 2 + id.chars().count();
        format!("{} {id}{}", self.sign(report.state), self.wrap(&why, column, 20))
    }
}

/// Fields whose values are the program's own words, which are not masked.
const OWN: [&str; 13] = [
    "command",
    "event",
    "expected",
    "group",
    "id",
    "kind",
    "outcome",
    "problem",
    "state",
    "step",
    "token_problem",
    "transport",
    "verdict",
];

/// A report, an event or a failure as JSON, with secrets masked.
pub fn json(value: &impl Serialize) -> String {
    escape::json(value, &OWN)
}

/// A text on one line if it is JSON; any other text unchanged.
pub fn on_one_line(text: String) -> String {
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(value) => escape::escaped(&format!("{value}\n")),
        Err(_) => text,
    }
}

/// Every step, or only the pending ones, with changes and file differences.
pub fn plan(report: &Report, paint: Paint, only_pending: bool) -> String {
    let mut text = String::new();
    // The logins' sentence is the last one of the whole report.
    let repeats = |step: &StepReport| paint.brief() && report.proof.as_ref().is_some_and(|proof| proof.why == step.why);
    let has_part =
        |step: &&StepReport| paint.shows(step) && !repeats(step) && (!only_pending || step.state == State::Pending);
    for step in report.steps.iter().filter(has_part) {
        let _ = writeln!(text, "{}", paint.step(step, ""));
        if let Some(fix) = &step.fix {
            let _ = writeln!(text, "{}", indented(fix, 20, paint));
        }
        for change in &step.changes {
            describe(&mut text, change, paint, 4);
        }
    }
    text
}

/// A report as text.
pub struct Text {
    /// The result, for standard output.
    pub result: String,
    /// Warnings, and the failure if there was one, for standard error.
    pub aside: String,
}

/// The whole report. `brief` leaves out the steps, which were shown while they ran. `paint` is for the result, `aside`
/// for the rest.
pub fn report(report: &Report, paint: Paint, aside: Paint, brief: bool) -> Text {
    let (mut text, mut warnings) = (String::new(), String::new());
    if !brief {
        // Nothing is as urgent as a server that lets in anyone, or no one.
        if refused(report).is_some() {
            let _ = writeln!(text, "{}", paint.with("1;31", &paint.wrap(&summary(report), 0, 2)));
        }
        if report.dry_run && report.pending {
            let _ = writeln!(text, "{}", paint.wrap(&overview(report, None), 0, 2));
        }
        text += &plan(report, paint, false);
    }
    if let Some(proof) = &report.proof {
        logins(&mut text, proof, paint);
    }
    for warning in &report.warnings {
        let warning = aside.wrap(&escape::line(warning), 9, 2);
        let _ = writeln!(warnings, "{} {warning}", aside.with("33", "warning:"));
    }
    let failed = brief && report.steps.iter().any(|step| matches!(step.state, State::Failed | State::Blocked));
    let (end, paint) = if failed { (&mut warnings, aside) } else { (&mut text, paint) };
    let _ = writeln!(end, "{}", paint.bold(&paint.wrap(&summary(report), 0, 2)));
    let fix = report.proof.iter().filter_map(|proof| proof.fix.clone());
    let as_before = report.login_as_before.iter().map(as_before);
    for next in fix.chain(as_before).chain(report.next.iter().map(ToString::to_string)) {
        let _ = writeln!(end, "  {}", paint.wrap(&escape::line(&next), 2, 4));
    }
    if let Some(log) = &report.log {
        let _ = writeln!(end, "{}", paint.dim(&escape::line(&format!("  log: {log}"))));
    }
    Text { result: redact(&text), aside: redact(&warnings) }
}

/// A plan in one line: `8 changes, 7 packages; Prosody restarts (nobody is connected)`. `people` says who will notice
/// the restart.
pub fn overview(report: &Report, people: Option<&str>) -> String {
    let pending = || report.steps.iter().filter(|step| step.state == State::Pending);
    let counted = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let mut text = counted(pending().map(|step| step.changes.len()).sum(), "change", "changes");
    let packages: usize = pending().flat_map(|step| &step.changes).map(|change| change.packages.len()).sum();
    if packages > 0 {
        text += &format!(", {}", counted(packages, "package", "packages"));
    }
    if pending().any(|step| step.id == "prosody-restart") {
        let people = people.map(|people| format!(" ({people})")).unwrap_or_default();
        text += &format!("; Prosody restarts{people}");
    }
    text
}

fn as_before(login: &Probe) -> String {
    format!("login without a token, as before the install: {}", login.said)
}

/// The proof, if the logins gave an unexpected result.
fn refused(report: &Report) -> Option<&Proof> {
    report.proof.as_ref().filter(|proof| proof.verdict == Verdict::Refused)
}

/// The outcome in one sentence.
fn summary(report: &Report) -> String {
    let failed = report.steps.iter().find(|step| matches!(step.state, State::Failed | State::Blocked));
    let done = report.steps.iter().any(|step| step.state == State::Done);
    if let Some(proof) = refused(report) {
        return format!("Verification failed: {}", escape::line(&proof.why));
    }
    if let Some(step) = failed {
        let word = if step.state == State::Blocked { "Blocked" } else { "Failed" };
        return format!("{word} at {}: {}", step.id, escape::line(&step.why));
    }
    match (&report.proof, report.pending) {
        (_, true) if report.dry_run => "Preview only; nothing was changed.".to_owned(),
        (_, true) => {
            let count = report.steps.iter().map(|step| step.changes.len()).sum::<usize>();
            let changes = if count == 1 { "1 change".to_owned() } else { format!("{count} changes") };
            format!("Changes needed ({changes}): run `jitsi-tokens-setup install`.")
        }
        (Some(proof), false) if report.command == "verify" => {
            let word = match proof.verdict {
                Verdict::Partial => "Partly verified",
                _ if !report.warnings.is_empty() => "Verified, with a warning",
                _ => "Verified",
            };
            format!("{word}: {}", escape::line(&proof.why))
        }
        (Some(proof), false) if done => format!("Done: {}", escape::line(&proof.why)),
        (Some(proof), false) if report.command == "status" => format!("All good: {}", escape::line(&proof.why)),
        (Some(proof), false) => format!("Nothing to do: {}", escape::line(&proof.why)),
        (None, false) if done => "Done.".to_owned(),
        (None, false) => "Nothing to do.".to_owned(),
    }
}

fn logins(text: &mut String, proof: &Proof, paint: Paint) {
    if paint.brief() {
        return brief_logins(text, proof, paint);
    }
    let _ = writeln!(text, "{}", paint.bold("Test logins"));
    let mut heading = String::new();
    for probe in &proof.probes {
        let this = format!("{:<30}{}", probe.group.replace('-', " "), transport(&probe.transport));
        if this != heading {
            let _ = writeln!(text, "  {}", paint.dim(&this));
            heading = this;
        }
        let sign = if probe.ok { paint.sign(State::Satisfied) } else { paint.sign(State::Refused) };
        let expected = if probe.ok { String::new() } else { format!("  (expected: {})", probe.expected.words()) };
        let _ = writeln!(text, "    {sign} {:<25} {}{expected}", escape::line(&probe.name), escape::line(&probe.said));
    }
    for NotTried { transport: name, reason, .. } in &proof.transports_not_tried {
        let line = escape::line(&format!("{} not tested: {reason}", transport(name)));
        let _ = writeln!(text, "  {} {}", paint.sign(State::Skipped), paint.wrap(&line, 4, 6));
    }
}

/// A transport's name, as people write it.
fn transport(id: &str) -> &str {
    match id {
        "bosh" => "BOSH",
        "websocket" => "WebSocket",
        other => other,
    }
}

/// The logins as a terminal shows them: only the results that were not expected.
fn brief_logins(text: &mut String, proof: &Proof, paint: Paint) {
    let expected = proof.probes.iter().filter(|probe| probe.ok).count();
    let results = if expected == 1 { "1 test result" } else { &format!("{expected} test results") };
    let wrong: Vec<_> = proof.probes.iter().filter(|probe| !probe.ok).collect();
    for probe in &wrong {
        let (said, expected) = (&probe.said, probe.expected.words());
        let got = format!("{} ({}): {said}; expected: {expected}", probe.name, transport(&probe.transport));
        let line = paint.wrap(&escape::line(&got), 2, 4);
        let _ = writeln!(text, "{} {}", paint.sign(State::Refused), paint.with("31", &line));
    }
    if expected > 0 {
        let _ = writeln!(text, "{} {results} as expected (-v lists them)", paint.sign(State::Satisfied));
    }
}

/// A command without the environment variables and configuration options that only set up apt and luarocks.
fn short(command: &str) -> String {
    let variable =
        |word: &str| word == "env" || word.split_once('=').is_some_and(|(name, _)| name.chars().all(is_name));
    let mut words = command.split(' ').skip_while(|word| variable(word));
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "-o" => drop(words.next()),
            word if word.starts_with("-o") && word.contains('=') => {}
            word => kept.push(word),
        }
    }
    kept.join(" ")
}

fn is_name(c: char) -> bool {
    c.is_ascii_uppercase() || c == '_'
}

fn describe(text: &mut String, change: &ChangeReport, paint: Paint, indent: usize) {
    let what = change.to_string();
    let what = if paint.brief() && change.kind == ChangeKind::Run { short(&what) } else { what };
    let what = paint.wrap(&escape::line(&what), indent, indent + 4);
    let _ = writeln!(text, "{:indent$}{}", "", paint.bold(&what));
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

fn indented(text: &str, by: usize, paint: Paint) -> String {
    let fitted = |line: &str| format!("{:by$}{}", "", paint.wrap(&escape::line(line), by, by));
    let lines: Vec<String> = text.lines().map(fitted).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_unneeded_steps_only_with_details() {
        let step = |not_needed| StepReport {
            id: "options",
            state: State::Skipped,
            why: "no options to save".to_owned(),
            fix: None,
            changes: Vec::new(),
            seconds: None,
            not_needed,
        };
        let paint = |terminal, verbose| Paint { on: false, screen: Screen { terminal, width: None }, verbose };
        assert!(!paint(true, false).shows(&step(true)));
        assert!(paint(true, true).shows(&step(true)) && paint(false, false).shows(&step(true)));
        assert!(paint(true, false).shows(&step(false)));
    }
}
