//! Imports point one way, and steps do not use each other.

use std::collections::BTreeSet;

use super::source::{Source, program};

/// Every folder, from the ground up: each may use those above it in this list (below it in the program), except the
/// ones in its own list.
const ORDER: [(&str, &[&str]); 16] = [
    ("host", &[]),
    ("token", &[]),
    ("lua", &["token"]),
    ("login", &["lua"]),
    ("engine", &["token", "lua", "login"]),
    ("debian", &["token", "lua", "login"]),
    ("prosody", &["debian"]),
    ("jicofo", &["token", "lua", "login"]),
    ("luarocks", &["token", "login"]),
    ("site", &[]),
    ("display", &["token", "login", "debian", "prosody", "luarocks"]),
    ("proof", &[]),
    ("steps", &[]),
    ("cli", &["engine", "steps"]),
    ("commands", &[]),
    ("main", &[]),
];

/// The modules that a file's code names after `crate::`.
fn uses(source: &Source) -> BTreeSet<String> {
    let ident =
        |text: &str| -> String { text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = BTreeSet::new();
    for rest in source.code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(ident(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (at, c) in group.char_indices() {
            match c {
                '}' if depth == 0 => break,
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && c.is_alphabetic() => {
                    found.insert(ident(&group[at..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn position(module: &str) -> Option<usize> {
    ORDER.iter().position(|(name, _)| *name == module)
}

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for source in program() {
        let own = source.module().to_owned();
        let Some(rank) = position(&own) else {
            wrong.push(format!("{}: \"{own}\" has no place in ORDER yet", source.path));
            continue;
        };
        for used in uses(&source).into_iter().filter(|used| *used != own) {
            if position(&used).is_none_or(|other| other >= rank) {
                wrong.push(format!("{} uses {used}, which is above it", source.path));
            } else if ORDER[rank].1.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}, which it has no business with", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn steps_never_call_each_other() {
    for source in program() {
        if source.module() != "steps" || source.path.ends_with("mod.rs") {
            continue;
        }
        for path in ["crate::steps", "super::"] {
            assert!(!source.code.contains(path), "{} has {path}", source.path);
        }
    }
}

#[test]
fn every_step_has_its_own_file() {
    let program = program();
    let table = program.iter().find(|source| source.path == "steps/mod.rs").unwrap();
    let ids: BTreeSet<String> = table
        .code
        .split("id: \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|id| format!("steps/{}.rs", id.replace('-', "_")))
        .collect();
    let files: BTreeSet<String> = program
        .iter()
        .filter(|source| {
            source.module() == "steps" && source.path != "steps/mod.rs" && !source.path.starts_with("steps/undo/")
        })
        .map(|source| source.path.clone())
        .collect();
    assert_eq!(ids, files);
    for step in program.iter().filter(|source| files.contains(&source.path)) {
        let functions = step.code.matches("pub fn ").count();
        assert_eq!(functions, 1, "{} offers more than its check", step.path);
    }
}
