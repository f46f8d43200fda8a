//! `uninstall` in steps: each compares the machine with its earlier state in the receipt, so they can be run again
//! after an interruption, and are applied and previewed by the same loop as the other steps.

mod debconf;
mod files;
mod jicofo;
mod packages;
mod rocks;
#[cfg(test)]
mod tests;

use crate::engine::step::Part::Machine;
use crate::engine::step::{Check, Part};
use crate::site::view::{Context, Step};

/// The steps. The configuration is restored first: a package's removal script must not find the secret in it.
pub const STEPS: [Step; 7] = [
    Step { id: "files", title: "files are restored", check: files::check, part: Machine },
    Step { id: "rocks", title: "rocks are restored", check: rocks::check, part: Machine },
    Step { id: "rock-programs", title: "programs of rocks are restored", check: files::programs, part: Machine },
    Step { id: "packages", title: "packages are restored", check: packages::check, part: Machine },
    Step { id: "debconf", title: "debconf has its previous answers", check: debconf::check, part: Machine },
    Step {
        id: "prosody-restart",
        title: "Prosody has restarted since the last change",
        check: restart,
        part: Part::Daemon,
    },
    Step { id: "jicofo", title: "jicofo runs with its previous configuration", check: jicofo::check, part: Machine },
];

/// The steps that put a failed configuration back.
pub const ROLLBACK: [Step; 3] = [
    Step { id: "files", title: "files are restored", check: files::check, part: Machine },
    Step {
        id: "prosody-restart",
        title: "Prosody has restarted since the last change",
        check: restart,
        part: Part::Daemon,
    },
    Step { id: "jicofo", title: "jicofo runs with its previous configuration", check: jicofo::check, part: Machine },
];

fn restart(cx: &Context) -> anyhow::Result<Check> {
    match &cx.facts.site {
        Ok(_) => crate::steps::prosody_restart(cx),
        Err(obstacle) => Check::skipped(format!("Prosody was not restarted: {}", obstacle.why)),
    }
}
