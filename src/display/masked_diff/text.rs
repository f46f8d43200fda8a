//! Secrets in text of no particular language, and in comments: `NAME = VALUE` and `NAME: VALUE` on one line.

use std::ops::Range;

use super::names::{is_harmless, is_secret};

/// The values of settings that look like secrets in this part of the text. A quoted value ends with its quote, any
/// other with the line.
pub fn settings(source: &[u8], part: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = part.start;
    while at < part.end {
        let name = run(source, at, part.end, is_name_byte);
        if name.is_empty() {
            at += 1;
            continue;
        }
        at = name.end;
        if !is_secret(&source[name]) {
            continue;
        }
        if let Some(value) = value(source, at, part.end) {
            at = value.end.max(at);
            if !is_harmless(&source[value.clone()]) {
                found.push(value);
            }
        }
    }
    found
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The range of bytes from `at` on that are `wanted`.
fn run(source: &[u8], at: usize, end: usize, wanted: impl Fn(u8) -> bool) -> Range<usize> {
    let length = source[at..end].iter().take_while(|byte| wanted(**byte));
    at..at + length.count()
}

/// The value behind a name, if an assignment sign follows the name.
fn value(source: &[u8], name_end: usize, end: usize) -> Option<Range<usize>> {
    let behind = |byte| is_blank(byte) || matches!(byte, b'"' | b'\'' | b']');
    let sign = run(source, name_end, end, behind).end;
    if sign == end || !matches!(source[sign], b'=' | b':') {
        return None;
    }
    // `==` compares, and `://` belongs to a URL.
    if source[..end][sign + 1..].starts_with(b"=") || source[..end][sign..].starts_with(b"://") {
        return None;
    }
    let start = run(source, sign + 1, end, is_blank).end;
    let line = run(source, start, end, |byte| byte != b'\n' && byte != b'\r');
    match source[..end].get(start) {
        Some(quote @ (b'"' | b'\'')) => Some(quoted(source, line, *quote)),
        _ => Some(line),
    }
}

/// The text between the quotes; the rest of the line if the closing quote is missing.
fn quoted(source: &[u8], line: Range<usize>, quote: u8) -> Range<usize> {
    let start = line.start + 1;
    let mut at = start;
    while at < line.end {
        match source[at] {
            b'\\' => at += 1,
            byte if byte == quote => return start..at,
            _ => {}
        }
        at += 1;
    }
    start..line.end
}

/// User and password in URLs: `https://USER:PASSWORD@HOST`.
pub fn logins(source: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, window) in source.windows(3).enumerate() {
        if window != b"://" {
            continue;
        }
        let inside = |byte: u8| !byte.is_ascii_whitespace() && !b"/\"'@<>`".contains(&byte);
        let login = run(source, at + 3, source.len(), inside);
        if source.get(login.end) == Some(&b'@') && source[login.clone()].contains(&b':') {
            found.push(login);
        }
    }
    found
}
