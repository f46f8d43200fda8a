//! The options of the virtual host: how it authenticates, and with which credentials.

use super::super::parser::Shape;
use super::editor::{Editor, Planned};
use super::splice::{Splice, Tail, eol, indentation, lines_behind, separator, tail};
use crate::lua::literal::lua_string;
use crate::lua::value::Value;
use crate::prosody::config::{Section, Setting};

/// The statement in the spelling that the package's scripts look for.
pub(super) const AUTHENTICATION: &str = "authentication = \"token\" -- do not delete me";

const MARKER: &[u8] = b"do not delete me";

impl Editor<'_> {
    /// The virtual host authenticates by token, with the credentials wanted.
    pub fn host(&mut self) -> Planned {
        let section = self.section(self.wanted.domain, false)?;
        let Some(scope) = self.config.scope(Some(self.wanted.domain)) else {
            return Ok(());
        };
        let mut missing = Vec::new();
        let (id, secret) = (self.wanted.app_id, self.wanted.app_secret.reveal());
        self.credential(scope, "app_id", id, &mut missing)?;
        self.credential(scope, "app_secret", secret, &mut missing)?;
        let by_hand = self.by_hand(false);
        self.further(scope, self.wanted.host_options, &by_hand, &mut missing)?;
        let found = self.config.candidates(scope, "authentication");
        let mut fresh = false;
        for index in found.iter().rev() {
            fresh = self.authenticate(&self.config.settings[*index])?;
        }
        match found.first().map(|index| &self.config.settings[*index]) {
            Some(setting) if setting.shape == Shape::Statement => self.behind(setting, missing, fresh),
            Some(_) => self.into(section, missing, false),
            None => self.into(section, missing, true),
        }
    }

    /// Refuses to add lines that would set local variables.
    fn all_free(&self, source: usize, lines: &[Vec<u8>]) -> Planned {
        lines.iter().try_for_each(|line| self.free(source, &name_of(line), &self.by_hand(false)))
    }

    /// Sets `app_id` or `app_secret` where it stands, in place of its comment, or leaves it in `missing`.
    fn credential(&mut self, scope: usize, name: &str, value: &str, missing: &mut Vec<Vec<u8>>) -> Planned {
        let statement = [name.as_bytes(), b"=", &lua_string(value.as_bytes())].concat();
        let what = match name {
            "app_id" => format!("app_id is set to \"{value}\""),
            _ => format!("{name} is set"),
        };
        let found = self.config.candidates(scope, name);
        for index in &found {
            let setting = &self.config.settings[*index];
            if setting.certain && setting.value.as_bytes() == Some(value.as_bytes()) {
                continue;
            }
            self.plain(setting, name, &self.by_hand(false))?;
            let source = self.source(setting);
            let text = spaced(self.bytes(source), setting.range.start, &statement);
            self.splices.plan(source, vec![Splice::new(setting.range.clone(), text)], what.clone());
        }
        let same = |have: &Value| have.as_bytes() == Some(value.as_bytes());
        if !found.is_empty() || self.inherited(name, same) {
            return Ok(());
        }
        let commented = self.config.commented.iter().find(|commented| {
            commented.scope == scope
                && commented.name == name.as_bytes()
                && matches!(commented.value, Value::String(_))
                && self.free(commented.source, name, &[]).is_ok()
        });
        match commented {
            Some(commented) => {
                let text = spaced(self.bytes(commented.source), commented.range.start, &statement);
                let splice = Splice::new(commented.range.clone(), text);
                self.splices.plan(commented.source, vec![splice], what);
            }
            None => missing.push(statement),
        }
        Ok(())
    }

    /// Makes one setting say "token", with the marker. Returns whether what follows on its line moves to a new one.
    fn authenticate(&mut self, setting: &Setting) -> Planned<bool> {
        let source = self.source(setting);
        let bytes = self.bytes(source);
        let start = setting.range.start;
        let token = setting.certain && setting.value.as_bytes() == Some(b"token");
        if token && (!setting.literal || bytes[start..].starts_with(AUTHENTICATION.as_bytes())) {
            return Ok(false);
        }
        self.plain(setting, "authentication", &self.by_hand(false))?;
        let mut text = AUTHENTICATION.as_bytes().to_vec();
        let (line_end, indent) = (eol(bytes), indentation(bytes, start));
        let behind = separator(bytes, setting.range.end);
        let end = behind.unwrap_or(setting.range.end);
        let mut fresh = false;
        let end = match tail(bytes, end) {
            // In a table the separator has to stay, and the marker is a comment to the end of the line.
            _ if setting.shape == Shape::Field && behind.is_some() => {
                text.extend([line_end, indent, &bytes[end - 1..end]].concat());
                end
            }
            Tail::Line { comment: Some(comment), .. } | Tail::End { comment: Some(comment) } => {
                let words = bytes[comment + 2..].trim_ascii_start();
                if words.starts_with(MARKER) {
                    bytes.len() - words.len() + MARKER.len()
                } else {
                    text.push(b' ');
                    comment
                }
            }
            Tail::Line { .. } | Tail::End { .. } => end,
            Tail::Code(here) => {
                text.extend([line_end, &space_ended(indent.to_vec())].concat());
                fresh = true;
                here
            }
        };
        let splice = Splice::new(start..end, text);
        self.splices.plan(source, vec![splice], becomes(&setting.value));
        Ok(fresh)
    }

    /// Adds what is missing behind the authentication.
    fn behind(&mut self, setting: &Setting, missing: Vec<Vec<u8>>, fresh: bool) -> Planned {
        if missing.is_empty() {
            return Ok(());
        }
        let source = self.source(setting);
        self.all_free(source, &missing)?;
        let bytes = self.bytes(source);
        let indent = space_ended(indentation(bytes, setting.range.start).to_vec());
        let splice = lines_behind(bytes, setting.range.end, &indent, &missing, fresh);
        self.splices.plan(source, vec![splice], added(&missing));
        Ok(())
    }

    /// Adds what is missing to the section.
    fn into(&mut self, section: &Section, missing: Vec<Vec<u8>>, authentication: bool) -> Planned {
        if missing.is_empty() && !authentication {
            return Ok(());
        }
        let bytes = self.bytes(section.source);
        let mut lines = missing;
        let splice = match &section.body {
            Some(body) => {
                let indent = deeper_table(bytes, body.start);
                let mut text = Vec::new();
                for line in &lines {
                    text.extend([eol(bytes), &indent, line, b";"].concat());
                }
                if authentication {
                    let line = AUTHENTICATION.as_bytes();
                    text.extend([eol(bytes), &indent, line, eol(bytes), &indent, b";"].concat());
                    lines.insert(0, line.to_vec());
                }
                Splice::insert(body.start + 1, text)
            }
            None => {
                if authentication {
                    lines.insert(0, AUTHENTICATION.as_bytes().to_vec());
                }
                self.all_free(section.source, &lines)?;
                let indent = space_ended(self.indent(section));
                lines_behind(bytes, section.range.end, &indent, &lines, false)
            }
        };
        self.splices.plan(section.source, vec![splice], added(&lines));
        Ok(())
    }
}

