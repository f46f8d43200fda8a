//! XMPP over WebSocket (RFC 7395): one element per message.

use std::time::{Duration, Instant};

use super::Server;
use super::net::{HttpFault, HttpRequest, Net, Socket, Unopened};
use super::session::{Say, Trouble, Wire, condition, describe};
use super::stanza::{self, Element, escape};

const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";

/// A WebSocket session.
pub(super) struct WebSocket<'a> {
    net: &'a dyn Net,
    server: &'a Server,
    url: String,
    socket: Option<Box<dyn Socket>>,
    heard: bool,
}

impl<'a> WebSocket<'a> {
    /// A session that is not open yet.
    pub fn new(net: &'a dyn Net, server: &'a Server, url: String) -> Self {
        Self { net, server, url, socket: None, heard: false }
    }

    fn connect(&self, until: Instant) -> Result<Box<dyn Socket>, Trouble> {
        let mut headers = self.server.headers();
        headers.extend(
            [
                ("Sec-WebSocket-Protocol", "xmpp".to_owned()),
                // Browsers send it, and old servers check it.
                ("Origin", format!("https://{}", self.server.domain)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let request = HttpRequest {
            url: self.url.clone(),
            headers,
            body: None,
            timeout: until.saturating_duration_since(Instant::now()),
        };
        self.net.websocket(&request).map_err(|unopened| match unopened {
            Unopened::Answered(response) => {
                Trouble::Stranger { status: Some(response.status), what: describe(response.status, &response.body) }
            }
            Unopened::Fault(HttpFault::Other(what) | HttpFault::TooMuch(what)) => {
                Trouble::Stranger { status: None, what }
            }
            Unopened::Fault(fault) => Trouble::Down(fault),
        })
    }

    fn send(&mut self, text: &str) -> Result<(), Trouble> {
        match &mut self.socket {
            Some(socket) => socket.send(text).map_err(lost),
            None => Err(Trouble::Ended("not open".to_owned())),
        }
    }

    fn read(&mut self, until: Instant) -> Result<Option<Element>, Trouble> {
        let wait = until.saturating_duration_since(Instant::now());
        let Some(socket) = &mut self.socket else {
            return Err(Trouble::Ended("not open".to_owned()));
        };
        // To a socket, a timeout of zero would mean forever.
        let text = socket.receive(wait.max(Duration::from_millis(1)));
        let Some(text) = text.map_err(lost)? else {
            return Ok(None);
        };
        let Some(element) = stanza::element(&text) else {
            return Err(Trouble::Stranger { status: None, what: "not XMPP".to_owned() });
        };
        self.heard = true;
        Ok(Some(element))
    }
}

fn lost(fault: HttpFault) -> Trouble {
    match fault {
        HttpFault::TimedOut => Trouble::Silent,
        HttpFault::Other(what) => Trouble::Ended(what),
        HttpFault::TooMuch(what) => Trouble::Stranger { status: None, what },
        HttpFault::Refused => Trouble::Ended("the connection was refused".to_owned()),
    }
}

impl Wire for WebSocket<'_> {
    fn exchange(&mut self, say: &Say, until: Instant) -> Result<Vec<Element>, Trouble> {
        match say {
            Say::Open | Say::Restart => {
                if self.socket.is_none() {
                    self.socket = Some(self.connect(until)?);
                }
                let to = escape(self.server.login_host());
                self.send(&format!("<open xmlns='{FRAMING}' to='{to}' version='1.0' xml:lang='en'/>"))?;
            }
            Say::Stanzas(stanzas) => {
                for stanza in *stanzas {
                    self.send(stanza)?;
                }
            }
            Say::Nothing => {}
        }
        let element = self.read(until)?;
        match element {
            Some(element) if element.name == "error" && element.space.ends_with("streams") => {
                let why = condition(&element).unwrap_or_else(|| "stream error".to_owned());
                Err(Trouble::Ended(why))
            }
            Some(element) if element.name == "close" && element.space == FRAMING => {
                Err(Trouble::Ended("closed".to_owned()))
            }
            Some(element) => Ok(vec![element]),
            None if !self.heard => Err(Trouble::Down(HttpFault::TimedOut)),
            None => Ok(Vec::new()),
        }
    }

    fn close(&mut self, farewell: &[String], _until: Instant) {
        for stanza in farewell {
            let _ = self.send(stanza);
        }
        let _ = self.send(&format!("<close xmlns='{FRAMING}'/>"));
        self.socket = None;
    }
}
