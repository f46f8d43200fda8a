//! What an operator chose for good for a site, kept on the machine: a rerun and a repair keep it, `install --OPTION off`
//! undoes it. What tokens must contain is not kept here: that is in the configuration itself, which is left as it is.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::site::key_source::KeySource;
use crate::site::oidc::{self, SignOn, Sso};
use crate::site::policy::{Address, Moderators, Policy};
use crate::site::token_keys::AcceptedKey;

/// Where the choices are kept: every site's under its domain, since one Prosody may serve several sites.
pub const PATH: &str = "/var/lib/jitsi-tokens-setup/options.json";

/// The choices for one site, as JSON: `{"guests": true, "web_config": true, "moderators": "token"}`. What was not chosen is left
/// out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// People without a token wait for somebody with one.
    #[serde(skip_serializing_if = "is_off")]
    pub guests: bool,
    /// The web page's configuration names the host for guests.
    #[serde(skip_serializing_if = "is_off")]
    pub web_config: bool,
    /// Who moderates, if not as by default in Jitsi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moderators: Option<Moderators>,
    /// The public keys that are accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<AcceptedKey>,
    /// The key server, with one file for each key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_server: Option<String>,
    /// The names of keys that the key server is known to have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kids: Vec<String>,
    /// The document with all keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<String>,
    /// How the web page logs people in with an identity provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sso: Option<Sso>,
    /// Where the web page sends people who have no token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_url: Option<String>,
    /// Where it sends people who log out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logout_url: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_off(chosen: &bool) -> bool {
    !chosen
}

/// Every site's choices, by domain.
fn every_site(host: &dyn Host) -> Result<BTreeMap<String, Remembered>> {
    let Some(bytes) = host.read(Path::new(PATH))? else { return Ok(BTreeMap::new()) };
    serde_json::from_slice(&bytes).with_context(|| format!("{PATH} is damaged; remove it to reset these options"))
}

impl Remembered {
    /// The choices kept for a site; the default if there are none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(host: &dyn Host, domain: &str) -> Result<Self> {
        Ok(every_site(host)?.remove(domain).unwrap_or_default())
    }

    /// The part of a run's choices that is kept.
    pub fn of(policy: &Policy) -> Self {
        let guests = policy.guests == Some(true);
        let url = |address: &Option<Address>| address.as_ref().and_then(Address::url).map(str::to_owned);
        Self {
            guests,
            web_config: guests && policy.web_config == Some(true),
            moderators: policy.moderators.filter(|chosen| *chosen == Moderators::Token),
            public_keys: policy.public_keys.clone().unwrap_or_default(),
            key_server: url(&policy.key_server),
            kids: policy.kids.clone(),
            jwks: url(&policy.jwks),
            sso: match &policy.sign_on {
                Some(SignOn::With(sso)) => Some(sso.clone()),
                Some(SignOn::Off) | None => None,
            },
            login_url: url(&policy.login_url),
            logout_url: url(&policy.logout_url),
        }
    }

    /// The contents of the file once it has these choices for a site; other sites' choices stay.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn to_bytes(&self, host: &dyn Host, domain: &str) -> Result<Vec<u8>> {
        let mut sites = every_site(host)?;
        sites.remove(domain);
        if *self != Self::default() {
            sites.insert(domain.to_owned(), self.clone());
        }
        Ok(format!("{}\n", serde_json::to_string(&sites)?).into_bytes())
    }

    /// The choices as options of `install`.
    pub fn options(&self) -> Vec<String> {
        let switches = [
            (self.guests, "--guests"),
            (self.web_config, "--web-config"),
            (self.moderators == Some(Moderators::Token), "--moderators token"),
            (self.sso.is_some(), "--oidc"),
        ];
        let addresses = [
            ("--key-server", &self.key_server),
            ("--jwks", &self.jwks),
            ("--login-url", &self.login_url),
            ("--logout-url", &self.logout_url),
        ];
        let switches = switches.into_iter().filter(|(chosen, _)| *chosen).map(|(_, option)| option.to_owned());
        let given = |(option, url): (&str, &Option<String>)| Some(format!("{option} {}", url.as_ref()?));
        let keys = self.public_keys.iter().map(|key| format!("--public-key (kid {})", key.kid));
        switches.chain(keys).chain(addresses.into_iter().filter_map(given)).collect()
    }

    /// Completes a run's choices with the kept ones.
    ///
    /// # Errors
    /// If they exclude each other, in words for the operator.
    pub fn complete(&self, policy: &mut Policy) -> Result<()> {
        if policy.guests.is_none() && self.guests {
            policy.guests = Some(true);
        }
        if policy.guests == Some(true) && self.web_config {
            policy.web_config = policy.web_config.or(Some(true));
        }
        policy.moderators = policy.moderators.or(self.moderators);
        self.complete_keys(policy);
        // Without the provider's keys, nobody who logs in there can join.
        if self.sso.is_some() && policy.sign_on.is_none() && KeySource::chosen(policy).is_none() {
            oidc::take_back(policy);
        }
        if policy.public_keys.is_none() && !self.public_keys.is_empty() {
            policy.public_keys = Some(self.public_keys.clone());
        }
        let by_key = KeySource::chosen(policy).is_some() || policy.has_public_keys();
        if policy.algorithm.is_some() && by_key {
            bail!(
                "--signature-algorithm is for tokens signed with a secret, and this server accepts public keys \
                 (--public-key off, --key-server off or --jwks off undoes that)"
            );
        }
        policy.sign_on = policy.sign_on.take().or_else(|| self.sso.clone().map(SignOn::With));
        for (now, kept) in [(&mut policy.login_url, &self.login_url), (&mut policy.logout_url, &self.logout_url)] {
            *now = now.take().or_else(|| kept.clone().map(Address::At));
        }
        if policy.web_config == Some(true) && policy.guests != Some(true) {
            bail!("--web-config requires --guests");
        }
        if policy.guests == Some(true) && policy.allow_empty_token == Some(true) {
            bail!("--allow-empty-token cannot be used with --guests (--guests=off turns guests off)");
        }
        Ok(())
    }
}

