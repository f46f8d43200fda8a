//! debconf's answers are read from its files, or through debconf where those are not in their usual place.

use crate::bed::{HOST_FILE, Machine, says};
use crate::story::provisioned;

#[test]
fn roots_own_debconf_configuration_is_respected() {
    let machine = Machine::boot(provisioned());
    says(&machine.tool(&["status"]), 0, &[]);
    machine.sh("mkdir -m 700 /root/db; sed s,/var/cache/debconf/,/root/db/, /etc/debconf.conf >/root/.debconfrc");
    let elsewhere = machine.tool(&["status", "--domain", "meet.example.org"]);
    says(&elsewhere, 3, &["debconf has no credentials yet"]);
    machine.sh("cp -p /var/cache/debconf/*.dat /root/db/");
    says(&machine.tool(&["status"]), 0, &[]);
    machine.sh("rm -r /root/db /root/.debconfrc");
    says(&machine.tool(&["status"]), 0, &[]);
    machine.assert_proved();
}

/// Where an uninstall was interrupted before the package was removed, its removal script has nothing left to edit.
#[test]
fn a_rerun_reenables_the_removal_script() {
    const QUESTION: &str = "jitsi-meet-prosody/prosody_config";
    let machine = Machine::boot(provisioned());
    machine.sh(&format!("echo 'jitsi-meet-tokens {QUESTION} string /nonexistent' | debconf-set-selections"));
    let cut_off = &["disabled its removal script"];
    says(&machine.tool(&["status"]), 3, cut_off);
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    let answer = machine.sh(&format!("echo 'GET {QUESTION}' | debconf-communicate"));
    assert_eq!(answer, format!("0 {HOST_FILE}\n"));
    says(&machine.tool(&["status"]), 0, &[]);
}
