//! Reads the application secret that the operator gives: from a file, from standard input, or typed without echo.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::secret::Secret;
use crate::settings::check_credential;

/// More than any secret that is taken, so that a large file is refused without being read whole.
const ENOUGH: u64 = 4096;

/// The secret in `path`, or from standard input for `-`; one line break at its end is not part of it. Returns a
/// warning about a file that others can read.
pub fn read(path: &Path) -> Result<(Secret, Option<String>)> {
    let name = if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let (bytes, warning) = if path == Path::new("-") {
        (standard_input()?, None)
    } else {
        from_file(path)?
    };
    let Ok(text) = String::from_utf8(bytes) else {
        bail!("the secret in {name} is not UTF-8 text")
    };
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| {
        line.strip_suffix('\r').unwrap_or(line)
    });
    check_credential(&format!("the secret in {name}"), text)?;
    Ok((Secret::new(text), warning))
}

fn standard_input() -> Result<Vec<u8>> {
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        let typed =
            rpassword::prompt_password("Application secret: ").context("cannot read the secret")?;
        return Ok(typed.into_bytes());
    }
    let mut bytes = Vec::new();
    stdin
        .by_ref()
        .take(ENOUGH)
        .read_to_end(&mut bytes)
        .context("cannot read standard input")?;
    Ok(bytes)
}

fn from_file(path: &Path) -> Result<(Vec<u8>, Option<String>)> {
    let problem = || format!("cannot read the secret file {}", path.display());
    let file = File::open(path).with_context(problem)?;
    let meta = file.metadata().with_context(problem)?;
    if meta.is_dir() {
        bail!(
            "{} is a folder; --app-secret-file takes a file",
            path.display()
        );
    }
    let mut bytes = Vec::new();
    file.take(ENOUGH)
        .read_to_end(&mut bytes)
        .with_context(problem)?;
    let open = meta.is_file() && meta.permissions().mode() & 0o004 != 0;
    let warning = format!(
        "{} holds a secret and everybody can read it: chmod 600 {0}",
        path.display()
    );
    Ok((bytes, open.then_some(warning)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn one_line_break_is_not_part_of_the_secret() {
        for (bytes, secret) in [
            (&b"abc/+=\n"[..], "abc/+="),
            (b"abc\r\n", "abc"),
            (b" a b ", " a b "),
        ] {
            let (_folder, path) = file(bytes);
            assert_eq!(read(&path).unwrap().0.reveal(), secret);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_with_the_files_name() {
        let large = vec![b'x'; 1 << 20];
        for (bytes, part) in [
            (&b""[..], "is empty"),
            (b"a\nb\n", "control character"),
            (b"\xff\xfe", "not UTF-8"),
            (&large, "1024"),
        ] {
            let (_folder, path) = file(bytes);
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("secret"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(
            read(folder.path())
                .unwrap_err()
                .to_string()
                .contains("is a folder")
        );
        assert!(
            read(&folder.path().join("none"))
                .unwrap_err()
                .to_string()
                .contains("cannot read")
        );
    }

    #[test]
    fn a_world_readable_file_is_warned_about() {
        let (_folder, path) = file(b"abcdefgh");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path).unwrap().1.unwrap().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path).unwrap().1, None);
    }
}
