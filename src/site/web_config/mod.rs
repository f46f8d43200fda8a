//! The web page's configuration, `DOMAIN-config.js`: sets a few entries or comments them out without touching any other
//! byte. Parses just enough JavaScript for that, and refuses what it cannot follow.

pub mod scan;

use std::ops::Range;

use scan::{ScriptToken, ScriptTokenKind, scan};

/// The result of planning an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageEdit {
    /// Nothing to do.
    Unchanged,
    /// The new contents of the file.
    Changed(Vec<u8>),
    /// Something that cannot be edited safely: the line, and why.
    Refused(usize, String),
}

/// An object of the page's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageObject {
    /// `config` itself.
    Config,
    /// `config.hosts`.
    Hosts,
}

impl PageObject {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Hosts => "hosts",
        }
    }

    /// How it begins in the file.
    fn opening(self) -> &'static str {
        match self {
            Self::Config => "var config = {",
            Self::Hosts => "hosts: {",
        }
    }
}

/// What an entry should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// This string, without quotes, backslashes and control characters.
    Text(String),
    /// This code: `true`, or an object of plain values.
    Code(String),
    /// Gone, whatever it is now.
    Gone,
    /// Gone if it is this string; what somebody else wrote stays.
    GoneIf(String),
}

/// An entry of the page's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageEntry {
    /// Its name in the file.
    pub name: &'static str,
    /// The object that holds it.
    pub object: PageObject,
    /// What it should be.
    pub wish: Wish,
}

impl PageEntry {
    /// The entry as an operator would write it; only its name for [`Wish::Gone`].
    pub fn by_hand(&self) -> String {
        match &self.wish {
            Wish::Text(text) | Wish::GoneIf(text) => format!("{}: '{text}',", self.name),
            Wish::Code(code) => format!("{}: {code},", self.name),
            Wish::Gone => self.name.to_owned(),
        }
    }

    /// Whether the entry should be there.
    pub fn is_wanted(&self) -> bool {
        matches!(self.wish, Wish::Text(_) | Wish::Code(_))
    }
}

/// Plans the edit that makes all of `entries` true. What goes is commented out, where a later edit finds it again.
pub fn edit(source: &[u8], entries: &[PageEntry]) -> PageEdit {
    let mut text = source.to_vec();
    for entry in entries {
        match one(&text, entry) {
            PageEdit::Unchanged => {}
            PageEdit::Changed(after) => text = after,
            refused @ PageEdit::Refused(..) => return refused,
        }
    }
    if text == source { PageEdit::Unchanged } else { PageEdit::Changed(text) }
}

fn one(source: &[u8], entry: &PageEntry) -> PageEdit {
    match planned(source, entry) {
        // A page that reads differently with the entry in it (a slash after a brace) was not understood.
        PageEdit::Changed(after) if planned(&after, entry) != PageEdit::Unchanged => {
            PageEdit::Refused(1, UNSUPPORTED_JS.to_owned())
        }
        edit => edit,
    }
}

const UNSUPPORTED_JS: &str = "this JavaScript is not supported";

fn planned(source: &[u8], entry: &PageEntry) -> PageEdit {
    let page = match scan(source) {
        Ok(tokens) => Page::new(source, tokens),
        Err(line) => return PageEdit::Refused(line, UNSUPPORTED_JS.to_owned()),
    };
    match page.plan(entry) {
        Ok(splices) if splices.is_empty() => PageEdit::Unchanged,
        Ok(splices) => PageEdit::Changed(apply(source, splices)),
        Err((line, why)) => PageEdit::Refused(line, why),
    }
}

type Splice = (Range<usize>, Vec<u8>);

fn apply(source: &[u8], mut splices: Vec<Splice>) -> Vec<u8> {
    splices.sort_by_key(|(range, _)| (range.start, range.end));
    let mut after = Vec::with_capacity(source.len() + 64);
    let mut copied = 0;
    for (range, text) in splices {
        after.extend_from_slice(&source[copied..range.start]);
        after.extend(text);
        copied = range.end;
    }
    after.extend_from_slice(&source[copied..]);
    after
}

type Refusal = (usize, String);

struct Page<'a> {
    source: &'a [u8],
    tokens: Vec<ScriptToken>,
    /// The tokens that are not comments.
    code: Vec<usize>,
}

/// A place where an entry is set: its name, and the tokens of its value, as indexes into [`Page::code`].
struct Found {
    name: usize,
    value: Range<usize>,
}

