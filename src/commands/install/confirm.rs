//! Shows the plan and asks: yes, no, or explain.

use anyhow::Result;

use crate::commands::{OutputStyle, ask};
use crate::display::escape;
use crate::display::progress::say;
use crate::display::render;
use crate::engine::report::{Report, State};
use crate::steps::STEPS;

/// Returns if the operator agrees; `open` is how many connections a restart would drop.
pub fn ask(plan: &Report, output: OutputStyle, open: usize, restart: bool) -> Result<()> {
    say(render::plan(plan, output.progress_paint, true).trim_end());
    ask::somebody_is_there()?;
    say(&format!("\n{}", price(open, restart)));
    ask::agreed("Apply these changes?", Some(&explanation(plan)))
}

fn price(open: usize, restart: bool) -> String {
    if !restart {
        return "Prosody is not restarted (--no-restart): the changes take effect when you restart it.".to_owned();
    }
    let people = match open {
        0 => "nobody is connected".to_owned(),
        1 => "1 open connection will be dropped".to_owned(),
        open => format!("{open} open connections will be dropped"),
    };
    format!("Prosody is restarted at the end: {people}.")
}

/// For every step that has something to do: what it is for, and why it has to do it.
fn explanation(plan: &Report) -> String {
    let pending = plan.steps.iter().filter(|report| report.state == State::Pending);
    let line = |report: &crate::engine::report::StepReport| {
        let title = STEPS.iter().find(|step| step.id == report.id).map_or("", |step| step.title);
        format!("{}: it makes sure that {title}; now: {}\n", report.id, escape::line(&report.why))
    };
    let mut text: String = pending.map(line).collect();
    text.push_str(
        "Every change is recorded in /var/lib/jitsi-tokens-setup before it is made; `uninstall` undoes all of them.\n\
         If people can join now but not with a valid token afterwards, the previous configuration is restored.\n",
    );
    text
}
