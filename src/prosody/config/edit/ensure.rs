//! Makes a requirement hold: changes the option wherever it is set, uncomments it, or returns the statement to add.

use super::super::parser::Shape;
use super::editor::{Editor, Planned, refuse};
use super::list::List;
use super::requirement::{Must, Requirement, literal};
use super::splice::Splice;
use crate::lua::literal::lua_string;
use crate::lua::value::{Key, Value};

impl Editor<'_> {
    /// Makes a requirement hold wherever its option is set. If it is set nowhere, returns the statement to add.
    pub fn ensure(&mut self, wanted: &Requirement) -> Planned<Option<Vec<u8>>> {
        let place = (wanted.scope, wanted.name.to_owned());
        if self.changed.contains(&place) {
            return Ok(None);
        }
        self.not_global(wanted)?;
        let found = self.config.candidates(wanted.scope, wanted.name);
        let inherited = if found.is_empty() { self.inherited(wanted)? } else { Vec::new() };
        if found.is_empty() && self.is_inherited(wanted, &inherited) {
            return Ok(None);
        }
        let mut right = !found.is_empty() || matches!(wanted.must, Must::Lack(_));
        for index in &found {
            // Of a setting under a condition, only the entries that a list always holds are known.
            if !wanted.must.is_met_by(&self.config.settings[*index].value) {
                self.correct(wanted, *index)?;
                right = false;
            }
        }
        if wanted.must.is_list_entry() && !right {
            self.changed.push(place);
        }
        let is_said = !found.is_empty()
            || matches!(wanted.must, Must::Lack(_))
            || inherited.is_empty() && self.uncommented(wanted);
        Ok((!is_said).then(|| wanted.must.statement_after(&inherited, wanted.name)))
    }

    /// Refuses to unset an option for one host that only the global section sets: in Prosody, `nil` hides nothing.
    fn not_global(&self, wanted: &Requirement) -> Planned {
        let set_in = |scope| {
            let candidates = self.config.candidates(scope, wanted.name);
            candidates.into_iter().map(|index| &self.config.settings[index]).find(|setting| setting.value != Value::Nil)
        };
        let unset = wanted.scope != 0 && matches!(wanted.must, Must::Be(Value::Nil));
        if !unset || set_in(wanted.scope).is_some() {
            return Ok(());
        }
        match set_in(0) {
            Some(setting) => {
                let (name, file, line) = (wanted.name, &setting.file, setting.line);
                let why = format!("{name} is set here for every host, so it cannot be unset for one");
                refuse(file, line, why, vec![format!("-- remove {name}")])
            }
            None => Ok(()),
        }
    }

    /// The entries of the global list, which holds for every host that has none of its own: a new list of the host's
    /// has to repeat them. Only the lists of modules are each host's own.
    fn inherited(&self, wanted: &Requirement) -> Planned<Vec<String>> {
        let mut entries = Vec::new();
        if wanted.scope == 0 || !matches!(wanted.must, Must::Hold(_)) || wanted.name.starts_with("modules_") {
            return Ok(entries);
        }
        for index in self.config.candidates(0, wanted.name) {
            let setting = &self.config.settings[index];
            match setting.value.strings() {
                Some(more) => entries.extend(more),
                None if setting.value == Value::Nil => {}
                None => {
                    let why = format!("{} is computed, and applies to the rooms too", wanted.name);
                    return refuse(&setting.file, setting.line, why, wanted.by_hand.to_vec());
                }
            }
        }
        Ok(entries)
    }

    /// Whether the global section already says it, for every host that does not set it.
    fn is_inherited(&self, wanted: &Requirement, entries: &[String]) -> bool {
        if let Must::Hold(entry) = wanted.must {
            return entries.iter().any(|inherited| inherited == entry);
        }
        let found = self.config.candidates(0, wanted.name);
        let fits = |index: &usize| wanted.must.is_met_by(&self.config.settings[*index].value);
        !wanted.must.is_list_entry() && !found.is_empty() && found.iter().all(fits)
    }

    /// Makes a setting say what is wanted.
    fn correct(&mut self, wanted: &Requirement, index: usize) -> Planned {
        let setting = &self.config.settings[index];
        let plain_enough = match wanted.must {
            Must::Hold(entry) | Must::HoldPath(entry) => return self.list(wanted, index, entry),
            // An append is replaced as a whole.
            Must::Be(_) => setting.shape == Shape::Append && setting.certain,
            _ => false,
        };
        if !plain_enough {
            self.plain(setting, wanted.name, wanted.by_hand)?;
        }
        let source = self.source(setting);
        let bytes = self.bytes(source);
        let splices = match wanted.must {
            Must::Lack(entry) => match List::read(bytes, setting.at.start) {
                Some(list) => list.remove(entry.as_bytes()),
                None => vec![Splice::new(setting.at.clone(), "{ }")],
            },
            Must::Be(value) if setting.shape != Shape::Append => vec![Splice::new(setting.at.clone(), literal(value))],
            Must::Anonymous(module) => vec![Splice::new(setting.at.clone(), format!("'{module}'"))],
            must => {
                let statement = must.statement(wanted.name);
                let text = match must {
                    Must::Text(_) => spaced(bytes, setting.range.start, &statement),
                    _ => statement,
                };
                vec![Splice::new(setting.range.clone(), text)]
            }
        };
        self.splices.plan(source, splices, wanted.what.clone());
        Ok(())
    }

    /// Adds an entry to the list that a setting holds. A single string becomes a list: that is what was meant, and
    /// Prosody does not accept a string there.
    fn list(&mut self, wanted: &Requirement, index: usize, entry: &str) -> Planned {
        let Requirement { name, what, by_hand: lines, .. } = wanted;
        let mut setting = &self.config.settings[index];
        while let (Shape::Append, Some(base)) = (setting.shape, setting.base) {
            setting = &self.config.settings[base];
        }
        let source = self.source(setting);
        let bytes = self.bytes(source);
        if setting.shape == Shape::Append {
            let why = format!("entries are appended to {name} here, but to which list is unclear");
            return refuse(&setting.file, setting.line, why, lines.to_vec());
        }
        let plain = !numbered(&self.config.settings[index].value);
        if setting.certain && setting.literal && plain {
            if let Some(list) = List::read(bytes, setting.at.start) {
                let splices = list.add(entry.as_bytes());
                self.splices.plan(source, splices, what.to_owned());
                return Ok(());
            }
        }
        self.plain(setting, name, lines)?;
        let old = match &setting.value {
            Value::String(old) if old != entry.as_bytes() => [&lua_string(old), &b", "[..]].concat(),
            Value::String(_) | Value::Nil => Vec::new(),
            _ => {
                let why = format!("{name} is not a plain list");
                return refuse(&setting.file, setting.line, why, lines.to_vec());
            }
        };
        let text = [b"{ ", &old[..], &lua_string(entry.as_bytes()), b" }"].concat();
        let splice = Splice::new(setting.at.clone(), text);
        self.splices.plan(source, vec![splice], what.to_owned());
        Ok(())
    }

    /// Uncomments the option if a comment has it with a value that fits; returns whether it did.
    fn uncommented(&mut self, wanted: &Requirement) -> bool {
        let fits = |value: &Value| match wanted.must {
            Must::Hold(_) | Must::HoldPath(_) => only(value, |value| wanted.must.is_met_by(value)),
            Must::Text(_) => matches!(value, Value::String(_)),
            _ => false,
        };
        let mut found = self.config.commented.iter().filter(|commented| {
            commented.scope == wanted.scope
                && commented.name == wanted.name.as_bytes()
                && self.free(commented.source, wanted.name, &[]).is_ok()
                && fits(&commented.value)
        });
        // The first one in the preferred file, else the first one.
        let Some(found) = found.clone().find(|found| wanted.prefer == Some(found.source)).or_else(|| found.next())
        else {
            return false;
        };
        let bytes = self.bytes(found.source);
        let splice = match wanted.must {
            Must::Text(_) => {
                let text = spaced(bytes, found.range.start, &wanted.must.statement(wanted.name));
                Splice::new(found.range.clone(), text)
            }
            _ => {
                let text = &bytes[found.range.clone()];
                let dashes = text.len() - text[2..].trim_ascii_start().len();
                Splice::new(found.range.start..found.range.start + dashes, "")
            }
        };
        self.splices.plan(found.source, vec![splice], wanted.what.clone());
        true
    }
}

/// Whether the list has exactly one entry, the right one.
fn only(value: &Value, has: impl Fn(&Value) -> bool) -> bool {
    matches!(value, Value::Table(fields) if fields.len() == 1) && has(value)
}

/// Whether a table has keys that are not names: a new entry might replace one of those.
fn numbered(value: &Value) -> bool {
    let other = |(key, _): &(Option<Key>, Value)| *key == Some(Key::Other);
    matches!(value, Value::Table(fields) if fields.iter().any(other))
}

/// The package's removal script looks for a space before `app_id` and `app_secret`.
fn spaced(bytes: &[u8], at: usize, statement: &[u8]) -> Vec<u8> {
    let space: &[u8] = if bytes[..at].ends_with(b" ") { b"" } else { b" " };
    [space, statement].concat()
}
