//! A clock that was ahead and has been corrected: files with a timestamp in the future.

use std::path::Path;
use std::process::Command;

use crate::bed::{HOST_FILE, Machine, says, steps_in};
use crate::story::provisioned;

/// A machine whose disk says that the host file was changed in 2038.
fn with_a_future_timestamp(folder: &Path) -> Machine {
    let (before, after) = (folder.join("before"), folder.join("after"));
    let machine = Machine::boot_on(provisioned(), &before);
    machine.sh(&format!("chmod 640 {HOST_FILE}; sync"));
    machine.cut_power(&after);
    // Replay the journal first, as any boot does.
    let replayed = Command::new("e2fsck").arg("-fy").arg(&after).output();
    assert!(replayed.expect("e2fsck runs").status.code() < Some(4));
    // Only debugfs can set a ctime; no system call does.
    let set = format!("set_inode_field /upper{HOST_FILE} ctime 20380101000000");
    let edited = Command::new("debugfs").args(["-w", "-R", &set]).arg(&after).output();
    let edited = edited.expect("debugfs runs");
    let said = String::from_utf8_lossy(&edited.stderr);
    assert!(edited.status.success() && !said.contains("not found"), "{said}");
    Machine::boot_on(provisioned(), &after)
}

#[test]
fn a_future_timestamp_causes_only_one_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let machine = with_a_future_timestamp(folder.path());
    assert!(machine.sh(&format!("stat -c %z {HOST_FILE}")).starts_with("2038"));
    let before = machine.sh(&format!("stat -c '%a %U %Y' {HOST_FILE}; sha256sum {HOST_FILE}"));
    says(&machine.tool(&["status"]), 3, &[&format!("; modified in the future: {HOST_FILE}")]);
    let install = machine.tool(&["install", "--yes", "--json"]);
    says(&install, 0, &[]);
    assert_eq!(steps_in(&install.json(), "done"), ["prosody-restart"]);
    says(&machine.tool(&["status"]), 0, &[]);
    assert_eq!(machine.sh(&format!("stat -c '%a %U %Y' {HOST_FILE}; sha256sum {HOST_FILE}")), before);
    machine.assert_proved();
}
