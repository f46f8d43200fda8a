//! JavaScript's tokens, as far as needed: strings, comments and regular expressions are told apart from code.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptTokenKind {
    /// A name or a number.
    Word,
    /// A string in any quotes.
    Text,
    /// `//` or `/* */`.
    Comment,
    /// One character of anything else, or a regular expression.
    Sign,
}

/// One token.
#[derive(Clone, Debug)]
pub struct ScriptToken {
    /// What it is.
    pub kind: ScriptTokenKind,
    /// Its range of bytes.
    pub range: Range<usize>,
    /// The line that it starts on.
    pub line: usize,
}

/// All tokens, without white space; the error is the line of what cannot be followed.
pub fn scan(source: &[u8]) -> Result<Vec<ScriptToken>, usize> {
    let mut tokens: Vec<ScriptToken> = Vec::new();
    let (mut at, mut line) = (0, 1);
    // Whether a slash is a division: it is after a value.
    let mut divides = false;
    while let Some(byte) = source.get(at) {
        let rest = &source[at..];
        let (kind, length) = match byte {
            b'\n' => {
                line += 1;
                at += 1;
                continue;
            }
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'/' if rest.starts_with(b"//") => (ScriptTokenKind::Comment, to_line_end(rest)),
            b'/' if rest.starts_with(b"/*") => (ScriptTokenKind::Comment, block_comment(rest).ok_or(line)?),
            b'/' if !divides => (ScriptTokenKind::Sign, regular_expression(rest).ok_or(line)?),
            b'\'' | b'"' | b'`' => (ScriptTokenKind::Text, text(rest).ok_or(line)?),
            byte if is_word(*byte) => (ScriptTokenKind::Word, rest.iter().take_while(|b| is_word(**b)).count()),
            _ => (ScriptTokenKind::Sign, 1),
        };
        let token = &rest[..length];
        match kind {
            ScriptTokenKind::Comment => {}
            ScriptTokenKind::Word => divides = !matches!(token, b"return" | b"typeof" | b"case" | b"in" | b"of"),
            ScriptTokenKind::Text => divides = true,
            ScriptTokenKind::Sign => divides = length > 1 || matches!(token, b")" | b"]" | b"}"),
        }
        tokens.push(ScriptToken { kind, range: at..at + length, line });
        line += token.iter().filter(|byte| **byte == b'\n').count();
        at += length;
    }
    Ok(tokens)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

fn to_line_end(rest: &[u8]) -> usize {
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    end.unwrap_or(rest.len())
}

fn block_comment(rest: &[u8]) -> Option<usize> {
    let end = rest[2..].windows(2).position(|pair| pair == b"*/")?;
    Some(end + 4)
}

/// The length of a string. A template literal with code in it is not supported.
fn text(rest: &[u8]) -> Option<usize> {
    let quote = rest[0];
    let mut at = 1;
    loop {
        match rest.get(at)? {
            b'\\' => at += 1,
            b'\n' if quote != b'`' => return None,
            b'$' if quote == b'`' && rest.get(at + 1) == Some(&b'{') => return None,
            byte if *byte == quote => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
}

fn regular_expression(rest: &[u8]) -> Option<usize> {
    let mut class = false;
    let mut at = 1;
    loop {
        match rest.get(at)? {
            b'\\' => at += 1,
            b'\n' => return None,
            b'[' => class = true,
            b']' => class = false,
            b'/' if !class => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, first letter of the kind, and text of each token.
    fn tokens(source: &str) -> Result<Vec<String>, usize> {
        let shown = |token: &ScriptToken| {
            let kind = &format!("{:?}", token.kind)[..1];
            format!("{}{kind} {}", token.line, &source[token.range.clone()])
        };
        Ok(scan(source.as_bytes())?.iter().map(shown).collect())
    }

    #[test]
    fn strings_comments_and_regexes_are_recognized() {
        for (source, expected) in [
            ("a_1 = $b;\n", &["1W a_1", "1S =", "1W $b", "1S ;"][..]),
            ("'a\\'//'\t\"'\"\r\n`a\n${'`", &[]),
            ("'a\\'//'\t\"'\"\r\n`a\n$ b'`c", &["1T 'a\\'//'", "1T \"'\"", "2T `a\n$ b'`", "3W c"]),
            ("'${'", &["1T '${'"]),
            ("a // b 'c\r\nd", &["1W a", "1C // b 'c", "2W d"]),
            ("/* a/b\n{ */ c /* d */", &["1C /* a/b\n{ */", "2W c", "2C /* d */"]),
            ("x = /'[/\\]']\\//g", &["1W x", "1S =", "1S /'[/\\]']\\//", "1W g"]),
            ("f(/a'/) / b / 'c'", &["1W f", "1S (", "1S /a'/", "1S )", "1S /", "1W b", "1S /", "1T 'c'"]),
            ("1 / 2 /*'*/ / 3", &["1W 1", "1S /", "1W 2", "1C /*'*/", "1S /", "1W 3"]),
            ("'a' / 2", &["1T 'a'", "1S /", "1W 2"]),
            ("return /'/", &["1W return", "1S /'/"]),
            ("/a'/ / 2", &["1S /a'/", "1S /", "1W 2"]),
            ("a[0] / 2 } / 3", &["1W a", "1S [", "1W 0", "1S ]", "1S /", "1W 2", "1S }", "1S /", "1W 3"]),
        ] {
            match expected {
                [] => assert_eq!(tokens(source), Err(2), "{source}"),
                expected => assert_eq!(tokens(source).unwrap(), expected, "{source}"),
            }
        }
    }

    #[test]
    fn unterminated_tokens_are_reported_by_line() {
        for source in ["/* a *", "'a", "'a\nb'", "\"a\\\"", "`a", "`${a}`", "/a", "/a\nb/", "/[/", "/*/"] {
            assert_eq!(tokens(&format!("a;\n\n{source}")), Err(3), "{source}");
        }
    }
}
