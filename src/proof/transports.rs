//! The transports over which a proof makes no login, and why.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::report::{self, NotTried};
use crate::login::Transport;
use crate::prosody::config::Config;
use crate::site::facts::Site;

/// Why no login was made over a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotTriedKind {
    /// Prosody does not serve it.
    NotEnabled,
    /// Another one was selected (`--transport`).
    NotSelected,
    /// This command tests only one.
    OnlyOne,
}

/// The transports that are not in `tried`; `selected` is whether the operator chose those.
pub fn not_tried(site: &Site, config: &Config, tried: &[Transport], selected: bool) -> Vec<NotTried> {
    let others = [Transport::Bosh, Transport::WebSocket].into_iter().filter(|other| !tried.contains(other));
    let because = |transport: Transport| {
        let (kind, reason) = if selected {
            (NotTriedKind::NotSelected, "--transport selects another one".to_owned())
        } else if site.serves(config, transport) {
            (NotTriedKind::OnlyOne, "`jitsi-tokens-setup verify` tests both".to_owned())
        } else {
            let reason = format!("\"{}\" is not in modules_enabled of {}", transport.module(), site.domain);
            (NotTriedKind::NotEnabled, reason)
        };
        NotTried { transport: report::id(transport), id: report::id(kind), reason }
    };
    others.map(because).collect()
}
