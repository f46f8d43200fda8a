//! Room names, in the form that Jitsi's web page gives them in URLs. A token for a name in another form opens nothing.

use anyhow::{Result, bail};

use super::percent;

/// Characters that the web page drops from a room's name.
const DROPPED: &str = ":?#[]@!$&'()*+,;=></\"";

/// The form of `name` that reaches the server: some characters dropped, lower case, the rest percent-encoded.
///
/// The web page also normalizes Unicode (NFKC); the tables are not worth their size here, so [`warning`] reports every
/// name that is not plain ASCII.
pub fn normal(name: &str) -> String {
    if is_plain(name) {
        return name.to_owned();
    }
    let decoded = percent::decode(name);
    let kept: String = decoded.chars().filter(|c| !DROPPED.contains(*c)).collect();
    percent::encode(&kept.to_lowercase()).to_lowercase()
}

/// Whether a name is already in that form, judged by its characters. Most are, and there may be many.
pub fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~'))
}

/// Whether two names mean the same room. Plugins compare in lower case.
pub fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// A warning for the author of `name`; `None` if Jitsi uses it unchanged.
pub fn warning(name: &str) -> Option<String> {
    let normal = normal(name);
    if normal == name {
        return None;
    }
    let unsure = if name.is_ascii() { "" } else { "; check the URL in the browser if the name has unusual letters" };
    Some(format!("Jitsi changes the room name \"{name}\" to \"{normal}\"{unsure}"))
}

/// An error if Lua would reject `pattern`, else a warning if there is something odd about it.
pub fn check_pattern(pattern: &str) -> Result<Option<String>> {
    if pattern.is_empty() {
        bail!("the room pattern is empty");
    }
    let (mut open, mut captures) = (0, false);
    // Includes those of classes: in lower case, %S becomes %s.
    let capitals = pattern.contains(|c: char| c.is_ascii_uppercase());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '%' => match rest.next() {
                None => bail!("invalid room pattern \"{pattern}\": no character after the last %"),
                Some('b') => {
                    // Any two characters, so that brackets among them mean nothing else.
                    if rest.by_ref().take(2).count() < 2 {
                        bail!("invalid room pattern \"{pattern}\": %b needs two characters after it")
                    }
                }
                Some('f') if !rest.as_str().starts_with('[') => {
                    bail!("invalid room pattern \"{pattern}\": %f needs a set [...] after it")
                }
                Some(_) => {}
            },
            '[' => rest = set(rest.as_str(), pattern)?.chars(),
            '(' => (open, captures) = (open + 1, true),
            ')' if open == 0 => bail!("invalid room pattern \"{pattern}\": ) without ("),
            ')' => open -= 1,
            _ => {}
        }
    }
    if open > 0 {
        bail!("invalid room pattern \"{pattern}\": ( without )");
    }
    let foreign = pattern.contains(['\\', '|', '{']);
    Ok(if foreign {
        Some(format!("\"{pattern}\" looks like a regular expression; use a Lua pattern (%d for \\d, no |, no {{n}})"))
    } else if capitals {
        Some(format!(
            "the room pattern \"{pattern}\" has capital letters; Jitsi converts it to lower case, classes too: \"{}\"",
            pattern.to_ascii_lowercase()
        ))
    } else if captures {
        Some(format!(
            "the room pattern \"{pattern}\" has parentheses: Jitsi compares the first capture with the whole room name"
        ))
    } else if pattern.ends_with('-') && !pattern.ends_with("%-") {
        Some(format!("the room pattern \"{pattern}\" must match the whole room name: end it with * or + instead of -"))
    } else {
        None
    })
}

/// The rest after a set whose bracket has been read. A bracket that is its first member does not close it.
fn set<'a>(inside: &'a str, pattern: &str) -> Result<&'a str> {
    let members = inside.strip_prefix('^').unwrap_or(inside);
    let mut characters = members.char_indices();
    let mut first = true;
    while let Some((at, c)) = characters.next() {
        match c {
            ']' if !first => return Ok(&members[at + 1..]),
            '%' => drop(characters.next()),
            _ => {}
        }
        first = false;
    }
    bail!("invalid room pattern \"{pattern}\": [ without ]")
}

#[cfg(test)]
mod tests {
    use super::{check_pattern, normal, same, warning};

    #[test]
    fn room_patterns_are_checked_as_lua_patterns() {
        for pattern in ["team%-.*", "[%a_]+", "[]x]", "[^%]]", "%bxy", "%b[]x", "%b)(", "%b%%", "%f[%w]x"] {
            assert_eq!(check_pattern(pattern).unwrap(), None, "{pattern}");
        }
        for (pattern, words) in [
            ("", "is empty"),
            ("a%", "after the last %"),
            ("[a", "[ without ]"),
            ("[]", "[ without ]"),
            ("[a%]", "[ without ]"),
            ("(a", "( without )"),
            ("a)", ") without ("),
            ("%bx", "two characters"),
            ("%fx", "needs a set"),
        ] {
            let error = check_pattern(pattern).unwrap_err().to_string();
            assert!(error.contains(words), "{pattern}: {error}");
        }
        for (pattern, words) in [
            ("team-\\d+", "regular expression"),
            ("a|b", "regular expression"),
            ("Team%-.*", "capital letters"),
            ("te%D+", "\"te%d+\""),
            ("(a)%d", "first capture"),
            ("te.-", "whole room name"),
        ] {
            let warning = check_pattern(pattern).unwrap().unwrap();
            assert!(warning.contains(words), "{warning}");
        }
    }

    #[test]
    fn room_names_are_normalized_as_jitsi_does() {
        for (name, form) in [
            ("daily", "daily"),
            ("Team-A_1", "team-a_1"),
            ("Team A", "team%20a"),
            ("Team%20A", "team%20a"),
            ("what?#now", "whatnow"),
            ("Überraum", "%c3%bcberraum"),
        ] {
            assert_eq!(normal(name), form);
            assert_eq!(normal(form), form, "once is enough");
        }
    }

    #[test]
    fn only_names_that_jitsi_changes_cause_warnings() {
        assert_eq!(warning("daily"), None);
        assert!(warning("Daily").unwrap().contains("\"daily\""));
        assert!(warning("Ǆ").unwrap().contains("browser"));
        assert!(same("Daily", "dAILY"));
    }
}
