//! What a token's JSON becomes inside Prosody: a Lua value, with Lua's own notion of numbers and letters.

use serde_json::{Map, Number};

/// How many levels of lists and objects are shown.
const SHOWN: usize = 32;

/// The Lua that runs Prosody, as far as it matters for tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lua {
    /// 5.1 and 5.2: an integer prints as `42`.
    Lua52,
    /// 5.3 and later: cjson's numbers are floats, and an integer prints as `42.0`.
    #[default]
    Lua54,
}

impl Lua {
    /// By the version that the interpreter reports, such as `5.4`.
    pub fn of(version: &str) -> Self {
        if ["5.1", "5.2"].contains(&version) { Self::Lua52 } else { Self::Lua54 }
    }
}

/// A value. Lua's `nil`, which JSON cannot express, is the absence of one.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenValue {
    /// `null`: not Lua's `nil` but a marker that is true, equals nothing else and has no fields.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; NaN and infinity are possible.
    Number(f64),
    /// Bytes, UTF-8 or not.
    Text(Vec<u8>),
    /// An array.
    List(Vec<TokenValue>),
    /// An object as written; names may repeat.
    Object(Vec<(Vec<u8>, TokenValue)>),
}

/// Lua raises an error: the plugin did something with a value that its type does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash;

impl TokenValue {
    /// A field; `None` for `nil`. Strings have fields too in Lua (the functions of its library), but none used here.
    pub fn field(&self, name: &str) -> Result<Option<&TokenValue>, Crash> {
        match self {
            Self::Object(fields) => {
                Ok(fields.iter().rev().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| value))
            }
            Self::List(_) | Self::Text(_) => Ok(None),
            Self::Null | Self::Bool(_) | Self::Number(_) => Err(Crash),
        }
    }

    /// Whether it is a string with this text.
    pub fn is(&self, text: &str) -> bool {
        matches!(self, Self::Text(own) if own == text.as_bytes())
    }

    /// Whether Lua considers it true in a condition.
    pub fn truth(&self) -> bool {
        *self != Self::Bool(false)
    }

    /// Its text when concatenated with a string: strings and numbers only.
    pub fn joined(&self, lua: Lua) -> Result<Vec<u8>, Crash> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Number(number) => Ok(number_text(*number, lua).into_bytes()),
            _ => Err(Crash),
        }
    }

    /// The same in lower case. Affects ASCII letters only.
    pub fn lower(&self, lua: Lua) -> Result<Vec<u8>, Crash> {
        self.joined(lua).map(|text| text.to_ascii_lowercase())
    }

    /// Whether Lua can do arithmetic with it.
    pub fn is_numeric(&self) -> bool {
        match self {
            Self::Number(_) => true,
            Self::Text(text) => text_is_numeric(text),
            _ => false,
        }
    }

    /// For people to read. What JSON cannot express becomes a similar string, and what is nested more deeply than
    /// anybody reads (or many parsers accept) is left out.
    pub fn to_json(&self) -> serde_json::Value {
        self.json(SHOWN)
    }

    fn json(&self, levels: usize) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(is) => serde_json::Value::Bool(*is),
            Self::Number(number) => json_number(*number),
            Self::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
            Self::List(_) | Self::Object(_) if levels == 0 => "…".into(),
            Self::List(items) => items.iter().map(|item| item.json(levels - 1)).collect(),
            Self::Object(fields) => serde_json::Value::Object(json_fields(fields, levels - 1)),
        }
    }

    /// The fields of an object, for people to read.
    pub fn to_map(&self) -> Option<Map<String, serde_json::Value>> {
        match self {
            Self::Object(fields) => Some(json_fields(fields, SHOWN - 1)),
            _ => None,
        }
    }

    /// Its type, in a word or two.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

fn json_fields(fields: &[(Vec<u8>, TokenValue)], levels: usize) -> Map<String, serde_json::Value> {
    let pair = |(name, value): &(Vec<u8>, TokenValue)| {
        let name = String::from_utf8_lossy(name).into_owned();
        (name, value.json(levels))
    };
    fields.iter().map(pair).collect()
}

