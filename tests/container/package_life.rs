//! The package's later life: upgrade, removal, purge, and its daily check.

mod thorough {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use crate::bed::{Machine, says};
    use crate::package::{apt_install, assert_enabled, built, credentials, installed, run};
    use crate::rooms::restart;
    use crate::story::STATE;

    const PROFILE: &str = "bookworm-bundled";
    const NEWER: &str = "9.9.9";
    const SERVICE: &str = "jitsi-tokens-setup-status.service";
    const TIMER: &str = "jitsi-tokens-setup-status.timer";

    fn must(command: &mut Command) {
        let status = command.status().expect("it runs");
        assert!(status.success(), "{command:?}: {status}");
    }

    /// The same package with a higher version.
    fn newer(folder: &Path) -> PathBuf {
        let (tree, deb) = (folder.join("tree"), folder.join("newer.deb"));
        must(Command::new("dpkg-deb").arg("-R").arg(built()).arg(&tree));
        let control = tree.join("DEBIAN/control");
        let text = std::fs::read_to_string(&control).expect("a control file");
        let changed: Vec<String> = text
            .lines()
            .map(|line| match line.split_once(": ") {
                Some(("Version", _)) => format!("Version: {NEWER}"),
                _ => line.to_owned(),
            })
            .collect();
        std::fs::write(&control, changed.join("\n") + "\n").expect("a control file");
        must(Command::new("dpkg-deb").args(["--root-owner-group", "-b"]).arg(&tree).arg(&deb));
        deb
    }

    fn apt(machine: &Machine, what: &str) -> String {
        machine.sh(&format!("DEBIAN_FRONTEND=noninteractive apt-get {what} -q -y jitsi-tokens-setup 2>&1"))
    }

    fn kept(machine: &Machine) -> String {
        machine.sh("cd /var/lib/jitsi-tokens-setup; find . -type f -exec sha256sum {} + | sort")
    }

    #[test]
    fn upgrade_remove_and_purge_keep_what_uninstall_needs() {
        let folder = tempfile::tempdir().expect("a folder");
        let machine = installed(PROFILE, &["man-db"]);
        let before = machine.sh(&STATE.replace("dpkg-query -W", "dpkg-query -W 'j*' 'l*' 'p*'"));
        says(&run(&machine, &["install", "--yes"]), 0, &[]);
        let credentials = credentials(&machine);
        machine.sh(&format!("systemctl enable --now {TIMER}"));
        let receipt = kept(&machine);
        assert!(receipt.contains("receipt.json"), "{receipt}");

        let said = apt_install(&machine, &newer(folder.path()));
        assert!(said.contains(NEWER), "{said}");
        assert!(!said.contains("uninstall"), "an upgrade warns: {said}");
        assert_eq!(receipt, kept(&machine));
        says(&run(&machine, &["status"]), 0, &[]);
        machine.sh(&format!("systemctl is-enabled {TIMER} && systemctl is-active {TIMER}"));

        for way in ["remove", "purge"] {
            let said = apt(&machine, way);
            assert!(said.contains("jitsi-tokens-setup uninstall"), "{way}: {said}");
            assert!(machine.try_sh("command -v jitsi-tokens-setup").code != 0);
            assert_eq!(receipt, kept(&machine), "{way}");
            assert_ne!(machine.try_sh(&format!("systemctl is-active {TIMER}")).code, 0);
            assert_enabled(&machine, &credentials);
        }

        apt_install(&machine, built());
        says(&run(&machine, &["status"]), 0, &[]);
        says(&run(&machine, &["uninstall", "--yes"]), 0, &[]);
        let after = machine.sh(&STATE.replace("dpkg-query -W", "dpkg-query -W 'j*' 'l*' 'p*'"));
        assert_eq!(before, after);
        let said = apt(&machine, "purge");
        assert!(!said.contains("jitsi-tokens-setup uninstall"), "{said}");
        let left = machine.sh(
            "find / -xdev -name '*jitsi-tokens-setup*' -not -path '/proc/*' -not -path '/srv/*' -not -path '/opt/*' \
             -not -path '/var/cache/*'",
        );
        assert_eq!(left, "", "left after a purge");
    }

    /// What the daily check wrote to the journal at this priority or above.
    fn journal(machine: &Machine, priority: &str) -> String {
        machine.sh(&format!("journalctl --sync; journalctl -q -o cat -t jitsi-tokens-setup -p {priority}"))
    }

