//! `apt-sources`: where something has to be fetched, the sources can be reached. A release that left the mirrors is
//! pointed to Debian's archive; entries of others are not touched.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::change::Change;
use crate::host::Access;
use crate::modules;
use crate::step::{Check, Context};

/// The newest release that is only in the archive.
const LAST_ARCHIVED: u32 = 10;

pub fn check(cx: &Context) -> Result<Check> {
    if modules::missing_packages(cx.host, cx.site()?)?.is_empty() {
        return Check::satisfied("nothing has to be fetched");
    }
    let release = &cx.facts.release;
    let archived = release.id == "debian"
        && release
            .version
            .parse()
            .is_ok_and(|version: u32| version <= LAST_ARCHIVED);
    if !archived {
        return Check::satisfied("this release is on its mirrors");
    }
    let mut changes = Vec::new();
    for path in files(cx)? {
        let Some(text) = cx.host.read_text(&path)? else {
            continue;
        };
        let moved: String = text
            .split_inclusive('\n')
            .map(|line| moved(line, &cx.settings.apt_archive))
            .collect();
        if moved != text {
            changes.push(Change::write(
                path,
                moved,
                Access {
                    mode: 0o644,
                    uid: 0,
                    gid: 0,
                },
            ));
        }
    }
    if changes.is_empty() {
        return Check::satisfied("no entry points to a mirror that this release has left");
    }
    Check::pending(
        format!(
            "Debian {} has left the mirrors; its packages are in the archive",
            release.version
        ),
        changes,
    )
}

fn files(cx: &Context) -> Result<Vec<PathBuf>> {
    let folder = Path::new("/etc/apt/sources.list.d");
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let lists = cx
        .host
        .list(folder)?
        .into_iter()
        .filter(|name| name.ends_with(".list"));
    files.extend(lists.map(|name| folder.join(name)));
    Ok(files)
}

/// One line of a sources.list(5): Debian's own mirrors become the archive, whose Release files are long expired.
fn moved(line: &str, archive: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let Some(at) = words.iter().position(|word| word.contains("://")) else {
        return line.to_owned();
    };
    let host = words[at].split('/').nth(2).unwrap_or_default();
    // Every mirror that Debian itself names is in its domain; the archive is too.
    let debians = host.ends_with(".debian.org") && host != "archive.debian.org";
    if !debians || !matches!(words.first(), Some(&"deb" | &"deb-src")) {
        return line.to_owned();
    }
    let security = words[at].contains("security");
    let url = if security {
        format!("{archive}-security")
    } else {
        archive.to_owned()
    };
    let options: Vec<&str> = words[1..at]
        .iter()
        .map(|word| word.trim_matches(['[', ']']))
        .filter(|w| !w.is_empty())
        .collect();
    let options = [options.join(" ").as_str(), "check-valid-until=no"].join(" ");
    format!(
        "{} [{}] {url} {}\n",
        words[0],
        options.trim(),
        words[at + 1..].join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::moved;

    const ARCHIVE: &str = "http://archive.example/debian";

    #[test]
    fn debians_entries_move_and_keep_their_options() {
        assert_eq!(
            moved(
                "deb http://ftp.de.debian.org/debian buster main contrib\n",
                ARCHIVE
            ),
            "deb [check-valid-until=no] http://archive.example/debian buster main contrib\n"
        );
        assert_eq!(
            moved(
                "deb [arch=amd64] http://security.debian.org/debian-security buster/updates main\n",
                ARCHIVE
            ),
            "deb [arch=amd64 check-valid-until=no] http://archive.example/debian-security buster/updates main\n"
        );
    }

    #[test]
    fn entries_of_others_and_comments_stay() {
        for line in [
            "deb https://download.jitsi.org stable/\n",
            "# deb http://ftp.de.debian.org/debian buster main\n",
            "\n",
        ] {
            assert_eq!(moved(line, ARCHIVE), line);
        }
    }
}
