//! Options of `install` that exclude each other. clap cannot tell, because `off` conflicts with nothing: turning one way
//! to check tokens off is how another one is turned on.

use std::path::Path;

use anyhow::{Result, bail};

use crate::cli;

/// Whether any options exclude each other.
///
/// # Errors
/// Which ones.
pub fn check(args: &cli::Install) -> Result<()> {
    let tokens = &args.tokens;
    let on = |value: &Option<String>| value.as_deref().is_some_and(|value| value != "off");
    let public_key = ("--public-key", tokens.public_key.iter().any(|file| file != Path::new("off")));
    let (key_server, jwks) = (("--key-server", on(&tokens.key_server)), ("--jwks", on(&tokens.jwks)));
    let by_secret = [
        ("--app-secret-file", args.app_secret_file.is_some()),
        ("--signature-algorithm", tokens.signature_algorithm.is_some()),
    ];
    // What the provider's document sets.
    let provided = [
        public_key,
        key_server,
        jwks,
        ("--login-url", tokens.login_url.is_some()),
        ("--issuer", !tokens.issuer.is_empty()),
        ("--require-room", tokens.require_room.is_some()),
    ];
    for ((option, chosen), others) in [
        (public_key, &[][..]),
        (key_server, &[public_key]),
        (jwks, &[public_key]),
        (("--oidc", on(&tokens.oidc)), &provided),
    ] {
        if let Some((other, _)) = others.iter().chain(&by_secret).find(|(_, given)| chosen && *given) {
            bail!("{option} cannot be used with {other}");
        }
    }
    Ok(())
}
