//! What the receipt records about Debian: the packages and debconf's answers.

use std::path::Path;

use anyhow::Result;

use crate::debian::{apt, debconf, dpkg};
use crate::engine::leftovers::wait_for;
use crate::engine::receipt::Entry;
use crate::engine::snapshot::{Keep, Snapshot, hash};
use crate::engine::watch::{Watch, WatchKind};
use crate::host::Host;
use crate::host::command::Command;

/// The lock that apt and dpkg hold while they work.
const LOCK: &str = "/var/lib/dpkg/lock-frontend";

/// The set of packages on this machine.
pub struct Packages;

impl Packages {
    /// A watch that records the set around a change.
    pub fn watch() -> Watch {
        Watch::new(&Self, "")
    }
}

impl WatchKind for Packages {
    fn name(&self) -> &'static str {
        "packages"
    }

    /// Includes half-done packages: a killed dpkg leaves some unpacked and not configured.
    fn capture(&self, host: &dyn Host, _which: &str, _keep: Keep) -> Result<Snapshot> {
        Ok(Snapshot::Names(dpkg::present(host)?))
    }

    fn planned(&self, host: &dyn Host, command: &Command) -> Option<Snapshot> {
        apt::added_by(host, command).map(Snapshot::Names)
    }

    fn settle(&self, host: &dyn Host, _entry: &Entry) -> Result<()> {
        wait_for("a package manager", host, |host| host.lock_holder(Path::new(LOCK)))
    }
}

/// Answers to debconf's questions, which are named `package/name`.
pub struct Answers;

impl Answers {
    /// A watch that records the answer to one question around a change.
    pub fn watch(question: &str) -> Watch {
        Watch::new(&Self, question)
    }
}

impl WatchKind for Answers {
    fn name(&self) -> &'static str {
        "debconf"
    }

    fn capture(&self, host: &dyn Host, which: &str, keep: Keep) -> Result<Snapshot> {
        let Some(value) = debconf::answer(host, which)? else {
            return Ok(Snapshot::Answer(None));
        };
        let name = hash(value.as_bytes());
        keep(&name, value.as_bytes())?;
        Ok(Snapshot::Answer(Some(name)))
    }

    fn settle(&self, _host: &dyn Host, _entry: &Entry) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;
    use crate::engine::change::Change;
    use crate::engine::receipt::Receipt;
    use crate::host::fake::{FakeHost, output};

    const KINDS: [&dyn WatchKind; 1] = [&Packages];

    /// A machine with these packages, on which apt would add gcc and make.
    fn machine() -> (FakeHost, Rc<RefCell<Vec<&'static str>>>) {
        let packages = Rc::new(RefCell::new(vec!["prosody"]));
        let there = Rc::clone(&packages);
        let host = FakeHost::new().answers(move |command| match command.program.as_str() {
            "dpkg-query" => {
                let lines: String = there.borrow().iter().map(|name| format!("{name}\tii \t1\n")).collect();
                output(0, &lines)
            }
            _ => output(0, "Inst gcc:amd64 (1 Debian)\nInst make (1 Debian)\nInst prosody [1] (2 Debian)\n"),
        });
        (host, packages)
    }

    fn recorded(receipt: &Receipt) -> Vec<String> {
        let added = |snapshot: &Snapshot| match snapshot {
            Snapshot::Names(names) => names.iter().cloned().collect(),
            other => panic!("{other:?}"),
        };
        receipt.entries().first().and_then(|entry| entry.after.as_ref()).map(added).unwrap_or_default()
    }

    #[test]
    fn packages_that_others_add_at_the_same_time_are_theirs() {
        let install = apt::install(&["gcc".to_owned(), "make".to_owned()], Vec::new(), Duration::ZERO);
        let (host, packages) = machine();
        let mut receipt = Receipt::load(&host, &KINDS).unwrap();
        receipt.begin("apt-packages", &install).unwrap();
        packages.borrow_mut().extend(["redis-server", "gcc", "make"]);
        receipt.settle().unwrap();
        assert_eq!(recorded(&receipt), ["gcc", "make"]);
        // Repairing adds what a simulation says, and configuring nothing.
        for (repair, added) in apt::repair(Duration::ZERO).iter().zip([&[][..], &["gcc", "make"][..]]) {
            let (host, packages) = machine();
            let mut receipt = Receipt::load(&host, &KINDS).unwrap();
            receipt.begin("apt-packages", repair).unwrap();
            packages.borrow_mut().extend(["redis-server", "gcc", "make"]);
            receipt.settle().unwrap();
            assert_eq!(recorded(&receipt), added);
        }
    }

    #[test]
    fn packages_that_others_add_after_a_killed_run_are_theirs() {
        let (host, packages) = machine();
        let install = apt::install(&["gcc=1".to_owned()], Vec::new(), Duration::ZERO);
        Receipt::load(&host, &KINDS).unwrap().begin("apt-packages", &install).unwrap();
        packages.borrow_mut().extend(["gcc", "postgresql"]);
        assert_eq!(recorded(&Receipt::load(&host, &KINDS).unwrap()), ["gcc"]);
    }

    #[test]
    fn what_a_failed_simulation_would_add_is_not_known() {
        let host = FakeHost::new().answers(|_| output(100, "E: broken"));
        let install = apt::install(&["gcc=1".to_owned()], Vec::new(), Duration::ZERO);
        let Change::Run { command, .. } = install else { panic!("a command") };
        assert_eq!(apt::added_by(&host, &command), None);
    }
}
