//! `credentials show`: the application id, and the secret where it is asked for. `credentials rotate`: new ones in their
//! place, by the steps of `install`.

use std::io::IsTerminal;

use anyhow::{Result, bail};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{CredentialsCommand, CredentialsForm, RotateCredentials, ShowCredentials};
use crate::commands::{CommandResult, OutputStyle, Usage, install, keys, secret_file, usage};
use crate::display::escape;
use crate::engine::exit::Exit;
use crate::engine::report::Versioned;
use crate::host::child::Silent;
use crate::host::system::System;
use crate::site::facts::Facts;
use crate::site::settings::check_credential;

/// What is shown, as JSON.
#[derive(JsonSchema, Serialize)]
pub struct Shown<'a> {
    /// The site's domain.
    domain: &'a str,
    /// The application id.
    app_id: &'a str,
    /// The secret, if it was asked for.
    app_secret: Option<&'a str>,
}

/// Runs the command.
pub fn run(args: CredentialsCommand, output: OutputStyle) -> Result<CommandResult> {
    match args {
        CredentialsCommand::Show(args) => show(&args, output),
        CredentialsCommand::Rotate(args) => rotate(&args, output),
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
    let secret = found.app_secret.reveal();
    if args.secret_only {
        return Ok(CommandResult { text: secret.to_owned(), exit: Exit::Done });
    }
    let form = if output.json { CredentialsForm::Json } else { args.format };
    let shown = args.reveal.then_some(secret);
    Ok(CommandResult { text: render(&site.domain, &found.app_id, shown, form)?, exit: Exit::Done })
}

/// An `install` with new credentials. Until Prosody is restarted it goes on with the old ones, and the new ones are in
/// its configuration before that: whatever interrupts this, one of the two works.
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
    let old = keys::of_machine(&host, &site)?;
    settings.app_id = Some(args.app_id.clone().unwrap_or_else(|| old.app_id.clone()));
    settings.app_secret = Some(secret);
    let stays = settings.app_id.as_ref() == Some(&old.app_id) && settings.app_secret.as_ref() == Some(&old.app_secret);
    let request = install::Request {
        command: "credentials rotate",
        dry_run: args.going.dry_run,
        yes: args.going.yes,
        only: None,
        rollback: true,
        retired: (!stays).then_some(old),
        warnings,
    };
    install::provision(request, settings, output)
}

fn render(domain: &str, app_id: &str, secret: Option<&str>, form: CredentialsForm) -> Result<String> {
    let pairs = [
        ("JITSI_DOMAIN", "domain", Some(domain)),
        ("JITSI_APP_ID", "app ID", Some(app_id)),
        ("JITSI_APP_SECRET", "app secret", secret),
    ];
    let line = |(name, what, value): (&str, &str, Option<&str>)| match (value, form) {
        (Some(value), CredentialsForm::Env) => Ok(format!("{name}={}\n", env(what, value)?)),
        (Some(value), _) => Ok(format!("{name}={}\n", shell(what, value)?)),
        (None, _) => Ok(format!("# {name} is hidden; --reveal shows it\n")),
    };
    match form {
        CredentialsForm::Json => {
            let given = Versioned::new(Shown { domain, app_id, app_secret: secret });
            // Not masked, as it is what was asked for.
            let json = serde_json::to_string_pretty(&given)?;
            Ok(escape::escaped(&json) + "\n")
        }
        CredentialsForm::Shell | CredentialsForm::Env => pairs.into_iter().map(line).collect(),
    }
}

/// A value for a POSIX shell: in single quotes everything but they are as they stand.
fn shell(what: &str, value: &str) -> Result<String> {
    if value.contains(char::is_control) {
        bail!("the {what} contains a control character, which --format shell cannot represent; use --json");
    }
    Ok(format!("'{}'", value.replace('\'', "'\\''")))
}

/// A value that sh, docker's --env-file, systemd's `EnvironmentFile` and python-dotenv read alike. They agree on no
/// quotes (docker takes them for a part of the value), so it must do without.
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
