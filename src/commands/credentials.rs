//! `credentials show`: the application id, and the secret where it is asked for. `credentials rotate`: new ones in their
//! place, by the steps of `install`.

use std::io::IsTerminal;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::{Credentials, Form, RotateCredentials, ShowCredentials};
use crate::command::quote;
use crate::commands::{Outcome, Output, Usage, install, keys, secret_file, usage};
use crate::facts::Facts;
use crate::host::child::Silent;
use crate::host::system::System;
use crate::report::Versioned;
use crate::settings::check_credential;

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
pub fn run(args: Credentials, output: Output) -> Result<Outcome> {
    match args {
        Credentials::Show(args) => show(&args, output),
        Credentials::Rotate(args) => rotate(&args, output),
    }
}

fn show(args: &ShowCredentials, output: Output) -> Result<Outcome> {
    if args.secret_only && std::io::stdout().is_terminal() {
        let say = "--secret-only would show the secret on this terminal; redirect the output, or use --reveal";
        return Err(Usage(say.to_owned()).into());
    }
    let settings = keys::settings(args.site.domain.as_deref())?;
    let host = System::new(&Silent);
    let site = keys::site(Facts::gather(&host, &settings)?)?;
    let found = keys::of_machine(&host, &site)?;
    let secret = found.app_secret.reveal();
    if args.secret_only {
        return Ok(Outcome {
            text: secret.to_owned(),
            code: 0,
        });
    }
    let form = if output.json { Form::Json } else { args.format };
    let shown = args.reveal.then_some(secret);
    Ok(Outcome {
        text: render(&site.domain, &found.app_id, shown, form),
        code: 0,
    })
}

/// An `install` with new credentials. Until Prosody is restarted it goes on with the old ones, and the new ones are in
/// its configuration before that: whatever interrupts this, one of the two works.
fn rotate(args: &RotateCredentials, output: Output) -> Result<Outcome> {
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
    let stays = settings.app_id.as_ref() == Some(&old.app_id)
        && settings.app_secret.as_ref() == Some(&old.app_secret);
    let request = install::Request {
        command: "credentials rotate",
        dry_run: args.going.dry_run,
        yes: args.going.yes,
        only: None,
        rollback: true,
        retired: (!stays).then_some(old),
        warnings,
    };
    install::provision(request, &settings, output)
}

fn render(domain: &str, app_id: &str, secret: Option<&str>, form: Form) -> String {
    let pairs = [
        ("JITSI_DOMAIN", Some(domain)),
        ("JITSI_APP_ID", Some(app_id)),
        ("JITSI_APP_SECRET", secret),
    ];
    let line = |(name, value): (&str, Option<&str>)| match (value, form) {
        (Some(value), Form::Env) => format!("{name}={}\n", dotenv(value)),
        (Some(value), _) => format!("{name}={}\n", quote(value)),
        (None, _) => format!("# {name} is hidden; --reveal shows it\n"),
    };
    match form {
        Form::Json => {
            let shown = Versioned::new(Shown {
                domain,
                app_id,
                app_secret: secret,
            });
            // Not by `render::json`, which would mask what was asked for.
            serde_json::to_string_pretty(&shown).unwrap_or_default() + "\n"
        }
        Form::Shell | Form::Env => pairs.map(line).concat(),
    }
}

/// Readers of .env files agree on single quotes being literal, and on backslashes inside double ones.
fn dotenv(value: &str) -> String {
    if !value.contains('\'') {
        return format!("'{value}'");
    }
    format!(
        "\"{}\"",
        value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('$', "\\$")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_holds_the_same_values() {
        let shell = render("m.org", "id", Some("a'b$c"), Form::Shell);
        assert_eq!(
            shell,
            "JITSI_DOMAIN=m.org\nJITSI_APP_ID=id\nJITSI_APP_SECRET='a'\\''b$c'\n"
        );
        let env = render("m.org", "id", Some("a'b$c"), Form::Env);
        assert!(env.ends_with("JITSI_APP_SECRET=\"a'b\\$c\"\n"), "{env}");
        let json: serde_json::Value =
            serde_json::from_str(&render("m.org", "id", Some("a'b$c"), Form::Json)).unwrap();
        assert_eq!(json["app_secret"], "a'b$c");
    }

    #[test]
    fn the_secret_is_hidden_unless_asked_for() {
        assert!(render("m.org", "id", None, Form::Shell).contains("# JITSI_APP_SECRET is hidden"));
        assert!(render("m.org", "id", None, Form::Json).contains("null"));
    }
}
