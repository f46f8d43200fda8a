//! Further options, whose values the operator chose: changed where they are set, else added.

use super::super::parser::Shape;
use super::editor::{Editor, Planned};
use super::splice::Splice;
use crate::lua::literal::lua_string;
use crate::lua::value::Value;

/// An option and the value that it is to have.
pub type Assignment = (&'static str, Value);

impl Editor<'_> {
    /// Sets options of a section where they stand; the lines of those that stand nowhere go to `missing`.
    pub fn further(
        &mut self,
        scope: usize,
        choices: &[Assignment],
        lines: &[String],
        missing: &mut Vec<Vec<u8>>,
    ) -> Planned {
        for (name, value) in choices {
            let found = self.config.candidates(scope, name);
            if found.is_empty() && !self.inherited(name, |have| same(have, value)) {
                missing.push(statement(name, value));
            }
            for index in found {
                self.set(index, name, value, lines)?;
            }
        }
        Ok(())
    }

    /// Whether the global section says it already, for every host that says nothing.
    pub fn inherited(&self, name: &str, fits: impl Fn(&Value) -> bool) -> bool {
        let found = self.config.candidates(0, name);
        let fits = |index: &usize| {
            let setting = &self.config.settings[*index];
            setting.certain && fits(&setting.value)
        };
        !found.is_empty() && found.iter().all(fits)
    }

    fn set(&mut self, index: usize, name: &str, value: &Value, lines: &[String]) -> Planned {
        let setting = &self.config.settings[index];
        if setting.certain && same(&setting.value, value) {
            return Ok(());
        }
        if setting.shape != Shape::Append || !setting.certain {
            self.plain(setting, name, lines)?;
        }
        let splice = match setting.shape {
            Shape::Append => Splice::new(setting.range.clone(), statement(name, value)),
            _ => Splice::new(setting.at.clone(), literal(value)),
        };
        let shown = String::from_utf8_lossy(&literal(value)).into_owned();
        let what = format!("{name} is set to {shown}");
        self.splices.plan(self.source(setting), vec![splice], what);
        Ok(())
    }
}

/// `name = value`.
pub(super) fn statement(name: &str, value: &Value) -> Vec<u8> {
    [name.as_bytes(), b" = ", &literal(value)].concat()
}

fn literal(value: &Value) -> Vec<u8> {
    match value {
        Value::Bool(value) => value.to_string().into_bytes(),
        Value::String(text) => lua_string(text),
        Value::Table(_) => {
            let entries: Vec<Vec<u8>> = value.entries().map(literal).collect();
            [b"{ ", &entries.join(&b", "[..])[..], b" }"].concat()
        }
        Value::Number(_) | Value::Nil | Value::Computed => b"nil".to_vec(),
    }
}

/// Whether Prosody reads the same from both; lists may have another order.
fn same(have: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Bool(wanted) => have.as_bool() == Some(*wanted),
        Value::Table(_) => {
            let sorted = |value: &Value| {
                let mut all = value.strings()?;
                all.sort_unstable();
                Some(all)
            };
            sorted(have).is_some() && sorted(have) == sorted(wanted)
        }
        wanted => have == wanted,
    }
}
