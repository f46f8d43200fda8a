//! A machine provisioned by cloud-init alone, on its first boot.

mod thorough {
    use std::path::Path;

    use sha2::Digest;

    use crate::bed::{Machine, says};
    use crate::package::{IN_MACHINE, assert_enabled, built, credentials, run};

    const SEED: &str = "/var/lib/cloud/seed/nocloud";

    /// The user-data of `scripts/deploy/cloud-init`, with a package that needs no network.
    fn user_data(sha256: &str) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/deploy/cloud-init/user-data");
        let text = std::fs::read_to_string(file).expect("the user-data");
        let changed: Vec<String> = text
            .lines()
            .map(|line| match line.trim().split_once('=') {
                Some(("url", _)) => format!("      url=copy:{IN_MACHINE}"),
                Some(("sha256", _)) => format!("      sha256={sha256}"),
                _ => line.to_owned(),
            })
            .collect();
        changed.join("\n") + "\n"
    }

    /// Puts the seed in place and reboots, as a new machine would boot.
    fn first_boot(sha256: &str, layer: &str) -> Machine {
        let machine = Machine::boot_with("bookworm-bundled", &["cloud-init"]);
        let root = machine.root();
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(inside(SEED)).expect("a folder");
        std::fs::create_dir_all(inside("/srv/package")).expect("a folder");
        std::fs::copy(built(), inside(IN_MACHINE)).expect("the package");
        std::fs::write(inside(&format!("{SEED}/user-data")), user_data(sha256)).expect("a file");
        let meta = "instance-id: first\nlocal-hostname: meet\n";
        std::fs::write(inside(&format!("{SEED}/meta-data")), meta).expect("a file");
        machine.sh(&format!(
            "printf '%s\\n' 'datasource_list: [NoCloud]' 'locale: false' 'ssh_genkeytypes: []' > /etc/cloud/cloud.cfg.d/99-bed.cfg
             cloud-init schema -c {SEED}/user-data || cloud-init devel schema -c {SEED}/user-data
             ! command -v jitsi-tokens-setup; rm -rf /var/lib/cloud/instance*"
        ));
        let layer = format!("{layer}-{}", std::process::id());
        machine.snapshot(&layer);
        let machine = Machine::boot(&layer);
        machine.try_sh("cloud-init status --wait");
        machine
    }

    #[test]
    fn cloud_init_alone_enables_tokens() {
        let bytes = std::fs::read(built()).expect("the package");
        let machine = first_boot(&hex::encode(sha2::Sha256::digest(bytes)), "test-cloud");
        let log = machine.text("/var/log/cloud-init-output.log");
        let status = machine.sh("cloud-init status --long || true");
        assert!(status.contains("status: done"), "{status}\n{log}");
        machine.sh("touch /run/bed-jicofo; systemctl is-enabled jitsi-tokens-setup-status.timer");
        says(&run(&machine, &["status"]), 0, &[]);
        let credentials = credentials(&machine);
        assert_enabled(&machine, &credentials);
        assert!(!log.contains(&credentials.1), "the secret is in the log");
    }

    #[test]
    fn cloud_init_rejects_a_wrong_checksum() {
        let machine = first_boot(&"0".repeat(64), "test-cloud-wrong");
        let log = machine.text("/var/log/cloud-init-output.log");
        assert!(log.contains("Hash Sum mismatch") || log.contains("hash"), "{log}");
        assert_ne!(machine.try_sh("command -v jitsi-tokens-setup").code, 0);
        machine.jicofo_answers();
        assert!((0..5).any(|_| machine.is_open()));
    }
}
