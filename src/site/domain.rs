//! Which virtual host is the site: `--domain`, else debconf's, else the only one in a file that names Jitsi's plugins.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::rooms;
use crate::debian::debconf;
use crate::engine::step::{Obstacle, obstacle};
use crate::host::Host;
use crate::prosody::acceptance::{FOLDER, MAIN};
use crate::prosody::config::{Config, SectionKind};
use crate::prosody::plugin;
use crate::site::settings::Settings;

/// The folder that Debian's Prosody reads further files from, and the line of its main file that includes it.
const READ: &str = "/etc/prosody/conf.d";
const INCLUDE: &str = "Include \"conf.d/*.cfg.lua\"";

/// The site's domain. An error is an [`Obstacle`], or means that something could not be determined.
pub fn find(host: &dyn Host, settings: &Settings, config: &Config) -> Result<String> {
    let hosts = virtual_hosts(config);
    let known = |domain: String, from: &str| {
        let domain = domain.to_ascii_lowercase();
        match hosts.contains(&domain) {
            true => Ok(domain),
            false => bail!(not_declared(host, config, &domain, from)?),
        }
    };
    if let Some(domain) = &settings.domain {
        return known(domain.clone(), "--domain");
    }
    if let Some(domain) = debconf::answer(host, debconf::DOMAIN)? {
        return known(domain, &format!("debconf's {}", debconf::DOMAIN));
    }
    match &jitsi_hosts(host, config)?[..] {
        [site] => Ok(site.clone()),
        _ => bail!(obstacle(
            "cannot detect the site's domain: neither debconf nor Prosody's configuration names it",
            others(config),
        )),
    }
}

