//! `token mint`, `token batch` and `token inspect`: from the command line to options and keys, and back to text.

mod batch;
mod inspect;

use std::path::Path;

use anyhow::{Context, Result};

use crate::cli::{KeyArgs, Mint, TokenCommand, Wording};
use crate::commands::{CommandResult, OutputStyle, input_file, keys, secret_file, usage};
use crate::display::{escape, qr};
use crate::engine::report::Versioned;
use crate::host::Host;
use crate::host::child::Silent;
use crate::host::system::System;
use crate::prosody::era::Era;
use crate::site::expectations::Expectations;
use crate::site::token_keys::AcceptedKey;
use crate::token::options::{ClaimsFile, Expiry, JITSI, TokenOptions, draft};
use crate::token::{Algorithm, Family, Issuer, Minter, SigningKey, User};
pub use inspect::Inspected;

const NOT_ACCEPTED: &str =
    "this server does not accept that key; `jitsi-tokens-setup credentials show` lists the accepted keys";

/// A token is about 1 kB; this is the limit for what may be one and for claims, in bytes.
const LONGEST: u64 = 1 << 20;

/// Runs the command.
pub fn run(args: TokenCommand, output: OutputStyle) -> Result<CommandResult> {
    let host = System::new(&Silent);
    match args {
        TokenCommand::Mint(args) => mint(&host, &args, output),
        TokenCommand::Batch(args) => batch::run(&host, &args, output),
        TokenCommand::Inspect(args) => inspect::run(&host, &args, output),
    }
}

fn mint(host: &dyn Host, args: &Mint, output: OutputStyle) -> Result<CommandResult> {
    let options = TokenOptions {
        room: args.room.clone(),
        room_pattern: args.room_pattern.clone(),
        ..options(&args.wording, &args.keys, None)?
    };
    if args.qr && output.json {
        return usage(Err(anyhow::anyhow!("--qr cannot be used with --json; use --url for the link")));
    }
    let now = host.now();
    let draft = usage(draft(&options, now))?;
    let (issuer, mut warnings) = issuer(host, &args.keys, &args.wording)?;
    let minted = usage(Minter::new(draft, issuer, args.url || args.qr).mint(now))?;
    warnings.extend(minted.warnings.clone());
    warn(&warnings);
    let text = if output.json {
        // Not masked: these were asked for, and may contain a secret by chance.
        escape::json(&Versioned::new(&minted), &["token", "url"])
    } else if args.qr {
        let code = usage(qr::qr(minted.text(), output.paint.colors()))?;
        let (wide, width) = (qr::columns(&code), output.paint.width());
        let code = match width.filter(|width| *width < wide) {
            None => code,
            Some(width) => {
                warn(&[format!(
                    "the QR code needs {wide} columns, but this terminal has {width}; use a wider window, a smaller font \
                     or fewer claims"
                )]);
                String::new()
            }
        };
        format!("{code}{}\n", minted.text())
    } else {
        format!("{}\n", minted.text())
    };
    Ok(CommandResult::data(text))
}

/// The options that `mint` and `batch` share. `other` is another input that may come from standard input.
fn options(wording: &Wording, keys: &KeyArgs, other: Option<(&str, &Path)>) -> Result<TokenOptions> {
    let (what, path) = other.unzip();
    input_file::only_one_from_standard_input(&[
        (what.unwrap_or_default(), path),
        ("the claims", wording.claims_file.as_deref()),
        ("the secret", keys.app_secret_file.as_deref()),
        ("the key", keys.key.as_deref()),
    ])?;
    let claims_file = wording.claims_file.as_deref().map(|path| {
        let input = input_file::open(path, "claims file", "--claims")?;
        let name = input.name.clone();
        let bytes = input.bytes(LONGEST)?;
        Ok(ClaimsFile { name, bytes })
    });
    let expiry = match (wording.never, wording.expires_at, wording.expires_in) {
        (true, _, _) => Expiry::Never,
        (_, Some(moment), _) => Expiry::At(moment),
        (_, _, Some(span)) => Expiry::In(span),
        _ => Expiry::Usual,
    };
    Ok(TokenOptions {
        audience: wording.audience.clone(),
        expiry,
        starts_in: wording.starts_in,
        user: User {
            name: wording.name.clone(),
            email: wording.email.clone(),
            avatar: wording.avatar.clone(),
            id: wording.user_id.clone(),
            moderator: wording.moderator.then_some(true),
            affiliation: wording.affiliation.clone(),
        },
        group: wording.group.clone(),
        features: wording.features.clone(),
        claims: wording.claims.clone(),
        claims_file: usage(claims_file.transpose())?,
        header: wording.header.clone(),
        ..TokenOptions::default()
    })
}

