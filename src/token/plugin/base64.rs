//! Splits a token into its three parts as the plugins do, and decodes base64 as their libraries do.

/// The parts as `jwt.decode` of the rocks splits them: at the first two dots.
pub fn split_at_two_dots(token: &[u8]) -> Vec<&[u8]> {
    token.splitn(3, |byte| *byte == b'.').collect()
}

/// The parts as `jwt.verify` finds them: what is between dots and backslashes, without empty ones.
pub fn split_between_dots(token: &[u8]) -> Vec<&[u8]> {
    token.split(|byte| matches!(byte, b'.' | b'\\')).filter(|part| !part.is_empty()).collect()
}

/// Decodes base64url as basexx does: `=` is ignored anywhere, and bits that do not fill a byte are dropped. The error
/// is the first unknown byte.
pub fn basexx(text: &[u8]) -> Result<Vec<u8>, u8> {
    let mut bits = Bits::default();
    for &byte in text.iter().filter(|byte| **byte != b'=') {
        match byte {
            b'+' | b'/' => return Err(byte),
            _ => bits.push(sextet(byte).ok_or(byte)?),
        }
    }
    Ok(bits.bytes)
}

/// Decodes base64 as the rocks of the decode era do, with lbase64: both alphabets, whitespace skipped, the end at the
/// first `=`. The padding is computed from the length including whitespace, so a line break may cost the last bytes.
pub fn lbase64(text: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Bits::default();
    let mut group = 0;
    let padded = text.len() % 4 > 0;
    for &byte in text {
        match byte {
            0 => return Some(bits.whole(group)),
            b'=' => return Some(bits.bytes),
            b'\n' | b'\r' | b'\t' | b' ' | 8 | 12 => {}
            _ => {
                bits.push(sextet(byte)?);
                group = (group + 1) % 4;
            }
        }
    }
    Some(if padded { bits.bytes } else { bits.whole(group) })
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' | b'+' => Some(62),
        b'_' | b'/' => Some(63),
        _ => None,
    }
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    rest: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, six: u8) {
        self.rest = (self.rest << 6) | u32::from(six);
        self.count += 6;
        if self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.rest >> self.count) as u8);
            self.rest &= (1 << self.count) - 1;
        }
    }

    /// The bytes without those of the last, incomplete group.
    fn whole(mut self, group: usize) -> Vec<u8> {
        let dropped = group.saturating_sub(1);
        self.bytes.truncate(self.bytes.len() - dropped);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_split_as_the_plugins_do() {
        let texts = |parts: Vec<&[u8]>| -> Vec<String> {
            let text = |part: &&[u8]| String::from_utf8_lossy(part).into_owned();
            parts.iter().map(text).collect()
        };
        assert_eq!(texts(split_at_two_dots(b"a.b.c.d")), ["a", "b", "c.d"]);
        assert_eq!(texts(split_at_two_dots(b"a..")), ["a", "", ""]);
        assert_eq!(texts(split_between_dots(b".a..b\\c.")), ["a", "b", "c"]);
    }

    #[test]
    fn basexx_ignores_padding_anywhere() {
        assert_eq!(basexx(b"YW=Jj").unwrap(), b"abc");
        assert_eq!(basexx(b"YWI").unwrap(), b"ab");
        assert_eq!(basexx(b"Y").unwrap(), b"");
        assert_eq!(basexx(b"YW\nJj"), Err(b'\n'));
        assert_eq!(basexx(b"a+b/"), Err(b'+'));
        assert_eq!(basexx(b"-_-_").unwrap(), [0xfb, 0xff, 0xbf]);
    }

    #[test]
    fn lbase64_skips_but_counts_whitespace() {
        assert_eq!(lbase64(b"YWI").unwrap(), b"ab");
        assert_eq!(lbase64(b"YWJj").unwrap(), b"abc");
        assert_eq!(lbase64(b"YW\nJj").unwrap(), b"abc");
        // Four bytes with the line break: no padding is added, and the last group stays incomplete.
        assert_eq!(lbase64(b"YW\nI").unwrap(), b"");
        assert_eq!(lbase64(b"+/-_").unwrap(), [0xfb, 0xff, 0xbf]);
        assert_eq!(lbase64(b"YWJj=YWJj").unwrap(), b"abc");
        assert_eq!(lbase64(b"YW.j"), None);
        assert_eq!(lbase64(b"YWJjYW\0").unwrap(), b"abc");
    }
}
