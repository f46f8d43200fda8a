//! `install`: plan, show, confirm, apply, verify. A rerun that finds nothing to do only makes a few logins.

mod confirm;
mod conflicts;
mod deploy_hook;
mod explanation;
mod notes;
mod proof;

pub use proof::Retired;

use anyhow::{Result, bail};

use crate::cli;
use crate::commands::{
    Blocked, CommandResult, OutputStyle, Usage, acquire_lock, keys, log_file, outcome, prepare, public_keys,
    secret_file, usage,
};
use crate::display::progress::{Progress, say};
use crate::display::render;
use crate::display::render::Paint;
use crate::engine::exit::Exit;
use crate::engine::report::{Advice, Report, State};
use crate::engine::runner::{self, Runner};
use crate::engine::step::Part;
use crate::host::Host;
use crate::host::interrupt;
use crate::host::overlay::Overlay;
use crate::host::system::System;
use crate::prosody::daemon;
use crate::site::facts::Site;
use crate::site::key_source::{KeySource, check_source_url};
use crate::site::login_page::{self, check_login_url, check_logout_url};
use crate::site::oidc::{self, Oidc};
use crate::site::policy::{Address, Policy};
use crate::site::recorded;
use crate::site::remembered::Remembered;
use crate::site::settings::{Credentials, Settings, check_address, check_credential, check_name};
use crate::site::token_keys;
use crate::site::view::{Context, View};
use crate::steps::STEPS;

/// What a run is to do, besides its settings.
pub struct Request<'a> {
    /// The command, for the report.
    pub command: &'static str,
    /// Show the plan and stop.
    pub dry_run: bool,
    /// Do not ask.
    pub yes: bool,
    /// Apply only this step.
    pub only: Option<&'a str>,
    /// Restore the configuration if people can no longer join.
    pub rollback: bool,
    /// The credentials that the run replaces.
    pub retired: Option<Retired>,
    /// A command to run with the secret once it is proved.
    pub deploy_hook: Option<&'a str>,
    /// Warnings from reading the options.
    pub warnings: Vec<String>,
}

/// Runs the command.
pub fn run(args: cli::Install, output: OutputStyle) -> Result<CommandResult> {
    let (mut settings, warnings) = settings(&args)?;
    if args.going.dry_run {
        settings.generated = Credentials::announced();
    }
    let request = Request {
        command: "install",
        dry_run: args.going.dry_run,
        yes: args.going.yes,
        only: args.only.as_deref(),
        rollback: !args.no_rollback,
        retired: None,
        deploy_hook: None,
        warnings,
    };
    provision(request, settings, output)
}

