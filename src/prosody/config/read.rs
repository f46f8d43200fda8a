//! Reads the files of a configuration in Prosody's order, without running any Lua.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::include;
use super::parser::{Event, EventKind, Shape, parse};
use crate::host::Host;
use crate::lua::value::Value;
use crate::prosody::config::{Commented, Config, LocalName, Section, SectionKind, Setting, Source, Visit};

/// More files than anybody has; a tree of includes that doubles at every level stops here.
const MAX_FILES: usize = 20_000;

/// How deeply files may include each other; Debian's do so one level deep.
const MAX_DEPTH: usize = 32;

/// The most bytes in all files together: more than anybody has.
const MOST_BYTES: usize = 64 << 20;

/// The section that an option belongs to; none if unknown.
type Scope = Option<usize>;

/// Where in a file the loader is.
struct Reading {
    visit: usize,
    opened: Arc<Path>,
    scope: Scope,
    /// Whether a function of the file declares sections.
    declares_later: bool,
}

pub(super) struct Loader<'a> {
    host: &'a dyn Host,
    config: Config,
    sources: HashMap<PathBuf, usize>,
    groups: usize,
    /// Which section numbers are certainly virtual hosts (true) or components (false).
    kinds: HashMap<usize, bool>,
    /// Whether the file being read is included unconditionally.
    certain: bool,
    /// Appends that were read when no list was known: the setting and section of each.
    baseless: Vec<(usize, usize)>,
}

impl<'a> Loader<'a> {
    pub fn new(host: &'a dyn Host) -> Self {
        let config = Config { last: vec![None], ..Config::default() };
        Self {
            host,
            config,
            sources: HashMap::new(),
            groups: 0,
            kinds: HashMap::new(),
            certain: true,
            baseless: Vec::new(),
        }
    }

    pub fn load(mut self, main: &Path) -> Result<Config> {
        self.visit(main, None, 0)?;
        self.check_appended_lists()?;
        Ok(self.config)
    }

    /// Prosody fails where something is appended to a list that the section does not have. Another file may have it, if
    /// it is unknown which is read first.
    fn check_appended_lists(&self) -> Result<()> {
        let config = &self.config;
        for (index, scope) in &self.baseless {
            let append = &config.settings[*index];
            let mut named =
                config.of_section(*scope).filter(|other| other.name == append.name && other.shape != Shape::Append);
            if config.escape.is_some() || named.any(|other| !config.ordered(other.visit, append.visit)) {
                continue;
            }
            bail!(
                "{}:{}: no list {} to append to in this section, so Prosody fails here",
                append.file.display(),
                append.line,
                String::from_utf8_lossy(&append.name)
            );
        }
        Ok(())
    }

    fn visit(&mut self, path: &Path, parent: Option<usize>, group: usize) -> Result<()> {
        let source = self.source(path)?;
        if self.config.visits.len() == MAX_FILES {
            bail!("{}: more than {MAX_FILES} files are included", path.display());
        }
        let (mut above, mut depth) = (parent, 0);
        while let Some(visit) = above {
            depth += 1;
            if depth == MAX_DEPTH {
                bail!("{}: includes are nested too deeply (limit: {MAX_DEPTH})", path.display());
            }
            if self.config.visits[visit].source == source {
                bail!("{} includes itself", path.display());
            }
            above = self.config.visits[visit].parent;
        }
        let visit = self.config.visits.len();
        let opened: Arc<Path> = Arc::from(path);
        self.config.visits.push(Visit { source, opened, parent, group, last_call: None });
        self.run(visit)
    }

    fn source(&mut self, path: &Path) -> Result<usize> {
        let real = self.host.real_path(path)?;
        if let Some(source) = self.sources.get(&real) {
            return Ok(*source);
        }
        let bytes = self.host.read(path)?.with_context(|| format!("the file {} does not exist", path.display()))?;
        if bytes.starts_with(b"\xef\xbb\xbf") || bytes.starts_with(b"#") {
            let what = if bytes[0] == b'#' { "a line with '#'" } else { "a byte order mark (BOM)" };
            bail!("{}:1: the file starts with {what}, which Prosody rejects", path.display());
        }
        let size: usize = self.config.sources.iter().map(|source| source.bytes.len()).sum();
        if size + bytes.len() > MOST_BYTES {
            bail!("{}: the files are too large (limit: {} MiB)", path.display(), MOST_BYTES >> 20);
        }
        let source = self.config.sources.len();
        self.config.sources.push(Source { real: real.clone(), bytes: bytes.into() });
        self.sources.insert(real, source);
        Ok(source)
    }

