//! Finds the token in what people paste: a meeting's address, a header line, quotes, a text that a terminal broke.

use super::percent;

/// A token as found, and what had to be done to find it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Located {
    /// The token, without what surrounded it.
    pub token: String,
    /// The room of the meeting's address it was in.
    pub room: Option<String>,
    /// What Jitsi would not have done for the user.
    pub mended: Vec<String>,
    /// An address without a token.
    pub missing: bool,
}

/// Finds the token in `input`.
pub(super) fn locate(input: &str) -> Located {
    let mut found = Located::default();
    // An editor or `echo` ends a file with a line break; that is nobody's mistake.
    let mut text = input.trim().trim_start_matches('\u{feff}');
    for quote in ['"', '\'', '`'] {
        if let Some(inner) = text
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            text = inner;
            found
                .mended
                .push("it stands in quotes, which do not belong to it".to_owned());
        }
    }
    let introduced =
        |scheme: &str| ["bearer", "authorization:"].contains(&scheme.to_lowercase().as_str());
    if let Some((_, rest)) = text
        .split_once(' ')
        .filter(|(scheme, _)| introduced(scheme))
    {
        let rest = rest.trim();
        text = rest.strip_prefix("Bearer ").unwrap_or(rest);
        found
            .mended
            .push("“Bearer” stands before it, which does not belong to it".to_owned());
    }
    if text.contains("://") || text.contains("jwt=") {
        let (token, room) = from_address(text);
        found.room = room;
        found.missing = token.is_none();
        found.token = token.unwrap_or_default();
    } else {
        found.token = text.to_owned();
    }
    if found
        .token
        .contains(|c: char| c.is_whitespace() || c.is_control())
    {
        found
            .token
            .retain(|c| !c.is_whitespace() && !c.is_control());
        found
            .mended
            .push("there is white space in it, as when a terminal breaks a long line".to_owned());
    }
    found
}

/// The token and the room of a meeting's address. The web page takes `jwt` from the fragment as well.
fn from_address(address: &str) -> (Option<String>, Option<String>) {
    let (front, fragment) = address.split_once('#').unwrap_or((address, ""));
    let (path, query) = front.split_once('?').unwrap_or((front, front));
    let token = [fragment, query]
        .into_iter()
        .flat_map(|parameters| parameters.split('&'))
        .find_map(|parameter| parameter.strip_prefix("jwt="))
        .map(percent::decode);
    let room = path.split_once("://").and_then(|(_, rest)| {
        let (_, path) = rest.split_once('/')?;
        let last = path.trim_end_matches('/').rsplit('/').next()?;
        (!last.is_empty()).then(|| last.to_owned())
    });
    (token.filter(|token| !token.is_empty()), room)
}

#[cfg(test)]
mod tests {
    use super::locate;

    #[test]
    fn a_token_is_found_in_an_address_with_its_room() {
        for (input, room) in [
            ("https://meet.example/Daily?jwt=a.b.c", Some("Daily")),
            (
                "https://meet.example/tenant/Daily?x=1&jwt=a.b.c#config.a=1",
                Some("Daily"),
            ),
            ("https://meet.example/Daily#jwt=a.b.c", Some("Daily")),
            ("https://meet.example/?jwt=a%2Eb.c", None),
            ("jwt=a.b.c", None),
        ] {
            let found = locate(input);
            assert_eq!(
                (found.token.as_str(), found.room.as_deref()),
                ("a.b.c", room),
                "{input}"
            );
            assert!(found.mended.is_empty() && !found.missing);
        }
        assert!(locate("https://meet.example/Daily").missing);
        assert!(locate("https://meet.example/Daily?jwt=").missing);
    }

    #[test]
    fn what_surrounds_a_token_is_taken_away_and_said() {
        assert!(locate(" a.b.c \n").mended.is_empty());
        for input in [
            "\"a.b.c\"",
            "Bearer a.b.c",
            "Authorization: Bearer a.b.c",
            "a.b\n.c",
            "'a. b.c'",
        ] {
            let found = locate(input);
            assert_eq!(found.token, "a.b.c", "{input}");
            assert!(!found.mended.is_empty(), "{input}");
        }
    }
}
