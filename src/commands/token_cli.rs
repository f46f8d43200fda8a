//! `token mint` and `token inspect`: from the command line to plain requests and back to text.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

use crate::cli::{Inspect, Mint, Token};
use crate::commands::token::{InspectRequest, MintRequest, inspect, mint};
use crate::commands::{Outcome, Output, Usage, keys, usage};
use crate::host::Host;
use crate::host::child::Silent;
use crate::host::system::System;
use crate::render::printable;
use crate::report::Versioned;
use crate::token::User;

/// A token is about 1 kB; this much is read of what may be one.
const LONGEST: u64 = 1 << 20;

/// Runs the command.
pub fn run(args: Token, output: Output) -> Result<Outcome> {
    let host = System::new(&Silent);
    match args {
        Token::Mint(args) => run_mint(&host, *args, output),
        Token::Inspect(args) => run_inspect(&host, &args, output),
    }
}

fn run_mint(host: &dyn Host, args: Mint, output: Output) -> Result<Outcome> {
    let found = keys::find(host, &args.keys, true)?;
    let missing = "the credentials are not complete";
    let secret = found.secret.context(missing)?;
    let mut request = MintRequest::new(
        found.app_id.context(missing)?,
        secret,
        found.domain.context(missing)?,
    );
    request.room = args.room;
    request.audience = args.audience;
    request.expires_in = (!args.never).then_some(args.expires_in);
    request.starts_in = args.starts_in;
    request.user = User {
        name: args.name,
        email: args.email,
        avatar: args.avatar,
        id: args.user_id,
        moderator: args.moderator.then_some(true),
    };
    request.group = args.group;
    request.features = args.features;
    request.claims = args.claims;
    request.link = args.url;
    let minted = usage(mint(&request, host.now()))?;
    warn(found.warnings.iter().chain(&minted.warnings));
    let text = if output.json {
        format!(
            "{}\n",
            serde_json::to_string_pretty(&Versioned::new(&minted))?
        )
    } else {
        line(minted.text())
    };
    Ok(Outcome { text, code: 0 })
}

fn warn<'a>(warnings: impl IntoIterator<Item = &'a String>) {
    for warning in warnings {
        crate::progress::say(&format!("warning: {}", printable(warning)));
    }
}

/// No line break where another program reads it.
fn line(text: &str) -> String {
    let end = if std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        "\n"
    } else {
        ""
    };
    format!("{text}{end}")
}

fn run_inspect(host: &dyn Host, args: &Inspect, output: Output) -> Result<Outcome> {
    let mut input = args.token.clone().into_bytes();
    if args.token == "-" {
        if args.keys.app_secret_file.as_deref() == Some(Path::new("-")) {
            let say = "the token and the secret cannot both come from standard input; put one of them into a file";
            return Err(Usage(say.to_owned()).into());
        }
        input.clear();
        std::io::stdin()
            .take(LONGEST)
            .read_to_end(&mut input)
            .context("cannot read standard input")?;
    }
    let found = keys::find(host, &args.keys, false)?;
    warn(&found.warnings);
    let request = InspectRequest::new(
        input,
        found.secret,
        found.app_id.as_deref(),
        found.domain.as_deref(),
    );
    let inspected = inspect(&request, host.now());
    let text = if output.json {
        format!(
            "{}\n",
            serde_json::to_string_pretty(&Versioned::new(&inspected))?
        )
    } else {
        inspected.text()
    };
    Ok(Outcome {
        text: crate::secret::redact(&text),
        code: inspected.exit_code,
    })
}
