//! A conversation with the server, whatever carries it: something is said, and answers are read until a relevant one
//! comes or the wait is over.

use std::time::{Duration, Instant};

use super::net::{HttpFault, Net};
use super::stanza::{Element, escape};
use super::{Server, Transport, bosh::Bosh, websocket::WebSocket};

/// An empty answer that comes sooner than this was not held: the server breaks the rules.
const AT_ONCE: Duration = Duration::from_millis(100);
/// After this many of them in a row, there is no point in asking again.
const PATIENCE: u32 = 5;

/// How long closing the session may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why a conversation went no further.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No answer to what was asked within the wait.
    Silent,
    /// No answer to the very first request.
    Down(HttpFault),
    /// Not an XMPP server.
    Stranger { status: Option<u16>, what: String },
    /// The server ended the session.
    Ended(String),
}

/// What to say.
pub(super) enum Say<'a> {
    /// Opens the stream.
    Open,
    /// Restarts the stream, as SASL requires.
    Restart,
    /// Sends these stanzas.
    Stanzas(&'a [String]),
    /// Nothing: asks for news.
    Nothing,
}

/// The transport of a conversation.
pub(super) trait Wire {
    /// Says something and returns what has come by then. Waits for news until `until` at the latest.
    fn exchange(&mut self, say: &Say, until: Instant) -> Result<Vec<Element>, Trouble>;
    /// Says farewell and ends the session, by `until` at the latest. Whether the server answers matters little: it
    /// drops idle sessions by itself.
    fn close(&mut self, farewell: &[String], until: Instant);
}

/// One session.
pub(super) struct Session<'a> {
    wire: Box<dyn Wire + 'a>,
    wait: Duration,
    /// When the whole conversation ends, however far it has got.
    end: Instant,
    places: Vec<String>,
}

impl<'a> Session<'a> {
    /// A session that is not open yet and ends at `end`; its URL names token and room, like the web page's.
    pub fn new(net: &'a dyn Net, server: &'a Server, token: Option<&str>, room: &str, end: Instant) -> Self {
        let url = server.address(token, room);
        Self {
            wire: match server.transport {
                Transport::Bosh => Box::new(Bosh::new(net, server, url)),
                Transport::WebSocket => Box::new(WebSocket::new(net, server, url)),
            },
            wait: server.wait,
            end,
            places: Vec::new(),
        }
    }

    /// Opens the session and waits for what `find` looks for.
    pub fn open<T>(&mut self, find: impl FnMut(&Element) -> Option<T>) -> Result<T, Trouble> {
        self.say(Say::Open, find)
    }

    /// Restarts the stream and waits for what `find` looks for.
    pub fn restart<T>(&mut self, find: impl FnMut(&Element) -> Option<T>) -> Result<T, Trouble> {
        self.say(Say::Restart, find)
    }

    /// Sends stanzas and reads answers until `find` finds something in one.
    pub fn ask<T>(&mut self, stanzas: &[String], find: impl FnMut(&Element) -> Option<T>) -> Result<T, Trouble> {
        self.say(Say::Stanzas(stanzas), find)
    }

    fn say<T>(&mut self, mut say: Say, mut find: impl FnMut(&Element) -> Option<T>) -> Result<T, Trouble> {
        let until = self.end.min(Instant::now() + self.wait);
        let mut hasty = 0;
        loop {
            let sent = Instant::now();
            let stanzas = self.wire.exchange(&say, until)?;
            let quick_and_empty = stanzas.is_empty() && sent.elapsed() < AT_ONCE;
            hasty = if quick_and_empty { hasty + 1 } else { 0 };
            if let Some(found) = stanzas.iter().find_map(&mut find) {
                return Ok(found);
            }
            if Instant::now() >= until || hasty >= PATIENCE {
                return Err(Trouble::Silent);
            }
            say = Say::Nothing;
        }
    }

    /// Reads whatever comes for that long, or until the session ends.
    pub fn listen(&mut self, span: Duration, mut hear: impl FnMut(&Element)) {
        let until = self.end.min(Instant::now() + span);
        while Instant::now() < until {
            let sent = Instant::now();
            let Ok(stanzas) = self.wire.exchange(&Say::Nothing, until) else { return };
            stanzas.iter().for_each(&mut hear);
            // A server that immediately answers with nothing is not asked again without a pause.
            if stanzas.is_empty() && sent.elapsed() < AT_ONCE {
                std::thread::sleep(AT_ONCE);
            }
        }
    }

    /// The rooms that the session is in, as its own addresses there.
    pub fn places(&self) -> &[String] {
        &self.places
    }

    /// When the conversation ends at the latest.
    pub fn deadline(&self) -> Instant {
        self.end
    }

    /// Remembers which rooms the session is in, so it can leave them.
    pub fn leave(&mut self, places: Vec<String>) {
        self.places = places;
    }

    /// Leaves the rooms and ends the session.
    pub fn end(&mut self) {
        let leave = |place: &String| {
            let to = escape(place);
            format!("<presence xmlns='jabber:client' type='unavailable' to='{to}'/>")
        };
        let farewell: Vec<String> = self.places.iter().map(leave).collect();
        self.wire.close(&farewell, Instant::now() + FAREWELL);
    }
}

/// The condition of a stream error, or its text if the condition says nothing.
pub(super) fn condition(error: &Element) -> Option<String> {
    let condition = error.children.iter().find(|child| child.name != "text")?;
    let text = error.children.iter().find(|child| child.name == "text");
    Some(match text.filter(|text| !text.text.is_empty()) {
        Some(text) if condition.name == "undefined-condition" => text.text.clone(),
        _ => condition.name.clone(),
    })
}

/// Describes an answer that is not from an XMPP server.
pub(super) fn describe(status: u16, body: &str) -> String {
    let start = body.trim_start().get(..5).unwrap_or_default().to_lowercase();
    let page = ["<!doc", "<html"].contains(&start.as_str());
    match status {
        200 if page => "a web page".to_owned(),
        200 => "not a BOSH response".to_owned(),
        300..400 => format!("HTTP {status}, a redirect"),
        403 => "HTTP 403, forbidden".to_owned(),
        404 => "HTTP 404, not found".to_owned(),
        502..505 => format!("HTTP {status}, backend not reachable"),
        status => format!("HTTP {status}"),
    }
}
