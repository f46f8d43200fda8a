//! README and the chapters, followed to the letter: every line of their shell blocks runs in a machine, in order, with
//! what a reader would have there.

use std::path::Path;

use crate::bed::{DOMAIN, Machine, Run};

/// The shell blocks of a document as commands: one per line, or per several lines where a line continues on the next.
pub fn commands(document: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{document}: {error}"));
    let mut found: Vec<String> = Vec::new();
    for block in text.split("\n```sh\n").skip(1) {
        let mut goes_on = false;
        for line in block.split_once("\n```").expect("it ends").0.lines().filter(|line| !line.is_empty()) {
            if goes_on {
                let last = found.last_mut().expect("a line before it");
                last.push('\n');
                last.push_str(line);
            } else {
                found.push(line.to_owned());
            }
            goes_on = line.ends_with('|') || line.ends_with('\\');
        }
    }
    found
}

/// What a reader has: root by sudo, a password store with a secret, and a yes to every question.
const READER: &str = r#"
sudo() { "$@"; }
pass() { echo aSecretFromThePasswordStore; }
jitsi-tokens-setup() {
  case "$*" in
    *--dry-run*|*--yes*) ;;
    install*|uninstall*|"credentials rotate"*) set -- "$@" --yes ;;
  esac
  command jitsi-tokens-setup "$@"
}
"#;

/// Runs a command as a reader would, in root's home.
pub fn follow(machine: &Machine, command: &str) -> Run {
    let output = machine.inside(&["bash", "-c", &format!("{READER}\n{command}")]).output().expect("exec runs");
    Run::of(&output)
}

mod thorough {
    use super::*;

    /// Commands for a build machine, for a fleet, or that need a release or an identity provider: other tests run
    /// those.
    const ELSEWHERE: [&str; 9] = [
        "cargo ",
        "scripts/",
        "sudo apt ",
        "sudo install ",
        "systemctl",
        "ansible",
        "--jwks",
        "--key-server",
        "--oidc ",
    ];

    /// Commands that exit with another code than 0: a token shortened for print, and a token of this server judged as
    /// another server would.
    const OTHERWISE: [(&str, i32); 2] =
        [("token inspect 'https://meet.example.org/tea?jwt=eyJ…'", 4), ("--plugins 2023-12", 4)];

    const CHAPTERS: [&str; 8] = [
        "README.md",
        "docs/options.md",
        "docs/tokens.md",
        "docs/keys.md",
        "docs/guests.md",
        "docs/login.md",
        "docs/automation.md",
        "docs/troubleshooting.md",
    ];

    /// The part of the web page's configuration that concerns guests.
    const PAGE: &str = "var config = {
    hosts: {
        domain: 'meet.example.org',
        // anonymousdomain: 'guest.example.com',
        muc: 'conference.meet.example.org',
    },
};
";

    /// The files that the chapters mention.
    fn prepare_reader(machine: &Machine) {
        machine.sh("apt-get install -q -y jicofo");
        machine.jicofo_answers();
        machine.sh(&format!(
            "ln -s /opt/jitsi-tokens-setup/jitsi-tokens-setup /usr/local/sbin/jitsi-tokens-setup
             printf 'room,name\\ntea,Ada\\ncoffee,Bob\\n' >people.csv
             printf '%s\\n' '{{\"name\": \"Ada\"}}' >people.jsonl
             openssl genrsa 2048 >private.pem 2>/dev/null; openssl rsa -in private.pem -pubout >public.pem 2>/dev/null
             printf '#!/bin/sh\ncat >/dev/null\n' >/usr/local/sbin/update-app; chmod +x /usr/local/sbin/update-app
             mkdir -p /etc/jitsi/meet
             cat >/etc/jitsi/meet/{DOMAIN}-config.js <<'END'\n{PAGE}END"
        ));
    }

    #[test]
    fn every_documented_command_works() {
        let machine = Machine::boot_with("bookworm-bundled", &["jq", "openssl"]);
        prepare_reader(&machine);
        let (mut wrong, mut count) = (Vec::new(), 0);
        for chapter in CHAPTERS {
            // Each begins on an installed server, with a token of its own; README and the options install and undo.
            if chapter.starts_with("docs/") {
                let ready = follow(
                    &machine,
                    "jitsi-tokens-setup install --public-key=off && jitsi-tokens-setup token mint --room tea >token.txt",
                );
                assert_eq!(ready.code, 0, "before {chapter}: {}", ready.all());
            }
            for command in commands(chapter) {
                if ELSEWHERE.iter().any(|word| command.contains(word)) {
                    continue;
                }
                count += 1;
                // Tokens to inspect are signed with the private half, tokens to verify with the server's secret or key.
                let key = match () {
                    () if command.contains("--key public.pem") => {
                        "--key private.pem --app-id my_app --domain meet.example.org"
                    }
                    () if command.contains("verify --token-file") => "$(test ! -e my_app.key || echo --key my_app.key)",
                    () => "",
                };
                if !key.is_empty() {
                    let signed =
                        follow(&machine, &format!("jitsi-tokens-setup token mint {key} --room tea >token.txt"));
                    assert_eq!(signed.code, 0, "{}", signed.all());
                }
                let run = follow(&machine, &command);
                // The rest of the chapter needs an installed server again.
                if command.ends_with(" uninstall") {
                    assert_eq!(follow(&machine, "jitsi-tokens-setup install").code, 0);
                }
                let code = OTHERWISE.iter().find(|(part, _)| command.contains(part)).map_or(0, |(_, code)| *code);
                if run.code != code {
                    wrong.push(format!(
                        "{chapter}: {command}\n  ends with {} instead of {code}: {}",
                        run.code,
                        run.all()
                    ));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(count >= 20, "only {count} commands are found");
        println!("{count} commands of {} chapters", CHAPTERS.len());
    }
}
