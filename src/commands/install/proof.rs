//! When the proof fails: whether people could join before, and restoring the configuration if they could.

use anyhow::Result;

use crate::commands::keys;
use crate::display::progress::Progress;
use crate::engine::receipt::{Entry, Receipt};
use crate::engine::report::{self, Proof, State, Verdict};
use crate::engine::runner::{self, Runner};
use crate::engine::step::Part;
use crate::engine::watch::File;
use crate::login::Login;
use crate::proof::{self, ProblemKind};
use crate::site::settings::Credentials;
use crate::site::view::Context;
use crate::steps::undo;
use crate::token::Algorithm;

/// Credentials that were replaced.
pub struct Retired {
    /// The old credentials.
    pub credentials: Credentials,
    /// Whether they are still accepted for a time.
    pub accepted: bool,
}

/// Adds the login that only this run needs: retired credentials are rejected, or still accepted.
pub fn complete(cx: &Context, retired: Option<&Retired>, outcome: &mut runner::Outcome) -> Result<()> {
    let (Ok(site), Some(proof)) = (cx.site(), &mut outcome.proof) else {
        return Ok(());
    };
    // What has failed already is more telling.
    if proof.verdict == Verdict::Refused {
        return Ok(());
    }
    // If the configuration was left out (`--only`), nothing is retired yet.
    let left_out = outcome.steps.iter().any(|step| step.id == "prosody-config" && step.state == State::Skipped);
    if let (Some(old), Ok(config), false) = (retired, site.config(cx.host), left_out) {
        let server = site.server(&config);
        let mut wanted = site.expectations(cx.host, &config, &old.credentials)?;
        if wanted.by_public_key {
            wanted.algorithm = Algorithm::Hs256;
        }
        let token = proof::good_token(&wanted, cx.host.now());
        let login = proof::baseline(cx.host, &server, Some(&token)).login;
        let name = if old.accepted { "old secret (kept)" } else { "old credentials" };
        proof::add(proof, &server, name, old.accepted, &login);
    }
    let refused = proof.verdict == Verdict::Refused;
    let why = proof.why.clone();
    for step in outcome.steps.iter_mut().filter(|_| refused) {
        if step.state == State::Proved {
            step.state = State::Refused;
            step.why.clone_from(&why);
        }
    }
    Ok(())
}

/// Whether people can join now, without a token or with a good one. Only an accepted login counts.
pub fn people_can_join(cx: &Context) -> bool {
    let Ok(site) = cx.site() else { return false };
    let Ok(config) = site.config(cx.host) else { return false };
    let server = site.server(&config);
    let token = (|| {
        let credentials = keys::of_machine(cx.host, site).ok()?;
        let mut wanted = site.expectations(cx.host, &config, &credentials).ok()?;
        let published = proof::with_key(cx.host, &mut wanted, false).ok()?;
        Some((proof::good_token(&wanted, cx.host.now()), published))
    })();
    let accepted = |token| proof::baseline(cx.host, &server, token).login == Login::Accepted;
    accepted(None) || token.as_ref().is_some_and(|(token, _)| accepted(Some(token)))
}

/// Whether the good token is rejected, or Prosody does not even start.
pub fn is_lost(outcome: &runner::Outcome) -> bool {
    let refused = outcome.proof.as_ref().is_some_and(|proof| proof.keeps_out);
    refused || outcome.failed == Some(Part::Daemon)
}

/// Whether this is a file of the configuration, or what was chosen for it: kept options would be applied by the next run
/// again, and a page with a login page would send people to a provider whose tokens are rejected.
fn is_configuration(entry: &Entry) -> bool {
    const STEPS: [&str; 4] = ["options", "prosody-config", "web-config", "jicofo"];
    let file = entry.which(&File);
    file.is_some_and(|path| path.starts_with("/etc/prosody/") || STEPS.contains(&&*entry.step))
}

