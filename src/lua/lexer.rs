//! Lua's tokens, over bytes and without loss: the tokens of a file, joined, are the file. Everything is a token,
//! whitespace and comments too, because an edit must be able to say where it ends. Accepts the union of Lua 5.1 to 5.4.

use std::fmt;

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A byte order mark or a `#!` line at the start of a file.
    Mark,
    /// Whitespace and line ends.
    Space,
    /// `--` to the end of the line, without the line end.
    Comment,
    /// `--[[ … ]]`, at any level.
    LongComment,
    /// A name or a keyword.
    Name,
    /// A number.
    Number,
    /// A quoted string.
    Text,
    /// A string in long brackets.
    LongText,
    /// An operator or punctuation.
    Symbol,
    /// The end of the file; empty.
    End,
}

/// A piece of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its first byte.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
    /// The line on which it starts, from 1.
    pub line: usize,
}

/// Where and why a source is not valid Lua. The size of a pointer, because every step of the lexer can return one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError(Box<(usize, String)>);

impl SyntaxError {
    pub fn new(line: usize, message: impl Into<String>) -> Self {
        Self(Box::new((line, message.into())))
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.0.0
    }

    /// What was not understood.
    pub fn message(&self) -> &str {
        &self.0.1
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line(), self.message())
    }
}

impl std::error::Error for SyntaxError {}

