//! Adds entries to a list in braces, or removes them, in the style of those that are there.

use std::ops::Range;

use super::splice::{Splice, Tail, deeper, eol, indentation, line_start, separator, starts_line, tail};
use crate::lua::lexer::{Lexer, Token, TokenKind};
use crate::lua::literal;

/// A list in braces, as the source has it.
pub(super) struct List<'a> {
    bytes: &'a [u8],
    open: usize,
    close: usize,
    fields: Vec<ListField>,
    comments: Vec<Token>,
}

struct ListField {
    range: Range<usize>,
    /// The separator after it.
    separator: Option<usize>,
    /// Its value, if it is a single string.
    text: Option<Vec<u8>>,
}

impl<'a> List<'a> {
    /// The list whose expression starts at `at`, perhaps in parentheses.
    pub fn read(bytes: &'a [u8], at: usize) -> Option<Self> {
        let mut lexer = Lexer::starting(bytes, at, 1);
        let open = loop {
            let token = lexer.token().ok()?;
            match &bytes[token.start..token.end] {
                b"{" => break token.start,
                b"(" => {}
                _ if matches!(token.kind, TokenKind::Space | TokenKind::Comment | TokenKind::LongComment) => {}
                _ => return None,
            }
        };
        let mut list = Self { bytes, open, close: open, fields: Vec::new(), comments: Vec::new() };
        list.scan(lexer)?;
        Some(list)
    }

    fn scan(&mut self, mut lexer: Lexer<'a>) -> Option<()> {
        let mut depth = 1;
        let mut field: Vec<Token> = Vec::new();
        loop {
            let token = lexer.token().ok()?;
            let text = &self.bytes[token.start..token.end];
            match token.kind {
                TokenKind::End => return None,
                TokenKind::Comment => {
                    self.comments.push(token);
                    continue;
                }
                TokenKind::LongComment | TokenKind::Space | TokenKind::Mark => continue,
                _ => {}
            }
            let opens = matches!(text, b"{" | b"(" | b"[" | b"function" | b"if" | b"do" | b"repeat");
            let closes = matches!(text, b"}" | b")" | b"]" | b"end" | b"until");
            if depth == 1 && (matches!(text, b"," | b";") || closes) {
                let separator = (!closes).then_some(token.start);
                self.finish(&mut field, separator);
                if closes {
                    self.close = token.start;
                    return Some(());
                }
                continue;
            }
            field.push(token);
            depth = depth + usize::from(opens) - usize::from(closes);
        }
    }

    fn finish(&mut self, tokens: &mut Vec<Token>, separator: Option<usize>) {
        if let (Some(first), Some(last)) = (tokens.first(), tokens.last()) {
            let text = match tokens.as_slice() {
                [one] if matches!(one.kind, TokenKind::Text | TokenKind::LongText) => {
                    literal::string(self.bytes, *one).ok()
                }
                _ => None,
            };
            self.fields.push(ListField { range: first.start..last.end, separator, text });
        }
        tokens.clear();
    }

    /// Adds a string: uncomments it if it is there in a comment, otherwise puts it after the last entry.
    pub fn add(&self, entry: &[u8]) -> Vec<Splice> {
        if let Some(splices) = self.uncomment(entry) {
            return splices;
        }
        let literal = literal::lua_string(entry);
        let Some(last) = self.fields.last() else {
            return vec![self.first(&literal)];
        };
        let sign = self.sign();
        let end = last.separator.map_or(last.range.end, |at| at + 1);
        let after = tail(self.bytes, end);
        let next = match after {
            Tail::Line { next, .. } if starts_line(self.bytes, last.range.start) => next,
            _ if last.separator.is_some() => {
                return vec![Splice::insert(end, [b" ", &literal[..], sign].concat())];
            }
            _ => return vec![Splice::insert(end, [sign, b" ", &literal[..]].concat())],
        };
        let indent = indentation(self.bytes, last.range.start);
        let line = [indent, &literal, sign, eol(self.bytes)].concat();
        let mut splices = vec![Splice::insert(next, line)];
        if last.separator.is_none() {
            splices.push(Splice::insert(end, sign));
        }
        splices
    }

