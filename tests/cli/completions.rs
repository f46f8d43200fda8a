//! What packagers install: completions and the manual page.

use std::process::Command;

use super::run::{COMMANDS, Folder, line, not_run};

#[test]
fn completions_know_commands_options_and_values() {
    for (shell, parts) in [
        (
            "bash",
            ["complete -F", "uninstall", "--app-secret-file", "always"],
        ),
        (
            "zsh",
            [
                "#compdef jitsi-tokens-setup",
                "uninstall",
                "--app-secret-file",
                "always",
            ],
        ),
        (
            "fish",
            [
                "complete -c jitsi-tokens-setup",
                "uninstall",
                "app-secret-file",
                "always",
            ],
        ),
    ] {
        let ended = line(&format!("completions {shell}")).ends(0).stderr("");
        for part in parts {
            assert!(ended.stdout.contains(part), "{shell}: {part}");
        }
    }
}

#[test]
fn each_shell_at_hand_can_read_its_completions() {
    for (shell, required) in [("bash", true), ("zsh", false), ("fish", false)] {
        let folder = Folder::new();
        let script = line(&format!("completions {shell}")).ends(0).stdout;
        let path = folder.file("completions", script, 0o644);
        match Command::new(shell).arg("-n").arg(&path).status() {
            Ok(status) => assert!(status.success(), "{shell}"),
            Err(error) if required => panic!("{shell}: {error}"),
            Err(_) => not_run(
                "each_shell_at_hand_can_read_its_completions",
                &format!("there is no {shell}"),
            ),
        }
    }
}

#[test]
fn the_manual_page_is_one_and_lists_the_commands() {
    let ended = line("man").ends(0).stderr("");
    let mut lines = ended.stdout.lines();
    // The first two lines only define a quotation mark.
    assert!(lines.next().unwrap().starts_with(".ie "), "{ended:?}");
    assert!(lines.next().unwrap().starts_with(".el "), "{ended:?}");
    let title = lines.next().unwrap();
    assert!(title.starts_with(".TH jitsi-tokens-setup 1 "), "{title}");
    for command in COMMANDS {
        assert!(
            ended
                .stdout
                .contains(&format!("jitsi\\-tokens\\-setup\\-{command}(1)")),
            "{command}"
        );
    }
    for part in ["Examples:", "Exit codes:"] {
        assert!(ended.stdout.contains(part), "{part}");
    }
}
