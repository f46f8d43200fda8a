//! The virtual host for people without a token, as Jitsi documents it.

use crate::prosody::config::Config;

/// What it is called.
pub fn host_name(domain: &str) -> String {
    format!("guest.{domain}")
}

/// Its name, where the site has one that lets people in.
pub fn served(config: &Config, domain: &str) -> Option<String> {
    let name = host_name(domain);
    let setting = config.option(Some(&name), "authentication")?;
    let open = ["anonymous", "jitsi-anonymous"].contains(&setting.value.as_str()?);
    open.then_some(name)
}
