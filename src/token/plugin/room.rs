//! Entering a room: `verify_room`. The login has already been accepted.

use super::finding::{Consequence, Finding, FindingKind, Stage};
use super::pattern::{self, Capture, Fault};
use super::rules::{Room, Rules, TenantLog};
use super::value::{Crash, TokenValue};
use super::{brief, shown};
use crate::token::room;

/// Stands in for the room when the token opens more than one and none was named.
const SOME_ROOM: &str = "room";

/// What `mod_token_verification` reports if the plugin gives no reason.
const MISMATCH: &str = "Room and token mismatched";

/// The problems when a user with these claims enters a room, or the one that the claims name.
pub(super) fn findings(claims: &TokenValue, rules: &Rules, wanted: Option<&Room>) -> Vec<Finding> {
    let Ok(claimed) = claims.field("room") else {
        return Vec::new();
    };
    let mut door = RoomCheck {
        rules,
        claims,
        room: match wanted {
            Some(room) => Room { name: room.name.to_lowercase(), tenant: room.tenant.clone() },
            None => Room::named(own(claimed, rules)),
        },
        is_named: wanted.is_some(),
        findings: Vec::new(),
    };
    door.enter(claimed);
    door.findings
}

/// The room that a token names, else [`SOME_ROOM`].
fn own(claimed: Option<&TokenValue>, rules: &Rules) -> String {
    match claimed {
        Some(TokenValue::Text(name)) if name != b"*" && !name.is_empty() => {
            String::from_utf8_lossy(name).to_lowercase()
        }
        Some(TokenValue::Number(_)) => claimed
            .and_then(|number| number.joined(rules.lua).ok())
            .map(|name| String::from_utf8_lossy(&name).into_owned())
            .unwrap_or_default(),
        _ => SOME_ROOM.to_owned(),
    }
}

struct RoomCheck<'a> {
    rules: &'a Rules,
    claims: &'a TokenValue,
    room: Room,
    /// Whether the caller named the room.
    is_named: bool,
    findings: Vec<Finding>,
}

/// The room that is finally compared with the address.
enum Compared {
    /// The room itself.
    Any,
    /// This one.
    This(Vec<u8>),
    /// A value that cannot be part of an address.
    Unjoinable,
}

/// Whether the plugin goes on.
enum Goes {
    On(Compared),
    /// It has let the user in, or not.
    Ended,
}

