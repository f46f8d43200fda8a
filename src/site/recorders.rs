//! Recorders, transcribers and telephone gateways: services with an account of their own, which the room check would
//! keep out because they have no token. Jitsi's `token_verification_allowlist` lets them in.

use anyhow::Result;

use crate::debian::dpkg;
use crate::host::Host;
use crate::lua::value::Value;
use crate::prosody::config::edit::ALLOWLIST;
use crate::prosody::config::{Config, SectionKind};

/// The first label of the virtual hosts on which Jibri and transcribers have their accounts: Jitsi's template has the
/// first, its container images the second.
const HIDDEN: [&str; 2] = ["recorder", "hidden"];

/// Jigasi's package, whose script creates an account of this name on `auth.DOMAIN`.
const JIGASI: &str = "jigasi";

/// What should enter rooms without a token, as the allowlist names it: virtual hosts, and Jigasi's account. Only where
/// nobody can create an account by themselves; empty if the allowlist is computed.
///
/// # Errors
/// If dpkg does not answer.
pub fn let_in(host: &dyn Host, config: &Config, domain: &str, muc: &str) -> Result<Vec<String>> {
    let listed = config.effective(muc, ALLOWLIST);
    if listed.is_some_and(|setting| setting.value.strings().is_none()) {
        return Ok(Vec::new());
    }
    let mut names: Vec<String> = hosts(config, domain).collect();
    let auth = format!("auth.{domain}");
    if has_accounts(config, &auth) && dpkg::installed(host)?.contains(JIGASI) {
        names.push(format!("{JIGASI}@{auth}"));
    }
    Ok(names)
}

/// The virtual host on which it can be proved that a recorder enters a room, if this configuration promises that.
pub fn promised(config: &Config, domain: &str, muc: &str) -> Option<String> {
    let listed = config.effective(muc, ALLOWLIST)?;
    hosts(config, domain).find(|name| listed.value.lists(name))
}

fn hosts<'a>(config: &'a Config, domain: &'a str) -> impl Iterator<Item = String> + 'a {
    HIDDEN.iter().map(move |label| format!("{label}.{domain}")).filter(move |name| has_accounts(config, name))
}

/// Whether this is a virtual host where people need an account, and only an administrator creates one.
fn has_accounts(config: &Config, name: &str) -> bool {
    let is_it = |section: &&crate::prosody::config::Section| {
        section.name.as_deref() == Some(name) && section.kind == SectionKind::VirtualHost
    };
    let value = |option: &str| config.effective(name, option).map(|setting| &setting.value);
    // Prosody's own default is internal_hashed (internal_plain before 0.12).
    let kept = match value("authentication") {
        None => true,
        Some(value) => value.as_str().is_some_and(|how| ["internal_hashed", "internal_plain"].contains(&how)),
    };
    let closed = value("allow_registration").is_none_or(|value| *value == Value::Bool(false));
    config.hosts().any(|section| is_it(&section)) && kept && closed
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::fake::{FakeHost, output};

    const MUC: &str = "conference.m.org";

    fn machine(text: &str, package: &'static str) -> (FakeHost, Config) {
        let text = format!("VirtualHost \"m.org\"\nComponent \"{MUC}\" \"muc\"\n{text}\n");
        let host = FakeHost::new().file("/p.lua", text).answers(move |command| match command.program.as_str() {
            "dpkg-query" => output(0, package),
            _ => None,
        });
        let config = Config::load(&host, Path::new("/p.lua")).unwrap();
        (host, config)
    }

    fn names(text: &str, package: &'static str) -> Vec<String> {
        let (host, config) = machine(text, package);
        let_in(&host, &config, "m.org", MUC).unwrap()
    }

    const RECORDER: &str = "VirtualHost \"recorder.m.org\"\nauthentication = \"internal_hashed\"";

    #[test]
    fn services_with_managed_accounts_are_allowed() {
        assert_eq!(names("", ""), [""; 0]);
        assert_eq!(names(RECORDER, ""), ["recorder.m.org"]);
        assert_eq!(names("VirtualHost \"hidden.m.org\"", ""), ["hidden.m.org"]);
        assert_eq!(names("Component \"recorder.m.org\" \"muc\"", ""), [""; 0]);
    }

    #[test]
    fn hosts_open_to_anyone_are_not_allowed() {
        for open in ["anonymous", "jitsi-anonymous", "token", "ldap"] {
            let text = format!("VirtualHost \"recorder.m.org\"\nauthentication = \"{open}\"");
            assert_eq!(names(&text, ""), [""; 0], "{open}");
        }
        assert_eq!(names(&format!("{RECORDER}\nallow_registration = true"), ""), [""; 0]);
        assert_eq!(names(&format!("{RECORDER}\nallow_registration = SOMETHING"), ""), [""; 0]);
        let global = "VirtualHost \"*\"\nallow_registration = true\nVirtualHost \"recorder.m.org\"";
        assert_eq!(names(global, ""), [""; 0]);
    }

    #[test]
    fn jigasis_account_is_allowed_if_installed() {
        let auth = "VirtualHost \"auth.m.org\"\nauthentication = \"internal_hashed\"";
        assert_eq!(names(auth, ""), [""; 0]);
        assert_eq!(names(auth, "jigasi\tii \t1.1\n"), ["jigasi@auth.m.org"]);
        assert_eq!(names("", "jigasi\tii \t1.1\n"), [""; 0]);
    }

    #[test]
    fn a_computed_allowlist_is_left_alone() {
        let list = format!("token_verification_allowlist = LIST\n{RECORDER}");
        assert_eq!(names(&list, ""), [""; 0]);
        let list = format!("token_verification_allowlist = {{ \"other.m.org\" }}\n{RECORDER}");
        assert_eq!(names(&list, ""), ["recorder.m.org"]);
    }

    #[test]
    fn a_listed_recorder_is_expected_to_enter() {
        let promise = |text: &str| promised(&machine(text, "").1, "m.org", MUC);
        assert_eq!(promise(RECORDER), None);
        let listed = format!("token_verification_allowlist = {{ \"recorder.m.org\" }}\n{RECORDER}");
        assert_eq!(promise(&listed).as_deref(), Some("recorder.m.org"));
        assert_eq!(promise(&listed.replace("internal_hashed", "anonymous")), None);
    }
}
