//! `jitsi-meet-tokens`: Jitsi's package is installed, at the version of jitsi-meet-prosody, and debconf holds the
//! credentials that Prosody uses, so the package's upgrades and removal find what they expect. debconf names one site;
//! the credentials of any other are not its business.

use std::path::Path;

use anyhow::Result;

use crate::debian::{apt, debconf, dpkg};
use crate::engine::change::Change;
use crate::engine::step::Check;
use crate::engine::watch::Watch;
use crate::host::Host;
use crate::host::secret::Secret;
use crate::luarocks;
use crate::site::credentials::{choose, for_debconf};
use crate::site::facts::{Site, TOKENS_PACKAGE as PACKAGE};
use crate::site::view::Context;

/// What it means that the package is not installed.
const MEANS: &str = "; tokens work without it, but run `jitsi-tokens-setup status` after each upgrade of Jitsi";

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let installed = dpkg::installed(cx.host)?.contains(PACKAGE);
    if let Some(check) = of_another_site(cx.host, &site.domain, installed)? {
        return Ok(check);
    }
    let mut why = Vec::new();
    let mut changes = Vec::new();
    if !installed {
        match obstacle(cx, site)? {
            Some(obstacle) => return Check::skipped(obstacle + MEANS),
            None => why.push(format!("{PACKAGE} {} is not installed", site.jitsi)),
        }
    }
    if let Some((what, preseed)) = answers(cx, site)? {
        why.push(what.to_owned());
        changes.push(preseed);
    }
    if !installed {
        changes.push(install(cx, site)?);
    } else if debconf::answer(cx.host, debconf::EDITED_FILE)?.as_deref() == Some(debconf::NOWHERE) {
        why.push("an interrupted uninstall disabled its removal script".to_owned());
        changes.push(debconf::edited_file(&host_file(site), cx.settings.patience));
    }
    if changes.is_empty() {
        return Check::satisfied(format!("{PACKAGE} is installed, with the same credentials"));
    }
    Check::pending(why.join("; "), changes)
}

/// The result if debconf names another site: the package is that site's, with its credentials and its file.
fn of_another_site(host: &dyn Host, domain: &str, installed: bool) -> Result<Option<Check>> {
    if debconf::is_about(host, domain)? {
        return Ok(None);
    }
    let check = match installed {
        true => Check::satisfied(format!("{PACKAGE} is installed, for the site that debconf names")),
        false => Check::skipped(format!(
            "left out: debconf names another domain than {domain}, which its script would change{MEANS}"
        )),
    };
    check.map(Some)
}

/// Why the package cannot be installed, if so. Other steps do everything that it would do.
fn obstacle(cx: &Context, site: &Site) -> Result<Option<String>> {
    let offered = apt::versions(cx.host, PACKAGE)?;
    if !offered.contains(&site.jitsi) {
        let there = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
        return Ok(Some(format!(
            "not available: apt has no {PACKAGE} {}, the version of jitsi-meet-prosody (available: {there})",
            site.jitsi
        )));
    }
    let simulated = match apt::simulate(cx.host, "install", &[site.tokens_package()]) {
        Ok(simulated) => simulated,
        Err(error) => {
            return Ok(Some(format!("left out: cannot be installed: {error:#}")));
        }
    };
    let touched = simulated.changed.iter().chain(&simulated.removed);
    let ours: Vec<&str> =
        touched.map(String::as_str).filter(|name| name.starts_with("jitsi") || name.starts_with("prosody")).collect();
    Ok((!ours.is_empty()).then(|| format!("left out: it would upgrade or remove {}", ours.join(", "))))
}

/// The file that the package's scripts edit.
fn host_file(site: &Site) -> String {
    format!("/etc/prosody/conf.avail/{}.cfg.lua", site.domain)
}

/// How debconf's credentials differ from those in use, and the change that corrects them.
fn answers(cx: &Context, site: &Site) -> Result<Option<(&'static str, Change)>> {
    let chosen = choose(cx.host, &cx.settings, &site.config(cx.host)?, &site.domain)?;
    let (id, secret) = (for_debconf(&chosen.credentials.app_id), for_debconf(chosen.credentials.app_secret.reveal()));
    let stored = |question| debconf::answer(cx.host, question);
    let (stored_id, stored_secret) = (stored(debconf::APP_ID)?, stored(debconf::APP_SECRET)?);
    if stored_id.as_deref() == Some(id) && stored_secret.as_deref() == Some(secret) {
        return Ok(None);
    }
    let what = match (stored_id, stored_secret) {
        (None, None) => "debconf has no credentials yet",
        _ => "debconf has other credentials than Prosody",
    };
    let preseed = debconf::preseed(id, &Secret::new(secret), cx.settings.patience);
    Ok(Some((what, preseed)))
}

/// The package's script edits the configuration and runs luarocks unless everything is done already.
fn install(cx: &Context, site: &Site) -> Result<Change> {
    let mut watched = luarocks::watches();
    watched.push(Watch::file(&cx.host.real_path(Path::new(&host_file(site)))?));
    watched.extend(debconf::watches());
    Ok(apt::install(&[site.tokens_package()], watched, cx.settings.patience))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    #[test]
    fn debconfs_answers_about_another_site_stay() {
        let host = FakeHost::new().answers(|_| output(0, "0 a.org\n0 a-id\n0 a-secret\n10 no\n"));
        assert!(of_another_site(&host, "a.org", true).unwrap().is_none());
        let check = |installed| of_another_site(&host, "b.org", installed).unwrap().unwrap();
        assert!(matches!(check(true), Check::Satisfied(why) if why.contains("for the site that debconf names")));
        assert!(matches!(check(false), Check::Skipped { .. }));
    }
}
