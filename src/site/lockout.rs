//! Configurations that would lock everybody out once tokens are required. How Jitsi's plugins read them is known before
//! anything is changed.

use crate::prosody::config::Config;
use crate::site::expectations::Expectations;
use crate::site::policy_options::Choice;
use crate::token::Rules;

/// What locks everybody out, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Lockout {
    /// What is wrong, and where.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

/// An empty list is not the same as a missing one: it accepts nobody. `choices` are about to be written, so the
/// settings that they replace do not count.
pub fn empty_list(config: &Config, wanted: &Expectations, choices: &[Choice]) -> Option<Lockout> {
    let lists = [
        ("asap_accepted_issuers", "--issuer", &wanted.accepted_issuers),
        ("asap_accepted_audiences", "--audience", &wanted.accepted_audiences),
    ];
    let chosen = |name: &str| choices.iter().any(|choice| choice.name == name);
    let (name, flag, _) = lists.into_iter().find(|(name, _, list)| list.is_empty() && !chosen(name))?;
    let setting = config.effective(&wanted.domain, name)?;
    Some(Lockout {
        why: format!("{}:{}: {name} is empty, so every token would be rejected", setting.file.display(), setting.line),
        fix: format!("remove it, or set it with {flag}; nothing was changed"),
    })
}

/// The prefix of the rooms' component, if the plugin would look elsewhere: it looks for a token's domain, and since
/// late 2025 for its room too, in the component that `muc_mapper_domain_prefix` names. Without that option no token
/// opens any room.
pub fn missing_prefix(wanted: &Expectations, rules: &Rules, choices: &[Choice]) -> Option<Result<String, Lockout>> {
    let component = rules.rooms.component.as_deref()?;
    let sought = format!("{}.{}", rules.rooms.prefix(), wanted.domain);
    let checked = choices
        .iter()
        .find(|choice| choice.name == "enable_domain_verification")
        .and_then(|choice| choice.value.as_bool())
        .unwrap_or(wanted.domain_verification);
    let opened = rules.plugin.needs_open_room && rules.rooms.mapped.as_deref() == Some(&sought);
    if sought == component || !(checked || opened) {
        return None;
    }
    let label = component.strip_suffix(&wanted.domain).and_then(|label| label.strip_suffix('.'));
    Some(label.map(str::to_owned).ok_or_else(|| Lockout {
        why: format!(
            "rooms are on {component}, but Jitsi's plugin expects them below {}, so no token would open one",
            wanted.domain
        ),
        fix: format!("move the rooms to a component below {}; nothing was changed", wanted.domain),
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::fake::FakeHost;
    use crate::host::secret::Secret;
    use crate::lua::value::Value;
    use crate::prosody::era::Era;
    use crate::token::Rooms;

    fn wanted(issuers: &[&str]) -> Expectations {
        let mut wanted = Expectations::defaults("m.org", "app", Secret::unlisted("key"), Era::Verify);
        wanted.accepted_issuers = issuers.iter().map(|text| (*text).to_owned()).collect();
        wanted.domain_verification = true;
        wanted
    }

    fn choice(name: &'static str, value: Value) -> Choice {
        Choice { flag: "", name, value, rooms: false }
    }

    #[test]
    fn an_empty_list_is_reported_unless_replaced() {
        let text = "asap_accepted_issuers = {}\nVirtualHost \"m.org\"\n";
        let host = FakeHost::new().file("/p.lua", text);
        let config = Config::load(&host, Path::new("/p.lua")).unwrap();
        assert_eq!(empty_list(&config, &wanted(&["app"]), &[]), None);
        let lockout = empty_list(&config, &wanted(&[]), &[]).unwrap();
        assert_eq!(lockout.why, "/p.lua:1: asap_accepted_issuers is empty, so every token would be rejected");
        assert!(lockout.fix.contains("--issuer"), "{}", lockout.fix);
        let replaced = [choice("asap_accepted_issuers", Value::Table(Vec::new()))];
        assert_eq!(empty_list(&config, &wanted(&[]), &replaced), None);
    }

    #[test]
    fn a_missing_room_prefix_is_detected() {
        let rooms = |component: &str, prefix: Option<&str>, mapped: Option<&str>| Rooms {
            component: Some(component.to_owned()),
            prefix: prefix.map(str::to_owned),
            mapped: mapped.map(str::to_owned),
        };
        let missing = |rooms: Rooms, choices: &[Choice]| {
            let rules = Rules { rooms, ..Rules::default() };
            missing_prefix(&wanted(&["app"]), &rules, choices)
        };
        let muc = Some(Ok("muc".to_owned()));
        assert_eq!(missing(rooms("conference.m.org", None, None), &[]), None);
        assert_eq!(missing(rooms("muc.m.org", Some("muc"), None), &[]), None);
        assert_eq!(missing(rooms("muc.m.org", None, None), &[]), muc);
        let unchecked = [choice("enable_domain_verification", Value::Bool(false))];
        // The newest plugins check that the room exists; another option may name the component.
        let found_by = |mapped| missing(rooms("muc.m.org", None, Some(mapped)), &unchecked);
        assert_eq!(found_by("conference.m.org"), muc);
        assert_eq!(found_by("muc.m.org"), None);
        let elsewhere = missing(rooms("rooms.net", None, None), &[]).unwrap().unwrap_err();
        assert!(elsewhere.why.contains("rooms.net"), "{}", elsewhere.why);
    }
}
