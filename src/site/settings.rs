//! What the operator wants, validated before anything is looked at.

use std::time::Duration;

use anyhow::{Result, bail};
use rand::Rng;

use crate::host::secret::Secret;
use crate::luarocks::rockspec::Fork;

use crate::site::oidc::Oidc;
pub use crate::site::policy::Policy;

/// The longest accepted ID or secret, in bytes: longer ones are files given by mistake.
const LONGEST: usize = 1024;

/// The example credentials of Jitsi's templates; they count as none.
const EXAMPLES: [&str; 2] = ["example_app_id", "example_app_secret"];

/// An app ID and its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The app ID: the issuer of tokens.
    pub app_id: String,
    /// The secret that tokens are signed with.
    pub app_secret: Secret,
}

impl Credentials {
    /// 16 random bytes each, as 32 upper-case hex digits: what `hexdump` prints in the common how-to (docs/speed.md).
    pub fn generate() -> Self {
        Self { app_id: random_hex(), app_secret: Secret::new(random_hex()) }
    }

    /// Placeholders, for when credentials would be generated but nothing is run: the same every time.
    pub fn announced() -> Self {
        Self { app_id: "generated-by-install".to_owned(), app_secret: Secret::new("secret-generated-by-install") }
    }
}

fn random_hex() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode_upper(bytes)
}

/// What to do with secrets that were replaced and are still accepted.
#[derive(Clone, Debug, Default)]
pub enum EarlierSecrets {
    /// They end as planned.
    #[default]
    Kept,
    /// They end now.
    Ended,
    /// One more is added.
    With {
        /// The secret.
        secret: Secret,
        /// When it ends, in seconds since 1970.
        until: i64,
        /// When this was decided; secrets that had ended by then are removed.
        since: i64,
    },
}

/// The operator's choices.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The site's domain, if it was given.
    pub domain: Option<String>,
    /// The app ID, if it was given.
    pub app_id: Option<String>,
    /// The secret, if it was given.
    pub app_secret: Option<Secret>,
    /// The credentials to use if nobody has chosen any yet.
    pub generated: Credentials,
    /// The rocks server to use instead of luarocks' default.
    pub rocks_server: Option<String>,
    /// The version of luajwtjitsi to install from the rocks server instead of the fork.
    pub luajwtjitsi: Option<String>,
    /// The fork of luajwtjitsi.
    pub fork: Fork,
    /// Where to find packages of a release that has left the mirrors.
    pub apt_archive: String,
    /// How long to wait for other programs' locks.
    pub patience: Duration,
    /// Whether Prosody may be restarted.
    pub restart: bool,
    /// Whether to restore files even if others have changed them since.
    pub force: bool,
    /// What to do with earlier secrets.
    pub earlier: EarlierSecrets,
    /// How tokens are judged.
    pub policy: Policy,
    /// The identity provider whose document completes the policy.
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

/// Rejects what cannot be an ID or a secret. Secrets that applications already use are kept whatever they contain; only
/// empty ones, control characters, more than 1 KiB and the template's examples are rejected.
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

/// Rejects what cannot be an issuer or an audience.
pub fn check_name(name: &str, value: &str) -> Result<()> {
    if value.is_empty() || value.len() > LONGEST || value.chars().any(char::is_control) {
        bail!("invalid {name}: use 1 to {LONGEST} bytes without control characters");
    }
    Ok(())
}

/// Rejects a URL with a password in it, which would be visible in the arguments of luarocks, git or apt, and in logs.
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

/// Whether a value found on the machine counts as none: it is empty, or the template's example.
pub fn is_placeholder(value: &str) -> bool {
    value.is_empty() || EXAMPLES.contains(&value)
}

/// Whether a value found on the machine is a real one, not empty or the template's example.
pub fn is_credential(value: &str) -> bool {
    check_credential("it", value).is_ok()
}

/// The domain in lower case, or why it is invalid. Prosody accepts underscores, and people use them.
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
    fn generated_credentials_are_32_hex_digits() {
        let made = Credentials::generate();
        for value in [made.app_id.as_str(), made.app_secret.reveal()] {
            assert_eq!(value.len(), 32);
            assert!(value.chars().all(|c| c.is_ascii_digit() || ('A'..='F').contains(&c)));
        }
        assert_ne!(made.app_id, made.app_secret.reveal());
    }

    #[test]
    fn unusual_secrets_are_kept_and_invalid_ones_refused() {
        for good in ["a/b+c==", r#"q"uo'te\`$[&"#, "ümlaut", &"x".repeat(1024)] {
            check_credential("the secret", good).unwrap();
        }
        for bad in ["", "a\nb", "a\tb", "\u{7f}", &"x".repeat(1025), "example_app_secret"] {
            check_credential("the secret", bad).unwrap_err();
        }
    }

    #[test]
    fn domains_are_checked_and_lowercased() {
        assert_eq!(check_domain("Meet.Example.org").unwrap(), "meet.example.org");
        assert_eq!(check_domain("my_site.example.org").unwrap(), "my_site.example.org");
        for bad in ["", "a b", "-x.org", "x..org", "http://x.org", "x.org/", "\u{1b}[31m"] {
            check_domain(bad).unwrap_err();
        }
    }
}
