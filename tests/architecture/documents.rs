//! Checks of the documents: every link leads somewhere, every file named exists, every chapter is in the book, and
//! README stays short.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The project's documents, as paths relative to its folder.
fn documents() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"])
        .current_dir(top())
        .output()
        .expect("git runs");
    let names = String::from_utf8(listed.stdout).expect("names are text");
    let mut found: Vec<PathBuf> = names.split_terminator('\0').map(PathBuf::from).collect();
    if found.is_empty() {
        // In an archive without git.
        found = ["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "scripts/bed/README.md"]
            .map(PathBuf::from)
            .to_vec();
        found.extend(chapters());
    }
    found.retain(|path| top().join(path).exists());
    found
}

/// The chapters in `docs/`.
fn chapters() -> Vec<PathBuf> {
    let entries = fs::read_dir(top().join("docs")).expect("there is docs/");
    let mut found: Vec<PathBuf> = entries.map(|entry| Path::new("docs").join(entry.unwrap().file_name())).collect();
    found.retain(|path| path.extension().is_some_and(|is| is == "md") && !path.ends_with("SUMMARY.md"));
    found.sort();
    found
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Drops code blocks, where brackets and number signs mean something else.
fn prose(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The anchors of a text's headings, as forges and mdBook generate them.
fn anchors(text: &str) -> HashSet<String> {
    let mut found = HashSet::new();
    for line in prose(text).lines().filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        found.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    found
}

/// The targets of a text's links and pictures.
fn links(text: &str) -> Vec<String> {
    let text = prose(text);
    let after = text.split("](").skip(1);
    after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// What is wrong with a link, if anything.
fn fault(document: &Path, target: &str) -> Option<String> {
    if target.starts_with("https://") {
        return None;
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { document.to_owned() } else { document.parent().unwrap().join(file) };
    if !top().join(&path).exists() {
        return Some(format!("{}: there is no {target}", document.display()));
    }
    let anchor = anchor?;
    (!anchors(&text_of(&path)).contains(anchor)).then(|| format!("{}: no heading for {target}", document.display()))
}

#[test]
fn no_link_is_broken() {
    let documents = documents();
    assert!(documents.len() >= 14, "{documents:?}");
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in documents {
        for target in links(&text_of(&document)) {
            count += 1;
            wrong.extend(fault(&document, &target));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 30, "only {count} links: they are not found any more");
}

#[test]
fn broken_links_and_anchors_are_detected() {
    let readme = Path::new("README.md");
    assert_eq!(fault(readme, "docs/proof.md#the-logins"), None);
    assert!(fault(readme, "docs/prof.md").is_some());
    assert!(fault(readme, "docs/proof.md#the-login").is_some());
    assert!(fault(Path::new("docs/proof.md"), "README.md").is_some());
}

#[test]
fn every_chapter_is_in_the_book() {
    let summary = text_of(Path::new("docs/SUMMARY.md"));
    let mut listed: Vec<PathBuf> = links(&summary).iter().map(|target| Path::new("docs").join(target)).collect();
    listed.sort();
    assert_eq!(listed, chapters());
}

#[test]
fn every_documented_path_exists() {
    let mut wrong = Vec::new();
    for document in documents() {
        let text = text_of(&document);
        for part in text.split(|c: char| c.is_whitespace() || "`()[],;:|#'\"".contains(c)) {
            let path = part.trim_end_matches(['.', '*']);
            let folders = ["scripts/", "tests/", "src/", "docs/"];
            if folders.iter().any(|folder| path.starts_with(folder)) && !top().join(path).exists() {
                // Names in capitals are placeholders.
                if !path.chars().any(char::is_uppercase) || path.ends_with(".md") {
                    wrong.push(format!("{}: {path}", document.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Short enough for a stranger to read in a few minutes; the rest is in the chapters.
const README_WORDS: std::ops::RangeInclusive<usize> = 600..=950;

#[test]
fn readme_is_short_and_gets_developers_started() {
    let readme = text_of(Path::new("README.md"));
    let words = readme.split_whitespace().count();
    assert!(README_WORDS.contains(&words), "README has {words} words: move something to a chapter in docs/");
    for command in ["\nscripts/try ", "\nscripts/test "] {
        assert!(readme.contains(command), "README does not start a developer with {command}");
    }
}
