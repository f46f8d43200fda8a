//! Where new statements go: after the authentication, into a section, or among the global options.

use super::authentication::AUTHENTICATION;
use super::editor::{Editor, Planned};
use super::splice::{Splice, deeper, eol, indentation, lines_after};
use crate::prosody::config::{Section, Setting};

impl Editor<'_> {
    /// Refuses to add lines that would set local variables.
    fn check_no_locals(&self, source: usize, lines: &[Vec<u8>]) -> Planned {
        lines.iter().try_for_each(|line| self.free(source, &name_of(line), &self.by_hand(false)))
    }

    /// Adds what is missing after the authentication.
    pub fn behind(&mut self, setting: &Setting, missing: Vec<Vec<u8>>, fresh: bool) -> Planned {
        if missing.is_empty() {
            return Ok(());
        }
        let source = self.source(setting);
        self.check_no_locals(source, &missing)?;
        let bytes = self.bytes(source);
        let indent = with_trailing_space(indentation(bytes, setting.range.start).to_vec());
        let splice = lines_after(bytes, setting.range.end, &indent, &missing, fresh);
        self.splices.plan(source, vec![splice], added(&missing));
        Ok(())
    }

    /// Adds what is missing to the site's section.
    pub fn add_to_site(&mut self, section: &Section, missing: Vec<Vec<u8>>, authentication: bool) -> Planned {
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
                self.check_no_locals(section.source, &lines)?;
                let indent = with_trailing_space(self.indent(section));
                lines_after(bytes, section.range.end, &indent, &lines, false)
            }
        };
        self.splices.plan(section.source, vec![splice], added(&lines));
        Ok(())
    }

    /// Adds options to a section; each of `texts` describes a part of the edit.
    pub fn add_to_section(
        &mut self,
        section: &Section,
        lines: &[Vec<u8>],
        texts: Vec<String>,
        by_hand: &[String],
    ) -> Planned {
        let bytes = self.bytes(section.source);
        let splice = match &section.body {
            Some(body) => {
                let fields = lines.iter().map(|line| [b" ", &line[..], b";"].concat());
                Splice::insert(body.start + 1, fields.collect::<Vec<_>>().concat())
            }
            None => {
                lines.iter().try_for_each(|line| self.free(section.source, &name_of(line), by_hand))?;
                let indent = self.indent(section);
                lines_after(bytes, section.range.end, &indent, lines, false)
            }
        };
        for (number, what) in texts.into_iter().enumerate() {
            let splices = if number == 0 { vec![splice.clone()] } else { vec![] };
            self.splices.plan(section.source, splices, what);
        }
        Ok(())
    }

    /// Adds a line to the global section: after the last global option before the first section, or at the top.
    pub fn global_line(&self, source: usize, line: Vec<u8>) -> Splice {
        let bytes = self.bytes(source);
        let sections = self.config.sections.iter().filter(|section| section.source == source);
        let first = sections.map(|section| section.range.start).min().unwrap_or(bytes.len());
        let before = self
            .config
            .of_section(0)
            .filter(|setting| self.source(setting) == source && setting.range.end <= first && setting.certain);
        match before.map(|setting| &setting.range).max_by_key(|range| range.end) {
            Some(range) => lines_after(bytes, range.end, indentation(bytes, range.start), &[line], false),
            None => Splice::insert(0, [&line, eol(bytes)].concat()),
        }
    }
}

fn deeper_table(bytes: &[u8], at: usize) -> Vec<u8> {
    with_trailing_space(deeper(bytes, indentation(bytes, at)))
}

/// The package's removal script looks for a space before `app_id` and `app_secret`.
pub(super) fn with_trailing_space(mut indent: Vec<u8>) -> Vec<u8> {
    if indent.last() != Some(&b' ') {
        indent.push(b' ');
    }
    indent
}

/// The option that a line sets.
fn name_of(line: &[u8]) -> String {
    let length = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    String::from_utf8_lossy(&line[..length]).into_owned()
}

/// What the new lines add, in words and without their values.
fn added(lines: &[Vec<u8>]) -> String {
    let names: Vec<String> = lines.iter().map(|line| name_of(line)).collect();
    format!("add {}", names.join(", "))
}
