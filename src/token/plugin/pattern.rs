//! Lua's patterns, matched as `string.match` does (Lua 5.2 to 5.4), in a limited number of steps.

/// How many captures a pattern may have.
const CAPTURES: usize = 32;

/// How deep a match may recurse before Lua calls the pattern too complex.
const MAX_DEPTH: usize = 200;

/// How many steps a match may take; room names are short.
const STEPS: u32 = 2_000_000;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Lua rejects the pattern with an error.
    Malformed,
    /// Lua would still be matching.
    TooSlow,
}

/// The first value that `string.match` returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capture {
    /// The first capture, or the whole match if there is none.
    Text(Vec<u8>),
    /// A position, from 1: the first capture is `()`.
    Place(usize),
}

#[derive(Clone, Copy)]
enum Length {
    Open,
    Place,
    Closed(usize),
}

/// Matches a text against a pattern.
pub fn find(text: &[u8], pattern: &[u8]) -> Result<Option<Capture>, Fault> {
    let (anchored, pattern) = match pattern.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let mut matcher = Matcher { text, pattern, captures: Vec::with_capacity(CAPTURES), depth: 0, steps: 0 };
    for start in 0..=text.len() {
        matcher.captures.clear();
        matcher.depth = 0;
        if let Some(end) = matcher.run(start, 0)? {
            return matcher.first(start, end).map(Some);
        }
        if anchored {
            break;
        }
    }
    Ok(None)
}

struct Matcher<'a> {
    text: &'a [u8],
    pattern: &'a [u8],
    captures: Vec<(usize, Length)>,
    depth: usize,
    steps: u32,
}

type Matched = Result<Option<usize>, Fault>;