    #[test]
    fn the_daily_check_is_opt_in_and_reports_failures() {
        let machine = installed(PROFILE, &["man-db"]);
        says(&run(&machine, &["install", "--yes"]), 0, &[]);
        for question in ["is-enabled", "is-active"] {
            let off = machine.try_sh(&format!("systemctl {question} {TIMER}"));
            assert_ne!(off.code, 0, "{question}: {}", off.all());
        }
        machine.sh(&format!("systemctl enable --now {TIMER}"));
        let next = machine.sh(&format!(
            "systemctl is-enabled {TIMER}; systemctl is-active {TIMER}
             systemctl show -p NextElapseUSecRealtime --value {TIMER}"
        ));
        let lines: Vec<&str> = next.lines().collect();
        assert_eq!(lines[..2], ["enabled", "active"], "{next}");
        let day = machine.sh(&format!("date -u -d '{}' +%s", lines[2]));
        let now = machine.sh("date +%s");
        let seconds = |text: &str| text.trim().parse::<i64>().expect("a number");
        let wait = seconds(&day) - seconds(&now);
        assert!((0..=25 * 3600).contains(&wait), "the next check is {wait} s away");

        // All is well. The timer itself starts the check: only its time is moved closer.
        machine.sh(&format!(
            "mkdir -p /etc/systemd/system/{TIMER}.d
             printf '[Timer]\\nOnCalendar=\\nOnActiveSec=0\\nRandomizedDelaySec=0\\nAccuracySec=1ms\\n' > /etc/systemd/system/{TIMER}.d/soon.conf
             systemctl daemon-reload; systemctl restart {TIMER}
             for i in $(seq 300); do
               [ \"$(systemctl show -p ExecMainExitTimestampMonotonic --value {SERVICE})\" != 0 ] && exit 0; sleep 0.1
             done; systemctl status {SERVICE}; exit 1"
        ));
        assert_eq!(journal(&machine, "err"), "");
        let said = journal(&machine, "debug");
        assert!(said.contains("are as they should be"), "{said}");
        assert_eq!(machine.try_sh(&format!("systemctl is-failed {SERVICE}")).code, 1);

        // What an upgrade of Debian may do: the module is gone, and Prosody starts without it.
        machine.remove("/usr/local/share/lua/5.4/basexx.lua");
        restart(&machine);
        let failed = machine.try_sh(&format!("systemctl start {SERVICE}"));
        assert_ne!(failed.code, 0, "{}", failed.all());
        let said = journal(&machine, "err");
        for part in ["not as it should be", "jitsi-tokens-setup install", "rock-basexx"] {
            assert!(said.contains(part), "\"{part}\" is missing in:\n{said}");
        }

        says(&run(&machine, &["install", "--yes"]), 0, &[]);
        machine.sh(&format!("systemctl start {SERVICE}"));
        assert_eq!(said, journal(&machine, "err"), "it complains of what is mended");

        // Somebody opened the server: the sandbox hides nothing from the check that a run by hand sees.
        machine.sh("sed -i 's/authentication = \"token\"/authentication = \"jitsi-anonymous\"/' \
             /etc/prosody/conf.avail/meet.example.org.cfg.lua");
        restart(&machine);
        let by_hand = run(&machine, &["status", "--color", "never"]);
        assert_ne!(by_hand.code, 0, "{}", by_hand.all());
        machine.try_sh(&format!("systemctl start {SERVICE}"));
        let code = machine.sh(&format!("systemctl show -p ExecMainStatus --value {SERVICE}"));
        assert_eq!(code.trim(), by_hand.code.to_string());
        let said = journal(&machine, "err");
        let config = by_hand.stdout.lines().filter(|line| line.contains("authentication:"));
        // New credentials are generated on each run.
        let config: Vec<&str> = config.filter_map(|line| line.rsplit("authentication:").next()).collect();
        assert!(!config.is_empty(), "{}", by_hand.all());
        for part in config {
            assert!(said.contains(part), "\"{part}\" is missing in:\n{said}");
        }
        let exposure = machine.sh(&format!("systemd-analyze security {SERVICE} | tail -n 1"));
        assert!(exposure.contains(" OK "), "{exposure}");
    }
}
