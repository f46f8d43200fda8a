//! `uninstall` on machines that others have edited since: their edits stay, ours go, and no copy of the secret remains.

use crate::bed::{FRESH, HOST_FILE, LISTENING, Machine, says};
use crate::story::{STATE, provisioned, story};

/// A provisioned machine, and its state before.
struct Subject {
    machine: Machine,
    before: String,
    secret: String,
}

impl Subject {
    fn new(profile: &str) -> Self {
        let (machine, before) = if profile == FRESH {
            (Machine::boot(provisioned()), story().state_before.clone())
        } else {
            let machine = Machine::boot(profile);
            // Only jicofo opens rooms there.
            machine.jicofo_answers();
            let before = machine.sh(STATE);
            says(&machine.tool(&["install", "--yes"]), 0, &[]);
            (machine, before)
        };
        let secret = machine.credentials().1;
        assert!(secret.len() > 10);
        Self { machine, before, secret }
    }

    fn assert_as_before(&self) {
        let after = self.machine.sh(STATE);
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
        let (was, is) = (lines(&self.before), lines(&after));
        let new: Vec<_> = is.difference(&was).collect();
        let gone: Vec<_> = was.difference(&is).collect();
        assert!(new.is_empty() && gone.is_empty(), "new: {new:#?}\ngone: {gone:#?}");
    }

    /// Searches every file that a running machine keeps.
    fn assert_no_secret(&self) {
        let find = |what: &str| {
            self.machine.sh(&format!("grep -rlaF -- '{what}' /etc /var /usr/local /usr/share /usr/lib /root /home /srv /run /tmp 2>/dev/null || true"))
        };
        // The search itself must be able to find something.
        assert!(find("VirtualHost").contains("/etc/prosody/prosody.cfg.lua"));
        assert_eq!(find(&self.secret), "", "copies of the secret");
    }
}

fn purge_before(profile: &str) {
    let subject = Subject::new(profile);
    says(&subject.machine.try_apt_get("purge", "jitsi-meet-tokens"), 0, &[]);
    says(&subject.machine.tool(&["uninstall", "--yes"]), 0, &[]);
    subject.assert_as_before();
    subject.assert_no_secret();
    assert!(subject.machine.is_open(), "people can join as before");
}

fn purge_after(profile: &str) {
    let subject = Subject::new(profile);
    says(&subject.machine.tool(&["uninstall", "--yes"]), 0, &[]);
    subject.assert_as_before();
    subject.assert_no_secret();
    says(&subject.machine.try_sh("apt-get purge -q -y jitsi-meet-tokens; dpkg --purge jitsi-meet-tokens"), 0, &[]);
    subject.assert_as_before();
    assert!(subject.machine.is_open());
    says(&subject.machine.tool(&["uninstall", "--yes"]), 0, &["nothing to undo"]);
}

fn remove_and_hand_edit_before(profile: &str) {
    let subject = Subject::new(profile);
    // Edits by two people and by the package's script in one file; one edit is in the line above ours.
    let beside = "s/^\\( *\\)\\(\"[a-z_]*\";\\)$/\\1\\2 -- beside/";
    subject.machine.sh(&format!(
        "set -e; sed -i '1i -- by hand' {HOST_FILE}; printf '\\n-- the end\\n' >> {HOST_FILE}
         line=$(grep -n '^ *\"token_verification\"' {HOST_FILE} | cut -d: -f1); sed -i \"$((line - 1))\"'{beside}' {HOST_FILE}
         apt-get remove -q -y jitsi-meet-tokens"
    ));
    says(&subject.machine.tool(&["uninstall", "--yes"]), 0, &[]);
    let file = subject.machine.text(HOST_FILE);
    assert_eq!(file.matches(" -- beside\n").count(), 1, "{file}");
    assert!(file.starts_with("-- by hand\n") && file.ends_with("\n-- the end\n"), "{file}");
    subject.machine.sh(&format!("sed -i '1d; $d; s/ -- beside$//' {HOST_FILE} && sed -i '$d' {HOST_FILE}"));
    subject.assert_as_before();
    subject.assert_no_secret();
}

#[test]
fn the_package_purged_before_uninstall() {
    purge_before(FRESH);
}

#[test]
fn the_package_purged_after_uninstall() {
    purge_after(FRESH);
}

#[test]
fn manual_edits_elsewhere_survive_uninstall() {
    remove_and_hand_edit_before(FRESH);
}

fn conflict(profile: &str) {
    let subject = Subject::new(profile);
    let machine = &subject.machine;
    machine.sh(&format!("sed -i 's/ app_id=\"[^\"]*\"/ app_id=\"by_hand\"/' {HOST_FILE}; grep -q by_hand {HOST_FILE}"));
    let state = machine.sh(STATE);
    let run = machine.tool(&["uninstall", "--yes"]);
    says(&run, 5, &["were changed by others since", HOST_FILE, "    app_id=\"by_hand\"\n", "--force"]);
    assert!(!run.all().contains(&subject.secret), "{}", run.all());
    assert_eq!(machine.sh(STATE), state, "nothing was changed");
    says(&machine.tool(&["uninstall", "--yes", "--force"]), 0, &[]);
    subject.assert_as_before();
    subject.assert_no_secret();
}

#[test]
fn manual_edits_of_our_lines_block_without_force() {
    conflict(FRESH);
}

#[test]
fn a_deleted_line_of_ours_is_not_a_conflict() {
    for mended in [true, false] {
        let subject = Subject::new(FRESH);
        let delete = format!("sed -i '/ app_secret=/d' {HOST_FILE}; ! grep -q ' app_secret=' {HOST_FILE}");
        subject.machine.sh(&delete);
        if mended {
            says(&subject.machine.tool(&["install", "--yes"]), 0, &[]);
        }
        says(&subject.machine.tool(&["uninstall", "--yes"]), 0, &[]);
        subject.assert_as_before();
        subject.assert_no_secret();
    }
}

