//! `credentials show`: the app ID, and the secret on request. `credentials rotate`: replaces them, by the steps of
//! `install`.

use std::io::IsTerminal;

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::cli::{CredentialsCommand, CredentialsForm, RotateCredentials, ShowCredentials};
use crate::commands::{CommandResult, OutputStyle, Usage, install, keygen, keys, secret_file, usage};
use crate::display::escape;
use crate::engine::report::Versioned;
use crate::host::Host;
use crate::host::child::Silent;
use crate::host::system::System;
use crate::prosody::config::Config;
use crate::site::facts::Facts;
use crate::site::key_source::KeySource;
use crate::site::settings::{Credentials, EarlierSecrets, check_credential};
use crate::site::token_keys::{self, EarlierSecret, TokenKeys};
use crate::token::times;

/// What is shown, as JSON.
#[derive(JsonSchema, Serialize)]
pub struct Shown<'a> {
    /// The site's domain.
    domain: &'a str,
    /// The app ID.
    app_id: &'a str,
    /// The app secret, if it was requested and is in use.
    app_secret: Option<&'a str>,
    /// The public keys that tokens are checked with instead.
    public_keys: Vec<ShownKey>,
    /// The URLs of the keys that tokens are checked with instead, if an identity provider signs them.
    key_source: Option<ShownSource>,
    /// Until when a replaced secret is still accepted (UTC).
    #[serde(serialize_with = "moment")]
    #[schemars(with = "Option<String>")]
    old_secret_until: Option<i64>,
}

/// An accepted public key.
#[derive(JsonSchema, Serialize)]
pub struct ShownKey {
    /// Its key ID: the `kid` in the tokens' header.
    kid: String,
    /// SHA-256 of the key, in hex.
    fingerprint: String,
}

/// Where an identity provider's keys come from.
#[derive(JsonSchema, Serialize)]
pub struct ShownSource {
    /// The document with all keys (`--jwks`).
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<String>,
    /// The server with a file for each key (`--key-server`).
    #[serde(skip_serializing_if = "Option::is_none")]
    key_server: Option<String>,
}

#[expect(clippy::ref_option, reason = "serde hands over a reference")]
fn moment<S: Serializer>(seconds: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    seconds.map(times::rfc3339).serialize(serializer)
}

/// Runs the command.
pub fn run(args: CredentialsCommand, output: OutputStyle) -> Result<CommandResult> {
    match args {
        CredentialsCommand::Show(args) => show(&args, output),
        CredentialsCommand::Rotate(args) => rotate(&args, output),
        CredentialsCommand::Keygen(args) => keygen::run(&args, output),
    }
}

fn show(args: &ShowCredentials, output: OutputStyle) -> Result<CommandResult> {
    if args.secret_only && std::io::stdout().is_terminal() {
        let say = "--secret-only does not print to a terminal; redirect the output, or use --reveal";
        return Err(Usage(say.to_owned()).into());
    }
    let settings = keys::settings(args.site.domain.as_deref())?;
    let host = System::new(&Silent);
    let site = keys::site(Facts::gather(&host, &settings)?)?;
    let found = keys::of_machine(&host, &site)?;
    let config = site.config(&host)?;
    let public_keys: Vec<ShownKey> = token_keys::accepted(&host, &config, &site.domain)?
        .into_iter()
        .map(|key| ShownKey { fingerprint: key.fingerprint(), kid: key.kid })
        .collect();
    if !public_keys.is_empty() && (args.secret_only || args.reveal) {
        let say = "this server accepts public keys and has no app secret in use";
        return Err(Usage(say.to_owned()).into());
    }
    let source = KeySource::configured(&config, &site.domain);
    let secret = found.app_secret.reveal();
    if args.secret_only {
        return Ok(CommandResult::data(secret.to_owned()));
    }
    let form = if output.json { CredentialsForm::Json } else { args.format };
    let shown = Shown {
        domain: &site.domain,
        app_id: &found.app_id,
        app_secret: args.reveal.then_some(secret),
        public_keys,
        key_source: source.map(|source| ShownSource { jwks: source.document, key_server: source.server }),
        old_secret_until: TokenKeys::read(&host, &site.domain)?
            .and_then(|keys| keys.besides(&found.app_secret).earlier_until(host.now())),
    };
    Ok(CommandResult::data(render(shown, form)?))
}

