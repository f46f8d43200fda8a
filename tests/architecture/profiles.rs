//! The bed's profiles set every variable that it needs, and each is used by a test; checked here without a container.

use std::fs;
use std::path::Path;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files in a folder, as (name, text).
fn files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(top().join(folder)).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let name = entry.file_name().into_string().unwrap();
            found.push((name, fs::read_to_string(entry.path()).unwrap()));
        }
    }
    found
}

/// The value of a shell variable, without quotes or a trailing comment.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    match line.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => line.split_whitespace().next(),
    }
}

#[test]
fn every_profile_is_complete_and_used() {
    let tests = files("tests/container");
    let profiles = files("scripts/bed/profiles");
    assert!(!profiles.is_empty());
    let mut wrong = Vec::new();
    for (name, text) in profiles {
        // A profile made of other layers contains nothing of Jitsi's server.
        let variables: &[&str] = if value(&text, "LAYERS").is_some() {
            &["SUITE", "DOMAIN"]
        } else {
            &["SUITE", "ERA", "JITSI_VERSION", "JITSI_DATE", "LUA", "DOMAIN"]
        };
        for variable in variables {
            if value(&text, variable).is_none_or(str::is_empty) {
                wrong.push(format!("{name} has no {variable}"));
            }
        }
        for layer in value(&text, "ERA").unwrap_or_default().split_whitespace() {
            if !top().join("scripts/bed/standins").join(layer).is_dir() {
                wrong.push(format!("{name}: there is no folder scripts/bed/standins/{layer}"));
            }
        }
        if !tests.iter().any(|(_, text)| text.contains(&format!("\"{name}\""))) {
            wrong.push(format!("no test uses {name}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
