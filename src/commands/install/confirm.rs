//! Shows the plan and asks: yes, no, or explain.

use anyhow::Result;

use super::explanation;
use crate::commands::{OutputStyle, ask};
use crate::display::progress::say;
use crate::display::render::{self, Paint};
use crate::engine::report::{Report, State};
use crate::steps::STEPS;

/// Returns if the operator agrees; `open` is how many connections a restart would drop.
pub fn ask(plan: &Report, output: OutputStyle, open: usize, restart: bool) -> Result<()> {
    show(plan, output, open);
    ask::ensure_interactive()?;
    if !restart {
        say("\nProsody is not restarted (--no-restart): the changes take effect when you restart it.");
    }
    say("");
    ask::agreed("Apply these changes?", Some(&explanation(plan, output.progress_paint)))
}

/// Shows what will be done, with a summary first.
pub fn show(plan: &Report, output: OutputStyle, open: usize) {
    let people = match open {
        0 => "nobody is connected".to_owned(),
        1 => "1 open connection will be dropped".to_owned(),
        open => format!("{open} open connections will be dropped"),
    };
    let paint = output.progress_paint;
    say(&format!("{}\n", paint.wrap(&render::overview(plan, Some(&people)), 0, 2)));
    say(render::plan(plan, paint, true).trim_end());
}

/// What every pending step does, and why.
fn explanation(plan: &Report, paint: Paint) -> String {
    let pending = plan.steps.iter().filter(|report| report.state == State::Pending);
    let mut text = String::new();
    for report in pending {
        let title = || STEPS.iter().find(|step| step.id == report.id).map_or("", |step| step.title);
        let what = explanation::of(report.id).unwrap_or_else(title);
        text += &format!("\n{}\n  {}\n", report.id, paint.wrap(what, 2, 2));
    }
    for promise in [
        "Every change is recorded in /var/lib/jitsi-tokens-setup before it is made; `uninstall` undoes all of them.",
        "If people can join now but not with a valid token afterwards, the previous configuration is restored.",
    ] {
        text += &format!("\n{}\n", paint.wrap(promise, 0, 0));
    }
    text
}
