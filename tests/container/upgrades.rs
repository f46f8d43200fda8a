//! Jitsi and Debian are upgraded on a provisioned machine. `status` reports what that broke, a rerun repairs it, and
//! `uninstall` leaves what the same upgrades make of a machine that never had the tool.

use std::process::Command;
use std::thread;

use crate::bed::{FRESH, HOST_FILE, LISTENING, Machine, Run, layers, says, steps_in};
use crate::kill_subject::difference;
use crate::story::{STATE, provisioned};

type Upgrade = fn(&Machine);

const APT: &str = "export DEBIAN_FRONTEND=noninteractive; set -e; apt-get -q update; apt-get -q -y";

/// Replaces the machine's archive of this name in `/srv/bed` with another profile's.
fn bring(machine: &Machine, profile: &str, archive: &str) {
    let below = format!("srv/bed/{archive}");
    let from = layers(profile)
        .into_iter()
        .map(|layer| layer.join(&below))
        .find(|folder| folder.is_dir())
        .unwrap_or_else(|| panic!("{profile} has no {below}"));
    let to = machine.root().join(&below);
    machine.sh(&format!("rm -r /{below}"));
    let copied = Command::new("cp").arg("-a").args([&from, &to]).status();
    assert!(copied.expect("cp runs").success());
}

/// Upgrades to that profile's Jitsi packages; only those that are installed.
fn jitsi_of(machine: &Machine, profile: &str) {
    bring(machine, profile, "jitsi");
    machine.sh(&format!("{APT} install jitsi-meet-prosody $(dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}}\\n' jitsi-meet-tokens 2>/dev/null | sed -n 's/^ii *//p')"));
    // From here on, only jicofo opens rooms.
    machine.jicofo_answers();
}

fn jitsi_of_2022(machine: &Machine) {
    jitsi_of(machine, "bullseye-verify");
}

fn jitsi_of_2023(machine: &Machine) {
    jitsi_of(machine, "bullseye-bundled");
}

fn jitsi_of_2026(machine: &Machine) {
    jitsi_of(machine, "bookworm-bundled");
}

fn debian_12(machine: &Machine) {
    bring(machine, "bookworm-bundled", "debian");
    machine.edit("/etc/apt/sources.list.d/debian.list", "s/bullseye/bookworm/");
    machine.sh(&format!("{APT} full-upgrade usr-is-merged"));
    assert!(machine.text("/etc/debian_version").starts_with("12"));
    assert!(machine.sh("readlink -f /proc/$(cat /run/prosody/prosody.pid)/exe").contains("lua5.4"));
}

/// What the upgrades make of a machine without the tool.
fn without_the_tool(upgrades: &[Upgrade]) -> (Machine, String) {
    let machine = Machine::boot(FRESH);
    for upgrade in upgrades {
        upgrade(&machine);
    }
    machine.sh(TIDY);
    let state = machine.sh(STATE);
    (machine, state)
}

/// Upgrades, then runs `status` and a rerun of `install`.
fn rerun_after(machine: &Machine, upgrade: Upgrade) -> (Run, Run) {
    let app_id = machine.credentials().0;
    upgrade(machine);
    let status = machine.tool(&["status", "--json"]);
    println!("status after it: {}, pending {:?}", status.code, steps_in(&status.json(), "pending"));
    let rerun = machine.tool(&["install", "--yes", "--json"]);
    says(&rerun, 0, &[]);
    println!("the rerun did {:?} and proved it: {}", steps_in(&rerun.json(), "done"), rerun.json()["proof"]["verdict"]);
    assert_eq!(machine.credentials().0, app_id, "the credentials stay");
    machine.assert_proved();
    assert_eq!(machine.tool(&["status"]).code, 0);
    (status, rerun)
}

/// Removes what an upgrade leaves behind, as the machine's owner would.
const TIDY: &str = "apt-get -q -y autoremove --purge";

fn is_fully_undone(machine: &Machine, secret: &str, state_without: &str) {
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    machine.sh(TIDY);
    let state = machine.sh(STATE);
    assert!(state == *state_without, "not as without the tool:\n{}", difference(state_without, &state));
    let holders = format!("grep -rlaF -- '{secret}' /etc /var /usr/local /root /run /tmp 2>/dev/null || true");
    assert_eq!(machine.sh(&holders), "", "copies of the secret");
    assert!(machine.exists(HOST_FILE));
    assert!(machine.is_open(), "people can join as before");
}

/// The whole life; for each upgrade, whether it breaks something, which is exactly when `status` must say so.
fn life(upgrades: &[(Upgrade, bool)]) {
    let all: Vec<Upgrade> = upgrades.iter().map(|(upgrade, _)| *upgrade).collect();
    let twin = thread::spawn(move || without_the_tool(&all));
    let machine = Machine::boot(provisioned());
    let secret = machine.credentials().1;
    for (upgrade, breaks) in upgrades {
        let (status, _) = rerun_after(&machine, *upgrade);
        let expected: &[i32] = if *breaks { &[3, 4] } else { &[0] };
        assert!(expected.contains(&status.code), "{}", status.all());
    }
    let (_twin, without) = twin.join().expect("the machine without the tool");
    is_fully_undone(&machine, &secret, &without);
}

#[test]
fn jitsi_from_the_decode_era_to_the_bundled_one() {
    // The new plugins' package pulls in Debian's packages, which work with this Lua, and its script restarts Prosody.
    life(&[(jitsi_of_2023, false)]);
}

/// The upgrade from 2024 to 2026 puts a comment sign into the line above the tool's own, and adds lines at both ends of
/// the host file. `uninstall` removes the tool's lines and keeps the upgrade's.
fn keeps_the_upgrades_host_file_changes() {
    const PROFILE: &str = "bookworm-bundled-2024";
    let up = || {
        let machine = Machine::boot(PROFILE);
        machine.jicofo_answers();
        machine
    };
    let untouched = up();
    jitsi_of_2026(&untouched);
    let without = untouched.text(HOST_FILE);
    for migrated in [
        "component_admins_as_room_owners = true\n",
        "\n        --\"polls\";\n",
        "\nComponent \"polls.meet.example.org\" \"polls_component\"\n",
    ] {
        assert!(without.contains(migrated), "{migrated} in:\n{without}");
    }

    let machine = up();
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    jitsi_of_2026(&machine);
    let with = machine.text(HOST_FILE);
    assert!(with.contains("        --\"polls\";\n        \"token_verification\";\n"), "{with}");
    machine.sh(&format!("sleep 1; {LISTENING}"));
    machine.assert_proved();
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(machine.text(HOST_FILE), without);
}

mod thorough {
    #[test]
    fn host_file_changes_by_the_upgrade_to_2026_stay() {
        super::keeps_the_upgrades_host_file_changes();
    }

    use super::*;

    /// Jitsi's script restarts Prosody when it edits the host file, and at the second upgrade there is nothing left to
    /// edit: the new plugins are not loaded yet.
    #[test]
    fn jitsi_through_all_eras_on_debian_11() {
        life(&[(jitsi_of_2022, true), (jitsi_of_2023, true)]);
    }

    #[test]
    fn debian_11_to_12_then_jitsi() {
        life(&[(debian_12, true), (jitsi_of_2026, true)]);
    }
}
