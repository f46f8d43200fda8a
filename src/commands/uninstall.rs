//! `uninstall`: takes back what the receipt says, then has a look whether people get in again.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::Result;

use crate::cli;
use crate::commands::{Outcome, Output, Usage, log_file, reports};
use crate::facts::Facts;
use crate::host::Host;
use crate::host::overlay::Overlay;
use crate::host::system::System;
use crate::interrupt::{self, Interrupted};
use crate::login::Server;
use crate::progress::Progress;
use crate::receipt::{Receipt, Span};
use crate::report::Report;
use crate::revert::STEPS;
use crate::runner::{self, Runner};
use crate::settings::Settings;
use crate::step::Context;
use crate::{lock, probe, render};

/// Runs the command.
pub fn run(args: cli::Uninstall, output: Output) -> Result<Outcome> {
    let settings = Settings {
        patience: args.lock_timeout,
        force: args.force,
        ..Settings::default()
    };
    let progress = Progress::new(output.show, output.progress_paint);
    let host = System::new(&progress);
    if !host.is_root() {
        return Err(crate::commands::Blocked(
            "this needs root's rights; run it with sudo".to_owned(),
        )
        .into());
    }
    let lock = if args.dry_run {
        None
    } else {
        Some(lock::take()?)
    };
    let mut receipt = Receipt::load(&host)?;
    let facts = Facts::gather(&host, &settings)?;
    if receipt.is_empty() {
        let mut report = reports::report(
            "uninstall",
            args.dry_run,
            &facts,
            runner::Outcome::default(),
        );
        report.warnings.push(
            "there is no receipt of an install on this machine, so there is nothing to take back"
                .to_owned(),
        );
        return Ok(reports::outcome(&report, output, false));
    }
    let spans = receipt.spans().to_vec();
    let plan = reports::report(
        "uninstall",
        true,
        &facts,
        preview(&host, &settings, &facts, &spans)?,
    );
    if args.dry_run || plan.exit_code != 0 {
        return Ok(reports::outcome(&plan, output, false));
    }
    if !args.yes {
        ask(&plan, output)?;
    }
    interrupt::listen()?;
    let (log, log_path) = log_file::start("uninstall")?;
    progress.log_to(log);
    let cx = Context {
        host: &host,
        settings: &settings,
        facts: &facts,
        thorough: false,
        spans: &spans,
    };
    let outcome = Runner::new(&STEPS, &cx, &progress).apply()?;
    let mut report = reports::report("uninstall", false, &facts, outcome);
    report.log = Some(log_path);
    if report.exit_code == 0 {
        receipt.discard()?;
        look(&cx, &mut report);
    }
    drop(lock);
    Ok(reports::outcome(&report, output, true))
}

fn preview(
    host: &dyn Host,
    settings: &Settings,
    facts: &Facts,
    spans: &[Span],
) -> Result<runner::Outcome> {
    let overlay = Overlay::new(host);
    let cx = Context {
        host: &overlay,
        settings,
        facts,
        thorough: false,
        spans,
    };
    Runner::new(&STEPS, &cx, &Progress::hidden()).apply()
}

fn ask(plan: &Report, output: Output) -> Result<()> {
    eprint!("{}", render::plan(plan, output.progress_paint));
    if !std::io::stdin().is_terminal() {
        return Err(Usage(
            "there is no terminal to ask on; give --yes to go ahead, or --dry-run to look"
                .to_owned(),
        )
        .into());
    }
    eprint!("Take all this back? [yes/No] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "yes") {
        Ok(())
    } else {
        Err(Interrupted.into())
    }
}

/// Where people got in without a token before, they must again.
fn look(cx: &Context, report: &mut Report) {
    let Ok(site) = cx.site() else { return };
    let open = site.config(cx.host).ok().and_then(|config| {
        let method = config
            .effective(&site.domain, "authentication")?
            .value
            .as_str()?
            .to_owned();
        method.ends_with("anonymous").then_some(())
    });
    if open.is_none() {
        return;
    }
    let server = Server {
        url: site.bosh_url(),
        muc: site.muc.clone(),
        ..Server::local(&site.domain)
    };
    let attempt = probe::baseline(cx.host, &server, None);
    report.next.push(format!(
        "a login without a token, as before: {}",
        attempt.login
    ));
}
