//! How tokens are judged and who gets in without one, as far as the operator has chosen.

use crate::site::oidc::SignOn;
use crate::site::token_keys::AcceptedKey;
use crate::token::Algorithm;

/// The operator's choices. What is not chosen stays as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether people without a token get in too.
    pub allow_empty_token: Option<bool>,
    /// The issuers that are accepted; empty if none were given.
    pub issuers: Vec<String>,
    /// The audiences that are accepted; empty if none were given.
    pub audiences: Vec<String>,
    /// The algorithm that tokens are signed with.
    pub algorithm: Option<Algorithm>,
    /// Whether a token must name the site's domain.
    pub domain_check: Option<bool>,
    /// Whether a token must name a room.
    pub require_room: Option<bool>,
    /// Whether only people with a token may change a room.
    pub moderators_need_token: Option<bool>,
    /// Whether people without a token can wait for somebody with one.
    pub guests: Option<bool>,
    /// Who moderates.
    pub moderators: Option<Moderators>,
    /// The public keys that tokens are checked with instead of the app secret; an empty list goes back to the secret.
    pub public_keys: Option<Vec<AcceptedKey>>,
    /// Whether the web page's configuration should name the host for guests.
    pub web_config: Option<bool>,
    /// The key server, with one file for each key that tokens are checked with.
    pub key_server: Option<Address>,
    /// The names of the keys that the key server is known to have.
    pub kids: Vec<String>,
    /// The document with all keys that tokens are checked with.
    pub jwks: Option<Address>,
    /// How the web page logs people in with an identity provider.
    pub sign_on: Option<SignOn>,
    /// Where the web page sends people who have no token.
    pub login_url: Option<Address>,
    /// Where it sends people who log out.
    pub logout_url: Option<Address>,
}

impl Policy {
    /// Whether tokens are checked with public keys that are on this machine.
    pub fn has_public_keys(&self) -> bool {
        self.public_keys.as_ref().is_some_and(|keys| !keys.is_empty())
    }
}

/// A URL that was chosen, or turned off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Turned off.
    Off,
    /// This URL.
    At(String),
}

impl Address {
    /// The value of a command-line option.
    pub fn given(text: &str) -> Self {
        if text == "off" { Self::Off } else { Self::At(text.to_owned()) }
    }

    /// The URL, if there is one.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Off => None,
            Self::At(url) => Some(url),
        }
    }
}

/// Who moderates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moderators {
    /// Those whose token says so.
    Token,
    /// Whoever jicofo and Jitsi's other modules choose: by default, the first to join.
    All,
}
