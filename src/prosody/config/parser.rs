//! Turns the statements of a configuration file into what they do to the configuration, in order. Any other Lua is
//! parsed only far enough to know where it ends and that its effect is unknown.

use std::borrow::Cow;
use std::ops::Range;

use crate::lua::lexer::{Lexer, SyntaxError, Token, TokenKind};
use crate::lua::value::Value;

/// Lua's own limit; deeper nesting is an error there too, and would overflow our stack.
const MAX_DEPTH: usize = 200;

/// Lua's own limit for one function; keeps the search for a name short.
const MAX_LOCALS: usize = 200;

/// The longest concatenated string that is evaluated, in bytes; the value of a longer one is unknown.
pub(super) const MAX_STRING: usize = 64 << 10;

/// How many bytes beyond the file's own length the strings copied from variables may take, all together.
const MAX_COPIED: usize = 1 << 20;

/// The most local variables that all functions around a place may have: each name is looked for among them.
const MAX_VISIBLE: usize = 1000;

pub(super) type Parsed<T> = Result<T, SyntaxError>;

/// One thing that happens to the configuration when a file is run.
#[derive(Clone, Debug)]
pub(super) struct Event<'a> {
    pub kind: EventKind<'a>,
    /// The bytes of the statement, or of the field in a table of options.
    pub range: Range<usize>,
    pub line: usize,
    /// Whether it happens exactly once, here: not under `if` or in a loop.
    pub certain: bool,
    /// Whether it is in the body of a function, which may run at any time.
    pub deferred: bool,
}

#[derive(Clone, Debug)]
pub(super) enum EventKind<'a> {
    /// `VirtualHost` or `Component`; the name is none if it is computed.
    Section { component: bool, name: Option<Vec<u8>>, module: Option<Vec<u8>>, body: Option<Range<usize>> },
    /// Back to the global section, after a section with its options in a table.
    Global,
    /// An option is set. `at` is the range of the value; `literal` says whether it is written out there.
    Set { name: Cow<'a, [u8]>, value: Value, at: Range<usize>, literal: bool, shape: Shape },
    /// An option in a comment of its own: `--name = value`.
    Commented { name: &'a [u8], value: Value },
    /// An included file; none if its name is computed.
    Include { path: Option<Vec<u8>> },
    /// From here on, the current section is unknown.
    Unknown,
    /// The loader's functions are used in a way that cannot be followed: anything may be set anywhere.
    Escape,
    /// A function of the file's own may have been called.
    Call,
    /// A local variable: an option of that name cannot be set where it is visible.
    Local { name: &'a [u8] },
}

/// How an option is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `name = value`.
    Statement,
    /// A field of `VirtualHost "x" { … }`.
    Field,
    /// `name:append { … }` or `name { … }`, which Prosody 13 supports.
    Append,
}

pub(super) struct Local<'a> {
    pub name: &'a [u8],
    /// The string that it holds, as long as that is certain.
    pub constant: Option<Vec<u8>>,
}

pub(super) struct Parser<'a> {
    pub source: &'a [u8],
    lexer: Lexer<'a>,
    /// The next token that is neither blank nor comment.
    pub token: Token,
    /// The end of the token before it.
    pub before: usize,
    /// The comments between the two.
    pub comments: Vec<Token>,
    depth: usize,
    pub certain: bool,
    pub in_function: bool,
    pub locals: Vec<Local<'a>>,
    function_locals: usize,
    pub events: Vec<Event<'a>>,
    pub deferred: bool,
    /// Whether a jump has made it unknown which of the rest runs.
    pub lost: bool,
    /// Bytes of strings that were copied from variables.
    copied: usize,
}