impl<'a> Page<'a> {
    fn new(source: &'a [u8], tokens: Vec<ScriptToken>) -> Self {
        let code = (0..tokens.len()).filter(|at| tokens[*at].kind != ScriptTokenKind::Comment).collect();
        Self { source, tokens, code }
    }

    fn plan(&self, entry: &PageEntry) -> Result<Vec<Splice>, Refusal> {
        let found = self.found(entry.name);
        if !entry.is_wanted() {
            return self.commented_out(entry, &found);
        }
        if found.is_empty() {
            return Ok(self.entry(self.object(entry.object)?, entry));
        }
        let mut splices = Vec::new();
        for found in &found {
            splices.extend(self.value(found, entry)?);
        }
        Ok(splices)
    }

    /// The places where an entry of this name is set.
    fn found(&self, name: &str) -> Vec<Found> {
        let named = |at: usize| self.named(self.code[at]) == name.as_bytes();
        let sets = |at: usize| matches!(self.code_text(at + 1), b":" | b"=");
        let all = (0..self.code.len()).filter(|at| named(*at) && sets(*at));
        all.map(|name| Found { name, value: self.value_from(name + 2) }).collect()
    }

    /// The tokens of the value that starts here.
    fn value_from(&self, start: usize) -> Range<usize> {
        let mut depth = 0usize;
        for at in start..self.code.len() {
            match self.code_text(at) {
                b"{" | b"[" | b"(" => depth += 1,
                b"}" | b"]" | b")" if depth > 0 => depth -= 1,
                b"}" | b"]" | b")" | b"," | b";" if depth == 0 => return start..at,
                _ => {}
            }
        }
        start..self.code.len()
    }

    fn commented_out(&self, entry: &PageEntry, found: &[Found]) -> Result<Vec<Splice>, Refusal> {
        let mut splices = Vec::new();
        for found in found {
            if let Wish::GoneIf(text) = &entry.wish {
                if found.value.len() != 1 || self.named(self.code[found.value.start]) != text.as_bytes() {
                    continue;
                }
            }
            let first = &self.tokens[self.code[found.name]];
            if self.code_text(found.name + 1) == b"=" {
                return Err((first.line, format!("{} is set by an assignment", entry.name)));
            }
            let Some(last) = found.value.clone().next_back().map(|last| &self.tokens[self.code[last]]) else {
                continue;
            };
            let (start, end) = (first.range.start, last.range.end);
            let before = self.source[..start].iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
            let behind = self.source[end..].iter().find(|byte| !matches!(byte, b' ' | b'\t' | b','));
            let ends_line = |byte: Option<&u8>| matches!(byte, None | Some(b'\n' | b'\r'));
            let lines = self.source[start..end].contains(&b'\n');
            if lines || !ends_line(before) || !ends_line(behind) {
                return Err((first.line, format!("{} is not on a line of its own", entry.name)));
            }
            splices.push((start..start, b"// ".to_vec()));
        }
        Ok(splices)
    }

    fn text(&self, at: usize) -> &[u8] {
        self.tokens.get(at).map_or(b"", |token| &self.source[token.range.clone()])
    }

    fn code_text(&self, at: usize) -> &[u8] {
        self.code.get(at).map_or(b"", |at| self.text(*at))
    }

    /// A name, without its quotes.
    fn named(&self, at: usize) -> &[u8] {
        let text = self.text(at);
        match self.tokens[at].kind {
            ScriptTokenKind::Text => &text[1..text.len() - 1],
            _ => text,
        }
    }

    /// Replaces the existing value by the wanted one; a string keeps its quotes.
    fn value(&self, found: &Found, entry: &PageEntry) -> Result<Option<Splice>, Refusal> {
        let range = found.value.clone();
        let line = self.tokens[self.code[found.name]].line;
        let Some(first) = self.code.get(range.start).map(|at| &self.tokens[*at]).filter(|_| !range.is_empty()) else {
            return Err((line, format!("{} has no value", entry.name)));
        };
        let words: Vec<&[u8]> = range.clone().map(|at| self.code_text(at)).collect();
        let whole = first.range.start..self.tokens[self.code[range.end - 1]].range.end;
        match &entry.wish {
            Wish::Text(text) => {
                if words.len() != 1 || first.kind != ScriptTokenKind::Text || words[0][0] == b'`' {
                    return Err((line, format!("{} is not a plain string", entry.name)));
                }
                let quote = words[0][0] as char;
                let wanted = format!("{quote}{text}{quote}").into_bytes();
                Ok((words[0] != wanted).then_some((whole, wanted)))
            }
            Wish::Code(code) => {
                let wanted = scan(code.as_bytes()).unwrap_or_default();
                let same = wanted.iter().map(|token| &code.as_bytes()[token.range.clone()]).eq(words.iter().copied());
                let plain = words.len() == 1 && matches!(words[0], b"true" | b"false" | b"null" | b"undefined");
                let braced = words[0] == b"{" && words.last() == Some(&&b"}"[..]);
                if !same && !plain && !braced {
                    return Err((line, format!("{} is not a plain value", entry.name)));
                }
                Ok((!same).then(|| (whole, code.clone().into_bytes())))
            }
            Wish::Gone | Wish::GoneIf(_) => Ok(None),
        }
    }

