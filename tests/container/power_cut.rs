//! The power is cut at a point of the run: what the tool had not synced is gone, including its children's files, and
//! the machine boots again. The points are those of `kill`.

use std::path::{Path, PathBuf};

use crate::bed::{FRESH, Machine};
use crate::kill_subject::{
    INSTALL, LEFTOVERS, Next, UNINSTALL, all_survive, caught, difference, sample, seed, with_packages,
};
use crate::killer::{Outcome, Point, kill_at, points_of};
use crate::story::STATE;

/// A machine with a disk of its own, and its state before the tool was used.
struct Subject {
    layer: String,
    /// The command during which the power is cut.
    command: &'static [&'static str],
    folder: tempfile::TempDir,
    cuts: usize,
    machine: Option<Machine>,
    before: String,
}

impl Subject {
    fn new(layer: &str, command: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let machine = Machine::boot_on(layer, &folder.path().join("disk"));
        let before = machine.sh(STATE);
        Self { layer: layer.to_owned(), command, folder, cuts: 0, machine: Some(machine), before }
    }

    fn machine(&self) -> &Machine {
        self.machine.as_ref().expect("it is up")
    }

    fn must(&self, command: &[&str]) -> Result<(), String> {
        let run = self.machine().tool(command);
        (run.code == 0).then_some(()).ok_or_else(|| {
            let all = run.all();
            format!("{command:?} after the cut: code {}: {all}", run.code)
        })
    }

    fn disk(&self) -> PathBuf {
        self.folder.path().join(format!("disk-{}", self.cuts))
    }

    fn cut_power(&mut self) {
        let old = self.disk();
        self.cuts += 1;
        let machine = self.machine.take().expect("it is up");
        machine.cut_power(&self.disk());
        // The first disk has another name.
        let _ = std::fs::remove_file(old);
        self.machine = Some(Machine::boot_on(&self.layer, &self.disk()));
    }

    /// Makes the state that the command works on.
    fn prepare(&self) -> Result<(), String> {
        self.machine().jicofo_answers();
        if self.command == UNINSTALL {
            self.must(INSTALL)?;
        }
        self.machine().sh("sync");
        Ok(())
    }

    fn survives(&mut self, point: &Point, next: Next) -> Result<Outcome, String> {
        self.prepare()?;
        let outcome = kill_at(self.machine(), self.command, point);
        self.cut_power();
        self.machine().jicofo_answers();
        let status = self.machine().tool(&["status", "--json"]);
        let said = [3, 5].contains(&status.code);
        if !(status.code == 0 || self.machine().is_open() || said) {
            let all = status.all();
            return Err(format!("nobody gets in, and status does not say why: {all}"));
        }
        if next == Next::On {
            self.must(INSTALL)?;
        }
        self.must(UNINSTALL)?;
        let after = self.machine().sh(STATE);
        if after != self.before {
            let difference = difference(&self.before, &after);
            return Err(format!("not as before:\n{difference}"));
        }
        let left = self.machine().sh(LEFTOVERS);
        let clean = left.is_empty().then_some(outcome);
        clean.ok_or_else(|| format!("left behind: {left}"))
    }

    /// Tries all these points on one machine, which is replaced after a failure.
    fn go_through(&mut self, points: &[(Point, Next)]) {
        let title = format!("{} power cut", self.layer);
        all_survive(&title, points, |point, next| {
            let result = caught(|| self.survives(point, next));
            if result.is_err() {
                *self = Self::new(&self.layer, self.command);
            }
            result
        });
    }
}

fn sampled(profile: &str, command: &'static [&'static str], count: usize) {
    let layer = with_packages(profile);
    let mut subject = Subject::new(&layer, command);
    subject.prepare().expect("it can be prepared");
    let points = points_of(subject.machine(), command);
    assert!(points.len() > 40, "{points:#?}");
    subject = Subject::new(&layer, command);
    subject.go_through(&sample(&points, seed(), 0, count.min(points.len())));
}

#[test]
fn a_power_cut_loses_only_unsynced_data() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = |name: &str| -> PathBuf { Path::join(folder.path(), name) };
    let machine = Machine::boot_on(FRESH, &disk("first"));
    machine.sh("echo a > /etc/synced; sync /etc/synced; echo b > /etc/unsynced");
    machine.cut_power(&disk("second"));
    let machine = Machine::boot_on(FRESH, &disk("second"));
    assert_eq!(machine.text("/etc/synced"), "a\n");
    assert_eq!(machine.try_sh("cat /etc/unsynced").stdout, "");
}

#[test]
fn a_power_cut_during_install_is_survived() {
    sampled(FRESH, INSTALL, 6);
}

mod thorough {
    use super::{INSTALL, UNINSTALL, sampled};

    /// All of them: `cargo test --features container --test container power_cut::thorough -- --nocapture`.
    #[test]
    fn an_install_cut_off_at_every_point_of_bullseye() {
        sampled("bullseye-decode", INSTALL, usize::MAX);
    }

    #[test]
    fn an_install_cut_off_at_every_point_of_bookworm() {
        sampled("bookworm-bundled", INSTALL, usize::MAX);
    }

    #[test]
    fn an_install_cut_off_at_every_point_of_trixie() {
        sampled("trixie-bundled", INSTALL, usize::MAX);
    }

    #[test]
    fn an_uninstall_cut_off_anywhere_on_bullseye() {
        sampled("bullseye-decode", UNINSTALL, 40);
    }

    #[test]
    fn an_uninstall_cut_off_anywhere_on_bookworm() {
        sampled("bookworm-bundled", UNINSTALL, 40);
    }
}
