//! The Debian package as users get it: installed by apt in booted Debian 11, 12 and 13, it does the whole main job.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::bed::{Machine, Run, text};

/// The package's path in a machine.
pub const IN_MACHINE: &str = "/srv/package/jitsi-tokens-setup.deb";

/// The shells whose completions are checked, and man.
pub const READERS: [&str; 3] = ["zsh", "fish", "man-db"];

/// The package of the current sources, built by `scripts/package`, which is quick if it exists already.
pub fn built() -> &'static Path {
    static DEB: OnceLock<PathBuf> = OnceLock::new();
    DEB.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/package");
        let made =
            Command::new(script).stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("scripts/package runs");
        assert!(made.status.success(), "scripts/package: {}", made.status);
        let said = text(&made.stdout);
        let deb = PathBuf::from(said.lines().last().expect("it prints where the package is"));
        assert!(deb.is_file(), "{}", deb.display());
        deb
    })
}

/// A machine with the package installed by apt, without this build's own mounted program in the path.
pub fn installed(profile: &str, packages: &[&str]) -> Machine {
    let machine = Machine::boot_with(profile, packages);
    machine.sh("touch /run/bed-jicofo; ! command -v jitsi-tokens-setup");
    apt_install(&machine, built());
    machine
}

/// Installs this file with apt. Returns apt's output.
pub fn apt_install(machine: &Machine, deb: &Path) -> String {
    let place = machine.root().join(IN_MACHINE.trim_start_matches('/'));
    std::fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
    std::fs::copy(deb, &place).expect("the package");
    machine.sh("cd /srv/package; DEBIAN_FRONTEND=noninteractive apt-get install -q -y ./jitsi-tokens-setup.deb 2>&1")
}

/// Runs the installed program.
pub fn run(machine: &Machine, args: &[&str]) -> Run {
    let mut command = machine.inside(&[&["jitsi-tokens-setup"], args].concat());
    Run::of(&command.output().expect("it runs"))
}

/// The credentials that the installed program reports as in use.
pub fn credentials(machine: &Machine) -> (String, String) {
    let shown = run(machine, &["credentials", "show", "--reveal", "--json"]).json();
    let field = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    (field("app_id"), field("app_secret"))
}

/// Insists that the independent client sees token authentication.
pub fn assert_enabled(machine: &Machine, (app_id, secret): &(String, String)) {
    let seen: Value = machine.matrix(app_id, secret);
    assert_eq!(seen["ok"], true, "the independent client saw: {seen:#}");
}

mod thorough {
    use super::*;
    use crate::bed::says;
    use crate::story::STATE;

    /// Manual pages and completions, read as a user and the three shells do.
    fn documentation_is_in_place(machine: &Machine) {
        for page in [
            "jitsi-tokens-setup",
            "jitsi-tokens-setup-install",
            "jitsi-tokens-setup-token-mint",
            "jitsi-tokens-setup-credentials-rotate",
        ] {
            let found = machine.sh(&format!("man -w {page}"));
            assert_eq!(found.trim(), format!("/usr/share/man/man8/{page}.8.gz"));
            let shown = machine.sh(&format!("MANWIDTH=80 man {page} 2>&1 | col -b"));
            assert!(shown.contains("EXIT STATUS"), "{page}:\n{shown}");
        }
        let bash = machine.sh(r#"bash -c '. /usr/share/bash-completion/completions/jitsi-tokens-setup
             function=$(complete -p jitsi-tokens-setup | sed "s/.*-F \([^ ]*\).*/\1/")
             COMP_WORDS=(jitsi-tokens-setup unin) COMP_CWORD=1
             $function jitsi-tokens-setup unin jitsi-tokens-setup; echo "${COMPREPLY[@]}"'"#);
        assert_eq!(bash.trim(), "uninstall");
        let zsh = machine
            .sh("zsh -fc 'fpath+=/usr/share/zsh/vendor-completions; autoload -Uz compinit; compinit -u -d /tmp/dump
             echo $_comps[jitsi-tokens-setup]; autoload +X _jitsi-tokens-setup && echo loaded'");
        assert_eq!(zsh.trim(), "_jitsi-tokens-setup\nloaded");
        // Without a terminal, fish 3.1 completes nothing, but it loads the completions.
        let fish = machine.sh("fish -c 'complete \"-Cjitsi-tokens-setup \" >/dev/null; complete' 2>/dev/null");
        let known = |line: &str| line.contains("jitsi-tokens-setup") && line.contains(" uninstall");
        assert!(fish.lines().any(known), "{fish}");
    }

    fn works_end_to_end(profile: &str) {
        let machine = installed(profile, &READERS);
        documentation_is_in_place(&machine);
        // A workstation that only mints tokens needs no Prosody; the static program contains a C library.
        let fields = machine.sh("dpkg -s jitsi-tokens-setup");
        assert!(!fields.contains("Recommends:"), "{fields}");
        let built = machine.sh(&format!("dpkg-deb -f {IN_MACHINE} Built-Using"));
        assert!(built.starts_with("glibc (= "), "{built}");
        assert!(machine.is_open());
        let before = machine.sh(STATE);
        says(&run(&machine, &["status"]), 3, &[]);
        says(&run(&machine, &["install", "--yes"]), 0, &["valid token"]);
        assert_enabled(&machine, &credentials(&machine));
        says(&run(&machine, &["verify"]), 0, &[]);
        says(&run(&machine, &["status"]), 0, &[]);
        says(&run(&machine, &["uninstall", "--yes"]), 0, &[]);
        assert_eq!(before, machine.sh(STATE));
        // On a busy machine, the first hosts answer while the last are still loading.
        assert!((0..5).any(|_| machine.is_open()));
    }

    #[test]
    fn the_package_works_on_debian_11() {
        works_end_to_end("bullseye-decode");
    }

    #[test]
    fn the_package_works_on_debian_12() {
        works_end_to_end("bookworm-bundled");
    }

    #[test]
    fn the_package_works_on_debian_13() {
        works_end_to_end("trixie-bundled");
    }
}
