//! The tool killed before and after each of its changes, and while each of its children runs. The points are taken from
//! the run itself, so a new step is covered on the day that it is written.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use crate::bed::{FRESH, Machine};
use crate::killer::{Outcome, Point, kill_at, points_of};
use crate::story::{STATE, forget_old_layers};

/// What the operator does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Takes everything back.
    Back,
    /// Runs it again, then takes everything back.
    On,
}

/// All that the tool could leave behind, the lock file (which it always leaves) and its log apart.
pub const LEFTOVERS: &str = "find /etc /usr/local /var/lib /var/cache /run /tmp /root -name '*jitsi-tokens-setup*' | grep -vx /run/jitsi-tokens-setup.lock || true";

pub const INSTALL: &[&str] = &["install", "--yes", "--json"];
const UNINSTALL: &[&str] = &["uninstall", "--yes", "--json"];

/// A machine that has the packages already, as somebody may have installed them before: what is left to do takes a few
/// seconds, so that many points fit into a test.
pub fn with_packages(profile: &str) -> String {
    static LAYERS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut layers = LAYERS
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(layer) = layers.get(profile) {
        return layer.clone();
    }
    let machine = Machine::boot(profile);
    let plan = machine.tool(&["install", "--dry-run", "--json"]).json();
    let steps = plan["steps"].as_array().expect("steps");
    let packages = steps
        .iter()
        .find(|step| step["id"] == "apt-packages")
        .expect("the step");
    for change in packages["changes"].as_array().expect("changes") {
        let what = change["what"].as_str().expect("a line");
        if let Some((_, names)) = what.split_once(" install ") {
            machine.sh(&format!(
                "apt-get install -q -y --no-install-recommends {names}"
            ));
        }
    }
    let layer = format!("test-packages-{profile}-{}", std::process::id());
    forget_old_layers();
    machine.snapshot(&layer);
    layers.insert(profile.to_owned(), layer.clone());
    layer
}

/// A machine, and how it was before the tool came.
struct Subject {
    layer: String,
    /// The command that is killed.
    command: &'static [&'static str],
    machine: Machine,
    before: String,
}

impl Subject {
    fn new(layer: &str, command: &'static [&'static str]) -> Self {
        let machine = Machine::boot(layer);
        // In some eras only jicofo opens rooms.
        machine.sh("touch /run/bed-jicofo");
        let before = machine.sh(STATE);
        Self {
            layer: layer.to_owned(),
            command,
            machine,
            before,
        }
    }

    fn must(&self, command: &[&str]) -> Result<(), String> {
        let run = self.machine.tool(command);
        if run.code == 0 {
            Ok(())
        } else {
            Err(format!(
                "{command:?} afterwards: code {}: {}",
                run.code,
                run.all()
            ))
        }
    }

    /// What the command works on.
    fn prepare(&self) -> Result<(), String> {
        if self.command == UNINSTALL {
            self.must(INSTALL)
        } else {
            Ok(())
        }
    }

    /// Kills it at `point` and goes on; the machine is as before again when all is well.
    fn survives(&self, point: &Point, next: Next) -> Result<Outcome, String> {
        self.prepare()?;
        let outcome = kill_at(&self.machine, self.command, point);
        let status = self.machine.tool(&["status", "--json"]);
        let served = status.code == 0 || self.machine.is_open();
        // 4: killed while it was restarted, Prosody may listen a moment later only.
        let said = status.json()["steps"]
            .as_array()
            .is_some_and(|steps| !steps.is_empty());
        if !(served || said && [3, 4, 5].contains(&status.code)) {
            return Err(format!(
                "nobody gets in, and status does not say why: {}",
                status.all()
            ));
        }
        if next == Next::On {
            self.must(INSTALL)?;
        }
        self.must(UNINSTALL)?;
        let after = self.machine.sh(STATE);
        if after != self.before {
            return Err(format!(
                "not as before:\n{}",
                difference(&self.before, &after)
            ));
        }
        let left = self.machine.sh(LEFTOVERS);
        if left.is_empty() {
            Ok(outcome)
        } else {
            Err(format!("left behind: {left}"))
        }
    }

    /// All these points on one machine, which is replaced where it did not come through.
    fn go_through(&mut self, points: &[(Point, Next)]) {
        let title = format!("{} {}", self.layer, self.command[0]);
        all_survive(&title, points, |point, next| {
            let result = caught(|| self.survives(point, next));
            if result.is_err() {
                *self = Self::new(&self.layer, self.command);
            }
            result
        });
    }

    /// The points of one whole run.
    fn points(&self) -> Vec<Point> {
        self.prepare().expect("it can be prepared");
        let points = points_of(&self.machine, self.command);
        if self.command == INSTALL {
            self.must(UNINSTALL).expect("it can be taken back");
        }
        assert_eq!(self.machine.sh(STATE), self.before);
        points
    }
}

