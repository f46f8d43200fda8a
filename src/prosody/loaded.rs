//! Which configuration the running Prosody has read. A file that changed after Prosody started has to be read again
//! only if the change means something: comments and blanks do not.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::engine::snapshot::hash;
use crate::host::{Access, Host};
use crate::lua::lexer::{Lexer, TokenKind};
use crate::prosody::daemon::Running;

/// Where this is recorded until the next boot, as `PID HASH`.
const PATH: &str = "/run/jitsi-tokens-setup.loaded";

/// A hash of what these files mean to Prosody, in this order.
pub fn meaning<'a>(host: &dyn Host, files: impl IntoIterator<Item = &'a Path>) -> Result<String> {
    let mut all = Vec::new();
    for file in files {
        let bytes = host.read(file)?.unwrap_or_default();
        all.extend(file.as_os_str().as_encoded_bytes());
        all.push(0);
        all.extend(hash(&words(&bytes)).into_bytes());
    }
    Ok(hash(&all))
}

/// The meaningful tokens of a file, each followed by a zero byte; where it is not valid Lua, the rest as it is.
fn words(bytes: &[u8]) -> Vec<u8> {
    let mut lexer = Lexer::new(bytes);
    let (mut words, mut at) = (Vec::new(), 0);
    while let Ok(token) = lexer.token() {
        at = token.end;
        match token.kind {
            TokenKind::Space | TokenKind::Comment | TokenKind::LongComment => {}
            TokenKind::End => break,
            _ => {
                words.extend(&bytes[token.start..token.end]);
                words.push(0);
            }
        }
    }
    words.extend(&bytes[at..]);
    words
}

/// Records that the process has read files with this meaning.
pub fn remember(host: &dyn Host, pid: u32, meaning: &str) -> Result<()> {
    let access = Access::root(0o600);
    host.write(Path::new(PATH), format!("{pid} {meaning}\n").as_bytes(), access)
}

/// Whether the running Prosody is known to have read files that meant what these mean now.
pub fn is_known(host: &dyn Host, running: &Running, files: &[PathBuf]) -> Result<bool> {
    let path = Path::new(PATH);
    // The record of an earlier process with the same ID is older than this process.
    let newer = host.stat(path)?.is_some_and(|stat| stat.changed >= running.since);
    if !newer {
        return Ok(false);
    }
    let meaning = meaning(host, files.iter().map(PathBuf::as_path))?;
    let kept = host.read_text(path)?.unwrap_or_default();
    Ok(kept.trim_end() == format!("{} {meaning}", running.pid))
}

/// Removes the record, and any temporary file that an interrupted run left.
pub fn forget(host: &dyn Host) -> Result<()> {
    host.clear(Path::new(PATH), &|_| true)?;
    host.remove(Path::new(PATH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn only_comments_and_blanks_are_ignored() {
        let of = |text: &str| {
            let host = FakeHost::new().file("/etc/x", text);
            meaning(&host, [Path::new("/etc/x")]).unwrap()
        };
        let text = "a = \"b -- c\"\nd = { 1 }\n";
        assert_eq!(of(text), of(&format!("{text}-- line 1\n")));
        assert_eq!(of(text), of("a=\"b -- c\" --[[ x\n]] d = {1}"));
        for other in ["a = \"b -- d\"\nd = { 1 }\n", "a = \"b -- c\"\nd = { 11 }\n", "a = \"b -- c\nd = { 1 }\n", ""] {
            assert_ne!(of(text), of(other), "{other}");
        }
    }

    #[test]
    fn the_record_holds_only_for_this_process() {
        let host = FakeHost::new().file("/etc/x", "a = 1\n");
        let files = [PathBuf::from("/etc/x")];
        let now = meaning(&host, files.iter().map(PathBuf::as_path)).unwrap();
        let running = Running { pid: 7, since: host.now(), uid: 0, gid: 0 };
        assert!(!is_known(&host, &running, &files).unwrap());
        remember(&host, 7, &now).unwrap();
        assert!(is_known(&host, &running, &files).unwrap());
        assert!(!is_known(&host, &Running { pid: 8, ..running }, &files).unwrap());
        let later = host.now() + std::time::Duration::from_secs(60);
        assert!(!is_known(&host, &Running { since: later, ..running }, &files).unwrap());
        forget(&host).unwrap();
        assert!(!is_known(&host, &running, &files).unwrap());
    }
}
