//! The token decides who moderates, as checked by the tool's own logins and by an independent client, with a jicofo
//! that makes owners by itself until configured otherwise; what breaks that is found and repaired.

use serde_json::{Value, json};

use crate::bed::{DOMAIN, HOST_FILE, Machine, Run, says, written};

const JICOFO: &str = "/etc/jitsi/jicofo/jicofo.conf";

/// A machine with Jitsi's package of jicofo, which makes owners by itself.
fn with_jicofo(profile: &str) -> Machine {
    let machine = Machine::boot(profile);
    machine.sh("apt-get install -q -y jicofo");
    machine
}

/// Bytes, mode and owner of everything that is changed.
fn state(machine: &Machine) -> String {
    machine.sh(
        "cd /; for f in etc/prosody/conf.avail/* etc/jitsi/jicofo etc/jitsi/jicofo/* usr/share/jitsi-meet/prosody-plugins/*; do stat -c '%n %a %U:%G' $f; test -d $f || sha256sum $f; done",
    )
}

fn install(machine: &Machine, options: &[&str]) -> Run {
    machine.tool(&[&["install", "--yes", "--json"], options].concat())
}

/// The final role of somebody with such a token in a room of their own, as the independent client reports it.
fn role(machine: &Machine, moderator: bool) -> String {
    let (app_id, secret) = machine.credentials();
    let (_secret, key) = written(&secret);
    let mut options = vec!["--host", DOMAIN, "--secret-file", &key, "--iss", &app_id, "--join", "probe", "--stay", "3"];
    if moderator {
        options.push("--moderator");
    }
    let seen = machine.login(&options);
    assert_eq!(seen["join"], "entered", "{seen:#}");
    seen["role"].as_str().unwrap_or_default().to_owned()
}

fn token_decides(machine: &Machine) {
    assert_eq!(role(machine, true), "moderator");
    assert_eq!(role(machine, false), "participant");
}

/// Everything that can happen, and back.
fn full_lifecycle(profile: &str, module: &str) {
    let machine = with_jicofo(profile);
    let before = state(&machine);
    let run = install(&machine, &["--moderators", "token"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let report = run.json();
    let roles: Vec<Value> = report["proof"]["probes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|probe| probe["kind"] == "role")
        .map(|probe| probe["role"].clone())
        .collect();
    let of = |role: &str, affiliation: &str| json!({"role": role, "affiliation": affiliation});
    assert_eq!(roles, [of("moderator", "owner"), of("participant", "member")], "{report:#}");
    assert!(machine.text(HOST_FILE).contains(&format!("\"{module}\"")));
    assert!(machine.text(JICOFO).contains("conference.enable-auto-owner = false"));
    token_decides(&machine);

    says(&machine.tool(&["status"]), 0, &["saved: --moderators token"]);
    let again = install(&machine, &[]);
    assert_eq!(again.code, 0, "{}", again.all());
    assert_eq!(again.json()["pending"], false, "{}", again.all());

    // Somebody reverts jicofo's configuration.
    machine.edit(JICOFO, "/enable-auto-owner/d");
    machine.sh("sleep 1; service jicofo restart; sleep 1");
    assert_eq!(machine.tool(&["status"]).code, 3);
    says(&machine.tool(&["verify"]), 4, &["whoever enters first moderates", "install --moderators token"]);
    says(&install(&machine, &[]), 0, &[]);
    token_decides(&machine);

    let all = install(&machine, &["--moderators", "all"]);
    assert_eq!(all.code, 0, "{}", all.all());
    assert_eq!(role(&machine, false), "moderator");
    assert!(!machine.text(HOST_FILE).contains(&format!("\"{module}\"")));

    let pid = machine.text("/run/jicofo.pid");
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_ne!(machine.text("/run/jicofo.pid"), pid, "jicofo runs with its previous configuration");
    assert_eq!(state(&machine), before);
}

#[test]
fn the_token_decides_who_moderates_on_debian_12() {
    full_lifecycle("bookworm-bundled", "token_affiliation");
}

#[test]
fn an_unsupported_jicofo_blocks_and_changes_nothing() {
    let machine = Machine::boot("bookworm-bundled");
    let before = state(&machine);
    says(&install(&machine, &["--moderators", "token"]), 5, &["jicofo makes moderators by itself", JICOFO]);
    machine.sh("apt-get install -q -y jicofo");
    let whole = state(&machine);
    assert_ne!(whole, before);
    for (damage, words) in
        [("1i include \"other.conf\"", "jicofo.conf:1: it includes other files"), ("$ d", "missing closing brace")]
    {
        machine.sh(&format!("cp -p {JICOFO} /root/kept"));
        machine.edit(JICOFO, damage);
        let damaged = state(&machine);
        says(&install(&machine, &["--moderators", "token"]), 5, &[words]);
        assert_eq!(state(&machine), damaged);
        machine.sh(&format!("cp -p /root/kept {JICOFO}"));
    }
    // jicofo's user replaces its file with a link: root writes nothing where that leads.
    machine.sh(
        "cp -p /etc/passwd /root/passwd; setpriv --reuid=jicofo --regid=jitsi --init-groups sh -c 'cd /etc/jitsi/jicofo; mv jicofo.conf kept; ln -s /etc/passwd jicofo.conf'",
    );
    assert_ne!(install(&machine, &["--moderators", "token"]).code, 0);
    machine.sh("cmp /etc/passwd /root/passwd");
}

mod thorough {
    use super::*;

    /// Java takes seconds to start, even where Prosody was not restarted a moment ago.
    #[test]
    fn a_restarted_jicofo_is_awaited() {
        let machine = with_jicofo("bookworm-bundled");
        says(&install(&machine, &["--moderators", "token"]), 0, &[]);
        machine.edit(JICOFO, "/enable-auto-owner/d");
        machine.sh("sleep 62");
        let run = install(&machine, &[]);
        assert_eq!(run.code, 0, "{}", run.all());
        assert_eq!(run.json()["proof"]["verdict"], "full", "{}", run.all());
    }

    /// No stand-in makes owners there, so only our module is at work: Prosody itself would make the first person in a
    /// room its owner.
    #[test]
    fn our_module_reads_the_token_in_the_older_eras() {
        for profile in ["bullseye-decode", "bookworm-verify"] {
            let machine = with_jicofo(profile);
            machine.jicofo_answers();
            let before = state(&machine);
            says(&install(&machine, &["--moderators", "token"]), 0, &["the token decides who moderates"]);
            token_decides(&machine);
            says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
            assert_eq!(state(&machine), before, "{profile}");
        }
    }

    #[test]
    fn the_token_decides_who_moderates_on_debian_13() {
        super::full_lifecycle("trixie-bundled", "token_affiliation");
    }

    #[test]
    fn the_token_decides_who_moderates_in_2023_on_debian_11() {
        super::full_lifecycle("bullseye-bundled", "jts_token_affiliation");
    }

    #[test]
    fn the_token_decides_who_moderates_in_2023_on_debian_12() {
        super::full_lifecycle("bookworm-bundled-2023", "jts_token_affiliation");
    }
}