    fn run(&mut self, visit: usize) -> Result<()> {
        let opened = Arc::clone(&self.config.visits[visit].opened);
        let bytes = Arc::clone(&self.config.sources[self.config.visits[visit].source].bytes);
        let mut reading = Reading { visit, opened: Arc::clone(&opened), scope: Some(0), declares_later: false };
        // About as many as there are in real files: growing step by step would copy them several times.
        self.config.settings.reserve(bytes.len() / 64);
        // Lua parses the whole file before it runs any of it, so a syntax error at the end comes first.
        let mut run = Ok(());
        let parsed = parse(&bytes, |event| {
            if run.is_ok() {
                run = self.event(event, &mut reading);
            }
        });
        match parsed {
            Ok(()) => run,
            Err(error) => bail!("{}:{}: {}", opened.display(), error.line(), error.message()),
        }
    }

    fn event(&mut self, mut event: Event<'_>, reading: &mut Reading) -> Result<()> {
        event.certain &= self.certain;
        let line = event.line;
        match event.kind {
            EventKind::Section { .. } => {
                let deferred = event.deferred;
                let place = || format!("{}:{line}", reading.opened.display());
                let entered = self.section(event, reading.visit).with_context(place)?;
                reading.declares_later |= deferred;
                if !deferred {
                    reading.scope = entered;
                }
            }
            EventKind::Set { .. } => self.set(event, reading.visit, reading.scope)?,
            EventKind::Commented { name, value } if event.certain => {
                self.commented(name, value, event.range, reading);
            }
            EventKind::Include { path: Some(path) } => {
                let includes = &mut self.config.includes;
                includes.push((Arc::clone(&reading.opened), path.clone()));
                let certain = std::mem::replace(&mut self.certain, event.certain);
                self.include(&reading.opened, line, reading.visit, &path)?;
                self.certain = certain;
            }
            EventKind::Include { path: None } => {
                self.escape(&reading.opened, line, "the name of an included file is computed");
            }
            EventKind::Local { name } => {
                let source = self.config.visits[reading.visit].source;
                self.config.locals.push(LocalName { name: name.to_vec(), source, line });
            }
            EventKind::Escape => {
                self.escape(&reading.opened, line, "hosts are declared in an unsupported way");
            }
            EventKind::Call => {
                self.config.visits[reading.visit].last_call = Some(self.config.settings.len());
                reading.scope = reading.scope.filter(|_| !reading.declares_later);
            }
            EventKind::Global if !event.deferred => reading.scope = Some(0),
            EventKind::Unknown if !event.deferred => reading.scope = None,
            EventKind::Commented { .. } | EventKind::Global | EventKind::Unknown => {}
        }
        Ok(())
    }

    fn commented(&mut self, name: &[u8], value: Value, range: Range<usize>, reading: &Reading) {
        let Some(scope) = reading.scope else { return };
        let source = self.config.visits[reading.visit].source;
        let commented = Commented { scope, name: name.to_vec(), value, source, range };
        self.config.commented.push(commented);
    }

    fn escape(&mut self, file: &Arc<Path>, line: usize, why: &'static str) {
        self.config.escape.get_or_insert((Arc::clone(file), line, why));
    }

    fn include(&mut self, file: &Path, line: usize, visit: usize, pattern: &[u8]) -> Result<()> {
        let included = include::expand(self.host, file, pattern)?;
        for path in &included.paths {
            if !self.host.exists(&self.host.real_path(path)?)? {
                bail!("{}:{line}: includes {}, which does not exist", file.display(), path.display());
            }
        }
        self.groups += 1;
        let group = if included.unordered { self.groups } else { 0 };
        included.paths.iter().try_for_each(|path| self.visit(path, Some(visit), group))
    }

