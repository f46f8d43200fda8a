//! The program's help texts.

use super::run::{COMMANDS, line, tool};

/// The commands that do something; their help has to show examples.
const LEAVES: [&str; 14] = [
    "install",
    "status",
    "verify",
    "token mint",
    "token batch",
    "token inspect",
    "credentials show",
    "credentials rotate",
    "credentials keygen",
    "uninstall",
    "completions",
    "schema",
    "man",
    "",
];

#[test]
fn no_arguments_print_help_and_exit_2() {
    let ended = tool::<&str>([]).ends(2);
    assert_eq!(ended.stdout, "");
    assert!(ended.stderr.contains("Usage: jitsi-tokens-setup [OPTIONS] <COMMAND>"), "{}", ended.stderr);
}

#[test]
fn the_help_lists_every_command_and_the_exit_codes() {
    let ended = line("--help").ends(0).stderr("");
    for command in COMMANDS {
        assert!(ended.stdout.contains(&format!("\n  {command} ")), "{command}");
    }
    let codes =
        ["0    success", "1    failure", "2    usage", "3    changes", "4    verif", "5    blocked", "130  interr"];
    for code in codes {
        assert!(ended.stdout.contains(code), "{code}");
    }
}

#[test]
fn every_commands_help_has_examples() {
    for command in LEAVES {
        let ended = line(&format!("{command} --help")).ends(0).stderr("");
        let (_, examples) = ended.stdout.split_once("\nExample").unwrap_or_else(|| panic!("no examples: {command}"));
        let call = format!("jitsi-tokens-setup {command}");
        assert!(examples.contains(call.trim_end()), "{command}: {examples}");
    }
}

#[test]
fn help_command_and_help_option_agree() {
    for command in LEAVES.iter().filter(|command| !command.is_empty()) {
        let dashed = line(&format!("{command} --help")).ends(0);
        line(&format!("help {command}")).ends(0).stdout(&dashed.stdout);
    }
}

#[test]
fn help_examples_are_valid_commands() {
    for command in LEAVES {
        let help = line(&format!("{command} --help")).ends(0).stdout;
        let examples = help.split_once("\nExample").unwrap().1.replace("\\\n      ", "");
        let calls = examples.lines().filter_map(|line| line.split_once("jitsi-tokens-setup "));
        for (_, call) in calls {
            // Text after two spaces is a remark; pipes and redirections are the shell's.
            let call = call.split("  ").next().unwrap_or(call);
            let call = call.split([';', '|', '>', '<']).next().unwrap_or(call);
            // `--help` prevents any work, but clap checks the names and values before it all the same.
            let ended = line(&format!("{} --help", call.replace('\'', ""))).ends(0);
            assert!(ended.stdout.contains("Usage:"), "{call}");
        }
    }
}

#[test]
fn help_below_the_options_fits_80_columns() {
    for command in LEAVES {
        let shown = |columns: &str| {
            let help = line(&format!("{command} --help")).env("COLUMNS", columns).ends(0).stdout;
            let options_end = ["[default: auto]\n", "Print help\n"].iter().find_map(|end| help.split_once(end));
            options_end.expect("options").1.to_owned()
        };
        assert_eq!(shown("80"), shown("100"), "{command}");
    }
}

#[test]
fn version_matches_the_package() {
    let version = env!("CARGO_PKG_VERSION");
    line("--version").ends(0).stdout(&format!("jitsi-tokens-setup {version}\n")).stderr("");
}
