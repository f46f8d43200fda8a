//! What the operator sees during a run, on stderr: one line per step with a spinner and the elapsed time on a terminal,
//! plain lines elsewhere. Also writes the log file, since both follow the same events.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::display::render::{self, Paint};
use crate::display::{escape, masked_diff, terminal};
use crate::engine::observer::{End, Observer};
use crate::engine::report::{ChangeReport, Happening, State, Versioned};
use crate::host::child::{Event, Watcher};

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Show {
    /// Nothing.
    Nothing,
    /// A line per step.
    #[default]
    Steps,
    /// A line per step, every command and every line of its output.
    Everything,
}

/// Prints a line to standard error. A terminal that is gone (a dropped ssh session) must not end a run halfway.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", terminal::shown(text));
}

/// The display of a run.
pub struct Progress {
    show: Show,
    paint: Paint,
    bar: RefCell<Option<ProgressBar>>,
    /// Whether the running command reports its progress.
    counts: Cell<bool>,
    log: RefCell<Option<File>>,
    /// Whether events are also printed, as JSON.
    events: bool,
}

impl Observer for Progress {
    fn begin(&self, id: &str, title: &str, (number, of): (usize, usize)) {
        self.log_line(&format!("== {id}: {title}"));
        let started = || Happening::StepStarted { step: id.to_owned(), title: title.to_owned(), number, of };
        self.tell(started);
        let moving = self.show == Show::Steps && std::io::stderr().is_terminal();
        if !moving {
            return;
        }
        let template = if self.paint.colors() {
            "{spinner:.cyan} {prefix}{wide_msg:.dim} {elapsed:>4}"
        } else {
            "{spinner} {prefix}{wide_msg} {elapsed:>4}"
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
        bar.set_prefix(format!("step {number} of {of}  {id}  "));
        bar.set_message(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        *self.bar.borrow_mut() = Some(bar);
    }

    fn change(&self, step: &str, change: &ChangeReport) {
        self.tell(|| Happening::Change { step: step.to_owned(), change: change.clone() });
    }

    /// The display shows what a step did; the events have the end of every step that began.
    fn end(&self, end: End<'_>) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
        if let End::Report(report) | End::Again(report) = end {
            self.tell(|| Happening::StepFinished { step: report.clone() });
        }
        let End::Report(report) = end else { return };
        self.log_line(&format!("== {}: {:?}: {}", report.id, report.state, report.why));
        if self.show != Show::Nothing && self.paint.shows(report) {
            let seconds = report.seconds.filter(|seconds| *seconds >= 0.1 && report.state != State::Satisfied);
            let took = seconds.map(|seconds| format!(" ({seconds:.1} s)")).unwrap_or_default();
            say(&self.paint.step(report, &took));
        }
    }

    fn difference(&self, path: &Path, before: &[u8], after: &[u8]) -> String {
        masked_diff::difference(path, before, after)
    }
}

impl Progress {
    /// A display; on a terminal it is animated, unless everything is shown.
    pub fn new(show: Show, paint: Paint) -> Self {
        Self { show, paint, bar: RefCell::default(), counts: Cell::default(), log: RefCell::default(), events: false }
    }

    /// If `wanted`, also prints events to standard output, one JSON object per line.
    pub fn with_events(self, wanted: bool) -> Self {
        Self { events: wanted, ..self }
    }

    /// A display that shows nothing.
    pub fn hidden() -> Self {
        Self::new(Show::Nothing, Paint::plain())
    }

    /// Also writes what children print to this file, with secrets masked.
    pub fn log_to(&self, file: File) {
        *self.log.borrow_mut() = Some(file);
    }

    /// Writes the result to the log too, for an operator who has lost the terminal.
    pub fn conclude(&self, result: &str) {
        self.log_line(result);
    }

    /// Shows a message in the middle of a run.
    pub fn note(&self, text: &str) {
        self.log_line(text);
        self.tell(|| Happening::Note { text: text.to_owned() });
        if self.show != Show::Nothing {
            self.aside(&escape::lines(text));
        }
    }

    fn aside(&self, text: &str) {
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    fn message(&self, text: String) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.set_message(text);
        }
    }

    fn tell(&self, happening: impl FnOnce() -> Happening) {
        if self.events {
            let line = render::on_one_line(render::json(&Versioned::new(happening())));
            // The run goes on even if the reader has gone away.
            let _ = std::io::stdout().lock().write_all(line.as_bytes());
        }
    }

    fn log_line(&self, text: &str) {
        if let Some(log) = &mut *self.log.borrow_mut() {
            // A log that cannot be written, on a full disk, must not stop the run.
            let _ = writeln!(log, "{}", escape::lines(text));
        }
    }
}

impl Watcher for Progress {
    fn event(&self, event: &Event) {
        match event {
            Event::Started(command) => {
                let line = escape::line(&format!("$ {}", command.display()));
                self.log_line(&line);
                self.counts.set(false);
                if self.show == Show::Everything {
                    say(&line);
                } else {
                    self.message(line);
                }
            }
            Event::Line(line) => {
                // Blanks for control characters: children that draw progress bars print many.
                let line = line.replace(|c: char| c.is_control() && c != '\t', " ");
                let line = escape::line(&line);
                self.log_line(&line);
                if self.show == Show::Everything {
                    say(&format!("  {line}"));
                } else if !self.counts.get() && is_informative(&line) {
                    self.message(line.trim().to_owned());
                }
            }
            Event::Percent(percent, what) => {
                self.counts.set(true);
                self.tell(|| Happening::Progress { percent: f64::from(*percent), what: (*what).to_owned() });
                self.message(format!("{percent:>3.0} %  {}", escape::line(what)));
            }
            Event::Notice(text) => self.note(text),
            Event::Ended(output) => self.log_line(&format!("-- exit code {:?}", output.code)),
        }
    }
}

/// Whether a child's line says what it is doing; warnings do not, neither luarocks' nor a C compiler's with their code.
fn is_informative(line: &str) -> bool {
    let line = line.trim_start();
    let alarming = line.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("warning"));
    line.starts_with(char::is_alphabetic) && !alarming && ![".c:", ".h:"].iter().any(|part| line.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::change::Change;
    use crate::host::Access;
    use crate::host::fake::FakeHost;

    #[test]
    fn a_file_change_shows_a_masked_diff() {
        let host = FakeHost::new().file("/etc/a", "one\ntwo\n");
        let secret = crate::host::secret::Secret::new("very-hidden-99");
        let text = format!("one\nthree {}\n", secret.reveal());
        let report = Change::write("/etc/a", text, Access::root(0o640)).report(&host, &Progress::hidden()).unwrap();
        assert_eq!(report.to_string(), "write /etc/a (mode 0640)");
        assert_eq!(report.diff.unwrap(), "@@ -1,2 +1,2 @@\n one\n-two\n+three <redacted>");
    }
}
