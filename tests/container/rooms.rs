//! The room check where only jicofo may open rooms: with jicofo up, down, slow and refusing, and with the check off.
//! One machine for each era; token authentication is set up by hand, so these tests are about the proof alone.

use std::path::Path;

use crate::bed::{HOST_FILE, LISTENING, Machine, got};

/// The credentials on those machines.
pub const APP_ID: &str = "rooms_app";
pub const SECRET: &str = "0123456789ABCDEF0123456789ABCDEF";

/// Jitsi's own package does the configuration; the modules are put in place by hand.
const BY_HAND: &str = "set -e; export DEBIAN_FRONTEND=noninteractive
printf 'jitsi-meet-tokens jitsi-meet-tokens/appid string rooms_app\\njitsi-meet-tokens jitsi-meet-tokens/appsecret password 0123456789ABCDEF0123456789ABCDEF\\n' | debconf-set-selections
apt-get install -y -q --no-install-recommends jitsi-meet-tokens lua-basexx lua-cjson lua-luaossl";

/// A machine of this profile that requires tokens.
pub fn with_tokens(profile: &str) -> Machine {
    let machine = Machine::boot(profile);
    machine.sh(BY_HAND);
    let lua = if profile.starts_with("bullseye") { "5.2" } else { "5.4" };
    let place = machine.root().join("usr/local/share/lua").join(lua);
    std::fs::create_dir_all(&place).expect("a folder");
    if profile.ends_with("verify") {
        let rock = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/bed/standins/rocks/luajwtjitsi-3.0-0.lua");
        std::fs::copy(rock, place.join("luajwtjitsi.lua")).expect("the rock");
    }
    if lua == "5.4" {
        machine.sh("cd /usr/local/share/lua/5.4
             ln -s /usr/share/lua/5.2/basexx.lua /usr/share/lua/5.3/inspect.lua .");
    }
    restart(&machine);
    machine
}

/// Restarts Prosody and waits until it answers.
pub fn restart(machine: &Machine) {
    // systemd refuses to start a unit too often, which happens here on a fast machine.
    machine.sh(&format!("systemctl reset-failed prosody; systemctl restart prosody; {LISTENING}"));
}

/// The result of `verify`: exit code, verdict, and its reason and fix.
pub fn verify(machine: &Machine) -> (i32, String, String) {
    let run = machine.tool(&["verify", "--json"]);
    let report = run.json();
    let proof = &report["proof"];
    let word = |name: &str| proof[name].as_str().unwrap_or_default().to_owned();
    (run.code, word("verdict"), format!("{} | {}", word("reason"), word("fix")))
}

fn expect(machine: &Machine, code: i32, verdict: &str, words: &[&str]) {
    let seen = verify(machine);
    assert_eq!((seen.0, seen.1.as_str()), (code, verdict), "{}", seen.2);
    for part in words {
        assert!(seen.2.contains(part), "\"{part}\" is not in: {}", seen.2);
    }
}

/// Every possible result with the room check loaded, then with it off.
fn every_state_of_jicofo(machine: &Machine, switch_off: &str) {
    // In the older plugins it is chance whether Prosody's rule or the room check answers first, so both are right.
    let judged = verify(machine).2.contains("token_verification) works");
    expect(
        machine,
        0,
        "partial",
        &[
            if judged { "token_verification) works" } else { "token_verification) is configured" },
            "focus.meet.example.org is not connected (service-unavailable)",
            "systemctl start jicofo",
            "then run `jitsi-tokens-setup verify`",
        ],
    );
    machine.jicofo_answers();
    expect(machine, 0, "full", &["a valid token opens its room and no other"]);
    let probes = machine.tool(&["verify", "--json"]).json();
    assert_eq!(got(&probes, "right-room"), "entered");
    assert_eq!(got(&probes, "wrong-room"), "refused: Room and token mismatched");
    machine.sh("echo slow > /run/bed-jicofo");
    expect(machine, 0, "partial", &["did not open one in time", "jicofo.log"]);
    machine.sh("echo refuse > /run/bed-jicofo");
    expect(
        machine,
        4,
        "refused",
        &["\"not authorized user domain\"", "jicofo's own authentication is on", "jicofo.conf"],
    );

    machine.sh(&format!("set -e\n{}", switch_off.replace("HOST_FILE", HOST_FILE)));
    restart(machine);
    let off = ["every token opens every room", "token_verification is not loaded"];
    machine.remove("/run/bed-jicofo");
    expect(machine, 4, "refused", &off);
    machine.jicofo_answers();
    expect(machine, 4, "refused", &off);
}

/// On Debian 12, Prosody accepts the tutorial's brackets, reports no problem, and loads nothing.
const BRACKETS: &str = "perl -0pi -e 's/modules_enabled = \\{[^{}]*\"token_verification\"[^{}]*\\}/modules_enabled = ( \"token_verification\" )/' HOST_FILE
grep -qF 'modules_enabled = ( \"token_verification\" )' HOST_FILE
if prosodyctl check config | grep -q token_verification; then exit 1; fi";

#[test]
fn debian_12_with_todays_plugins() {
    let machine = with_tokens("bookworm-bundled");
    every_state_of_jicofo(&machine, BRACKETS);
}

#[test]
fn debian_11_with_the_plugins_of_late_2021() {
    let machine = with_tokens("bullseye-verify");
    every_state_of_jicofo(&machine, "sed -i 's/^ *\"token_verification\";/--&/' HOST_FILE");
}

#[test]
fn an_installed_jicofo_is_awaited_after_a_restart() {
    let machine = with_tokens("bookworm-bundled");
    // Only the name matters: the bed plays the package's own jicofo.
    machine.sh(
        "set -e; mkdir -p /root/jicofo/DEBIAN
         printf 'Package: jicofo\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: bed\\nDescription: stands for jicofo\\n' > /root/jicofo/DEBIAN/control
         dpkg-deb -b /root/jicofo /root/jicofo.deb && dpkg -i /root/jicofo.deb",
    );
    restart(&machine);
    machine.sh("systemd-run --on-active=6 --timer-property=AccuracySec=100ms touch /run/bed-jicofo");
    expect(&machine, 0, "full", &["a valid token opens its room and no other"]);
}
