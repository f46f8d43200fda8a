//! People without a token wait for somebody with one, according to the tool's own logins and an independent client;
//! what breaks that is found and repaired; and where the plugins cannot do it, nothing is changed.

use crate::bed::{DOMAIN, HOST_FILE, Machine, Run, got, says, steps_in};

const GUEST: &str = "guest.meet.example.org";

/// The host file's bytes, mode and owner.
fn state(machine: &Machine) -> String {
    machine.sh("stat -c '%n %a %U:%G' /etc/prosody/conf.avail/*; sha256sum /etc/prosody/conf.avail/*")
}

fn install(machine: &Machine, options: &[&str]) -> Run {
    machine.tool(&[&["install", "--yes", "--json"], options].concat())
}

/// Insists that guests wait for somebody with a token, by the independent client.
fn guests_wait(machine: &Machine) {
    let seen = machine.guests();
    for first in ["guest alone", "guest still alone"] {
        let said = seen[first].as_str().unwrap_or_default();
        assert!(said.starts_with("refused: registration-required"), "{seen:#}");
        assert!(said.contains("waiting-for-host") && said.contains("lobbyroom"), "{seen:#}");
    }
    assert_eq!(seen["other room's token"], "refused: Room and token mismatched", "{seen:#}");
    assert_eq!((&seen["token"], &seen["guest with a host"]), (&"entered".into(), &"entered".into()), "{seen:#}");
    assert!(seen["no token"].as_str().is_some_and(|said| said.starts_with("refused")), "{seen:#}");
}

/// From nothing to guests that wait, everything that can happen to them, and back.
fn full_lifecycle(profile: &str) {
    let machine = Machine::boot(profile);
    machine.jicofo_answers();
    let before = state(&machine);
    let run = install(&machine, &["--guests"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let report = run.json();
    assert_eq!(got(&report, "guest-alone-room"), "refused: waiting-for-host", "{report:#}");
    assert_eq!(got(&report, "guest-with-host-room"), "entered", "{report:#}");
    guests_wait(&machine);

    let again = install(&machine, &[]).json();
    assert_eq!(steps_in(&again, "done"), [""; 0], "{again:#}");
    says(&machine.tool(&["status"]), 0, &["saved: --guests"]);

    let off = install(&machine, &["--guests=off"]);
    assert_eq!(off.code, 0, "{}", off.all());
    let text = machine.text(HOST_FILE);
    assert!(!text.contains(GUEST) && !text.contains("\"muc_wait_for_host\""), "{text}");
    assert_eq!(machine.tool(&["status"]).code, 0);
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(state(&machine), before);

    says(&install(&machine, &["--guests"]), 0, &[]);
    for (what, damage) in [
        ("muc_wait_for_host is off", r#"s/"muc_wait_for_host";//"#),
        ("persistent_lobby is off", r#"s/"persistent_lobby"/"ping"/"#),
        ("the allowlist is another", r"s/^\( *token_verification_allowlist = \).*/\1{ }/"),
        ("people get in without a token", r"s/^ *app_secret=.*/&\n    allow_empty_token = true/"),
    ] {
        let whole = machine.text(HOST_FILE);
        machine.edit(HOST_FILE, damage);
        assert_ne!(machine.text(HOST_FILE), whole, "{what}");
        machine.sh("systemctl reset-failed prosody; systemctl restart prosody");
        // It was chosen, so its absence is noticed, and a rerun restores it.
        let seen = machine.tool(&["status", "--json"]);
        assert_eq!(seen.code, 3, "{what}: {}", seen.all());
        let mended = install(&machine, &[]);
        assert_eq!(mended.code, 0, "{what}: {}", mended.all());
        let verified = machine.tool(&["verify", "--json"]);
        assert_eq!(verified.code, 0, "{what}: {}", verified.all());
        guests_wait(&machine);
    }
}

#[test]
fn guests_wait_for_a_host_on_debian_12() {
    full_lifecycle("bookworm-bundled");
}

/// What Jitsi's handbook recommends for guests: empty tokens are accepted, and a module makes people wait for a host.
/// Anybody who comes without a token is then the host.
#[test]
fn the_handbooks_unsafe_guest_setup_is_repaired() {
    let machine = Machine::boot("bookworm-bundled");
    machine.jicofo_answers();
    says(&install(&machine, &["--allow-empty-token"]), 0, &[]);
    machine.edit(HOST_FILE, r#"s/^ *"muc_lobby_rooms";/&\n"persistent_lobby";/"#);
    machine.edit(HOST_FILE, r#"s/^ *"token_verification";/&\n"muc_wait_for_host";/"#);
    machine.sh("systemctl reset-failed prosody; systemctl restart prosody");
    let run = machine.tool(&["verify", "--json"]);
    assert_eq!(run.code, 4, "{}", run.all());
    let report = run.json();
    assert_eq!(got(&report, "no-token-alone-room"), "entered", "{report:#}");
    let proof = &report["proof"];
    assert!(
        proof["reason"].as_str().is_some_and(|reason| reason.contains("anyone can open rooms without a token")),
        "{proof:#}"
    );
    assert!(proof["fix"].as_str().is_some_and(|fix| fix.contains("install --guests")), "{proof:#}");

    let run = install(&machine, &["--guests"]);
    assert_eq!(run.code, 0, "{}", run.all());
    guests_wait(&machine);
    assert_eq!(machine.tool(&["verify"]).code, 0);
}

/// Plugins too old for guests are rejected before anything is changed.
fn refused(profile: &str, words: &[&str]) {
    let machine = Machine::boot(profile);
    let before = state(&machine);
    says(&install(&machine, &["--guests"]), 5, words);
    assert_eq!(state(&machine), before);
}

#[test]
fn plugins_without_waiting_guests_are_reported() {
    refused(
        "bullseye-decode",
        &["persistent_lobby", "/usr/share/jitsi-meet/prosody-plugins/", "upgrade jitsi-meet-prosody"],
    );
}

#[test]
fn a_site_without_a_lobby_is_rejected() {
    let machine = Machine::boot("bookworm-bundled");
    for (damage, words) in [
        (r#"s/^Component "lobby\./Component "other./"#, format!("no Component \"lobby.{DOMAIN}\" \"muc\"")),
        ("s/^ *lobby_muc = .*//", format!("does not have lobby_muc = \"lobby.{DOMAIN}\"")),
        ("s/^muc_mapper_domain_base = .*//", format!("does not have muc_mapper_domain_base = \"{DOMAIN}\"")),
    ] {
        let whole = machine.text(HOST_FILE);
        machine.edit(HOST_FILE, damage);
        let broken = state(&machine);
        let words = words.replace('"', "\\\"");
        says(&install(&machine, &["--guests"]), 5, &[&words]);
        assert_eq!(state(&machine), broken);
        std::fs::write(machine.root().join(&HOST_FILE[1..]), whole).expect("the file");
    }
}

mod thorough {
    #[test]
    fn guests_wait_for_a_host_on_debian_13() {
        super::full_lifecycle("trixie-bundled");
    }

    #[test]
    fn guests_wait_for_a_host_with_the_plugins_of_2023_on_debian_11() {
        super::full_lifecycle("bullseye-bundled");
    }

    #[test]
    fn guests_wait_for_a_host_with_the_plugins_of_2023_on_debian_12() {
        super::full_lifecycle("bookworm-bundled-2023");
    }

    #[test]
    fn plugins_of_2022_without_waiting_guests_are_reported() {
        super::refused("bookworm-verify", &["persistent_lobby"]);
    }
}
