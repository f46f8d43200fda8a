//! The Ansible role on a fleet: `scripts/deploy/test` judges by Ansible's own recap and the independent client.

mod thorough {
    use std::path::Path;
    use std::process::{Command, Stdio};

    #[test]
    fn the_role_provisions_three_releases_and_a_broken_host_fails_alone() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/deploy/test");
        let ended = Command::new(script)
            .arg(env!("CARGO_BIN_EXE_jitsi-tokens-setup"))
            .stdin(Stdio::null())
            .status()
            .expect("it starts");
        assert!(ended.success(), "{ended}; what it says is above");
    }
}
