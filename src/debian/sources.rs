//! Points the entries of sources.list(5), in both formats, from Debian's mirrors to its archive. Third-party entries
//! stay the same to the byte.

use std::path::Path;

/// The text of a sources file with Debian's own entries moved to `archive`.
pub fn moved(path: &Path, text: &str, archive: &str) -> String {
    if path.extension().is_some_and(|form| form == "sources") {
        return stanzas(text, archive);
    }
    text.split_inclusive('\n').map(|entry| line(entry, archive)).collect()
}

/// The new address for one of Debian's; `None` for third-party ones. Every mirror that Debian itself names is in its
/// domain, and so is the archive.
fn target(address: &str, archive: &str) -> Option<String> {
    let host = address.split('/').nth(2)?.split(':').next()?;
    if !host.ends_with(".debian.org") || host == "archive.debian.org" {
        return None;
    }
    let archive = archive.trim_end_matches('/');
    Some(if address.contains("security") { format!("{archive}-security") } else { archive.to_owned() })
}

/// One line in the old format. The archive's Release files expired long ago.
fn line(line: &str, archive: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let Some(at) = words.iter().position(|word| word.contains("://")) else {
        return line.to_owned();
    };
    let Some(url) = target(words[at], archive).filter(|_| matches!(words[0], "deb" | "deb-src")) else {
        return line.to_owned();
    };
    let mut options: Vec<&str> = words[1..at]
        .iter()
        .map(|word| word.trim_matches(['[', ']']))
        .filter(|word| !word.is_empty() && !word.to_ascii_lowercase().starts_with("check-valid-until"))
        .collect();
    options.push("check-valid-until=no");
    let end = line.trim_end_matches(['\n', '\r']).len();
    format!("{} [{}] {url} {}{}", words[0], options.join(" "), words[at + 1..].join(" "), &line[end..])
}

/// The new format: stanzas of fields, separated by empty lines.
fn stanzas(text: &str, archive: &str) -> String {
    let mut done = String::new();
    let mut stanza: Vec<&str> = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            done += &stanza_moved(&stanza, archive);
            stanza.clear();
            done += line;
        } else {
            stanza.push(line);
        }
    }
    done + &stanza_moved(&stanza, archive)
}

fn stanza_moved(lines: &[&str], archive: &str) -> String {
    let mut done = String::new();
    let mut field = String::new();
    let mut any = false;
    for line in lines {
        let comment = line.starts_with('#');
        if !comment && !line.starts_with([' ', '\t']) {
            field = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        }
        if comment || field != "uris" {
            done += line;
            continue;
        }
        for (word, gap) in words(line) {
            let new = target(word, archive);
            any |= new.is_some();
            done += new.as_deref().unwrap_or(word);
            done += gap;
        }
    }
    if any { unexpiring(&done) } else { lines.concat() }
}

/// Words, each with the whitespace after it; the first may be empty.
fn words(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split_inclusive(char::is_whitespace).map(|piece| {
        let word = piece.trim_end();
        (word, &piece[word.len()..])
    })
}

/// The stanza with the expiry check turned off, since the date is long past.
fn unexpiring(stanza: &str) -> String {
    let is_check = |line: &&str| line.to_ascii_lowercase().starts_with("check-valid-until:");
    let mut done: String = stanza.split_inclusive('\n').filter(|line| !is_check(line)).collect();
    if !done.ends_with('\n') {
        done.push('\n');
    }
    done + "Check-Valid-Until: no\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARCHIVE: &str = "http://archive.example/debian";

    fn list(text: &str) -> String {
        moved(Path::new("/etc/apt/sources.list"), text, ARCHIVE)
    }

    fn deb822(text: &str) -> String {
        moved(Path::new("debian.sources"), text, ARCHIVE)
    }

    #[test]
    fn debian_entries_move_and_keep_their_options() {
        assert_eq!(
            list("deb http://ftp.de.debian.org/debian buster main contrib\n"),
            "deb [check-valid-until=no] http://archive.example/debian buster main contrib\n"
        );
        assert_eq!(
            list(
                "deb [ arch=amd64 check-valid-until=yes ] http://security.debian.org/debian-security buster/updates main"
            ),
            "deb [arch=amd64 check-valid-until=no] http://archive.example/debian-security buster/updates main"
        );
    }

    #[test]
    fn other_entries_and_comments_are_untouched() {
        let text = "deb https://download.jitsi.org stable/\n# deb http://ftp.de.debian.org/debian buster main\n\n\
                    deb  http://notdebian.org/debian  buster main\ndeb http://archive.debian.org/debian buster main\n";
        assert_eq!(list(text), text);
        let text = "Types: deb\nURIs: https://download.jitsi.org\nSuites: stable/\nCheck-Valid-Until: yes\n\n\
                    # URIs: http://ftp.de.debian.org/debian\n";
        assert_eq!(deb822(text), text);
    }

    #[test]
    fn deb822_entries_move_too() {
        assert_eq!(
            deb822(
                "# Debian\nTypes: deb\nURIs: http://ftp.de.debian.org/debian\n  http://security.debian.org/debian-security\n\
                 Suites: buster\ncheck-valid-until: yes\n\nTypes: deb\nURIs: https://x.example/\nSuites: y\n"
            ),
            "# Debian\nTypes: deb\nURIs: http://archive.example/debian\n  http://archive.example/debian-security\n\
             Suites: buster\nCheck-Valid-Until: no\n\nTypes: deb\nURIs: https://x.example/\nSuites: y\n"
        );
        let once = deb822("URIs: http://ftp.de.debian.org/debian");
        assert_eq!(once, "URIs: http://archive.example/debian\nCheck-Valid-Until: no\n");
        assert_eq!(deb822(&once), once);
    }
}
