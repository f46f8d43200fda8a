//! What the operator asked for, validated before anything is looked at.

use std::time::Duration;

use anyhow::{Result, bail};
use rand::Rng;

use crate::host::secret::Secret;
use crate::luarocks::rockspec::Fork;

use crate::site::oidc::Oidc;
pub use crate::site::policy::Policy;

/// The longest id or secret that is taken, in bytes: longer ones are files given by mistake.
const LONGEST: usize = 1024;

/// What Jitsi's templates have in place of credentials; they count as none.
const EXAMPLES: [&str; 2] = ["example_app_id", "example_app_secret"];

/// An application id and its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The application id: the issuer of tokens.
    pub app_id: String,
    /// The secret that tokens are signed with.
    pub app_secret: Secret,
}

impl Credentials {
    /// 16 random bytes each, as 32 upper-case hex digits: what the tutorial's `hexdump` prints.
    pub fn generate() -> Self {
        Self { app_id: random_hex(), app_secret: Secret::new(random_hex()) }
    }

    /// What stands for them where they would be generated and nothing is run: the same whenever somebody looks.
    pub fn announced() -> Self {
        Self { app_id: "generated-by-install".to_owned(), app_secret: Secret::new("secret-generated-by-install") }
    }
}

fn random_hex() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode_upper(bytes)
}

/// What becomes of secrets that were replaced and are still accepted.
#[derive(Clone, Debug, Default)]
pub enum EarlierSecrets {
    /// They end when it was said.
    #[default]
    Kept,
    /// They end now.
    Ended,
    /// One more.
    With {
        /// The secret.
        secret: Secret,
        /// When it ends, in seconds since 1970.
        until: i64,
        /// When this was decided; those that had ended by then go.
        since: i64,
    },
}

/// The operator's choices.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The site's domain, if it was named.
    pub domain: Option<String>,
    /// The application id, if it was given.
    pub app_id: Option<String>,
    /// The secret, if it was given.
    pub app_secret: Option<Secret>,
    /// What is used where nobody has chosen credentials yet.
    pub generated: Credentials,
    /// The rocks server to ask instead of luarocks' own.
    pub rocks_server: Option<String>,
    /// The version of luajwtjitsi to take from the rocks server instead of the fork.
    pub luajwtjitsi: Option<String>,
    /// The fork of the tutorial.
    pub fork: Fork,
    /// Where packages of a release that left the mirrors are.
    pub apt_archive: String,
    /// How long to wait for other programs' locks.
    pub patience: Duration,
    /// Whether Prosody may be restarted.
    pub restart: bool,
    /// Whether files that others changed since are put back all the same.
    pub force: bool,
    /// What becomes of earlier secrets.
    pub earlier: EarlierSecrets,
    /// How tokens are judged.
    pub policy: Policy,
    /// The identity provider whose document completes that.
    pub oidc: Option<Oidc>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            domain: None,
            app_id: None,
            app_secret: None,
            generated: Credentials::generate(),
            rocks_server: None,
            luajwtjitsi: None,
            fork: Fork::default(),
            apt_archive: "http://archive.debian.org/debian".to_owned(),
            patience: Duration::from_secs(300),
            restart: true,
            force: false,
            earlier: EarlierSecrets::Kept,
            policy: Policy::default(),
            oidc: None,
        }
    }
}

/// Refuses what cannot be an id or a secret. Secrets that people already gave to their applications are kept whatever
/// they contain; only nothing at all, control characters and more than 1 KiB are refused.
pub fn check_credential(name: &str, value: &str) -> Result<()> {
    if value.is_empty() {
        bail!("{name} is empty; leave it out to keep the current one or generate one");
    }
    if value.len() > LONGEST {
        bail!("{name} is too long (limit: {LONGEST} bytes); is this the right file?");
    }
    if value.chars().any(char::is_control) {
        bail!("{name} contains a control character, such as a line break or a tab; remove it");
    }
    if EXAMPLES.contains(&value) {
        bail!("{name} is the example from Jitsi's template, which is public; choose another");
    }
    Ok(())
}

/// Refuses what cannot be an issuer or an audience.
pub fn check_name(name: &str, value: &str) -> Result<()> {
    if value.is_empty() || value.len() > LONGEST || value.chars().any(char::is_control) {
        bail!("invalid {name}: use 1 to {LONGEST} bytes without control characters");
    }
    Ok(())
}

/// Refuses an address with a password in it: it would be seen in the arguments of luarocks, git or apt, and in logs.
///
/// # Errors
/// What to do instead.
pub fn check_address(option: &str, address: &str) -> Result<()> {
    let after = address.split_once("://").map_or(address, |(_, after)| after);
    let authority = after.split('/').next().unwrap_or_default();
    if authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':')) {
        bail!(
            "the URL of {option} contains a password, which every user of this machine could see; put it in \
             /root/.netrc"
        );
    }
    Ok(())
}

/// Whether a value found on the machine is really one, and not empty or the template's example.
pub fn is_credential(value: &str) -> bool {
    check_credential("it", value).is_ok()
}

/// The domain in lower case, or why it is none. Prosody takes underscores too, and so do people.
pub fn check_domain(domain: &str) -> Result<String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if domain.len() > 253 || !domain.split('.').all(label) {
        let shown: String = domain.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        bail!("invalid domain \"{shown}\"; use for example --domain meet.example.org");
    }
    Ok(domain.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_credentials_look_like_the_tutorials() {
        let made = Credentials::generate();
        for value in [made.app_id.as_str(), made.app_secret.reveal()] {
            assert_eq!(value.len(), 32);
            assert!(value.chars().all(|c| c.is_ascii_digit() || ('A'..='F').contains(&c)));
        }
        assert_ne!(made.app_id, made.app_secret.reveal());
    }

    #[test]
    fn strange_secrets_are_kept_and_impossible_ones_refused() {
        for good in ["a/b+c==", r#"q"uo'te\`$[&"#, "ümlaut", &"x".repeat(1024)] {
            check_credential("the secret", good).unwrap();
        }
        for bad in ["", "a\nb", "a\tb", "\u{7f}", &"x".repeat(1025), "example_app_secret"] {
            check_credential("the secret", bad).unwrap_err();
        }
    }

    #[test]
    fn domains_are_checked_and_lowered() {
        assert_eq!(check_domain("Meet.Example.org").unwrap(), "meet.example.org");
        assert_eq!(check_domain("my_site.example.org").unwrap(), "my_site.example.org");
        for bad in ["", "a b", "-x.org", "x..org", "http://x.org", "x.org/", "\u{1b}[31m"] {
            check_domain(bad).unwrap_err();
        }
    }
}
