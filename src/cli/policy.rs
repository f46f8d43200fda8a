//! The options of `install` that control how tokens are judged and who gets in without one.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use crate::site::policy::{Address, Moderators};
use crate::site::settings::Policy;
use crate::token::Algorithm;

/// What tokens must contain.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tokens (options left out keep their current value)")]
pub struct TokenPolicy {
    /// Allow people to join without a token
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", hide_possible_values = true)]
    pub allow_empty_token: Option<Switch>,
    /// Accept only this issuer (repeatable or comma-separated; * for any) [default: the app ID]
    #[arg(long, value_name = "ISSUER", value_delimiter = ',')]
    pub issuer: Vec<String>,
    /// Accept only this audience (repeatable or comma-separated; * for any)
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    pub audience: Vec<String>,
    /// Algorithm that tokens are signed with: HS256, HS384 or HS512
    #[arg(long, value_name = "NAME", hide_possible_values = true,
        value_parser = PossibleValuesParser::new(["HS256", "HS384", "HS512"]))]
    pub signature_algorithm: Option<String>,
    /// Require the token's `sub` to be this site's domain
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", hide_possible_values = true)]
    pub domain_check: Option<Switch>,
    /// Require the token to name a room
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", hide_possible_values = true)]
    pub require_room: Option<Switch>,
    /// Allow only people with a token to change a room's settings
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", hide_possible_values = true)]
    pub moderators_need_token: Option<Switch>,
    /// Let people without a token join a room, once somebody with a token is in it
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", hide_possible_values = true)]
    pub guests: Option<Switch>,
    /// Who moderates: people whose token says so, or everybody who opens a room (Jitsi's default)
    #[arg(long, value_name = "token|all", hide_possible_values = true)]
    pub moderators: Option<ModeratorsArg>,
    /// Accept tokens signed with this RSA key, instead of the app secret: a PEM file with the public key (repeatable; off for
    /// none)
    #[arg(long, value_name = "FILE|off")]
    pub public_key: Vec<PathBuf>,
    /// Key ID of each --public-key, in the same order [default: the key's thumbprint, RFC 7638], or of a key that the
    /// --key-server has
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub kid: Vec<String>,
    /// Check tokens with the keys of this server (URL/SHA-256-OF-KID.pem) instead of the app secret; off to undo
    #[arg(long, value_name = "URL|off")]
    pub key_server: Option<String>,
    /// Check tokens with the keys in this document (JWKS, or certificates by kid) instead of the app secret; off to undo
    #[arg(long, value_name = "URL|off")]
    pub jwks: Option<String>,
    /// Set the guests' virtual host in /etc/jitsi/meet/DOMAIN-config.js
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", hide_possible_values = true)]
    pub web_config: Option<Switch>,
    /// Log people in with this identity provider (OIDC): keys, login page and claims from its discovery document; off to
    /// undo
    #[arg(long, value_name = "ISSUER-URL|off")]
    pub oidc: Option<String>,
    /// The client ID of Jitsi's page at that provider
    #[arg(long, value_name = "ID", requires = "oidc")]
    pub client_id: Option<String>,
    /// Have the web page send people without a token to this login page; off to undo
    #[arg(long, value_name = "URL|off")]
    pub login_url: Option<String>,
    /// Have the web page send people who log out to this page; off to undo
    #[arg(long, value_name = "URL|off")]
    pub logout_url: Option<String>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Yes
    On,
    /// No
    Off,
}

/// Who moderates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeratorsArg {
    /// Those whose token says so
    Token,
    /// Whoever comes first
    All,
}

impl TokenPolicy {
    /// Whether a key server is chosen; the key IDs are those of its keys then.
    pub fn has_key_server(&self) -> bool {
        self.key_server.as_deref().map(Address::given).is_some_and(|address| address != Address::Off)
    }

    /// The options as a [`Policy`], without what has to be read from files or from the provider.
    pub fn policy(&self) -> Policy {
        let on = |switch: Option<Switch>| switch.map(|switch| switch == Switch::On);
        Policy {
            allow_empty_token: on(self.allow_empty_token),
            issuers: self.issuer.clone(),
            audiences: self.audience.clone(),
            algorithm: self.signature_algorithm.as_deref().and_then(Algorithm::named),
            domain_check: on(self.domain_check),
            require_room: on(self.require_room),
            moderators_need_token: on(self.moderators_need_token),
            guests: on(self.guests),
            moderators: self.moderators.map(|chosen| match chosen {
                ModeratorsArg::Token => Moderators::Token,
                ModeratorsArg::All => Moderators::All,
            }),
            // Read later, with the other files.
            public_keys: None,
            web_config: on(self.web_config),
            key_server: self.key_server.as_deref().map(Address::given),
            kids: if self.has_key_server() { self.kid.clone() } else { Vec::new() },
            jwks: self.jwks.as_deref().map(Address::given),
            // Read later, from the provider.
            sign_on: None,
            login_url: self.login_url.as_deref().map(Address::given),
            logout_url: self.logout_url.as_deref().map(Address::given),
        }
    }
}
