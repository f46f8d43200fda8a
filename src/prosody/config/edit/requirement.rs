//! What must hold for one option of a section: what it has to say, and how to write that if it is not set.

use crate::lua::literal::lua_string;
use crate::lua::value::Value;

/// An option and its wanted value.
pub type Assignment = (&'static str, Value);

/// What an option has to say.
#[derive(Clone, Copy)]
pub(super) enum Must<'a> {
    /// This text; written without blanks around `=` and with one before the name, as the package's scripts look for it.
    Text(&'a str),
    /// This value, which the operator chose.
    Be(&'a Value),
    /// A list with this entry.
    Hold(&'a str),
    /// A list with the path of this folder, with or without a final slash.
    HoldPath(&'a str),
    /// Anything but a list with this entry.
    Lack(&'a str),
    /// A module that lets everybody in; this one if the current one does not.
    Anonymous(&'a str),
}

/// What must hold for an option.
pub(super) struct Requirement<'a> {
    /// The number of the section; 0 is the global one.
    pub scope: usize,
    /// The option's name.
    pub name: &'a str,
    /// What it has to say.
    pub must: Must<'a>,
    /// The edit in words; never contains the secret.
    pub what: String,
    /// What a person would write where a program must not.
    pub by_hand: &'a [String],
    /// The file in which a commented-out option is looked for first.
    pub prefer: Option<usize>,
}

impl Must<'_> {
    /// Whether a value meets it.
    pub fn is_met_by(&self, have: &Value) -> bool {
        match self {
            Self::Text(text) => have.as_bytes() == Some(text.as_bytes()),
            Self::Be(value) => same(have, value),
            Self::Hold(entry) => have.lists(entry),
            Self::HoldPath(path) => {
                let same = |other: &str| other.trim_end_matches('/') == path.trim_end_matches('/');
                matches!(have, Value::Table(_)) && have.entries().filter_map(Value::as_str).any(same)
            }
            Self::Lack(entry) => match have {
                Value::Computed => false,
                Value::String(name) => name != entry.as_bytes(),
                list => !list.lists(entry),
            },
            Self::Anonymous(_) => matches!(have.as_str(), Some("anonymous" | "jitsi-anonymous")),
        }
    }

    /// Whether it is about one entry of a list, among others.
    pub fn is_list_entry(&self) -> bool {
        matches!(self, Self::Hold(_) | Self::HoldPath(_) | Self::Lack(_))
    }

    /// The statement that meets it.
    pub fn statement(&self, name: &str) -> Vec<u8> {
        self.statement_after(&[], name)
    }

    /// The statement that meets it; a list has these entries too.
    pub fn statement_after(&self, others: &[String], name: &str) -> Vec<u8> {
        let name = name.as_bytes();
        match self {
            Self::Text(text) => [name, b"=", &lua_string(text.as_bytes())].concat(),
            Self::Be(value) => [name, b" = ", &literal(value)].concat(),
            Self::Hold(entry) | Self::HoldPath(entry) => {
                let entries = others.iter().map(String::as_str).chain([*entry]);
                let entries: Vec<Vec<u8>> = entries.map(|entry| lua_string(entry.as_bytes())).collect();
                [name, b" = { ", &entries.join(&b", "[..])[..], b" }"].concat()
            }
            Self::Lack(_) => [name, b" = { }"].concat(),
            // In single quotes: scripts of Jitsi's packages look for double ones and would switch this host to tokens.
            Self::Anonymous(module) => [name, b" = '", module.as_bytes(), b"'"].concat(),
        }
    }
}

impl<'a> Requirement<'a> {
    pub fn new(scope: usize, name: &'a str, must: Must<'a>, what: String, by_hand: &'a [String]) -> Self {
        Self { scope, name, must, what, by_hand, prefer: None }
    }

    /// Requires that a module is enabled on a host and not disabled there, or that it is not enabled.
    pub fn module(scope: usize, host: &str, module: &'a str, wanted: bool, by_hand: &'a [String]) -> Vec<Self> {
        if !wanted {
            let what = format!("remove \"{module}\" from modules_enabled of {host}");
            return vec![Self::new(scope, "modules_enabled", Must::Lack(module), what, by_hand)];
        }
        let on = format!("add \"{module}\" to modules_enabled of {host}");
        let off = format!("remove \"{module}\" from modules_disabled of {host}");
        vec![
            Self::new(scope, "modules_enabled", Must::Hold(module), on, by_hand),
            Self::new(scope, "modules_disabled", Must::Lack(module), off, by_hand),
        ]
    }

    /// Requires the value that the operator chose for an option.
    pub fn chosen(scope: usize, (name, value): &'a Assignment, by_hand: &'a [String]) -> Self {
        let what = format!("set {name} to {}", String::from_utf8_lossy(&literal(value)));
        Self::new(scope, name, Must::Be(value), what, by_hand)
    }
}

/// A value as Lua source.
pub(super) fn literal(value: &Value) -> Vec<u8> {
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

/// Whether Prosody reads both the same way; the order of a list does not matter.
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
