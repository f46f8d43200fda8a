//! Turns an answer into a line of the report: what was tried, what happened, and why.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::verdict::only_jicofo_opens;
use crate::engine::report::{self, Probe, ProbeKind, ProbeOutcome, Role};
use crate::login::{Join, Login, Standing, Transport};

/// The group of a line, in reading order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Who can log in.
    WhoGetsIn,
    /// People without a token, on the virtual host for guests.
    Guests,
    /// Who moderates.
    Moderators,
    /// Recorders and transcribers.
    Recorders,
    /// Signatures.
    Signature,
    /// Times.
    Time,
    /// Other claims.
    Claims,
    /// The given token.
    ThisToken,
}

/// A line that is not one of the planned logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtherLine {
    /// The room that the token names.
    RightRoom,
    /// Another room.
    WrongRoom,
    /// A room entered with a token for every room.
    EveryRoom,
    /// A room entered with another site's token.
    OtherSiteRoom,
    /// An empty room, entered by a guest.
    GuestAloneRoom,
    /// A room where somebody with a token is, entered by a guest.
    GuestWithHostRoom,
    /// An empty room, entered without a token on the site's own host.
    NoTokenAloneRoom,
    /// A room entered with a moderator's token.
    ModeratorRoom,
    /// A room entered with an ordinary token.
    PlainTokenRoom,
    /// A room where somebody with a token is, entered by a recorder's account.
    RecorderRoom,
    /// The role that a moderator's token gives.
    ModeratorRole,
    /// The role that an ordinary token gives to the first person in a room.
    PlainTokenRole,
    /// The replaced credentials.
    OldCredentials,
    /// The given token.
    GivenToken,
    /// The room for the given token.
    GivenTokenRoom,
}

impl fmt::Display for OtherLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RightRoom => "right room",
            Self::WrongRoom => "wrong room",
            Self::EveryRoom => "every room",
            Self::OtherSiteRoom => "room with that token",
            Self::GuestAloneRoom => "its room",
            Self::GuestWithHostRoom => "their room",
            Self::NoTokenAloneRoom => "that room",
            Self::ModeratorRoom | Self::PlainTokenRoom => "a room of its own",
            Self::RecorderRoom => "a room without a token",
            Self::ModeratorRole | Self::PlainTokenRole => "its role there",
            Self::OldCredentials => "old credentials",
            Self::GivenToken => "login",
            Self::GivenTokenRoom => "room",
        })
    }
}

/// What lines have in common.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    pub group: Group,
    pub transport: Transport,
}

impl Lines {
    /// A login, and whether it should be accepted.
    pub fn login<Id: Serialize + fmt::Display>(self, id: Id, accepted: bool, login: &Login, ok: bool) -> Probe {
        let expected = if accepted { ProbeOutcome::Accepted } else { ProbeOutcome::Refused };
        let outcome = match login {
            Login::Accepted => ProbeOutcome::Accepted,
            Login::Refused { .. } => ProbeOutcome::Refused,
            Login::NoMechanism { .. } => ProbeOutcome::NoTokenLogin,
            Login::EncryptionDemanded => ProbeOutcome::EncryptionRequired,
            Login::NoAnswer => ProbeOutcome::NoAnswer,
            Login::Down(_) => ProbeOutcome::Unreachable,
            Login::NotMade(_) => ProbeOutcome::NotTested,
            Login::Stranger { .. } => ProbeOutcome::OtherServer,
            Login::StreamError(_) => ProbeOutcome::SessionEnded,
        };
        let line = Probe { reason: login.reason(), said: login.to_string(), ..self.line(ProbeKind::Login, id) };
        Probe { expected, outcome, ok, ..line }
    }

    /// A room, and whether it should be entered.
    pub fn room(self, id: OtherLine, enters: bool, join: &Join, ok: bool) -> Probe {
        let expected = if enters { ProbeOutcome::Entered } else { ProbeOutcome::Refused };
        let outcome = match join {
            Join::Entered => ProbeOutcome::Entered,
            Join::Refused { .. } if only_jicofo_opens(join) => ProbeOutcome::NotOpened,
            Join::Refused { .. } => ProbeOutcome::Refused,
            Join::NoAnswer => ProbeOutcome::NoAnswer,
        };
        let line = Probe { reason: join.reason(), said: join.to_string(), ..self.line(ProbeKind::Room, id) };
        Probe { expected, outcome, ok, ..line }
    }

    /// Somebody's role in a room, and whether they should moderate.
    pub fn role(self, moderates: bool, standing: &Standing) -> Probe {
        let outcome = |moderates| if moderates { ProbeOutcome::Moderator } else { ProbeOutcome::NotModerator };
        let moderator = standing.role == "moderator";
        let id = if moderates { OtherLine::ModeratorRole } else { OtherLine::PlainTokenRole };
        let Standing { role, affiliation } = standing.clone();
        Probe {
            expected: outcome(moderates),
            outcome: outcome(moderator),
            role: Some(Role { role, affiliation }),
            ok: moderator == moderates,
            said: standing.to_string(),
            ..self.line(ProbeKind::Role, id)
        }
    }

    fn line(self, kind: ProbeKind, id: impl Serialize + fmt::Display) -> Probe {
        Probe {
            name: id.to_string(),
            id: report::id(id),
            kind,
            group: report::id(self.group),
            transport: report::id(self.transport),
            room: None,
            expected: ProbeOutcome::Accepted,
            outcome: ProbeOutcome::NoAnswer,
            reason: None,
            role: None,
            ok: false,
            said: String::new(),
        }
    }
}
