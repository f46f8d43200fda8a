//! A proof that fails restores the configuration, so people who could get in still can.

use crate::bed::{HOST_FILE, LISTENING, Machine};
use crate::story::provisioned;

const PAGE: &str = "/etc/jitsi/meet/meet.example.org-config.js";
const JICOFO: &str = "/etc/jitsi/jicofo/jicofo.conf";

/// Turns token authentication off again, with a token plugin that cannot be loaded.
const OPEN_WITH_A_BROKEN_PLUGIN: &str = "set -e
sed -i 's/authentication = \"token\" -- do not delete me/authentication = \"anonymous\"/' HOST_FILE
sed -i '1i error(\"broken on purpose\")' /usr/share/jitsi-meet/prosody-plugins/mod_auth_token.lua
systemctl restart prosody
LISTENING";

fn broken() -> Machine {
    let machine = Machine::boot(provisioned());
    let script = OPEN_WITH_A_BROKEN_PLUGIN.replace("HOST_FILE", HOST_FILE);
    machine.sh(&script.replace("LISTENING", LISTENING));
    assert!(machine.is_open());
    machine
}

#[test]
fn the_configuration_is_restored_and_the_cause_named() {
    let machine = broken();
    let before = machine.sh(&format!("sha256sum {HOST_FILE}; stat -c %a:%U:%G {HOST_FILE}"));
    let install = machine.tool(&["install", "--yes"]);
    assert_eq!(install.code, 4, "{}", install.all());
    assert!(install.all().contains("broken on purpose"), "{}", install.all());
    assert!(install.all().contains("people can join as before"), "{}", install.all());
    assert_eq!(machine.sh(&format!("sha256sum {HOST_FILE}; stat -c %a:%U:%G {HOST_FILE}")), before);
    assert!(machine.is_open());
}

#[test]
fn no_rollback_keeps_the_failed_configuration() {
    let machine = broken();
    let install = machine.tool(&["install", "--yes", "--no-rollback", "--json"]);
    assert_eq!(install.code, 4, "{}", install.all());
    assert!(machine.text(HOST_FILE).contains("authentication = \"token\" -- do not delete me"));
    assert!(!machine.is_open());
}

#[test]
fn a_failed_restart_restores_the_configuration() {
    let machine = Machine::boot(provisioned());
    let script = OPEN_WITH_A_BROKEN_PLUGIN.replace("HOST_FILE", HOST_FILE);
    machine.sh(&script.replace("LISTENING", LISTENING));
    let before = machine.sh(&format!("sha256sum {HOST_FILE}"));
    // systemctl restart exits 0, and a moment later nothing is running.
    machine.sh("mkdir -p /etc/systemd/system/prosody.service.d
         printf '[Service]\nExecStart=\nExecStart=/bin/false\n' > /etc/systemd/system/prosody.service.d/broken.conf
         systemctl daemon-reload");
    let install = machine.tool(&["install", "--yes"]);
    assert_eq!(install.code, 4, "{}", install.all());
    for part in ["Prosody is not running after the restart", "previous configuration"] {
        assert!(install.all().contains(part), "{part}: {}", install.all());
    }
    assert_eq!(machine.sh(&format!("sha256sum {HOST_FILE}")), before);
}

/// What the run chose for the web page and jicofo is forgotten with it.
#[test]
fn failing_new_credentials_are_replaced_by_the_old_ones() {
    let machine = Machine::boot(provisioned());
    machine.sh(&format!(
        "apt-get install -q -y jicofo; mkdir -p /etc/jitsi/meet; printf 'var config = {{\\n}};\\n' > {PAGE}"
    ));
    let state = format!("sha256sum {HOST_FILE} {PAGE} {JICOFO}; stat -c %a:%U:%G {HOST_FILE} {PAGE} {JICOFO}");
    let before = machine.sh(&state);
    // The running Prosody still has the good plugin; a restart loads the broken one.
    machine.sh("sed -i '1i error(\"broken on purpose\")' /usr/share/jitsi-meet/prosody-plugins/mod_auth_token.lua
         umask 077; echo another-secret-42 > /root/secret");
    let chosen =
        ["--app-secret-file", "/root/secret", "--moderators", "token", "--login-url", "https://l.example/{room}"];
    let install = machine.tool(&[&["install", "--yes"], &chosen[..]].concat());
    assert_eq!(install.code, 4, "{}", install.all());
    assert!(install.all().contains("was restored"), "{}", install.all());
    assert_eq!(machine.sh(&state), before);
    let (file, process) = (format!("stat -c %Z {JICOFO}"), "stat -c %Y /proc/$(cat /run/jicofo.pid)");
    machine.sh(&format!("test $({file}) -le $({process})"));
    assert!(!machine.exists("/var/lib/jitsi-tokens-setup/options.json"));
    // Once the plugin is restored, the earlier credentials get in.
    machine.edit("/usr/share/jitsi-meet/prosody-plugins/mod_auth_token.lua", "1d");
    assert_eq!(machine.tool(&["install", "--yes"]).code, 0);
    machine.assert_proved();
    assert_eq!(machine.sh(&state), before);
}
