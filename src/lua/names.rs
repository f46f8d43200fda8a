//! Whether a source names something: an option's name as a string, outside comments.

use super::lexer::{Lexer, SyntaxError, TokenKind};
use super::literal;

/// Whether one of the strings in the source is `name`.
pub fn mentions(source: &[u8], name: &str) -> Result<bool, SyntaxError> {
    let mut lexer = Lexer::new(source);
    loop {
        lexer.blanks();
        let token = lexer.token()?;
        match token.kind {
            TokenKind::End => return Ok(false),
            TokenKind::Text | TokenKind::LongText => {
                // A string with an escape that Lua rejects is not one of ours.
                let text = literal::string(source, token);
                if text.is_ok_and(|text| text == name.as_bytes()) {
                    return Ok(true);
                }
            }
            _ => {}
        }
    }
}