    fn section(&mut self, event: Event<'_>, visit: usize) -> Result<Scope> {
        let EventKind::Section { component, name, module, body } = event.kind else {
            return Ok(None);
        };
        let scope = name.as_ref().map(|name| self.scope(name));
        if let (Some(scope @ 1..), true) = (scope, event.certain) {
            let host = !component;
            if *self.kinds.entry(scope).or_insert(host) != host {
                let name = String::from_utf8_lossy(name.as_deref().unwrap_or_default()).into_owned();
                bail!("{name} is both a VirtualHost and a Component");
            }
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let kind = match component {
            true => SectionKind::Component(module.map(text)),
            false => SectionKind::VirtualHost,
        };
        let Visit { source, opened, .. } = &self.config.visits[visit];
        self.config.sections.push(Section {
            kind,
            name: name.map(text),
            file: Arc::clone(opened),
            line: event.line,
            certain: event.certain,
            source: *source,
            range: event.range,
            body,
        });
        Ok(scope)
    }

    fn scope(&mut self, name: &[u8]) -> usize {
        if name == b"*" {
            return 0;
        }
        let next = self.config.last.len();
        let scope = *self.config.scopes.entry(name.to_vec()).or_insert(next);
        if scope == next {
            self.config.last.push(None);
        }
        scope
    }

    fn set(&mut self, event: Event<'_>, visit: usize, scope: Scope) -> Result<()> {
        let EventKind::Set { name, mut value, at, literal, shape } = event.kind else {
            return Ok(());
        };
        let scope = scope.filter(|_| !event.deferred);
        let certain = event.certain && scope.is_some();
        let mut base = None;
        let index = self.config.settings.len();
        if shape == Shape::Append {
            (base, value) = self.appended(scope, &name, value, certain);
            match (base, scope) {
                (None, Some(scope)) if certain && !is_function(&name) => {
                    self.baseless.push((index, scope));
                }
                (Some(base), _) if certain && self.is_not_a_list(base, visit) => bail!(
                    "{}:{}: {} is not a list here and cannot be appended to, so Prosody fails",
                    self.config.visits[visit].opened.display(),
                    event.line,
                    String::from_utf8_lossy(&name)
                ),
                _ => {}
            }
        } else if !certain {
            value = Value::Computed;
        }
        let last = match scope {
            Some(scope) => &mut self.config.last[scope],
            None => &mut self.config.wild,
        };
        let previous = last.replace(index);
        let setting = Setting {
            name: name.into(),
            previous,
            value,
            file: Arc::clone(&self.config.visits[visit].opened),
            line: event.line,
            range: event.range,
            at,
            literal,
            shape,
            certain,
            deferred: event.deferred,
            visit,
            base,
        };
        self.config.settings.push(setting);
        Ok(())
    }

    /// The setting that is appended to, and the resulting value: the entries that the list always holds, and a computed
    /// one for anything else.
    fn appended(&mut self, scope: Scope, name: &[u8], more: Value, certain: bool) -> (Option<usize>, Value) {
        let named = |index: &usize| *self.config.settings[*index].name == *name;
        let wild = self.config.chain(self.config.wild).find(named);
        let own = scope.and_then(|scope| self.config.chain(self.config.last[scope]).find(named));
        let Some(last) = own.filter(|last| wild.is_none_or(|wild| wild < *last)) else {
            return (None, Value::Computed);
        };
        // The list is moved: later settings do not see the earlier one, and a copy for each would be quadratic.
        let base = &mut self.config.settings[last].value;
        let Value::Table(fields) = base else {
            return (Some(last), Value::Computed);
        };
        let mut fields = std::mem::take(fields);
        *base = Value::Computed;
        match more {
            Value::Table(more) if certain => fields.extend(more),
            _ => fields.push((None, Value::Computed)),
        }
        (Some(last), Value::Table(fields))
    }

    /// Whether this setting certainly comes first and certainly is not a list.
    fn is_not_a_list(&self, base: usize, visit: usize) -> bool {
        let base = &self.config.settings[base];
        base.certain
            && !matches!(base.value, Value::Table(_) | Value::Computed)
            && self.config.ordered(base.visit, visit)
    }
}

/// Whether it is a function of Lua's own, which a configuration may call.
fn is_function(name: &[u8]) -> bool {
    const FUNCTIONS: [&[u8]; 14] = [
        b"assert",
        b"error",
        b"getmetatable",
        b"ipairs",
        b"next",
        b"pairs",
        b"pcall",
        b"print",
        b"require",
        b"select",
        b"setmetatable",
        b"tostring",
        b"type",
        b"unpack",
    ];
    FUNCTIONS.contains(&name)
}
