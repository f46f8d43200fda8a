//! Room names as Jitsi's web page turns them into addresses. A token for a name that is not in that form opens nothing.

use super::percent;

/// Characters that the web page drops from a room's name.
const DROPPED: &str = ":?#[]@!$&'()*+,;=></\"";

/// The form of `name` that reaches the server: some characters dropped, lower case, the rest percent-encoded.
///
/// The web page also unifies compatible Unicode forms (NFKC); that table is not worth its size here, so
/// [`warning`] speaks up for every name that is not plain ASCII.
pub fn normal(name: &str) -> String {
    let decoded = percent::decode(name);
    let kept: String = decoded.chars().filter(|c| !DROPPED.contains(*c)).collect();
    percent::encode(&kept.to_lowercase()).to_lowercase()
}

/// Whether two names are the same room. Plugins compare in lower case.
pub fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// What to tell somebody who wrote `name`; nothing if Jitsi takes it as it is.
pub fn warning(name: &str) -> Option<String> {
    let normal = normal(name);
    if normal == name {
        return None;
    }
    let unsure = if name.is_ascii() {
        ""
    } else {
        "; look at the meeting's address in the browser if the room has unusual letters"
    };
    Some(format!(
        "Jitsi turns the room name “{name}” into “{normal}”{unsure}"
    ))
}

#[cfg(test)]
mod tests {
    use super::{normal, same, warning};

    #[test]
    fn names_get_the_form_that_jitsi_gives_them() {
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
    fn only_a_name_that_changes_is_worth_a_word() {
        assert_eq!(warning("daily"), None);
        assert!(warning("Daily").unwrap().contains("“daily”"));
        assert!(warning("Ǆ").unwrap().contains("browser"));
        assert!(same("Daily", "dAILY"));
    }
}
