//! Finds the token in what people paste: a meeting's URL, a header line, quotes, text that a terminal wrapped.

use super::percent;

/// A token as found, and what had to be removed to find it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Located {
    /// The token, without what surrounded it.
    pub token: String,
    /// What would reach the server, which removes nothing.
    pub raw: String,
    /// The room in the meeting's URL, if the token was in one.
    pub room: Option<String>,
    /// The tenant in that URL.
    pub tenant: Option<String>,
    /// What is around or inside the token and does not belong there, in sentences.
    pub surroundings: Vec<String>,
    /// Whether the input is a URL without a token.
    pub missing: bool,
}

/// Finds the token in `input`.
pub(super) fn locate(input: &str) -> Located {
    let mut found = Located::default();
    // Editors and `echo` end a file with a line break; that is not a mistake.
    let mut text = input.trim();
    text.clone_into(&mut found.raw);
    let mut note = |what: &str| found.surroundings.push(what.to_owned());
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        note("it starts with a byte order mark (BOM); remove it");
        text = rest;
    }
    for quote in ['"', '\'', '`'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            text = inner;
            note("it is wrapped in quotes; remove them");
        }
    }
    let introduced = |scheme: &str| ["bearer", "authorization:"].contains(&scheme.to_lowercase().as_str());
    if let Some((_, rest)) = text.split_once(' ').filter(|(scheme, _)| introduced(scheme)) {
        let rest = rest.trim();
        text = rest.strip_prefix("Bearer ").unwrap_or(rest);
        note("it starts with \"Bearer\"; remove that");
    }
    if text.contains("://") || text.contains("jwt=") {
        found.address(text);
    } else {
        text.clone_into(&mut found.token);
    }
    found.clean();
    found
}

impl Located {
    /// Reads the token, the room and the tenant from a meeting's URL. The web page also reads `jwt` from the fragment,
    /// where it is JSON: in quotes.
    fn address(&mut self, address: &str) {
        let (front, fragment) = address.split_once('#').unwrap_or((address, ""));
        let (path, query) = front.split_once('?').unwrap_or((front, front));
        let given = |parameters: &str| {
            let found = parameters.split('&').find_map(|parameter| parameter.strip_prefix("jwt="));
            found.map(percent::decode).filter(|token| !token.is_empty())
        };
        let quoted = |token: &str| Some(token.strip_prefix('"')?.strip_suffix('"')?.to_owned());
        let token = match given(fragment) {
            Some(token) => quoted(&token).or_else(|| {
                let text = "Jitsi's page does not find it in the address: write ?jwt=TOKEN, or #jwt=%22TOKEN%22";
                self.surroundings.push(text.to_owned());
                Some(token)
            }),
            None => given(query),
        };
        self.missing = token.is_none();
        self.token = token.unwrap_or_default();
        self.raw.clone_from(&self.token);
        let Some((_, path)) = path.split_once("://").and_then(|(_, rest)| rest.split_once('/')) else {
            return;
        };
        let mut parts = path.trim_end_matches('/').rsplit('/');
        let mut next = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        (self.room, self.tenant) = (next(), next());
    }

    /// Removes whitespace from inside the token, and decodes it if its dots are percent-encoded.
    fn clean(&mut self) {
        let odd = |c: char| c.is_whitespace() || c.is_control();
        if self.token.contains(odd) {
            self.token.retain(|c| !odd(c));
            let text = "it contains white space, as when copied across lines; remove it";
            self.surroundings.push(text.to_owned());
        }
        if !self.token.contains('.') && self.token.to_ascii_lowercase().contains("%2e") {
            self.token = percent::decode(&self.token);
            let text = "its dots are percent-encoded (%2E), which only works in a URL";
            self.surroundings.push(text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::locate;

    #[test]
    fn token_and_room_are_found_in_a_url() {
        for (input, room) in [
            ("https://meet.example/Daily?jwt=a.b.c", Some("Daily")),
            ("https://meet.example/tenant/Daily?x=1&jwt=a.b.c#config.a=1", Some("Daily")),
            ("https://meet.example/Daily#jwt=%22a.b.c%22", Some("Daily")),
            ("https://meet.example/Daily?jwt=d.e.f#config.a=1&jwt=%22a.b.c%22", Some("Daily")),
            ("https://meet.example/?jwt=a%2Eb.c", None),
            ("jwt=a.b.c", None),
        ] {
            let found = locate(input);
            assert_eq!((found.token.as_str(), found.room.as_deref()), ("a.b.c", room), "{input}");
            assert!(found.surroundings.is_empty() && !found.missing);
        }
        let unquoted = locate("https://meet.example/Daily#jwt=a.b.c");
        assert_eq!((unquoted.token.as_str(), unquoted.surroundings.len()), ("a.b.c", 1));
        assert!(locate("https://meet.example/Daily").missing);
        assert!(locate("https://meet.example/Daily?jwt=").missing);
    }

    #[test]
    fn text_around_a_token_is_removed_and_reported() {
        assert!(locate(" a.b.c \n").surroundings.is_empty());
        for input in [
            "\"a.b.c\"",
            "Bearer a.b.c",
            "Authorization: Bearer a.b.c",
            "a.b\n.c",
            "\u{feff}a.b.c",
            "a%2Eb%2ec",
            "'a. b.c'",
        ] {
            let found = locate(input);
            assert_eq!(found.token, "a.b.c", "{input}");
            assert!(!found.surroundings.is_empty(), "{input}");
        }
    }
}
