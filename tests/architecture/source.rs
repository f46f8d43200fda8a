//! The program's source files as text.

use std::fs;
use std::path::{Path, PathBuf};

/// A file below `src/`.
pub struct Source {
    /// Its path below `src/`, such as `steps/mod.rs`.
    pub path: String,
    /// The whole file.
    pub text: String,
    /// Without inline tests and comment lines, so words in comments are not mistaken for code.
    pub code: String,
}

impl Source {
    /// The top-level module that it belongs to.
    pub fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or(&self.path);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Whether it is compiled only for tests.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
            || self.path.contains("/tests/")
            || ["host/fake.rs", "login/net/fake.rs"].contains(&self.path.as_str())
    }
}

/// All source files, sorted by path.
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
    // By convention, inline tests are the last item of a file.
    let program = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
    let code: Vec<&str> = program.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    Source { path: path.strip_prefix(root).unwrap().display().to_string(), code: code.join("\n"), text }
}

/// Whether `text` contains `word` with no letter, digit or underscore next to it.
pub fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}