/// Plans, shows, asks, applies, proves.
pub fn provision(request: Request, settings: Settings, output: OutputStyle) -> Result<CommandResult> {
    let progress = output.progress();
    let host = System::new(&progress);
    // One run at a time; a preview changes nothing and looks at whatever is there.
    let _lock = if request.dry_run || !host.is_root() { None } else { Some(acquire_lock()?) };
    let mut view = View::gather(&host, settings)?;
    let remembered = match &view.facts.site {
        Ok(site) => Remembered::read(&host, &site.domain)?,
        Err(_) => Remembered::default(),
    };
    usage(remembered.complete(&mut view.settings.policy))?;
    if let (Some(oidc), Ok(site)) = (view.settings.oidc.clone(), &view.facts.site) {
        let chosen = oidc::choose(&host, &oidc, &site.domain, &mut view.settings.policy);
        // As with the keys themselves, somebody has to fix the provider first.
        chosen.map_err(|error| Blocked(format!("{error:#}")))?;
    }
    let mut request = request;
    request.retired = request.retired.or(forget_secret(&host, &mut view)?);
    let View { settings, facts } = &view;
    facts.prefetch_simulation(&host)?;
    let preview = preview(&host, &view, request.only)?;
    let mut plan = outcome::report(request.command, true, facts, preview);
    plan.warnings.splice(0..0, std::mem::take(&mut request.warnings));
    if request.dry_run || plan.exit_code != Exit::Done {
        plan.dry_run = request.dry_run;
        return Ok(outcome::outcome(&plan, output, false));
    }
    let cx = Context { thorough: plan.pending, ..Context::new(&host, &view) };
    if !plan.pending {
        let mut report = nothing_to_do(&cx, plan)?;
        if let Some(hook) = request.deploy_hook {
            deploy_hook::run(&cx, hook, &mut report)?;
        }
        return Ok(outcome::outcome(&report, output, false));
    }
    prepare(&host)?;
    let ports = facts.site.as_ref().map_or([5222, 5280], Site::client_ports);
    let open = daemon::connections(&host, &ports)?;
    if !request.yes {
        confirm::ask(&plan, output, open, settings.restart)?;
    } else if !output.json && output.show != crate::display::progress::Show::Nothing {
        confirm::show(&plan, output, open);
        say("");
    }
    interrupt::listen()?;
    let (log, log_path) = log_file::start(&request.command.replace(' ', "-"), &host)?;
    progress.log_to(log);
    let mut applied = apply(&cx, &progress, request.only, request.rollback)?;
    proof::complete(&cx, request.retired.as_ref(), &mut applied)?;
    let mut report = outcome::report(request.command, false, facts, applied);
    report.warnings = without_repeats(plan.warnings, report.warnings);
    report.log = Some(log_path);
    hints(&mut report, accepted(&cx)?);
    if report.exit_code == Exit::Done && settings.policy.guests == Some(true) {
        report.next.extend(notes::guests(&cx)?);
    }
    if let Some(hook) = request.deploy_hook {
        deploy_hook::run(&cx, hook, &mut report)?;
    }
    let all = render::report(&report, Paint::plain(), Paint::plain(), true);
    progress.conclude(&format!("{}{}", all.aside, all.result));
    Ok(outcome::outcome(&report, output, true))
}

fn settings(args: &cli::Install) -> Result<(Settings, Vec<String>)> {
    usage(conflicts::check(args))?;
    let mut settings = keys::settings(args.site.domain.as_deref())?;
    let mut warnings = Vec::new();
    if let Some(app_id) = &args.app_id {
        usage(check_credential("--app-id", app_id))?;
        settings.app_id = Some(app_id.clone());
    }
    if let Some(path) = &args.app_secret_file {
        let (secret, warning) = usage(secret_file::read(path))?;
        settings.app_secret = Some(secret);
        warnings.extend(warning);
    }
    if let Some(only) = &args.only {
        let ids: Vec<&str> = STEPS.iter().map(|step| step.id).collect();
        if !ids.contains(&only.as_str()) {
            return Err(Usage(format!("no step \"{only}\"; the steps are: {}", ids.join(", "))).into());
        }
    }
    for (option, address) in [
        ("--rocks-server", &args.rocks_server),
        ("--luajwtjitsi-git", &args.luajwtjitsi_git),
        ("--apt-archive", &args.apt_archive),
    ] {
        usage(address.iter().try_for_each(|address| check_address(option, address)))?;
    }
    settings.rocks_server = args.rocks_server.clone();
    settings.luajwtjitsi = args.luajwtjitsi.clone();
    if let Some(url) = &args.luajwtjitsi_git {
        settings.fork.url = url.clone();
    }
    if let Some(tag) = &args.luajwtjitsi_tag {
        settings.fork.tag = tag.clone();
    }
    if let Some(url) = &args.apt_archive {
        settings.apt_archive = url.trim_end_matches('/').to_owned();
    }
    settings.policy = args.tokens.policy();
    settings.policy.public_keys = usage(public_keys::read(&args.tokens))?;
    for (name, values) in [("--issuer", &args.tokens.issuer), ("--audience", &args.tokens.audience)] {
        usage(values.iter().try_for_each(|value| check_name(name, value)))?;
    }
    if let Some(url) = settings.policy.login_url.as_ref().and_then(Address::url) {
        usage(check_login_url(url))?;
        warnings.extend(login_page::warning(url));
    }
    usage(settings.policy.logout_url.as_ref().and_then(Address::url).map_or(Ok(()), check_logout_url))?;
    for (option, address) in [("--key-server", &settings.policy.key_server), ("--jwks", &settings.policy.jwks)] {
        usage(address.as_ref().and_then(Address::url).map_or(Ok(()), |url| check_source_url(option, url)))?;
    }
    settings.oidc = usage(provider(args, &mut settings.policy))?;
    warnings.extend(settings.oidc.as_ref().map(|_| {
        "tokens of an OpenID provider name no room: everybody who can log in there can join every room".to_owned()
    }));
    settings.patience = args.going.lock_timeout;
    settings.restart = !args.no_restart;
    Ok((settings, warnings))
}

