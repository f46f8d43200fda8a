//! Hostile surroundings: an environment full of traps, full disks, a receipt that cannot be trusted, a configuration
//! that changes during the run.

use crate::bed::{HOST_FILE, Machine, TOOL, says};
use crate::signals::{slow_compiler, start, wait_until};
use crate::story::provisioned;

const RECEIPT: &str = "/var/lib/jitsi-tokens-setup/receipt.json";

/// A provisioned machine with something left to do.
fn with_pending_changes() -> Machine {
    let machine = Machine::boot(provisioned());
    machine.sh(&format!(
        "sed -i 's/authentication = \"token\" -- do not delete me/authentication = \"anonymous\"/' {HOST_FILE}"
    ));
    machine
}

#[test]
fn children_do_not_inherit_the_callers_environment() {
    let machine = with_pending_changes();
    machine.sh(
        "set -e; /usr/bin/lua5.2 /usr/bin/luarocks remove --force basexx; mkdir /tmp/evil; cd /tmp/evil
         for name in apt-get apt-cache dpkg-query dpkg luarocks prosodyctl debconf-communicate debconf-set-selections lua5.2 git gcc sh setsid setpriv systemctl test; do
           printf '#!/bin/sh\\ntouch /tmp/canary\\nexit 0\\n' > $name; chmod 755 $name
         done
         echo 'os.execute(\"touch /tmp/canary\")' > basexx.lua; cp basexx.lua cjson.lua; echo 'touch /tmp/canary' > profile",
    );
    let run = machine.try_sh(&format!(
        "umask 077; cd /tmp/evil; exec /usr/bin/env PATH=/tmp/evil IFS=/ LD_PRELOAD=/tmp/evil/evil.so LD_LIBRARY_PATH=/tmp/evil HOME=/tmp/evil TMPDIR=/nowhere \
         LUA_PATH='/tmp/evil/?.lua' LUA_PATH_5_2='/tmp/evil/?.lua' LUA_CPATH='/tmp/evil/?.so' LUA_INIT='os.execute(\"touch /tmp/canary\")' LUA_INIT_5_2='error(1)' \
         GIT_SSH_COMMAND='touch /tmp/canary' GIT_EXEC_PATH=/tmp/evil GIT_DIR=/tmp/evil GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.fsmonitor GIT_CONFIG_VALUE_0='touch /tmp/canary' \
         BASH_ENV=/tmp/evil/profile ENV=/tmp/evil/profile PERL5OPT=-Mevil PERL5LIB=/tmp/evil DEBIAN_FRONTEND=dialog DEBCONF_DB_OVERRIDE='File{{/tmp/evil/db}}' \
         APT_CONFIG=/tmp/evil/apt.conf DPKG_ROOT=/tmp/evil LUAROCKS_CONFIG=/tmp/evil/config.lua LC_ALL=tr_TR.UTF-8 LANG=xx LANGUAGE=zz TZ=/tmp/evil \
         {TOOL} install --yes"
    ));
    says(&run, 0, &[]);
    assert_eq!(machine.sh("ls /tmp/canary 2>/dev/null || true"), "", "something of it was run");
    assert_eq!(machine.sh("runuser -u prosody -- head -c 0 /usr/local/share/lua/5.2/basexx.lua && stat -c %a /usr/local/share/lua/5.2/basexx.lua").trim(), "644");
    machine.assert_proved();
}

#[test]
fn an_invalid_receipt_is_reported_and_changes_nothing() {
    let machine = with_pending_changes();
    machine.sh(&format!("cp -p {RECEIPT} /root/receipt"));
    let cases = [
        (format!("head -c 200 /root/receipt > {RECEIPT}"), "damaged"),
        (format!(": > {RECEIPT}"), "damaged"),
        (format!("head -c 300 /dev/urandom > {RECEIPT}"), "damaged"),
        (
            format!(
                "sed 's/\"schema\": [0-9]*/\"schema\": 99/; s/\"tool\": \"[^\"]*\"/\"tool\": \"9.9.9\"/' /root/receipt > {RECEIPT}"
            ),
            "9.9.9",
        ),
        (format!("sed 's|\"of\": \"file:|\"of\": \"soul:|' /root/receipt > {RECEIPT}"), "soul:"),
        (format!("rm {RECEIPT}; mkdir {RECEIPT}"), "receipt.json"),
    ];
    let state = format!("sha256sum {HOST_FILE}; dpkg-query -W | sha256sum; find /usr/local -type f | sha256sum");
    let before = machine.sh(&state);
    for (damage, said) in cases {
        machine.sh(&damage);
        for command in ["install", "uninstall"] {
            let run = machine.tool(&[command, "--yes"]);
            assert!([1, 5].contains(&run.code), "{damage}: {command}: {}", run.all());
            assert!(run.all().contains(said) && run.all().contains("receipt"), "{damage}: {command}: {}", run.all());
            assert!(!run.all().contains("panicked"), "{}", run.all());
        }
        assert_eq!(machine.sh(&state), before, "{damage}");
        machine.sh(&format!("rm -rf {RECEIPT}; cp -p /root/receipt {RECEIPT}"));
    }
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    machine.remove("/var/lib/jitsi-tokens-setup");
    says(&machine.tool(&["uninstall", "--yes"]), 0, &["there is no receipt"]);
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
}

