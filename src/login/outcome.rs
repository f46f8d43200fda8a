//! What a server answers to a login and to entering a room, and how that is worded.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::net::HttpFault;

/// The server's answer to the login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// Logged in.
    Accepted,
    /// Rejected by the authentication.
    Refused {
        /// The condition, such as `not-allowed`.
        condition: String,
        /// The reason in the server's words; may be empty.
        text: String,
    },
    /// The server offers no anonymous login: the token plugin is not loaded.
    NoMechanism {
        /// What it offers instead.
        offered: Vec<String>,
    },
    /// The server does not authenticate over a connection that it does not consider encrypted.
    EncryptionDemanded,
    /// Neither yes nor no: the token plugin crashed.
    NoAnswer,
    /// This program did not make the login, or did not learn how it ended; says why.
    NotMade(String),
    /// Nobody is there, or nothing was answered at all.
    Down(HttpFault),
    /// Somebody else answered.
    Stranger {
        /// The HTTP status, if it was HTTP.
        status: Option<u16>,
        /// What it looks like.
        what: String,
    },
    /// The server ended the session with this condition (`host-unknown`, `improper-addressing`).
    StreamError(String),
}

/// The server's answer to entering one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Join {
    /// In the room.
    Entered,
    /// Not let in.
    Refused {
        /// The condition, such as `not-allowed`.
        condition: String,
        /// The reason in the server's words; may be empty.
        text: String,
        /// The name of Jitsi's own element in the error (`room-does-not-exist`, `room-mismatch`).
        element: Option<String>,
    },
    /// Neither in nor refused.
    NoAnswer,
}

impl Join {
    /// Why it was refused: in the server's words if it gave a reason.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Entered | Self::NoAnswer => None,
            Self::Refused { condition, text, element } => {
                let text = element.as_deref().filter(|_| text.is_empty()).unwrap_or(text);
                Some(reason(condition, text).to_owned())
            }
        }
    }
}

/// What a user is in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// `moderator`, `participant`.
    pub role: String,
    /// `owner`, `member`, `none`.
    pub affiliation: String,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.role, self.affiliation)
    }
}

/// Jicofo's answer to a request for rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Focus {
    /// The rooms are open.
    Ready,
    /// It is there, but did not open them in time.
    NotReady,
    /// It was not asked to open them; the server knows its address.
    Unasked,
    /// It refused, or the server did on its behalf.
    Refused {
        /// The condition; `service-unavailable` if nobody is behind its address.
        condition: String,
        /// The reason in its words; may be empty.
        text: String,
    },
    /// It did not answer.
    NoAnswer,
}

impl Focus {
    /// Whether nobody is there: the errors that a server returns for a component or an account without a connection.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Refused { condition, .. } => {
                ["service-unavailable", "item-not-found", "recipient-unavailable"].contains(&condition.as_str())
                    || condition.starts_with("remote-server")
            }
            _ => false,
        }
    }
}

impl Login {
    /// The reason, where there is more to say than the variant does: in the server's words if it gave one.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Accepted | Self::EncryptionDemanded | Self::NoAnswer => None,
            Self::Refused { condition, text } => Some(reason(condition, text).to_owned()),
            Self::NoMechanism { offered } if offered.is_empty() => Some("the server offers no login method".to_owned()),
            Self::NoMechanism { offered } => {
                Some(format!("the server offers no token login, only {}", offered.join(", ")))
            }
            Self::Down(HttpFault::Refused) => Some("connection refused".to_owned()),
            Self::Down(HttpFault::TimedOut) => Some("connected, but no response".to_owned()),
            Self::Down(HttpFault::Other(what) | HttpFault::TooMuch(what)) => Some(format!("connection failed: {what}")),
            Self::Stranger { what, .. } | Self::NotMade(what) => Some(what.clone()),
            Self::StreamError(condition) => Some(condition.clone()),
        }
    }

    /// Whether the server decided about the token; anything else says something about the server.
    pub fn decided(&self) -> bool {
        matches!(self, Self::Accepted | Self::Refused { .. })
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::Refused { .. } => "refused: ",
            Self::EncryptionDemanded => "refused: the server requires encryption",
            Self::NoAnswer => "no answer: neither accepted nor refused",
            Self::Stranger { .. } => "not Prosody: ",
            Self::StreamError(_) => "the server ended the session: ",
            Self::NotMade(_) => "not tested: ",
            Self::NoMechanism { .. } | Self::Down(_) => "",
        })?;
        f.write_str(&self.reason().unwrap_or_default())
    }
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entered => write!(f, "entered"),
            Self::Refused { .. } => write!(f, "refused: {}", self.reason().unwrap_or_default()),
            Self::NoAnswer => write!(f, "no answer: neither entered nor refused"),
        }
    }
}

impl fmt::Display for Focus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => write!(f, "ready"),
            Self::NotReady => write!(f, "not ready"),
            Self::Unasked => write!(f, "not asked"),
            Self::Refused { condition, text } => write!(f, "{}", reason(condition, text)),
            Self::NoAnswer => write!(f, "no answer"),
        }
    }
}

fn reason<'a>(condition: &'a str, text: &'a str) -> &'a str {
    if text.is_empty() { condition } else { text }
}
