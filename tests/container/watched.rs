//! No command discloses the secret, and neither do the package's own scripts: not in arguments, environments, output,
//! logs, the journal, or a world-readable file.

use crate::bed::{FRESH, Machine, Run};
use crate::kill_subject::with_packages;
use crate::proc_watch::ProcWatch;

/// What any user could read; file systems that the kernel makes up are watched separately.
const READABLE: &str = "runuser -u nobody -- find / -xdev -type f -size -8M -readable -print0 2>/dev/null";

/// Watches everything that one machine shows while commands run.
struct Watched {
    machine: Machine,
    secrets: Vec<String>,
    said: Vec<(String, String)>,
    seen: std::collections::BTreeSet<Vec<u8>>,
}

impl Watched {
    fn during(&mut self, what: &str, run: impl FnOnce(&Machine) -> Run) {
        let watch = ProcWatch::start();
        let run = run(&self.machine);
        let (rounds, seen) = watch.stop();
        assert_eq!(run.code, 0, "{what}: {}", run.all());
        assert!(rounds > 4, "{what}: looked only {rounds} times");
        println!("{what}: looked {rounds} times, {} different", seen.len());
        self.said.push((what.to_owned(), run.all()));
        self.seen.extend(seen);
    }

    fn learn(&mut self) {
        let (_, secret) = self.machine.credentials();
        assert!(secret.len() >= 16, "there is a secret to look for");
        if !self.secrets.contains(&secret) {
            self.secrets.push(secret);
        }
    }

    fn hits(&self) -> Vec<String> {
        let mut hits = Vec::new();
        for (number, secret) in self.secrets.iter().enumerate() {
            let bytes = secret.as_bytes();
            for (what, text) in &self.said {
                if text.contains(secret) {
                    hits.push(format!("secret {number}: output of {what}"));
                }
            }
            for seen in &self.seen {
                if seen.windows(bytes.len()).any(|part| part == bytes) {
                    let text = String::from_utf8_lossy(seen).replace('\0', " ");
                    hits.push(format!("secret {number}: a process: {text}"));
                }
            }
        }
        std::fs::write(self.machine.root().join("root/looked-for"), self.secrets.join("\n")).expect("a file");
        let places = [
            format!("{READABLE} | xargs -0 grep -lFf /root/looked-for -- 2>/dev/null || true"),
            "grep -rlFf /root/looked-for /var/log --exclude-dir=journal || true".to_owned(),
            "journalctl --no-pager -o export 2>/dev/null | grep -aFf /root/looked-for || true".to_owned(),
        ];
        for place in places {
            for line in self.machine.sh(&place).lines() {
                hits.push(line.to_owned());
            }
        }
        hits
    }
}

fn nothing_is_leaked(profile: &str) {
    let machine = Machine::boot(profile);
    machine.jicofo_answers();
    let mut watched =
        Watched { machine, secrets: Vec::new(), said: Vec::new(), seen: std::collections::BTreeSet::new() };
    watched.during("install", |on| on.tool(&["install", "--yes"]));
    watched.learn();
    watched.during("verify", |on| on.tool(&["verify"]));
    watched.during("tokens", |on| {
        on.try_sh(
            "tool=/opt/jitsi-tokens-setup/jitsi-tokens-setup; { echo room; seq 50000; } > /root/rows.csv
             $tool token mint --room tea --json && $tool token batch /root/rows.csv > /root/tokens.csv && $tool token inspect -q \"$($tool token mint --room tea)\"",
        )
    });
    watched.during("rotate", |on| on.tool(&["credentials", "rotate", "--yes"]));
    watched.learn();
    assert_eq!(watched.secrets.len(), 2, "the secret was changed");
    let hits = watched.hits();
    assert!(hits.is_empty(), "{profile}, installed:\n{}", hits.join("\n"));
    // A purge by hand before this is the package's own business: its script puts debconf's answer into sed's arguments.
    // uninstall steers the script past the file.
    watched.during("uninstall", |on| on.tool(&["uninstall", "--yes"]));
    watched.during("purge", |on| on.try_sh("apt-get purge -q -y jitsi-meet-tokens; dpkg --purge jitsi-meet-tokens"));
    let hits = watched.hits();
    assert!(hits.is_empty(), "{profile}:\n{}", hits.join("\n"));
}

#[test]
fn no_command_or_package_script_discloses_the_secret() {
    // The packages installed before it are watched in the story, and on all releases in the thorough test.
    nothing_is_leaked(&with_packages(FRESH));
}

mod thorough {
    #[test]
    fn the_secret_is_not_disclosed_on_any_release() {
        for profile in [crate::bed::FRESH, "bookworm-bundled", "trixie-bundled"] {
            super::nothing_is_leaked(profile);
        }
    }
}
