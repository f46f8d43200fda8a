//! Options in comments: what a template offers, to be uncommented where it is.

use super::parser::{Event, EventKind, Parser};
use crate::lua::lexer::{Lexer, Token, TokenKind};
use crate::lua::value::Value;

impl Parser<'_> {
    /// Finds options in comments between statements, each on a line of its own.
    pub fn remarks(&mut self) {
        for comment in std::mem::take(&mut self.comments) {
            let line_start = self.source[..comment.start].iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
            if !matches!(line_start, None | Some(b'\n' | b'\r' | 0xbf)) {
                continue;
            }
            if let Some((name, value)) = commented_option(self.source, comment) {
                let kind = EventKind::Commented { name, value };
                let (certain, deferred) = (self.certain, self.in_function);
                self.events.push(Event {
                    kind,
                    range: comment.start..comment.end,
                    line: comment.line,
                    certain,
                    deferred,
                });
            }
        }
    }
}

/// The option in `--name = value` (a `;` or another comment may follow), if the comment is one.
fn commented_option(source: &[u8], comment: Token) -> Option<(&[u8], Value)> {
    let text = source[comment.start + 2..comment.end].trim_ascii_start();
    let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if length == 0 || !text[length..].trim_ascii_start().starts_with(b"=") {
        return None;
    }
    let start = comment.end - text.len();
    let inside = &source[..comment.end];
    let mut parser = Parser::new(inside, Lexer::starting(inside, start, comment.line)).ok()?;
    let name = parser.name().ok()?;
    parser.expect(b"=").ok()?;
    let value = parser.expression().ok()?.value;
    parser.accept(b";").ok()?;
    (parser.token.kind == TokenKind::End).then_some((&source[start..start + name.len()], value))
}
