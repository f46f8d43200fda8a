//! The program's files as text, with what is not code blanked out.

use std::fs;
use std::path::{Path, PathBuf};

/// A file below `src/`.
pub struct Source {
    /// Its path below `src/`, such as `steps/mod.rs`.
    pub path: String,
    /// As it is.
    pub text: String,
    /// Without inline tests; comments blanked, so that words in them are not taken for code.
    pub code: String,
    /// `code` with the contents of strings and characters blanked too. Lines are where they were.
    pub bare: String,
}

impl Source {
    /// The module at the top level that it belongs to.
    pub fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or(&self.path);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether it is compiled for tests alone.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
            || self.path.contains("/tests/")
            || ["host/fake.rs", "login/net/fake.rs"].contains(&self.path.as_str())
    }
}

/// All files.
pub fn all() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    assert!(paths.len() > 50, "the source is not where it was");
    paths.iter().map(|path| read(&root, path)).collect()
}

/// The files that are part of the program, not of its tests.
pub fn program() -> Vec<Source> {
    let mut all = all();
    all.retain(|source| !source.is_test());
    all
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn read(root: &Path, path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    // By custom the inline tests are the last item of a file.
    let program = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
    Source {
        path: path.strip_prefix(root).unwrap().display().to_string(),
        code: blank(program, false),
        bare: blank(program, true),
        text,
    }
}

/// Whether `text` holds `word` with no letter, digit or underscore beside it.
pub fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

/// `text` with comments, and if wanted the contents of literals, replaced by blanks.
fn blank(text: &str, literals: bool) -> String {
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (length, hide) = match literal(rest, left.chars().next_back()) {
            Some(length) => (length, literals),
            None if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), true),
            None if rest.starts_with("/*") => (rest.find("*/").map_or(rest.len(), |at| at + 2), true),
            None => (c.len_utf8(), false),
        };
        let (piece, after) = rest.split_at(length);
        let blanked = piece.chars().map(|c| if c == '\n' { c } else { ' ' });
        if hide {
            left.extend(blanked);
        } else {
            left.push_str(piece);
        }
        rest = after;
    }
    left
}

/// The length of the string or character literal at the start of `rest`, if one is there.
fn literal(rest: &str, before: Option<char>) -> Option<usize> {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with('"') {
        return Some(until_quote(rest, '"'));
    }
    if rest.starts_with("r\"") || rest.starts_with("r#") {
        let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
        // A byte string's `b` is the only thing in front of an `r` that starts a string.
        let starts = rest[1 + hashes..].starts_with('"') && (!in_word || before == Some('b'));
        let end = format!("\"{}", "#".repeat(hashes));
        return starts.then(|| {
            let inside = 2 + hashes;
            rest[inside..].find(&end).map_or(rest.len(), |at| inside + at + end.len())
        });
    }
    if rest.starts_with('\'') {
        let mut characters = rest.chars().skip(1);
        let (first, second) = (characters.next()?, characters.next()?);
        // Otherwise it is a lifetime.
        return (first == '\\' || second == '\'').then(|| until_quote(rest, '\''));
    }
    None
}

fn until_quote(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn what_is_not_code_is_blanked_and_lines_stay() {
    let text = "a // b\nlet c = \"{ // d\"; /* e */ 'x'; '\\''; f::<'g>(b'{', r#\"}\"#)\n";
    assert_eq!(blank(text, true).lines().count(), 2);
    let words: Vec<String> = blank(text, true).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["a", "let", "c", "=", ";", ";", ";", "f::<'g>(b", ",", ")"]);
    assert!(blank(text, false).contains("\"{ // d\""));
}
