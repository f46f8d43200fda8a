//! A string that must never be shown. Every secret registers its value here, and everything that the
//! program prints, logs or reports passes through [`redact`], so one forgotten call cannot leak it.

use std::fmt;
use std::sync::Mutex;

/// What stands in place of a secret.
pub const MASK: &str = "<redacted>";

/// Values shorter than this are masked only where they stand in quotes: a secret `a` would garble every text.
const SHORT: usize = 8;

static KNOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A string that prints as `<redacted>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value` and remembers it, in every spelling in which it may be printed, for [`redact`].
    pub fn new(value: impl Into<String>) -> Self {
        let value = value.into();
        remember(&value);
        Self(value)
    }

    /// Wraps a longer text that holds secrets (the input of a child): hidden like any, not searched for in output.
    pub fn unlisted(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the few places that must hand it on (standard input of a child, a file of mode 0640).
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

fn remember(value: &str) {
    if value.is_empty() {
        return;
    }
    let escaped = value.replace('\\', "\\\\");
    let spellings = [
        value.to_owned(),
        escaped.replace('"', "\\\""),
        escaped.replace('\'', "\\'"),
        escaped,
    ];
    let mut known = KNOWN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    for spelling in spellings {
        let forms = if value.len() < SHORT {
            vec![format!("\"{spelling}\""), format!("'{spelling}'")]
        } else {
            vec![spelling]
        };
        for form in forms {
            if !known.contains(&form) {
                known.push(form);
            }
        }
    }
    // Longest first, so that a secret that contains another one is masked whole.
    known.sort_by_key(|form| std::cmp::Reverse(form.len()));
}

/// `text` with every known secret replaced by [`MASK`].
pub fn redact(text: &str) -> String {
    let known = KNOWN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut shown = text.to_owned();
    for form in known.iter() {
        if shown.contains(form.as_str()) {
            let mask = match form.chars().next() {
                Some(quote @ ('"' | '\'')) if form.len() < SHORT + 2 && form.ends_with(quote) => {
                    format!("{quote}{MASK}{quote}")
                }
                _ => MASK.to_owned(),
            };
            shown = shown.replace(form.as_str(), &mask);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_redacted_everywhere() {
        let secret = Secret::new("correct-horse-1");
        assert_eq!(format!("{secret} {secret:?}"), "<redacted> <redacted>");
        assert_eq!(redact("x correct-horse-1 y"), "x <redacted> y");
    }

    #[test]
    fn spellings_of_a_secret_in_lua_and_json_are_masked_too() {
        Secret::new("back\\slash\"quote");
        assert_eq!(
            redact(r#" app_secret="back\\slash\"quote""#),
            r#" app_secret="<redacted>""#
        );
    }

    #[test]
    fn a_short_secret_is_masked_only_in_quotes() {
        Secret::new("zq");
        assert_eq!(
            redact(r#"zq app_secret="zq""#),
            r#"zq app_secret="<redacted>""#
        );
    }
}
