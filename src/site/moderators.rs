//! Who moderates: the module that decides by the token, Jitsi's own if it is installed, else ours.

use std::path::Path;

use anyhow::Result;

use crate::host::Host;
use crate::lua::value::Value;
use crate::prosody::config::Config;
use crate::prosody::config::edit::Assignment;
use crate::prosody::plugin::FOLDER;
use crate::site::guests;
use crate::site::own_module::OwnModule;
use crate::site::policy::{Moderators, Policy};

/// Jitsi's module, since June 2026.
pub const JITSIS: &str = "token_affiliation";

/// Our module for older plugins; it reads the same claims.
pub const OURS: &str = "jts_token_affiliation";

/// Our module.
pub const MODULE: OwnModule =
    OwnModule { name: OURS, text: include_str!("../../templates/mod_jts_token_affiliation.lua") };

/// The module that makes everybody a moderator.
const EVERYBODY: &str = "muc_allowners";

/// Keeps Jitsi's `muc_wait_for_host` from making owners of those whom guests wait for.
const NO_OWNERS: &str = "wait_for_host_disable_auto_owners";

/// The name of the module to use.
///
/// # Errors
/// If the folder cannot be read.
pub fn module(host: &dyn Host) -> Result<&'static str> {
    let shipped = host.exists(&Path::new(FOLDER).join(format!("mod_{JITSIS}.lua")))?;
    Ok(if shipped { JITSIS } else { OURS })
}

/// Modules of the rooms' component, and whether to enable or disable them.
///
/// # Errors
/// If the folder cannot be read.
pub fn room_modules(host: &dyn Host, policy: &Policy) -> Result<Vec<(&'static str, bool)>> {
    Ok(match policy.moderators {
        None => vec![],
        Some(Moderators::All) => vec![(JITSIS, false), (OURS, false)],
        Some(Moderators::Token) => {
            let wanted = module(host)?;
            let other = if wanted == JITSIS { OURS } else { JITSIS };
            vec![(wanted, true), (other, false), (EVERYBODY, false)]
        }
    })
}

/// Options of the rooms' component that go with the chosen moderators.
pub fn room_options(config: &Config, muc: &str, policy: &Policy) -> Vec<Assignment> {
    let waits = policy.guests == Some(true) || policy.guests.is_none() && guests::wait_for_host(config, muc);
    let is_on = config.option(Some(muc), NO_OWNERS).is_some_and(|setting| setting.value == Value::Bool(true));
    match policy.moderators {
        Some(Moderators::Token) if waits => vec![(NO_OWNERS, Value::Bool(true))],
        Some(Moderators::All) if is_on => vec![(NO_OWNERS, Value::Bool(false))],
        _ => vec![],
    }
}

/// Whether this configuration promises that a token decides who moderates.
pub fn by_token(config: &Config, muc: &str) -> bool {
    let enabled = config.option(Some(muc), "modules_enabled");
    enabled.is_some_and(|setting| [JITSIS, OURS].iter().any(|module| setting.value.lists(module)))
}
