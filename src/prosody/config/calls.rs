//! Calls to Prosody's own functions: `VirtualHost`, `Component` and `Include`.

use super::parser::{EventKind, Parsed, Parser};
use super::statement::is_loader;
use crate::lua::lexer::TokenKind;
use crate::lua::value::Value;

impl Parser<'_> {
    /// Reads a statement that calls one of the loader's functions; false if the next one does not.
    pub fn loader_call(&mut self) -> Parsed<bool> {
        if self.token.kind != TokenKind::Name {
            return Ok(false);
        }
        let name = self.text(self.token);
        if !is_loader(name) || self.local(name).is_some() {
            return Ok(false);
        }
        let next = self.peek()?;
        let called =
            matches!(next.kind, TokenKind::Text | TokenKind::LongText) || matches!(self.text(next), b"(" | b"{");
        if !called {
            return Ok(false);
        }
        match name {
            b"Include" | b"include" => self.include()?,
            _ => self.section(matches!(name, b"Component" | b"component"))?,
        }
        // Calling what the call returned: nobody writes that.
        while self.at_arguments() {
            let line = self.token.line;
            self.arguments()?;
            self.push(EventKind::Escape, self.before, line);
        }
        if self.is(b".") || self.is(b":") || self.is(b"[") {
            return self.unexpected();
        }
        Ok(true)
    }

    fn include(&mut self) -> Parsed<()> {
        let start = self.token;
        self.advance()?;
        let path = match self.arguments()? {
            Value::String(path) => Some(path),
            _ => None,
        };
        self.push(EventKind::Include { path }, start.start, start.line);
        Ok(())
    }

    fn section(&mut self, component: bool) -> Parsed<()> {
        let word = self.token;
        self.advance()?;
        let name = match self.arguments()? {
            Value::String(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        };
        let mut module = None;
        let mut odd = false;
        let options = self.is(b"{") || self.is(b"(") && self.text(self.peek()?) == b"{";
        if component && self.at_arguments() && !options {
            match self.arguments()? {
                Value::String(name) => module = Some(name),
                _ => odd = true,
            }
        }
        let index = self.events.len();
        self.push(EventKind::Section { component, name, module, body: None }, word.start, word.line);
        let parentheses = self.is(b"(") && self.text(self.peek()?) == b"{";
        if self.is(b"{") || parentheses {
            self.accept(b"(")?;
            let start = self.token.start;
            self.table(true)?;
            let end = self.before;
            if parentheses {
                self.expect(b")")?;
            }
            self.events[index].range.end = self.before;
            if let EventKind::Section { body, .. } = &mut self.events[index].kind {
                *body = Some(start..end);
            }
            self.push(EventKind::Global, end, self.token.line);
        } else if self.at_arguments() {
            self.arguments()?;
            self.events[index].range.end = self.before;
            odd = true;
        }
        if odd {
            self.push(EventKind::Escape, word.start, word.line);
        }
        Ok(())
    }
}
