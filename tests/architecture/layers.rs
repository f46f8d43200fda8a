//! Imports point one way, and steps are equal and alone.

use std::collections::BTreeSet;

use super::source::{Source, program};

/// Every module, from the ground up: each may use those above it in this list (below it in the program), except
/// where `never` says otherwise.
const ORDER: [(&str, &[&str]); 37] = [
    ("secret", &[]),
    ("shown", &[]),
    ("interrupt", &[]),
    ("report", &[]),
    ("command", &[]),
    ("rebase", &["secret", "interrupt", "report", "command"]),
    ("web_config", &["secret", "interrupt", "report", "command"]),
    ("token", &[]),
    ("settings", &[]),
    ("host", &["settings", "report", "token"]),
    ("lock", &["settings", "report", "token", "command"]),
    ("login", &["settings"]),
    ("lua", &["settings", "login", "token"]),
    ("probe", &["settings", "lua"]),
    ("mask", &["settings", "host", "probe", "login", "token"]),
    ("pin", &["settings", "lua", "probe", "login", "token"]),
    ("change", &["lua", "probe", "login", "settings", "token"]),
    ("apply", &["lua", "probe", "login", "settings", "token"]),
    ("debian", &["lua", "probe", "login", "token"]),
    ("image", &[]),
    ("lost_lines", &[]),
    ("credentials", &[]),
    ("rockspec", &["host", "change"]),
    ("prosody", &["report"]),
    ("facts", &["change", "report"]),
    ("modules", &["report"]),
    ("proof", &["modules"]),
    ("receipt", &["lua", "probe", "prosody", "debian"]),
    ("step", &[]),
    ("steps", &["interrupt", "lock", "receipt"]),
    ("revert", &[]),
    ("render", &["host", "change", "step", "steps"]),
    ("progress", &["change", "step", "steps"]),
    // The loop knows no concrete step, and nothing of what the steps are about.
    (
        "runner",
        &[
            "steps",
            "revert",
            "prosody",
            "debian",
            "lua",
            "probe",
            "login",
            "credentials",
            "facts",
            "token",
        ],
    ),
    (
        "cli",
        &[
            "host", "change", "step", "steps", "runner", "facts", "receipt",
        ],
    ),
    ("commands", &[]),
    ("main", &[]),
];

/// Uses that point the wrong way: file, module, why it is borne.
const UPWARD: [(&str, &str, &str); 1] = [(
    "change.rs",
    "prosody",
    "a restart is a change that carries its own evidence, and prosody::restart has it",
)];

/// The modules that a file's code names after `crate::`.
fn uses(source: &Source) -> BTreeSet<String> {
    let ident = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let mut found = BTreeSet::new();
    for (_, rest) in source
        .bare
        .match_indices("crate::")
        .map(|(at, prefix)| (at, &source.bare[at + prefix.len()..]))
    {
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
    let mut borne = BTreeSet::new();
    for source in program() {
        let own = source.module().to_owned();
        let Some(rank) = position(&own) else {
            wrong.push(format!(
                "{}: “{own}” has no place in ORDER yet",
                source.path
            ));
            continue;
        };
        for used in uses(&source).into_iter().filter(|used| *used != own) {
            let exception = UPWARD
                .iter()
                .position(|(file, module, _)| *file == source.path && *module == used);
            let below = position(&used).is_some_and(|other| other < rank);
            match exception {
                Some(at) => drop(borne.insert(at)),
                None if !below => {
                    wrong.push(format!("{} uses {used}, which is above it", source.path))
                }
                None if ORDER[rank].1.contains(&used.as_str()) => {
                    wrong.push(format!(
                        "{} uses {used}, which it has no business with",
                        source.path
                    ));
                }
                None => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        borne.len(),
        UPWARD.len(),
        "take what is no longer needed out of UPWARD"
    );
}

#[test]
fn steps_never_call_each_other() {
    for source in program() {
        let folder = source.module();
        if !["steps", "revert"].contains(&folder) || source.path.ends_with("mod.rs") {
            continue;
        }
        for path in [format!("crate::{folder}"), "super::".to_owned()] {
            assert!(!source.bare.contains(&path), "{} has {path}", source.path);
        }
    }
}

#[test]
fn every_step_is_one_file_of_its_name_in_the_table() {
    let program = program();
    let table = program
        .iter()
        .find(|source| source.path == "steps/mod.rs")
        .unwrap();
    let ids: BTreeSet<String> = table
        .code
        .split("id: \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|id| format!("steps/{}.rs", id.replace('-', "_")))
        .collect();
    let files: BTreeSet<String> = program
        .iter()
        .filter(|source| source.module() == "steps" && source.path != "steps/mod.rs")
        .map(|source| source.path.clone())
        .collect();
    assert_eq!(ids, files);
    for step in program.iter().filter(|source| files.contains(&source.path)) {
        let functions = step.bare.matches("pub fn ").count();
        assert_eq!(functions, 1, "{} offers more than its check", step.path);
    }
}
