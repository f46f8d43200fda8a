//! A jitsi-meet-tokens that apt cannot install: everything that it would do is done and proved without it.

use std::process::Command;

use crate::bed::{FRESH, Machine, says, steps_in};

/// What the report says about a package that is left out.
const MEANING: &str = "after each upgrade of Jitsi";

fn proved_without_it(machine: &Machine, why: &str) {
    let install = machine.tool(&["install", "--yes", "--json"]);
    says(&install, 0, &[why, MEANING]);
    let skipped = steps_in(&install.json(), "skipped");
    assert!(skipped.contains(&"jitsi-meet-tokens".to_owned()), "{skipped:?}");
    machine.assert_proved();
    assert_eq!(machine.tool(&["status", "-q"]).code, 0);
}

#[test]
fn a_package_needing_an_old_libssl_is_left_out() {
    let machine = Machine::boot(FRESH);
    let pool = machine.root().join("srv/old");
    let tree = pool.join("tree/DEBIAN");
    std::fs::create_dir_all(&tree).expect("a folder");
    let control = "Package: jitsi-meet-tokens\nVersion: 1.0.4628-1\nArchitecture: all\nMaintainer: bed <bed@example.org>\n\
                   Depends: libssl1.0-dev, jitsi-meet-prosody\nDescription: stand-in\n";
    std::fs::write(tree.join("control"), control).expect("a control file");
    let build = "dpkg-deb --root-owner-group -b tree . && rm -r tree && dpkg-scanpackages . > Packages";
    let built = Command::new("sh").args(["-c", build]).current_dir(&pool).output();
    assert!(built.expect("sh runs").status.success());
    machine.sh("rm /etc/apt/sources.list.d/jitsi-stable.list
         echo 'deb [trusted=yes] file:/srv/old ./' > /etc/apt/sources.list.d/old.list; apt-get update -qq");
    proved_without_it(&machine, "libssl1.0-dev");
}

mod thorough {
    use super::*;

    #[test]
    fn a_package_without_a_repository_is_left_out() {
        let machine = Machine::boot(FRESH);
        machine.sh("rm /etc/apt/sources.list.d/jitsi-stable.list; apt-get update -qq");
        proved_without_it(&machine, "apt has no jitsi-meet-tokens");
    }
}
