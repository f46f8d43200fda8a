//! Kinds of damage, each repaired by the step that owns it and no other (except for the restart that loads the repair).

use crate::bed::{HOST_FILE, Machine, says, steps_in};
use crate::story::{assert_host_file, provisioned};

/// Damages a provisioned machine, and insists that status notices and that exactly `owners` repair it.
fn repaired(damage: &str, owners: &[&str]) {
    seen_and_repaired(damage, 3, owners);
}

/// The same where the wrong people get in or the right ones do not, or soon will: `status` exits 4.
fn alarming_and_repaired(damage: &str, owners: &[&str]) {
    seen_and_repaired(damage, 4, owners);
}

fn seen_and_repaired(damage: &str, code: i32, owners: &[&str]) {
    let machine = Machine::boot(provisioned());
    assert_host_file(&machine);
    machine.sh(&format!("set -e\n{}", damage.replace("HOST_FILE", HOST_FILE)));
    let status = machine.tool(&["status", "--json"]);
    assert_eq!(status.code, code, "status does not see the damage: {}", status.all());
    let install = machine.tool(&["install", "--yes", "--json-lines"]);
    assert_eq!(install.code, 0, "{}", install.all());
    assert_eq!(steps_in(&install.last_line_json(), "done"), owners, "{}", install.all());
    machine.assert_proved();
    assert_eq!(machine.tool(&["status", "--quiet"]).code, 0);
}

#[test]
fn a_removed_rock() {
    repaired("/usr/bin/lua5.2 /usr/bin/luarocks remove --force basexx", &["rock-basexx", "prosody-restart"]);
}

#[test]
fn a_rock_replaced_by_one_without_the_function() {
    repaired("/usr/bin/lua5.2 /usr/bin/luarocks install luajwtjitsi 3.0-0", &["rock-luajwtjitsi", "prosody-restart"]);
}

#[test]
fn a_listed_rock_without_its_file() {
    repaired("rm /usr/local/share/lua/5.2/basexx.lua", &["rock-basexx", "prosody-restart"]);
}

#[test]
fn a_stale_library_in_usr_local() {
    repaired("printf 'of another Lua' > /usr/local/lib/lua/5.2/cjson.so", &["rock-luajwtjitsi", "prosody-restart"]);
}

#[test]
fn authentication_turned_off() {
    alarming_and_repaired(
        "sed -i 's/authentication = \"token\" -- do not delete me/authentication = \"anonymous\"/' HOST_FILE",
        &["prosody-config", "prosody-restart"],
    );
}

#[test]
fn token_verification_commented_out() {
    alarming_and_repaired(
        "sed -i 's/^ *\"token_verification\";/--&/' HOST_FILE; grep -q -- '-- *\"token_verification\"' HOST_FILE",
        &["prosody-config", "prosody-restart"],
    );
}

#[test]
fn token_verification_in_the_tutorials_wrong_brackets() {
    repaired(
        "sed -i '/\"token_verification\";/d; 0,/^    muc_room_locking = false/s//    modules_enabled = ( \"token_verification\" )\\n&/' HOST_FILE
         systemctl restart prosody; sleep 1; ! systemctl is-active prosody",
        &["prosody-config", "prosody-restart"],
    );
}

#[test]
fn a_secret_that_differs_from_debconfs() {
    alarming_and_repaired(
        "sed -i 's/app_secret=\"[^\"]*\"/app_secret=\"ANOTHER0123456789\"/' HOST_FILE",
        &["jitsi-meet-tokens", "prosody-restart"],
    );
}

#[test]
fn a_removed_package_whose_script_turns_tokens_off() {
    alarming_and_repaired(
        "apt-get remove -y jitsi-meet-tokens; ! grep -q 'authentication = \"token\"' HOST_FILE",
        &["prosody-config", "jitsi-meet-tokens", "prosody-restart"],
    );
}

#[test]
fn a_package_left_half_configured() {
    repaired("cd /tmp; apt-get download jitsi-meet-tokens; dpkg --unpack jitsi-meet-tokens_*.deb", &["apt-packages"]);
}

#[test]
fn a_stopped_prosody() {
    repaired("systemctl stop prosody", &["prosody-restart"]);
}

#[test]
fn a_world_readable_configuration() {
    repaired("chmod 644 HOST_FILE", &["prosody-config", "prosody-restart"]);
}

#[test]
fn prosody_starts_despite_systemds_start_limit() {
    let machine = Machine::boot(provisioned());
    let refused = machine.try_sh("for n in 1 2 3 4 5 6 7 8; do systemctl restart prosody || exit 9; done");
    assert_eq!(refused.code, 9, "systemd does not refuse: {}", refused.all());
    says(&machine.tool(&["status"]), 3, &[]);
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    machine.assert_proved();
}

mod thorough {
    use super::*;
    use crate::bed::each;
    use crate::pairings::boot_to_verify;
    use crate::story::STATE;

    /// The secret is removed and tokens are turned off: noticed and repaired, and everything is restored in the end.
    #[test]
    fn a_missing_secret_in_every_era() {
        let profiles = ["bullseye-decode", "bullseye-verify", "bookworm-verify", "bullseye-bundled"];
        let later =
            ["bookworm-bundled-2023", "bookworm-bundled-2024", "bookworm-bundled", "trixie-bundled", "forky-bundled"];
        each(&[&profiles[..], &later].concat(), |profile| {
            let machine = boot_to_verify(profile);
            machine.jicofo_answers();
            let before = machine.sh(STATE);
            says(&machine.tool(&["install", "--yes"]), 0, &[]);
            let credentials = machine.credentials();
            for damage in
                ["/app_secret/d", "s/authentication = \"token\" -- do not delete me/authentication = \"anonymous\"/"]
            {
                machine.edit(HOST_FILE, damage);
                machine.systemctl("restart", "prosody");
                assert_eq!(machine.tool(&["status"]).code, 4, "{damage}");
                says(&machine.tool(&["install", "--yes"]), 0, &[]);
                assert_eq!(machine.credentials(), credentials);
                machine.assert_proved();
            }
            says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
            assert_eq!(machine.sh(STATE), before);
        });
    }
}
