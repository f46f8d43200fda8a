//! A string that must never be shown. Every secret registers its value here, and everything that the program prints,
//! logs or reports passes through [`redact`], so one forgotten call cannot leak it.

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

/// What is shown instead of a secret.
pub const MASK: &str = "<redacted>";

/// Values with fewer bytes than this are masked only in quotes: a secret `a` would garble every text.
const SHORT: usize = 8;

static KNOWN: Mutex<Known> = Mutex::new(Known::new());

/// A string that prints as `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value` and remembers it, in every spelling in which it may be printed, for [`redact`].
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        known().remember(&value);
        Self(value)
    }

    /// Wraps a longer text that contains secrets (the input of a child): hidden like a secret, but not searched for in
    /// output.
    pub fn unlisted(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the few places that must pass it on (standard input of a child, a file of mode 0640).
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// `text` with every known secret replaced by [`MASK`]; overlapping secrets are masked completely.
pub fn redact(text: &str) -> String {
    known().redact(text)
}

/// The same for a whole value, such as a string in JSON: it is also masked if it is a short secret.
pub fn redact_value(text: &str) -> String {
    known().redact_value(text)
}

/// The secrets to mask.
#[derive(Default)]
pub struct Known {
    /// Every spelling in which a secret may be printed, and whether the secret is short: then it has quotes around it,
    /// which stay.
    forms: Vec<(String, bool)>,
    /// Short secrets verbatim, masked if they are the whole of a value.
    short: Vec<String>,
}

impl Known {
    /// No secrets yet.
    pub const fn new() -> Self {
        Self { forms: Vec::new(), short: Vec::new() }
    }

    /// Masks this value too, in its spellings in Lua, a shell and JSON.
    pub fn remember(&mut self, value: &str) {
        if value.is_empty() {
            return;
        }
        let escaped = value.replace('\\', "\\\\");
        let spellings = [value.to_owned(), escaped.replace('"', "\\\""), escaped.replace('\'', "\\'"), escaped];
        let short = value.len() < SHORT;
        if short && !self.short.iter().any(|other| other == value) {
            self.short.push(value.to_owned());
        }
        for spelling in spellings {
            let forms = if short { vec![format!("\"{spelling}\""), format!("'{spelling}'")] } else { vec![spelling] };
            for form in forms {
                if !self.forms.contains(&(form.clone(), short)) {
                    self.forms.push((form, short));
                }
            }
        }
    }

    /// See [`redact`].
    pub fn redact(&self, text: &str) -> String {
        let mut hidden: Vec<Range<usize>> = Vec::new();
        for (form, quoted) in &self.forms {
            let quotes = usize::from(*quoted);
            let mut at = 0;
            while let Some(found) = text[at..].find(form.as_str()) {
                let start = at + found;
                hidden.push(start + quotes..start + form.len() - quotes);
                // The next match may overlap with this one.
                at = start + form.chars().next().map_or(1, char::len_utf8);
            }
        }
        hidden.sort_by_key(|range| range.start);
        let (mut shown, mut end) = (String::with_capacity(text.len()), 0);
        for range in hidden {
            if range.start > end || shown.is_empty() {
                shown.push_str(&text[end..range.start]);
                shown.push_str(MASK);
            }
            end = end.max(range.end);
        }
        shown + &text[end..]
    }

    /// See [`redact_value`].
    pub fn redact_value(&self, text: &str) -> String {
        if self.short.iter().any(|secret| secret == text) {
            return MASK.to_owned();
        }
        self.redact(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_always_print_as_redacted() {
        let secret = Secret::new("correct-horse-1");
        assert_eq!(format!("{secret} {secret:?}"), "<redacted> <redacted>");
        assert_eq!(redact("x correct-horse-1 y"), "x <redacted> y");
        assert_eq!(redact_value("x correct-horse-1 y"), "x <redacted> y");
        assert_eq!(secret.reveal(), "correct-horse-1");
    }

    #[test]
    fn lua_and_json_spellings_are_masked_too() {
        Secret::new("back\\slash\"quote");
        assert_eq!(redact(r#" app_secret="back\\slash\"quote""#), r#" app_secret="<redacted>""#);
    }

    #[test]
    fn a_short_secret_is_masked_only_in_quotes() {
        Secret::new("zq");
        assert_eq!(redact(r#"zq app_secret="zq""#), r#"zq app_secret="<redacted>""#);
    }

    fn known(secrets: &[&str]) -> Known {
        let mut known = Known::new();
        for secret in secrets {
            known.remember(secret);
        }
        known
    }

    #[test]
    fn overlapping_secrets_are_masked_completely() {
        let known = known(&["abcdefgh", "efghijkl"]);
        assert_eq!(known.redact("-abcdefghijkl-"), "-<redacted>-");
        assert_eq!(known.redact("abcdefghefghijkl"), "<redacted>");
        assert_eq!(known.redact("abcdefgh efghijkl."), "<redacted> <redacted>.");
        assert_eq!(super::tests::known(&["aXaXaXaXa"]).redact("aXaXaXaXaXaXa!"), "<redacted>!");
        assert_eq!(super::tests::known(&["ééééé"]).redact("éééééé"), "<redacted>");
    }

    #[test]
    fn only_secrets_under_eight_bytes_need_quotes() {
        let known = known(&["12345678", "1234567"]);
        assert_eq!(known.redact("a12345678b"), "a<redacted>b");
        assert_eq!(known.redact("a1234567b '1234567' \"1234567\""), "a1234567b '<redacted>' \"<redacted>\"");
    }

    #[test]
    fn short_secrets_are_masked_as_whole_values() {
        let known = known(&["zq"]);
        assert_eq!(known.redact_value("zq"), MASK);
        assert_eq!(known.redact_value("zqq"), "zqq");
        assert_eq!(known.redact_value("a 'zq'"), "a '<redacted>'");
    }

    #[test]
    fn empty_and_repeated_secrets_are_ignored() {
        assert_eq!(known(&[""]).redact("text"), "text");
        let (once, twice) = (known(&["long-enough", "zq"]), known(&["long-enough", "zq", "long-enough", "zq"]));
        assert_eq!((once.forms.len(), once.short.len()), (twice.forms.len(), twice.short.len()));
    }
}
