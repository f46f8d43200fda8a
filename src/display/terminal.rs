//! What the other end of a stream can show: colors, columns, characters beyond ASCII.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::fd::AsFd;

/// What a stream can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Whether it is a terminal.
    pub terminal: bool,
    /// The number of columns, if known; `None` off a terminal.
    pub width: Option<usize>,
}

impl Screen {
    /// The screen behind a stream.
    pub fn of(stream: &(impl IsTerminal + AsFd)) -> Self {
        let terminal = stream.is_terminal();
        let size = rustix::termios::tcgetwinsize(stream).ok().filter(|_| terminal);
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        Self { terminal, width: width.map(|width| width.max(20)) }
    }
}

/// Whether to use color if the command line does not say: the rules of anstream, which clap follows too. `variable`
/// reads the environment.
pub fn wants_color(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is = |name: &str, value: &str| variable(name).is_some_and(|set| set == value);
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    if set("NO_COLOR") {
        false
    } else if set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") {
        true
    } else if is("CLICOLOR", "0") {
        false
    } else {
        terminal && (set("CLICOLOR") || set("TERM") && !is("TERM", "dumb"))
    }
}

/// Whether the locale is C or POSIX, which promise only ASCII. If no locale is set, UTF-8 is assumed, as systemd does.
pub fn is_ascii(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let deciding = names.into_iter().filter_map(variable).find(|value| !value.is_empty());
    deciding.is_some_and(|locale| locale == "C" || locale == "POSIX")
}

/// Our own text, in characters that this locale has.
pub fn shown(text: &str) -> String {
    if text.is_ascii() || !is_ascii(|name| std::env::var_os(name)) { text.to_owned() } else { ascii(text) }
}

/// Replaces our own symbols with ASCII; other people's text stays.
fn ascii(text: &str) -> String {
    text.replace('✓', "*").replace('✗', "x").replace('…', "...").replace(['“', '”'], "\"")
}

#[cfg(test)]
mod tests {
    use super::{ascii, is_ascii, wants_color};
    use std::ffi::OsString;

    fn environment(set: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    }

    #[test]
    fn color_follows_the_usual_environment_variables() {
        let colored = |terminal, set| wants_color(terminal, environment(set));
        assert!(colored(true, &[("TERM", "xterm")]));
        assert!(!colored(false, &[("TERM", "xterm")]));
        assert!(!colored(true, &[("TERM", "dumb")]));
        assert!(!colored(true, &[]));
        assert!(!colored(true, &[("TERM", "xterm"), ("NO_COLOR", "1")]));
        assert!(colored(true, &[("TERM", "xterm"), ("NO_COLOR", "")]));
        assert!(colored(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!colored(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!colored(false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
        assert!(!colored(true, &[("TERM", "xterm"), ("CLICOLOR", "0")]));
    }

    #[test]
    fn only_the_c_locale_is_limited_to_ascii() {
        assert!(is_ascii(environment(&[("LANG", "C")])));
        assert!(is_ascii(environment(&[("LC_ALL", "POSIX"), ("LANG", "de_DE.UTF-8")])));
        assert!(!is_ascii(environment(&[("LC_ALL", ""), ("LANG", "C.UTF-8")])));
        assert!(!is_ascii(environment(&[])));
        assert_eq!(ascii("✓ a… ✗ Å"), "* a... x Å");
    }
}
