//! jicofo's configuration: just enough HOCON to find one value and to set it without touching another byte. Anything
//! that cannot be followed (an `include`, a value made of parts) is refused with its line number.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result as Checked;

use crate::host::Host;
use crate::host::ownership::changeable;

/// The configuration file. jicofo's package makes jicofo's account the owner of its folder.
pub const PATH: &str = "/etc/jitsi/jicofo/jicofo.conf";

/// The configuration file itself, where [`PATH`] is a link to it; the link, if users other than root could have placed
/// that.
pub fn file(host: &dyn Host) -> PathBuf {
    host.real_path(Path::new(PATH)).unwrap_or_else(|_| PATH.into())
}

/// Whether users other than root can write to the folder of this file, so that its owner has to write it, not root.
///
/// # Errors
/// If the folder cannot be looked at.
pub fn is_in_their_folder(host: &dyn Host, file: &Path) -> Checked<bool> {
    Ok(changeable(host, file.parent().unwrap_or(Path::new("/")))?.is_some())
}

/// The setting that makes jicofo give ownership to the first participant of a room, and to another one when that one
/// leaves. On by default (jicofo's reference.conf).
const AUTO_OWNER: [&str; 3] = ["jicofo", "conference", "enable-auto-owner"];

/// The setting on one line, as an operator would write it.
pub fn by_hand(on: bool) -> String {
    format!("{} = {on}", AUTO_OWNER.join("."))
}

/// A place that cannot be edited safely: its line number, and why.
pub type Refusal = (usize, &'static str);

/// Whether jicofo makes owners by itself.
///
/// # Errors
/// If the text cannot be parsed.
pub fn makes_owners(text: &str) -> Result<bool, Refusal> {
    Ok(Reader::read(text)?.value.is_none_or(|value| !is_off(&text[value])))
}

/// The text with the setting changed to `wanted`; none if it has that value already.
///
/// # Errors
/// If the text, or the text after the edit, cannot be parsed.
pub fn with_owners(text: &str, wanted: bool) -> Result<Option<String>, Refusal> {
    let read = Reader::read(text)?;
    let now = read.value.clone().is_none_or(|value| !is_off(&text[value]));
    if now == wanted {
        return Ok(None);
    }
    let after = match (read.value, read.block) {
        (Some(value), _) => [&text[..value.start], if wanted { "true" } else { "false" }, &text[value.end..]].concat(),
        (None, Some(open)) => {
            let indent = indentation_after(text, open).unwrap_or("  ");
            let line = format!("\n{indent}{} = {wanted}", AUTO_OWNER[1..].join("."));
            [&text[..open], &line, &text[open..]].concat()
        }
        (None, None) => {
            let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            format!("{text}{end}{}\n", by_hand(wanted))
        }
    };
    match makes_owners(&after) {
        Ok(now) if now == wanted => Ok(Some(after)),
        _ => Err((1, "the result of an edit cannot be predicted")),
    }
}

fn is_off(value: &str) -> bool {
    ["false", "no", "off"].contains(&value.trim_matches('"'))
}

/// The indentation of the first line after a brace.
fn indentation_after(text: &str, open: usize) -> Option<&str> {
    let line = text[open..].strip_prefix("\r\n").or_else(|| text[open..].strip_prefix('\n'))?;
    let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
    (blanks > 0).then(|| &line[..blanks])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `{ } [ ] , : =`, and `+=`.
    Sign,
    /// A quoted string.
    Quoted,
    /// Anything else on a line: keys, numbers, `${…}`.
    Bare,
    /// The end of a line.
    Line,
}

struct Token {
    kind: Kind,
    range: Range<usize>,
}

/// The parser and what it found.
struct Reader<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// The setting's value, if it is set; the last one counts.
    value: Option<Range<usize>>,
    /// The end of the brace that opens the last `jicofo {` at the top.
    block: Option<usize>,
}

/// Largest file accepted, in bytes. jicofo's account can write anything there, and every name in it costs memory.
const LONGEST: usize = 1 << 20;

/// Nobody nests deeper than this.
const MAX_DEPTH: usize = 64;

impl<'a> Reader<'a> {
    fn read(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > LONGEST {
            return Err((1, "too large for a configuration of jicofo"));
        }
        let tokens = tokens(text)?;
        let mut reader = Self { text, tokens, at: 0, value: None, block: None };
        reader.skip_lines();
        if reader.sign() == "{" {
            reader.at += 1;
            reader.object(&[])?;
            reader.skip_lines();
        } else {
            reader.entries(&[], None)?;
        }
        if reader.at < reader.tokens.len() {
            return Err(reader.refusal("this HOCON is not supported"));
        }
        Ok(reader)
    }

