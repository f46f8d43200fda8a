//! Percent-encoding, as used in query strings and in Jitsi's room names.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but letters, digits and `-_.~` (RFC 3986's unreserved characters).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// `text` with every byte but letters, digits and `-_.~` written as `%XX`.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// `text` with every `%XX` replaced by its byte; any other `%` stays, and bytes that are not UTF-8 are replaced.
pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn percent_encoding_round_trips() {
        let text = "a b&c=d/é%~";
        assert_eq!(encode(text), "a%20b%26c%3Dd%2F%C3%A9%25~");
        assert_eq!(decode(&encode(text)), text);
    }

    #[test]
    fn a_lone_percent_sign_is_kept() {
        assert_eq!(decode("100%, %4, %zz, %e9"), "100%, %4, %zz, \u{fffd}");
    }
}
