//! How a login reaches a server: one HTTP request, or one WebSocket. Only the confined child has the real network
//! ([`Network`]); everything that a server sends is bounded in time, size and count here and in [`super::stanza`].

#![allow(clippy::disallowed_methods, reason = "this is the child that talks to servers")]

mod deadline;
#[cfg(test)]
pub mod fake;
mod http;
mod names;
mod tls;
mod websocket;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use http::Network;

/// The longest answer that is read, in bytes. A BOSH answer with the presence of a hundred people is half of this.
pub const MAX_ANSWER: usize = 256 << 10;

/// How much one conversation may receive in total, in bytes, whatever it consists of.
pub const MAX_CONVERSATION: usize = 4 << 20;

/// One HTTP request to a server.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The URL to request.
    pub url: String,
    /// Header lines; `Host` replaces the one made from the URL.
    pub headers: Vec<(String, String)>,
    /// The body of a POST; `None` for a GET.
    pub body: Option<String>,
    /// How long the whole exchange may take.
    pub timeout: Duration,
}

/// What the server answered, whatever its status.
#[derive(Clone, Debug, Default)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Its headers, by name.
    pub headers: Vec<(String, String)>,
    /// The body, as text; at most [`MAX_ANSWER`].
    pub body: String,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpFault {
    /// Connection refused.
    Refused,
    /// No complete answer within the time given.
    TimedOut,
    /// The server sent more than is read; explained in words.
    TooMuch(String),
    /// Anything else, explained in words.
    Other(String),
}

impl HttpFault {
    /// A fault in the words of `error`.
    fn other(error: impl fmt::Display) -> Self {
        Self::Other(error.to_string())
    }

    /// The fault behind an error of the connection.
    fn from_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{ConnectionRefused, TimedOut, WouldBlock};
        match error.kind() {
            ConnectionRefused => Self::Refused,
            TimedOut | WouldBlock => Self::TimedOut,
            _ => Self::other(error),
        }
    }
}

/// Why no WebSocket was opened.
#[derive(Clone, Debug)]
pub enum Unopened {
    /// There was no answer.
    Fault(HttpFault),
    /// The server answered with something else.
    Answered(HttpResponse),
}

/// An open WebSocket.
pub trait Socket {
    /// Sends a text message.
    fn send(&mut self, text: &str) -> Result<(), HttpFault>;
    /// The next text message; `None` if none arrives within the wait. The end of the connection is a fault.
    fn receive(&mut self, wait: Duration) -> Result<Option<String>, HttpFault>;
}

/// The network, as logins need it.
pub trait Net {
    /// Makes one HTTP request.
    fn http(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFault>;
    /// Opens a WebSocket.
    fn websocket(&self, request: &HttpRequest) -> Result<Box<dyn Socket>, Unopened>;
}
