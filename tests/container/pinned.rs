//! The tag of the fork is held to the commit that it stood for when it was fetched first.

use crate::bed::{Machine, says};
use crate::story::{STATE, provisioned, story};

const REPOSITORY: &str = "/srv/bed/git/luajwt";
const KEPT: &str = "/var/lib/jitsi-tokens-setup/luajwtjitsi.commit";

fn commit(machine: &Machine) -> String {
    let script = format!("git -C {REPOSITORY} rev-parse 'v1.7^{{commit}}'");
    machine.sh(&script).trim().to_owned()
}

/// Somebody who has got hold of the repository puts other code behind the tag, which leaves a mark where it runs.
fn move_the_tag(machine: &Machine) {
    machine.sh(&format!(
        "set -e; cd /tmp; git config --global --add safe.directory '*'; git clone -q {REPOSITORY} moved; cd moved
         printf 'local file = io.open(\"/tmp/canary\", \"w\"); if file then file:close() end\\n' | cat - luajwtjitsi.lua > new
         mv new luajwtjitsi.lua
         git -c user.name=x -c user.email=x@example.org commit -qam other
         git -c user.name=x -c user.email=x@example.org tag -f -a -m other v1.7
         git push -qf origin v1.7; rm -rf /tmp/moved /root/.gitconfig"
    ));
}

#[test]
#[ignore = "needs root and the bed: scripts/test runs it"]
fn a_tag_that_was_moved_is_not_taken_and_upstreams_rock_does_the_work() {
    let machine = Machine::boot(provisioned());
    let first = commit(&machine);
    assert!(
        machine
            .sh(&format!("cat {KEPT}"))
            .ends_with(&format!(" v1.7 {first}\n"))
    );
    // A repair fetches it again: the same commit.
    machine.sh("rm /usr/local/share/lua/5.2/luajwtjitsi.lua");
    let run = machine.tool(&["install", "--yes"]);
    assert_eq!(run.code, 0, "{}", run.all());
    assert!(!run.all().contains("was not taken"), "{}", run.all());

    move_the_tag(&machine);
    let second = commit(&machine);
    assert_ne!(first, second);
    machine.sh("rm /usr/local/share/lua/5.2/luajwtjitsi.lua");
    let run = machine.tool(&["install", "--yes"]);
    says(
        &run,
        0,
        &["has been moved", &first, &second, "was not taken", "2.0-0"],
    );
    let mark = machine.try_sh("test -e /tmp/canary");
    assert_ne!(mark.code, 0, "the other code has run");
    machine.assert_proved();

    let run = machine.tool(&["uninstall", "--yes"]);
    assert_eq!(run.code, 0, "{}", run.all());
    assert_eq!(machine.sh(STATE), story().state_before);
}
