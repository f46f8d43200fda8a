//! Percent-encoding, as query strings and Jitsi's room names have it.

/// `text` with every byte but letters, digits and `-_.~` written as `%XX`.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// `text` with every `%XX` replaced by its byte; a `%` that starts none stays, bytes that are no UTF-8 are replaced.
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|pair| Some((digit(pair[0])?, digit(pair[1])?)));
        match digits {
            Some((high, low)) if byte == b'%' => {
                bytes.push(high * 16 + low);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn what_is_encoded_comes_back() {
        let text = "a b&c=d/é%~";
        assert_eq!(encode(text), "a%20b%26c%3Dd%2F%C3%A9%25~");
        assert_eq!(decode(&encode(text)), text);
    }

    #[test]
    fn a_percent_sign_on_its_own_stays() {
        assert_eq!(decode("100%, %4, %zz, %e9"), "100%, %4, %zz, \u{fffd}");
    }
}
