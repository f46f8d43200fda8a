//! The server's side of the decision about a token: which plugins are installed, and how they are configured.

use super::value::Lua;
use crate::host::secret::Secret;
use crate::token::algorithm::Algorithm;
use crate::token::key::NamedKey;

/// How plugins differ in what they do with a token. Jitsi's changes have dates; a plugin is identified by the month of
/// its release ([`PluginModel::of`]) or by its own text, where that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PluginModel {
    /// Calls `jwt.decode` of a 1.x or 2.x rock, which accepts any algorithm that a token names; else `jwt.verify`.
    pub decode: bool,
    /// It reads `context.room.regex`.
    pub patterns: bool,
    /// A room that is not a string is compared unchanged; before that, it is converted to text.
    pub keeps_odd_rooms: bool,
    /// Without the domain check, a tenant's room is also compared without the tenant.
    pub strips_tenants: bool,
    /// If the token has no room, and none is required, the room is not compared.
    pub room_is_optional: bool,
    /// What it does if a room is required and the token has none.
    pub missing_room: MissingRoom,
    /// It reads `context.tenant`.
    pub tenant: Option<TenantLog>,
    /// A pattern that Lua rejects is refused; otherwise the plugin crashes on it.
    pub guards_patterns: bool,
    /// A token without `sub` is rejected at the login.
    pub needs_sub: bool,
    /// A room must already be open in the component that `muc_mapper_domain_base` names.
    pub needs_open_room: bool,
    /// It gives reasons for refusing a room or an expired token.
    pub explains: bool,
}

/// What happens to a token without a room where one is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingRoom {
    /// Rejected before the audience is checked.
    Refused,
    /// The plugin answers in a form that ends the connection.
    Crash,
    /// Rejected after all other checks of the login except that of `sub`.
    RefusedLast,
}

/// What a plugin logs about a user whose tenant is not the address's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantLog {
    /// The whole user, whatever its type.
    User,
    /// The user's `id`, which a user that is not an object does not have.
    Id,
}

impl PluginModel {
    /// The newest known plugins.
    pub const NEWEST: Self = Self::of(2026, 8);

    /// What Jitsi's plugins of this month do. Between February 2024 and August 2026 the exact months are not known.
    pub const fn of(year: u32, month: u32) -> Self {
        let date = year * 12 + month;
        let newest = date >= 2025 * 12 + 11;
        let decode = date < 2022 * 12 + 4;
        Self {
            decode,
            patterns: date >= 2021 * 12 + 6,
            keeps_odd_rooms: date >= 2023 * 12 + 11,
            strips_tenants: date >= 2022 * 12 + 7,
            room_is_optional: date >= 2023 * 12 + 10,
            missing_room: match (decode, newest) {
                (true, _) => MissingRoom::Refused,
                (false, false) => MissingRoom::Crash,
                (false, true) => MissingRoom::RefusedLast,
            },
            tenant: match (date >= 2024 * 12 + 2, newest) {
                (false, _) => None,
                (true, false) => Some(TenantLog::User),
                (true, true) => Some(TenantLog::Id),
            },
            guards_patterns: newest,
            needs_sub: newest,
            needs_open_room: newest,
            explains: newest,
        }
    }

    /// Whether plugins of this month compare `sub` by default.
    pub const fn checks_domains(year: u32, month: u32) -> bool {
        year * 12 + month >= 2022 * 12 + 7
    }
}

/// A release of Jitsi, by month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PluginRelease {
    /// The year, 2020 or later.
    pub year: u32,
    /// The month, from 1.
    pub month: u32,
}

impl PluginRelease {
    /// Parses `2023-12`, or `2023`, which means its last month.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (year, month) = text.split_once('-').unwrap_or((text, "12"));
        let number = |text: &str, digits| {
            let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse().ok()).flatten()
        };
        match (number(year, 4), number(month, 2)) {
            (Some(year @ 2020..), Some(month @ 1..=12)) => Ok(Self { year, month }),
            (Some(..2020), _) => Err("releases before 2020 are not supported".to_owned()),
            _ => Err("use the release's month, such as 2023-12, or its year".to_owned()),
        }
    }

    /// What the plugins of that release do.
    pub fn plugin(self) -> PluginModel {
        PluginModel::of(self.year, self.month)
    }

    /// Whether they compare `sub` by default.
    pub fn checks_domains(self) -> bool {
        PluginModel::checks_domains(self.year, self.month)
    }
}

/// Where keys come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PluginKeys {
    /// `app_secret`.
    #[default]
    Secret,
    /// One public key, however the plugin gets it.
    Public,
    /// `asap_key_server` or `cache_keys_url`: a public key for each `kid`.
    Server,
}

/// Where the rooms are.
#[derive(Clone, Debug, Default)]
pub struct Rooms {
    /// The component, `conference.DOMAIN`; `None` if unknown.
    pub component: Option<String>,
    /// `muc_mapper_domain_prefix`.
    pub prefix: Option<String>,
    /// The component that `muc_mapper_domain` or `muc_mapper_domain_base` names; `None` if neither is set.
    pub mapped: Option<String>,
}

impl Rooms {
    /// As in Jitsi's own configuration of a site.
    pub fn of_site(domain: &str) -> Self {
        let component = format!("conference.{}", domain.to_ascii_lowercase());
        Self { prefix: None, mapped: Some(component.clone()), component: Some(component) }
    }

    /// The first part of the component's name.
    pub fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or("conference")
    }
}

/// The server that a token is for. What is unknown is not compared.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Its plugins.
    pub plugin: PluginModel,
    /// The Lua version that runs them.
    pub lua: Lua,
    /// Where its keys come from.
    pub keys: PluginKeys,
    /// The public keys that our module accepts; `None` if keys come from elsewhere, or are unknown.
    pub public_keys: Option<Vec<NamedKey>>,
    /// Replaced secrets that our module still accepts.
    pub earlier_secrets: Vec<Secret>,
    /// `signature_algorithm`: the only one that `jwt.verify` accepts; `None` if unknown.
    pub algorithm: Option<Algorithm>,
    /// Issuers that it accepts: `asap_accepted_issuers`, or the app ID; `*` accepts any. `None` if unknown.
    pub issuers: Option<Vec<String>>,
    /// Audiences that it accepts: `asap_accepted_audiences`; `*` accepts any.
    pub audiences: Vec<String>,
    /// `enable_domain_verification`: whether it compares `sub`.
    pub domain_verification: bool,
    /// `asap_require_room_claim`.
    pub require_room: bool,
    /// The site's domain; `None` if unknown.
    pub domain: Option<String>,
    /// Where its rooms are.
    pub rooms: Rooms,
}

impl Default for Rules {
    /// The newest Jitsi as shipped, with nothing known about the site.
    fn default() -> Self {
        Self {
            plugin: PluginModel::NEWEST,
            lua: Lua::Lua54,
            keys: PluginKeys::Secret,
            public_keys: None,
            earlier_secrets: Vec::new(),
            algorithm: None,
            issuers: None,
            audiences: vec!["*".to_owned()],
            domain_verification: true,
            require_room: true,
            domain: None,
            rooms: Rooms::default(),
        }
    }
}

/// A room that a user wants to enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its name as it reaches the server.
    pub name: String,
    /// The tenant in its URL, `https://DOMAIN/TENANT/ROOM`.
    pub tenant: Option<String>,
}

impl Room {
    /// A room without a tenant.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), tenant: None }
    }

    /// The part of its address on the server before the `@`.
    pub(super) fn node(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("[{}]{}", tenant.to_ascii_lowercase(), self.name),
            None => self.name.clone(),
        }
    }
}