    /// The separator that the list uses.
    fn sign(&self) -> &'a [u8] {
        match self.fields.iter().find_map(|field| field.separator) {
            Some(at) => &self.bytes[at..=at],
            None => b";",
        }
    }

    fn first(&self, literal: &[u8]) -> Splice {
        let inside = self.open + 1..self.close;
        if self.bytes[inside.clone()].iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            return Splice::new(inside, [b" ", literal, b" "].concat());
        }
        let indent = deeper(self.bytes, indentation(self.bytes, self.open));
        Splice::insert(inside.start, [eol(self.bytes), &indent, literal, b";"].concat())
    }

    fn uncomment(&self, entry: &[u8]) -> Option<Vec<Splice>> {
        // A comment in the middle of an entry is not a place for another.
        let within = |comment: &Token| {
            self.fields.iter().any(|field| field.range.start < comment.start && comment.start < field.range.end)
        };
        let between = self.comments.iter().filter(|comment| !within(comment));
        let (comment, literal, behind) = { between }.find_map(|comment| {
            let (literal, behind) = commented(self.bytes, *comment, entry)?;
            Some((comment, literal, behind))
        })?;
        let mut splices = vec![Splice::new(comment.start..literal.start, "")];
        let before = self.fields.iter().rfind(|field| field.range.end <= comment.start);
        // The separator of the entry before may come after the comment: then it becomes the new entry's.
        let late = before.is_some_and(|field| field.separator.is_some_and(|at| at > comment.start));
        if let Some(before) = before.filter(|field| late || field.separator.is_none()) {
            splices.push(Splice::insert(before.range.end, self.sign()));
        }
        if late {
            splices.push(Splice::new(literal.end..behind, ""));
            return Some(splices);
        }
        let more = self.fields.iter().any(|field| field.range.start > comment.start);
        if more && behind == literal.end {
            splices.push(Splice::insert(literal.end, self.sign()));
        }
        Some(splices)
    }

    /// Removes a string, with its separator, and with its line if nothing else is on it.
    pub fn remove(&self, entry: &[u8]) -> Vec<Splice> {
        let is_entry = |field: &ListField| field.text.as_deref() == Some(entry);
        let found: Vec<usize> = (0..self.fields.len()).filter(|at| is_entry(&self.fields[*at])).collect();
        let alone = found.len() == 1;
        found.into_iter().map(|at| Splice::new(self.extent(at, alone), "")).collect()
    }

    /// The bytes that go with an entry. Several that are removed at once must not claim each other's separators.
    fn extent(&self, at: usize, alone: bool) -> Range<usize> {
        let field = &self.fields[at];
        let (start, end) = (field.range.start, field.separator.map_or(field.range.end, |at| at + 1));
        if let (Tail::Line { comment: None, next }, true) = (tail(self.bytes, end), starts_line(self.bytes, start)) {
            return line_start(self.bytes, start)..next;
        }
        let blank =
            |range: Range<usize>| self.bytes[range].iter().all(|byte| matches!(byte, b' ' | b'\t' | b',' | b';'));
        let before = at.checked_sub(1).map(|at| self.fields[at].range.end);
        match (self.fields.get(at + 1), before) {
            (Some(next), _) if alone && blank(end..next.range.start) => start..next.range.start,
            (None, Some(before)) if alone && blank(before..start) => before..field.range.end,
            _ => start..end,
        }
    }
}

/// If the comment is this entry, commented out: where its string is, and where the entry ends.
fn commented(bytes: &[u8], comment: Token, entry: &[u8]) -> Option<(Range<usize>, usize)> {
    let inside = &bytes[..comment.end];
    let mut lexer = Lexer::starting(inside, comment.start + 2, comment.line);
    let mut token = lexer.token().ok()?;
    if token.kind == TokenKind::Space {
        token = lexer.token().ok()?;
    }
    if token.kind != TokenKind::Text || literal::string(inside, token).ok()? != entry {
        return None;
    }
    let behind = separator(inside, token.end).unwrap_or(token.end);
    // Words after it would become code.
    match tail(inside, behind) {
        Tail::End { .. } => Some((token.start..token.end, behind)),
        _ => None,
    }
}
