//! What a configuration option can be set to.

/// A value in the configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    String(Vec<u8>),
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// `nil`: not set here.
    Nil,
    /// A table, in the order in which it is written.
    Table(Vec<(Option<Key>, Value)>),
    /// An expression that only a running Lua could evaluate, or a value that is set under a condition.
    Computed,
}

/// The key of a table's field.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// `name = …` or `["name"] = …`.
    Name(Vec<u8>),
    /// Any other key.
    Other,
}

impl Value {
    /// The bytes of a string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::String(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A string that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// A boolean, as Prosody's `get_option_boolean` understands it: also "true", "false", 1 and 0.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            Self::Number(value) if *value == 1.0 => Some(true),
            Self::Number(value) if *value == 0.0 => Some(false),
            Self::String(bytes) if bytes == b"true" => Some(true),
            Self::String(bytes) if bytes == b"false" => Some(false),
            _ => None,
        }
    }

    /// A number.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// The strings of a list; a single string is a list of one, as for Prosody's `get_option_set`. `None` if it is not
    /// a list, or has entries that are not known. Numbers and booleans are left out.
    pub fn strings(&self) -> Option<Vec<String>> {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match self {
            Self::String(bytes) => Some(vec![lossy(bytes)]),
            Self::Table(_) if self.entries().any(|value| *value == Self::Computed) => None,
            Self::Table(_) => Some(self.entries().filter_map(Self::as_bytes).map(lossy).collect()),
            _ => None,
        }
    }

    /// The entries of a list, without the fields that have a key; empty for anything else.
    pub fn entries(&self) -> impl Iterator<Item = &Self> {
        let fields = match self {
            Self::Table(fields) => fields.as_slice(),
            _ => &[],
        };
        fields.iter().filter(|(key, _)| key.is_none()).map(|(_, value)| value)
    }

    /// Whether a list contains this entry. Computed entries never match.
    pub fn lists(&self, entry: &str) -> bool {
        self.entries().any(|value| value.as_bytes() == Some(entry.as_bytes()))
    }
}
