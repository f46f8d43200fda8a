//! Nothing of Jitsi or Prosody is upgraded or removed along the way, even where the sources offer something newer.

use std::path::Path;
use std::process::Command;

use crate::bed::{Machine, says, steps_in};
use crate::story::provisioned;

const NEWER: &str = "1.0.9999-1";

/// Repacks Jitsi's two packages as a later version, with the tokens package depending on the same version of the other,
/// and offers them to apt, alone or alongside the old ones.
fn offer_newer(machine: &Machine, keep_old: bool) {
    let root = machine.root();
    let pool = root.join("srv/newer");
    std::fs::create_dir_all(&pool).expect("a folder");
    for package in ["jitsi-meet-prosody", "jitsi-meet-tokens"] {
        repack(&root, &pool, package);
    }
    let index = Command::new("dpkg-scanpackages").arg(".").current_dir(&pool).output().expect("dpkg-scanpackages runs");
    std::fs::write(pool.join("Packages"), index.stdout).expect("an index");
    let old = if keep_old { "" } else { "rm /etc/apt/sources.list.d/*jitsi*;" };
    machine.sh(&format!(
        "{old} echo 'deb [trusted=yes] file:/srv/newer ./' > /etc/apt/sources.list.d/newer.list; apt-get update -qq"
    ));
    assert!(machine.sh("apt-cache policy jitsi-meet-tokens").contains(NEWER));
}

fn repack(root: &Path, pool: &Path, package: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("tree");
    let find =
        Command::new("find").arg(root.join("srv/bed/jitsi")).args(["-name", &format!("{package}_*.deb")]).output();
    let deb = String::from_utf8(find.expect("find runs").stdout).expect("a path");
    let deb = deb.lines().next().unwrap_or_else(|| panic!("no package {package} in the bed"));
    assert!(Command::new("dpkg-deb").args(["-R", deb]).arg(&tree).status().expect("dpkg-deb runs").success());
    let control = tree.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control).expect("a control file");
    let lines = text.lines().map(|line| match line.split_once(": ") {
        Some(("Version", _)) => format!("Version: {NEWER}\n"),
        Some(("Depends", list)) => {
            format!("Depends: {}\n", list.replace("jitsi-meet-prosody", &format!("jitsi-meet-prosody (= {NEWER})")))
        }
        _ => format!("{line}\n"),
    });
    std::fs::write(&control, lines.collect::<String>()).expect("a control file");
    let built = Command::new("dpkg-deb").args(["--root-owner-group", "-b"]).args([&tree, &pool.to_path_buf()]).output();
    assert!(built.expect("dpkg-deb runs").status.success());
}

const VERSIONS: &str =
    "dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n' prosody jitsi-meet-prosody lua5.2 lua-sec";

#[test]
fn the_package_matches_the_installed_version() {
    let machine = Machine::boot(provisioned());
    let before = machine.sh(VERSIONS);
    machine.apt_get("remove", "jitsi-meet-tokens");
    offer_newer(&machine, true);
    let install = machine.tool(&["install", "--yes", "--json"]);
    assert_eq!(install.code, 0, "{}", install.all());
    assert!(steps_in(&install.json(), "done").contains(&"jitsi-meet-tokens".to_owned()));
    assert_eq!(machine.sh(VERSIONS), before);
    assert!(machine.sh("dpkg-query -W jitsi-meet-tokens").contains("1.0.4628-1"));
    machine.assert_proved();
}

#[test]
fn a_package_that_would_upgrade_jitsi_is_left_out() {
    let machine = Machine::boot(provisioned());
    let before = machine.sh(VERSIONS);
    machine.apt_get("remove", "jitsi-meet-tokens");
    offer_newer(&machine, false);
    let install = machine.tool(&["install", "--yes", "--json"]);
    assert_eq!(install.code, 0, "{}", install.all());
    assert!(steps_in(&install.json(), "skipped").contains(&"jitsi-meet-tokens".to_owned()));
    assert!(install.stdout.contains("apt has no jitsi-meet-tokens 1.0.4628-1"), "{}", install.stdout);
    assert_eq!(machine.sh(VERSIONS), before);
    machine.assert_proved();
    assert_eq!(machine.tool(&["status", "-q"]).code, 0);
}

#[test]
fn a_manual_upgrade_needs_only_a_restart() {
    let machine = Machine::boot(provisioned());
    let credentials = machine.credentials();
    offer_newer(&machine, false);
    machine.sh("DEBIAN_FRONTEND=noninteractive apt-get upgrade -q -y");
    assert!(machine.sh("dpkg-query -W jitsi-meet-tokens").contains(NEWER));
    says(&machine.tool(&["status"]), 3, &["changed after Prosody started"]);
    let install = machine.tool(&["install", "--yes", "--json"]);
    says(&install, 0, &[]);
    assert_eq!(steps_in(&install.json(), "done"), ["prosody-restart"]);
    assert_eq!(machine.credentials(), credentials);
    machine.assert_proved();
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert!(machine.is_open(), "people can join as before");
    machine.sh("! dpkg-query -W jitsi-meet-tokens; ! test -e /usr/local/share/lua/5.2/basexx.lua");
}
