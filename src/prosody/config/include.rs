//! Which files an `Include` names, by the rules of Prosody's `util.paths` and `core.configmanager`.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::host::Host;

/// The files to read.
pub(super) struct Included {
    /// Their paths, as Prosody opens them.
    pub paths: Vec<PathBuf>,
    /// Whether a pattern was expanded. Prosody then reads the files in directory order, which is unknown.
    pub unordered: bool,
}

/// What `Include "pattern"` in a file refers to.
enum Target<'a> {
    File(PathBuf),
    Names(PathBuf, &'a [u8]),
}

fn target<'a>(file: &Path, pattern: &'a [u8]) -> Target<'a> {
    let here = file.parent().unwrap_or(Path::new(""));
    if !pattern.iter().any(|byte| matches!(byte, b'*' | b'?')) {
        return Target::File(resolve(here, pattern));
    }
    let cut = pattern.iter().rposition(|byte| *byte == b'/');
    let (folder, glob) = match cut {
        Some(cut) => (&pattern[..cut], &pattern[cut + 1..]),
        None => (&b""[..], pattern),
    };
    let folder = if folder.is_empty() { here.to_owned() } else { resolve(here, folder) };
    Target::Names(folder, glob)
}

/// The files that `Include "pattern"` in `file` names.
pub(super) fn expand(host: &dyn Host, file: &Path, pattern: &[u8]) -> Result<Included> {
    let (folder, glob) = match target(file, pattern) {
        Target::File(path) => {
            return Ok(Included { paths: vec![path], unordered: false });
        }
        Target::Names(folder, glob) => (folder, glob),
    };
    let names = host.list(&folder)?;
    let paths = names.iter().filter(|name| fits(glob, name.as_bytes())).map(|name| folder.join(name)).collect();
    Ok(Included { paths, unordered: true })
}

/// Whether `Include "pattern"` in `file` names `path`, whether that exists or not.
pub(super) fn names(file: &Path, pattern: &[u8], path: &Path) -> bool {
    match target(file, pattern) {
        Target::File(named) => named == path,
        Target::Names(folder, glob) => {
            let name = path.file_name().unwrap_or_default();
            path.parent() == Some(&folder) && fits(glob, name.as_bytes())
        }
    }
}

fn fits(glob: &[u8], name: &[u8]) -> bool {
    !name.starts_with(b".") && matches(glob, name)
}

/// Prosody's `resolve_relative_path`.
fn resolve(here: &Path, path: &[u8]) -> PathBuf {
    let mut path = path;
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest;
    }
    if path.starts_with(b"/") {
        return PathBuf::from(std::ffi::OsString::from_vec(path.to_vec()));
    }
    here.join(OsStr::from_bytes(path))
}

/// Whether the name matches the pattern, in which only `*` and `?` are special.
fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star = None;
    while seen < name.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                // Let the last star match one more byte.
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                (at, seen) = (star_at + 1, taken + 1);
            }
        }
    }
    glob[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_prosody() {
        assert!(matches(b"*.cfg.lua", b"meet.example.org.cfg.lua"));
        assert!(!matches(b"*.cfg.lua", b"meet.example.org.cfg.lua.dpkg-old"));
        assert!(!matches(b"*.cfg.lua", b"xcfgxlua"));
        assert!(matches(b"a?c*", b"abc") && matches(b"*b*", b"abc") && !matches(b"a?", b"a"));
    }

    #[test]
    fn relative_paths_resolve_from_the_including_file() {
        let here = Path::new("/etc/prosody");
        assert_eq!(resolve(here, b"./conf.d/x"), Path::new("/etc/prosody/conf.d/x"));
        assert_eq!(resolve(here, b"/srv/x"), Path::new("/srv/x"));
    }
}
