//! Which app ID and secret to use, and where they come from: the operator's, else Prosody's configuration, else
//! debconf, else new ones. The file wins over debconf because Prosody uses it.

use std::fmt;

use anyhow::Result;

use crate::debian::debconf;
use crate::host::Host;
use crate::host::secret::Secret;
use crate::prosody::config::Config;
use crate::site::settings::{Credentials, Settings, is_credential};

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An option of this run.
    Given,
    /// Prosody's configuration.
    Configuration,
    /// debconf.
    Debconf,
    /// Generated for this run, because there was none.
    Generated,
    /// Generated for this run, to replace the one in use.
    Renewed,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "given",
            Self::Configuration => "from Prosody's configuration",
            Self::Debconf => "from debconf",
            Self::Generated => "generated",
            Self::Renewed => "newly generated",
        })
    }
}

/// The credentials to use.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The app ID and secret.
    pub credentials: Credentials,
    /// Where the ID comes from.
    pub id_from: Source,
    /// Where the secret comes from.
    pub secret_from: Source,
    /// Whether they replace different ones that Prosody uses now.
    pub replaces: bool,
}

/// Chooses the credentials for `domain`.
pub fn choose(host: &dyn Host, settings: &Settings, config: &Config, domain: &str) -> Result<Chosen> {
    let (file_id, file_secret) = configured(config, domain);
    let stored = |question| Ok::<_, anyhow::Error>(debconf::answer(host, question)?.filter(|value| is_stored(value)));
    let pick = |given: &Option<String>, file: &Option<String>, question, made: &str| {
        Ok::<_, anyhow::Error>(match (given, file) {
            (Some(given), _) => (given.clone(), Source::Given),
            (None, Some(file)) => (file.clone(), Source::Configuration),
            (None, None) => match stored(question)? {
                Some(value) => (value, Source::Debconf),
                None => (made.to_owned(), Source::Generated),
            },
        })
    };
    let given_secret = settings.app_secret.as_ref().map(|secret| secret.reveal().to_owned());
    let made = &settings.generated;
    let (app_id, id_from) = pick(&settings.app_id, &file_id, debconf::APP_ID, &made.app_id)?;
    let (secret, mut secret_from) = pick(&given_secret, &file_secret, debconf::APP_SECRET, made.app_secret.reveal())?;
    if secret_from == Source::Given && secret == made.app_secret.reveal() {
        secret_from = Source::Renewed;
    }
    let differs = |file: &Option<String>, chosen: &str| file.as_deref().is_some_and(|file| file != chosen);
    let replaces = differs(&file_id, &app_id) || differs(&file_secret, &secret);
    let credentials = Credentials { app_id, app_secret: Secret::new(secret) };
    Ok(Chosen { credentials, id_from, secret_from, replaces })
}

/// The app ID and secret that Prosody's configuration has for this host, its global section included; the template's
/// examples count as none.
pub fn configured(config: &Config, domain: &str) -> (Option<String>, Option<String>) {
    let read = |name: &str| {
        let text = config.effective(domain, name)?.value.as_str()?.to_owned();
        is_credential(&text).then_some(text)
    };
    let secret = read("app_secret");
    // Registered as a secret, so no output shows it.
    if let Some(secret) = &secret {
        Secret::new(secret.clone());
    }
    (read("app_id"), secret)
}

/// What debconf may hold: Jitsi's scripts pass its value to sed, in arguments that anybody can read and in patterns
/// that break on special characters. A value with anything but letters, digits, `_` and `-` gets a stand-in.
pub fn for_debconf(value: &str) -> &str {
    let harmless = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if harmless { value } else { STAND_IN }
}

/// What debconf holds in place of a value that would break Jitsi's scripts.
pub const STAND_IN: &str = "kept-in-the-configuration-of-prosody";

fn is_stored(value: &str) -> bool {
    is_credential(value) && value != STAND_IN
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::fake::{FakeHost, output};

    fn chosen(config: &str, answers: &'static str, settings: &Settings) -> Chosen {
        let host = FakeHost::new().file("/p.lua", config).answers(move |_| output(0, answers));
        let config = Config::load(&host, Path::new("/p.lua")).unwrap();
        choose(&host, settings, &config, "m.org").unwrap()
    }

    const NONE: &str = "0 m.org\n10 no\n10 no\n10 no\n";

    #[test]
    fn the_file_wins_over_debconf_and_examples_are_ignored() {
        let file = "VirtualHost \"m.org\"\napp_id = \"file-id\"\napp_secret = \"example_app_secret\"\n";
        let found = chosen(file, "0 m.org\n0 conf-id\n0 conf-secret-1\n10 no\n", &Settings::default());
        assert_eq!((found.credentials.app_id.as_str(), found.id_from), ("file-id", Source::Configuration));
        assert_eq!((found.credentials.app_secret.reveal(), found.secret_from), ("conf-secret-1", Source::Debconf));
        assert!(!found.replaces);
    }

    #[test]
    fn global_credentials_apply_to_the_host() {
        let file = "app_id = \"g-id\"\napp_secret = \"g-secret-3\"\nVirtualHost \"m.org\"\n";
        let found = chosen(file, NONE, &Settings::default());
        assert_eq!(found.credentials.app_id, "g-id");
        assert_eq!(found.credentials.app_secret.reveal(), "g-secret-3");
        assert_eq!(found.secret_from, Source::Configuration);
    }

    #[test]
    fn missing_credentials_are_generated() {
        let settings = Settings::default();
        let found = chosen("VirtualHost \"m.org\"\n", NONE, &settings);
        assert_eq!(found.credentials, settings.generated);
        assert_eq!(found.secret_from, Source::Generated);
    }

    #[test]
    fn a_given_id_replaces_only_the_id() {
        let settings = Settings { app_id: Some("new-id".into()), ..Settings::default() };
        let file = "VirtualHost \"m.org\"\napp_id = \"old-id\"\napp_secret = \"old-secret-2\"\n";
        let found = chosen(file, NONE, &settings);
        assert_eq!((found.credentials.app_id.as_str(), found.id_from), ("new-id", Source::Given));
        assert_eq!((found.credentials.app_secret.reveal(), found.secret_from), ("old-secret-2", Source::Configuration));
        assert!(found.replaces);
    }

    #[test]
    fn debconf_never_gets_what_breaks_jitsis_scripts() {
        assert_eq!(for_debconf("A1_-"), "A1_-");
        assert_eq!(for_debconf("a/b"), STAND_IN);
    }
}
