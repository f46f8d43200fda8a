//! How tokens are judged and who gets in without one, as far as the operator has chosen.

use crate::site::oidc::SignOn;
use crate::site::token_keys::AcceptedKey;
use crate::token::Algorithm;

/// The choices. What is not chosen stays as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether people get in without a token too.
    pub allow_empty_token: Option<bool>,
    /// The issuers that are accepted; none given if empty.
    pub issuers: Vec<String>,
    /// The audiences that are accepted; none given if empty.
    pub audiences: Vec<String>,
    /// What tokens are signed with.
    pub algorithm: Option<Algorithm>,
    /// Whether a token has to name the site's domain.
    pub domain_check: Option<bool>,
    /// Whether a token has to name a room.
    pub require_room: Option<bool>,
    /// Whether only people with a token may change a room.
    pub moderators_need_token: Option<bool>,
    /// Whether people without a token can wait for somebody with one.
    pub guests: Option<bool>,
    /// Who moderates.
    pub moderators: Option<Moderators>,
    /// The public keys that tokens are checked with in place of the app secret; none of them takes that back.
    pub public_keys: Option<Vec<AcceptedKey>>,
    /// Whether the web page is to be told of it.
    pub web_config: bool,
    /// The server with a file for each key that tokens are checked with.
    pub key_server: Option<Address>,
    /// The names of the keys that it is known to have.
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

/// An address that was chosen, or taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// None.
    Off,
    /// This one.
    At(String),
}

impl Address {
    /// What was given on the command line.
    pub fn given(text: &str) -> Self {
        if text == "off" { Self::Off } else { Self::At(text.to_owned()) }
    }

    /// The address, if there is one.
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
    /// Whoever jicofo and Jitsi's other modules choose: by default the first who comes.
    All,
}
