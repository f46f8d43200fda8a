//! Functions that fit on a screen, and a first line that says what a file is for.

use std::collections::BTreeSet;

use super::source::program;

const LONGEST_FUNCTION: usize = 60;

/// Debts: longer than they may be. Shorten them, then take them out.
const TOO_LONG: [&str; 0] = [];

/// The functions of a file with their number of lines, from `fn` to the brace that closes the body.
fn functions(bare: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in bare.match_indices("fn ") {
        let starts_word = !bare[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let name: String = bare[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if starts_word && !name.is_empty() {
            found.extend(body(&bare[at..]).map(|body| (name, body.lines().count())));
        }
    }
    found
}

/// From `fn` to the end of the body; nothing for a function without one.
fn body(text: &str) -> Option<&str> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth -= 1;
                if c == '}' && depth == 0 {
                    return Some(&text[..=at]);
                }
            }
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn functions_are_short() {
    let mut long = BTreeSet::new();
    for source in program() {
        for (name, lines) in functions(&source.bare) {
            if lines > LONGEST_FUNCTION {
                long.insert(format!("{}: {name}", source.path));
            }
        }
    }
    let known: BTreeSet<String> = TOO_LONG.iter().map(|entry| (*entry).to_owned()).collect();
    let new: Vec<_> = long.difference(&known).collect();
    let paid: Vec<_> = known.difference(&long).collect();
    assert!(new.is_empty(), "too long: {new:?}");
    assert!(paid.is_empty(), "short enough now, take them out of TOO_LONG: {paid:?}");
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for source in program() {
        assert!(source.text.starts_with("//! "), "{}", source.path);
    }
}

#[test]
fn functions_are_measured_from_name_to_closing_brace() {
    let text = "trait T { fn a(&self) -> [u8; 2]; }\nfn b(\n) {\n  if x { y }\n}\nconst F: fn(u8) = g;\nfn c() {}\n";
    assert_eq!(functions(text), [("b".to_owned(), 4), ("c".to_owned(), 1)]);
}
