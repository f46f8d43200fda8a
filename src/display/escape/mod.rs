//! Makes text from outside (tokens, servers, files, packages) safe to show: secrets are masked, and characters that a
//! terminal acts on or that hide text are replaced. One function for lines, one for JSON.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use crate::host::secret::{redact, redact_value};

/// One line, with secrets masked. A control character is shown as U+FFFD, a character that is invisible or changes the
/// writing direction as its code point: `<U+202E>`.
pub fn line(text: &str) -> String {
    let text = redact(text);
    if text.chars().all(is_plain) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) {
            shown.push(c);
        } else if c.is_control() {
            shown.push(char::REPLACEMENT_CHARACTER);
        } else {
            let _ = write!(shown, "<U+{:04X}>", u32::from(c));
        }
    }
    shown
}

/// [`line`] for several lines.
pub fn lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(line).collect();
    lines.join("\n")
}

/// JSON in which characters that `line` would not show are escaped, wherever they come from; a parser reads the same
/// text. Only strings can contain such characters.
pub fn escaped(json: &str) -> String {
    let escape = |c: char| c != '\n' && !is_plain(c);
    if !json.contains(escape) {
        return json.to_owned();
    }
    let mut shown = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if escape(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A value as indented JSON. Secrets are masked in strings, never in names, numbers or the structure. Strings in `own`
/// fields stay: they are the program's own words, or what was asked for.
pub fn json(value: &impl Serialize, own: &[&str]) -> String {
    // Serialization of our types cannot fail; `null` is at least JSON.
    let mut value = serde_json::to_value(value).unwrap_or_default();
    mask(&mut value, own, &redact_value);
    escaped(&format!("{value:#}\n"))
}

/// A value with the secrets in its strings masked.
pub fn masked<T: Clone + Into<Value>>(value: &T) -> Value {
    let mut value = value.clone().into();
    mask(&mut value, &[], &redact_value);
    value
}

/// Fields that hold parts of a token. Strangers choose the names in there, so none of them counts as `own`.
const FOREIGN: [&str; 2] = ["claims", "header"];

fn mask(value: &mut Value, own: &[&str], redact: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = redact(text),
        Value::Array(values) => values.iter_mut().for_each(|value| mask(value, own, redact)),
        Value::Object(fields) => {
            for (name, value) in fields {
                if FOREIGN.contains(&name.as_str()) {
                    mask(value, &[], redact);
                } else if !(value.is_string() && own.contains(&name.as_str())) {
                    mask(value, own, redact);
                }
            }
        }
        _ => {}
    }
}

/// Whether a character is shown unchanged.
fn is_plain(c: char) -> bool {
    match c {
        '\t' | ' '..='~' => true,
        c if c.is_control() => false,
        _ => !is_hidden(c),
    }
}

/// Characters that are invisible or change how others are displayed: Unicode's `Default_Ignorable_Code_Point`,
/// directional marks, line and paragraph separators. U+FE0E and U+FE0F stay: they choose how an emoji looks, and names
/// contain them.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
        | '\u{feff}' | '\u{ffa0}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0d}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests;
