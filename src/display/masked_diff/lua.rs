//! Secrets in Lua: the strings and numbers of every expression that is assigned to a name like a secret's, in code and
//! in comments, and those of the variables that such an expression uses.

use std::collections::BTreeSet;
use std::ops::Range;

use super::names::{is_harmless, is_secret};
use super::text;
use crate::lua::lexer::{Lexer, Token, TokenKind};

/// How many assignments back a variable is followed.
const ROUNDS: usize = 4;

/// How often reading restarts after something that is not Lua, in a file or in a comment.
const RESTARTS: usize = 100;

/// The values of settings that look like secrets.
pub fn secrets(source: &[u8]) -> Vec<Range<usize>> {
    let whole = read(source, 0);
    let mut found = whole.rest.map_or_else(Vec::new, |rest| text::settings(source, rest..source.len()));
    let mut parts = vec![whole.code];
    // Without their dashes, consecutive comments are a text of their own, and often Lua.
    let mut bare = source.to_vec();
    let mut runs: Vec<Range<usize>> = Vec::new();
    for comment in &whole.comments {
        let dashes = comment.start..comment.start + 2;
        bare[dashes].fill(b' ');
        let inner = match comment.kind {
            TokenKind::LongComment => comment.start + 2 + brackets(source, comment.start + 2),
            _ => comment.start + 2,
        };
        found.extend(text::settings(source, inner..comment.end));
        let between = |last: &Range<usize>| &source[last.end..comment.start];
        match runs.last_mut() {
            Some(last) if comment.kind == TokenKind::Comment && between(last).trim_ascii().is_empty() => {
                last.end = comment.end;
            }
            _ => runs.push(inner..comment.end),
        }
    }
    for run in runs {
        parts.push(read(&bare[..run.end], run.start).code);
    }
    let mut names = BTreeSet::new();
    let mut values = Vec::new();
    for _ in 0..ROUNDS {
        let known = names.len();
        let mut round = Values { source, names, found: Vec::new() };
        for part in &parts {
            round.of(part);
        }
        (names, values) = (round.names, round.found);
        if names.len() == known {
            break;
        }
    }
    found.extend(values);
    found
}

/// The length of the long bracket that opens at `at`.
fn brackets(source: &[u8], at: usize) -> usize {
    let equals = source[at + 1..].iter().take_while(|byte| **byte == b'=');
    equals.count() + 2
}

/// The tokens of a source.
struct Read {
    code: Vec<Token>,
    comments: Vec<Token>,
    /// Where reading first failed.
    rest: Option<usize>,
}

/// Reads from `at` to the end. What is not Lua is skipped to the end of its line.
fn read(source: &[u8], at: usize) -> Read {
    let mut read = Read { code: Vec::new(), comments: Vec::new(), rest: None };
    let mut lexer = Lexer::starting(source, at, 1);
    let mut end = at;
    let mut restarts = 0;
    loop {
        match lexer.token() {
            Ok(token) => {
                end = token.end;
                match token.kind {
                    TokenKind::End => return read,
                    TokenKind::Space | TokenKind::Mark => {}
                    TokenKind::Comment | TokenKind::LongComment => read.comments.push(token),
                    _ => read.code.push(token),
                }
            }
            Err(_) => {
                read.rest.get_or_insert(end);
                let next = source[end..].iter().position(|byte| *byte == b'\n');
                restarts += 1;
                let Some(next) = next.filter(|_| restarts < RESTARTS) else {
                    return read;
                };
                end += next + 1;
                lexer = Lexer::starting(source, end, 1);
            }
        }
    }
}

fn is_keyword(word: &[u8]) -> bool {
    const KEYWORDS: [&[u8]; 21] = [
        b"and",
        b"break",
        b"do",
        b"else",
        b"elseif",
        b"end",
        b"false",
        b"for",
        b"function",
        b"if",
        b"in",
        b"local",
        b"nil",
        b"not",
        b"or",
        b"repeat",
        b"return",
        b"then",
        b"true",
        b"until",
        b"while",
    ];
    KEYWORDS.contains(&word)
}

/// What may come between a name and the value that it is assigned, called with or compared to.
const ASSIGNS: [&[u8]; 8] = [b"=", b"==", b"~=", b":", b".", b"[", b"(", b"{"];

struct Values<'a> {
    source: &'a [u8],
    /// Variables that hold secrets although their names do not say so.
    names: BTreeSet<Vec<u8>>,
    found: Vec<Range<usize>>,
}

