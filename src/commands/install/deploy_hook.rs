//! `--deploy-hook`: passes a new secret on, once logins have proved it.

use std::time::Duration;

use anyhow::Result;

use crate::commands::keys;
use crate::engine::exit::Exit;
use crate::engine::report::{Advice, Report};
use crate::host::command::Command;
use crate::site::view::Context;

/// How long the command may run.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs the command, with the secret only on its standard input: arguments and environment can be seen by others. If it
/// fails, so does the run, but the new secret stays: it is proved, and the old one may be gone already.
pub fn run(cx: &Context, hook: &str, report: &mut Report) -> Result<()> {
    if report.exit_code != Exit::Done {
        report.warnings.push("the deploy hook was not run: the new secret is not verified".to_owned());
        return Ok(());
    }
    let secret = keys::of_machine(cx.host, cx.site()?)?.app_secret;
    let command = Command::mutate("sh").args(["-c", hook]).stdin(secret.reveal()).timeout(LIMIT);
    let failure = match cx.host.run(&command) {
        Ok(output) if output.ok() => None,
        Ok(output) => {
            let said =
                output.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it printed no error");
            let code = output.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
            Some(format!("{code}: {}", said.trim()))
        }
        Err(error) => Some(format!("{error:#}")),
    };
    match failure {
        None => report.next.insert(0, Advice::text("the deploy hook received the new secret")),
        Some(why) => {
            report.warnings.push(format!("the deploy hook failed ({why}); the new secret is in use"));
            let command = "jitsi-tokens-setup credentials show --secret-only | COMMAND";
            report.next.insert(0, Advice::run("pass the new secret on yourself", command));
            report.exit_code = Exit::Failed;
        }
    }
    Ok(())
}
