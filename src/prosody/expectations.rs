//! What this configuration asks of tokens, read from it as Jitsi's plugins read it.

use crate::lua::config::Config;
use crate::probe::{Era, Expectations};
use crate::secret::Secret;
use crate::token::Algorithm;

/// The expectations of the configuration for `domain`.
pub fn read(
    config: &Config,
    domain: &str,
    app_id: &str,
    app_secret: Secret,
    era: Era,
) -> Expectations {
    let mut wanted = Expectations::defaults(domain, app_id, app_secret, era);
    let value = |name: &str| config.effective(domain, name).map(|setting| &setting.value);
    let flag = |name: &str| value(name).and_then(|value| value.as_bool());
    let list = |name: &str| {
        value(name)
            .and_then(|value| value.strings())
            .filter(|list| !list.is_empty())
    };
    if let Some(issuers) = list("asap_accepted_issuers") {
        wanted.accepted_issuers = issuers;
    }
    if let Some(audiences) = list("asap_accepted_audiences") {
        wanted.accepted_audiences = audiences;
    }
    if let Some(allowed) = flag("allow_empty_token") {
        wanted.allow_empty_token = allowed;
    }
    if let Some(verified) = flag("enable_domain_verification") {
        wanted.domain_verification = verified;
    }
    if let Some(required) = flag("asap_require_room_claim") {
        wanted.require_room = required;
    }
    let algorithm =
        value("signature_algorithm").and_then(|value| Algorithm::named(value.as_str()?));
    // The decode era does not read the option: the rock takes what the token names.
    if let Some(algorithm) = algorithm.filter(|_| era != Era::Decode) {
        wanted.algorithm = algorithm;
    }
    wanted
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::fake::FakeHost;

    fn read_from(text: &str, era: Era) -> Expectations {
        let host = FakeHost::new().file("/p.lua", text);
        let config = Config::load(&host, Path::new("/p.lua")).unwrap();
        read(&config, "m.org", "app", Secret::new("expected-secret"), era)
    }

    #[test]
    fn options_of_the_host_win_over_global_ones() {
        let text = "allow_empty_token = true\nVirtualHost \"m.org\"\nallow_empty_token = false\n\
                    asap_accepted_audiences = { \"a\", \"b\" }\nenable_domain_verification = true\n";
        let wanted = read_from(text, Era::Decode);
        assert!(!wanted.allow_empty_token && wanted.domain_verification);
        assert_eq!(wanted.accepted_audiences, ["a", "b"]);
    }

    #[test]
    fn the_algorithm_is_read_by_later_plugins_only() {
        let text = "VirtualHost \"m.org\"\nsignature_algorithm = \"HS512\"\n";
        assert_eq!(read_from(text, Era::Decode).algorithm, Algorithm::Hs256);
        assert_eq!(read_from(text, Era::Bundled).algorithm, Algorithm::Hs512);
    }
}
