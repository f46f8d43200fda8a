//! What all edits share: where a section is declared, what is refused, and in which words.

use std::path::{Path, PathBuf};

use super::authentication::AUTHENTICATION;
use super::guests::{ALLOWLIST, Guests, WAIT_FOR_HOST};
use super::requirement::Must;
use super::splice::{Splices, deeper, indentation, starts_line};
use super::{Edit, TOKEN_VERIFICATION, Wanted};
use crate::host::secret::MASK;
use crate::lua::literal::lua_string;
use crate::lua::value::Value;
use crate::prosody::config::{Config, Section, SectionKind, Setting};

/// A reason not to edit. Boxed, because it is large and rare.
pub(super) struct Refusal {
    file: PathBuf,
    line: usize,
    why: String,
    lines: Vec<String>,
}

pub(super) type Planned<T = ()> = Result<T, Box<Refusal>>;

/// Refuses the edit because of what is on a line.
pub(super) fn refuse<T>(file: &Path, line: usize, why: String, lines: Vec<String>) -> Planned<T> {
    let file = file.to_owned();
    Err(Box::new(Refusal { file, line, why, lines }))
}

impl From<Box<Refusal>> for Edit {
    fn from(refusal: Box<Refusal>) -> Self {
        let Refusal { file, line, why, lines } = *refusal;
        Self::Refused { file, line, why, lines }
    }
}

/// The edit being planned.
pub(super) struct Editor<'a> {
    pub config: &'a Config,
    pub wanted: &'a Wanted<'a>,
    pub splices: Splices,
    /// Lists changed in this pass, by scope and name: a list changes at most once per pass.
    pub changed: Vec<(usize, String)>,
}

impl<'a> Editor<'a> {
    pub fn new(config: &'a Config, wanted: &'a Wanted<'a>) -> Self {
        Self { config, wanted, splices: Splices::default(), changed: Vec::new() }
    }

    pub fn bytes(&self, source: usize) -> &'a [u8] {
        &self.config.sources[source].bytes
    }

    pub fn source(&self, setting: &Setting) -> usize {
        self.config.visits[setting.visit].source
    }

    /// Refuses a configuration that is too much of a program to follow.
    pub fn followed(&self) -> Planned {
        match self.config.unclear() {
            None => Ok(()),
            Some((file, line, why)) => {
                let lines = [self.by_hand(false), self.by_hand(true)].concat();
                refuse(file, line, why.to_owned(), lines)
            }
        }
    }

    /// The declaration to edit: the last certain one of that name and kind.
    pub fn section(&self, name: &str, component: bool) -> Planned<&'a Section> {
        let wanted = name.to_ascii_lowercase();
        let fits = |section: &&Section| component == matches!(section.kind, SectionKind::Component(_));
        let sections = &self.config.sections;
        let named: Vec<&Section> =
            sections.iter().filter(|section| section.name.as_deref() == Some(&*wanted)).collect();
        if let Some(section) = named.iter().rev().find(|section| section.certain && fits(section)) {
            return Ok(section);
        }
        let kind = if component { "Component" } else { "VirtualHost" };
        let computed = sections.iter().rev().find(|section| section.name.is_none() && fits(section));
        let site = sections.iter().find(|section| section.name.as_deref() == Some(self.wanted.domain));
        let (place, why) = match (named.last(), computed) {
            (Some(section), _) if section.certain => {
                (Some(*section), format!("{name} is declared, but not as a {kind}"))
            }
            (Some(section), _) => (Some(*section), format!("{kind} {name} is declared under a condition")),
            (None, Some(section)) => {
                (Some(section), format!("{kind} {name} is not declared literally; names are computed here"))
            }
            (None, None) => (site, format!("no {kind} {name} in this file or any other")),
        };
        let main = (&*self.config.visits[0].opened, 1);
        let (file, line) = place.map_or(main, |section| (&*section.file, section.line));
        let lines = match self.wanted.guests.domain() {
            Some(domain) if domain == name => self.wanted.guests.lines(),
            _ => self.by_hand(component),
        };
        refuse(file, line, why, lines)
    }

    /// The lines that a person would write.
    pub fn by_hand(&self, component: bool) -> Vec<String> {
        let text = |bytes: &str| String::from_utf8_lossy(&lua_string(bytes.as_bytes())).into_owned();
        let (mut lines, choices) = if component {
            let mut lines = vec![
                format!("Component {} \"muc\"", text(self.wanted.muc)),
                format!("    modules_enabled = {{ \"{TOKEN_VERIFICATION}\" }}"),
            ];
            let mut let_in: Vec<String> = self.wanted.let_in.iter().map(|name| text(name)).collect();
            if let Guests::Wait { domain, .. } = self.wanted.guests {
                lines[1] = format!("    modules_enabled = {{ \"{TOKEN_VERIFICATION}\"; \"{WAIT_FOR_HOST}\" }}");
                let_in.insert(0, text(domain));
            }
            if !let_in.is_empty() {
                lines.push(format!("    {ALLOWLIST} = {{ {} }}", let_in.join("; ")));
            }
            (lines, self.wanted.room_options)
        } else {
            let lines = vec![
                format!("VirtualHost {}", text(self.wanted.domain)),
                format!("    {}", AUTHENTICATION),
                format!("    app_id={}", text(self.wanted.app_id)),
                format!("    app_secret=\"{MASK}\""),
            ];
            (lines, self.wanted.host_options)
        };
        for (name, value) in choices {
            let line = Must::Be(value).statement(name);
            lines.push(format!("    {}", String::from_utf8_lossy(&line)));
        }
        lines
    }

    /// Refuses a setting that is not a plain value.
    pub fn plain(&self, setting: &Setting, name: &str, lines: &[String]) -> Planned {
        let why = match setting {
            Setting { certain: false, .. } => {
                format!("{name} is set here under a condition or for a computed host")
            }
            Setting { literal: false, .. } | Setting { value: Value::Computed, .. } => format!("{name} is computed"),
            _ => return Ok(()),
        };
        refuse(&setting.file, setting.line, why, lines.to_vec())
    }

    /// Refuses to write `name = …` into a file where that would set a local variable.
    pub fn free(&self, source: usize, name: &str, lines: &[String]) -> Planned {
        let mut locals = self.config.locals.iter();
        let taken = locals.find(|local| local.source == source && local.name == name.as_bytes());
        let Some(local) = taken else { return Ok(()) };
        let why = format!("{name} is a local variable in this file, so that option cannot be set");
        let file = &self.config.sources[source].real;
        refuse(file, local.line, why, lines.to_vec())
    }

    /// The indentation of an option in the section.
    pub fn indent(&self, section: &Section) -> Vec<u8> {
        let bytes = self.bytes(section.source);
        let scope = self.config.scope(section.name.as_deref());
        let own = scope.into_iter().flat_map(|scope| self.config.of_section(scope));
        let behind = own.filter(|setting| {
            self.source(setting) == section.source && setting.range.start >= section.range.end && setting.certain
        });
        match behind.map(|setting| setting.range.start).min().filter(|at| starts_line(bytes, *at)) {
            Some(at) => indentation(bytes, at).to_vec(),
            None => deeper(bytes, indentation(bytes, section.range.start)),
        }
    }
}
