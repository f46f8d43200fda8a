//! `uninstall`: undoes what the receipt records, then checks whether people get in again.

use anyhow::Result;

use crate::cli;
use crate::commands::{Blocked, CommandResult, OutputStyle, acquire_lock, ask, log_file, outcome, prepare};
use crate::display::progress::{Progress, say};
use crate::display::render::Paint;
use crate::display::{escape, render};
use crate::engine::exit::Exit;
use crate::engine::report::Report;
use crate::engine::runner::{self, Runner};
use crate::host::Host;
use crate::host::interrupt;
use crate::host::overlay::Overlay;
use crate::host::system::System;
use crate::lua::value::Value;
use crate::proof;
use crate::proof::last_proof;
use crate::prosody::config::Config;
use crate::prosody::{listening, loaded, temporary_account};
use crate::site::settings::Settings;
use crate::site::view::{Context, View};
use crate::site::{proof_key, recorded};
use crate::steps::undo::STEPS;

/// Runs the command.
pub fn run(args: cli::Uninstall, output: OutputStyle) -> Result<CommandResult> {
    let settings = Settings { patience: args.going.lock_timeout, force: args.force, ..Settings::default() };
    let progress = output.progress();
    let host = System::new(&progress);
    if !host.is_root() {
        return Err(Blocked("must be run as root; use sudo".to_owned()).into());
    }
    let view = View::gather(&host, settings)?;
    if args.going.dry_run {
        return Ok(outcome::outcome(&plan(&host, &view)?, output, false));
    }
    let _lock = acquire_lock()?;
    let plan = plan(&host, &view)?;
    if plan.exit_code != Exit::Done || !plan.pending {
        if plan.exit_code == Exit::Done {
            // A run was killed before its first entry: nothing was changed, but there may be backups.
            recorded::receipt(&host)?.discard()?;
        }
        let mut report = Report { dry_run: false, ..plan };
        report.warnings.extend(sweep(&host, &view)?);
        return Ok(outcome::outcome(&report, output, false));
    }
    prepare(&host)?;
    let mut left = sweep(&host, &view)?;
    if !args.going.yes {
        confirm(&plan, output)?;
    }
    interrupt::listen()?;
    let (log, log_path) = log_file::start("uninstall", &host)?;
    progress.log_to(log);
    let mut report = take_back(&host, &view, &progress)?;
    if !left.is_empty() {
        // Prosody runs by now.
        left = sweep(&host, &view)?;
    }
    report.warnings.extend(left);
    report.log = Some(log_path);
    let all = render::report(&report, Paint::plain(), Paint::plain(), true);
    progress.conclude(&format!("{}{}", all.aside, all.result));
    Ok(outcome::outcome(&report, output, true))
}

/// Removes the accounts of killed proofs. Returns a warning if one is left.
fn sweep(host: &dyn Host, view: &View) -> Result<Vec<String>> {
    match &view.facts.site {
        Ok(site) => temporary_account::sweep(host, &site.lua.account),
        Err(_) => Ok(Vec::new()),
    }
}

/// What would be done. The receipt too is read through the overlay: what a killed run left open is settled in memory.
fn plan(host: &dyn Host, view: &View) -> Result<Report> {
    let overlay = Overlay::new(host);
    let receipt = recorded::receipt(&overlay)?;
    if receipt.is_empty() {
        let mut report = outcome::report("uninstall", true, &view.facts, runner::Outcome::default());
        let nothing = "nothing to undo: there is no receipt of an install on this machine";
        report.warnings.push(nothing.to_owned());
        return Ok(report);
    }
    let cx = Context { entries: receipt.entries(), ..Context::new(&overlay, view) };
    let outcome = Runner::new(&STEPS, &cx, &Progress::hidden()).apply()?;
    let mut report = outcome::report("uninstall", true, &view.facts, outcome);
    // Even if everything is as before already, the receipt itself remains to be removed.
    report.pending = true;
    if anyone_can_join(&cx) {
        report.warnings.push("OPEN: afterwards anyone can join without a token, as before the install".to_owned());
    }
    Ok(report)
}

fn take_back(host: &dyn Host, view: &View, progress: &Progress) -> Result<Report> {
    let mut receipt = recorded::receipt(host)?;
    let entries = receipt.entries().to_vec();
    let cx = Context { entries: &entries, ..Context::new(host, view) };
    let outcome = Runner::new(&STEPS, &cx, progress).apply()?;
    let mut report = outcome::report("uninstall", false, &view.facts, outcome);
    if report.exit_code == Exit::Done {
        loaded::forget(host)?;
        last_proof::forget(host)?;
        proof_key::forget(host)?;
        receipt.discard()?;
        look(&cx, &mut report)?;
    }
    Ok(report)
}

fn confirm(plan: &Report, output: OutputStyle) -> Result<()> {
    say(render::plan(plan, output.progress_paint, true).trim_end());
    for warning in &plan.warnings {
        say(&format!("\n{}", escape::line(warning)));
    }
    ask::ensure_interactive()?;
    ask::agreed("Undo these changes?", None)
}

/// If people got in without a token before, they must get in again. Prosody may have been started a moment ago, so this
/// waits until it listens.
fn look(cx: &Context, report: &mut Report) -> Result<()> {
    let Ok(site) = cx.site() else { return Ok(()) };
    if !anyone_can_join(cx) {
        return Ok(());
    }
    let server = site.server(&site.config(cx.host)?);
    listening::wait(cx.host, &server)?;
    let attempt = proof::baseline(cx.host, &server, None);
    report.login_as_before = Some(proof::without_token(&server, &attempt.login));
    Ok(())
}

/// Whether the machine's configuration lets people in without a token.
fn anyone_can_join(cx: &Context) -> bool {
    let Ok(site) = cx.site() else { return false };
    site.config(cx.host).is_ok_and(|config| lets_anyone_in(&config, &site.domain))
}

fn lets_anyone_in(config: &Config, domain: &str) -> bool {
    let option = |name| config.effective(domain, name).map(|option| &option.value);
    let method = option("authentication").and_then(Value::as_str);
    let empty = option("allow_empty_token") == Some(&Value::Bool(true));
    method.is_some_and(|method| method.ends_with("anonymous") || method == "token" && empty)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn anonymous_hosts_and_empty_tokens_let_anyone_in() {
        for (options, open) in [
            ("authentication = \"anonymous\"", true),
            ("authentication = 'jitsi-anonymous' -- do not delete me", true),
            ("authentication = \"token\"\nallow_empty_token = true", true),
            ("authentication = \"token\"", false),
            ("authentication = \"internal_hashed\"\nallow_empty_token = true", false),
            ("-- authentication = \"anonymous\"", false),
        ] {
            let host = FakeHost::new().file("/c", format!("VirtualHost \"m.org\"\n{options}\n"));
            let config = Config::load(&host, Path::new("/c")).unwrap();
            assert_eq!(lets_anyone_in(&config, "m.org"), open, "{options}");
        }
    }
}