impl Remembered {
    /// Keys come from this machine or from elsewhere; what is chosen now replaces what was chosen before.
    fn complete_keys(&self, policy: &mut Policy) {
        let here = policy.has_public_keys();
        let elsewhere = KeySource::chosen(policy).is_some();
        let kept = |url: &Option<String>| match here {
            true => url.as_ref().map(|_| Address::Off),
            false => url.clone().map(Address::At),
        };
        policy.key_server = policy.key_server.take().or_else(|| kept(&self.key_server));
        policy.jwks = policy.jwks.take().or_else(|| kept(&self.jwks));
        match policy.key_server.as_ref().and_then(Address::url) {
            None => policy.kids.clear(),
            Some(_) if policy.kids.is_empty() => policy.kids.clone_from(&self.kids),
            Some(_) => {}
        }
        if elsewhere && !self.public_keys.is_empty() && policy.public_keys.is_none() {
            policy.public_keys = Some(Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    const SITE: &str = "m.org";

    fn completed(kept: &str, mut policy: Policy) -> Result<Policy> {
        let host = FakeHost::new().file(PATH, format!("{{\"{SITE}\":{kept}}}"));
        Remembered::read(&host, SITE)?.complete(&mut policy)?;
        Ok(policy)
    }

    /// The file with only this site's choices in it.
    fn file_of(policy: &Policy) -> String {
        String::from_utf8(Remembered::of(policy).to_bytes(&FakeHost::new(), SITE).unwrap()).unwrap()
    }

    #[test]
    fn every_site_has_choices_of_its_own() {
        let file = r#"{"a.org":{"guests":true},"b.org":{"jwks":"https://idp/keys"}}"#;
        let host = FakeHost::new().file(PATH, file);
        assert!(Remembered::read(&host, "a.org").unwrap().guests);
        assert_eq!(Remembered::read(&host, "c.org").unwrap(), Remembered::default());
        let written =
            |choices: &Remembered, site: &str| String::from_utf8(choices.to_bytes(&host, site).unwrap()).unwrap();
        let same = written(&Remembered::read(&host, "b.org").unwrap(), "b.org");
        assert_eq!(same, format!("{file}\n"));
        assert_eq!(written(&Remembered::default(), "b.org"), "{\"a.org\":{\"guests\":true}}\n");
    }

    #[test]
    fn the_moderator_choice_is_remembered() {
        let kept = r#"{"moderators":"token"}"#;
        let policy = completed(kept, Policy::default()).unwrap();
        assert_eq!(policy.moderators, Some(Moderators::Token));
        assert_eq!(file_of(&policy), format!("{{\"{SITE}\":{kept}}}\n"));
        let all = completed(kept, Policy { moderators: Some(Moderators::All), ..Policy::default() }).unwrap();
        assert_eq!((all.moderators, Remembered::of(&all)), (Some(Moderators::All), Remembered::default()));
    }

    #[test]
    fn the_login_page_is_remembered_until_turned_off() {
        let kept = r#"{"login_url":"https://m/{room}","logout_url":"https://m/l"}"#;
        let policy = completed(kept, Policy::default()).unwrap();
        assert_eq!(policy.login_url, Some(Address::At("https://m/{room}".to_owned())));
        let remembered = Remembered::of(&policy);
        assert_eq!(file_of(&policy), format!("{{\"{SITE}\":{kept}}}\n"));
        assert_eq!(remembered.options(), ["--login-url https://m/{room}", "--logout-url https://m/l"]);
        let off = completed(kept, Policy { login_url: Some(Address::Off), ..Policy::default() }).unwrap();
        assert_eq!(off.login_url, Some(Address::Off));
        assert_eq!(Remembered::of(&off).options(), ["--logout-url https://m/l"]);
    }

    #[test]
    fn omitted_options_keep_their_earlier_values() {
        let kept = r#"{"guests":true,"web_config":true,"of_a_later_version":1}"#;
        let policy = completed(kept, Policy::default()).unwrap();
        assert_eq!((policy.guests, policy.web_config), (Some(true), Some(true)));
        assert_eq!(Remembered::of(&policy).options(), ["--guests", "--web-config"]);
        let off = completed(kept, Policy { guests: Some(false), ..Policy::default() }).unwrap();
        assert_eq!((off.guests, off.web_config), (Some(false), None));
        assert_eq!(Remembered::of(&off), Remembered::default());
        let again = completed(kept, Policy { guests: Some(true), ..Policy::default() }).unwrap();
        assert_eq!(Remembered::of(&again).options(), ["--guests", "--web-config"]);
        let page_off = completed(kept, Policy { web_config: Some(false), ..Policy::default() }).unwrap();
        assert_eq!(Remembered::of(&page_off).options(), ["--guests"]);
        assert_eq!(completed("{}", Policy::default()).unwrap(), Policy::default());
        assert_eq!(Remembered::read(&FakeHost::new(), SITE).unwrap(), Remembered::default());
    }

    #[test]
    fn without_the_providers_keys_its_login_page_is_off_too() {
        let kept = r#"{"jwks":"https://k","sso":{"service":"s","tokens":"t","client_id":"c"},"login_url":"https://l"}"#;
        let off = Some(Address::Off);
        let own = vec![AcceptedKey { kid: "a".to_owned(), pem: "P".to_owned() }];
        for choice in
            [Policy { jwks: off.clone(), ..Policy::default() }, Policy { public_keys: Some(own), ..Policy::default() }]
        {
            let policy = completed(kept, choice).unwrap();
            assert_eq!((&policy.jwks, &policy.login_url, &policy.sign_on), (&off, &off, &Some(SignOn::Off)));
        }
        let policy = completed(kept, Policy::default()).unwrap();
        assert!(matches!(policy.sign_on, Some(SignOn::With(_))) && policy.jwks != off && policy.login_url != off);
        let page = Some(Address::At("https://m".to_owned()));
        let policy = completed(kept, Policy { jwks: off, login_url: page.clone(), ..Policy::default() }).unwrap();
        assert_eq!(policy.login_url, page);
    }

    #[test]
    fn conflicting_options_and_damaged_files_are_refused() {
        let empty = Policy { allow_empty_token: Some(true), ..Policy::default() };
        assert!(
            completed(r#"{"guests":true}"#, empty.clone())
                .unwrap_err()
                .to_string()
                .contains("cannot be used with --guests")
        );
        completed("{}", empty).unwrap();
        let page = Policy { web_config: Some(true), ..Policy::default() };
        assert!(completed("{}", page.clone()).unwrap_err().to_string().contains("requires --guests"));
        completed(r#"{"guests":true}"#, page).unwrap();
        let error = completed("{\"guests\":", Policy::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("{PATH} is damaged; remove it to reset these options"));
    }
}