impl Matcher<'_> {
    /// The value to return. Lua returns all captures, so each must be complete.
    fn first(&self, start: usize, end: usize) -> Result<Capture, Fault> {
        let mut all = Vec::new();
        for &(from, length) in &self.captures {
            all.push(match length {
                Length::Open => return Err(Fault::Malformed),
                Length::Place => Capture::Place(from + 1),
                Length::Closed(length) => Capture::Text(self.text[from..from + length].to_vec()),
            });
        }
        let whole = || Capture::Text(self.text[start..end].to_vec());
        Ok(all.into_iter().next().unwrap_or_else(whole))
    }

    fn step(&mut self) -> Result<(), Fault> {
        self.steps(1)
    }

    /// Counts what takes as long as this many steps.
    fn steps(&mut self, count: usize) -> Result<(), Fault> {
        self.steps = self.steps.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if self.steps > STEPS {
            return Err(Fault::TooSlow);
        }
        Ok(())
    }

    fn at(&self, place: usize) -> Option<u8> {
        self.pattern.get(place).copied()
    }

    /// Matches the rest of the pattern; returns the position after the match.
    fn run(&mut self, text: usize, pattern: usize) -> Matched {
        if self.depth >= MAX_DEPTH {
            return Err(Fault::Malformed);
        }
        self.depth += 1;
        let matched = self.sequence(text, pattern);
        self.depth -= 1;
        matched
    }

    fn sequence(&mut self, mut text: usize, mut pattern: usize) -> Matched {
        loop {
            self.step()?;
            let Some(byte) = self.at(pattern) else {
                return Ok(Some(text));
            };
            match (byte, self.at(pattern + 1)) {
                (b'(', Some(b')')) => return self.open(text, pattern + 2, Length::Place),
                (b'(', _) => return self.open(text, pattern + 1, Length::Open),
                (b')', _) => return self.close(text, pattern + 1),
                (b'$', None) => return Ok((text == self.text.len()).then_some(text)),
                (b'%', Some(b'b')) => match self.balance(text, pattern + 2)? {
                    Some(end) => (text, pattern) = (end, pattern + 4),
                    None => return Ok(None),
                },
                (b'%', Some(b'f')) => match self.frontier(text, pattern + 2)? {
                    Some(behind) => pattern = behind,
                    None => return Ok(None),
                },
                (b'%', Some(digit @ b'0'..=b'9')) => match self.again(text, digit)? {
                    Some(end) => (text, pattern) = (end, pattern + 2),
                    None => return Ok(None),
                },
                _ => {
                    let end = self.class_end(pattern)?;
                    let repeated = match self.at(end) {
                        Some(b'?') => self.optional(text, pattern, end)?,
                        Some(b'+') => match self.single(text, pattern, end)? {
                            true => return self.greedy(text + 1, pattern, end),
                            false => return Ok(None),
                        },
                        Some(b'*') => return self.greedy(text, pattern, end),
                        Some(b'-') => return self.lazy(text, pattern, end),
                        _ => match self.single(text, pattern, end)? {
                            true => Next::On(text + 1, end),
                            false => return Ok(None),
                        },
                    };
                    match repeated {
                        Next::On(to, behind) => (text, pattern) = (to, behind),
                        Next::Done(place) => return Ok(Some(place)),
                    }
                }
            }
        }
    }

    fn optional(&mut self, text: usize, pattern: usize, end: usize) -> Result<Next, Fault> {
        if self.single(text, pattern, end)? {
            if let Some(place) = self.run(text + 1, end + 1)? {
                return Ok(Next::Done(place));
            }
        }
        Ok(Next::On(text, end + 1))
    }

    fn greedy(&mut self, text: usize, pattern: usize, end: usize) -> Matched {
        let mut count = 0;
        while self.single(text + count, pattern, end)? {
            count += 1;
        }
        loop {
            if let Some(place) = self.run(text + count, end + 1)? {
                return Ok(Some(place));
            }
            if count == 0 {
                return Ok(None);
            }
            count -= 1;
        }
    }

    fn lazy(&mut self, mut text: usize, pattern: usize, end: usize) -> Matched {
        loop {
            if let Some(place) = self.run(text, end + 1)? {
                return Ok(Some(place));
            }
            if !self.single(text, pattern, end)? {
                return Ok(None);
            }
            text += 1;
        }
    }

    fn open(&mut self, text: usize, pattern: usize, what: Length) -> Matched {
        if self.captures.len() >= CAPTURES {
            return Err(Fault::Malformed);
        }
        self.captures.push((text, what));
        let matched = self.run(text, pattern)?;
        if matched.is_none() {
            self.captures.pop();
        }
        Ok(matched)
    }

    fn close(&mut self, text: usize, pattern: usize) -> Matched {
        let open = |(_, length): &(usize, Length)| matches!(length, Length::Open);
        let Some(last) = self.captures.iter().rposition(open) else {
            return Err(Fault::Malformed);
        };
        self.captures[last].1 = Length::Closed(text - self.captures[last].0);
        let matched = self.run(text, pattern)?;
        if matched.is_none() {
            self.captures[last].1 = Length::Open;
        }
        Ok(matched)
    }

    /// `%bxy`.
    fn balance(&mut self, text: usize, pattern: usize) -> Matched {
        let (Some(open), Some(close)) = (self.at(pattern), self.at(pattern + 1)) else {
            return Err(Fault::Malformed);
        };
        if self.text.get(text) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1;
        for place in text + 1..self.text.len() {
            self.step()?;
            if self.text[place] == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(place + 1));
                }
            } else if self.text[place] == open {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// `%f[set]`: matches where the set begins. Returns the position in the pattern after it.
    fn frontier(&mut self, text: usize, pattern: usize) -> Matched {
        if self.at(pattern) != Some(b'[') {
            return Err(Fault::Malformed);
        }
        let end = self.class_end(pattern)?;
        let before = text.checked_sub(1).map_or(0, |before| self.text[before]);
        let here = self.text.get(text).copied().unwrap_or(0);
        let begins = !self.in_set(before, pattern, end - 1)? && self.in_set(here, pattern, end - 1)?;
        Ok(begins.then_some(end))
    }

    /// `%1`: the text of the first capture again.
    fn again(&mut self, text: usize, digit: u8) -> Matched {
        let capture = digit.checked_sub(b'1').and_then(|number| self.captures.get(usize::from(number)));
        let Some(&(start, Length::Closed(length))) = capture else {
            // A position has no length; Lua compares it like a text longer than any other.
            return match capture {
                Some((_, Length::Place)) => Ok(None),
                _ => Err(Fault::Malformed),
            };
        };
        self.steps(length)?;
        let wanted = &self.text[start..start + length];
        Ok(self.text[text..].starts_with(wanted).then_some(text + length))
    }

    /// The position after a single character, class or set.
    fn class_end(&mut self, pattern: usize) -> Result<usize, Fault> {
        let mut at = pattern + 1;
        match self.at(pattern) {
            Some(b'%') => match self.at(at) {
                Some(_) => Ok(at + 1),
                None => Err(Fault::Malformed),
            },
            Some(b'[') => {
                if self.at(at) == Some(b'^') {
                    at += 1;
                }
                loop {
                    self.step()?;
                    let byte = self.at(at).ok_or(Fault::Malformed)?;
                    at += 1;
                    if byte == b'%' && at < self.pattern.len() {
                        at += 1;
                    }
                    if self.at(at) == Some(b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(at),
        }
    }

    /// Whether the byte at this position of the text matches the pattern from `pattern` to `end`.
    fn single(&mut self, text: usize, pattern: usize, end: usize) -> Result<bool, Fault> {
        self.step()?;
        let Some(&byte) = self.text.get(text) else {
            return Ok(false);
        };
        Ok(match self.at(pattern) {
            Some(b'.') => true,
            Some(b'%') => in_class(byte, self.at(pattern + 1).unwrap_or(0)),
            Some(b'[') => self.in_set(byte, pattern, end - 1)?,
            other => other == Some(byte),
        })
    }

    /// Whether a byte is in the set from its opening bracket to its closing one.
    fn in_set(&mut self, byte: u8, open: usize, close: usize) -> Result<bool, Fault> {
        self.steps(close - open)?;
        let negated = self.at(open + 1) == Some(b'^');
        let mut at = open + usize::from(negated) + 1;
        while at < close {
            let member = self.pattern[at];
            if member == b'%' {
                at += 1;
                if in_class(byte, self.at(at).unwrap_or(0)) {
                    return Ok(!negated);
                }
            } else if self.at(at + 1) == Some(b'-') && at + 2 < close {
                at += 2;
                if member <= byte && byte <= self.pattern[at] {
                    return Ok(!negated);
                }
            } else if member == byte {
                return Ok(!negated);
            }
            at += 1;
        }
        Ok(negated)
    }
}

enum Next {
    On(usize, usize),
    Done(usize),
}

/// Whether a byte is in the class that a letter names; any other character matches only itself.
fn in_class(byte: u8, class: u8) -> bool {
    let is = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'g' => byte.is_ascii_graphic(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 11,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        _ => return class == byte,
    };
    is != class.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::{any, prop, proptest};

    use super::{Capture, Fault, find};

    fn text(text: &str, pattern: &str) -> Option<String> {
        match find(text.as_bytes(), pattern.as_bytes()) {
            Ok(Some(Capture::Text(found))) => Some(String::from_utf8_lossy(&found).into_owned()),
            Ok(Some(Capture::Place(place))) => Some(format!("#{place}")),
            Ok(None) => None,
            Err(fault) => Some(format!("{fault:?}")),
        }
    }

    #[test]
    fn patterns_match_as_in_lua() {
        for (room, pattern, found) in [
            ("tea", "te.", Some("tea")),
            ("tea", "t", Some("t")),
            ("tea", "te.-", Some("te")),
            ("tea", "(te)a", Some("te")),
            ("tea", "()te", Some("#1")),
            ("tea", "^e", None),
            ("tea", "ea$", Some("ea")),
            ("te42", "te%d+", Some("te42")),
            ("te%", "te%%", Some("te%")),
            ("a-b", "[%a-]+", Some("a-b")),
            ("abc", "[a-b]+", Some("ab")),
            ("a]b", "[]]", Some("]")),
            ("a]b", "[^]]+", Some("a")),
            ("xaax", "(a)%1", Some("a")),
            ("f(a(b)c)", "%b()", Some("(a(b)c)")),
            ("the tea", "%f[%w]tea", Some("tea")),
            ("ab", "a?b?c?", Some("ab")),
            ("", "", Some("")),
            ("tea", "", Some("")),
            ("te$a", "e$a", Some("e$a")),
            ("team-7", "team%-%d", Some("team-7")),
        ] {
            assert_eq!(text(room, pattern).as_deref(), found, "{room} {pattern}");
        }
    }

    #[test]
    fn malformed_patterns_are_lua_errors() {
        for pattern in ["%", "[", "[a", "(", "(te", ")", "te)", "%1", "(%1)", "%b", "%bx", "%f", "%fa", "[%", "[%]"] {
            assert_eq!(text("tea", pattern).as_deref(), Some("Malformed"), "{pattern}");
        }
    }

    #[test]
    fn hostile_patterns_are_stopped_early() {
        let room = vec![b'a'; 1023];
        let started = Instant::now();
        for pattern in ["a*".repeat(60) + "b", ".-".repeat(150) + "b", "[aaaaaaa]-".repeat(90) + "b"] {
            assert_eq!(find(&room, pattern.as_bytes()), Err(Fault::TooSlow));
        }
        // One step each, these would take minutes.
        let frontiers = format!("%f[{}a]", "b".repeat(2000)).repeat(100);
        let sets = format!("a*[{}]c", "b".repeat(500_000));
        for pattern in [format!(".-{frontiers}b"), sets] {
            assert_eq!(find(&room, pattern.as_bytes()), Err(Fault::TooSlow));
        }
        assert_eq!(find(&room, "(a)".repeat(33).as_bytes()), Err(Fault::Malformed));
        assert_eq!(find(&room, "a?".repeat(300).as_bytes()), Err(Fault::Malformed));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn arbitrary_patterns_do_not_panic(
            room in prop::collection::vec(any::<u8>(), 0..30),
            pattern in prop::collection::vec(any::<u8>(), 0..30),
            likely in "[ab%()\\[\\]^$*+?.\\-bf1]{0,20}",
        ) {
            let _ = find(&room, &pattern);
            let _ = find(b"abab(a)b", likely.as_bytes());
        }
    }
}