    fn word(&self) -> &'a str {
        self.tokens.get(self.at).map_or("", |token| &self.text[token.range.clone()])
    }

    fn kind(&self) -> Option<Kind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    /// The next sign, or an empty string.
    fn sign(&self) -> &'a str {
        if self.kind() == Some(Kind::Sign) { self.word() } else { "" }
    }

    fn skip_lines(&mut self) {
        while self.kind() == Some(Kind::Line) {
            self.at += 1;
        }
    }

    fn refusal(&self, why: &'static str) -> Refusal {
        let at = self.tokens.get(self.at).map_or(self.text.len(), |token| token.range.start);
        (line_of(self.text, at), why)
    }

    /// Reads up to the closing brace; the opening one is already consumed.
    fn object(&mut self, path: &[String]) -> Result<(), Refusal> {
        if path.len() > MAX_DEPTH {
            return Err(self.refusal("nested too deeply"));
        }
        self.entries(path, Some("}"))?;
        if self.sign() != "}" {
            return Err(self.refusal("missing closing brace"));
        }
        self.at += 1;
        Ok(())
    }

    fn entries(&mut self, path: &[String], end: Option<&str>) -> Result<(), Refusal> {
        loop {
            while self.kind() == Some(Kind::Line) || self.sign() == "," {
                self.at += 1;
            }
            if self.at == self.tokens.len() || end == Some(self.sign()) {
                return Ok(());
            }
            self.entry(path)?;
        }
    }

    fn entry(&mut self, path: &[String]) -> Result<(), Refusal> {
        let key = self.key()?;
        let whole = [path, &key].concat();
        let top = path.is_empty() && whole == AUTO_OWNER[..1];
        if self.sign() == "{" {
            self.at += 1;
            self.block = top.then(|| self.tokens[self.at - 1].range.end).or(self.block);
            return self.object(&whole);
        }
        if !matches!(self.sign(), ":" | "=" | "+=") {
            return Err(self.refusal("setting without a value"));
        }
        self.at += 1;
        self.skip_lines();
        if self.sign() == "{" {
            self.at += 1;
            self.block = top.then(|| self.tokens[self.at - 1].range.end).or(self.block);
            return self.object(&whole);
        }
        let value = self.value()?;
        let ours = whole == AUTO_OWNER;
        let above = whole.len() < AUTO_OWNER.len() && AUTO_OWNER[..whole.len()] == whole[..];
        let plain = value.clone().filter(|value| {
            let text = self.text[value.clone()].trim_matches('"');
            ["true", "yes", "on"].contains(&text) || is_off(text)
        });
        match (ours, above, plain) {
            (true, _, Some(plain)) => self.value = Some(plain),
            (true, ..) => return Err(self.refusal("enable-auto-owner is neither true nor false here")),
            (_, true, _) => return Err(self.refusal("jicofo's settings are combined from others here")),
            _ => {}
        }
        Ok(())
    }

    /// A key, `a.b."c"`, as its parts.
    fn key(&mut self) -> Result<Vec<String>, Refusal> {
        let mut key = Vec::new();
        if self.word() == "include" && self.kind() == Some(Kind::Bare) {
            return Err(self.refusal("it includes other files"));
        }
        loop {
            match self.kind() {
                Some(Kind::Quoted) => key.push(self.word().trim_matches('"').to_owned()),
                Some(Kind::Bare) => {
                    key.extend(self.word().split('.').filter(|part| !part.is_empty()).map(str::to_owned));
                }
                _ if key.is_empty() => return Err(self.refusal("missing setting name")),
                _ => return Ok(key),
            }
            self.at += 1;
        }
    }

    /// Reads a value that is not an object. Returns its range if it is a single word.
    fn value(&mut self) -> Result<Option<Range<usize>>, Refusal> {
        let (mut words, mut depth) = (Vec::new(), 0);
        loop {
            match (self.kind(), self.sign()) {
                (None, _) if depth > 0 => return Err(self.refusal("missing closing bracket")),
                (None | Some(Kind::Line), _) | (_, "," | "}") if depth == 0 => break,
                (_, "[" | "{") => depth += 1,
                (_, "]" | "}") if depth == 0 => return Err(self.refusal("unexpected closing bracket")),
                (_, "]" | "}") => depth -= 1,
                (Some(Kind::Quoted | Kind::Bare), _) if depth == 0 => {
                    words.push(self.tokens[self.at].range.clone());
                }
                _ => {}
            }
            self.at += 1;
        }
        Ok(match &words[..] {
            [word] => Some(word.clone()),
            _ => None,
        })
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = match first {
            '\n' => (Some(Kind::Line), 1),
            c if c.is_whitespace() || c == '\u{feff}' => (None, c.len_utf8()),
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("//") => (None, rest.find('\n').unwrap_or(rest.len())),
            '"' => (Some(Kind::Quoted), quoted(rest).ok_or((line_of(text, at), "missing closing quote"))?),
            '+' if rest.starts_with("+=") => (Some(Kind::Sign), 2),
            '{' | '}' | '[' | ']' | ',' | ':' | '=' => (Some(Kind::Sign), 1),
            '$' if rest.starts_with("${") => {
                (Some(Kind::Bare), rest.find('}').ok_or((line_of(text, at), "missing closing brace"))? + 1)
            }
            _ => (Some(Kind::Bare), bare(rest)),
        };
        tokens.extend(kind.map(|kind| Token { kind, range: at..at + length }));
        at += length;
    }
    Ok(tokens)
}

