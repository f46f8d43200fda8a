//! Prosody's configuration: the main file and everything that it includes, in the order in which Prosody reads it.
//!
//! The rules are those of `core/configmanager.lua` in 0.11, 0.12 and 13.0: every file starts in the global section,
//! whatever section the `Include` is in, and leaves the including file's section alone; an option belongs to the
//! section named last in its own file; `VirtualHost "x" { … }` ends its section at the brace; sections of the same name
//! are one; the last assignment wins.

pub mod calls;
pub mod commented;
pub mod edit;
pub mod expression;
pub mod include;
pub mod parser;
pub mod read;
pub mod statement;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use crate::host::Host;
use crate::lua::value::Value;
use crate::prosody::config::parser::Shape;
use crate::prosody::config::read::Loader;

/// The configuration as Prosody sees it, and where everything is written.
#[derive(Debug, Default)]
pub struct Config {
    sources: Vec<Source>,
    visits: Vec<Visit>,
    sections: Vec<Section>,
    settings: Vec<Setting>,
    commented: Vec<Commented>,
    locals: Vec<LocalName>,
    /// The pattern of each `Include`, and the file that it is in.
    includes: Vec<(Arc<Path>, Vec<u8>)>,
    /// Where and why everything becomes uncertain, if the configuration does something that cannot be followed.
    escape: Option<(Arc<Path>, usize, &'static str)>,
    /// Section numbers by name; the global section is 0 and has no name.
    scopes: HashMap<Vec<u8>, usize>,
    /// The last setting of each section; each setting links to the one before.
    last: Vec<Option<usize>>,
    /// The last setting that may belong to any section.
    wild: Option<usize>,
}

/// A file's content. A file that is included twice is one source.
#[derive(Debug)]
struct Source {
    pub real: PathBuf,
    pub bytes: Arc<[u8]>,
}

/// One reading of a file.
#[derive(Debug)]
struct Visit {
    pub source: usize,
    pub opened: Arc<Path>,
    pub parent: Option<usize>,
    /// Equal for all files that one pattern included; 0 if the place in the order is known.
    pub group: usize,
    /// The place in the order at which the file last called a function of its own.
    pub last_call: Option<usize>,
}

/// The kind of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// `VirtualHost`.
    VirtualHost,
    /// `Component`, with its module if one is named.
    Component(Option<String>),
}

/// A place where a virtual host or a component is declared. The same one may be declared several times.
#[derive(Clone, Debug)]
pub struct Section {
    /// Virtual host or component.
    pub kind: SectionKind,
    /// Its name in lower case; none if it is computed.
    pub name: Option<String>,
    /// The file, as Prosody opens it.
    pub file: Arc<Path>,
    /// The line of the declaration.
    pub line: usize,
    /// Whether it is declared unconditionally: not under a condition, in a loop or in a function.
    pub certain: bool,
    source: usize,
    range: Range<usize>,
    body: Option<Range<usize>>,
}

/// A place where an option is set.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its value; [`Value::Computed`] also if it is set under a condition. A list that is appended to under a condition
    /// has the entries that it always holds, and one that is computed.
    pub value: Value,
    /// The file, as Prosody opens it.
    pub file: Arc<Path>,
    /// The line of the statement.
    pub line: usize,
    /// The bytes of the statement, or of the field in a table of options.
    pub range: Range<usize>,
    /// The bytes of the value.
    at: Range<usize>,
    literal: bool,
    shape: Shape,
    certain: bool,
    /// Set in a function, so it takes effect when that is called.
    deferred: bool,
    visit: usize,
    name: Box<[u8]>,
    /// The setting before it in its section, whatever its name.
    previous: Option<usize>,
    /// The setting that this one appends to.
    base: Option<usize>,
}

/// An option that is commented out, in a comment of its own.
#[derive(Clone, Debug)]
struct Commented {
    pub scope: usize,
    pub name: Vec<u8>,
    pub value: Value,
    pub source: usize,
    pub range: Range<usize>,
}

/// A local variable of a file.
#[derive(Clone, Debug)]
struct LocalName {
    pub name: Vec<u8>,
    pub source: usize,
    pub line: usize,
}

impl Config {
    /// Reads the main file, normally `/etc/prosody/prosody.cfg.lua`, and everything it includes. The error names the
    /// file and line; Prosody fails on it as well.
    pub fn load(host: &dyn Host, main: &Path) -> Result<Self> {
        Loader::new(host).load(main)
    }

