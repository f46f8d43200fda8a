//! Two runs at once, and locks of apt, dpkg and debconf that somebody else holds.

use crate::bed::{FRESH, HOST_FILE, Machine, says};
use crate::signals::{slow_compiler, start, wait_until};
use crate::story::provisioned;

/// Holds a lock for some seconds, taken the way its owner takes it.
fn hold(machine: &Machine, file: &str, seconds: u32) {
    let take = if file.ends_with("config.dat") {
        "flock(F, 2) or die".to_owned()
    } else {
        "my $lock = pack(\"s s x4 l! l! i x4\", F_WRLCK, 0, 0, 0, 0); fcntl(F, F_SETLK, $lock) or die".to_owned()
    };
    machine.sh(&format!(
        "setsid perl -e 'use Fcntl; open(F, \"+>>{file}\") or die; {take}; open(S, \">/run/held\"); sleep {seconds}' >/dev/null 2>&1 </dev/null &
         for i in $(seq 100); do [ -e /run/held ] && break; sleep 0.05; done; rm /run/held"
    ));
}

/// Two packages, the first of which takes a while before the second is unpacked.
const OTHERS: &str = r"set -e
    for name in slow theirs; do
        mkdir -p /tmp/$name/DEBIAN
        printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: a test\n' \
            $name > /tmp/$name/DEBIAN/control
    done
    printf '#!/bin/sh\nsleep 5\n' > /tmp/slow/DEBIAN/preinst
    chmod 755 /tmp/slow/DEBIAN/preinst
    for name in slow theirs; do dpkg-deb --build /tmp/$name /tmp/$name.deb; done";

/// A machine on which apt and debconf have something quick to do.
fn without_the_package() -> Machine {
    let machine = Machine::boot(provisioned());
    machine.apt_get("purge", "jitsi-meet-tokens");
    machine
}

#[test]
fn a_second_run_names_the_first_and_changes_nothing() {
    let machine = slow_compiler(3);
    let first = start(&machine, &["install", "--yes"]);
    wait_until(&machine, "pgrep -f '^sleep 3' >/dev/null");
    let pid = machine.sh("pgrep -x jitsi-tokens-se");
    for command in ["install", "uninstall"] {
        let run = machine.tool(&[command, "--yes"]);
        says(&run, 5, &["another run is in progress", &format!("process {} ", pid.trim()), "install --yes)"]);
    }
    // A preview needs no lock.
    assert_eq!(machine.tool(&["install", "--dry-run", "--quiet"]).code, 0);
    assert!(first.wait_with_output().expect("it ends").status.success());
    says(&machine.tool(&["status"]), 0, &[]);
}

#[test]
fn stale_locks_and_temporary_files_do_not_block() {
    let machine = Machine::boot(provisioned());
    machine.sh(&format!(
        "set -e; echo 'process 4711 (jitsi-tokens-setup install)' > /run/jitsi-tokens-setup.lock; chmod 644 {HOST_FILE}
         mkdir -p /run/jts.new/conf.d; echo '= =' > /run/jts.new/conf.d/old.cfg.lua
         cd /etc/prosody/conf.avail; echo half > .meet.example.org.cfg.lua.jitsi-tokens-setup.tmp"
    ));
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    // What Prosody has loaded, and that all was proved, is recorded there too.
    let left = machine.sh(
        "find /etc /run \\( -name '*jitsi-tokens-setup*' -o -name jts.new \\) ! -name '*.loaded' ! -name '*.proved'",
    );
    assert_eq!(left.trim(), "/run/jitsi-tokens-setup.lock");
    machine.assert_proved();
}

#[test]
fn apt_and_dpkg_locks_are_awaited_until_the_timeout() {
    let machine = without_the_package();
    for file in ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/cache/apt/archives/lock"] {
        hold(&machine, file, 600);
        let run = machine.tool(&["install", "--yes", "--lock-timeout", "2s"]);
        says(
            &run,
            1,
            &[
                "waiting: the package database is locked",
                file.trim_end_matches("/lock"),
                "held by process",
                "perl",
                "--lock-timeout",
            ],
        );
        machine.sh("pkill -x perl");
        assert_eq!(machine.sh("dpkg --audit"), "");
    }
    machine.sh(OTHERS);
    machine.sh("setsid dpkg -i /tmp/slow.deb /tmp/theirs.deb >/dev/null 2>&1 </dev/null &");
    wait_until(&machine, "pgrep -f 'preinst install' >/dev/null");
    says(&machine.tool(&["install", "--yes"]), 0, &["waiting: the package database is locked"]);
    machine.assert_proved();
    // What the other program added meanwhile is not ours to remove.
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    let left = machine.sh("dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' slow theirs jitsi-meet-tokens; true");
    assert_eq!(left.trim(), "slow ii \ntheirs ii", "{left}");
}

#[test]
fn the_package_lists_lock_is_awaited() {
    let machine = Machine::boot(FRESH);
    machine.sh("rm -rf /var/lib/apt/lists/*; mkdir -p /var/lib/apt/lists/partial");
    hold(&machine, "/var/lib/apt/lists/lock", 4);
    says(
        &machine.tool(&["install", "--yes"]),
        0,
        &["waiting: the package database is locked", "/var/lib/apt/lists", "perl"],
    );
    machine.assert_proved();
}

#[test]
fn debconfs_lock_is_awaited() {
    let machine = without_the_package();
    hold(&machine, "/var/cache/debconf/config.dat", 4);
    says(&machine.tool(&["install", "--yes"]), 0, &["debconf"]);
    machine.assert_proved();
    hold(&machine, "/var/cache/debconf/config.dat", 3);
    says(&machine.tool(&["status"]), 0, &[]);
}