fn json_number(number: f64) -> serde_json::Value {
    // Integers up to this one are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return (number as i64).into();
    }
    match Number::from_f64(number) {
        Some(number) => number.into(),
        None => number_text(number, Lua::Lua54).into(),
    }
}

/// A number as Lua prints it: 14 digits, with an exponent beyond that.
pub fn number_text(number: f64, lua: Lua) -> String {
    if number.is_nan() {
        let sign = if number.is_sign_negative() { "-" } else { "" };
        return format!("{sign}nan");
    }
    if number.is_infinite() {
        return if number < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let scientific = format!("{number:.13e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let bare = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if !(-4..14).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", bare(digits), exponent.abs());
    }
    let places = usize::try_from(13 - exponent).unwrap_or(0);
    let text = bare(&format!("{number:.places$}"));
    if lua == Lua::Lua54 && !text.contains('.') {
        return format!("{text}.0");
    }
    text
}

/// Parses a number at the start as C's `strtod` does, without leading whitespace; also returns its length.
pub fn strtod(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let minus = text.first() == Some(&b'-');
    let body = &text[sign..];
    let (size, length) = word(body).or_else(|| hexadecimal(body)).or_else(|| decimal(body))?;
    Some((if minus { -size } else { size }, sign + length))
}

fn begins(text: &[u8], word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
}

/// Infinity or NaN.
fn word(text: &[u8]) -> Option<(f64, usize)> {
    for (word, size) in [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if begins(text, word) {
            let length = word.len();
            let more = if size.is_nan() { payload(&text[length..]) } else { 0 };
            return Some((size.copysign(1.0), length + more));
        }
    }
    None
}

/// The length of the suffix in parentheses that may follow `nan`.
fn payload(text: &[u8]) -> usize {
    let Some(inside) = text.strip_prefix(b"(") else {
        return 0;
    };
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let length = inside.iter().take_while(|byte| known(byte)).count();
    if inside.get(length) == Some(&b')') { length + 2 } else { 0 }
}

fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    if !begins(text, "0x") {
        return None;
    }
    let (mut size, mut power, mut digits, mut at, mut behind) = (0u64, 0i64, 0usize, 2, false);
    while let Some(byte) = text.get(at) {
        if *byte == b'.' && !behind {
            behind = true;
        } else if let Some(digit) = char::from(*byte).to_digit(16) {
            digits += 1;
            if size >> 60 == 0 {
                size = size * 16 + u64::from(digit);
                power -= if behind { 4 } else { 0 };
            } else {
                // Beyond exact precision, but a set bit still affects the rounding.
                size |= u64::from(digit != 0);
                power += if behind { 0 } else { 4 };
            }
        } else {
            break;
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    if let Some((exponent, length)) = exponent(&text[at..], b'p') {
        power = power.saturating_add(exponent);
        at += length;
    }
    Some((scaled(size as f64, power), at))
}

/// `size` times 2 to the power of `power`.
fn scaled(mut size: f64, power: i64) -> f64 {
    let mut left = power.clamp(-5000, 5000) as i32;
    while left != 0 {
        let step = left.clamp(-1000, 1000);
        size *= 2f64.powi(step);
        left -= step;
    }
    size
}

/// The exponent after this letter, and the length of both.
fn exponent(text: &[u8], letter: u8) -> Option<(i64, usize)> {
    if !text.first()?.eq_ignore_ascii_case(&letter) {
        return None;
    }
    let sign = usize::from(matches!(text.get(1), Some(b'-' | b'+')));
    let digits = text[1 + sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let length = 1 + sign + digits;
    let size = text[1 + sign..length]
        .iter()
        .fold(0i64, |size, byte| size.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
    let minus = text.get(1) == Some(&b'-');
    Some((if minus { -size } else { size }, length))
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let count = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = count(text);
    let mut length = whole;
    let mut part = 0;
    if text.get(whole) == Some(&b'.') {
        part = count(&text[whole + 1..]);
        length += 1 + part;
    }
    if whole + part == 0 {
        return None;
    }
    length += exponent(&text[length..], b'e').map_or(0, |(_, length)| length);
    let written = std::str::from_utf8(&text[..length]).ok()?;
    Some((written.parse().ok()?, length))
}

/// Whether Lua converts this string to a number where one is needed.
fn text_is_numeric(text: &[u8]) -> bool {
    let space = |byte: &u8| b" \t\n\x0b\x0c\r".contains(byte);
    let start = text.iter().take_while(|byte| space(byte)).count();
    let end = text.iter().rev().take_while(|byte| space(byte)).count();
    let Some(inner) = text.get(start..text.len().saturating_sub(end)) else {
        return false;
    };
    // Lua accepts neither infinity nor NaN.
    if inner.iter().any(|byte| byte.eq_ignore_ascii_case(&b'n')) {
        return false;
    }
    strtod(inner).is_some_and(|(_, length)| length == inner.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_in_lua() {
        for (number, lua52, lua54) in [
            (42.0, "42", "42.0"),
            (-0.5, "-0.5", "-0.5"),
            (1e15, "1e+15", "1e+15"),
            (99_999_999_999_999.0, "99999999999999", "99999999999999.0"),
            (123_456_789_012_345.0, "1.2345678901234e+14", "1.2345678901234e+14"),
            (0.00001, "1e-05", "1e-05"),
            (0.1, "0.1", "0.1"),
            (0.0, "0", "0.0"),
            (-0.0, "-0", "-0.0"),
            (f64::INFINITY, "inf", "inf"),
        ] {
            assert_eq!(number_text(number, Lua::Lua52), lua52);
            assert_eq!(number_text(number, Lua::Lua54), lua54);
        }
        assert_eq!(number_text(f64::NAN.copysign(1.0), Lua::Lua52), "nan");
        assert_eq!(number_text(f64::NAN.copysign(-1.0), Lua::Lua52), "-nan");
    }

    #[test]
    fn numbers_parse_as_with_strtod() {
        for (text, number, length) in [
            ("1.9e9,", 1.9e9, 5),
            ("1e999", f64::INFINITY, 5),
            ("0x7fffffff}", 2_147_483_647.0, 10),
            ("0x1.8p1", 3.0, 7),
            ("0x", 0.0, 1),
            ("1e+", 1.0, 1),
            ("-.5", -0.5, 3),
            ("1.", 1.0, 2),
            ("-Infinity", f64::NEG_INFINITY, 9),
            ("infx", f64::INFINITY, 3),
            ("007", 7.0, 3),
        ] {
            assert_eq!(strtod(text.as_bytes()), Some((number, length)), "{text}");
        }
        assert!(matches!(strtod(b"nan(1)x"), Some((number, 6)) if number.is_nan()));
        for text in ["", "-", ".", "e5", "x"] {
            assert_eq!(strtod(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numeric_strings_count_as_numbers() {
        let numeric = |text: &str| TokenValue::Text(text.into()).is_numeric();
        assert!(numeric("7") && numeric(" 0x10\n") && numeric("1e5"));
        assert!(!numeric("") && !numeric(" ") && !numeric("7x") && !numeric("inf"));
        assert!(!numeric("nan") && !TokenValue::Null.is_numeric());
    }

    #[test]
    fn the_last_duplicate_field_wins() {
        let field = |name: &str, number| (name.as_bytes().to_vec(), TokenValue::Number(number));
        let object = TokenValue::Object(vec![field("a", 1.0), field("b", 2.0), field("a", 3.0)]);
        assert_eq!(object.field("a"), Ok(Some(&TokenValue::Number(3.0))));
        assert_eq!(TokenValue::Text("x".into()).field("a"), Ok(None));
        assert_eq!(TokenValue::Null.field("a"), Err(Crash));
        assert_eq!(object.to_json().to_string(), r#"{"a":3,"b":2}"#);
        let deep = (0..900).fold(TokenValue::Null, |inner, _| TokenValue::List(vec![inner]));
        assert_eq!(deep.to_json().to_string().matches('[').count(), super::SHOWN);
    }
}