#[test]
fn missing_and_modified_backups_are_never_restored() {
    let machine = Machine::boot(provisioned());
    let before = machine.sh(&format!("sha256sum {HOST_FILE}"));
    machine.sh("cp -a /var/lib/jitsi-tokens-setup /root/kept; for f in /var/lib/jitsi-tokens-setup/backups/*; do echo '-- edited' >> $f; done");
    let run = machine.tool(&["uninstall", "--yes"]);
    says(&run, 1, &["backup", "was modified"]);
    assert_eq!(machine.sh(&format!("sha256sum {HOST_FILE}")), before);
    machine.sh("rm /var/lib/jitsi-tokens-setup/backups/*");
    says(&machine.tool(&["uninstall", "--yes"]), 1, &["backup", "is missing"]);
    assert_eq!(machine.sh(&format!("sha256sum {HOST_FILE}")), before);
    machine.sh("cp -a /root/kept/. /var/lib/jitsi-tokens-setup/");
    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert!(machine.is_open());
}

#[test]
fn edits_made_during_the_run_are_kept() {
    let machine = slow_compiler(3);
    machine.sh(&format!(
        "sed -i 's/authentication = \"token\" -- do not delete me/authentication = \"anonymous\"/' {HOST_FILE}"
    ));
    let run = start(&machine, &["install", "--yes"]);
    wait_until(&machine, "pgrep -f '^sleep 3' >/dev/null");
    machine.sh(&format!("printf '\\n-- somebody was here\\n' >> {HOST_FILE}"));
    let output = run.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", crate::bed::text(&output.stderr));
    machine.assert_proved();
    assert!(machine.text(HOST_FILE).ends_with("-- somebody was here\n"));
}

#[test]
fn a_full_disk_leaves_the_configuration_intact() {
    let machine = with_pending_changes();
    machine.sh("cp -a /etc/prosody /root/kept");
    for (option, fill) in [
        ("size=128k", "dd if=/dev/zero of=/etc/prosody/certs/ballast bs=1k 2>/dev/null || true"),
        (
            "size=4m,nr_inodes=60",
            "for i in $(seq 80); do touch /etc/prosody/certs/ballast.$i; done 2>/dev/null || true",
        ),
    ] {
        machine.sh(&format!(
            "mount -t tmpfs -o {option},mode=755 none /etc/prosody && cp -a /root/kept/. /etc/prosody/ && mkdir -p /etc/prosody/certs; {fill}"
        ));
        let before = machine.sh("find /etc/prosody -type f | sort | xargs sha256sum");
        says(&machine.tool(&["install", "--yes"]), 1, &["No space left on device", HOST_FILE]);
        assert_eq!(machine.sh("find /etc/prosody -type f | sort | xargs sha256sum"), before);
        machine.sh("rm /etc/prosody/certs/ballast*");
        says(&machine.tool(&["install", "--yes"]), 0, &[]);
        machine.assert_proved();
        machine.sh("umount -l /etc/prosody");
    }
}

#[test]
fn a_symlink_at_the_temporary_path_is_not_followed() {
    let machine = with_pending_changes();
    machine.sh("set -e; cd /etc/prosody/conf.avail; chown prosody .; echo precious > /root/precious
         runuser -u prosody -- ln -s /root/precious .meet.example.org.cfg.lua.jitsi-tokens-setup.tmp");
    // In a folder of their own, nothing is written at all; once it is root's again, their link is not followed.
    let blocked = machine.tool(&["install", "--yes"]);
    says(&blocked, 5, &["which the user prosody can write"]);
    machine.sh("chown root /etc/prosody/conf.avail");
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    assert_eq!(machine.text("/root/precious"), "precious\n");
    assert_eq!(machine.sh("find /etc/prosody -name '*jitsi-tokens-setup*'"), "");
    machine.assert_proved();
}