/// What came of it, a command that failed in the bed (which panics) included.
pub fn caught(attempt: impl FnOnce() -> Result<Outcome, String>) -> Result<Outcome, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt))
        .unwrap_or_else(|_| Err("a command in the bed failed".to_owned()))
}

/// Insists that every point is survived and most are reached. Prints the table's row.
pub fn all_survive(
    title: &str,
    points: &[(Point, Next)],
    mut survives: impl FnMut(&Point, Next) -> Result<Outcome, String>,
) {
    let (mut failures, mut killed) = (Vec::new(), 0);
    for (point, next) in points {
        match survives(point, *next) {
            Ok(outcome) => killed += usize::from(outcome == Outcome::Killed),
            Err(why) => {
                let failure = format!("{point:?}, then {next:?}: {why}");
                eprintln!("FAILED {failure}");
                failures.push(failure);
            }
        }
    }
    let (all, failed) = (points.len(), failures.len());
    let on = points.iter().filter(|(_, next)| *next == Next::On).count();
    eprintln!(
        "{title}: {all} points, {on} finished by a rerun and {} taken back at once; {killed} killed, {} ended before, {failed} failed",
        all - on,
        all - killed - failed
    );
    assert!(
        failures.is_empty(),
        "{failed} of {all} points:\n{}",
        failures.join("\n\n")
    );
    assert!(
        killed * 10 >= all * 8,
        "most points must really be reached: {killed} of {all}"
    );
}

pub fn difference(before: &str, after: &str) -> String {
    let lines = |text: &str| {
        text.lines()
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (before, after) = (lines(before), lines(after));
    let gone = before.difference(&after).map(|line| format!("-{line}"));
    let new = after.difference(&before).map(|line| format!("+{line}"));
    gone.chain(new).collect::<Vec<_>>().join("\n")
}

/// The same points for the same seed. Half of them are taken back at once.
pub fn sample(points: &[Point], seed: u64, part: usize, count: usize) -> Vec<(Point, Next)> {
    let mut state = seed;
    let mut draw = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut order: Vec<usize> = (0..points.len()).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, draw(at + 1));
    }
    let chosen = order.into_iter().skip(part * count).take(count).enumerate();
    chosen
        .map(|(at, index)| {
            (
                points[index].clone(),
                if at % 2 == 0 { Next::Back } else { Next::On },
            )
        })
        .collect()
}

/// Another sample: JTS_KILL_SEED.
pub fn seed() -> u64 {
    std::env::var("JTS_KILL_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20_261_125)
}

fn sampled(command: &'static [&'static str], part: usize, count: usize) {
    static POINTS: OnceLock<Vec<Point>> = OnceLock::new();
    let mut subject = Subject::new(&with_packages(FRESH), command);
    let points = if command == INSTALL {
        POINTS.get_or_init(|| subject.points()).clone()
    } else {
        subject.points()
    };
    eprintln!(
        "{} points in one {}, {count} of them with seed {}",
        points.len(),
        command[0],
        seed()
    );
    assert!(points.len() > 40, "{points:#?}");
    let mut chosen = sample(&points, seed(), part, count);
    if command == INSTALL && part == 0 {
        chosen.push((secret_beside_the_configuration(&points), Next::Back));
    }
    subject.go_through(&chosen);
}