/// The issuer of the tokens, and warnings about it.
fn issuer(host: &dyn Host, keys: &KeyArgs, wording: &Wording) -> Result<(Issuer, Vec<String>)> {
    let asked = wording.algorithm;
    let mut pair = None;
    let mut warnings = Vec::new();
    if let Some(path) = &keys.key {
        let (pem, warning) = usage(secret_file::read_key(path, true))?;
        let key = SigningKey::from_pem(&pem).with_context(|| path.display().to_string());
        let key = usage(key)?;
        usage(key.algorithm(asked))?;
        warnings.extend(warning);
        pair = Some(key);
    } else if let Some(asked) = asked.filter(|asked| asked.family() != Algorithm::Hs256.family()) {
        return usage(Err(anyhow::anyhow!("{} needs {}: use --key FILE", asked.name(), asked.family().key())));
    }
    let found = keys::find(host, keys, true)?;
    warnings.extend(found.warnings);
    let missing = "incomplete credentials";
    if pair.is_none() && keys.app_secret_file.is_none() && !found.accepted.is_empty() {
        return usage(Err(anyhow::anyhow!(
            "this server accepts only tokens signed with a private key: use --key FILE"
        )));
    }
    let named = wording.header.iter().any(|field| field.starts_with("kid="));
    let kid = pair.as_ref().and_then(|pair| kid(pair, &found.accepted, named, &mut warnings));
    let (key, algorithm) = match pair {
        Some(pair) => {
            let algorithm = pair.algorithm(asked)?;
            (pair, algorithm)
        }
        None => {
            let algorithm = asked.or(found.machine.as_ref().and_then(site_algorithm)).unwrap_or_default();
            let secret = found.secret.context(missing)?;
            (SigningKey::shared(&secret, algorithm), algorithm)
        }
    };
    let app_id = found.app_id.context(missing)?;
    let accepted = found.machine.as_ref();
    let issuer = Issuer {
        name: match accepted.filter(|_| keys.app_id.is_none()) {
            Some(site) => usual(&site.accepted_issuers, &app_id),
            None => app_id,
        },
        audience: accepted.map(|site| usual(&site.accepted_audiences, JITSI)),
        domain: found.domain.context(missing)?,
        key,
        algorithm,
        rules: found.rules,
        kid,
    };
    Ok((issuer, warnings))
}

/// The key ID of a private key: the one that this machine's server knows it by, otherwise its thumbprint, which is what
/// `install --public-key` uses. Adds a warning if the server accepts other keys only.
fn kid(key: &SigningKey, accepted: &[AcceptedKey], named: bool, warnings: &mut Vec<String>) -> Option<String> {
    let public = key.rsa_public()?;
    if accepted.is_empty() && !named {
        warnings.push(
            "the token's key ID is the key's thumbprint; if the server uses another, use --header kid=ID".to_owned(),
        );
    }
    let pem = public.to_pem();
    let known = accepted.iter().find(|known| known.pem == pem);
    if known.is_none() && !accepted.is_empty() {
        warnings.push(NOT_ACCEPTED.to_owned());
    }
    Some(known.map_or_else(|| public.thumbprint(), |known| known.kid.clone()))
}

/// The algorithm that a site with a secret requires, if it requires one.
fn site_algorithm(site: &Expectations) -> Option<Algorithm> {
    let reads_it = site.era != Era::Decode && site.algorithm.family() == Family::Hmac;
    reads_it.then_some(site.algorithm)
}

/// What a token should contain: the usual value if it is accepted, otherwise the first one that is.
fn usual(accepted: &[String], usual: &str) -> String {
    let is_usual = |value: &String| value == "*" || value == usual;
    match accepted.first() {
        Some(first) if !accepted.iter().any(is_usual) => first.clone(),
        _ => usual.to_owned(),
    }
}

fn warn<'a>(warnings: impl IntoIterator<Item = &'a String>) {
    for warning in warnings {
        crate::display::progress::say(&format!("warning: {}", escape::line(warning)));
    }
}

#[cfg(test)]
mod tests;
