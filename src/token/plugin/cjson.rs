//! JSON as lua-cjson 2.1 parses it, which Jitsi's plugins use: more lenient about numbers and strings than the
//! standard, and limited to a thousand levels.

use super::value::{TokenValue, strtod};

/// How deep lists and objects may nest.
const MAX_DEPTH: usize = 1000;

/// The text is not valid JSON for cjson.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The byte at which parsing stopped, from 0.
    pub at: usize,
    /// Whether it is nested too deeply.
    pub too_deep: bool,
}

/// Parses a whole text.
pub fn decode(text: &[u8]) -> Result<TokenValue, Invalid> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    // cjson takes this for UTF-16 or UTF-32.
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(reader.invalid());
    }
    let token = reader.token()?;
    let value = reader.value(token)?;
    match reader.token()? {
        Token::End => Ok(value),
        _ => Err(reader.invalid()),
    }
}

enum Token {
    Mark(u8),
    Value(TokenValue),
    End,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn invalid(&self) -> Invalid {
        Invalid { at: self.at, too_deep: false }
    }

    /// The byte `ahead` of the current one. A zero byte is the end, in the text or past it.
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn token(&mut self) -> Result<Token, Invalid> {
        while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let first = self.peek(0);
        match first {
            0 => Ok(Token::End),
            b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                self.at += 1;
                Ok(Token::Mark(first))
            }
            b'"' => Ok(Token::Value(TokenValue::Text(self.string()?))),
            b'-' | b'+' | b'0'..=b'9' => self.number(),
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' => self.word(),
            _ => Err(self.invalid()),
        }
    }

    fn word(&mut self) -> Result<Token, Invalid> {
        let rest = &self.text[self.at..];
        for (word, value) in
            [("true", TokenValue::Bool(true)), ("false", TokenValue::Bool(false)), ("null", TokenValue::Null)]
        {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(Token::Value(value));
            }
        }
        // Infinity and NaN, in upper or lower case.
        self.number()
    }

    fn number(&mut self) -> Result<Token, Invalid> {
        let rest = &self.text[self.at..];
        let (number, length) = strtod(rest).ok_or(self.invalid())?;
        self.at += length;
        Ok(Token::Value(TokenValue::Number(number)))
    }

    fn value(&mut self, token: Token) -> Result<TokenValue, Invalid> {
        match token {
            Token::Value(value) => Ok(value),
            Token::Mark(b'{') => self.object(),
            Token::Mark(b'[') => self.list(),
            Token::Mark(_) | Token::End => Err(self.invalid()),
        }
    }

    fn descend(&mut self) -> Result<(), Invalid> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Invalid { at: self.at, too_deep: true });
        }
        Ok(())
    }

    fn object(&mut self) -> Result<TokenValue, Invalid> {
        self.descend()?;
        let mut fields = Vec::new();
        let mut token = self.token()?;
        if !matches!(token, Token::Mark(b'}')) {
            loop {
                let Token::Value(TokenValue::Text(name)) = token else {
                    return Err(self.invalid());
                };
                if !matches!(self.token()?, Token::Mark(b':')) {
                    return Err(self.invalid());
                }
                let inner = self.token()?;
                fields.push((name, self.value(inner)?));
                match self.token()? {
                    Token::Mark(b'}') => break,
                    Token::Mark(b',') => token = self.token()?,
                    _ => return Err(self.invalid()),
                }
            }
        }
        self.depth -= 1;
        Ok(TokenValue::Object(fields))
    }

    fn list(&mut self) -> Result<TokenValue, Invalid> {
        self.descend()?;
        let mut items = Vec::new();
        let mut token = self.token()?;
        if !matches!(token, Token::Mark(b']')) {
            loop {
                items.push(self.value(token)?);
                match self.token()? {
                    Token::Mark(b']') => break,
                    Token::Mark(b',') => token = self.token()?,
                    _ => return Err(self.invalid()),
                }
            }
        }
        self.depth -= 1;
        Ok(TokenValue::List(items))
    }

    /// A string. Bytes that are not UTF-8 and control characters are kept as they are.
    fn string(&mut self) -> Result<Vec<u8>, Invalid> {
        let mut text = Vec::new();
        self.at += 1;
        loop {
            match self.peek(0) {
                0 => return Err(self.invalid()),
                b'"' => break,
                b'\\' => self.escape(&mut text)?,
                byte => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Ok(text)
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), Invalid> {
        let byte = match self.peek(1) {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 12,
            b'r' => b'\r',
            b'u' => return self.code_point(text),
            _ => return Err(self.invalid()),
        };
        text.push(byte);
        self.at += 2;
        Ok(())
    }

    fn code_point(&mut self, text: &mut Vec<u8>) -> Result<(), Invalid> {
        let first = self.four_digits(2)?;
        let (code, length) = match first {
            0xd800..=0xdbff => {
                if (self.peek(6), self.peek(7)) != (b'\\', b'u') {
                    return Err(self.invalid());
                }
                match self.four_digits(8)? {
                    second @ 0xdc00..=0xdfff => (0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff), 12),
                    _ => return Err(self.invalid()),
                }
            }
            first => (first, 6),
        };
        let character = char::from_u32(code).ok_or(self.invalid())?;
        text.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += length;
        Ok(())
    }

    fn four_digits(&self, ahead: usize) -> Result<u32, Invalid> {
        (ahead..ahead + 4).try_fold(0, |code, at| {
            let digit = char::from(self.peek(at)).to_digit(16);
            digit.map(|digit| code * 16 + digit).ok_or(self.invalid())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{TokenValue, decode};

    fn json(text: &str) -> Option<String> {
        decode(text.as_bytes()).ok().map(|value| value.to_json().to_string())
    }

    #[test]
    fn some_invalid_json_is_accepted_as_in_cjson() {
        for (text, read) in [
            ("{\"a\":NaN}", "{\"a\":\"nan\"}"),
            ("[-Infinity,+1,0x10,01,1.]", "[\"-inf\",1,16,1,1]"),
            ("{\"a\":1,\"a\":2}", "{\"a\":2}"),
            ("\"a\tb\nc\"", "\"a\\tb\\nc\""),
            (" {} \0anything", "{}"),
            ("\"\\u00e9\\ud83d\\ude00\\/\"", "\"é😀/\""),
            ("7", "7"),
        ] {
            assert_eq!(json(text).as_deref(), Some(read), "{text}");
        }
        assert_eq!(decode(b"\"Zo\xeb\""), Ok(TokenValue::Text(b"Zo\xeb".to_vec())));
    }

    #[test]
    fn invalid_json_is_rejected() {
        for text in [
            "",
            "{'a':1}",
            "{\"a\":1,}",
            "[1,]",
            "{\"a\"}",
            "{1:2}",
            "[",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\udc00\"",
            "\"\\ud800x\"",
            "nul",
            "True",
            "1 2",
            "\0\0",
            ".5",
            "/**/1",
        ] {
            assert_eq!(json(text), None, "{text}");
        }
    }

    #[test]
    fn nesting_is_limited_to_a_thousand_levels() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(decode(nested(1000).as_bytes()).is_ok());
        assert!(decode(nested(1001).as_bytes()).unwrap_err().too_deep);
        assert!(decode(nested(500_000).as_bytes()).is_err());
    }
}