    /// The brace that opens the object, as an index into the tokens.
    fn object(&self, object: PageObject) -> Result<usize, Refusal> {
        let opens = |at: &[usize]| {
            self.named(at[0]) == object.name().as_bytes()
                && matches!(self.text(at[1]), b":" | b"=")
                && self.text(at[2]) == b"{"
        };
        match &self.code.windows(3).filter(|at| opens(at)).map(|at| at[2]).collect::<Vec<_>>()[..] {
            [open] => Ok(*open),
            [] => Err((1, format!("there is no `{}` in this file", object.opening()))),
            [_, second, ..] => {
                Err((self.tokens[*second].line, format!("there is more than one `{}`", object.opening())))
            }
        }
    }

    /// Adds an entry: in place of its comment if the template has one, else as the first of the object.
    fn entry(&self, open: usize, entry: &PageEntry) -> Vec<Splice> {
        let text = entry.by_hand().into_bytes();
        let mut depth = 0;
        for at in open..self.tokens.len() {
            match self.text(at) {
                b"{" | b"(" | b"[" => depth += 1,
                b"}" | b")" | b"]" => depth -= 1,
                comment if depth == 1 && is_commented_entry(comment, entry.name) => {
                    return self.uncommented(open, at, text);
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        vec![self.line(open, &text)]
    }

    /// Adds a line of its own to the object: below that of its brace, unless more code is on that one.
    fn line(&self, open: usize, text: &[u8]) -> Splice {
        let indentation = |line: usize| {
            let blanks = self.source[line..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            &self.source[line..line + blanks]
        };
        let behind = self.tokens[open].range.end;
        let rest = &self.source[behind..];
        let next = rest.iter().position(|byte| *byte == b'\n').map(|end| behind + end + 1);
        let mut others =
            self.tokens[open + 1..].iter().take_while(|token| next.is_none_or(|next| token.range.start < next));
        let is_remark = |token: &ScriptToken| {
            token.kind == ScriptTokenKind::Comment && next.is_some_and(|next| token.range.end < next)
        };
        let windows = self.source.windows(2).any(|pair| pair == b"\r\n");
        let eol: &[u8] = if windows { b"\r\n" } else { b"\n" };
        match next.filter(|_| others.all(is_remark)) {
            Some(next) => (next..next, [indentation(next), text, eol].concat()),
            None => {
                let start = self.source[..behind].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                let indent = indentation(start);
                (behind..behind, [eol, indent, b"    ", text, eol, indent].concat())
            }
        }
    }

    fn uncommented(&self, open: usize, at: usize, entry: Vec<u8>) -> Vec<Splice> {
        let mut splices = vec![(self.tokens[at].range.clone(), entry)];
        let before = (open..at).rfind(|at| self.tokens[*at].kind != ScriptTokenKind::Comment);
        if let Some(before) = before.filter(|before| !matches!(self.text(*before), b"{" | b",")) {
            let end = self.tokens[before].range.end;
            splices.push((end..end, b",".to_vec()));
        }
        splices
    }
}

/// `// NAME: VALUE,` and nothing else, where the value is a string, a word or an object.
fn is_commented_entry(comment: &[u8], name: &str) -> bool {
    let Some(rest) = comment.strip_prefix(b"//") else {
        return false;
    };
    let Some(rest) = rest.trim_ascii().strip_prefix(name.as_bytes()) else {
        return false;
    };
    let Some(value) = rest.trim_ascii_start().strip_prefix(b":") else {
        return false;
    };
    let value = value.trim_ascii();
    let value = value.strip_suffix(b",").unwrap_or(value).trim_ascii_end();
    match value {
        [quote @ (b'\'' | b'"'), inner @ .., last] => last == quote && !inner.contains(quote),
        [b'{', inner @ .., b'}'] => !inner.contains(&b'{'),
        b"true" | b"false" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