/// An `install` with new credentials. Prosody uses the old ones until it restarts, and the new ones are in its
/// configuration before that: whatever interrupts this, one of the two works.
fn rotate(args: &RotateCredentials, output: OutputStyle) -> Result<CommandResult> {
    let mut settings = keys::settings(args.site.domain.as_deref())?;
    settings.patience = args.going.lock_timeout;
    let mut warnings = Vec::new();
    let mut secret = settings.generated.app_secret.clone();
    if let Some(path) = &args.app_secret_file {
        let (read, warning) = usage(secret_file::read(path))?;
        secret = read;
        warnings.extend(warning);
    }
    if let Some(app_id) = &args.app_id {
        usage(check_credential("--app-id", app_id))?;
    }
    let host = System::new(&Silent);
    let site = keys::site(Facts::gather(&host, &settings)?)?;
    let config = site.config(&host)?;
    require_secret_in_use(&config, &site.domain)?;
    let old = keys::of_machine(&host, &site)?;
    let retired = if args.end_now {
        // Our module reads its file at each login, so this takes effect at once.
        settings.earlier = EarlierSecrets::Ended;
        let keys = TokenKeys::read(&host, &site.domain)?.unwrap_or_default().besides(&old.app_secret);
        let ended = keys.earlier.last().and_then(EarlierSecret::secret);
        ended.map(|app_secret| Credentials { app_secret, app_id: old.app_id })
    } else {
        settings.earlier = match args.keep_old {
            None => EarlierSecrets::Ended,
            Some(time) => {
                let (secret, now) = (old.app_secret.clone(), times::unix(host.now()));
                EarlierSecrets::With { secret, until: times::unix(host.now() + time), since: now }
            }
        };
        let stays = args.app_id.as_ref().is_none_or(|app_id| *app_id == old.app_id) && secret == old.app_secret;
        settings.app_id.clone_from(&args.app_id);
        settings.app_secret = Some(secret);
        (!stays).then_some(old)
    };
    let accepted = args.keep_old.is_some();
    let request = install::Request {
        command: "credentials rotate",
        dry_run: args.going.dry_run,
        yes: args.going.yes,
        only: None,
        rollback: true,
        retired: retired.map(|credentials| install::Retired { credentials, accepted }),
        deploy_hook: args.deploy_hook.as_deref(),
        warnings,
    };
    install::provision(request, settings, output)
}

/// An error if the app secret is in the configuration but not in use.
fn require_secret_in_use(config: &Config, domain: &str) -> Result<()> {
    if let Some(source) = KeySource::configured(config, domain) {
        let say = format!(
            "this server checks tokens with keys from {} and does not use the app secret; replace keys there",
            source.name()
        );
        return Err(Usage(say).into());
    }
    if token_keys::by_public_key(config, domain) {
        let say = "this server accepts public keys and has no app secret to rotate; to replace a key, accept both with \
                   `jitsi-tokens-setup install --public-key OLD --public-key NEW`, later only the new one";
        return Err(Usage(say.to_owned()).into());
    }
    Ok(())
}

fn render(shown: Shown, form: CredentialsForm) -> Result<String> {
    let mut pairs =
        vec![("JITSI_DOMAIN", "domain", Some(shown.domain)), ("JITSI_APP_ID", "app ID", Some(shown.app_id))];
    if shown.public_keys.is_empty() {
        pairs.push(("JITSI_APP_SECRET", "app secret", shown.app_secret));
    }
    let line = |(name, what, value): (&str, &str, Option<&str>)| match (value, form) {
        (Some(value), CredentialsForm::Env) => Ok(format!("{name}={}\n", env(what, value)?)),
        (Some(value), _) => Ok(format!("{name}={}\n", shell(what, value)?)),
        (None, _) => Ok(format!("# {name} is hidden; --reveal shows it\n")),
    };
    match form {
        CredentialsForm::Json => {
            // Not masked: this is what was asked for.
            let json = serde_json::to_string_pretty(&Versioned::new(shown))?;
            Ok(escape::escaped(&json) + "\n")
        }
        CredentialsForm::Shell | CredentialsForm::Env => {
            let lines: String = pairs.into_iter().map(line).collect::<Result<_>>()?;
            let keys = shown.public_keys.iter().map(|ShownKey { kid, fingerprint }| {
                format!("# accepted key: kid {}, SHA-256 {fingerprint}\n", escape::line(kid))
            });
            let source = shown.key_source.iter().flat_map(|source| {
                let named = [("key set", &source.jwks), ("key server", &source.key_server)];
                named.into_iter().filter_map(|(what, url)| {
                    let url = escape::line(url.as_ref()?);
                    Some(format!("# tokens are checked with the keys of {url} ({what}); the app secret is not used\n"))
                })
            });
            let old = shown.old_secret_until.iter().map(|until| {
                let until = times::utc(*until);
                format!("# the old secret is accepted until {until}\n")
            });
            Ok(lines + &keys.chain(source.collect::<Vec<_>>()).chain(old).collect::<String>())
        }
    }
}

/// A value for a POSIX shell: within single quotes, everything but a single quote is literal.
fn shell(what: &str, value: &str) -> Result<String> {
    if value.contains(char::is_control) {
        bail!("the {what} contains a control character, which --format shell cannot represent; use --json");
    }
    Ok(format!("'{}'", value.replace('\'', "'\\''")))
}

/// A value that sh, docker's --env-file, systemd's `EnvironmentFile` and python-dotenv read alike. They agree on no
/// form of quoting (docker treats quotes as part of the value), so there is none.
fn env(what: &str, value: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+=:,@%^".contains(c);
    if let Some(odd) = value.chars().find(|c| !plain(*c)) {
        let odd = match odd {
            ' ' => "a space".to_owned(),
            odd if odd.is_ascii_graphic() => format!("the character {odd}"),
            _ => "a non-ASCII character".to_owned(),
        };
        bail!(
            "the {what} contains {odd}, which is ambiguous in an .env file; use --format shell, --secret-only or --json"
        );
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests;