fn deeper_table(bytes: &[u8], at: usize) -> Vec<u8> {
    space_ended(super::splice::deeper(bytes, indentation(bytes, at)))
}

/// The package's removal script looks for a space before `app_id` and `app_secret`.
fn space_ended(mut indent: Vec<u8>) -> Vec<u8> {
    if indent.last() != Some(&b' ') {
        indent.push(b' ');
    }
    indent
}

fn spaced(bytes: &[u8], at: usize, statement: &[u8]) -> Vec<u8> {
    let space: &[u8] = if at > 0 && bytes[at - 1] == b' ' { b"" } else { b" " };
    [space, statement].concat()
}

/// The option that a line sets.
pub(super) fn name_of(line: &[u8]) -> String {
    let length = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    String::from_utf8_lossy(&line[..length]).into_owned()
}

/// What the new lines set, without their values.
fn added(lines: &[Vec<u8>]) -> String {
    let names: Vec<String> = lines.iter().map(|line| name_of(line)).collect();
    format!("new: {}", names.join(", "))
}

/// What happens to the authentication.
fn becomes(old: &Value) -> String {
    match old {
        Value::String(old) if old == b"token" => "authentication gets the package's marker".to_owned(),
        Value::String(old) => {
            format!("authentication: {} becomes \"token\"", String::from_utf8_lossy(&lua_string(old)))
        }
        _ => "authentication becomes \"token\"".to_owned(),
    }
}
