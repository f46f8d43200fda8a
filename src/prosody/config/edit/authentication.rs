//! `authentication = "token"` with the marker that the scripts of Jitsi's package look for.

use super::super::parser::Shape;
use super::editor::{Editor, Planned};
use super::place::with_trailing_space;
use super::splice::{Splice, Tail, eol, indentation, separator, tail};
use crate::lua::literal::lua_string;
use crate::lua::value::Value;
use crate::prosody::config::Setting;

/// The statement in the spelling that the package's scripts look for.
pub(super) const AUTHENTICATION: &str = "authentication = \"token\" -- do not delete me";

const MARKER: &[u8] = b"do not delete me";

impl Editor<'_> {
    /// Sets one setting to "token", with the marker. Returns whether the rest of its line moves to a new one.
    pub fn authenticate(&mut self, setting: &Setting) -> Planned<bool> {
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
            // In a table, the separator has to stay, and the marker comments out the rest of the line.
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
                text.extend([line_end, &with_trailing_space(indent.to_vec())].concat());
                fresh = true;
                here
            }
        };
        let splice = Splice::new(start..end, text);
        self.splices.plan(source, vec![splice], becomes(&setting.value));
        Ok(fresh)
    }
}

/// The change to the authentication, in words.
fn becomes(old: &Value) -> String {
    match old {
        Value::String(old) if old == b"token" => "add the package's marker to authentication".to_owned(),
        Value::String(old) => {
            format!("change authentication from {} to \"token\"", String::from_utf8_lossy(&lua_string(old)))
        }
        _ => "set authentication to \"token\"".to_owned(),
    }
}
