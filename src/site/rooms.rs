//! Which component holds the rooms of a virtual host: the one that Jitsi's options name, else `conference.DOMAIN`.

use anyhow::{Result, bail};

use crate::engine::step::{Obstacle, obstacle};
use crate::host::Host;
use crate::prosody::config::{Config, Section, SectionKind, Setting};
use crate::prosody::plugin::Plugin;
use crate::site::expectations;
use crate::token::plugin::pattern;

/// How `mod_token_verification` finds the virtual host that its component belongs to.
const OWNER: &str = "%w+.(%w.+)";

/// Components with rooms that are not the site's own: the lobby's, breakout rooms', those of the bridges.
const OTHERS: [&str; 4] = ["lobby", "breakout", "internal", "visitors"];

/// An option that names a component.
struct Named<'a> {
    option: &'static str,
    component: String,
    setting: &'a Setting,
}

/// The component, or why it is unknown.
pub fn component(config: &Config, domain: &str) -> Result<String, Obstacle> {
    let named = named(config, domain);
    let declared = |name: &str| components(config).any(|section| section.name.as_deref() == Some(name));
    let there: Vec<&Named> = named.iter().filter(|named| declared(&named.component)).collect();
    let usual = format!("conference.{domain}");
    match there[..] {
        [] if declared(&usual) => Ok(usual),
        [] => Err(nowhere(config, domain, &named)),
        [first, ..] => match there.iter().find(|other| other.component != first.component) {
            None => Ok(first.component.clone()),
            Some(other) => Err(obstacle(
                format!("the rooms of {domain} are set to two components: {} and {}", first.says(), other.says()),
                format!(
                    "set both to the component that the web page uses (hosts.muc in \
                     /etc/jitsi/meet/{domain}-config.js), then run this again; nothing was changed"
                ),
            )),
        },
    }
}

impl Named<'_> {
    fn says(&self) -> String {
        format!("{} names {} ({}:{})", self.option, self.component, self.setting.file.display(), self.setting.line)
    }
}

/// What the options say, starting with the one that the token plugin uses.
fn named<'a>(config: &'a Config, domain: &str) -> Vec<Named<'a>> {
    let text = |option: &'static str| {
        let setting = config.effective(domain, option)?;
        Some((option, setting.value.as_str()?.to_ascii_lowercase(), setting))
    };
    let prefixed = text("muc_mapper_domain_prefix")
        .map(|(option, prefix, setting)| (option, format!("{prefix}.{domain}"), setting));
    let all = [text("muc_mapper_domain").or(prefixed), text("main_muc")];
    let named = all.into_iter().flatten();
    named.map(|(option, component, setting)| Named { option, component, setting }).collect()
}

fn components(config: &Config) -> impl Iterator<Item = &Section> {
    config.hosts().filter(|section| matches!(section.kind, SectionKind::Component(_)))
}

fn nowhere(config: &Config, domain: &str, named: &[Named]) -> Obstacle {
    if let Some(named) = named.first() {
        return obstacle(
            format!("{}, but no Component of that name is declared", named.says()),
            "declare it or fix the option, then run this again; nothing was changed",
        );
    }
    let why = format!(
        "cannot find the rooms of {domain} in Prosody's configuration: there is no Component \"conference.{domain}\""
    );
    let below = |section: &&Section| {
        let name = section.name.as_deref().unwrap_or_default();
        let label = name.strip_suffix(domain).and_then(|label| label.strip_suffix('.'));
        section.kind == SectionKind::Component(Some("muc".to_owned()))
            && label.is_some_and(|label| !label.contains('.') && !OTHERS.contains(&label))
    };
    let fix = match components(config).find(below) {
        Some(Section { name: Some(name), file, line, .. }) => format!(
            "if they are on {name} ({}:{line}), set muc_mapper_domain_prefix = \"{}\" above the first VirtualHost, \
             then run this again",
            file.display(),
            name.split('.').next().unwrap_or_default()
        ),
        _ => "use --domain for another site, or run `dpkg-reconfigure jitsi-meet-prosody` to write the site's \
            configuration"
            .to_owned(),
    };
    obstacle(why, fix)
}

/// Rejects a component that the plugin would attribute to another host: it would find no credentials there and check
/// nothing, so every token would open every room.
pub fn belong(host: &dyn Host, plugin: &Plugin, component: &str, domain: &str) -> Result<()> {
    if !expectations::in_plugins(host, plugin, |words| words.contains(&OWNER.as_bytes()))? {
        return Ok(());
    }
    let owner = match pattern::find(component.as_bytes(), OWNER.as_bytes()) {
        Ok(Some(pattern::Capture::Text(owner))) => String::from_utf8_lossy(&owner).into_owned(),
        _ => "none".to_owned(),
    };
    if owner == domain {
        return Ok(());
    }
    bail!(obstacle(
        format!(
            "Jitsi's plugin cannot match tokens of {domain} with rooms on {component}: by that name they belong to \
             {owner}"
        ),
        format!(
            "move the rooms to a component named conference.{domain}, or another single label before {domain}; \
             nothing was changed"
        ),
    ))
}

