//! The public keys that the server is to accept: read from files, named, and validated before anything is changed.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::cli::TokenPolicy;
use crate::commands::secret_file;
use crate::site::token_keys::AcceptedKey;
use crate::token::RsaPublicKey;

/// The value that removes all keys.
const OFF: &str = "off";

/// The length limit of a key ID, in bytes.
const MAX_KID_BYTES: usize = 200;

/// The keys of `--public-key` with their key IDs; `None` without that option.
///
/// # Errors
/// What is wrong, in one sentence.
pub fn read(args: &TokenPolicy) -> Result<Option<Vec<AcceptedKey>>> {
    let files = &args.public_key;
    // Otherwise they are of the key server that is chosen or turned off.
    let of_files =
        !args.has_key_server() && (args.key_server.is_none() || files.iter().any(|file| file != Path::new(OFF)));
    let kids = if of_files { &args.kid[..] } else { &[] };
    if files.iter().any(|file| file == Path::new(OFF)) {
        if files.len() > 1 || !kids.is_empty() {
            bail!("--public-key off cannot be combined with other keys (write ./off for a file of that name)");
        }
        return Ok(Some(Vec::new()));
    }
    if kids.len() > files.len() {
        bail!("more --kid than --public-key options; the first --kid belongs to the first key");
    }
    let mut keys: Vec<AcceptedKey> = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let text = secret_file::read_public_key(file)?;
        let key = RsaPublicKey::from_pem(&text).with_context(|| format!("--public-key {}", file.display()))?;
        let kid = kids.get(at).cloned().unwrap_or_else(|| key.thumbprint());
        if kid.is_empty() || kid.len() > MAX_KID_BYTES || kid.chars().any(char::is_control) {
            bail!("--kid must be 1 to {MAX_KID_BYTES} bytes without control characters");
        }
        if keys.iter().any(|other| other.kid == kid) {
            bail!("two keys have the kid {kid}; each key needs its own (--kid, in the order of the keys)");
        }
        keys.push(AcceptedKey { kid, pem: key.to_pem() });
    }
    Ok((!keys.is_empty()).then_some(keys))
}
