//! The component with the rooms: it has to load the module that ties a token to its room.

use super::editor::{Editor, Planned};
use super::host::name_of;
use super::list::List;
use super::option::only;
use super::splice::{Splice, lines_behind};
use crate::lua::value::Value;
use crate::prosody::config::Section;

/// The module that ties a token to its room.
pub(super) const TOKEN_VERIFICATION: &str = "token_verification";

impl Editor<'_> {
    /// The rooms' component checks the token.
    pub fn rooms(&mut self) -> Planned {
        let section = self.section(self.wanted.muc, true)?;
        let Some(scope) = self.config.scope(Some(self.wanted.muc)) else {
            return Ok(());
        };
        let what = format!("modules_enabled of {} gets \"{TOKEN_VERIFICATION}\"", self.wanted.muc);
        let lines = self.by_hand(true);
        let found = self.config.candidates(scope, "modules_enabled");
        for index in &found {
            let setting = &self.config.settings[*index];
            if !setting.value.lists(TOKEN_VERIFICATION) {
                self.list(*index, "modules_enabled", TOKEN_VERIFICATION, &lines, &what)?;
            }
        }
        let has = |value: &Value| value.lists(TOKEN_VERIFICATION);
        let alone = |value: &Value| only(value, has);
        let mut missing = Vec::new();
        let mut texts = Vec::new();
        if found.is_empty() && !self.uncomment(scope, "modules_enabled", None, alone, &what) {
            missing.push(format!("modules_enabled = {{ \"{TOKEN_VERIFICATION}\" }}").into_bytes());
            texts.push(what);
        }
        let known = missing.len();
        self.further(scope, self.wanted.room_options, &lines, &mut missing)?;
        for line in missing.iter().filter(|_| section.body.is_none()) {
            self.free(section.source, &name_of(line), &lines)?;
        }
        for line in &missing[known..] {
            let line = String::from_utf8_lossy(line).into_owned();
            texts.push(format!("new on {}: {line}", self.wanted.muc));
        }
        self.add(section, &missing, texts);
        self.allow(scope, &lines)
    }

    /// Adds whole options to the component.
    fn add(&mut self, section: &Section, lines: &[Vec<u8>], texts: Vec<String>) {
        if lines.is_empty() {
            return;
        }
        let bytes = self.bytes(section.source);
        let splice = match &section.body {
            Some(body) => {
                let fields = lines.iter().map(|line| [b" ", &line[..], b";"].concat());
                Splice::insert(body.start + 1, fields.collect::<Vec<_>>().concat())
            }
            None => {
                let indent = self.indent(section);
                lines_behind(bytes, section.range.end, &indent, lines, false)
            }
        };
        for (number, what) in texts.into_iter().enumerate() {
            let splices = if number == 0 { vec![splice.clone()] } else { vec![] };
            self.splices.plan(section.source, splices, what);
        }
    }

    /// Nothing disables the module on the component. (The global `modules_disabled` does not reach it.)
    fn allow(&mut self, scope: usize, lines: &[String]) -> Planned {
        for index in self.config.candidates(scope, "modules_disabled") {
            let setting = &self.config.settings[index];
            let harmless = match &setting.value {
                Value::Computed => false,
                Value::String(name) => name != TOKEN_VERIFICATION.as_bytes(),
                list => !list.lists(TOKEN_VERIFICATION),
            };
            if harmless {
                continue;
            }
            self.plain(setting, "modules_disabled", lines)?;
            let source = self.source(setting);
            let splices = match List::read(self.bytes(source), setting.at.start) {
                Some(list) => list.remove(TOKEN_VERIFICATION.as_bytes()),
                None => vec![Splice::new(setting.at.clone(), "{ }")],
            };
            let what = format!("modules_disabled of {} loses \"{TOKEN_VERIFICATION}\"", self.wanted.muc);
            self.splices.plan(source, splices, what);
        }
        Ok(())
    }
}
