//! Puts back lines of ours that somebody has deleted since. With them in place, the rest of our change can be undone.

use std::collections::BTreeSet;

use diffy::{DiffOptions, Line};

use super::is_too_long;

/// The text `now`, with the lines of `ours` put back that were deleted since and were not in `before`. A line that was
/// replaced is not put back: somebody wants something else there.
pub fn put_back(before: &[u8], ours: &[u8], now: &[u8]) -> Vec<u8> {
    if is_too_long(ours) || is_too_long(now) {
        return now.to_vec();
    }
    let known: BTreeSet<&[u8]> = lines(before).collect();
    let patch = DiffOptions::new().set_context_len(0).create_patch_bytes(ours, now);
    let ours: Vec<&[u8]> = lines(ours).collect();
    let (mut text, mut at) = (Vec::new(), 0);
    for hunk in patch.hunks() {
        let range = hunk.old_range();
        // An empty range names the line before it.
        let start = range.start() - usize::from(!range.is_empty());
        let only_deletes = hunk.lines().iter().all(|line| matches!(line, Line::Delete(_)));
        text.extend(ours[at..start].concat());
        for line in hunk.lines() {
            match line {
                Line::Delete(line) if !only_deletes || known.contains(line) => {}
                Line::Context(line) | Line::Delete(line) | Line::Insert(line) => {
                    text.extend_from_slice(line);
                }
            }
        }
        at = start + range.len();
    }
    text.extend(ours[at..].concat());
    text
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "a\n--id=\"example\"\n--secret=\"example\"\nb\nc\n";
    const OURS: &str = "a\nid=\"x\"\nsecret=\"y\"\nb\nc\n";

    fn with(now: &str) -> String {
        String::from_utf8(put_back(BEFORE.as_bytes(), OURS.as_bytes(), now.as_bytes())).unwrap()
    }

    #[test]
    fn deleted_lines_of_ours_are_restored() {
        assert_eq!(with(OURS), OURS);
        assert_eq!(with("a\nid=\"x\"\nb\nc\n"), OURS);
        assert_eq!(with("a\nb\nc\nd\n"), format!("{OURS}d\n"));
        assert_eq!(with("new\na\nid=\"x\"\nb\nc"), "new\na\nid=\"x\"\nsecret=\"y\"\nb\nc");
    }

    #[test]
    fn replaced_and_foreign_lines_are_not_restored() {
        for now in [
            "a\nid=\"theirs\"\nsecret=\"y\"\nb\nc\n",
            "id=\"x\"\nsecret=\"y\"\nb\nc\n",
            "a\nid=\"x\"\nsecret=\"y\"\nc\n",
        ] {
            assert_eq!(with(now), now);
        }
    }

    #[test]
    fn a_partly_deleted_change_can_then_be_undone() {
        let now = "a\nid=\"x\"\nb\nc\n";
        assert!(diffy::merge_bytes(OURS.as_bytes(), BEFORE.as_bytes(), now.as_bytes()).is_err());
        let merged = diffy::merge_bytes(OURS.as_bytes(), BEFORE.as_bytes(), with(now).as_bytes());
        assert_eq!(merged.unwrap(), BEFORE.as_bytes());
    }
}
