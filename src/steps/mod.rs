//! The program's table of contents: every step, in order. To add one: a file here with one function, a row in this
//! table, and a test.

mod apt_packages;
mod apt_sources;
mod credentials;
mod jicofo;
mod jitsi_meet_tokens;
mod key_source;
mod lua_modules;
mod moderators_module;
mod options;
mod preflight;
mod prosody_config;
mod prosody_restart;
mod rock_basexx;
mod rock_luajwtjitsi;
mod rockspec;
mod token_keys;
pub mod undo;
mod verify;
mod web_config;

use crate::engine::step::Part::{Daemon, Machine, Proof};
use crate::site::view::Step;

pub use prosody_restart::check as prosody_restart;

/// The steps. The configuration comes before the package, so the package's script finds everything done and leaves
/// rocks and configuration alone.
pub const STEPS: [Step; 18] = [
    Step { id: "preflight", title: "this machine is supported", check: preflight::check, part: Machine },
    Step { id: "apt-sources", title: "packages can be downloaded", check: apt_sources::check, part: Machine },
    Step { id: "apt-packages", title: "build tools are installed", check: apt_packages::check, part: Machine },
    Step { id: "rock-basexx", title: "basexx loads in Prosody's Lua", check: rock_basexx::check, part: Machine },
    Step { id: "rockspec", title: "the rockspec is in place", check: rockspec::check, part: Machine },
    Step { id: "rock-luajwtjitsi", title: "luajwtjitsi works", check: rock_luajwtjitsi::check, part: Machine },
    Step { id: "lua-modules", title: "all other Lua modules load", check: lua_modules::check, part: Machine },
    Step { id: "credentials", title: "app ID and app secret exist", check: credentials::check, part: Machine },
    Step { id: "options", title: "the chosen options are saved", check: options::check, part: Machine },
    Step {
        id: "moderators-module",
        title: "a module reads moderators from tokens",
        check: moderators_module::check,
        part: Machine,
    },
    Step { id: "token-keys", title: "keys and old secrets are in place", check: token_keys::check, part: Machine },
    Step { id: "key-source", title: "the provider's keys can be used", check: key_source::check, part: Machine },
    Step { id: "prosody-config", title: "Prosody requires tokens", check: prosody_config::check, part: Machine },
    Step { id: "web-config", title: "the web page is configured", check: web_config::check, part: Machine },
    Step {
        id: "jitsi-meet-tokens",
        title: "Jitsi's package is installed",
        check: jitsi_meet_tokens::check,
        part: Machine,
    },
    Step {
        id: "prosody-restart",
        title: "Prosody has restarted since the last change",
        check: prosody_restart::check,
        part: Daemon,
    },
    Step { id: "jicofo", title: "jicofo does not choose moderators", check: jicofo::check, part: Machine },
    Step { id: "verify", title: "test logins give the expected results", check: verify::check, part: Proof },
];
