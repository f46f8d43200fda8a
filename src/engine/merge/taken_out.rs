//! Undoes an edit of ours in a text that others have changed since, line by line. An ordinary merge refuses edits in
//! neighboring lines; here, it is enough that a line of ours is still as we left it.

use diffy::{DiffOptions, Line};

use super::is_too_long;

/// A range of lines, and what replaces them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    from: usize,
    to: usize,
    lines: Vec<u8>,
}

/// What happens to lines that others have changed too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflicts {
    /// The whole text is refused.
    Refused,
    /// They are restored, whatever others made of them.
    Before,
}

/// The text `now` without the edit that led from `before` to `ours`; none if that is refused, or if there are too many
/// lines to compare.
pub fn taken_out(before: &[u8], ours: &[u8], now: &[u8], conflicts: Conflicts) -> Option<Vec<u8>> {
    if [before, ours, now].into_iter().any(is_too_long) {
        return None;
    }
    let back = edits(ours, before);
    let (gone, mut theirs): (Vec<Edit>, Vec<Edit>) =
        edits(ours, now).into_iter().partition(|edit| back.iter().any(|back| collide(back, edit)));
    if conflicts == Conflicts::Refused && gone.iter().any(|edit| !back.contains(edit)) {
        return None;
    }
    theirs.extend(back);
    // An insertion in front of a line comes before that line's replacement.
    theirs.sort_by_key(|edit| (edit.from, edit.to));
    let lines: Vec<&[u8]> = ours.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut text, mut at) = (Vec::new(), 0);
    for edit in theirs {
        text.extend(lines[at..edit.from].concat());
        text.extend(edit.lines);
        at = edit.to;
    }
    text.extend(lines[at..].concat());
    Some(text)
}

/// Whether an edit by others collides with restoring our lines: in the same lines, or next to the place of lines that
/// we had removed, which only its neighbors mark.
fn collide(back: &Edit, theirs: &Edit) -> bool {
    if back.from == back.to {
        theirs.from <= back.from && back.from <= theirs.to
    } else {
        theirs.from.max(back.from) < theirs.to.min(back.to) || back.from < theirs.from && theirs.to < back.to
    }
}

fn edits(from: &[u8], to: &[u8]) -> Vec<Edit> {
    let patch = DiffOptions::new().set_context_len(0).create_patch_bytes(from, to);
    let edit = |hunk: &diffy::Hunk<'_, [u8]>| {
        let range = hunk.old_range();
        // An empty range names the line before it.
        let from = range.start() - usize::from(!range.is_empty());
        let lines = hunk.lines().iter().filter_map(|line| match line {
            Line::Insert(line) => Some(*line),
            Line::Context(_) | Line::Delete(_) => None,
        });
        Edit { from, to: from + range.len(), lines: lines.collect::<Vec<_>>().concat() }
    };
    patch.hunks().iter().map(edit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "a\n\"polls\";\n-- \"token\";\n\"rate\";\nb\n";
    const OURS: &str = "a\n\"polls\";\n\"token\";\n\"rate\";\nid=\"x\"\nb\n";

    fn of(now: &str, conflicts: Conflicts) -> Option<String> {
        let text = taken_out(BEFORE.as_bytes(), OURS.as_bytes(), now.as_bytes(), conflicts);
        text.map(|text| String::from_utf8(text).unwrap())
    }

    /// Others change `from` to `to` in our text; with our edit undone, that is the same change to the text before.
    fn keeps(from: &str, to: &str) {
        let now = OURS.replace(from, to);
        assert_ne!(now, OURS);
        assert_eq!(of(&now, Conflicts::Refused).unwrap(), BEFORE.replace(from, to), "{to:?}");
    }

    #[test]
    fn edits_of_neighboring_lines_are_kept() {
        keeps("\"polls\";", "--\"polls\";");
        keeps("\"polls\";\n", "\"polls\";\n\"more\";\n");
        keeps("\"rate\";", "\"rates\";");
        keeps("\"rate\";", "\"more\";\n\"rate\";");
        keeps("a\n", "first\na\nc\n");
        keeps("b\n", "B\nlast\n");
        assert_eq!(of(OURS, Conflicts::Refused).unwrap(), BEFORE);
        assert_eq!(of(BEFORE, Conflicts::Refused).unwrap(), BEFORE);
    }

    #[test]
    fn edits_of_our_own_lines_are_conflicts() {
        let now = OURS.replace("id=\"x\"", "id=\"theirs\"").replace("a\n", "A\n");
        assert_eq!(of(&now, Conflicts::Refused), None);
        assert_eq!(of(&now, Conflicts::Before).unwrap(), BEFORE.replace("a\n", "A\n"));
        // Even if they only add a line, in the middle of ours.
        let between = |conflicts| taken_out(b"a\nb\n", b"A\nB\n", b"A\nx\nB\n", conflicts);
        assert_eq!(between(Conflicts::Refused), None);
        assert_eq!(between(Conflicts::Before).unwrap(), b"a\nb\n");
    }

    #[test]
    fn restoring_removed_lines_needs_unchanged_neighbors() {
        let (before, ours) = ("a\nb\nc\n", "a\nc\n");
        let text = |now: &str, conflicts| {
            let text = taken_out(before.as_bytes(), ours.as_bytes(), now.as_bytes(), conflicts);
            text.map(|text| String::from_utf8(text).unwrap())
        };
        assert_eq!(text("A\nc\n", Conflicts::Refused), None);
        assert_eq!(text("a\nC\n", Conflicts::Refused), None);
        assert_eq!(text("a\nx\nc\n", Conflicts::Before).unwrap(), before);
        assert_eq!(text("a\nc\nd\n", Conflicts::Refused).unwrap(), "a\nb\nc\nd\n");
    }

    #[test]
    fn the_last_line_may_lack_a_newline() {
        let text = taken_out(b"a\nb", b"a\nB", b"A\nB", Conflicts::Refused);
        assert_eq!(text.unwrap(), b"A\nb");
    }
}