/// Reads one token after another.
#[derive(Clone, Debug)]
pub struct Lexer<'a> {
    source: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning of a file.
    pub fn new(source: &'a [u8]) -> Self {
        Self::starting(source, 0, 1)
    }

    /// Starts in the middle of a file, at a byte that begins a token, on this line.
    pub fn starting(source: &'a [u8], at: usize, line: usize) -> Self {
        Self { source, at, line }
    }

    /// The next token; always [`TokenKind::End`] once the file has been read.
    pub fn token(&mut self) -> Result<Token, SyntaxError> {
        let (start, line) = self.position();
        let kind = self.step()?;
        Ok(Token { kind, start, end: self.at, line })
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.at + ahead).copied()
    }

    fn fail<T>(&self, line: usize, message: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError::new(line, message))
    }

    /// The byte and the line at which the next token starts.
    pub fn position(&self) -> (usize, usize) {
        (self.at, self.line)
    }

    /// Steps over a token and returns its kind.
    pub fn step(&mut self) -> Result<TokenKind, SyntaxError> {
        let Some(first) = self.byte(0) else {
            return Ok(TokenKind::End);
        };
        if self.at == 0 && self.mark() {
            return Ok(TokenKind::Mark);
        }
        match first {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => {
                self.blanks();
                Ok(TokenKind::Space)
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                Ok(TokenKind::Name)
            }
            b'"' | b'\'' => self.quoted(first),
            b'0'..=b'9' => self.number(),
            b'.' if self.byte(1).is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            b'-' if self.byte(1) == Some(b'-') => self.comment(),
            b'[' => self.bracket(),
            _ => self.sign(first),
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        let rest = &self.source[self.at..];
        self.at += rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
    }

    fn mark(&mut self) -> bool {
        let bom = self.source.starts_with(b"\xef\xbb\xbf");
        self.at = if bom { 3 } else { 0 };
        if self.byte(0) == Some(b'#') {
            self.skip_while(|byte| byte != b'\n' && byte != b'\r');
        }
        self.at > 0
    }

    /// Steps over one line end; `\r\n` and `\n\r` are one, as in Lua.
    fn line_end(&mut self) {
        let (first, second) = (self.byte(0), self.byte(1));
        let pair = matches!((first, second), (Some(b'\r'), Some(b'\n')) | (Some(b'\n'), Some(b'\r')));
        self.at += if pair { 2 } else { 1 };
        self.line += 1;
    }

    /// Steps over whitespace and line ends, without making a token that nobody wants.
    pub fn blanks(&mut self) {
        while let Some(byte) = self.byte(0) {
            match byte {
                b'\r' | b'\n' => self.line_end(),
                b' ' | b'\t' | 0x0b | 0x0c => self.at += 1,
                _ => break,
            }
        }
    }

    fn comment(&mut self) -> Result<TokenKind, SyntaxError> {
        self.at += 2;
        if let Some(level) = self.long_level() {
            self.long(level, "comment")?;
            return Ok(TokenKind::LongComment);
        }
        self.skip_while(|byte| byte != b'\n' && byte != b'\r');
        Ok(TokenKind::Comment)
    }

    fn bracket(&mut self) -> Result<TokenKind, SyntaxError> {
        if let Some(level) = self.long_level() {
            self.long(level, "string")?;
            return Ok(TokenKind::LongText);
        }
        if self.byte(1) == Some(b'=') && self.byte(2) == Some(b'=') {
            return self.fail(self.line, "invalid long string delimiter");
        }
        self.at += 1;
        Ok(TokenKind::Symbol)
    }

    /// The number of `=` if a long bracket opens here.
    fn long_level(&self) -> Option<usize> {
        let rest = self.source.get(self.at..)?.strip_prefix(b"[")?;
        let level = rest.iter().take_while(|byte| **byte == b'=').count();
        (rest.get(level) == Some(&b'[')).then_some(level)
    }

    fn long(&mut self, level: usize, what: &str) -> Result<(), SyntaxError> {
        let line = self.line;
        self.at += level + 2;
        while let Some(byte) = self.byte(0) {
            match byte {
                b'\r' | b'\n' => self.line_end(),
                b']' => {
                    self.at += 1;
                    let equals = self.source[self.at..].iter().take_while(|byte| **byte == b'=').count();
                    self.at += equals;
                    if equals == level && self.byte(0) == Some(b']') {
                        self.at += 1;
                        return Ok(());
                    }
                }
                _ => self.skip_while(|byte| !matches!(byte, b'\r' | b'\n' | b']')),
            }
        }
        self.fail(line, format!("unfinished long {what}"))
    }

    fn quoted(&mut self, quote: u8) -> Result<TokenKind, SyntaxError> {
        let line = self.line;
        self.at += 1;
        loop {
            self.skip_while(|byte| !matches!(byte, b'"' | b'\'' | b'\\' | b'\r' | b'\n'));
            match self.byte(0) {
                None | Some(b'\r' | b'\n') => return self.fail(line, "unfinished string"),
                Some(b'\\') => self.escaped(),
                Some(byte) => {
                    self.at += 1;
                    if byte == quote {
                        return Ok(TokenKind::Text);
                    }
                }
            }
        }
    }

    /// Steps over a backslash and what it hides from the search for the closing quote.
    fn escaped(&mut self) {
        self.at += 1;
        match self.byte(0) {
            Some(b'\r' | b'\n') => self.line_end(),
            Some(b'z') => {
                self.at += 1;
                self.blanks();
            }
            Some(_) => self.at += 1,
            None => {}
        }
    }

    fn number(&mut self) -> Result<TokenKind, SyntaxError> {
        let start = self.at;
        let hex = self.byte(0) == Some(b'0') && matches!(self.byte(1), Some(b'x' | b'X'));
        while let Some(byte) = self.byte(0) {
            let exponent = if hex { matches!(byte, b'p' | b'P') } else { matches!(byte, b'e' | b'E') };
            if exponent && matches!(self.byte(1), Some(b'+' | b'-')) {
                self.at += 2;
            } else if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.') {
                self.at += 1;
            } else {
                break;
            }
        }
        let text = &self.source[start..self.at];
        match super::literal::number(text) {
            Some(_) => Ok(TokenKind::Number),
            None => self.fail(self.line, format!("malformed number {}", String::from_utf8_lossy(text))),
        }
    }

    fn sign(&mut self, first: u8) -> Result<TokenKind, SyntaxError> {
        let length = match (first, self.byte(1)) {
            (b'.', Some(b'.')) if self.byte(2) == Some(b'.') => 3,
            (b'.', Some(b'.')) | (b':', Some(b':')) | (b'/', Some(b'/')) => 2,
            (b'<' | b'>' | b'=' | b'~', Some(b'=')) | (b'<', Some(b'<')) | (b'>', Some(b'>')) => 2,
            (
                b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'#' | b'&' | b'~' | b'|' | b'<' | b'>' | b'=' | b'(' | b')'
                | b'{' | b'}' | b']' | b';' | b':' | b',' | b'.',
                _,
            ) => 1,
            _ => {
                let shown = char::from(first).escape_default();
                return self.fail(self.line, format!("unexpected character '{shown}'"));
            }
        };
        self.at += length;
        Ok(TokenKind::Symbol)
    }
}
