//! The tool is killed before and after each of its changes, and while each of its children runs. The points are taken
//! from the run itself, so a new step is covered from the day that it is written.

use std::sync::OnceLock;
use std::time::Duration;

use crate::bed::FRESH;
use crate::kill_subject::{
    CHOOSE, INSTALL, KEEP_OLD, KEY_SERVER, KEY_SET, NO_KEY_SET, NO_PUBLIC_KEY, Next, PUBLIC_KEY, ROTATE, Subject,
    UNINSTALL, sample, seed, with_packages,
};
use crate::killer::Point;
use crate::story::STATE;

fn sampled(command: &'static [&'static str], part: usize, count: usize) {
    static POINTS: OnceLock<Vec<Point>> = OnceLock::new();
    let mut subject = Subject::new(&with_packages(FRESH), command);
    let points = if command == INSTALL { POINTS.get_or_init(|| subject.points()).clone() } else { subject.points() };
    eprintln!("{} points in one {}, {count} of them with seed {}", points.len(), command.join(" "), seed());
    assert!(points.len() > 40, "{points:#?}");
    let mut chosen = sample(&points, seed(), part, count);
    if command == INSTALL && part == 0 {
        chosen.push((secret_beside_the_configuration(&points), Next::Back));
    }
    subject.go_through(&chosen);
}

/// The point where the new configuration, secret included, is in a temporary file next to the real one.
fn secret_beside_the_configuration(points: &[Point]) -> Point {
    let is = |point: &Point, call: &str, part: &str| matches!(point, Point::Call { name, line, .. } if name == call && line.contains(part));
    let made = points.iter().position(|point| is(point, "openat", "\".meet.example.org.cfg.lua."));
    let written = points[made.expect("it is made")..].iter().find(|point| is(point, "fsync", ""));
    written.expect("it is synced").clone()
}

#[test]
fn a_killed_install_is_finished_or_undone_first_sample() {
    sampled(INSTALL, 0, 10);
}

#[test]
fn a_killed_install_is_finished_or_undone_second_sample() {
    sampled(INSTALL, 1, 10);
}

#[test]
fn a_killed_uninstall_is_finished_by_a_rerun() {
    sampled(UNINSTALL, 0, 6);
}

#[test]
fn a_killed_rotation_leaves_a_working_secret() {
    sampled(ROTATE, 0, 4);
}

#[test]
fn a_killed_option_change_is_finished_or_undone() {
    let mut subject = Subject::new(&with_packages("bookworm-bundled"), CHOOSE);
    let points = subject.points();
    assert!(points.len() > 40, "{points:#?}");
    subject.go_through(&sample(&points, seed(), 0, 6));
}

#[test]
fn an_install_killed_during_dpkg_is_finished_or_undone() {
    let mut subject = Subject::new(FRESH, INSTALL);
    let cut = |everything| Point::Program { name: "dpkg".to_owned(), after: Duration::from_millis(1500), everything };
    subject.go_through(&[(cut(true), Next::On), (cut(false), Next::Back)]);
}

#[test]
fn a_surviving_luarocks_leaves_nothing_behind() {
    let mut subject = Subject::new(&with_packages(FRESH), INSTALL);
    // A slow machine: the compiler is still running when everything else has been undone.
    subject.machine.sh(
        "printf '#!/bin/sh\nsleep 2\nexec /usr/bin/gcc \"$@\"\n' > /usr/local/bin/gcc; chmod 755 /usr/local/bin/gcc",
    );
    subject.before = subject.machine.sh(STATE);
    let compiling = Point::Program { name: "gcc".to_owned(), after: Duration::ZERO, everything: false };
    for next in [Next::Back, Next::On] {
        subject.go_through(&[(compiling.clone(), next)]);
        let at_work = "pgrep -af '^[^ ]*lua5[^ ]* /usr/bin/luarocks' || true";
        assert_eq!(subject.machine.sh(at_work), "", "{next:?}");
    }
}

mod thorough {
    use super::*;

    /// Every point, finished and undone in turn (the other way round with an even `JTS_KILL_SEED`), or as many of them
    /// as `JTS_KILL_COUNT` says. One command per release: `cargo test --features container --test container
    /// kill::thorough::install_every_point_of_bookworm -- --nocapture`.
    fn every_point(profile: &str, command: &'static [&'static str]) {
        let mut subject = Subject::new(&with_packages(profile), command);
        let points = subject.points();
        let first = seed() as usize;
        let next = |at: usize| {
            if (at + first) % 2 == 0 { Next::Back } else { Next::On }
        };
        let some = std::env::var("JTS_KILL_COUNT").ok().and_then(|text| text.parse().ok());
        let chosen = match some {
            Some(count) => sample(&points, seed(), 0, count),
            None => points.into_iter().enumerate().map(|(at, point)| (point, next(at))).collect(),
        };
        subject.go_through(&chosen);
    }

    #[test]
    fn install_every_point_of_bullseye() {
        every_point("bullseye-decode", INSTALL);
    }

    #[test]
    fn uninstall_every_point_of_bullseye() {
        every_point("bullseye-decode", UNINSTALL);
    }

    #[test]
    fn rotate_every_point_of_bullseye() {
        every_point("bullseye-decode", ROTATE);
    }

    #[test]
    fn install_every_point_of_bookworm() {
        every_point("bookworm-bundled", INSTALL);
    }

    #[test]
    fn uninstall_every_point_of_bookworm() {
        every_point("bookworm-bundled", UNINSTALL);
    }

    #[test]
    fn rotate_every_point_of_bookworm() {
        every_point("bookworm-bundled", ROTATE);
    }

    #[test]
    fn public_key_every_point_of_bookworm() {
        every_point("bookworm-bundled", PUBLIC_KEY);
    }

    #[test]
    fn no_public_key_every_point_of_bookworm() {
        every_point("bookworm-bundled", NO_PUBLIC_KEY);
    }

    #[test]
    fn key_set_every_point_of_bookworm() {
        every_point("bookworm-bundled", KEY_SET);
    }

    #[test]
    fn no_key_set_every_point_of_bookworm() {
        every_point("bookworm-bundled", NO_KEY_SET);
    }

    #[test]
    fn key_server_every_point_of_bookworm() {
        every_point("bookworm-bundled", KEY_SERVER);
    }

    #[test]
    fn keep_old_every_point_of_bookworm() {
        every_point("bookworm-bundled", KEEP_OLD);
    }

    #[test]
    fn install_every_point_of_trixie() {
        every_point("trixie-bundled", INSTALL);
    }

    #[test]
    fn uninstall_every_point_of_trixie() {
        every_point("trixie-bundled", UNINSTALL);
    }

    #[test]
    fn rotate_every_point_of_trixie() {
        every_point("trixie-bundled", ROTATE);
    }

    #[test]
    fn while_apt_and_dpkg_are_running() {
        let mut subject = Subject::new(FRESH, INSTALL);
        let mut points = Vec::new();
        for (name, after) in
            [("apt-get", 0), ("apt-get", 400), ("dpkg", 0), ("dpkg", 700), ("dpkg", 3000), ("dpkg", 6000)]
        {
            for (everything, next) in [(true, Next::On), (true, Next::Back), (false, Next::On), (false, Next::Back)] {
                let after = Duration::from_millis(after);
                points.push((Point::Program { name: name.to_owned(), after, everything }, next));
            }
        }
        subject.go_through(&points);
    }
}
