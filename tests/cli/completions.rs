//! What packagers install: completions and the manual page.

use std::process::Command;

use super::run::{COMMANDS, Folder, line, not_run};

#[test]
fn completions_cover_commands_options_and_values() {
    for (shell, parts) in [
        ("bash", ["complete -F", "uninstall", "--app-secret-file", "always"]),
        ("zsh", ["#compdef jitsi-tokens-setup", "uninstall", "--app-secret-file", "always"]),
        ("fish", ["complete -c jitsi-tokens-setup", "uninstall", "app-secret-file", "always"]),
    ] {
        let ended = line(&format!("completions {shell}")).ends(0).stderr("");
        for part in parts {
            assert!(ended.stdout.contains(part), "{shell}: {part}");
        }
    }
}

#[test]
fn installed_shells_can_parse_their_completions() {
    for (shell, required) in [("bash", true), ("zsh", false), ("fish", false)] {
        let folder = Folder::new();
        let script = line(&format!("completions {shell}")).ends(0).stdout;
        let path = folder.file("completions", script, 0o644);
        match Command::new(shell).arg("-n").arg(&path).status() {
            Ok(status) => assert!(status.success(), "{shell}"),
            Err(error) if required => panic!("{shell}: {error}"),
            Err(_) => not_run("installed_shells_can_parse_their_completions", &format!("there is no {shell}")),
        }
    }
}

/// What a real bash offers for the last word of a line; the script is sourced as bash-completion sources it.
fn offered(script: &std::path::Path, line: &str) -> Vec<String> {
    let program = r#". "$1"; shift; function=$(complete -p jitsi-tokens-setup | sed 's/.*-F \([^ ]*\).*/\1/')
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); previous=${COMP_WORDS[COMP_CWORD-1]}
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "$previous"; printf '%s\n' "${COMPREPLY[@]}""#;
    let output = Command::new("bash")
        .args(["--norc", "-c", program, "bash"])
        .arg(script)
        .args(line.split(' '))
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_subcommands_and_values() {
    let folder = Folder::new();
    let script = line("completions bash").ends(0).stdout;
    let script = folder.file("completions", script, 0o644);
    for (words, part) in [
        ("jitsi-tokens-setup unin", "uninstall"),
        ("jitsi-tokens-setup install --dry", "--dry-run"),
        ("jitsi-tokens-setup install --only rock", "rockspec"),
        ("jitsi-tokens-setup install --color ne", "never"),
        ("jitsi-tokens-setup token m", "mint"),
        ("jitsi-tokens-setup token mint --exp", "--expires-in"),
        ("jitsi-tokens-setup credentials show --format e", "env"),
        ("jitsi-tokens-setup credentials rotate --app", "--app-secret-file"),
        ("jitsi-tokens-setup man tok", "token"),
        ("jitsi-tokens-setup man token mi", "mint"),
        ("jitsi-tokens-setup schema sta", "status"),
        ("jitsi-tokens-setup schema token ins", "inspect"),
        ("jitsi-tokens-setup completions z", "zsh"),
        ("jitsi-tokens-setup help token b", "batch"),
    ] {
        let seen = offered(&script, words);
        assert!(seen.iter().any(|word| word == part), "{words}: {seen:?}");
        let start = words.rsplit(' ').next().unwrap();
        assert!(seen.iter().all(|word| word.starts_with(start)), "{words}: {seen:?}");
    }
}

/// Every command that has a manual page, as its words on the command line.
fn pages() -> Vec<String> {
    let mut found = vec![String::new()];
    let mut next = 0;
    while let Some(above) = found.get(next).cloned() {
        let help = line(&format!("{above} --help")).ends(0).stdout;
        let below = help.split_once("Commands:\n").map_or("", |(_, rest)| rest);
        let names = below.lines().take_while(|line| !line.is_empty());
        let names = names.filter_map(|line| line.split_whitespace().next());
        let names = names.filter(|name| *name != "help");
        found.extend(names.map(|name| format!("{above} {name}").trim().to_owned()));
        next += 1;
    }
    found
}

fn page_name(words: &str) -> String {
    format!("jitsi-tokens-setup {words}").trim().replace(' ', "-")
}

#[test]
fn every_command_has_a_complete_manual_page() {
    let pages = pages();
    assert!(pages.len() > COMMANDS.len(), "{pages:?}");
    let names: Vec<String> = pages.iter().map(|words| page_name(words)).collect();
    for words in &pages {
        let text = line(&format!("man {words}")).ends(0).stderr("").stdout;
        let title = format!(".TH {} 8 ", page_name(words));
        assert!(text.contains(&title), "{words}: {text}");
        let sections: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix(".SH ")).map(|name| name.trim_matches('"')).collect();
        assert!(sections.starts_with(&["NAME", "SYNOPSIS", "DESCRIPTION"]), "{words}: {sections:?}");
        let last = ["EXAMPLES", "FILES", "EXIT STATUS", "SEE ALSO"];
        assert!(sections.ends_with(&last), "{words}: {sections:?}");
        let (before, also) = text.split_once(".SH \"SEE ALSO\"").unwrap();
        let also = also.replace('\\', "");
        let named: Vec<&str> = also.split("fB").skip(1).map(|rest| rest.split("fR").next().unwrap()).collect();
        assert!(!named.is_empty(), "{words}: {also}");
        for name in named {
            assert!(names.iter().any(|page| page == name), "{words}: there is no page {name}");
        }
        let (_, examples) = before.split_once(".SH EXAMPLES").unwrap();
        assert!(examples.contains("jitsi\\-tokens\\-setup"), "{words}: {examples}");
    }
}

#[test]
fn man_has_no_warnings_about_any_page() {
    let name = "man_has_no_warnings_about_any_page";
    let folder = Folder::new();
    for words in pages() {
        let text = line(&format!("man {words}")).ends(0).stdout;
        let path = folder.file("page.8", text, 0o644);
        let output = Command::new("man")
            .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"])
            .arg(&path)
            .env("MANROFFSEQ", "")
            .env("MANWIDTH", "80")
            .env("LC_ALL", "C.UTF-8")
            .output();
        let Ok(output) = output else {
            return not_run(name, "there is no man");
        };
        assert!(output.status.success(), "{words}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words}");
    }
}

#[test]
fn an_unknown_page_is_a_usage_error() {
    line("man nonsense").ends(2).complains("no manual page for \"nonsense\"");
}
