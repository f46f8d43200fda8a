//! The options of `install` that say how tokens are judged and who gets in without one.

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use crate::site::policy::Moderators;
use crate::site::settings::Policy;
use crate::token::Algorithm;

/// How tokens are judged.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tokens (what is left out stays as it is configured)")]
pub struct TokenPolicy {
    /// Let people in without a token too
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub allow_empty_token: Option<Switch>,
    /// Accept tokens of this issuer, and of no other than the ones given; * accepts all (default: the application id)
    #[arg(long, value_name = "ISSUER")]
    pub issuer: Vec<String>,
    /// Accept tokens for this audience, and for no other than the ones given; * accepts all
    #[arg(long, value_name = "AUDIENCE")]
    pub audience: Vec<String>,
    /// What tokens are signed with
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(["HS256", "HS384", "HS512"]))]
    pub signature_algorithm: Option<String>,
    /// Whether a token has to name this site in its `sub`
    #[arg(long, value_name = "on|off")]
    pub domain_check: Option<Switch>,
    /// Whether a token has to name a room
    #[arg(long, value_name = "on|off")]
    pub require_room: Option<Switch>,
    /// Only people with a token may change a room's settings
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub moderators_need_token: Option<Switch>,
    /// People without a token join a room once somebody with a token has opened it, and open none
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub guests: Option<Switch>,
    /// Who moderates: those whose token says so, or, as Jitsi has it by itself, whoever comes first
    #[arg(long, value_name = "token|all")]
    pub moderators: Option<ModeratorsArg>,
    /// Name the guest host in the web page's configuration, /etc/jitsi/meet/DOMAIN-config.js
    #[arg(long)]
    pub web_config: bool,
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
    /// The choices.
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
            web_config: self.web_config,
        }
    }
}
