//! Every pairing of a Debian release and an era of Jitsi's packages lives through the whole story: open before, a
//! preview that changes nothing and predicts the run, logins and rooms as an independent client sees them, a rerun that
//! finds nothing to do, and a complete undo. One pairing per release always runs, the others on request.

use std::time::Instant;

use crate::bed::{HOST_FILE, LISTENING, Machine, changes_in_words, steps_in};
use crate::checks;
use crate::story::{Pairing, Story, tell};

/// How strong the proof is where only jicofo opens rooms, and its stand-in answers.
const PROOF_WITH_JICOFO: &str = "full";

/// Boots a machine in which `verify` finds nothing wrong after an install: Prosody 0.11 rejects the page's `WebSockets`
/// unless configured otherwise, which is not called proved.
pub fn boot_to_verify(profile: &str) -> Machine {
    let machine = Machine::boot(profile);
    if profile == "bullseye-bundled" {
        machine.sh(&format!(
            "sed -i '1i cross_domain_websocket = {{ \"https://meet.example.org\" }}' {HOST_FILE}
             systemctl restart prosody; {LISTENING}"
        ));
    }
    machine
}

/// A pairing of the later eras, with a stand-in for jicofo.
pub fn pairing(profile: &'static str) -> Pairing {
    Pairing { profile, boot: Machine::boot, jicofo: true, keep: false, proof: PROOF_WITH_JICOFO }
}

/// Tells the story, and insists on every check of it.
pub fn holds(pairing: &Pairing) -> Story {
    let started = Instant::now();
    let story = tell(pairing);
    for (name, check) in checks::ALL {
        println!("{}: {name}", pairing.profile);
        check(&story);
    }
    println!("{}: {:.0} s", pairing.profile, started.elapsed().as_secs_f64());
    story
}

/// Debian's files are used where Debian's packages cannot be: no compiler, no luarocks, no other Lua.
fn needs_no_tools(story: &Story) {
    assert_eq!(story.luas_before, story.luas_after);
    // The packages are installed, and do not load.
    for (package, step) in [("lua-basexx", "rock-basexx"), ("lua-inspect", "lua-modules")] {
        assert!(story.state_before.contains(&format!("{package} ii")), "{package} is not installed");
        let pending = steps_in(&story.status_before.json(), "pending");
        assert!(pending.contains(&step.to_owned()), "{pending:?}");
    }
    assert!(!story.luas_after.contains("luarocks"), "{}", story.luas_after);
    let made = changes_in_words(&story.install.json());
    for link in [
        "link /usr/local/share/lua/5.4/basexx.lua to /usr/share/lua/5.2/basexx.lua",
        "link /usr/local/share/lua/5.4/inspect.lua to /usr/share/lua/5.3/inspect.lua",
    ] {
        assert!(made.iter().any(|line| line == link), "{made:#?}");
    }
}

#[test]
fn debian_12_with_a_bundled_luajwtjitsi() {
    needs_no_tools(&holds(&pairing("bookworm-bundled")));
}

#[test]
fn debian_13_with_a_bundled_luajwtjitsi() {
    needs_no_tools(&holds(&pairing("trixie-bundled")));
}

/// Without systemd, Debian 12's init script restarts nothing and exits 0, and Prosody 13's own program refuses to.
#[test]
fn debian_12_without_systemd() {
    let story = holds(&Pairing { boot: Machine::without_systemd, ..pairing("bookworm-bundled") });
    let made = changes_in_words(&story.install.json());
    assert!(made.iter().any(|line| line.ends_with("prosodyctl restart")), "{made:#?}");
}

mod thorough {
    use super::{boot_to_verify, holds, pairing};
    use crate::bed::Machine;
    use crate::story::Pairing;

    #[test]
    fn debian_11_with_a_bundled_luajwtjitsi() {
        let story = holds(&Pairing { boot: boot_to_verify, ..pairing("bullseye-bundled") });
        assert!(!story.install.stdout.contains("luarocks"), "{}", story.install.stdout);
    }

    /// There, a token without a room gets no answer: a rejection by crash, which is a warning and not a failed proof.
    #[test]
    fn debian_12_with_plugins_that_crash_without_a_room_claim() {
        let story = holds(&pairing("bookworm-bundled-2023"));
        // A rerun repeats what the proof warned about.
        let warnings = story.rerun.json()["warnings"].to_string();
        assert!(warnings.contains("crash"), "{warnings}");
    }

    /// Debian's next release: basexx and inspect load in its Lua, so nothing is linked.
    #[test]
    fn debian_14_with_a_bundled_luajwtjitsi() {
        let install = holds(&pairing("forky-bundled")).install.stdout;
        assert!(!install.contains("/usr/local/share/lua"), "{install}");
        assert!(!install.contains("luarocks"), "{install}");
    }

    #[test]
    fn debian_11_without_systemd() {
        holds(&Pairing { boot: Machine::without_systemd, jicofo: false, ..pairing("bullseye-decode") });
    }

    #[test]
    fn debian_13_without_systemd() {
        holds(&Pairing { boot: Machine::without_systemd, ..pairing("trixie-bundled") });
    }

    #[test]
    fn debian_11_with_a_jitsi_that_calls_verify() {
        let story = holds(&pairing("bullseye-verify"));
        assert!(story.install.stdout.contains("luajwtjitsi 3.0-0"), "{}", story.install.stdout);
    }

    #[test]
    fn debian_12_with_a_jitsi_that_calls_verify() {
        let story = holds(&pairing("bookworm-verify"));
        assert!(story.install.stdout.contains("luajwtjitsi 3.0-0"), "{}", story.install.stdout);
        // Debian's own modules are used: nothing is compiled.
        assert!(!story.luas_after.contains("gcc"), "{}", story.luas_after);
    }
}
