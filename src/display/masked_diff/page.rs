//! Secrets in the web page's configuration, which is JavaScript.

use std::ops::Range;

use super::names::{is_harmless, is_secret};
use super::text;
use crate::site::web_config::scan::{ScriptToken, ScriptTokenKind, scan};

/// The values of settings that look like secrets, in comments too.
pub fn secrets(source: &[u8]) -> Vec<Range<usize>> {
    let Ok(tokens) = scan(source) else {
        return text::settings(source, 0..source.len());
    };
    let comment = |token: &&ScriptToken| token.kind == ScriptTokenKind::Comment;
    let mut found: Vec<Range<usize>> =
        tokens.iter().filter(comment).flat_map(|token| text::settings(source, token.range.clone())).collect();
    let code: Vec<&ScriptToken> = tokens.iter().filter(|token| !comment(token)).collect();
    let text_of = |token: &ScriptToken| &source[token.range.clone()];
    let mut at = 0;
    while let Some([name, sign]) = code.get(at..at + 2) {
        at += 1;
        let assigned = matches!(text_of(sign), b":" | b"=");
        if !assigned || name.kind == ScriptTokenKind::Sign || !is_secret(text_of(name)) {
            continue;
        }
        at += 1;
        let mut depth = 0usize;
        while let Some(token) = code.get(at) {
            match text_of(token) {
                b"{" | b"[" | b"(" => depth += 1,
                b"}" | b"]" | b")" if depth > 0 => depth -= 1,
                b"}" | b"]" | b")" | b"," | b";" if depth == 0 => break,
                value if token.kind != ScriptTokenKind::Sign => found.extend(hidden(token, value)),
                _ => {}
            }
            at += 1;
        }
    }
    found
}

/// The part of a value to mask: a string between its quotes, or a number; no other word.
fn hidden(token: &ScriptToken, value: &[u8]) -> Option<Range<usize>> {
    let range = token.range.clone();
    if token.kind == ScriptTokenKind::Text {
        let inner = range.start + 1..range.end - 1;
        return (!is_harmless(&value[1..value.len() - 1])).then_some(inner);
    }
    value.first()?.is_ascii_digit().then_some(range)
}
