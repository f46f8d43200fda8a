//! File differences that are safe to show: the changed lines and a few around them, without the value of any setting
//! whose name looks like a secret's. Most of those secrets are not ours (TURN, LDAP, components), so their values are
//! not known and must be found where they are written.

mod lua;
mod names;
mod page;
mod text;

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use diffy::Line;

use crate::engine::merge::is_too_long;
use crate::host::secret::{MASK, redact};

/// Shown for the old and the new secret in a line where nothing else changes.
const OLD: &str = "<old secret>";
const NEW: &str = "<new secret>";

/// The lines in which two versions of the file at `path` differ, with context, as a unified diff without its header.
/// Secrets are masked, in changed lines too.
pub fn difference(path: &Path, before: &[u8], after: &[u8]) -> String {
    if is_too_long(before) || is_too_long(after) {
        return "(too many changed lines to show)".to_owned();
    }
    let patch = diffy::create_patch_bytes(before, after);
    if patch.hunks().is_empty() {
        return String::new();
    }
    let (before, after) = (Masked::new(path, before), Masked::new(path, after));
    let mut shown = Vec::new();
    for hunk in patch.hunks() {
        let (old, new) = (hunk.old_range(), hunk.new_range());
        shown.push(format!("@@ -{old} +{new} @@"));
        // An empty range names the line before it.
        let first = |start: usize, empty: bool| start - usize::from(!empty);
        let mut old = first(old.start(), old.is_empty());
        let mut new = first(new.start(), new.is_empty());
        let mut lines: Vec<(char, String, usize, bool)> = Vec::new();
        for line in hunk.lines() {
            let (sign, text, number, bytes) = match line {
                Line::Context(bytes) => (' ', after.line(new, MASK), new, bytes),
                Line::Delete(bytes) => ('-', before.line(old, MASK), old, bytes),
                Line::Insert(bytes) => ('+', after.line(new, MASK), new, bytes),
            };
            old += usize::from(sign != '+');
            new += usize::from(sign != '-');
            lines.push((sign, text, number, bytes.ends_with(b"\n")));
        }
        // Lines that look the same on both sides differ in what is masked.
        let masked = |wanted: char| -> HashSet<(String, bool)> {
            let lines = lines.iter().filter(|(sign, text, ..)| *sign == wanted && text.contains(MASK));
            lines.map(|(_, text, _, whole)| (text.clone(), *whole)).collect()
        };
        let (gone, come) = (masked('-'), masked('+'));
        for (sign, text, number, whole) in lines {
            let shows = (text, whole);
            let text = match sign {
                '-' if come.contains(&shows) => before.line(number, OLD),
                '+' if gone.contains(&shows) => after.line(number, NEW),
                _ => shows.0,
            };
            shown.push(format!("{sign}{text}"));
            if !whole {
                shown.push("\\ No newline at end of file".to_owned());
            }
        }
    }
    redact(&shown.join("\n"))
}

/// A file, and the parts of it that are not shown.
struct Masked<'a> {
    source: &'a [u8],
    /// Where each line starts.
    lines: Vec<usize>,
    /// The values of secrets, sorted and disjoint.
    hidden: Vec<Range<usize>>,
}

impl<'a> Masked<'a> {
    fn new(path: &Path, source: &'a [u8]) -> Self {
        let name = path.as_os_str().as_encoded_bytes();
        let mut hidden = if name.ends_with(b".js") {
            page::secrets(source)
        } else if [&b".lua"[..], b".rockspec"].iter().any(|end| name.ends_with(end)) {
            lua::secrets(source)
        } else {
            text::settings(source, 0..source.len())
        };
        hidden.extend(text::logins(source));
        let breaks = source.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let lines = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { source, lines, hidden: joined(hidden) }
    }

    /// The line with this number, from 0, without its line feed; `mask` replaces what is not shown.
    fn line(&self, number: usize, mask: &str) -> String {
        let start = self.lines.get(number).copied();
        let mut at = start.unwrap_or(self.source.len());
        let next = self.lines.get(number + 1).map(|next| next - 1);
        let end = next.unwrap_or(self.source.len());
        let first = self.hidden.partition_point(|range| range.end <= at);
        let mut shown = String::new();
        for range in &self.hidden[first..] {
            if range.start >= end {
                break;
            }
            shown += &String::from_utf8_lossy(&self.source[at..range.start.max(at)]);
            shown += mask;
            at = range.end.min(end);
        }
        shown + &String::from_utf8_lossy(&self.source[at..end])
    }
}

/// The ranges sorted, touching ones merged and empty ones removed.
fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