fn virtual_hosts(config: &Config) -> Vec<String> {
    let sections = config.hosts().filter(|section| section.kind == SectionKind::VirtualHost);
    let mut names: Vec<String> = sections.filter_map(|section| section.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// Virtual hosts with rooms of their own, in files that name Jitsi's plugins.
fn jitsi_hosts(host: &dyn Host, config: &Config) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for section in config.hosts().filter(|section| section.kind == SectionKind::VirtualHost) {
        let Some(name) = &section.name else { continue };
        let text = host.read_text(&section.file)?.unwrap_or_default();
        let jitsi = text.contains(plugin::FOLDER.trim_end_matches('/'));
        if jitsi && rooms::has(config, name) && !found.contains(name) {
            found.push(name.clone());
        }
    }
    Ok(found)
}

/// What to do if the site is unknown.
fn others(config: &Config) -> String {
    let mut hosts = virtual_hosts(config);
    hosts.retain(|name| rooms::has(config, name));
    if hosts.is_empty() {
        return "no virtual host has rooms: run `dpkg-reconfigure jitsi-meet-prosody` to write the site's \
            configuration, then run this again"
            .to_owned();
    }
    format!("choose one with --domain: {}", hosts.join(", "))
}

/// The configuration has no such virtual host: nothing declares it, or only a file that Prosody does not read.
fn not_declared(host: &dyn Host, config: &Config, domain: &str, from: &str) -> Result<Obstacle> {
    let Some((file, line)) = unread(host, config, domain)? else {
        if let Some(obstacle) = computed(config, domain) {
            return Ok(obstacle);
        }
        let why = format!("Prosody's configuration has no VirtualHost \"{domain}\" (named by {from})");
        return Ok(obstacle(why, others(config)));
    };
    let why = format!("VirtualHost \"{domain}\" is declared in {}:{line}, which Prosody does not read", file.display());
    let name = file.file_name().unwrap_or_default();
    let place = Path::new(READ).join(name);
    let link = format!("ln -s {} {READ}/", file.display());
    let fix = match (file == place, config.would_read(&place)) {
        (false, true) => format!("link it there: {link}"),
        (false, false) => {
            format!("add {INCLUDE} at the end of {MAIN}, and link the file: {link}")
        }
        (true, _) if config.would_read(&Path::new(READ).join("any.cfg.lua")) => {
            "rename it to end in .cfg.lua, as the Include requires".to_owned()
        }
        (true, _) => format!("add {INCLUDE} at the end of {MAIN}"),
    };
    Ok(obstacle(why, format!("{fix}; then run this again; nothing was changed")))
}

/// Names that Lua code computes cannot be looked up.
fn computed(config: &Config, domain: &str) -> Option<Obstacle> {
    let mut hosts = config.hosts();
    let section = hosts.find(|section| section.kind == SectionKind::VirtualHost && section.name.is_none())?;
    Some(obstacle(
        format!(
            "{}:{}: the names of virtual hosts are computed here, and VirtualHost \"{domain}\" is not declared \
             literally",
            section.file.display(),
            section.line
        ),
        format!(
            "declare VirtualHost \"{domain}\" and its rooms' Component literally, then run this again; nothing was \
             changed"
        ),
    ))
}

/// Where a file that the configuration does not include declares the virtual host: the file and line.
fn unread(host: &dyn Host, config: &Config, domain: &str) -> Result<Option<(PathBuf, usize)>> {
    let folders = [READ, "/etc/prosody/conf.avail", FOLDER];
    for folder in folders.map(Path::new) {
        for name in host.list(folder)?.iter().filter(|name| name.ends_with(".lua")) {
            let path = folder.join(name);
            // A file that cannot be read says nothing about its hosts.
            let Ok(alone) = Config::load(host, &path) else {
                continue;
            };
            let declared = alone
                .hosts()
                .find(|section| section.kind == SectionKind::VirtualHost && section.name.as_deref() == Some(domain));
            if let Some(section) = declared.filter(|_| !config.files().any(|file| file == path)) {
                return Ok(Some((section.file.to_path_buf(), section.line)));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    const SITE: &str = "plugin_paths = { \"/usr/share/jitsi-meet/prosody-plugins/\" }\nVirtualHost 'm.org'\n\
                        Component 'conference.m.org' 'muc'\n";

    fn look(host: FakeHost, domain: Option<&str>) -> Result<String> {
        let host = host.answers(|_| output(0, &format!("0 m.org\n{}", "10 no\n".repeat(debconf::QUESTIONS.len() - 1))));
        let config = Config::load(&host, Path::new(MAIN)).unwrap();
        let settings = Settings { domain: domain.map(str::to_owned), ..Settings::default() };
        find(&host, &settings, &config)
    }

    fn machine(main: &str) -> FakeHost {
        FakeHost::new().file(MAIN, main)
    }

    fn refused(host: FakeHost) -> String {
        look(host, None).unwrap_err().to_string()
    }

    #[test]
    fn a_site_in_an_included_file_is_found() {
        let main = format!("VirtualHost 'localhost'\n{INCLUDE}\n");
        let host = || machine(&main).file("/etc/prosody/conf.d/m.org.cfg.lua", SITE);
        assert_eq!(look(host(), None).unwrap(), "m.org");
        let said = look(host(), Some("other.org")).unwrap_err().to_string();
        assert!(said.ends_with("choose one with --domain: m.org"), "{said}");
    }

    #[test]
    fn a_file_nothing_includes_is_named_with_the_fix() {
        let said = refused(machine("VirtualHost 'localhost'\n").file("/etc/prosody/conf.d/m.org.cfg.lua", SITE));
        assert!(said.contains("/etc/prosody/conf.d/m.org.cfg.lua:2, which Prosody does not read"), "{said}");
        assert!(said.contains(&format!("add {INCLUDE} at the end of {MAIN}")), "{said}");
        assert!(!said.contains("localhost"), "{said}");
    }

    #[test]
    fn an_unlinked_file_is_named_with_the_command() {
        let main = format!("VirtualHost 'localhost'\n{INCLUDE}\n");
        let site = "/etc/prosody/conf.avail/m.org.cfg.lua";
        let said = refused(machine(&main).file(site, SITE).file("/etc/prosody/conf.d/localhost.cfg.lua", ""));
        assert!(said.contains(&format!("ln -s {site} /etc/prosody/conf.d/")), "{said}");
        assert!(!said.contains("Include"), "{said}");
        let said = refused(machine("VirtualHost 'localhost'\n").file(site, SITE));
        assert!(said.contains("ln -s") && said.contains(INCLUDE), "{said}");
    }

    #[test]
    fn a_misnamed_file_should_be_renamed() {
        let main = format!("{INCLUDE}\n");
        let said = refused(machine(&main).file("/etc/prosody/conf.d/m.org.lua", SITE));
        assert!(said.contains("rename it to end in .cfg.lua"), "{said}");
    }

    #[test]
    fn computed_host_names_are_reported() {
        let said = refused(machine("for _, d in ipairs(sites) do\nVirtualHost(d)\nend\n"));
        assert!(said.contains(&format!("{MAIN}:2: the names of virtual hosts are computed")), "{said}");
    }

    #[test]
    fn the_example_host_is_never_suggested() {
        let said = refused(machine("VirtualHost 'localhost'\n"));
        assert!(said.contains("dpkg-reconfigure jitsi-meet-prosody"), "{said}");
        assert!(!said.contains("localhost"), "{said}");
    }
}