#[test]
fn files_of_others_next_to_our_rocks_stay() {
    let subject = Subject::new(FRESH);
    subject
        .machine
        .sh("echo 'return 1' > /usr/local/share/lua/5.2/theirs.lua; echo '#!/bin/sh' > /usr/local/bin/theirs");
    says(&subject.machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(
        subject.machine.sh("cat /usr/local/share/lua/5.2/theirs.lua /usr/local/bin/theirs"),
        "return 1\n#!/bin/sh\n"
    );
    let left = subject.machine.sh("find /usr/local/share/lua /usr/local/lib -type f");
    assert_eq!(left.trim(), "/usr/local/share/lua/5.2/theirs.lua");
    subject.assert_no_secret();
}

/// Somebody installs the newest luajwtjitsi over the one that the plugin needs, and the tool reverts that.
#[test]
fn a_rock_installed_by_others_is_undone_cleanly() {
    let subject = Subject::new(FRESH);
    let machine = &subject.machine;
    machine.sh("luarocks install luajwtjitsi");
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    assert_eq!(machine.sh("luarocks show --mversion luajwtjitsi").trim(), "1.3-7");
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    subject.assert_as_before();
}

/// The site itself is gone, purged with its package: nothing of it comes back, not even by force.
#[test]
fn a_purged_site_stays_gone() {
    let subject = Subject::new(FRESH);
    let machine = &subject.machine;
    let purge = machine.try_apt_get("purge", "jitsi-meet-prosody");
    says(&purge, 0, &[]);
    let planned = machine.tool(&["uninstall", "--dry-run"]);
    says(&planned, 0, &[]);
    assert!(!planned.all().contains(HOST_FILE), "{}", planned.all());
    says(&machine.tool(&["uninstall", "--yes", "--force"]), 0, &[]);
    let left = machine.sh("find /etc/prosody -name '*.example.org*'; dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' 'jitsi-*' luarocks 2>/dev/null || true");
    assert_eq!(left, "");
    subject.assert_no_secret();
    says(&machine.tool(&["uninstall", "--yes"]), 0, &["nothing to undo"]);
}

/// As after a kill in the middle of its installation. If configured, the package would turn tokens on again in the
/// restored file, and restart Prosody.
#[test]
fn a_half_configured_package_is_not_configured_first() {
    let subject = Subject::new(FRESH);
    let machine = &subject.machine;
    machine.sh("set -e; sed -i '2i touch /root/configured' /var/lib/dpkg/info/jitsi-meet-tokens.postinst
        sed -i '/^Package: jitsi-meet-tokens$/,/^$/s/ok installed$/ok half-configured/' /var/lib/dpkg/status
        dpkg --audit | grep -q jitsi-meet-tokens");
    let run = machine.tool(&["uninstall", "--yes"]);
    says(&run, 0, &["as before the install: accepted"]);
    machine.sh("! test -e /root/configured");
    subject.assert_as_before();
    subject.assert_no_secret();
}

/// systemd has given up on it: every further start counts as one too many.
#[test]
fn a_prosody_that_crashed_repeatedly_is_started() {
    let subject = Subject::new(FRESH);
    let machine = &subject.machine;
    machine.sh("mkdir /run/systemd/system/prosody.service.d
        printf '[Unit]\nStartLimitIntervalSec=600\n' > /run/systemd/system/prosody.service.d/limit.conf
        systemctl daemon-reload
        for i in $(seq 100); do
            systemctl kill -s SEGV prosody; sleep 0.1; systemctl is-failed -q prosody && exit 0
        done; exit 1");
    says(&machine.tool(&["uninstall", "--yes"]), 0, &["as before the install: accepted"]);
    subject.assert_as_before();
}

/// The last line reports the login to a Prosody that has opened its port.
#[test]
fn the_final_login_waits_for_prosody_to_start() {
    let subject = Subject::new(FRESH);
    let machine = &subject.machine;
    // Everything is undone already except for the receipt, as after a kill at the last moment.
    machine.sh("cp -a /var/lib/jitsi-tokens-setup /root/");
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    machine.sh("mv /root/jitsi-tokens-setup /var/lib/
        echo 'os.execute(\"sleep 3\")' >> /usr/lib/prosody/modules/mod_posix.lua
        systemctl restart prosody");
    says(&machine.tool(&["uninstall", "--yes"]), 0, &["as before the install: accepted"]);
    machine.sh(LISTENING);
}

#[test]
fn uninstall_warns_before_opening_the_server() {
    const OPEN: &str = "anyone can join without a token";
    let machine = Machine::boot(provisioned());
    let preview = machine.tool(&["uninstall", "--dry-run", "--json"]).json();
    assert!(preview["warnings"].to_string().contains(OPEN), "{preview}");
    let asked = machine.tool(&["uninstall"]);
    says(&asked, 2, &[OPEN]);
    assert!(asked.stderr.find(OPEN) < asked.stderr.find("--yes"), "{}", asked.stderr);
}

mod thorough {
    use super::*;

    #[test]
    fn the_same_on_bookworm() {
        purge_before("bookworm-bundled");
        purge_after("bookworm-bundled");
        remove_and_hand_edit_before("bookworm-bundled");
        conflict("bookworm-bundled");
    }

    #[test]
    fn the_same_on_trixie() {
        purge_before("trixie-bundled");
        purge_after("trixie-bundled");
        remove_and_hand_edit_before("trixie-bundled");
        conflict("trixie-bundled");
    }
}
