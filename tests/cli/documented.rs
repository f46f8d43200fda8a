//! What README and the chapters tell people to type: every command and option exists and accepts the value shown. The
//! program itself parses each line: with `--help` at the end, it prints the help if everything before is valid.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::run::{COMMANDS, tool};

const PROGRAM: &str = "jitsi-tokens-setup";

/// Options of other programs that the chapters mention on their own.
const FOREIGN_OPTIONS: [&str; 0] = [];

/// README, SECURITY and the chapters, as (name, text).
fn documents() -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![top.join("README.md"), top.join("SECURITY.md")];
    for entry in fs::read_dir(top.join("docs")).expect("there is docs/") {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|is| is == "md") {
            paths.push(path);
        }
    }
    let text = |path: &Path| fs::read_to_string(path).expect("a document");
    paths.iter().map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), text(path))).collect()
}

/// The words of a line as a shell splits it, up to the first word that ends the command.
fn words(line: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut quote = None;
    let mut open = false;
    for letter in line.chars() {
        if quote == Some(letter) {
            quote = None;
        } else if quote.is_none() && "'\"".contains(letter) {
            quote = Some(letter);
            if !open {
                found.push(String::new());
                open = true;
            }
        } else if quote.is_none() && letter.is_whitespace() {
            open = false;
        } else if quote.is_none() && ("|<>;&)".contains(letter) || letter == '#' && !open) {
            break;
        } else {
            if !open {
                found.push(String::new());
                open = true;
            }
            found.last_mut().expect("a word").push(letter);
        }
    }
    found
}

/// The calls of the program in a line of a code block.
fn calls(line: &str) -> Vec<Vec<String>> {
    let starts = line.match_indices(PROGRAM).filter(|(at, _)| {
        let before = line[..*at].chars().next_back();
        let after = line[at + PROGRAM.len()..].chars().next();
        before.is_none_or(|c| " (".contains(c)) && after.is_none_or(|c| c == ' ')
    });
    let calls = starts.map(|(at, _)| words(&line[at + PROGRAM.len()..]));
    // On its own it is the package's name; a word in capitals stands for any command.
    calls.filter(|words| words.first().is_some_and(|word| word.chars().any(char::is_lowercase))).collect()
}

fn is_command(word: &str) -> bool {
    COMMANDS.iter().any(|command| command.split(' ').next() == Some(word))
}

/// The lines of shell code blocks, and what is in backticks outside of blocks.
fn code(text: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut lines, mut spans) = (Vec::new(), Vec::new());
    let mut block: Option<&str> = None;
    for line in text.lines() {
        match (block, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => block = Some(language),
            (Some(_), Some(_)) => block = None,
            (Some("sh"), None) => lines.push(line),
            (Some(_), None) => {}
            (None, None) => spans.extend(line.split('`').skip(1).step_by(2)),
        }
    }
    (lines, spans)
}

/// The error that these arguments cause, if any.
fn complaint(words: &[String]) -> Option<String> {
    let ended = tool(words.iter().map(String::as_str).chain(["--help"])).end();
    (ended.code != 0).then(|| format!("{}: {}", words.join(" "), ended.stderr))
}

#[test]
fn every_documented_command_is_valid() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, text) in documents() {
        let (lines, spans) = code(&text);
        let mut found: Vec<Vec<String>> = lines.into_iter().flat_map(calls).collect();
        for span in spans {
            if span.contains(PROGRAM) {
                found.extend(calls(span));
            } else if span.split(' ').next().is_some_and(is_command) && span.contains(' ') {
                found.push(words(span));
            }
        }
        count += found.len();
        wrong.extend(found.iter().filter_map(|words| complaint(words)).map(|fault| format!("{name}: {fault}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 60, "only {count} commands: they are not found any more");
}

#[test]
fn invalid_documented_commands_are_detected() {
    let wrong = [
        "sudo jitsi-tokens-setup install --gests",
        "jitsi-tokens-setup instal --yes",
        "(umask 077; jitsi-tokens-setup install --guests=maybe >x)",
        "jitsi-tokens-setup token mint tea",
    ];
    for line in wrong {
        let found = calls(line);
        assert_eq!(found.len(), 1, "{line}");
        assert!(complaint(&found[0]).is_some(), "{line}");
    }
    let line = "pass | sudo jitsi-tokens-setup install --domain 'a b' - < x # jitsi-tokens-setup";
    assert_eq!(calls(line)[0], ["install", "--domain", "a b", "-"]);
}

/// The quoted names in a list of the Ansible module's source.
fn names_in(source: &str, opening: &str) -> Vec<String> {
    let (_, rest) = source.split_once(opening).unwrap_or_else(|| panic!("there is no {opening}"));
    let list = rest.split_once(')').expect("it ends").0;
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn install_accepts_the_ansible_modules_options() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/deploy/ansible/plugins/modules/token_auth.py");
    let source = fs::read_to_string(file).expect("the module");
    let switches = names_in(&source, "SWITCHES = (");
    assert!(switches.len() >= 6, "{switches:?}");
    let given = |name: &String, value: &str| format!("--{}={value}", name.replace('_', "-"));
    let mut words = vec!["install".to_owned()];
    words.extend(switches.iter().map(|name| given(name, "off")));
    words.extend(names_in(&source, "for name in (\"issuer\"").iter().map(|name| given(name, "x")));
    words.extend(
        ["--issuer=x", "--signature-algorithm=HS384", "--moderators=token", "--lock-timeout=5m"].map(str::to_owned),
    );
    assert_eq!(complaint(&words), None);
}

/// The options of all commands.
fn options() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let below = ["token mint", "token batch", "token inspect", "credentials show", "credentials rotate"];
    for command in COMMANDS.into_iter().chain(below).chain([""]) {
        let help = tool(command.split_whitespace().chain(["--help"])).ends(0).stdout;
        let words = help.split(|c: char| c.is_whitespace() || "[=,".contains(c));
        found.extend(words.filter(|word| word.starts_with("--")).map(str::to_owned));
    }
    found
}

#[test]
fn every_documented_option_exists() {
    let known = options();
    assert!(known.contains("--guests") && known.contains("--reveal"), "{known:?}");
    let mut wrong = Vec::new();
    for (name, text) in documents() {
        for span in code(&text).1 {
            let option = span.split(['=', ' ', '[']).next().unwrap_or_default();
            if option.starts_with("--") && !known.contains(option) && !FOREIGN_OPTIONS.contains(&option) {
                wrong.push(format!("{name}: {span}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
