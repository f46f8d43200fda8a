//! The web page's configuration, `DOMAIN-config.js`: the one entry that names the guest host, set without touching any
//! other byte. Reads as much of JavaScript as that takes, and refuses what it cannot follow.

pub mod scan;

use std::ops::Range;

use scan::{ScriptToken, ScriptTokenKind, scan};

/// What has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageEdit {
    /// Nothing.
    Unchanged,
    /// The file becomes this.
    Changed(Vec<u8>),
    /// A program must not touch this: the line, and why.
    Refused(usize, &'static str),
}

const NAME: &[u8] = b"anonymousdomain";

/// The entry as a person would write it.
pub fn by_hand(domain: &str) -> String {
    format!("anonymousdomain: '{domain}',")
}

/// Plans the edit that names `domain` as the guests' host.
pub fn name_guest_host(source: &[u8], domain: &str) -> PageEdit {
    match planned(source, domain) {
        // A page that reads differently with the entry in it (a slash behind a brace) was not understood.
        PageEdit::Changed(after) if planned(&after, domain) != PageEdit::Unchanged => {
            PageEdit::Refused(1, NOT_FOLLOWED)
        }
        edit => edit,
    }
}

/// Plans the edit after which the page names `domain` no more: its entry goes into a comment, where
/// [`name_guest_host`] finds it again. Another host that somebody else named stays.
pub fn unname_guest_host(source: &[u8], domain: &str) -> PageEdit {
    edited(source, |page| page.commented_out(domain))
}

const NOT_FOLLOWED: &str = "this JavaScript is not supported";

fn planned(source: &[u8], domain: &str) -> PageEdit {
    edited(source, |page| page.splices(domain))
}

fn edited(source: &[u8], plan: impl Fn(&Page) -> Result<Vec<Splice>, (usize, &'static str)>) -> PageEdit {
    let page = match scan(source) {
        Ok(tokens) => Page { source, tokens },
        Err(line) => return PageEdit::Refused(line, NOT_FOLLOWED),
    };
    match plan(&page) {
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

struct Page<'a> {
    source: &'a [u8],
    tokens: Vec<ScriptToken>,
}

impl Page<'_> {
    fn splices(&self, domain: &str) -> Result<Vec<Splice>, (usize, &'static str)> {
        let code: Vec<usize> =
            (0..self.tokens.len()).filter(|at| self.tokens[*at].kind != ScriptTokenKind::Comment).collect();
        let mut splices = Vec::new();
        let mut found = false;
        for at in code.windows(3) {
            let [name, sign, value] = [at[0], at[1], at[2]];
            if self.named(name) == NAME && matches!(self.text(sign), b":" | b"=") {
                splices.extend(self.value(value, domain)?);
                found = true;
            }
        }
        if !found {
            let open = self.hosts(&code)?;
            splices.extend(self.entry(open, domain));
        }
        Ok(splices)
    }

    fn commented_out(&self, domain: &str) -> Result<Vec<Splice>, (usize, &'static str)> {
        let code: Vec<usize> =
            (0..self.tokens.len()).filter(|at| self.tokens[*at].kind != ScriptTokenKind::Comment).collect();
        let mut splices = Vec::new();
        for at in code.windows(3) {
            let [name, sign, value] = [at[0], at[1], at[2]];
            let names = self.named(name) == NAME && self.text(sign) == b":" && self.named(value) == domain.as_bytes();
            if !names {
                continue;
            }
            let (start, end) = (self.tokens[name].range.start, self.tokens[value].range.end);
            let before = self.source[..start].iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
            let behind = self.source[end..].iter().find(|byte| !matches!(byte, b' ' | b'\t' | b','));
            let ends_line = |byte: Option<&u8>| matches!(byte, None | Some(b'\n' | b'\r'));
            if !ends_line(before) || !ends_line(behind) {
                return Err((self.tokens[name].line, "anonymousdomain is not on a line of its own"));
            }
            splices.push((start..start, b"// ".to_vec()));
        }
        Ok(splices)
    }

    fn text(&self, at: usize) -> &[u8] {
        self.tokens.get(at).map_or(b"", |token| &self.source[token.range.clone()])
    }

    /// A name, with or without quotes.
    fn named(&self, at: usize) -> &[u8] {
        let text = self.text(at);
        match self.tokens[at].kind {
            ScriptTokenKind::Text => &text[1..text.len() - 1],
            _ => text,
        }
    }

    /// The value that is there becomes the right one, in its own quotes.
    fn value(&self, at: usize, domain: &str) -> Result<Option<Splice>, (usize, &'static str)> {
        let token = &self.tokens[at];
        let text = self.text(at);
        let next = (at + 1..self.tokens.len()).find(|at| self.tokens[*at].kind != ScriptTokenKind::Comment);
        let ends = next.is_none_or(|next| matches!(self.text(next), b"," | b"}" | b";"));
        if token.kind != ScriptTokenKind::Text || text[0] == b'`' || !ends {
            return Err((token.line, "anonymousdomain is not a plain string"));
        }
        let quote = text[0] as char;
        let wanted = format!("{quote}{domain}{quote}").into_bytes();
        Ok((text != wanted).then(|| (token.range.clone(), wanted)))
    }

    /// The brace that opens `hosts: {`.
    fn hosts(&self, code: &[usize]) -> Result<usize, (usize, &'static str)> {
        let opens = code.windows(3).filter(|at| {
            self.named(at[0]) == b"hosts" && matches!(self.text(at[1]), b":" | b"=") && self.text(at[2]) == b"{"
        });
        match &opens.map(|at| at[2]).collect::<Vec<_>>()[..] {
            [open] => Ok(*open),
            [] => Err((1, "there is no `hosts: {` in this file")),
            [_, second, ..] => Err((self.tokens[*second].line, "there is more than one `hosts: {`")),
        }
    }

    /// A new entry: in place of its comment if the template has one, else the first of all.
    fn entry(&self, open: usize, domain: &str) -> Vec<Splice> {
        let entry = by_hand(domain).into_bytes();
        let mut depth = 0;
        for at in open..self.tokens.len() {
            match self.text(at) {
                b"{" | b"(" | b"[" => depth += 1,
                b"}" | b")" | b"]" => depth -= 1,
                comment if depth == 1 && is_commented_entry(comment) => {
                    return self.uncommented(open, at, entry);
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        let behind = self.tokens[open].range.end;
        let blank = self.source[behind..].iter();
        let blanks = blank.take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let eol: &[u8] = match &self.source[behind + blanks..] {
            [b'\r', b'\n', ..] => b"\r\n",
            [b'\n', ..] => b"\n",
            _ => return vec![(behind..behind, [b" ", &entry[..]].concat())],
        };
        let next = behind + blanks + eol.len();
        let indent = self.source[next..].iter();
        let indent = indent.take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let text = [&self.source[next..next + indent], &entry, eol].concat();
        vec![(next..next, text)]
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

/// `// anonymousdomain: '…',` and nothing else.
fn is_commented_entry(comment: &[u8]) -> bool {
    let Some(rest) = comment.strip_prefix(b"//") else {
        return false;
    };
    let Some(rest) = rest.trim_ascii().strip_prefix(NAME) else {
        return false;
    };
    let Some(value) = rest.trim_ascii_start().strip_prefix(b":") else {
        return false;
    };
    let value = value.trim_ascii();
    let value = value.strip_suffix(b",").unwrap_or(value).trim_ascii_end();
    match value {
        [quote @ (b'\'' | b'"'), inner @ .., last] => last == quote && !inner.contains(quote),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