    /// The paths of all files, as Prosody opens them and with links resolved, each once.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let opened = self.visits.iter().map(|visit| &*visit.opened);
        let mut all: Vec<&Path> = opened.chain(self.sources.iter().map(|source| source.real.as_path())).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter()
    }

    /// Whether an `Include` names this file, whether it exists or not.
    pub fn would_read(&self, path: &Path) -> bool {
        let mut includes = self.includes.iter();
        includes.any(|(file, pattern)| include::names(file, pattern, path))
    }

    /// Every declaration of a virtual host or component, in order; not those in comments.
    pub fn hosts(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter()
    }

    /// The setting of `name` that wins in the section of `host`, or in the global section.
    pub fn option(&self, host: Option<&str>, name: &str) -> Option<&Setting> {
        let scope = self.scope(host)?;
        self.candidates(scope, name).first().map(|index| &self.settings[*index])
    }

    /// Like [`Self::option`], but falls back to the global section, as Prosody's `module:get_option` does.
    pub fn effective(&self, host: &str, name: &str) -> Option<&Setting> {
        let own = self.option(Some(host), name).filter(|setting| setting.value != Value::Nil);
        own.or_else(|| self.option(None, name))
    }

    /// Where and why the configuration is too much of a program for its options to be known, if it is.
    pub fn unclear(&self) -> Option<(&Path, usize, &str)> {
        self.escape.as_ref().map(|(file, line, why)| (&**file, *line, *why))
    }

    /// The number of a host's section, or of the global one.
    fn scope(&self, host: Option<&str>) -> Option<usize> {
        match host {
            None | Some("*") => Some(0),
            Some(name) => self.scopes.get(name.to_ascii_lowercase().as_bytes()).copied(),
        }
    }

    /// The settings of an option that may be in effect, latest first: usually one. Several if the order of files is
    /// unknown, or if later ones are under a condition.
    fn candidates(&self, scope: usize, name: &str) -> Vec<usize> {
        let named = |index: &usize| *self.settings[*index].name == *name.as_bytes();
        let own = self.chain(self.last[scope]).filter(named);
        let wild = self.chain(self.wild).filter(named);
        let mut all: Vec<(usize, usize)> = own.map(|index| (index, index)).collect();
        all.extend(wild.filter_map(|index| Some((self.time(index)?, index))));
        all.sort_unstable_by(|left, right| right.cmp(left));
        let (mut found, mut winners): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        let mut grown = HashSet::new();
        for (_, index) in all {
            let setting = &self.settings[index];
            if winners.iter().any(|later| self.ordered(self.settings[*later].visit, setting.visit)) {
                continue;
            }
            // A list that is appended to is part of the setting that appends to it.
            grown.extend(setting.base);
            if !grown.contains(&index) {
                found.push(index);
            }
            if setting.certain {
                winners.push(index);
            }
        }
        found
    }

    /// The settings of a section, the last first.
    fn of_section(&self, scope: usize) -> impl Iterator<Item = &Setting> {
        self.chain(self.last[scope]).map(|index| &self.settings[index])
    }

    /// A setting and those before it in its section.
    fn chain(&self, last: Option<usize>) -> impl Iterator<Item = usize> {
        std::iter::successors(last, |index| self.settings[*index].previous)
    }

    /// When a setting takes effect, as a place in the order; none if never.
    fn time(&self, index: usize) -> Option<usize> {
        let setting = &self.settings[index];
        if setting.deferred { self.visits[setting.visit].last_call } else { Some(index) }
    }

    /// Whether it is known which of two readings comes first.
    fn ordered(&self, left: usize, right: usize) -> bool {
        let chain = |visit: usize| {
            let mut chain = vec![visit];
            while let Some(parent) = self.visits[chain[chain.len() - 1]].parent {
                chain.push(parent);
            }
            chain.reverse();
            chain
        };
        if left == right {
            return true;
        }
        let (left, right) = (chain(left), chain(right));
        let fork = left.iter().zip(&right).find(|(left, right)| left != right);
        match fork {
            Some((left, right)) => {
                let group = self.visits[*left].group;
                group == 0 || group != self.visits[*right].group
            }
            None => true,
        }
    }
}
