//! The fork's tag, or branch, is pinned to the commit that it named when it was first fetched; and what was fetched has
//! to load.

use crate::bed::{FRESH, Machine, says};
use crate::story::{STATE, provisioned, story};

const REPOSITORY: &str = "/srv/bed/git/luajwt";
const KEPT: &str = "/var/lib/jitsi-tokens-setup/luajwtjitsi.commit";

fn commit(machine: &Machine) -> String {
    let script = format!("git -C {REPOSITORY} rev-parse 'v1.7^{{commit}}'");
    machine.sh(&script).trim().to_owned()
}

/// Somebody who has taken over the repository moves the tag to other code, which leaves a mark where it runs.
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
fn a_moved_tag_is_rejected_for_upstreams_rock() {
    let machine = Machine::boot(provisioned());
    let first = commit(&machine);
    assert!(machine.text(KEPT).ends_with(&format!(" v1.7 {first}\n")));
    // A repair fetches it again: the same commit.
    machine.remove("/usr/local/share/lua/5.2/luajwtjitsi.lua");
    let run = machine.tool(&["install", "--yes"]);
    assert_eq!(run.code, 0, "{}", run.all());
    assert!(!run.all().contains("could not be used"), "{}", run.all());

    move_the_tag(&machine);
    let second = commit(&machine);
    assert_ne!(first, second);
    machine.remove("/usr/local/share/lua/5.2/luajwtjitsi.lua");
    let run = machine.tool(&["install", "--yes"]);
    says(&run, 0, &["has moved", &first, &second, "could not be used", "2.0-0"]);
    let mark = machine.try_sh("test -e /tmp/canary");
    assert_ne!(mark.code, 0, "the other code has run");
    machine.assert_proved();

    let run = machine.tool(&["uninstall", "--yes"]);
    assert_eq!(run.code, 0, "{}", run.all());
    assert_eq!(machine.sh(STATE), story().state_before);
}

/// In its public copies, the fork's tag v1.7 needs luacrypto, which no Debian has: it installs but does not load.
#[test]
fn a_fork_that_fails_to_load_is_replaced() {
    let machine = Machine::boot(FRESH);
    machine.fork_over("luacrypto");
    let version = || machine.sh("luarocks show --mversion luajwtjitsi");
    let run = machine.tool(&["install", "--yes"]);
    says(&run, 0, &["could not be used", "module 'crypto' not found", "--luajwtjitsi-tag", "--luajwtjitsi 2.0-0"]);
    assert_eq!(version().trim(), "2.0-0");
    machine.assert_proved();
    let rerun = machine.tool(&["install", "--yes"]);
    says(&rerun, 0, &["Nothing to do"]);

    // The port is a branch in another account's repository, pinned like a tag.
    let repository = "https://github.com/ASolomatin/luajwt";
    let from_branch = ["install", "--yes", "--luajwtjitsi-git", repository, "--luajwtjitsi-tag", "replace_luacrypto"];
    let head = machine.sh("git -c safe.directory='*' -C /srv/bed/git/luajwt-port rev-parse replace_luacrypto");
    machine.remove("/usr/local/share/lua/5.2/luajwtjitsi.lua");
    let run = machine.tool(&from_branch);
    assert_eq!(run.code, 0, "{}", run.all());
    assert!(!run.all().contains("could not be used"), "{}", run.all());
    assert_eq!(version().trim(), "1.3-7");
    let kept = machine.text(KEPT);
    assert_eq!(kept.trim(), format!("{repository} replace_luacrypto {}", head.trim()));
    machine.assert_proved();

    machine.sh("git -c safe.directory='*' -C /srv/bed/git/luajwt-port update-ref refs/heads/replace_luacrypto refs/heads/master; rm /usr/local/share/lua/5.2/luajwtjitsi.lua");
    let run = machine.tool(&from_branch);
    says(&run, 0, &["has moved", head.trim(), "could not be used"]);
    assert_eq!(version().trim(), "2.0-0");
}