/// The chosen identity provider; `off` is noted in `policy`.
fn provider(args: &cli::Install, policy: &mut Policy) -> Result<Option<Oidc>> {
    let (issuer, client_id) = match (args.tokens.oidc.as_deref(), args.tokens.client_id.clone()) {
        (None, _) => return Ok(None),
        (Some("off"), _) => {
            oidc::take_back(policy);
            return Ok(None);
        }
        (Some(_), None) => bail!("--oidc requires --client-id"),
        (Some(issuer), Some(client_id)) => (issuer.to_owned(), client_id),
    };
    let oidc = Oidc { issuer, client_id };
    oidc::check(&oidc)?;
    Ok(Some(oidc))
}

/// What a run would do: the same loop, on a host whose mutations stay in memory.
fn preview(host: &dyn Host, view: &View, only: Option<&str>) -> Result<runner::Outcome> {
    let overlay = Overlay::new(host);
    let cx = Context { thorough: true, ..Context::new(&overlay, view) };
    Runner::new(&STEPS, &cx, &Progress::hidden()).only(only).apply()
}

/// All checks were made for the plan a moment ago; what is left is to verify that people get in, and others do not.
fn nothing_to_do(cx: &Context, mut plan: Report) -> Result<Report> {
    let proof = STEPS.iter().position(|step| step.part == Part::Proof).unwrap_or(STEPS.len() - 1);
    let left_for_later = plan.steps.iter().any(|step| step.id == "prosody-restart" && step.state == State::Skipped);
    let mut logins = runner::Outcome::default();
    if !left_for_later {
        logins = Runner::new(&STEPS[proof..], cx, &Progress::hidden()).survey()?;
        proof::complete(cx, None, &mut logins)?;
        plan.steps.retain(|step| step.id != STEPS[proof].id);
    }
    plan.steps.append(&mut logins.steps);
    let report = outcome::report(plan.command, false, &cx.facts, logins);
    Ok(Report { steps: plan.steps, warnings: without_repeats(plan.warnings, report.warnings), ..report })
}

/// The warnings of the plan, then what those of the run add.
fn without_repeats(mut planned: Vec<String>, later: Vec<String>) -> Vec<String> {
    for warning in later {
        if !planned.contains(&warning) {
            planned.push(warning);
        }
    }
    planned
}

/// Applies the plan; restores the configuration if people could join before and cannot afterwards.
fn apply(cx: &Context, progress: &Progress, only: Option<&str>, rollback: bool) -> Result<runner::Outcome> {
    let before = proof::people_can_join(cx);
    let mut receipt = recorded::receipt(cx.host)?;
    let mut outcome = Runner::new(&STEPS, cx, progress).recorded(&mut receipt).only(only).apply()?;
    if before && proof::is_lost(&outcome) {
        if rollback {
            proof::put_back(cx, progress, &mut receipt, &mut outcome)?;
        } else {
            outcome
                .warnings
                .push("people could join before and cannot join now; configuration kept (--no-rollback)".to_owned());
        }
    }
    receipt.sweep()?;
    Ok(outcome)
}

