//! Lines that fit a terminal: broken between words, with the continuation indented.

/// `text` in lines of at most `width` columns. The first begins at column `first`; the others are indented by `hang`,
/// or by less where that would leave no room. No word is broken except a path longer than a line, after a slash.
/// Without a width, the text is returned unchanged.
pub fn wrap(text: &str, width: Option<usize>, first: usize, hang: usize) -> String {
    let Some(width) = width else { return text.to_owned() };
    let hang = if hang * 5 > width * 2 { 4.min(width / 4) } else { hang };
    let mut lines = String::with_capacity(text.len() + 16);
    let mut column = first;
    for (number, word) in text.split(' ').enumerate() {
        let breaks = hang + word.chars().count() > width && word.contains('/');
        let parts = if breaks { word.split_inclusive('/').collect() } else { vec![word] };
        for (at, part) in parts.into_iter().enumerate() {
            // A blank comes only before a word, not before the rest of a broken path.
            let blank = usize::from(at == 0 && number > 0);
            let length = part.chars().count();
            if column + blank + length > width && column > hang {
                lines.push('\n');
                lines.push_str(&" ".repeat(hang));
                column = hang;
            } else {
                lines.push_str(&" ".repeat(blank));
                column += blank;
            }
            lines.push_str(part);
            column += length;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn lines_wrap_between_words_and_indent() {
        assert_eq!(wrap("one two three", None, 0, 2), "one two three");
        assert_eq!(wrap("one two three four", Some(14), 4, 4), "one two\n    three four");
        assert_eq!(wrap("in /a/path/that/is/long here", Some(10), 0, 2), "in /a/\n  path/\n  that/is/\n  long\n  here");
        assert_eq!(wrap("1234567890123 here", Some(10), 0, 2), "1234567890123\n  here");
    }

    #[test]
    fn the_indent_shrinks_if_space_is_short() {
        assert_eq!(wrap("one two", Some(40), 38, 20), "\n    one two");
    }

    #[test]
    fn lines_fit_the_terminal_and_keep_every_word() {
        let text = "Prosody requires tokens for meet.example.org; only root and Prosody can read the app secret there";
        for width in [40, 80, 110] {
            let wrapped = wrap(text, Some(width), 20, 20);
            let lines: Vec<&str> = wrapped.lines().collect();
            assert!(lines[0].chars().count() + 20 <= width, "{wrapped}");
            assert!(lines[1..].iter().all(|line| line.chars().count() <= width), "{wrapped}");
            assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>(), text.split(' ').collect::<Vec<_>>());
        }
    }
}