/// Whether a virtual host has rooms.
pub fn has(config: &Config, domain: &str) -> bool {
    component(config, domain).is_ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::fake::FakeHost;

    fn read(text: &str) -> Config {
        Config::load(&FakeHost::new().file("/p.lua", text), Path::new("/p.lua")).unwrap()
    }

    fn found(text: &str) -> Result<String, Obstacle> {
        component(&read(text), "m.org")
    }

    #[test]
    fn the_options_locate_the_rooms() {
        for (text, expected) in [
            ("VirtualHost 'm.org'\nComponent 'conference.m.org' 'muc'", "conference.m.org"),
            ("VirtualHost 'm.org'\nmain_muc = 'muc.m.org'\nComponent 'muc.m.org' 'muc'", "muc.m.org"),
            ("muc_mapper_domain_prefix = 'MUC'\nVirtualHost 'm.org'\nComponent 'muc.m.org' 'muc'", "muc.m.org"),
            ("muc_mapper_domain = 'r.m.org'\nVirtualHost 'm.org'\nComponent 'r.m.org' 'muc'", "r.m.org"),
            // Left over from a template; no component of that name exists.
            (
                "VirtualHost 'm.org'\nmain_muc = 'conference.jitmeet.example.com'\nComponent 'conference.m.org' 'muc'",
                "conference.m.org",
            ),
            // An option counts more than the usual name.
            (
                "VirtualHost 'm.org'\nmain_muc = 'muc.m.org'\nComponent 'conference.m.org' 'muc'\nComponent 'muc.m.org' 'muc'",
                "muc.m.org",
            ),
        ] {
            assert_eq!(found(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_missing_rooms_component_gets_usable_advice() {
        let text = "VirtualHost 'm.org'\nComponent 'lobby.m.org' 'muc'\nComponent 'rooms.m.org' 'muc'";
        let obstacle = found(text).unwrap_err();
        assert!(obstacle.why.contains("no Component \"conference.m.org\""), "{obstacle}");
        assert!(obstacle.fix.contains("rooms.m.org (/p.lua:3)"), "{obstacle}");
        assert!(obstacle.fix.contains("set muc_mapper_domain_prefix = \"rooms\" above"), "{obstacle}");
        let advised = format!("muc_mapper_domain_prefix = \"rooms\"\n{text}");
        assert_eq!(found(&advised).unwrap(), "rooms.m.org");

        let obstacle = found("VirtualHost 'm.org'\nmain_muc = 'muc.m.org'").unwrap_err();
        assert_eq!(obstacle.why, "main_muc names muc.m.org (/p.lua:2), but no Component of that name is declared");

        let two = "muc_mapper_domain_prefix = 'muc'\nVirtualHost 'm.org'\nmain_muc = 'conference.m.org'\n\
                   Component 'conference.m.org' 'muc'\nComponent 'muc.m.org' 'muc'";
        let obstacle = found(two).unwrap_err();
        assert!(obstacle.why.contains("muc_mapper_domain_prefix names muc.m.org (/p.lua:1)"), "{obstacle}");
        assert!(obstacle.why.contains("main_muc names conference.m.org (/p.lua:3)"), "{obstacle}");
    }

    #[test]
    fn a_component_taken_for_another_hosts_is_refused() {
        let path = "/plugins/mod_token_verification.lua";
        let plugin = Plugin {
            era: crate::prosody::era::Era::Bundled,
            era_source: String::new(),
            modules: Default::default(),
            files: [path.into()].into(),
        };
        let text = |text: &str| FakeHost::new().file(path, text);
        let real = text("local name = string.gmatch(tostring(host), \"%w+.(%w.+)\")();");
        for (component, domain) in [
            ("conference.m.org", "m.org"),
            ("muc.my_site.m.org", "my_site.m.org"),
            ("muc.meet-1.m.org", "meet-1.m.org"),
        ] {
            belong(&real, &plugin, component, domain).unwrap();
        }
        for (component, taken) in [("rooms.org", "org"), ("meet-rooms.m.org", "rooms.m.org"), ("a.b.m.org", "b.m.org")]
        {
            let error = belong(&real, &plugin, component, "m.org").unwrap_err().to_string();
            assert!(error.contains(&format!("belong to {taken}")), "{error}");
            // A plugin that does otherwise is not second-guessed.
            belong(&text("local name = module:get_option_string(\"host\");"), &plugin, component, "m.org").unwrap();
        }
    }
}
