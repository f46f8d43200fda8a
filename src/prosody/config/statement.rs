//! Parses statements, one after the other.

use std::borrow::Cow;
use std::ops::Range;

use super::expression::Place;
use super::parser::{EventKind, Parsed, Parser, Shape};
use crate::lua::lexer::{Token, TokenKind};
use crate::lua::value::Value;

/// The functions of Prosody's loader that change what is configured. `RunScript` runs outside the configuration.
const LOADER: [&[u8]; 7] = [b"VirtualHost", b"Host", b"host", b"Component", b"component", b"Include", b"include"];

pub(super) fn is_loader(name: &[u8]) -> bool {
    LOADER.contains(&name)
}

impl<'a> Parser<'a> {
    /// Parses one statement.
    pub fn statement(&mut self) -> Parsed<()> {
        let word = if self.token.kind == TokenKind::Name { self.text(self.token) } else { b"" };
        match word {
            b"if" => self.condition(),
            b"while" => {
                self.advance()?;
                self.expression()?;
                self.body()
            }
            b"for" => self.counted(),
            b"do" => {
                self.advance()?;
                self.block()?;
                self.expect(b"end")
            }
            b"repeat" => {
                self.advance()?;
                self.perhaps(Self::block)?;
                self.expect(b"until")?;
                self.expression().map(drop)
            }
            b"function" => self.named_function(),
            b"local" => self.declaration(),
            b"return" => self.leave(),
            b"break" => self.advance(),
            b"goto" if self.peek()?.kind == TokenKind::Name => {
                self.advance()?;
                self.name()?;
                self.lose_track();
                Ok(())
            }
            _ if self.accept(b";")? => Ok(()),
            _ if self.accept(b"::")? => {
                self.name()?;
                self.lose_track();
                self.expect(b"::")
            }
            _ => self.expression_statement(),
        }
    }

    /// Records that whatever follows may not run, or may run twice.
    fn lose_track(&mut self) {
        if !self.in_function {
            self.push(EventKind::Unknown, self.before, self.token.line);
            self.lost = true;
        }
        self.certain = false;
    }

    fn condition(&mut self) -> Parsed<()> {
        while self.accept(b"if")? || self.accept(b"elseif")? {
            self.expression()?;
            self.expect(b"then")?;
            self.perhaps(Self::block)?;
        }
        if self.accept(b"else")? {
            self.perhaps(Self::block)?;
        }
        self.expect(b"end")
    }

    fn body(&mut self) -> Parsed<()> {
        self.expect(b"do")?;
        self.perhaps(Self::block)?;
        self.expect(b"end")
    }

    fn counted(&mut self) -> Parsed<()> {
        self.advance()?;
        let mut names = vec![self.name()?];
        while self.accept(b",")? {
            names.push(self.name()?);
        }
        if !self.accept(b"=")? {
            self.expect(b"in")?;
        }
        self.expressions()?;
        self.expect(b"do")?;
        self.perhaps(|parser| {
            for name in names {
                parser.declare(name, None)?;
            }
            parser.block()
        })?;
        self.expect(b"end")
    }

    fn named_function(&mut self) -> Parsed<()> {
        let Token { start, line, .. } = self.token;
        self.advance()?;
        let first = self.name()?;
        let mut method = false;
        let simple = !self.is(b".") && !self.is(b":");
        while self.is(b".") || self.is(b":") {
            method = self.is(b":");
            self.advance()?;
            self.name()?;
        }
        let local = match self.local(first) {
            Some(local) => {
                local.constant = None;
                true
            }
            None => false,
        };
        if is_loader(first) && !local {
            self.push(EventKind::Escape, start, line);
        }
        self.function(method)?;
        if simple && !local {
            let (name, at) = (Cow::Borrowed(first), start..self.before);
            let set = EventKind::Set { name, value: Value::Computed, at, literal: false, shape: Shape::Statement };
            self.push(set, start, line);
        }
        Ok(())
    }

    fn declaration(&mut self) -> Parsed<()> {
        self.advance()?;
        if self.accept(b"function")? {
            let name = self.name()?;
            self.declare_local(name, None)?;
            return self.function(false);
        }
        let mut names = vec![self.attributed()?];
        while self.accept(b",")? {
            names.push(self.attributed()?);
        }
        let values = if self.accept(b"=")? { self.expressions()? } else { Vec::new() };
        let mut values = values.into_iter();
        for name in names {
            let constant = match values.next().map(|expression| expression.value) {
                Some(Value::String(bytes)) if self.certain => Some(bytes),
                _ => None,
            };
            self.declare_local(name, constant)?;
        }
        Ok(())
    }

    fn declare_local(&mut self, name: &'a [u8], constant: Option<Vec<u8>>) -> Parsed<()> {
        if !self.in_function {
            self.push(EventKind::Local { name }, self.before, self.token.line);
        }
        self.declare(name, constant)
    }

    /// A name, perhaps with an attribute of Lua 5.4 after it.
    fn attributed(&mut self) -> Parsed<&'a [u8]> {
        let name = self.name()?;
        if self.accept(b"<")? {
            self.name()?;
            self.expect(b">")?;
        }
        Ok(name)
    }

    fn leave(&mut self) -> Parsed<()> {
        self.advance()?;
        if !self.at_block_end() && !self.is(b";") {
            self.expressions()?;
        }
        self.accept(b";")?;
        if !self.at_block_end() {
            return self.unexpected();
        }
        if !self.in_function {
            self.lose_track();
        }
        Ok(())
    }

    fn expression_statement(&mut self) -> Parsed<()> {
        let (start, line) = (self.token.start, self.token.line);
        if self.loader_call()? {
            return Ok(());
        }
        let first = self.suffixed()?;
        if self.is(b"=") || self.is(b",") {
            return self.assignment(first.place, start, line);
        }
        match first.place {
            Place::Call => {}
            _ => return self.unexpected(),
        }
        if let Some((name, value)) = first.appended {
            let at = start..self.before;
            let set = EventKind::Set { name: Cow::Borrowed(name), value, at, literal: false, shape: Shape::Append };
            self.push(set, start, line);
        }
        Ok(())
    }

    fn assignment(&mut self, first: Place<'a>, start: usize, line: usize) -> Parsed<()> {
        let mut others = Vec::new();
        while self.accept(b",")? {
            others.push(self.suffixed()?.place);
        }
        self.expect(b"=")?;
        let at = self.token.start;
        let expression = self.expression()?;
        let (mut value, mut literal) = (expression.value, expression.literal);
        while self.accept(b",")? {
            self.expression()?;
            (value, literal) = (Value::Computed, false);
        }
        if !others.is_empty() {
            (value, literal) = (Value::Computed, false);
        }
        for place in std::iter::once(first).chain(others) {
            let (value, at) = (std::mem::replace(&mut value, Value::Computed), at..self.before);
            match place {
                Place::Name(name) => self.assign(name, value, literal, at, start, line),
                Place::Field => {}
                _ => return self.unexpected(),
            }
        }
        Ok(())
    }

    fn assign(&mut self, name: &'a [u8], value: Value, literal: bool, at: Range<usize>, start: usize, line: usize) {
        if let Some(local) = self.local(name) {
            local.constant = None;
        } else if is_loader(name) || name == b"__currenthost" || name == b"_ENV" {
            self.push(EventKind::Escape, start, line);
        } else {
            let name = Cow::Borrowed(name);
            self.push(EventKind::Set { name, value, at, literal, shape: Shape::Statement }, start, line);
        }
    }
}