impl RoomCheck<'_> {
    fn note(&mut self, effect: Consequence, kind: FindingKind, claim: &'static str, text: impl Into<String>) {
        self.findings.push(Finding { stage: Stage::Room, effect, kind, claim: Some(claim), text: text.into() });
    }

    /// Only some plugins give the reason.
    fn refuse(&mut self, reason: &str, kind: FindingKind, claim: &'static str, text: impl Into<String>) {
        let said = if self.rules.plugin.explains { reason } else { MISMATCH };
        self.note(Consequence::Refused(said.to_owned()), kind, claim, text);
    }

    fn crash(&mut self, kind: FindingKind, claim: &'static str, value: Option<&TokenValue>, what: &str) {
        let is = value.map_or("missing", TokenValue::kind);
        let text = format!("\"{claim}\" is {is}, and the plugin crashes on it; it must be {what}");
        self.note(Consequence::NoAnswer, kind, claim, text);
    }

    fn no_room(&mut self, claimed: Option<&TokenValue>) {
        let what = "a room's name, or * for every room";
        self.crash(FindingKind::Room, "room", claimed, what);
    }

    fn enter(&mut self, claimed: Option<&TokenValue>) {
        let rules = self.rules;
        let rooms = &rules.rooms;
        if rules.plugin.needs_open_room && rooms.component.is_some() && rooms.mapped != rooms.component {
            let text = "muc_mapper_domain_base is missing or wrong, so the server finds no rooms";
            let kind = FindingKind::Server;
            let said = "Room does not exist".to_owned();
            self.findings.push(Finding {
                stage: Stage::Room,
                effect: Consequence::Refused(said),
                kind,
                claim: None,
                text: text.to_owned(),
            });
        }
        self.pattern_is_read();
        // From here on, false counts as missing.
        let claimed = claimed.filter(|room| room.truth());
        if !rules.domain_verification {
            self.by_name(claimed);
            self.odd_subject();
            return;
        }
        if let Goes::On(compared) = self.compared(claimed) {
            self.tenant();
            self.address(claimed, compared);
        }
    }

    /// Without the domain check: the room's name alone.
    fn by_name(&mut self, claimed: Option<&TokenValue>) {
        let Some(claimed) = claimed else { return };
        let lua = self.rules.lua;
        let odd = self.rules.plugin.keeps_odd_rooms && !matches!(claimed, TokenValue::Text(_));
        let Ok(name) = claimed.lower(lua) else {
            return self.no_room(Some(claimed));
        };
        let node = self.room.node().into_bytes();
        let behind_tenant = [b"]".as_slice(), &name].concat();
        let same = !odd && node == name;
        let of_tenant = self.rules.plugin.strips_tenants && node.ends_with(&behind_tenant);
        if same || of_tenant || name == b"*" {
            self.unreachable_name(claimed);
            return;
        }
        self.other_room("Room does not match the room from token", claimed);
    }

    /// A pattern opens no room where it is treated as a name.
    fn pattern_is_read(&mut self) {
        if self.is_named || self.has_regex_flag() != Ok(true) {
            return;
        }
        let why = if !self.rules.plugin.patterns {
            "which this Jitsi does not support"
        } else if !self.rules.domain_verification {
            "which this Jitsi only supports with enable_domain_verification"
        } else {
            return;
        };
        let text = format!("\"room\" is a pattern, {why}: it opens no room");
        self.refuse(MISMATCH, FindingKind::Pattern, "room", text);
    }

    fn other_room(&mut self, said: &str, claimed: &TokenValue) {
        let text = if self.is_named || !matches!(claimed, TokenValue::Text(_)) {
            format!(
                "for another room: the token opens {}, not \"{}\"",
                shown(claimed),
                brief(self.room.node().as_bytes())
            )
        } else {
            format!("there is no room {}", shown(claimed))
        };
        self.refuse(said, FindingKind::OtherRoom, "room", text);
    }

    /// A name that no room can have, because the web page writes it differently.
    fn unreachable_name(&mut self, claimed: &TokenValue) {
        let TokenValue::Text(name) = claimed else { return };
        let name = String::from_utf8_lossy(name);
        let normal = room::normal(&name);
        if self.is_named || name == "*" || room::same(&normal, &name) {
            return;
        }
        let text =
            format!("there is no room \"{}\": Jitsi calls it \"{}\"", brief(name.as_bytes()), brief(normal.as_bytes()));
        self.refuse(MISMATCH, FindingKind::OtherRoom, "room", text);
    }

    /// Whether the plugin treats the room as a pattern; an error is a crash.
    fn is_pattern(&self) -> Result<bool, Crash> {
        if !self.rules.plugin.patterns {
            return Ok(false);
        }
        self.has_regex_flag()
    }

    /// `context.room.regex`.
    fn has_regex_flag(&self) -> Result<bool, Crash> {
        let context = self.claims.field("context")?;
        let room = match context {
            Some(context) => context.field("room")?,
            None => None,
        };
        let Some(room) = room.filter(|room| room.truth()) else {
            return Ok(false);
        };
        let regex = room.field("regex")?;
        Ok(regex.is_some_and(|regex| *regex == TokenValue::Bool(true) || regex.is("true")))
    }

    /// What to compare with the room's address.
    fn compared(&mut self, claimed: Option<&TokenValue>) -> Goes {
        let plugin = &self.rules.plugin;
        let lua = self.rules.lua;
        if claimed.is_some_and(|room| room.is("*")) {
            return Goes::On(Compared::Any);
        }
        // Older plugins convert any value to text, the newest keep it unchanged.
        if let Some(odd) = claimed.filter(|room| !matches!(room, TokenValue::Text(_))) {
            if !plugin.keeps_odd_rooms && odd.lower(lua).is_err() {
                self.no_room(claimed);
                return Goes::Ended;
            }
        }
        match self.is_pattern() {
            Ok(true) => return self.matched(claimed),
            Ok(false) => {}
            Err(Crash) => {
                let text =
                    "\"context.room\" has no fields, and the plugin crashes on it; leave it out or make it an object";
                self.note(Consequence::NoAnswer, FindingKind::Context, "context.room", text);
                return Goes::Ended;
            }
        }
        match claimed {
            None if !plugin.patterns => {
                self.no_room(claimed);
                Goes::Ended
            }
            None => self.nothing_to_compare(FindingKind::Room, "the token names no room"),
            Some(room) => Goes::On(match room.lower(lua) {
                Ok(name) => Compared::This(name),
                Err(Crash) => Compared::Unjoinable,
            }),
        }
    }

    fn nothing_to_compare(&mut self, kind: FindingKind, text: &str) -> Goes {
        let optional = self.rules.plugin.room_is_optional && !self.rules.require_room;
        if !optional {
            let said = "Room name cannot be matched to the one from token.";
            self.refuse(said, kind, "room", text);
        }
        Goes::Ended
    }

    fn matched(&mut self, claimed: Option<&TokenValue>) -> Goes {
        let guarded = self.rules.plugin.guards_patterns;
        let said = "Room claim is not a valid Lua pattern";
        let Some(Ok(wanted)) = claimed.map(|room| room.lower(self.rules.lua)) else {
            if guarded {
                let text = "\"room\" is not a string, although the token declares it a pattern";
                self.refuse(said, FindingKind::Pattern, "room", text);
            } else {
                self.no_room(claimed);
            }
            return Goes::Ended;
        };
        let node = self.room.node();
        let name = parted(&node).1;
        if !self.is_named {
            // Some room that the pattern matches; only whether the pattern is valid can be checked.
            return match pattern::find(SOME_ROOM.as_bytes(), &wanted) {
                Err(Fault::Malformed) => self.malformed(&wanted),
                _ => Goes::On(Compared::Any),
            };
        }
        let pattern = brief(&wanted);
        match pattern::find(name.as_bytes(), &wanted) {
            Ok(Some(Capture::Text(text))) if text == name.as_bytes() => Goes::On(Compared::Any),
            Ok(Some(found)) => {
                let part = match found {
                    Capture::Text(text) => text,
                    Capture::Place(place) => place.to_string().into_bytes(),
                };
                Goes::On(Compared::This(part))
            }
            Ok(None) => {
                let text = format!(
                    "for another room: the pattern \"{pattern}\" (converted to lower case) does not match \"{}\"",
                    brief(name.as_bytes())
                );
                self.nothing_to_compare(FindingKind::Pattern, &text)
            }
            Err(Fault::Malformed) => self.malformed(&wanted),
            Err(Fault::TooSlow) => {
                let text = format!("the pattern \"{pattern}\" takes too long to match");
                self.note(Consequence::Unknown, FindingKind::Pattern, "room", text);
                Goes::Ended
            }
        }
    }

    fn malformed(&mut self, wanted: &[u8]) -> Goes {
        let pattern = brief(wanted);
        let text = format!("\"{pattern}\" (converted to lower case) is not a valid Lua pattern");
        if self.rules.plugin.guards_patterns {
            let said = "Room claim is not a valid Lua pattern";
            self.refuse(said, FindingKind::Pattern, "room", text);
        } else {
            let text = format!("{text}, and the plugin crashes on it");
            self.note(Consequence::NoAnswer, FindingKind::Pattern, "room", text);
        }
        Goes::Ended
    }

    /// Compares `context.tenant` with the address's tenant: a difference is only logged, but logging can crash.
    fn tenant(&mut self) {
        let Some(log) = self.rules.plugin.tenant else {
            return;
        };
        let context = self.claims.field("context").ok().flatten();
        let inner = |name| context.and_then(|context| context.field(name).ok().flatten());
        let Some(tenant) = inner("tenant").filter(|tenant| tenant.truth()) else {
            return;
        };
        let Ok(own) = tenant.lower(self.rules.lua) else {
            let what = "a text";
            return self.crash(FindingKind::Tenant, "context.tenant", Some(tenant), what);
        };
        let asked = self.room.tenant.as_deref().unwrap_or_default();
        let user = inner("user").filter(|user| user.truth());
        let crashes = user.is_some_and(|user| user.field("id").is_err());
        if own != asked.to_ascii_lowercase().as_bytes() && log == TenantLog::Id && crashes {
            self.crash(FindingKind::Context, "context.user", user, "an object");
        }
    }

    /// Compares the address that the token is for with the room's.
    fn address(&mut self, claimed: Option<&TokenValue>, compared: Compared) {
        let subject = self.claims.field("sub").ok().flatten();
        let domain = subject.map(|subject| subject.lower(self.rules.lua));
        let Some(Ok(domain)) = domain else {
            self.crash(FindingKind::Subject, "sub", subject, "the site's domain");
            return;
        };
        let node = self.room.node();
        let (tenant, name) = parted(&node);
        let rooms = &self.rules.rooms;
        if tenant.is_some() && rooms.component.is_some() && rooms.mapped.is_none() {
            let text = "the server does not support tenants: muc_mapper_domain_base is not set";
            let said = "Misconfiguration of server";
            return self.refuse(said, FindingKind::Server, "sub", text);
        }
        let known = rooms.component.as_deref();
        let host = match tenant {
            Some(_) => rooms.mapped.clone().map(String::into_bytes),
            None if domain == b"*" => rooms.mapped.clone().map(String::into_bytes),
            None => Some([rooms.prefix().as_bytes(), b".", &domain].concat()),
        };
        if host.is_none() && known.is_some() && !self.rules.plugin.patterns {
            let text = "\"sub\" is \"*\", and the plugin crashes on it: muc_mapper_domain_base is not set";
            return self.note(Consequence::NoAnswer, FindingKind::Server, "sub", text);
        }
        // Without muc_mapper_domain_base there is no host to compare with, so nothing matches.
        let right_host = match (known, &host) {
            (None, _) => true,
            (Some(component), Some(host)) => component.as_bytes() == host.as_slice(),
            (Some(_), None) => false,
        };
        let right_tenant = tenant.is_none_or(|own| domain == b"*" || domain == own.as_bytes());
        match compared {
            Compared::Unjoinable if host.is_some() || known.is_none() => self.no_room(claimed),
            Compared::This(text) if text != name.as_bytes() => match claimed {
                Some(TokenValue::Text(pattern)) if self.is_pattern() == Ok(true) => {
                    self.only_part_matches(&pattern.to_ascii_lowercase(), &text);
                }
                Some(claimed) => self.other_room(MISMATCH, claimed),
                None => {}
            },
            _ if !(right_host && right_tenant) => self.other_domain(subject, tenant),
            _ => {
                if let Some(claimed) = claimed.filter(|_| self.is_pattern() != Ok(true)) {
                    self.unreachable_name(claimed);
                }
            }
        }
    }

    fn only_part_matches(&mut self, pattern: &[u8], text: &[u8]) {
        let text = format!(
            "for another room: the pattern \"{}\" matches \"{}\", not the whole name \"{}\"",
            brief(pattern),
            brief(text),
            brief(self.room.name.as_bytes())
        );
        self.refuse(MISMATCH, FindingKind::Pattern, "room", text);
    }

    fn other_domain(&mut self, subject: Option<&TokenValue>, tenant: Option<&str>) {
        let own = subject.map_or_else(|| "missing".to_owned(), shown);
        let text = match (tenant, &self.rules.domain) {
            (Some(tenant), _) => {
                format!("wrong tenant: \"sub\" is {own}, the room's tenant is \"{tenant}\"")
            }
            (None, Some(domain)) => format!("wrong domain: \"sub\" is {own}, the site is \"{domain}\""),
            (None, None) => format!("wrong domain: \"sub\" is {own}"),
        };
        self.refuse(MISMATCH, FindingKind::Subject, "sub", text);
    }

    /// What another server would object to in this `sub`.
    fn odd_subject(&mut self) {
        let subject = self.claims.field("sub").ok().flatten();
        let domain = self.rules.domain.as_deref();
        let text = match subject {
            None if self.rules.plugin.needs_sub => return,
            None => "\"sub\" is missing".to_owned(),
            Some(TokenValue::Text(text)) => {
                let other = |domain: &&str| text != b"*" && !text.eq_ignore_ascii_case(domain.as_bytes());
                match domain.filter(other) {
                    Some(domain) => format!("\"sub\" is \"{}\", the site is \"{domain}\"", brief(text)),
                    None => return,
                }
            }
            Some(other) => format!("\"sub\" is {}, not a string", other.kind()),
        };
        let text = format!("{text} (not checked by this server)");
        self.note(Consequence::Odd, FindingKind::Subject, "sub", text);
    }
}

/// The tenant and the name in `[tenant]name`.
fn parted(node: &str) -> (Option<&str>, &str) {
    let parts = node.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match parts {
        Some((tenant, name)) if !tenant.is_empty() && !name.is_empty() => (Some(tenant), name),
        _ => (None, node),
    }
}