/// If public keys replace the secret, nobody may know the secret any more: it is replaced by a generated one that is
/// given to nobody, since Jitsi's plugin does not start without one. Returns the old credentials.
fn forget_secret(host: &dyn Host, view: &mut View) -> Result<Option<Retired>> {
    let policy = &view.settings.policy;
    let wanted = policy.has_public_keys();
    let source = KeySource::chosen(policy).is_some();
    let Ok(site) = view.site() else { return Ok(None) };
    let config = site.config(host)?;
    if source && KeySource::configured(&config, &site.domain).is_none() {
        // The plugin does not look at the secret any more; it stays, so that the key source can be undone.
        let old = keys::of_machine(host, site).ok();
        return Ok(old.map(|credentials| Retired { credentials, accepted: false }));
    }
    if !wanted || token_keys::by_public_key(&config, &site.domain) {
        return Ok(None);
    }
    let old = keys::of_machine(host, site).ok();
    view.settings.app_secret = Some(view.settings.generated.app_secret.clone());
    Ok(old.map(|credentials| Retired { credentials, accepted: false }))
}

/// What tokens have to be signed with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepted {
    Secret,
    OwnKeys,
    ForeignKeys,
}

fn accepted(cx: &Context) -> Result<Accepted> {
    let Ok(site) = cx.site() else { return Ok(Accepted::Secret) };
    let config = site.config(cx.host)?;
    Ok(if KeySource::configured(&config, &site.domain).is_some() {
        Accepted::ForeignKeys
    } else if token_keys::by_public_key(&config, &site.domain) {
        Accepted::OwnKeys
    } else {
        Accepted::Secret
    })
}

fn hints(report: &mut Report, accepted: Accepted) {
    let done = |id: &str| report.steps.iter().any(|step| step.id == id && step.state == State::Done);
    if matches!(report.exit_code, Exit::Failed | Exit::Blocked) {
        let touched = match (done("prosody-restart"), done("prosody-config")) {
            (true, _) => "Prosody was restarted and uses the new configuration",
            (false, true) => "Prosody's configuration was changed, but Prosody was not restarted",
            (false, false) => "Prosody was not touched: its configuration is unchanged, and it was not restarted",
        };
        report.next.push(Advice::text(touched));
    }
    let show = |text: &str, reveal: &str| Advice::run(text, format!("jitsi-tokens-setup credentials show{reveal}"));
    let link =
        |key: &str| Advice::run("a link to try it", format!("jitsi-tokens-setup token mint --room tea --url{key}"));
    match report.exit_code {
        Exit::Done if accepted == Accepted::ForeignKeys => {}
        Exit::Done if accepted == Accepted::OwnKeys => {
            report.next.extend([show("app ID and key IDs for your application", ""), link(" --key PRIVATE-KEY")]);
        }
        Exit::Done => report.next.extend([show("credentials for your application", " --reveal"), link("")]),
        Exit::Failed => report.next.extend([
            Advice::text("fix the cause, then run the same command again to continue"),
            Advice::run("or undo everything", "jitsi-tokens-setup uninstall"),
        ]),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debian::release::Release;
    use crate::engine::step::obstacle;
    use crate::host::fake::FakeHost;
    use crate::site::facts::Facts;

    #[test]
    fn a_run_with_nothing_to_do_names_its_command_and_keeps_warnings() {
        let facts = Facts { release: Release::default(), site: Err(obstacle("none", "none")) };
        let (host, view) = (FakeHost::new(), View { settings: Settings::default(), facts });
        let planned = runner::Outcome { warnings: vec!["planned".to_owned()], ..runner::Outcome::default() };
        let plan = outcome::report("credentials rotate", true, &view.facts, planned);
        let report = nothing_to_do(&Context::new(&host, &view), plan).unwrap();
        assert_eq!((report.command, &report.warnings[..]), ("credentials rotate", &["planned".to_owned()][..]));
    }

    #[test]
    fn warnings_of_plan_and_run_are_joined_without_repeats() {
        let warnings = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let joined = without_repeats(warnings(&["planned", "both"]), warnings(&["both", "found by the logins"]));
        assert_eq!(joined, ["planned", "both", "found by the logins"]);
    }
}