/// Restores the configuration that this run changed, of Prosody, jicofo and the web page, and the kept options. Adds a
/// warning that says how that went.
pub fn put_back(cx: &Context, progress: &Progress, receipt: &mut Receipt, outcome: &mut runner::Outcome) -> Result<()> {
    progress.note("verification failed: restoring the previous configuration");
    let entries: Vec<Entry> = receipt.entries_of_this_run().filter(|entry| is_configuration(entry)).cloned().collect();
    if outcome.failed == Some(Part::Daemon) {
        let why = outcome.steps.last().map_or_else(String::new, |step| step.why.clone());
        let problem = Some(report::id(ProblemKind::ProsodyNotRestarted));
        outcome.proof = Some(Proof { problem, ..Proof::without_logins(Verdict::Refused, why) });
        outcome.failed = None;
    }
    let back = Context { entries: &entries, ..*cx };
    let reverted = Runner::new(&undo::ROLLBACK, &back, progress).recorded(receipt).apply()?;
    let said = match reverted.steps.iter().find(|step| matches!(step.state, State::Failed | State::Blocked)) {
        Some(step) => format!("the previous configuration could not be restored: {}", step.why),
        None if people_can_join(cx) => {
            "the previous configuration was restored and people can join as before".to_owned()
        }
        None => "the previous configuration was restored, but people still cannot join".to_owned(),
    };
    outcome.warnings.push(said);
    outcome.warnings.extend(reverted.warnings);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::debian::release::Release;
    use crate::engine::change::Change;
    use crate::engine::snapshot::Snapshot;
    use crate::engine::step::{Check, obstacle};
    use crate::host::fake::FakeHost;
    use crate::host::{Access, Host};
    use crate::site::facts::Facts;
    use crate::site::recorded;
    use crate::site::remembered::PATH;
    use crate::site::settings::Settings;
    use crate::site::view::{Step, View};

    #[test]
    fn all_configuration_of_the_run_is_put_back() {
        let put_back = |step: &str, of: &str| {
            let (of, step) = (of.to_owned(), step.to_owned());
            is_configuration(&Entry { of, step, run: 1, before: Snapshot::File(None), after: None, planned: None })
        };
        for (step, of) in [
            ("prosody-config", "file:/etc/prosody/conf.avail/m.org.cfg.lua"),
            ("jitsi-meet-tokens", "file:/etc/prosody/conf.avail/m.org.cfg.lua"),
            ("token-keys", "file:/etc/prosody/jts-token-keys.m.org.json"),
            ("options", "file:/var/lib/jitsi-tokens-setup/options.json"),
            ("web-config", "file:/srv/page/m.org-config.js"),
            ("jicofo", "file:/etc/jitsi/jicofo/jicofo.conf"),
        ] {
            assert!(put_back(step, of), "{of}");
        }
        assert!(!put_back("lua-modules", "file:/usr/local/share/lua/5.4/basexx.lua"));
        assert!(!put_back("jitsi-meet-tokens", "packages:"));
    }

    const CHOICE: &str = "{\"m.org\":{\"jwks\":\"https://k/j\"}}\n";

    /// Saves a choice, as the step `options` does for a site.
    fn choice(cx: &Context) -> Result<Check> {
        let seen = cx.host.read(Path::new(PATH))?;
        if seen.as_deref() == Some(CHOICE.as_bytes()) {
            return Check::satisfied("saved");
        }
        Check::pending("save", [Change::write(PATH, CHOICE, Access::root(0o600)).in_place_of(seen)])
    }

    /// The next run must not try what has just failed.
    #[test]
    fn a_failed_choice_is_not_remembered() {
        let before = "{\"m.org\":{\"moderators\":\"token\"}}\n";
        for (host, kept) in [(FakeHost::new(), None), (FakeHost::new().file(PATH, before), Some(before))] {
            let facts = Facts { release: Release::default(), site: Err(obstacle("none", "none")) };
            let view = View { settings: Settings::default(), facts };
            let cx = Context::new(&host, &view);
            let progress = Progress::hidden();
            let mut receipt = recorded::receipt(&host).unwrap();
            let step = Step { id: "options", title: "options", check: choice, part: Part::Machine };
            let mut outcome = Runner::new(&[step], &cx, &progress).recorded(&mut receipt).apply().unwrap();
            let read = || host.read_text(Path::new(PATH)).unwrap();
            assert_eq!(read().as_deref(), Some(CHOICE));
            put_back(&cx, &progress, &mut receipt, &mut outcome).unwrap();
            assert_eq!(read().as_deref(), kept, "{:?}", outcome.warnings);
        }
    }
}
