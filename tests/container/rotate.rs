//! `credentials rotate`: a new secret replaces the old one. Killed rotations are in `kill`.

use crate::bed::{Machine, Run, steps_in};
use crate::story::provisioned;

fn rotate(machine: &Machine, more: &[&str]) -> Run {
    machine.tool(&[&["credentials", "rotate", "--json"], more].concat())
}

#[test]
fn the_old_secret_is_refused_and_the_new_one_accepted() {
    let machine = Machine::boot(provisioned());
    let old = machine.credentials();
    let preview = rotate(&machine, &["--dry-run"]);
    assert_eq!(preview.code, 0, "{}", preview.all());
    // In JSON, a minus line and the plus line below it.
    let lines = [r#"  app_secret=\"<old secret>\"\n+  "#, r#"  app_secret=\"<new secret>\"\n"#];
    assert!(lines.iter().all(|line| preview.stdout.contains(line)), "{}", preview.all());
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
    let retired: Vec<_> = probes.iter().filter(|probe| probe["id"] == "old-credentials").collect();
    assert_eq!(retired.len(), 1, "{report:#}");
    let retired = retired[0];
    assert_eq!(retired["ok"], true, "{retired}");
    machine.assert_proved();
    assert_eq!(machine.matrix(&old.0, &old.1)["cases"]["good"]["login"], "refused");
    for secret in [&old.1, &new.1] {
        assert!(!run.all().contains(secret.as_str()));
    }
    let stored = machine.sh("printf 'GET jitsi-meet-tokens/appsecret\\n' | debconf-communicate");
    assert_eq!(stored.trim(), format!("0 {}", new.1));

    // Given credentials, with another app ID.
    machine.sh("umask 077; printf another-secret-42 > /root/secret");
    let given = ["--yes", "--app-id", "another", "--app-secret-file", "/root/secret"];
    assert_eq!(rotate(&machine, &given).code, 0);
    assert_eq!(machine.credentials(), ("another".to_owned(), "another-secret-42".to_owned()));
    machine.assert_proved();
    assert_eq!(machine.matrix(&new.0, &new.1)["cases"]["good"]["login"], "refused");
    // Given again, they are already in place.
    let again = rotate(&machine, &given);
    assert_eq!(again.json()["command"], "credentials rotate");
    assert_eq!((again.code, again.json()["pending"].clone()), (0, false.into()), "{}", again.all());
}

#[test]
fn a_failed_rotation_restores_the_old_secret() {
    let machine = Machine::boot(provisioned());
    let old = machine.credentials();
    machine.edit("/usr/share/jitsi-meet/prosody-plugins/mod_auth_token.lua", "1i error(\"broken on purpose\")");
    let run = rotate(&machine, &["--yes"]);
    assert_eq!(run.code, 4, "{}", run.all());
    assert_eq!(machine.credentials(), old);
    machine.sh("sed -i 1d /usr/share/jitsi-meet/prosody-plugins/mod_auth_token.lua; systemctl restart prosody");
    let install = machine.tool(&["install", "--yes"]);
    assert_eq!(install.code, 0, "{}", install.all());
    machine.assert_proved();
}
