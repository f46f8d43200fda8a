//! What a plugin requires: the modules that its source names, and how it calls one of them. Read from the tokens, so
//! comments and strings do not count; names that the plugin computes cannot be seen.

use super::lexer::{Lexer, SyntaxError, Token, TokenKind};
use super::literal;

/// How a module is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequireKind {
    /// `require "x"`: a Lua module.
    Lua,
    /// `module:require "x"`: the file `x.lib.lua` among the plugins.
    ModuleLib,
    /// `module:depends "x"`: the Prosody module `mod_x.lua`.
    Depends,
}

/// One required module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Require {
    /// Which call requires it.
    pub kind: RequireKind,
    /// Its name as written.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
}

/// One call of a module's function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function's name.
    pub function: String,
    /// The number of arguments, as written.
    pub args: usize,
    /// The line, from 1.
    pub line: usize,
}

/// The modules that the source requires by a literal name, in order. `pcall(require, "x")` does not count: its author
/// can do without the module.
pub fn requires(source: &[u8]) -> Result<Vec<Require>, SyntaxError> {
    let tokens = Tokens::read(source)?;
    let all = (0..tokens.all.len()).filter_map(|at| Some(tokens.require(at)?.0)).collect();
    Ok(all)
}

/// The calls `x.f(…)`, where `x` is a name bound by `x = require "module"` or `module:require "module"`. Also
/// `pcall(x.f, …)` and `require "module".f(…)`.
pub fn calls_on(source: &[u8], module: &str) -> Result<Vec<Call>, SyntaxError> {
    let tokens = Tokens::read(source)?;
    let mut names: Vec<&[u8]> = Vec::new();
    let mut calls = Vec::new();
    for at in 0..tokens.all.len() {
        if let Some((require, end)) = tokens.require(at).filter(|(require, _)| require.name == module) {
            if require.kind == RequireKind::Depends {
                continue;
            }
            if at >= 2 && tokens.text(at - 1) == b"=" && tokens.is_name(at - 2) {
                names.push(tokens.text(at - 2));
            }
            calls.extend(tokens.call(at, end));
        } else if names.contains(&tokens.text(at)) && (at == 0 || !matches!(tokens.text(at - 1), b"." | b":")) {
            calls.extend(tokens.call(at, at + 1));
        }
    }
    Ok(calls)
}

/// The tokens of a source, without whitespace and comments.
struct Tokens<'a> {
    source: &'a [u8],
    all: Vec<Token>,
}

impl<'a> Tokens<'a> {
    fn read(source: &'a [u8]) -> Result<Self, SyntaxError> {
        let mut lexer = Lexer::new(source);
        let mut all = Vec::new();
        loop {
            lexer.blanks();
            let token = lexer.token()?;
            match token.kind {
                TokenKind::End => return Ok(Self { source, all }),
                TokenKind::Mark | TokenKind::Space | TokenKind::Comment | TokenKind::LongComment => {}
                _ => all.push(token),
            }
        }
    }

