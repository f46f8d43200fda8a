//! Mirrors that are bad in every way, for every kind of download: bounded time, the name of what could not be
//! downloaded, exit code 1, and a rerun over a sound network that finishes with proof.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::bed::{FRESH, Machine, says};

/// The bad mirror, running in the container's network until dropped.
pub struct Mirror(Child);

impl Mirror {
    /// Serves what is below `folder` of the container on a port; paths that contain `part` get the fault.
    pub fn serve(machine: &Machine, port: u16, folder: &str, fault: &str, part: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client/bad_mirror.py");
        let root = machine.root().join(folder);
        let (script, root) = (script.display().to_string(), root.display().to_string());
        let port = port.to_string();
        let mut child = machine
            .beside(&["python3", &script, &port, &root, fault, part])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the mirror starts");
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().expect("its output"));
        said.read_line(&mut line).expect("the mirror speaks");
        assert_eq!(line.trim(), "ready");
        Self(child)
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const PORT: u16 = 8099;

/// Points apt, luarocks and git to the mirror, in their ordinary configuration.
fn redirect(machine: &Machine) {
    let to = format!("http://127.0.0.1:{PORT}");
    machine.sh(&format!(
        "sed -i 's|file:/srv/bed|{to}|' /etc/apt/sources.list.d/debian.list
         sed -i 's|file:///srv/bed|{to}|' /etc/luarocks/config-5.*.lua /etc/gitconfig"
    ));
}

/// An install that meets the fault ends in time, prints these parts, and is finished by a rerun without the fault.
fn survives(fault: &str, part: &str, limit: u64, parts: &[&str]) {
    let machine = Machine::boot(FRESH);
    redirect(&machine);
    let bad = Mirror::serve(&machine, PORT, "srv/bed", fault, part);
    let started = Instant::now();
    let run = machine.tool(&["install", "--yes"]);
    let took = started.elapsed();
    says(&run, 1, parts);
    assert!(took < Duration::from_secs(limit), "{took:?}");
    assert!(machine.is_open(), "people must still get in");
    drop(bad);
    let _sound = Mirror::serve(&machine, PORT, "srv/bed", "none", "");
    says(&machine.tool(&["install", "--yes"]), 0, &["Done"]);
    machine.assert_proved();
}

#[test]
fn a_captive_portal_is_reported_and_a_rerun_succeeds() {
    let parts = ["apt-packages", "127.0.0.1:8099/debian", "has no installation candidate"];
    survives("portal", "dists", 60, &parts);
}

#[test]
fn a_corrupt_rock_is_reported_and_a_rerun_succeeds() {
    survives("wrong", "src.rock", 120, &["rock-basexx", "basexx-0.4.1-1.src.rock"]);
}

mod thorough {
    use super::*;

    /// Every fault at one kind of download.
    fn all(part: &str, limit: u64, parts: &[&str]) {
        for fault in ["drop", "404", "503", "truncate", "wrong", "circle", "portal", "password"] {
            println!("{part}: {fault}");
            survives(fault, part, limit, parts);
        }
    }

    #[test]
    fn bad_package_lists() {
        all("dists", 120, &["apt-packages", "127.0.0.1:8099"]);
    }

    #[test]
    fn bad_packages() {
        all("pool", 180, &["apt-packages", "127.0.0.1:8099/debian"]);
    }

    #[test]
    fn bad_rocks_server_manifests() {
        all("manifest", 180, &["rock-basexx", "basexx"]);
    }

    #[test]
    fn bad_rocks() {
        all("src.rock", 180, &["rock-basexx", "basexx"]);
    }

    #[test]
    fn silent_package_and_rocks_servers() {
        survives("hang", "pool", 180, &["nothing was received for 90 s", "127.0.0.1:8099/debian"]);
        survives("lie", "pool", 180, &["apt-packages", "127.0.0.1:8099/debian"]);
        survives("hang", "manifest", 420, &["rock-basexx", "could not be reached"]);
    }

    /// Nobody is asked for a password, and upstream's rock replaces the fork.
    #[test]
    fn a_bad_git_server_falls_back_to_upstreams_rock() {
        for fault in ["password", "hang", "drop", "404", "circle", "portal"] {
            println!("git: {fault}");
            let machine = Machine::boot(FRESH);
            redirect(&machine);
            let _bad = Mirror::serve(&machine, PORT, "srv/bed", fault, "/git/");
            let started = Instant::now();
            let run = machine.tool(&["install", "--yes"]);
            let took = started.elapsed();
            says(&run, 0, &["the fork https://", "could not be used"]);
            assert!(took < Duration::from_secs(150), "{took:?}");
            machine.assert_proved();
        }
    }
}
