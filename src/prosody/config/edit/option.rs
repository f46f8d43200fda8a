//! An option that is there already: a list that gets another entry, or a comment that becomes code.

use super::super::parser::Shape;
use super::editor::{Editor, Planned, refuse};
use super::list::List;
use super::splice::Splice;
use crate::lua::literal::lua_string;
use crate::lua::value::{Key, Value};

impl Editor<'_> {
    /// Adds an entry to the list that a setting holds. A string alone becomes a list: that is what was meant, and
    /// Prosody takes no string there.
    pub fn list(&mut self, index: usize, name: &str, entry: &str, lines: &[String], what: &str) -> Planned {
        let mut setting = &self.config.settings[index];
        while let (Shape::Append, Some(base)) = (setting.shape, setting.base) {
            setting = &self.config.settings[base];
        }
        let source = self.source(setting);
        let bytes = self.bytes(source);
        if setting.shape == Shape::Append {
            let why = format!("entries are appended to {name} here, and it is not known to which list");
            return refuse(&setting.file, setting.line, why, lines.to_vec());
        }
        let plain = !numbered(&setting.value) && !numbered(&self.config.settings[index].value);
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

    /// Takes an option out of its comment if it stands there with a value that fits; says whether.
    pub fn uncomment(
        &mut self,
        scope: usize,
        name: &str,
        source: Option<usize>,
        fits: impl Fn(&Value) -> bool,
        what: &str,
    ) -> bool {
        let found = self.config.commented.iter().find(|commented| {
            commented.scope == scope
                && commented.name == name.as_bytes()
                && source.is_none_or(|source| source == commented.source)
                && self.free(commented.source, name, &[]).is_ok()
                && fits(&commented.value)
        });
        let Some(found) = found else { return false };
        let text = &self.bytes(found.source)[found.range.clone()];
        let dashes = text.len() - text[2..].trim_ascii_start().len();
        let splice = Splice::new(found.range.start..found.range.start + dashes, "");
        self.splices.plan(found.source, vec![splice], what.to_owned());
        true
    }
}

/// Whether the list has one entry, which is the right one.
pub(super) fn only(value: &Value, has: impl Fn(&Value) -> bool) -> bool {
    matches!(value, Value::Table(fields) if fields.len() == 1) && has(value)
}

/// Whether a table has keys that are not names: a new entry might take the place of one.
fn numbered(value: &Value) -> bool {
    let other = |(key, _): &(Option<Key>, Value)| *key == Some(Key::Other);
    matches!(value, Value::Table(fields) if fields.iter().any(other))
}
