//! Replacements of text at byte positions, and the lines around them.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Result, bail};

use super::super::parser::parses;
use super::{Edit, FileEdit};
use crate::lua::literal::line_end;
use crate::prosody::config::Config;

/// The bytes to replace, and their new text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Splice {
    pub range: Range<usize>,
    pub text: Vec<u8>,
}

impl Splice {
    pub fn new(range: Range<usize>, text: impl Into<Vec<u8>>) -> Self {
        Self { range, text: text.into() }
    }

    pub fn insert(at: usize, text: impl Into<Vec<u8>>) -> Self {
        Self::new(at..at, text)
    }
}

/// The replacements planned so far, by file.
#[derive(Default)]
pub(super) struct Splices {
    files: BTreeMap<usize, (Vec<Splice>, Vec<String>)>,
}

impl Splices {
    /// Plans replacements in a file, described by `what`; only once, even if the file is included twice.
    pub fn plan(&mut self, source: usize, splices: Vec<Splice>, what: String) {
        let (planned, texts) = self.files.entry(source).or_default();
        for splice in splices {
            if !planned.contains(&splice) {
                planned.push(splice);
            }
        }
        if !texts.contains(&what) {
            texts.push(what);
        }
    }

    /// The planned edits, by file.
    pub fn finish(self, config: &Config) -> Result<Edit> {
        let mut files = Vec::new();
        for (source, (mut splices, what)) in self.files {
            splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
            let source = &config.sources[source];
            let after = apply(&source.bytes, &splices)?;
            // Prosody's own check comes before the file is put in place; a second parse would double our time.
            // The message leaves out the text, which holds the secret.
            debug_assert!(parses(&after), "the result is not valid Lua: {}", source.real.display());
            files.push(FileEdit { path: source.real.clone(), before: source.bytes.to_vec(), after, what });
        }
        Ok(if files.is_empty() { Edit::Unchanged } else { Edit::Changed(files) })
    }
}

fn apply(bytes: &[u8], splices: &[Splice]) -> Result<Vec<u8>> {
    let mut after = Vec::with_capacity(bytes.len() + 512);
    let mut copied = 0;
    for splice in splices {
        let Some(between) = bytes.get(copied..splice.range.start) else {
            bail!("conflicting edits at byte {}", splice.range.start)
        };
        after.extend_from_slice(between);
        after.extend_from_slice(&splice.text);
        copied = splice.range.end;
    }
    after.extend_from_slice(&bytes[copied..]);
    Ok(after)
}

/// What follows on a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing, or a comment that starts here; the next line starts at `next`.
    Line { comment: Option<usize>, next: usize },
    /// The same at the end of a file without a final line end.
    End { comment: Option<usize> },
    /// Something else, which starts here.
    Code(usize),
}

/// What follows `at` on its line.
pub(super) fn tail(bytes: &[u8], at: usize) -> Tail {
    let here = at + blanks(&bytes[at..]);
    let comment = bytes[here..].starts_with(b"--") && !opens_long_bracket(&bytes[here + 2..]);
    let end = if comment { here + until_line_end(&bytes[here..]) } else { here };
    let comment = comment.then_some(here);
    match (bytes.len() == end, line_end(&bytes[end..])) {
        (true, _) => Tail::End { comment },
        (_, Some(length)) => Tail::Line { comment, next: end + length },
        _ => Tail::Code(here),
    }
}

fn opens_long_bracket(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"[") else {
        return false;
    };
    rest[rest.iter().take_while(|byte| **byte == b'=').count()..].starts_with(b"[")
}

fn until_line_end(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len())
}

/// The number of spaces and tabs at the start.
pub(super) fn blanks(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// The end of the separator after `at`, if there is one on the same line.
pub(super) fn separator(bytes: &[u8], at: usize) -> Option<usize> {
    let here = at + blanks(&bytes[at..]);
    matches!(bytes.get(here), Some(b';' | b',')).then_some(here + 1)
}

/// The start of the line on which `at` is.
pub(super) fn line_start(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().rposition(|byte| matches!(byte, b'\r' | b'\n')).map_or(0, |end| end + 1)
}

/// The blanks at the start of the line of `at`.
pub(super) fn indentation(bytes: &[u8], at: usize) -> &[u8] {
    let line = &bytes[line_start(bytes, at)..at];
    &line[..blanks(line)]
}

/// Whether only blanks come before `at` on its line.
pub(super) fn starts_line(bytes: &[u8], at: usize) -> bool {
    line_start(bytes, at) + indentation(bytes, at).len() == at
}

/// Whether the text ends with a line end, or is empty.
pub(super) fn ends_line(bytes: &[u8]) -> bool {
    matches!(bytes.last(), None | Some(b'\r' | b'\n'))
}

/// The line end that the file uses.
pub(super) fn eol(bytes: &[u8]) -> &[u8] {
    let first = until_line_end(bytes);
    match line_end(&bytes[first..]) {
        Some(length) => &bytes[first..first + length],
        None => b"\n",
    }
}

/// One level deeper than `indent`, in the style of the file.
pub(super) fn deeper(bytes: &[u8], indent: &[u8]) -> Vec<u8> {
    let tabs = indent.contains(&b'\t') || (indent.is_empty() && bytes.windows(2).any(|pair| pair == b"\n\t"));
    [indent, if tabs { b"\t" } else { b"    " }].concat()
}

/// Inserts lines after the statement that ends at `at`. `fresh` means that the rest of its line is already being moved
/// to a line of its own.
pub(super) fn lines_after(bytes: &[u8], at: usize, indent: &[u8], lines: &[Vec<u8>], fresh: bool) -> Splice {
    let mut at = at;
    while let Some(end) = separator(bytes, at) {
        at = end;
    }
    let eol = eol(bytes);
    let (place, mut text) = match tail(bytes, at) {
        Tail::Line { next, .. } => {
            let text = lines.iter().map(|line| [indent, line, eol].concat()).collect::<Vec<_>>().concat();
            return Splice::insert(next, text);
        }
        Tail::End { .. } => (bytes.len(), Vec::new()),
        Tail::Code(here) => (here, if fresh { Vec::new() } else { [eol, indent].concat() }),
    };
    if place == bytes.len() {
        text = lines.iter().map(|line| [eol, indent, line].concat()).collect::<Vec<_>>().concat();
    } else {
        text.extend(lines.iter().flat_map(|line| [line, eol, indent].concat()));
    }
    Splice::insert(place, text)
}
