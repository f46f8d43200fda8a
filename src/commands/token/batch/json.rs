//! A row in JSON: an object whose fields are strings, numbers, booleans or null.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::token::{Field, Row};

/// A row as it was parsed.
#[derive(Debug, Default)]
pub struct Parsed<'a> {
    /// The row.
    pub row: Row<'a>,
    /// The names of unknown fields.
    pub unknown: Vec<String>,
}

/// Parses a line. An error is the column and what is wrong there.
pub fn parse(line: &[u8]) -> Result<Parsed<'_>, (usize, String)> {
    serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or_default();
        (error.column(), text.to_owned())
    })
}

impl<'de> Deserialize<'de> for Parsed<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Parsed<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object with the fields of a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut parsed = Parsed::default();
        let mut seen = [false; Field::ALL.len()];
        let mut claims_seen = false;
        while let Some(Text(name)) = map.next_key()? {
            if name == "claims" {
                if std::mem::replace(&mut claims_seen, true) {
                    return Err(de::Error::duplicate_field("claims"));
                }
                parsed.row.claims = map.next_value::<Option<Map<_, _>>>()?.unwrap_or_default();
                continue;
            }
            let Some(field) = Field::named(&name) else {
                map.next_value::<IgnoredAny>()?;
                parsed.unknown.push(name.into_owned());
                continue;
            };
            if std::mem::replace(&mut seen[field as usize], true) {
                return Err(de::Error::duplicate_field(field.name()));
            }
            let text = if field == Field::Features {
                Cow::Owned(map.next_value::<Features>()?.0)
            } else {
                map.next_value::<Text>()?.0
            };
            parsed.row.set(field, text);
        }
        Ok(parsed)
    }
}

/// A string, borrowed if it has no escapes; numbers and booleans as text.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Scalar)
    }
}

struct Scalar;

impl<'de> Visitor<'de> for Scalar {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(if value { "true" } else { "false" })))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(value.to_string())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed("")))
    }
}

/// Features as a string, a list of names or an object of booleans; kept as a string.
struct Features(String);

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = |name: &str, value: &Value| match value {
            Value::String(on) => format!("{name}={on}"),
            on => format!("{name}={on}"),
        };
        let words: Vec<String> = match Value::deserialize(deserializer)? {
            Value::Null => Vec::new(),
            Value::String(text) => vec![text],
            Value::Array(names) => names
                .iter()
                .map(|name| name.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| de::Error::custom("\"features\" must be a list of names"))?,
            Value::Object(switches) => switches.iter().map(|(name, on)| word(name, on)).collect(),
            _ => return Err(de::Error::custom("\"features\" must be a list of names")),
        };
        Ok(Self(words.join(" ")))
    }
}