/// Where the new configuration, secret and all, stands in a temporary file beside the real one.
fn secret_beside_the_configuration(points: &[Point]) -> Point {
    let is = |point: &Point, call: &str, part: &str| matches!(point, Point::Call { name, line, .. } if name == call && line.contains(part));
    let made = points.iter().position(|point| {
        is(
            point,
            "openat",
            "/etc/prosody/conf.avail/.meet.example.org.cfg.lua.",
        )
    });
    let written = points[made.expect("it is made")..]
        .iter()
        .find(|point| is(point, "fsync", ""));
    written.expect("it is synced").clone()
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn an_install_killed_anywhere_is_finished_or_taken_back_first_sample() {
    sampled(INSTALL, 0, 10);
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn an_install_killed_anywhere_is_finished_or_taken_back_second_sample() {
    sampled(INSTALL, 1, 10);
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn an_uninstall_killed_anywhere_is_finished_by_another() {
    sampled(UNINSTALL, 0, 6);
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn an_install_killed_with_dpkg_at_work_is_finished_or_taken_back() {
    let mut subject = Subject::new(FRESH, INSTALL);
    let cut = |everything| Point::Program {
        name: "dpkg".to_owned(),
        after: Duration::from_millis(1500),
        everything,
    };
    subject.go_through(&[(cut(true), Next::On), (cut(false), Next::Back)]);
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn a_luarocks_that_outlives_a_killed_install_leaves_nothing_behind() {
    let mut subject = Subject::new(&with_packages(FRESH), INSTALL);
    // A slow machine: the compiler is still at work when everything else is taken back already.
    subject.machine.sh("printf '#!/bin/sh\nsleep 2\nexec /usr/bin/gcc \"$@\"\n' > /usr/local/bin/gcc; chmod 755 /usr/local/bin/gcc");
    subject.before = subject.machine.sh(STATE);
    let compiling = Point::Program {
        name: "gcc".to_owned(),
        after: Duration::ZERO,
        everything: false,
    };
    for next in [Next::Back, Next::On] {
        subject.go_through(&[(compiling.clone(), next)]);
        let at_work = "pgrep -af '^[^ ]*lua5[^ ]* /usr/bin/luarocks' || true";
        assert_eq!(subject.machine.sh(at_work), "", "{next:?}");
    }
}

mod thorough {
    use super::*;

    /// Every point, finished and taken back in turn (the other way round with an odd JTS_KILL_SEED). One command per
    /// release: `cargo test --test container kill::thorough::install_every_point_of_bookworm -- --include-ignored --nocapture`.
    fn every_point(profile: &str, command: &'static [&'static str]) {
        let mut subject = Subject::new(&with_packages(profile), command);
        let points = subject.points();
        let first = seed() as usize;
        let next = |at: usize| {
            if (at + first) % 2 == 0 {
                Next::Back
            } else {
                Next::On
            }
        };
        let each: Vec<(Point, Next)> = points
            .into_iter()
            .enumerate()
            .map(|(at, point)| (point, next(at)))
            .collect();
        subject.go_through(&each);
    }

    #[test]
    #[ignore = "needs root and the bed: scripts/test --all runs it"]
    fn install_every_point_of_bullseye() {
        every_point("bullseye-decode", INSTALL);
    }

    #[test]
    #[ignore = "needs root and the bed: scripts/test --all runs it"]
    fn uninstall_every_point_of_bullseye() {
        every_point("bullseye-decode", UNINSTALL);
    }

    #[test]
    #[ignore = "needs root and the bed: scripts/test --all runs it"]
    fn install_every_point_of_bookworm() {
        every_point("bookworm-bundled", INSTALL);
    }

    #[test]
    #[ignore = "needs root and the bed: scripts/test --all runs it"]
    fn uninstall_every_point_of_bookworm() {
        every_point("bookworm-bundled", UNINSTALL);
    }

    #[test]
    #[ignore = "needs root and the bed: scripts/test --all runs it"]
    fn install_every_point_of_trixie() {
        every_point("trixie-bundled", INSTALL);
    }

    #[test]
    #[ignore = "needs root and the bed: scripts/test --all runs it"]
    fn uninstall_every_point_of_trixie() {
        every_point("trixie-bundled", UNINSTALL);
    }

    #[test]
    #[ignore = "needs root and the bed: scripts/test --all runs it"]
    fn while_apt_and_dpkg_are_at_work() {
        let mut subject = Subject::new(FRESH, INSTALL);
        let mut points = Vec::new();
        for (name, after) in [
            ("apt-get", 0),
            ("apt-get", 400),
            ("dpkg", 0),
            ("dpkg", 700),
            ("dpkg", 3000),
            ("dpkg", 6000),
        ] {
            for (everything, next) in [
                (true, Next::On),
                (true, Next::Back),
                (false, Next::On),
                (false, Next::Back),
            ] {
                let after = Duration::from_millis(after);
                points.push((
                    Point::Program {
                        name: name.to_owned(),
                        after,
                        everything,
                    },
                    next,
                ));
            }
        }
        subject.go_through(&points);
    }
}
