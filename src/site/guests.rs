//! People without a token: the virtual host where they log in, what makes them wait there, and what that requires.

use std::path::Path;

use anyhow::Result;

use crate::engine::step::{Obstacle, obstacle};
use crate::host::Host;
use crate::lua::value::Value;
use crate::prosody::config::edit::{ALLOWLIST, SITE_MODULES, WAIT_FOR_HOST};
use crate::prosody::config::{Config, SectionKind};
use crate::prosody::plugin::FOLDER;
use crate::site::facts::Site;
use crate::site::policy::Policy;
use crate::site::policy_options::{self, Choice};
use crate::site::web_config::{PageEntry, PageObject, Wish};

/// The name of the virtual host for guests.
pub fn host_name(domain: &str) -> String {
    format!("guest.{domain}")
}

/// The entry of the web page's configuration that names it, if that was chosen; gone if that or guests were turned off.
pub fn page_entry(policy: &Policy, domain: &str) -> Option<PageEntry> {
    let wish = match (policy.web_config, policy.guests) {
        (Some(true), _) => Wish::Text(host_name(domain)),
        (Some(false), _) | (None, Some(false)) => Wish::GoneIf(host_name(domain)),
        (None, _) => return None,
    };
    Some(PageEntry { name: "anonymousdomain", object: PageObject::Hosts, wish })
}

/// Its name, if the site has it and it lets people in.
pub fn served(config: &Config, domain: &str) -> Option<String> {
    let name = host_name(domain);
    let setting = config.option(Some(&name), "authentication")?;
    let open = ["anonymous", "jitsi-anonymous"].contains(&setting.value.as_str()?);
    open.then_some(name)
}

/// How guests authenticate: Jitsi's own module if it is installed, else Prosody's.
///
/// # Errors
/// If the folder cannot be read.
pub fn authentication(host: &dyn Host) -> Result<&'static str> {
    let own = host.exists(&Path::new(FOLDER).join("mod_auth_jitsi-anonymous.lua"))?;
    Ok(if own { "jitsi-anonymous" } else { "anonymous" })
}

/// Whether this configuration promises that nobody without a token opens a room of `muc`: Jitsi's module that waits for
/// a host is enabled there.
pub fn wait_for_host(config: &Config, muc: &str) -> bool {
    let lists =
        |option: &str| config.option(Some(muc), option).is_some_and(|setting| setting.value.lists(WAIT_FOR_HOST));
    lists("modules_enabled") && !lists("modules_disabled")
}

/// Why guests cannot be made to wait with what is installed and configured, if they cannot.
///
/// # Errors
/// If a plugin cannot be read.
pub fn unable_to_wait(host: &dyn Host, site: &Site, config: &Config) -> Result<Option<Obstacle>> {
    let newer = "upgrade jitsi-meet-prosody, or do not use --guests; nothing was changed";
    for module in SITE_MODULES.into_iter().chain([WAIT_FOR_HOST]) {
        let path = Path::new(FOLDER).join(format!("mod_{module}.lua"));
        if !host.exists(&path)? {
            let why =
                format!("--guests needs Jitsi's module {module}, and the installed Jitsi has no {}", path.display());
            return Ok(Some(obstacle(why, newer)));
        }
    }
    let allowlist = Choice { flag: "--guests", name: ALLOWLIST, value: Value::Nil, rooms: true };
    if let Some(why) = policy_options::unread(host, &site.plugin, &[allowlist])? {
        return Ok(Some(obstacle(why, newer)));
    }
    Ok(lobby_is_missing(config, &site.domain, &site.muc))
}

/// Guests wait in a lobby, which is a component of its own; the modules find it through these options.
fn lobby_is_missing(config: &Config, domain: &str, muc: &str) -> Option<Obstacle> {
    let lobby = format!("lobby.{domain}");
    let text = |host: &str, name: &str| {
        config.effective(host, name).and_then(|setting| setting.value.as_str()).map(str::to_ascii_lowercase)
    };
    let expected = [(domain, "lobby_muc", &*lobby), (domain, "main_muc", muc), (muc, "muc_mapper_domain_base", domain)];
    for (host, name, value) in expected {
        if text(host, name).as_deref() != Some(value) {
            let why = format!("--guests needs lobbies, and {host} does not have {name} = \"{value}\"");
            return Some(obstacle(why, "set it, as Jitsi's template does, then run this again; nothing was changed"));
        }
    }
    let is_lobby = |kind: &SectionKind| *kind == SectionKind::Component(Some("muc".to_owned()));
    let there = config.hosts().any(|section| section.name.as_deref() == Some(&*lobby) && is_lobby(&section.kind));
    (!there).then(|| {
        obstacle(
            format!("--guests needs lobbies, and there is no Component \"{lobby}\" \"muc\""),
            "declare it, as Jitsi's template does, then run this again; nothing was changed",
        )
    })
}
