//! Every text that a user may see, in one list for a reader: `messages.txt` in the target folder (`find target -name
//! messages.txt`). It is extracted from the source, so no text is missing for lack of a test that provokes it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::source::{Source, program};

/// Phrases of translated English, and what to write instead.
const UNIDIOMATIC: [(&str, &str); 9] = [
    (" is no ", "is not a …, invalid …"),
    ("mend ", "repair"),
    ("take back", "undo"),
    ("takes back", "undo"),
    ("put back", "restore"),
    ("stands as it is", "is unchanged"),
    ("give back", "undo"),
    ("application id", "app ID"),
    ("colour", "color"),
];

/// A text, and the line on which it begins.
struct Text {
    line: usize,
    text: String,
}

#[test]
fn every_message_is_listed_and_idiomatic() {
    let (mut list, mut wrong, mut count) = (String::new(), Vec::new(), 0);
    for source in program() {
        let texts = texts(&source);
        if !texts.is_empty() {
            let _ = writeln!(list, "\n# src/{}", source.path);
        }
        for Text { line, text } in texts {
            count += 1;
            let _ = writeln!(list, "{line}: {text}");
            let plain = text.to_lowercase().replace("there is no ", "").replace(" is no longer ", "");
            for (word, instead) in UNIDIOMATIC {
                if plain.contains(word) {
                    wrong.push(format!("src/{}:{line}: \"{}\": {instead}", source.path, word.trim()));
                }
            }
        }
    }
    for template in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")).unwrap() {
        let path = template.unwrap().path();
        let _ = writeln!(list, "\n# templates/{}", path.file_name().unwrap().to_string_lossy());
        for (line, text) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            // Every second piece is between quotes.
            let code = text.split("--").next().unwrap_or_default();
            for text in code.split('"').skip(1).step_by(2).filter(|text| text.contains(' ')) {
                let _ = writeln!(list, "{}: {text}", line + 1);
            }
        }
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    fs::write(target.join("messages.txt"), list).unwrap();
    assert!(count > 1000, "the scanner finds {count} texts only");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The literals that read like a sentence, and the command line's help texts.
fn texts(source: &Source) -> Vec<Text> {
    // By convention, inline tests are the last item of a file.
    let code = source.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(&source.text);
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(['/', '"', '\'', 'r']) {
        let line = 1 + code[..code.len() - rest.len() + at].matches('\n').count();
        let here = &rest[at..];
        let (text, length) = if let Some(comment) = here.strip_prefix("//") {
            let comment = comment.lines().next().unwrap_or_default();
            let help = comment.strip_prefix("/ ").filter(|_| source.module() == "cli");
            (help.map(str::to_owned), comment.len() + 2)
        } else if here.starts_with("r\"") || here.starts_with("r#") {
            let hashes = here[1..].chars().take_while(|c| *c == '#').count();
            let end = format!("\"{}", "#".repeat(hashes));
            let start = 2 + hashes;
            match here.get(start..).and_then(|body| body.find(&end)) {
                Some(length) => (Some(here[start..start + length].to_owned()), start + length + end.len()),
                None => (None, 1),
            }
        } else if let Some(body) = here.strip_prefix('"') {
            let length = closing(body);
            (Some(joined(&body[..length])), length + 2)
        } else {
            (None, character(here))
        };
        found.extend(text.filter(|text| is_sentence(text)).map(|text| Text { line, text }));
        rest = here.get(length..).unwrap_or_default();
    }
    found
}

/// The offset of the closing quote in what follows a literal's opening quote.
fn closing(body: &str) -> usize {
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            '"' if !escaped => return at,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    body.len()
}

/// A literal's text without the source's line continuations.
fn joined(body: &str) -> String {
    // A backslash that is itself escaped continues no line.
    let escaped = "\0";
    let body = body.replace("\\\\", escaped);
    let mut lines = body.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + line.trim_start()).replace(escaped, "\\")
}

/// The length of a character literal; 1 for a lifetime or anything else.
fn character(here: &str) -> usize {
    let Some(body) = here.strip_prefix('\'') else { return 1 };
    let length = match body.chars().next() {
        Some('\\') => 2 + body[2..].find('\'').unwrap_or(0),
        Some(c) => c.len_utf8(),
        None => 0,
    };
    if body[length..].starts_with('\'') { length + 2 } else { 1 }
}

/// Whether two adjacent words have at least two letters each.
fn is_sentence(text: &str) -> bool {
    let word = |word: &str| word.chars().filter(char::is_ascii_alphabetic).count() >= 2;
    let words: Vec<&str> = text.split(' ').collect();
    words.windows(2).any(|pair| word(pair[0]) && word(pair[1]))
}