/// What running the file does to the configuration: `each` gets the events as they are read, statement by statement,
/// because all events of a large file take more memory than the file.
pub(super) fn parse<'a>(source: &'a [u8], mut each: impl FnMut(Event<'a>)) -> Parsed<()> {
    let mut parser = Parser::new(source, Lexer::new(source))?;
    loop {
        parser.remarks();
        parser.events.drain(..).for_each(&mut each);
        if parser.at_block_end() {
            break;
        }
        parser.deeper(Parser::statement)?;
    }
    match parser.token.kind {
        TokenKind::End => Ok(()),
        _ => parser.unexpected(),
    }
}

/// Whether Prosody could parse this text.
pub(super) fn parses(source: &[u8]) -> bool {
    parse(source, |_| ()).is_ok()
}

impl<'a> Parser<'a> {
    pub fn new(source: &'a [u8], lexer: Lexer<'a>) -> Parsed<Self> {
        let token = Token { kind: TokenKind::End, start: 0, end: 0, line: 1 };
        let mut parser = Self {
            source,
            lexer,
            token,
            before: 0,
            comments: Vec::new(),
            depth: 0,
            certain: true,
            in_function: false,
            locals: Vec::new(),
            function_locals: 0,
            events: Vec::new(),
            deferred: false,
            lost: false,
            copied: 0,
        };
        parser.advance()?;
        Ok(parser)
    }