fn quoted(rest: &str) -> Option<usize> {
    if let Some(inside) = rest.strip_prefix("\"\"\"") {
        return inside.find("\"\"\"").map(|end| end + 6);
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            '\n' => return None,
            _ => {}
        }
    }
    None
}

/// The length of an unquoted word: up to the next blank, sign or comment.
fn bare(rest: &str) -> usize {
    let ends = |(at, c): (usize, char)| {
        let sign = c.is_whitespace() || "{}[],:=\"#$".contains(c);
        sign || rest[at..].starts_with("//") || rest[at..].starts_with("+=")
    };
    let end = rest.char_indices().skip(1).find(|found| ends(*found));
    end.map_or(rest.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As jicofo's package writes it.
    const PACKAGES: &str = "# see reference.conf in the jar\njicofo {\n  xmpp: {\n    client: {\n      domain: \"auth.m.org\"\n      password: \"{ } # //\"\n    }\n    trusted-domains: [ \"recorder.m.org\" ]\n  }\n}\n";

    #[test]
    fn the_last_value_wins_in_any_notation() {
        for (text, makes) in [
            ("", true),
            (PACKAGES, true),
            ("jicofo.conference.enable-auto-owner = false", false),
            ("jicofo { conference { enable-auto-owner : false } }", false),
            ("jicofo { conference.\"enable-auto-owner\"=\"off\", a = 1 }", false),
            ("{ jicofo : { conference : { x : [ { y : 1 }, 2 ], enable-auto-owner : no } } }", false),
            ("jicofo { conference { enable-auto-owner = false } }\njicofo.conference.enable-auto-owner = true\n", true),
            ("jicofo { conference =\n { enable-auto-owner = false } }", false),
            ("# jicofo.conference.enable-auto-owner = false\n", true),
            ("jicofo { x = \"\"\"\nenable-auto-owner = false\n\"\"\" } // end", true),
            ("other { conference { enable-auto-owner = false } }", true),
            ("jicofo { auth = ${x.y} a b, conference { enable-auto-owner = false } }", false),
        ] {
            assert_eq!(makes_owners(text), Ok(makes), "{text}");
        }
    }

    #[test]
    fn the_setting_is_edited_or_added_and_undone() {
        for (text, off) in [
            (PACKAGES.to_owned(), PACKAGES.replace("jicofo {\n", "jicofo {\n  conference.enable-auto-owner = false\n")),
            (
                "jicofo { conference { enable-auto-owner = true } } # why\n".to_owned(),
                "jicofo { conference { enable-auto-owner = false } } # why\n".to_owned(),
            ),
            (
                "bridge { a = 1 }".to_owned(),
                "bridge { a = 1 }\njicofo.conference.enable-auto-owner = false\n".to_owned(),
            ),
            (String::new(), "jicofo.conference.enable-auto-owner = false\n".to_owned()),
            ("jicofo {}\n".to_owned(), "jicofo {\n  conference.enable-auto-owner = false}\n".to_owned()),
        ] {
            let edited = with_owners(&text, false).unwrap().unwrap();
            assert_eq!(edited, off);
            assert_eq!(with_owners(&edited, false), Ok(None));
            let back = with_owners(&edited, true).unwrap().unwrap();
            assert_eq!(back, edited.replacen("owner = false", "owner = true", 1));
            assert_eq!(with_owners(&text, true), Ok(None));
        }
    }

    #[test]
    fn unsupported_syntax_is_refused_with_its_line() {
        for (text, line, why) in [
            ("a = 1\ninclude \"other.conf\"\n", 2, "includes"),
            ("jicofo {\n a = 1\n", 3, "missing closing brace"),
            ("jicofo { a = \"x\n}\n", 1, "closing quote"),
            ("a = [ 1\n", 2, "missing closing bracket"),
            ("jicofo\n", 1, "without a value"),
            ("jicofo {\n} }\n", 2, "missing"),
            ("jicofo.conference = ${x}\n", 1, "combined"),
            ("jicofo {\n conference { enable-auto-owner = ${x} }\n}\n", 2, "neither"),
            ("{ jicofo { } } }\n", 1, "not supported"),
        ] {
            let refused = makes_owners(text).unwrap_err();
            assert_eq!(refused.0, line, "{text}: {refused:?}");
            assert!(refused.1.contains(why), "{text}: {refused:?}");
            assert_eq!(with_owners(text, false), Err(refused));
        }
        assert!(makes_owners(&"a.".repeat(1 << 20)).unwrap_err().1.contains("too large"));
        let deep = "a { ".repeat(10_000);
        assert!(makes_owners(&deep).unwrap_err().1.contains("deeply"));
    }

    #[test]
    fn arbitrary_text_never_panics() {
        use proptest::prelude::*;
        proptest!(|(text in "[a-z{}\\[\\],:=\"#/$. \n]{0,60}")| {
            let _ = makes_owners(&text);
            if let Ok(Some(edited)) = with_owners(&text, false) {
                prop_assert_eq!(makes_owners(&edited), Ok(false));
            }
        });
    }
}
