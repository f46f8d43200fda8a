//! Reads secrets from the operator: the app secret from a file, from standard input or typed without echo, and private
//! keys.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::commands::input_file;
use crate::host::secret::Secret;
use crate::site::settings::check_credential;

/// The size limit of a secret, in bytes; no accepted secret is as long.
const MAX_SECRET_FILE: u64 = 4096;

/// The size limit of a key file, in bytes: the next power of two above an RSA key of 16,384 bits with its certificate.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// The secret in `path`, or from standard input for `-`; one line break at its end is not part of it. Also returns a
/// warning if other users can read the file.
pub fn read(path: &Path) -> Result<(Secret, Option<String>)> {
    let (name, bytes, warning) = if input_file::is_standard(path) && input_file::is_typed() {
        let typed = rpassword::prompt_password("App secret: ").context("cannot read the app secret")?;
        ("standard input".to_owned(), typed.into_bytes(), None)
    } else {
        limited(path, ("secret file", "--app-secret-file"), MAX_SECRET_FILE)?
    };
    let Ok(text) = String::from_utf8(bytes) else { bail!("the app secret in {name} is not valid UTF-8") };
    let text = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    check_credential(&format!("the app secret in {name}"), text)?;
    Ok((Secret::new(text), warning))
}

/// The text of a file with a key in it. If the key is `private`, also returns a warning if other users can read the
/// file.
pub fn read_key(path: &Path, private: bool) -> Result<(Secret, Option<String>)> {
    let (name, bytes, warning) = limited(path, ("key file", "--key"), MAX_KEY_FILE)?;
    let text = String::from_utf8(bytes)
        .ok()
        .with_context(|| format!("the key in {name} is not in PEM format; convert it: openssl pkey -inform DER"))?;
    Ok((Secret::unlisted(text), warning.filter(|_| private)))
}

/// The text of a file with a public key in it.
pub fn read_public_key(path: &Path) -> Result<String> {
    let (name, bytes, _) = limited(path, ("key file", "--public-key"), MAX_KEY_FILE)?;
    String::from_utf8(bytes).ok().with_context(|| {
        format!(
            "--public-key {name}: not a public key in PEM format (-----BEGIN PUBLIC KEY-----); convert a DER file: openssl pkey \
             -pubin -inform DER -in KEY -out PUBLIC-KEY"
        )
    })
}

fn limited(path: &Path, (what, option): (&'static str, &str), limit: u64) -> Result<(String, Vec<u8>, Option<String>)> {
    let input = input_file::open(path, what, option)?;
    let name = input.name.clone();
    let warning = format!("{name} is world-readable and contains a secret; run: chmod 600 {name}");
    let warning = input.world_readable.then_some(warning);
    Ok((name, input.bytes(limit)?, warning))
}

#[cfg(test)]
mod tests {
    use super::read;
    use std::os::unix::fs::PermissionsExt;

    fn file(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn a_trailing_line_break_is_removed() {
        for (bytes, secret) in [(&b"abc/+=\n"[..], "abc/+="), (b"abc\r\n", "abc"), (b" a b ", " a b ")] {
            let (_folder, path) = file(bytes);
            assert_eq!(read(&path).unwrap().0.reveal(), secret);
        }
    }

    #[test]
    fn invalid_secret_files_are_refused_by_name() {
        let large = vec![b'x'; 1 << 20];
        for (bytes, part) in [
            (&b""[..], "is empty"),
            (b"a\nb\n", "control character"),
            (b"\xff\xfe", "not valid UTF-8"),
            (&large, "is too large for a secret file (limit: 4 KiB)"),
        ] {
            let (_folder, path) = file(bytes);
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("secret"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("is a directory"));
        assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("cannot read"));
    }

    #[test]
    fn world_readable_files_cause_a_warning() {
        let (_folder, path) = file(b"abcdefgh");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(&path).unwrap().1.unwrap().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path).unwrap().1, None);
    }
}