    pub fn text(&self, token: Token) -> &'a [u8] {
        &self.source[token.start..token.end]
    }

    /// The text of the next token if it is a name or a symbol; otherwise empty.
    pub fn word(&self) -> &'a [u8] {
        match self.token.kind {
            TokenKind::Name | TokenKind::Symbol => self.text(self.token),
            _ => b"",
        }
    }

    pub fn is(&self, text: &[u8]) -> bool {
        self.word() == text
    }

    /// Advances to the next token. Written out, field by field: copying tokens took a third of the time.
    pub fn advance(&mut self) -> Parsed<()> {
        self.before = self.token.end;
        self.comments.clear();
        loop {
            self.lexer.blanks();
            let (start, line) = self.lexer.position();
            let kind = self.lexer.step()?;
            let end = self.lexer.position().0;
            match kind {
                TokenKind::Comment => self.comments.push(Token { kind, start, end, line }),
                TokenKind::Mark | TokenKind::Space | TokenKind::LongComment => {}
                _ => {
                    self.token.kind = kind;
                    self.token.start = start;
                    self.token.end = end;
                    self.token.line = line;
                    return Ok(());
                }
            }
        }
    }

    /// The token after the next one.
    pub fn peek(&self) -> Parsed<Token> {
        let mut lexer = self.lexer.clone();
        loop {
            lexer.blanks();
            let token = lexer.token()?;
            if !matches!(token.kind, TokenKind::Mark | TokenKind::Space | TokenKind::Comment | TokenKind::LongComment) {
                return Ok(token);
            }
        }
    }

    pub fn accept(&mut self, text: &[u8]) -> Parsed<bool> {
        let found = self.is(text);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub fn expect(&mut self, text: &[u8]) -> Parsed<()> {
        if self.accept(text)? {
            return Ok(());
        }
        let found = self.shown();
        self.fail(format!("expected '{}' near {found}", String::from_utf8_lossy(text)))
    }

    pub fn name(&mut self) -> Parsed<&'a [u8]> {
        if self.token.kind != TokenKind::Name || is_keyword(self.text(self.token)) {
            let found = self.shown();
            return self.fail(format!("expected a name near {found}"));
        }
        let name = self.word();
        self.advance()?;
        Ok(name)
    }

    fn shown(&self) -> String {
        match self.token.kind {
            TokenKind::End => "end of the file".to_owned(),
            // It may be a secret.
            TokenKind::Text | TokenKind::LongText => "a string".to_owned(),
            _ => format!("'{}'", String::from_utf8_lossy(self.text(self.token))),
        }
    }

    pub fn unexpected<T>(&self) -> Parsed<T> {
        self.fail(format!("unexpected {}", self.shown()))
    }

    pub fn fail<T>(&self, message: String) -> Parsed<T> {
        Err(SyntaxError::new(self.token.line, message))
    }

    /// Runs `inside` one level deeper.
    pub fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return self.fail("nested too deeply".to_owned());
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    pub fn push(&mut self, kind: EventKind<'a>, start: usize, line: usize) {
        let event = Event { kind, range: start..self.before, line, certain: self.certain, deferred: self.in_function };
        self.deferred |= self.in_function;
        self.events.push(event);
    }

    pub fn declare(&mut self, name: &'a [u8], constant: Option<Vec<u8>>) -> Parsed<()> {
        let own = self.locals.len() - self.function_locals;
        if own >= MAX_LOCALS || self.locals.len() >= MAX_VISIBLE {
            return self.fail("too many local variables".to_owned());
        }
        self.locals.push(Local { name, constant });
        Ok(())
    }

    /// The string that a variable holds, as long as all such copies together are not much larger than the file.
    pub fn constant(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let bytes = self.local(name)?.constant.clone()?;
        self.copied += bytes.len();
        (self.copied <= self.source.len() + MAX_COPIED).then_some(bytes)
    }

    pub fn local(&mut self, name: &[u8]) -> Option<&mut Local<'a>> {
        self.locals.iter_mut().rev().find(|local| local.name == name)
    }

    /// Parses statements up to a word that ends a block.
    pub fn block(&mut self) -> Parsed<()> {
        let locals = self.locals.len();
        self.deeper(|parser| {
            loop {
                parser.remarks();
                if parser.at_block_end() {
                    return Ok(());
                }
                parser.statement()?;
            }
        })?;
        self.locals.truncate(locals);
        Ok(())
    }

    pub fn at_block_end(&self) -> bool {
        let ends = matches!(self.word(), b"end" | b"else" | b"elseif" | b"until");
        ends || self.token.kind == TokenKind::End
    }

    /// Parses a block that may run once, several times or never.
    pub fn perhaps(&mut self, inside: impl FnOnce(&mut Self) -> Parsed<()>) -> Parsed<()> {
        let (certain, locals, events) = (self.certain, self.locals.len(), self.events.len());
        self.certain = false;
        inside(self)?;
        self.locals.truncate(locals);
        let leaves = self.events[events..].iter().any(|event| matches!(event.kind, EventKind::Unknown));
        let enters = self.events[events..].iter().any(|event| matches!(event.kind, EventKind::Section { .. }));
        if (leaves || enters) && !self.in_function {
            self.push(EventKind::Unknown, self.before, self.token.line);
        }
        self.certain = certain && !self.lost;
        Ok(())
    }

    /// Parses the parameters and body of a function, after the word `function` and its name.
    pub fn function(&mut self, method: bool) -> Parsed<()> {
        let (certain, in_function) = (self.certain, self.in_function);
        let (locals, function_locals) = (self.locals.len(), self.function_locals);
        (self.certain, self.in_function, self.function_locals) = (false, true, locals);
        if method {
            self.declare(b"self", None)?;
        }
        self.expect(b"(")?;
        while !self.is(b")") {
            if !self.accept(b"...")? {
                let name = self.name()?;
                self.declare(name, None)?;
            }
            if !self.accept(b",")? {
                break;
            }
        }
        self.expect(b")")?;
        self.block()?;
        self.expect(b"end")?;
        self.locals.truncate(locals);
        (self.certain, self.in_function, self.function_locals) = (certain, in_function, function_locals);
        Ok(())
    }
}

pub(super) fn is_keyword(word: &[u8]) -> bool {
    matches!(
        word,
        b"and"
            | b"break"
            | b"do"
            | b"else"
            | b"elseif"
            | b"end"
            | b"false"
            | b"for"
            | b"function"
            | b"if"
            | b"in"
            | b"local"
            | b"nil"
            | b"not"
            | b"or"
            | b"repeat"
            | b"return"
            | b"then"
            | b"true"
            | b"until"
            | b"while"
    )
}