    /// The text of a token; empty past the last one.
    fn text(&self, at: usize) -> &'a [u8] {
        self.all.get(at).map_or(b"", |token| &self.source[token.start..token.end])
    }

    fn is_name(&self, at: usize) -> bool {
        self.all.get(at).is_some_and(|token| token.kind == TokenKind::Name)
    }

    /// The value of a string token.
    fn string(&self, at: usize) -> Option<String> {
        let token = *self.all.get(at)?;
        let text = matches!(token.kind, TokenKind::Text | TokenKind::LongText);
        let bytes = text.then(|| literal::string(self.source, token).ok())??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The `require` whose first token is here, and the first token after it.
    fn require(&self, at: usize) -> Option<(Require, usize)> {
        let member = at > 0 && matches!(self.text(at - 1), b"." | b":");
        let (kind, argument) = match (self.text(at), self.text(at + 1), self.text(at + 2)) {
            (b"require", ..) if !member => (RequireKind::Lua, at + 1),
            (b"module", b":", b"require") => (RequireKind::ModuleLib, at + 3),
            (b"module", b":", b"depends") => (RequireKind::Depends, at + 3),
            _ => return None,
        };
        let line = self.all[at].line;
        let (name, end) = match self.string(argument) {
            Some(name) => (name, argument + 1),
            None if self.text(argument) == b"(" && matches!(self.text(argument + 2), b")" | b",") => {
                (self.string(argument + 1)?, argument + 3)
            }
            None => return None,
        };
        Some((Require { kind, name, line }, end))
    }

    /// The call of a field of the expression from `start` to `end`.
    fn call(&self, start: usize, end: usize) -> Option<Call> {
        if self.text(end) != b"." || !self.is_name(end + 1) {
            return None;
        }
        let function = String::from_utf8_lossy(self.text(end + 1)).into_owned();
        let line = self.all[end + 1].line;
        let behind = end + 2;
        let args = match self.text(behind) {
            b"(" => self.arguments(behind),
            b"{" => 1,
            b"," | b")" if start >= 2 && self.text(start - 1) == b"(" && self.text(start - 2).ends_with(b"pcall") => {
                let handler = usize::from(self.text(start - 2) == b"xpcall");
                self.arguments(start - 1).saturating_sub(1 + handler)
            }
            _ if self.string(behind).is_some() => 1,
            _ => return None,
        };
        Some(Call { function, args, line })
    }

    /// The number of arguments in the parentheses that open here.
    fn arguments(&self, open: usize) -> usize {
        let mut depth = 0;
        let mut commas = 0;
        for at in open..self.all.len() {
            match self.text(at) {
                b"(" | b"{" | b"[" | b"function" | b"if" | b"do" | b"repeat" => depth += 1,
                b")" | b"}" | b"]" | b"end" | b"until" => depth -= 1,
                b"," if depth == 1 => commas += 1,
                _ => {}
            }
            if depth == 0 {
                return if at == open + 1 { 0 } else { commas + 1 };
            }
        }
        commas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLUGIN: &[u8] = br#"#!/usr/bin/lua
-- require "commented"
local jwt = require "luajwtjitsi"; local s = 'require "quoted"'
local json = require("cjson.safe")
local util = module:require ("token/util");
module:depends("jitsi_session");
local ok, x = pcall(require, "optional");
local name = "a"; require(name .. "b"); other.require "no"
local f = require "luajwtjitsi".encode({ a = 1 }, key)
local a, b = jwt.verify(token, f(1, 2), { x, y }, function (p, q) return p, q end, nil)
local ok = pcall(jwt.decode, token, key, true)
not_jwt.jwt.verify()
"#;

    #[test]
    fn required_modules_are_found() {
        let found: Vec<_> = requires(PLUGIN).unwrap().into_iter().map(|r| (r.kind, r.name, r.line)).collect();
        let expected = [
            (RequireKind::Lua, "luajwtjitsi", 3),
            (RequireKind::Lua, "cjson.safe", 4),
            (RequireKind::ModuleLib, "token/util", 5),
            (RequireKind::Depends, "jitsi_session", 6),
            (RequireKind::Lua, "luajwtjitsi", 9),
        ];
        assert_eq!(found, expected.map(|(kind, name, line)| (kind, name.to_owned(), line)));
    }

    #[test]
    fn calls_are_found_with_their_arguments() {
        let found: Vec<_> =
            calls_on(PLUGIN, "luajwtjitsi").unwrap().into_iter().map(|c| (c.function, c.args, c.line)).collect();
        let expected = [("encode", 2, 9), ("verify", 5, 10), ("decode", 3, 11)];
        assert_eq!(found, expected.map(|(name, args, line)| (name.to_owned(), args, line)));
    }

    #[test]
    fn unfinished_strings_are_reported_with_their_line() {
        assert_eq!(requires(b"\nx = 'y\n").unwrap_err().line(), 2);
    }
}
