//! Every option and argument of every command, as listed by `--help`, with every hostile value: it is accepted or
//! rejected, with a documented exit code, in bounded time, without a panic, a control character in the output (see
//! `run`) or anything executed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::thread;

use super::run::{Folder, line, tool};

#[path = "../fixtures/hostile_values.rs"]
mod values;

use values::{CANARY, hostile_values};

/// A place for a value: an option of a command or, without one, the command's argument.
#[derive(Clone, Debug)]
struct Place {
    command: Vec<String>,
    option: Option<String>,
}

fn help(command: &[String]) -> String {
    let words = command.iter().map(String::as_str).chain(["--help"]);
    tool(words).ends(0).stdout
}

/// Collects every command, including subcommands.
fn commands(above: &[String], found: &mut Vec<Vec<String>>) {
    let help = help(above);
    let listed = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let names = listed.lines().take_while(|line| line.starts_with("  "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| *name != "help") {
        commands(&[above, &[name.to_owned()]].concat(), found);
    }
    if listed.is_empty() {
        found.push(above.to_vec());
    }
}

fn places() -> Vec<Place> {
    let mut all = Vec::new();
    commands(&[], &mut all);
    let mut places = Vec::new();
    for command in all {
        let help = help(&command);
        let option = |line: &str| {
            let (name, value) =
                line.trim().trim_start_matches(|c| c != '-').split_once("--")?.1.split_once(['=', ' ', '['])?;
            value.contains('<').then(|| name.to_owned())
        };
        let options = help.lines().filter(|line| line.trim_start().starts_with('-')).filter_map(option);
        places.extend(options.map(|option| Place { command: command.clone(), option: Some(option) }));
        let usage = help.lines().find(|line| line.starts_with("Usage:")).expect("a usage line");
        if usage.replace("[OPTIONS]", "").contains(['[', '<']) {
            places.push(Place { command, option: None });
        }
    }
    places
}

/// What the command needs in order to look at the value: the credentials of an imaginary site, and nothing that could
/// change this machine.
fn company(place: &Place, secret: &Path) -> Vec<OsString> {
    let credentials = [
        ("domain", "meet.example.org".to_owned()),
        ("app-id", "app".to_owned()),
        ("app-secret-file", secret.display().to_string()),
        ("room", "tea".to_owned()),
    ];
    let words: Vec<&str> = place.command.iter().map(String::as_str).collect();
    let given: &[_] = match words.as_slice() {
        ["token", "mint"] => &credentials,
        ["token", "batch" | "inspect"] => &credentials[..3],
        _ => &[],
    };
    // --key replaces the secret.
    let excluded = |name: &str| {
        place.option.as_deref() == Some(name) || place.option.as_deref() == Some("key") && name == "app-secret-file"
    };
    let mut company: Vec<OsString> = given
        .iter()
        .filter(|(name, _)| !excluded(name))
        .map(|(name, value)| format!("--{name}={value}").into())
        .collect();
    if matches!(words.as_slice(), ["install" | "uninstall"] | ["credentials", "rotate"]) {
        company.push("--dry-run".into());
    }
    company
}

fn assert_survives(place: &Place, value: &[u8], secret: &Path) {
    let mut words: Vec<OsString> = place.command.iter().map(OsString::from).collect();
    words.extend(company(place, secret));
    match &place.option {
        Some(option) => words.push(OsString::from_vec([b"--", option.as_bytes(), b"=", value].concat())),
        None => words.extend(["--".into(), OsString::from_vec(value.to_vec())]),
    }
    // Commands that read a table or a token from standard input get one row.
    tool(words).input("room,name\ntea,Ann\n").end();
}

/// Each place gets the values whose number is congruent to its own modulo `among`, so each value is tried in some of
/// the places.
fn every_option(among: usize) {
    let places = places();
    assert!(places.len() > 70, "{places:#?}");
    let values = hostile_values();
    assert!(values.len() >= 200);
    let (_folder, secret) = Folder::with_secret("0123456789abcdef0123456789abcdef");
    thread::scope(|scope| {
        for lane in 0..2 {
            let (places, values, secret) = (&places, &values, &secret);
            scope.spawn(move || {
                for (number, place) in places.iter().enumerate().skip(lane).step_by(2) {
                    for value in values.iter().skip(number % among).step_by(among) {
                        assert_survives(place, value, secret);
                    }
                }
            });
        }
    });
    assert!(!Path::new(CANARY).exists(), "a value was executed");
    println!("{} values in {} places", values.len(), places.len());
}

#[test]
fn every_option_survives_hostile_values() {
    every_option(5);
}

mod thorough {
    #[test]
    #[ignore = "takes two minutes: scripts/test --all runs it"]
    fn every_option_survives_every_hostile_value() {
        super::every_option(1);
    }
}

#[test]
fn commands_survive_a_megabyte_on_stdin() {
    for piece in ["a", "[", "{\"a\":", "\u{1b}[2J", "\"", "tea,Ann\n", "]]"] {
        let input = piece.repeat((1 << 20) / piece.len());
        for command in [
            "token inspect -",
            "token batch --app-id=app --domain=meet.example.org --app-secret-file=/dev/null",
            "token mint --app-id=app --domain=meet.example.org --app-secret-file=-",
            "install --dry-run --app-id=app --app-secret-file=-",
        ] {
            line(command).input(&input).end();
        }
    }
}
