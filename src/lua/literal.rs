//! Lua's literals, from source to bytes and back.

use super::lexer::{SyntaxError, Token, TokenKind};

/// The bytes that a string token represents.
pub fn string(source: &[u8], token: Token) -> Result<Vec<u8>, SyntaxError> {
    let text = &source[token.start..token.end];
    if token.kind == TokenKind::LongText {
        return Ok(long(text));
    }
    let inner = &text[1..text.len() - 1];
    if !inner.contains(&b'\\') {
        return Ok(inner.to_vec());
    }
    unescape(inner).ok_or_else(|| {
        // Does not quote it: it may be a secret.
        SyntaxError::new(token.line, "invalid escape in a string")
    })
}

fn long(text: &[u8]) -> Vec<u8> {
    let level = text[1..].iter().take_while(|byte| **byte == b'=').count();
    let mut rest = &text[level + 2..text.len() - level - 2];
    let mut out = Vec::with_capacity(rest.len());
    // A line end right after the opening bracket does not count; every other becomes \n.
    if let Some(length) = line_end(rest) {
        rest = &rest[length..];
    }
    while let Some(first) = rest.first() {
        let length = line_end(rest);
        out.push(if length.is_some() { b'\n' } else { *first });
        rest = &rest[length.unwrap_or(1)..];
    }
    out
}

/// The length of the line end at the start of `bytes`.
pub fn line_end(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\r', b'\n', ..] | [b'\n', b'\r', ..] => Some(2),
        [b'\r' | b'\n', ..] => Some(1),
        _ => None,
    }
}

fn unescape(inner: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'\\' {
            rest = escape(rest, &mut out)?;
        } else {
            out.push(*first);
        }
    }
    Some(out)
}

/// Writes what the escape represents, and returns what follows it.
fn escape<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (first, behind) = rest.split_first()?;
    let simple = match first {
        b'a' => 7,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        b'\\' | b'"' | b'\'' => *first,
        b'z' => return Some(skip_blanks(behind)),
        b'x' => {
            out.push(u8::from_str_radix(std::str::from_utf8(behind.get(..2)?).ok()?, 16).ok()?);
            return behind.get(2..);
        }
        b'u' => return unicode(behind, out),
        b'\r' | b'\n' => {
            out.push(b'\n');
            return rest.get(line_end(rest)?..);
        }
        b'0'..=b'9' => {
            let length = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
            out.push(std::str::from_utf8(&rest[..length]).ok()?.parse().ok()?);
            return rest.get(length..);
        }
        _ => return None,
    };
    out.push(simple);
    Some(behind)
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c);
    &bytes[bytes.iter().take_while(|byte| blank(byte)).count()..]
}

fn unicode<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let rest = rest.strip_prefix(b"{")?;
    let length = rest.iter().position(|byte| *byte == b'}')?;
    let digits = std::str::from_utf8(&rest[..length]).ok()?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    // Beyond Unicode (Lua writes such bytes, Prosody has no use for them) it is rejected.
    let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    rest.get(length + 1..)
}

/// The value of a number token, if it is valid.
pub fn number(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        None => text.parse().ok(),
        Some(hex) => hexadecimal(hex),
    }
}

fn hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = match text.split_once(['p', 'P']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let places = i32::try_from(fraction.len()).ok()?;
    Some(value * 2f64.powi(exponent.saturating_sub(places.saturating_mul(4))))
}

/// The bytes as a literal in double quotes, which every Lua since 5.1 reads back as the same bytes.
pub fn lua_string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    out.push(b'"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=31 | 127 => out.extend_from_slice(format!("\\{byte:03}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}
