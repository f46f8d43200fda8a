//! Configurations that would shut everybody out once tokens are asked for: what Jitsi's plugins make of them is known
//! before anything is changed.

use crate::lua::config::Config;
use crate::probe::Expectations;
use crate::prosody::options::Choice;
use crate::token::Rules;

/// What shuts everybody out, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Lockout {
    /// What is wrong, and where.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

/// Looks for one. `choices` are about to be written, so what they replace does not count.
pub fn find(
    config: &Config,
    wanted: &Expectations,
    rules: &Rules,
    choices: &[Choice],
) -> Option<Lockout> {
    empty_list(config, wanted, choices).or_else(|| other_rooms(wanted, rules, choices))
}

/// An empty list is not one that was left out: it accepts nobody.
fn empty_list(config: &Config, wanted: &Expectations, choices: &[Choice]) -> Option<Lockout> {
    let lists = [
        (
            "asap_accepted_issuers",
            "--issuer",
            &wanted.accepted_issuers,
        ),
        (
            "asap_accepted_audiences",
            "--audience",
            &wanted.accepted_audiences,
        ),
    ];
    let chosen = |name: &str| choices.iter().any(|choice| choice.name == name);
    let (name, flag, _) = lists
        .into_iter()
        .find(|(name, _, list)| list.is_empty() && !chosen(name))?;
    let setting = config.effective(&wanted.domain, name)?;
    Some(Lockout {
        why: format!(
            "{}:{}: {name} accepts nobody, so no token would get in",
            setting.file.display(),
            setting.line
        ),
        fix: format!("remove it, or name whom to accept with {flag}; nothing was changed"),
    })
}

/// A token's domain, and since late 2025 its room too, is sought in the component that the prefix names.
fn other_rooms(wanted: &Expectations, rules: &Rules, choices: &[Choice]) -> Option<Lockout> {
    let component = rules.rooms.component.as_deref()?;
    let prefix = rules.rooms.prefix();
    let sought = format!("{prefix}.{}", wanted.domain);
    let checked = choices
        .iter()
        .find(|choice| choice.name == "enable_domain_verification")
        .and_then(|choice| choice.value.as_bool())
        .unwrap_or(wanted.domain_verification);
    let opened = rules.plugin.needs_open_room && rules.rooms.mapped.as_deref() == Some(&sought);
    if sought == component || !(checked || opened) {
        return None;
    }
    let why = format!(
        "the rooms are in {component}, and Jitsi's plugin would look for a token's room in {sought}, so no token would open any"
    );
    let label = component
        .strip_suffix(&wanted.domain)
        .and_then(|label| label.strip_suffix('.'));
    let fix = match label {
        Some(label) => format!(
            "write muc_mapper_domain_prefix = \"{label}\" above the first VirtualHost, then run this again; nothing was changed"
        ),
        None => format!(
            "have the rooms in a component below {}; nothing was changed",
            wanted.domain
        ),
    };
    Some(Lockout { why, fix })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::fake::FakeHost;
    use crate::lua::value::Value;
    use crate::probe::Era;
    use crate::secret::Secret;
    use crate::token::Rooms;

    fn found(issuers: &[&str], rooms: Rooms, choices: &[Choice]) -> Option<Lockout> {
        let text = "asap_accepted_issuers = {}\nVirtualHost \"m.org\"\n";
        let host = FakeHost::new().file("/p.lua", text);
        let config = Config::load(&host, Path::new("/p.lua")).unwrap();
        let mut wanted =
            Expectations::defaults("m.org", "app", Secret::unlisted("key"), Era::Verify);
        wanted.accepted_issuers = issuers.iter().map(|text| (*text).to_owned()).collect();
        wanted.domain_verification = true;
        let mut rules = Rules {
            rooms,
            ..Rules::default()
        };
        rules.plugin.needs_open_room = false;
        find(&config, &wanted, &rules, choices)
    }

    fn choice(name: &'static str, value: Value) -> Choice {
        Choice {
            flag: "",
            name,
            value,
            rooms: false,
        }
    }

    #[test]
    fn a_list_that_accepts_nobody_is_named_unless_it_is_about_to_be_replaced() {
        let usual = || Rooms::of_site("m.org");
        assert_eq!(found(&["app"], usual(), &[]), None);
        let lockout = found(&[], usual(), &[]).unwrap();
        assert_eq!(
            lockout.why,
            "/p.lua:1: asap_accepted_issuers accepts nobody, so no token would get in"
        );
        assert!(lockout.fix.contains("--issuer"), "{}", lockout.fix);
        let replaced = [choice("asap_accepted_issuers", Value::Table(Vec::new()))];
        assert_eq!(found(&[], usual(), &replaced), None);
    }

    #[test]
    fn rooms_where_the_plugin_does_not_look_are_named_with_the_line_to_write() {
        let at = |prefix: Option<&str>| Rooms {
            component: Some("muc.m.org".to_owned()),
            prefix: prefix.map(str::to_owned),
            mapped: None,
        };
        assert_eq!(found(&["app"], at(Some("muc")), &[]), None);
        let lockout = found(&["app"], at(None), &[]).unwrap();
        assert!(
            lockout.why.contains("in muc.m.org") && lockout.why.contains("in conference.m.org")
        );
        assert!(
            lockout
                .fix
                .starts_with("write muc_mapper_domain_prefix = \"muc\" above")
        );
        // These plugins look at nothing but the name then.
        let unchecked = [choice("enable_domain_verification", Value::Bool(false))];
        assert_eq!(found(&["app"], at(None), &unchecked), None);
        // Another option names the component.
        let mapped = Rooms {
            mapped: Some("muc.m.org".to_owned()),
            ..at(None)
        };
        assert_eq!(found(&["app"], mapped, &unchecked), None);
    }
}
