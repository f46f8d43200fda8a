//! `credentials rotate`: the old secret gives way to a new one, and whatever interrupts that, one of the two works.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bed::{Machine, Run, steps_in};
use crate::story::provisioned;

fn rotate(machine: &Machine, more: &[&str]) -> Run {
    machine.tool(&[&["credentials", "rotate", "--json"], more].concat())
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn the_old_secret_is_refused_and_the_new_one_accepted() {
    let machine = Machine::boot(provisioned());
    let old = machine.credentials();
    let preview = rotate(&machine, &["--dry-run"]);
    assert_eq!(preview.code, 0, "{}", preview.all());
    assert_eq!(machine.credentials(), old);

    let run = rotate(&machine, &["--yes"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let (report, plan) = (run.json(), preview.json());
    assert_eq!(report["command"], "credentials rotate");
    assert_eq!(steps_in(&report, "done"), steps_in(&plan, "pending"));
    let new = machine.credentials();
    assert_eq!(new.0, old.0, "the id stays");
    assert_ne!(new.1, old.1);
    let probes = report["proof"]["probes"].as_array().expect("probes");
    let retired: Vec<_> = probes
        .iter()
        .filter(|probe| probe["name"] == "old credentials")
        .collect();
    assert_eq!(retired.len(), 1, "{report:#}");
    let retired = retired[0];
    assert_eq!(retired["ok"], true, "{retired}");
    machine.assert_proved();
    assert_eq!(
        machine.matrix(&old.0, &old.1)["cases"]["good"]["login"],
        "refused"
    );
    for secret in [&old.1, &new.1] {
        assert!(!run.all().contains(secret.as_str()));
    }
    let stored = machine.sh("printf 'GET jitsi-meet-tokens/appsecret\\n' | debconf-communicate");
    assert_eq!(stored.trim(), format!("0 {}", new.1));

    // Given ones, with another id.
    machine.sh("umask 077; printf another-secret-42 > /root/secret");
    let given = [
        "--yes",
        "--app-id",
        "another",
        "--app-secret-file",
        "/root/secret",
    ];
    assert_eq!(rotate(&machine, &given).code, 0);
    assert_eq!(
        machine.credentials(),
        ("another".to_owned(), "another-secret-42".to_owned())
    );
    machine.assert_proved();
    assert_eq!(
        machine.matrix(&new.0, &new.1)["cases"]["good"]["login"],
        "refused"
    );
    // The same again is in place already.
    let again = rotate(&machine, &given);
    assert_eq!(
        (again.code, again.json()["pending"].clone()),
        (0, false.into()),
        "{}",
        again.all()
    );
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn a_rotation_that_cannot_be_proved_gives_the_old_secret_back() {
    let machine = Machine::boot(provisioned());
    let old = machine.credentials();
    machine.sh("sed -i '1i error(\"broken on purpose\")' /usr/share/jitsi-meet/prosody-plugins/mod_auth_token.lua");
    let run = rotate(&machine, &["--yes"]);
    assert_eq!(run.code, 4, "{}", run.all());
    assert_eq!(machine.credentials(), old);
    machine.sh("sed -i 1d /usr/share/jitsi-meet/prosody-plugins/mod_auth_token.lua; systemctl restart prosody");
    let install = machine.tool(&["install", "--yes"]);
    assert_eq!(install.code, 0, "{}", install.all());
    machine.assert_proved();
}

/// The moments at which a rotation is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// When the receipt has been written this many times: before and after each change.
    Receipt(usize),
    /// When Prosody has gone for its restart.
    Stopped,
    /// When the new Prosody is there, before the logins.
    Started,
}

/// Which receipt there is, seen from outside, as often as one likes.
fn receipt(root: &Path) -> Option<(u64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(root.join("var/lib/jitsi-tokens-setup/receipt.json")).ok()?;
    Some((meta.ino(), meta.ctime_nsec()))
}

fn prosody(machine: &Machine) -> String {
    let shown = machine.try_sh("systemctl show -p MainPID --value prosody");
    shown.stdout.trim().to_owned()
}

/// Runs a rotation and kills it at the moment; false if it had ended before.
fn killed(machine: &Machine, moment: Moment) -> bool {
    let root = machine.root();
    let old = prosody(machine);
    let mut seen = receipt(&root);
    let mut written = 0;
    let mut child = machine.command(&["credentials", "rotate", "--yes"]);
    let mut child = child
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("runs");
    // `exec` in the bed becomes the tool itself, so its id here is the one to kill.
    let pid = child.id();
    let end = Instant::now() + Duration::from_secs(120);
    let reached = loop {
        if child.try_wait().expect("waits").is_some() || Instant::now() > end {
            break false;
        }
        let now = receipt(&root);
        if now != seen {
            seen = now;
            written += 1;
        }
        let there = match moment {
            Moment::Receipt(wanted) => written >= wanted,
            Moment::Stopped => written >= 2 && prosody(machine) != old,
            Moment::Started => {
                let now = prosody(machine);
                written >= 2 && now != old && now != "0"
            }
        };
        if there {
            break true;
        }
    };
    tree_of(pid).into_iter().for_each(kill);
    child.wait().expect("ends");
    reached
}

/// The process and all below it, the parents first.
fn tree_of(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while at < all.len() {
        let children = format!("/proc/{0}/task/{0}/children", all[at]);
        let text = std::fs::read_to_string(Path::new(&children)).unwrap_or_default();
        all.extend(
            text.split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
        at += 1;
    }
    all
}

fn kill(pid: u32) {
    // One that has just ended is as good as killed.
    let _ = Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// Kills a rotation at a moment; then the old or the new secret works, and another rotation ends well.
fn survives(moment: Moment) {
    let machine = Machine::boot(provisioned());
    let old = machine.credentials();
    let reached = killed(&machine, moment);
    let new = machine.credentials();
    let works = |credentials: &(String, String)| {
        machine.matrix(&credentials.0, &credentials.1)["ok"] == true
    };
    // Prosody may be in the middle of its restart, which systemd finishes.
    machine.sh("for i in $(seq 100); do grep -q :14A0 /proc/net/tcp /proc/net/tcp6 && break; sleep 0.1; done");
    assert!(
        works(&old) || works(&new),
        "{moment:?} ({reached}): neither works"
    );
    assert!(reached, "{moment:?} was not reached");
    // After a reboot, say: what the configuration has is what `credentials show` tells.
    machine.sh("systemctl restart prosody; for i in $(seq 100); do grep -q :14A0 /proc/net/tcp /proc/net/tcp6 && break; sleep 0.1; done");
    assert!(
        works(&machine.credentials()),
        "{moment:?}: not after a restart"
    );
    let again = machine.tool(&["credentials", "rotate", "--yes"]);
    assert_eq!(again.code, 0, "{moment:?}: {}", again.all());
    machine.assert_proved();
    for retired in [&old, &new] {
        assert_eq!(
            machine.matrix(&retired.0, &retired.1)["cases"]["good"]["login"],
            "refused",
            "{moment:?}"
        );
    }
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn killed_between_configuration_and_restart_the_old_secret_still_works() {
    survives(Moment::Receipt(2));
}

mod thorough {
    use super::{Moment, survives};

    #[test]
    #[ignore = "needs root and the bed: scripts/test --all runs it"]
    fn killed_at_any_change_the_old_or_the_new_secret_works() {
        for moment in [
            Moment::Receipt(1),
            Moment::Receipt(3),
            Moment::Receipt(4),
            Moment::Stopped,
            Moment::Started,
        ] {
            survives(moment);
        }
    }
}