impl<'a> Values<'a> {
    fn text(&self, token: &Token) -> &'a [u8] {
        &self.source[token.start..token.end]
    }

    fn is(&self, tokens: &[Token], at: usize, wanted: &[&[u8]]) -> bool {
        tokens.get(at).is_some_and(|token| {
            matches!(token.kind, TokenKind::Symbol | TokenKind::Name) && wanted.contains(&self.text(token))
        })
    }

    /// Finds the values in these tokens. Each token is examined once, or twice in a list of names.
    fn of(&mut self, tokens: &[Token]) {
        let mut at = 0;
        let mut open: Vec<u8> = Vec::new();
        while let Some(token) = tokens.get(at) {
            match self.text(token) {
                bracket @ (b"(" | b"[" | b"{") => open.push(bracket[0]),
                b")" | b"]" | b"}" => drop(open.pop()),
                _ => {}
            }
            let listed = open.last() != Some(&b'{') && open.last() != Some(&b'(');
            at = match self.named(tokens, at) {
                Some(value) if listed && self.is(tokens, value, &[b","]) => self.list(tokens, value),
                Some(value) if self.is(tokens, value, &ASSIGNS) => {
                    let many = listed && at > 0 && self.is(tokens, at - 1, &[b","]);
                    self.value(tokens, value, many)
                }
                Some(value) if tokens.get(value).is_some_and(is_string) => self.value(tokens, value, false),
                _ => at + 1,
            };
        }
    }

    /// Where the value starts, if the token at `at` is the name of a secret: `name`, or `name` in `["name"]`.
    fn named(&self, tokens: &[Token], at: usize) -> Option<usize> {
        let token = &tokens[at];
        let text = self.text(token);
        match token.kind {
            TokenKind::Name => (is_secret(text) || self.names.contains(text)).then_some(at + 1),
            TokenKind::Text => {
                let key = at > 0 && self.is(tokens, at - 1, &[b"["]) && self.is(tokens, at + 1, &[b"]"]);
                (key && self.is(tokens, at + 2, &[b"="]) && is_secret(text)).then_some(at + 2)
            }
            _ => None,
        }
    }

    /// Masks all values of `name, other = value, other`, without matching them to names.
    fn list(&mut self, tokens: &[Token], mut at: usize) -> usize {
        while let Some(token) = tokens.get(at) {
            let text = self.text(token);
            let name = token.kind == TokenKind::Name && !is_keyword(text);
            if self.is(tokens, at, &[b"="]) {
                return self.value(tokens, at, true);
            }
            if !name && !matches!(text, b"," | b".") {
                break;
            }
            at += 1;
        }
        at
    }

    /// Masks the expression that starts at `at`, or the whole comma-separated list if `many`. Returns where it ends.
    fn value(&mut self, tokens: &[Token], mut at: usize, many: bool) -> usize {
        let mut depth = 0usize;
        // Whether an operand must follow: where none must, a name begins the next statement.
        let mut due = true;
        at += usize::from(self.is(tokens, at, &[b"="]));
        while let Some(token) = tokens.get(at) {
            let text = self.text(token);
            match (token.kind, text) {
                (TokenKind::Text | TokenKind::LongText | TokenKind::Number, _) => {
                    self.hide(token);
                    due = false;
                }
                (TokenKind::Symbol, b"(" | b"[" | b"{") => (depth, due) = (depth + 1, true),
                (TokenKind::Symbol, b")" | b"]" | b"}") | (TokenKind::Name, b"end" | b"until") => {
                    if depth == 0 {
                        return at;
                    }
                    (depth, due) = (depth - 1, false);
                }
                (TokenKind::Symbol, b";") if depth == 0 => return at,
                (TokenKind::Symbol, b",") if depth == 0 && !many => return at,
                (TokenKind::Symbol, _) | (TokenKind::Name, b"and" | b"or" | b"not") => due = true,
                (TokenKind::Name, b"function" | b"if" | b"do" | b"repeat") if depth > 0 || due => {
                    (depth, due) = (depth + 1, true);
                }
                (TokenKind::Name, _) if depth == 0 && !due => return at,
                _ => {
                    self.variable(tokens, at);
                    due = false;
                }
            }
            at += 1;
        }
        at
    }

    /// Notes a variable whose value is used directly: not a field, a method, a function or a key.
    fn variable(&mut self, tokens: &[Token], at: usize) {
        let text = self.text(&tokens[at]);
        let field = at > 0 && self.is(tokens, at - 1, &[b".", b":"]);
        let other = self.is(tokens, at + 1, &[b"=", b".", b":", b"(", b"{", b"["]);
        if !field && !other && !is_keyword(text) {
            self.names.insert(text.to_vec());
        }
    }

    fn hide(&mut self, token: &Token) {
        let text = self.text(token);
        let quotes = match token.kind {
            TokenKind::Text => 1,
            TokenKind::LongText => brackets(text, 0),
            _ => 0,
        };
        if !is_harmless(&text[quotes..text.len() - quotes]) {
            self.found.push(token.start + quotes..token.end - quotes);
        }
    }
}

fn is_string(token: &Token) -> bool {
    matches!(token.kind, TokenKind::Text | TokenKind::LongText)
}
