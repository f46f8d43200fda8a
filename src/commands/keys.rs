//! The credentials that a token is signed or checked with: those given, otherwise the machine's.

use std::path::Path;

use anyhow::{Context, Result};

use crate::cli::KeyArgs;
use crate::commands::{Blocked, secret_file, usage};
use crate::host::Host;
use crate::host::secret::Secret;
use crate::prosody::config::Config;
use crate::site::credentials::{configured, unusable};
use crate::site::expectations::Expectations;
use crate::site::facts::{Facts, Site};
use crate::site::settings::{Credentials, Settings, check_credential, check_domain};
use crate::site::token_keys::{self, AcceptedKey};
use crate::site::token_rules;
use crate::token::Rules;

/// Credentials, and the domain that they belong to.
pub struct FoundKeys {
    /// The app ID, if known.
    pub app_id: Option<String>,
    /// The app secret, if known.
    pub secret: Option<Secret>,
    /// The site's domain, if known.
    pub domain: Option<String>,
    /// What this machine's configuration requires of tokens, if it was read.
    pub machine: Option<Expectations>,
    /// The public keys that this machine's server accepts, if its configuration was read.
    pub accepted: Vec<AcceptedKey>,
    /// The rules by which this machine's server judges tokens, if its configuration was read.
    pub rules: Option<Rules>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

/// Settings that name a site and nothing else.
pub fn settings(domain: Option<&str>) -> Result<Settings> {
    let domain = domain.map(check_domain).transpose();
    Ok(Settings { domain: usage(domain)?, ..Settings::default() })
}

/// The site of this machine, or a [`Blocked`] that says what is in the way.
pub fn site(facts: Facts) -> Result<Site> {
    facts.site.map_err(|obstacle| Blocked(obstacle.to_string()).into())
}

/// The credentials in Prosody's configuration.
pub fn of_machine(host: &dyn Host, site: &Site) -> Result<Credentials> {
    let config = site.config(host)?;
    if let Some(obstacle) = unusable(&config, &site.domain, &Settings::default()) {
        return Err(Blocked(obstacle.to_string()).into());
    }
    let (app_id, secret) = configured(&config, &site.domain);
    match (app_id, secret) {
        (Some(app_id), Some(secret)) => Ok(Credentials { app_id, app_secret: Secret::new(secret) }),
        _ => Err(Blocked(format!(
            "Prosody's configuration has no app ID and app secret for {}; run `jitsi-tokens-setup install` first",
            site.domain
        ))
        .into()),
    }
}

/// The given credentials, completed from the machine. With `complete`, all of them must be known, except for the secret
/// if there is a key file.
pub fn find(host: &dyn Host, keys: &KeyArgs, complete: bool) -> Result<FoundKeys> {
    let mut warnings = Vec::new();
    if let Some(app_id) = &keys.app_id {
        usage(check_credential("--app-id", app_id))?;
    }
    let mut secret = None;
    if let Some(path) = &keys.app_secret_file {
        let (read, warning) = usage(secret_file::read(path))?;
        secret = Some(read);
        warnings.extend(warning);
    }
    let settings = settings(keys.site.domain.as_deref())?;
    let (mut app_id, mut domain) = (keys.app_id.clone(), settings.domain.clone());
    let keyless = secret.is_none() && keys.key.is_none();
    let missing = app_id.is_none() || domain.is_none() || keyless;
    let here = host.exists(Path::new("/usr/bin/prosody"))? && host.is_root();
    let (mut machine, mut rules, mut accepted) = (None, None, Vec::new());
    if missing && (here || complete) {
        let known = Facts::gather(host, &settings).and_then(site).and_then(|site| Ok((of_machine(host, &site)?, site)));
        match known {
            Ok((credentials, site)) => {
                let config = site.config(host)?;
                let asked = site.expectations(host, &config, &credentials)?;
                rules = Some(token_rules(host, &config, &site, &asked)?);
                accepted = token_keys::accepted(host, &config, &site.domain)?;
                machine = Some(asked);
                app_id = app_id.or(Some(credentials.app_id));
                secret = secret.or(Some(credentials.app_secret));
                domain = domain.or(Some(site.domain));
            }
            Err(error) if complete => {
                let secret = if keys.key.is_some() { "--key" } else { "--app-secret-file" };
                return Err(error).context(format!(
                    "use --app-id, {secret} and --domain together; they cannot be read from this machine",
                ));
            }
            Err(_) => {}
        }
    }
    Ok(FoundKeys { app_id, secret, domain, machine, accepted, rules, warnings })
}

/// The rules by which this machine's server judges tokens.
pub fn token_rules(host: &dyn Host, config: &Config, site: &Site, asked: &Expectations) -> Result<Rules> {
    token_rules::read(host, config, asked, &site.plugin, &site.lua.version, &site.muc)
}
