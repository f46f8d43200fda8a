//! Edits of a text that others have changed in the meantime.

pub mod deleted_lines;
pub mod taken_out;

/// Texts with more lines are not compared: the time needed grows with the square of their number, and somebody else may
/// have written them.
const MAX_LINES: usize = 20_000;

/// Whether a text has too many lines to be compared.
pub fn is_too_long(text: &[u8]) -> bool {
    text.iter().filter(|byte| **byte == b'\n').count() > MAX_LINES
}

/// Applies to `theirs` the edit that led from `base` to `ours`; none if both changed the same lines, or there are too
/// many.
pub fn rebase(base: &[u8], ours: &[u8], theirs: &[u8]) -> Option<Vec<u8>> {
    let whole_lines = |text: &[u8]| text.is_empty() || text.ends_with(b"\n");
    match theirs.strip_prefix(base) {
        // Lines added at the end conflict with nothing, even if the edit changed the last line too.
        Some(added) if whole_lines(base) && whole_lines(ours) => Some([ours, added].concat()),
        _ if [base, ours, theirs].into_iter().any(is_too_long) => None,
        _ => diffy::merge_bytes(base, ours, theirs).ok(),
    }
}

/// What `after` adds at the end of `before`, apart from everything else that changed.
pub fn appended_lines<'a>(before: &[u8], after: &'a [u8]) -> &'a [u8] {
    if is_too_long(before) || is_too_long(after) {
        return &[];
    }
    let patch = diffy::DiffOptions::new().set_context_len(0).create_patch_bytes(before, after);
    let lines = before.split_inclusive(|byte| *byte == b'\n').count();
    let Some(last) = patch.hunks().last() else {
        return &[];
    };
    // An empty range names the line before it.
    let range = last.old_range();
    if !range.is_empty() || range.start() != lines || !before.ends_with(b"\n") {
        return &[];
    }
    let added: usize = last
        .lines()
        .iter()
        .map(|line| match line {
            diffy::Line::Insert(line) => line.len(),
            diffy::Line::Context(_) | diffy::Line::Delete(_) => 0,
        })
        .sum();
    &after[after.len() - added..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebased(base: &str, ours: &str, theirs: &str) -> Option<String> {
        rebase(base.as_bytes(), ours.as_bytes(), theirs.as_bytes()).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn only_edits_of_different_lines_merge() {
        let base = "one\ntwo\nthree\nfour\n";
        let ours = "one\ntwo\nthree\nFOUR\n";
        assert_eq!(rebased(base, ours, base).unwrap(), ours);
        assert_eq!(rebased(base, ours, "ONE\ntwo\nthree\nfour\n").unwrap(), "ONE\ntwo\nthree\nFOUR\n");
        assert_eq!(rebased(base, ours, &format!("{base}five\n")).unwrap(), format!("{ours}five\n"));
        assert_eq!(rebased(base, ours, "one\ntwo\nthree\n4\n"), None);
    }

    #[test]
    fn overlong_texts_are_not_compared() {
        let long: String = (0..=MAX_LINES).map(|line| format!("{line}\n")).collect();
        let other = long.replace('1', "x");
        assert_eq!(rebased(&long, &format!("first\n{long}"), &other), None);
        assert_eq!(appended_lines(other.as_bytes(), long.as_bytes()), b"");
        assert_eq!(deleted_lines::put_back(b"", long.as_bytes(), other.as_bytes()), other.as_bytes());
        let taken_out = taken_out::taken_out(b"", long.as_bytes(), other.as_bytes(), taken_out::Conflicts::Before);
        assert_eq!(taken_out, None);
    }

    #[test]
    fn the_length_limit_counts_lines_only() {
        let most = "x\n".repeat(MAX_LINES);
        assert!(!is_too_long(most.as_bytes()) && !is_too_long("x".repeat(3 * MAX_LINES).as_bytes()));
        assert!(is_too_long(format!("{most}\n").as_bytes()));
        // One text that is too long is enough.
        assert_eq!(appended_lines(most.as_bytes(), format!("{most}y\n").as_bytes()), b"");
        assert_eq!(appended_lines(format!("{most}y\n").as_bytes(), most.as_bytes()), b"");
        let longer = format!("a\nb\n{most}");
        assert_eq!(deleted_lines::put_back(b"", b"a\ny\nb\n", longer.as_bytes()), longer.as_bytes());
    }

    #[test]
    fn unterminated_lines_are_not_appended_to() {
        assert_eq!(rebased("a\nb", "a\nB", "a\nbc\n"), None);
        assert_eq!(rebased("a\n", "a\nB", "a\nc\n"), None);
        assert_eq!(rebased("a\n", "A\n", "a\nc\n").unwrap(), "A\nc\n");
        assert_eq!(rebased("", "a\n", "c\n").unwrap(), "a\nc\n");
    }

    #[test]
    fn only_appended_lines_count_as_added() {
        let added = |before: &str, after: &str| {
            String::from_utf8(appended_lines(before.as_bytes(), after.as_bytes()).to_vec()).unwrap()
        };
        assert_eq!(added("a\nb\n", "a\nb\nc\nd\n"), "c\nd\n");
        assert_eq!(added("a\nb\n", "A\nb\nc\n"), "c\n");
        assert_eq!(added("a\nb\n", "a\nB\n"), "");
        assert_eq!(added("a\nb\n", "0\na\nb\n"), "");
        assert_eq!(added("a\nb", "a\nb\nc\n"), "");
        assert_eq!(added("a\n", "a\n"), "");
    }
}
