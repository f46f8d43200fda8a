//! The program is linked statically, and yet resolves names as its machine does: even where nsswitch.conf names
//! `resolve` and `myhostname`, which are parts of another C library than the one inside the program.

mod thorough {
    use crate::bed::{HOST_FILE, Machine, says};
    use crate::broken_servers::Front;
    use crate::rooms::restart;

    /// A name that only myhostname resolves; nothing resolves the other.
    const KNOWN: &str = "box.localhost";
    const UNKNOWN: &str = "no-such-host.example.org";

    /// `profile` with what nsswitch.conf can name, and a web server in front of Prosody.
    fn names_are_resolved(profile: &str, packages: &[&str]) {
        let readelf = std::process::Command::new("readelf")
            .args(["-lW", env!("CARGO_BIN_EXE_jitsi-tokens-setup")])
            .output()
            .expect("readelf runs");
        assert!(
            !String::from_utf8_lossy(&readelf.stdout).contains("INTERP"),
            "this build is not static, and would show nothing"
        );
        let machine = Machine::boot_with(profile, packages);
        // Where a module's package is missing, as on a machine that has lost it, its name stays.
        machine.sh(&format!(
            "set -e; grep -q '^hosts:.*resolve' /etc/nsswitch.conf || sed -i 's/^hosts:.*/& resolve/' /etc/nsswitch.conf
             grep '^hosts:.*myhostname' /etc/nsswitch.conf; ! grep {KNOWN} /etc/hosts
             touch /run/bed-jicofo
             grep -q '\"websocket\"' {HOST_FILE} || sed -i 's/^ *\"bosh\";/\"bosh\"; \"websocket\";/' {HOST_FILE}
             sed -i '1i consider_websocket_secure = true\\ncross_domain_websocket = {{ \"http://{KNOWN}:8080\", \"https://meet.example.org\" }}' /etc/prosody/prosody.cfg.lua"
        ));
        restart(&machine);
        let getent = machine.sh(&format!("getent ahosts {KNOWN}"));
        assert!(getent.contains("127.0.0.1"), "{getent}");
        assert_ne!(machine.try_sh(&format!("getent ahosts {UNKNOWN}")).code, 0);

        let install = machine.tool(&["install", "--yes"]);
        says(&install, 0, &[]);
        let _front = Front::start(&machine, &["8080", "proxy"]);
        for transport in ["bosh", "websocket"] {
            let url = format!("http://{KNOWN}:8080");
            let through = machine.tool(&["verify", "--url", &url, "--transport", transport]);
            says(&through, 0, &["valid token"]);
            let url = format!("http://{UNKNOWN}:8080");
            let nowhere = machine.tool(&["verify", "--url", &url, "--transport", transport]);
            let said = format!("cannot resolve {UNKNOWN}");
            says(&nowhere, 4, &[&said]);
        }
    }

    #[test]
    fn a_static_program_resolves_names_on_debian_11() {
        names_are_resolved("bullseye-decode", &["libnss-myhostname"]);
    }

    #[test]
    fn a_static_program_resolves_names_on_debian_12() {
        names_are_resolved("bookworm-bundled", &["libnss-myhostname", "libnss-resolve"]);
    }

    #[test]
    fn a_static_program_resolves_names_on_debian_13() {
        names_are_resolved("trixie-bundled", &["libnss-myhostname", "libnss-resolve"]);
    }
}
