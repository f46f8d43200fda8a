//! Expressions: where they end, and their value if it is plain enough.

use std::borrow::Cow;

use super::parser::{EventKind, MAX_STRING, Parsed, Parser, Shape, is_keyword};
use super::statement::is_loader;
use crate::lua::lexer::TokenKind;
use crate::lua::literal;
use crate::lua::value::{Key, Value};

/// A parsed expression.
pub(super) struct Expression<'a> {
    pub value: Value,
    /// Whether the value is written out here, not held by a variable or the result of an operator.
    pub literal: bool,
    pub place: Place<'a>,
    /// The option and the lists in `name:append { … }` or `name { … }`, of which several may follow each other.
    pub appended: Option<(&'a [u8], Value)>,
}

/// What an expression is, as the target of an assignment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place<'a> {
    Name(&'a [u8]),
    Field,
    Call,
    Nothing,
}

impl Expression<'_> {
    fn plain(value: Value) -> Self {
        Self { value, literal: true, place: Place::Nothing, appended: None }
    }

    fn computed() -> Self {
        Self { value: Value::Computed, literal: false, place: Place::Nothing, appended: None }
    }
}

fn is_operator(text: &[u8]) -> bool {
    matches!(
        text,
        b"+" | b"-"
            | b"*"
            | b"/"
            | b"//"
            | b"%"
            | b"^"
            | b".."
            | b"=="
            | b"~="
            | b"<"
            | b"<="
            | b">"
            | b">="
            | b"and"
            | b"or"
            | b"&"
            | b"|"
            | b"~"
            | b"<<"
            | b">>"
    )
}

/// A list with what is appended to it; an unknown entry stands for anything but a list.
fn joined(list: Value, more: Value) -> Value {
    match (list, more) {
        (Value::Table(mut fields), Value::Table(more)) => {
            fields.extend(more);
            Value::Table(fields)
        }
        (Value::Table(mut fields), _) => {
            fields.push((None, Value::Computed));
            Value::Table(fields)
        }
        _ => Value::Computed,
    }
}

