//! The global option `plugin_paths`.

use super::editor::{Editor, Planned};
use super::option::only;
use super::splice::{Splice, eol, indentation, lines_behind};
use crate::lua::literal::lua_string;
use crate::lua::value::Value;

impl Editor<'_> {
    /// `plugin_paths` names Jitsi's plugins.
    pub fn plugins(&mut self) -> Planned {
        let directory = self.wanted.plugin_dir;
        let what = format!("plugin_paths gets \"{directory}\"");
        let lines = vec![format!("plugin_paths = {{ \"{directory}\" }}")];
        let has = |value: &Value| {
            let same = |path: &str| path.trim_end_matches('/') == directory.trim_end_matches('/');
            matches!(value, Value::Table(_)) && value.entries().filter_map(Value::as_str).any(same)
        };
        let found = self.config.candidates(0, "plugin_paths");
        for index in &found {
            let setting = &self.config.settings[*index];
            if !has(&setting.value) {
                self.list(*index, "plugin_paths", directory, &lines, &what)?;
            }
        }
        if found.is_empty() {
            let section = self.section(self.wanted.domain, false)?;
            let here = Some(section.source);
            if !self.uncomment(0, "plugin_paths", here, |value| only(value, has), &what)
                && !self.uncomment(0, "plugin_paths", None, |value| only(value, has), &what)
            {
                self.free(section.source, "plugin_paths", &lines)?;
                let line = [b"plugin_paths = { ", &*lua_string(directory.as_bytes()), b" }"].concat();
                let splice = self.global_line(section.source, line);
                self.splices.plan(section.source, vec![splice], what);
            }
        }
        Ok(())
    }

    /// Where a line is in the global section: behind the last global option before the first section, or on top.
    fn global_line(&self, source: usize, line: Vec<u8>) -> Splice {
        let bytes = self.bytes(source);
        let sections = self.config.sections.iter().filter(|section| section.source == source);
        let first = sections.map(|section| section.range.start).min().unwrap_or(bytes.len());
        let before = self
            .config
            .of_section(0)
            .filter(|setting| self.source(setting) == source && setting.range.end <= first && setting.certain);
        match before.map(|setting| &setting.range).max_by_key(|range| range.end) {
            Some(range) => lines_behind(bytes, range.end, indentation(bytes, range.start), &[line], false),
            None => Splice::insert(0, [&line, eol(bytes)].concat()),
        }
    }
}
