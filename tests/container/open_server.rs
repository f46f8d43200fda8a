//! A server that lets the wrong people in, or soon will: every command reports that first, whatever else is pending.

use crate::bed::{HOST_FILE, LISTENING, Machine, says};
use crate::rooms::restart;
use crate::story::provisioned;

const OPEN: &str =
    "sed -i 's/authentication = \"token\" -- do not delete me/authentication = \"anonymous\"/' HOST_FILE";

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[test]
fn an_open_server_is_reported_on_the_first_line() {
    let machine = Machine::boot(provisioned());
    // A harmless pending change is not an alarm.
    machine.sh("echo jitsi-meet-tokens jitsi-meet-tokens/appid string other | debconf-set-selections");
    let stale = machine.tool(&["status"]);
    says(&stale, 3, &["Changes needed"]);

    machine.sh(&OPEN.replace("HOST_FILE", HOST_FILE));
    let next = "after its next restart, Prosody lets anyone in without a token";
    for command in ["status", "verify"] {
        let run = machine.tool(&[command]);
        says(&run, 4, &[next, "do not restart Prosody before"]);
        assert!(first_line(&run.stdout).contains(next), "{}", run.all());
    }

    restart(&machine);
    for command in ["status", "verify"] {
        let run = machine.tool(&[command]);
        says(&run, 4, &["anyone can join"]);
        assert!(first_line(&run.stdout).contains("anyone can join"), "{}", run.all());
    }
    // Also while `install` could not repair it.
    machine.sh(&format!("mount --bind {HOST_FILE} {HOST_FILE}"));
    let run = machine.tool(&["status"]);
    says(&run, 4, &["anyone can join", "is a mount point, which cannot be replaced", "umount"]);
    assert!(first_line(&run.stdout).contains("anyone can join"), "{}", run.all());
    machine.sh(&format!("umount {HOST_FILE}"));
    assert_eq!(machine.tool(&["install", "--yes"]).code, 0);
    says(&machine.tool(&["status"]), 0, &[]);
}

#[test]
fn losing_the_room_check_at_restart_is_reported() {
    let machine = Machine::boot(provisioned());
    machine.edit(HOST_FILE, "s/^ *\"token_verification\";/--&/");
    says(&machine.tool(&["verify"]), 4, &["after its next restart, Prosody lets every token into every room"]);
}

/// Before, Prosody's own rooms are open; afterwards nobody can reach one: the plugin looks for them elsewhere.
#[test]
fn unreachable_rooms_make_the_install_fail() {
    let machine = Machine::boot("bookworm-bundled");
    machine.sh(&format!(
        "set -e
         sed -i 's/^muc_mapper_domain_base = .*/muc_mapper_domain_base = \"jitmeet.example.com\"/' {HOST_FILE}
         grep -q jitmeet.example.com {HOST_FILE}
         touch /run/bed-jicofo
         systemctl restart prosody
         {LISTENING}"
    ));
    let before = machine.sh(&format!("sha256sum {HOST_FILE}"));
    let install = machine.tool(&["install", "--yes"]);
    says(&install, 4, &["muc_mapper_domain_base = \"meet.example.org\"", "previous configuration"]);
    assert_eq!(machine.sh(&format!("sha256sum {HOST_FILE}")), before);
    assert!(machine.is_open());
    // With the advice followed, it succeeds.
    machine.edit(HOST_FILE, "s/jitmeet.example.com/meet.example.org/");
    assert_eq!(machine.tool(&["install", "--yes"]).code, 0);
}