impl<'a> Parser<'a> {
    pub fn expressions(&mut self) -> Parsed<Vec<Expression<'a>>> {
        let mut all = vec![self.expression()?];
        while self.accept(b",")? {
            all.push(self.expression()?);
        }
        Ok(all)
    }

    pub fn expression(&mut self) -> Parsed<Expression<'a>> {
        self.deeper(|parser| {
            let mut result = parser.operand()?;
            while is_operator(parser.word()) {
                let joins = parser.is(b"..");
                parser.advance()?;
                let right = parser.operand()?.value;
                match (&mut result.value, right) {
                    (Value::String(left), Value::String(right)) if joins && left.len() + right.len() <= MAX_STRING => {
                        left.extend(right);
                    }
                    (left, _) => *left = Value::Computed,
                }
                (result.literal, result.place) = (false, Place::Nothing);
            }
            Ok(result)
        })
    }

    fn operand(&mut self) -> Parsed<Expression<'a>> {
        let mut signs = 0;
        let mut minus = false;
        while matches!(self.word(), b"-" | b"not" | b"#" | b"~") {
            minus = self.is(b"-");
            signs += 1;
            self.advance()?;
        }
        let operand = self.simple()?;
        match (signs, &operand.value) {
            (0, _) => Ok(operand),
            (1, Value::Number(number)) if minus => Ok(Expression::plain(Value::Number(-number))),
            _ => Ok(Expression::computed()),
        }
    }

    fn simple(&mut self) -> Parsed<Expression<'a>> {
        let value = match self.token.kind {
            TokenKind::Text | TokenKind::LongText => Value::String(literal::string(self.source, self.token)?),
            TokenKind::Number => literal::number(self.text(self.token)).map_or(Value::Computed, Value::Number),
            TokenKind::Symbol if self.is(b"{") => return Ok(Expression::plain(self.table(false)?)),
            TokenKind::Symbol if self.is(b"...") => Value::Computed,
            TokenKind::Name if self.is(b"nil") => Value::Nil,
            TokenKind::Name if self.is(b"true") => Value::Bool(true),
            TokenKind::Name if self.is(b"false") => Value::Bool(false),
            TokenKind::Name if self.is(b"function") => {
                self.advance()?;
                self.function(false)?;
                return Ok(Expression::computed());
            }
            _ => return self.suffixed(),
        };
        self.advance()?;
        Ok(Expression::plain(value))
    }

    /// A variable, a field, a call, or something in parentheses.
    pub fn suffixed(&mut self) -> Parsed<Expression<'a>> {
        let mut result = self.primary()?;
        let mut suffixes = 0;
        let base = result.place;
        loop {
            suffixes += 1;
            if self.accept(b".")? {
                self.name()?;
                result = Expression { place: Place::Field, ..Expression::computed() };
            } else if self.accept(b"[")? {
                self.expression()?;
                self.expect(b"]")?;
                result = Expression { place: Place::Field, ..Expression::computed() };
            } else if self.is(b":") || self.at_arguments() {
                let method = self.accept(b":")?;
                let appends = !method || self.name()? == b"append";
                let argument = self.arguments()?;
                let is_list = method || matches!(argument, Value::Table(_));
                let appended = match (result.appended, base) {
                    (Some((name, list)), _) if appends => Some((name, joined(list, argument))),
                    (Some(before), _) => Some(before),
                    (None, Place::Name(name)) if suffixes == 1 && appends && is_list => {
                        self.local(name).is_none().then_some((name, argument))
                    }
                    _ => None,
                };
                result = Expression { place: Place::Call, appended, ..Expression::computed() };
                if self.deferred && !self.in_function {
                    self.push(EventKind::Call, self.before, self.token.line);
                }
            } else {
                return Ok(result);
            }
        }
    }

    fn primary(&mut self) -> Parsed<Expression<'a>> {
        if self.is(b"(") {
            self.advance()?;
            let inner = self.expression()?;
            self.expect(b")")?;
            return Ok(Expression { place: Place::Nothing, appended: None, ..inner });
        }
        if self.token.kind != TokenKind::Name || is_keyword(self.text(self.token)) {
            return self.unexpected();
        }
        let (name_start, line) = (self.token.start, self.token.line);
        let name = self.name()?;
        let mut result = Expression { place: Place::Name(name), ..Expression::computed() };
        if self.local(name).is_some() {
            let constant = self.certain.then(|| self.constant(name)).flatten();
            result.value = constant.map_or(Value::Computed, Value::String);
        } else if (is_loader(name) || name == b"_ENV") && !(self.is(b"=") || self.is(b",")) {
            // The loader's functions under another name, or called in the middle of something: all bets are off.
            self.push(EventKind::Escape, name_start, line);
        }
        Ok(result)
    }

    pub fn at_arguments(&self) -> bool {
        matches!(self.token.kind, TokenKind::Text | TokenKind::LongText) || self.is(b"(") || self.is(b"{")
    }

    /// The arguments of a call; returns the first.
    pub fn arguments(&mut self) -> Parsed<Value> {
        if !self.at_arguments() {
            return self.unexpected();
        }
        if !self.accept(b"(")? {
            return self.deeper(|parser| Ok(parser.simple()?.value));
        }
        if self.accept(b")")? {
            return Ok(Value::Nil);
        }
        let first = self.expression()?.value;
        while self.accept(b",")? {
            self.expression()?;
        }
        self.expect(b")")?;
        Ok(first)
    }

    /// A table. Its fields are the options of a section if `options` is set.
    pub fn table(&mut self, options: bool) -> Parsed<Value> {
        self.expect(b"{")?;
        let mut fields = Vec::new();
        while !self.is(b"}") {
            let (start, line) = (self.token.start, self.token.line);
            let key = self.key()?;
            let at = self.token.start;
            let expression = self.expression()?;
            match key {
                Some(Key::Name(name)) if options => {
                    let (name, value, at) = (Cow::Owned(name), expression.value, at..self.before);
                    let literal = expression.literal;
                    self.push(EventKind::Set { name, value, at, literal, shape: Shape::Field }, start, line);
                }
                key => fields.push((key, expression.value)),
            }
            if !self.accept(b",")? && !self.accept(b";")? {
                break;
            }
        }
        self.expect(b"}")?;
        Ok(Value::Table(fields))
    }

    fn key(&mut self) -> Parsed<Option<Key>> {
        if self.accept(b"[")? {
            let key = self.expression()?.value;
            self.expect(b"]")?;
            self.expect(b"=")?;
            return Ok(Some(match key {
                Value::String(bytes) => Key::Name(bytes),
                _ => Key::Other,
            }));
        }
        if self.token.kind == TokenKind::Name && !is_keyword(self.text(self.token)) {
            let next = self.peek()?;
            if self.text(next) == b"=" {
                let name = self.name()?.to_vec();
                self.expect(b"=")?;
                return Ok(Some(Key::Name(name)));
            }
        }
        Ok(None)
    }
}
