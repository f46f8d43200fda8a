//! A BOSH session (XEP-0124, XEP-0206), one request at a time. A request that carries something is answered as soon
//! as there is an answer; an empty one is held by the server until there is news, or until `wait` is over.

use std::time::{Duration, Instant};

use super::Server;
use super::stanza::{self, Element, escape};
use crate::host::{Host, HttpFault, HttpRequest};
use crate::token::percent;

/// An empty answer that comes sooner than this was not held: the server does not play by the rules.
const AT_ONCE: Duration = Duration::from_millis(100);
/// So many of them in a row, and there is no point in asking again.
const PATIENCE: u32 = 5;
/// How long the farewell may take; whether it arrives matters little, the server forgets idle sessions by itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a conversation went no further.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No answer to what was asked within the wait.
    Silent,
    /// No answer to the very first request.
    Down(HttpFault),
    /// Not a BOSH service.
    NotBosh { status: Option<u16>, what: String },
    /// The server ended the session.
    Ended(String),
}

/// One session.
pub(super) struct Session<'a> {
    host: &'a dyn Host,
    server: &'a Server,
    url: String,
    rid: u64,
    sid: Option<String>,
    places: Vec<String>,
}

impl<'a> Session<'a> {
    /// A session that is not open yet. The query goes with every request, as the web page sends it.
    pub fn new(host: &'a dyn Host, server: &'a Server, token: Option<&str>, room: &str) -> Self {
        let mut url = format!("{}?room={}", server.url, percent::encode(room));
        if let Some(token) = token {
            url = format!("{url}&token={}", percent::encode(token));
        }
        Self {
            host,
            server,
            url,
            // Some 2^52 are left to count up to.
            rid: u64::from(rand::random::<u32>()) + 1,
            sid: None,
            places: Vec::new(),
        }
    }

    /// The component that holds the rooms.
    pub fn muc(&self) -> &str {
        &self.server.muc
    }

    /// Opens the session and waits for what `find` looks for.
    pub fn open<T>(&mut self, find: impl FnMut(&Element) -> Option<T>) -> Result<T, Trouble> {
        let attributes = format!(
            " to='{}' wait='{}' hold='1' ver='1.6' xml:lang='en' content='text/xml; charset=utf-8' \
             xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'",
            escape(self.server.login_host()),
            self.server.wait.as_secs().max(1),
        );
        self.ask(&attributes, "", find)
    }

    /// Starts the stream anew and waits for what `find` looks for.
    pub fn restart<T>(&mut self, find: impl FnMut(&Element) -> Option<T>) -> Result<T, Trouble> {
        let attributes = format!(
            " to='{}' xmpp:restart='true' xml:lang='en' xmlns:xmpp='urn:xmpp:xbosh'",
            escape(self.server.login_host())
        );
        self.ask(&attributes, "", find)
    }

    /// Sends `payload` and reads answers until `find` finds something in a stanza.
    pub fn ask<T>(
        &mut self,
        attributes: &str,
        payload: &str,
        mut find: impl FnMut(&Element) -> Option<T>,
    ) -> Result<T, Trouble> {
        let until = Instant::now() + self.server.wait;
        let (mut attributes, mut payload) = (attributes, payload);
        let mut hasty = 0;
        loop {
            let sent = Instant::now();
            let stanzas = self.exchange(attributes, payload, until)?;
            let quick_and_empty = stanzas.is_empty() && sent.elapsed() < AT_ONCE;
            hasty = if quick_and_empty { hasty + 1 } else { 0 };
            if let Some(found) = stanzas.iter().find_map(&mut find) {
                return Ok(found);
            }
            if Instant::now() >= until || hasty >= PATIENCE {
                return Err(Trouble::Silent);
            }
            (attributes, payload) = ("", "");
        }
    }

    /// Remembers where the session is, so that it can leave.
    pub fn leave(&mut self, places: Vec<String>) {
        self.places = places;
    }

    /// Leaves the rooms and ends the session. A server that does not care to answer is no concern any more.
    pub fn end(&mut self) {
        if self.sid.is_none() {
            return;
        }
        let leave = |place: &String| {
            let to = escape(place);
            format!("<presence xmlns='jabber:client' type='unavailable' to='{to}'/>")
        };
        let farewell: String = self.places.iter().map(leave).collect();
        let _ = self.exchange(" type='terminate'", &farewell, Instant::now() + FAREWELL);
        self.sid = None;
    }

    /// One request and its answer.
    fn exchange(
        &mut self,
        attributes: &str,
        payload: &str,
        until: Instant,
    ) -> Result<Vec<Element>, Trouble> {
        let first = self.sid.is_none();
        let sid = self
            .sid
            .as_deref()
            .map(|sid| format!(" sid='{}'", escape(sid)))
            .unwrap_or_default();
        let request = HttpRequest {
            url: self.url.clone(),
            headers: vec![
                ("Host".to_owned(), self.server.domain.clone()),
                (
                    "Content-Type".to_owned(),
                    "text/xml; charset=utf-8".to_owned(),
                ),
            ],
            body: Some(format!(
                "<body xmlns='http://jabber.org/protocol/httpbind' rid='{}'{sid}{attributes}>{payload}</body>",
                self.rid
            )),
            // Longer than the server holds an empty request, so that it is the server that speaks first.
            timeout: until.saturating_duration_since(Instant::now()) + Duration::from_secs(1),
        };
        self.rid += 1;
        let response = self.host.http(&request).map_err(|fault| match fault {
            HttpFault::TimedOut if !first => Trouble::Silent,
            HttpFault::Other(what) => Trouble::NotBosh { status: None, what },
            fault => Trouble::Down(fault),
        })?;
        let body = stanza::body(&response.body).filter(|_| response.status == 200);
        let Some(body) = body else {
            let (status, what) = (
                Some(response.status),
                describe(response.status, &response.body),
            );
            return Err(Trouble::NotBosh { status, what });
        };
        if first {
            self.sid = Some(body.attribute("sid").to_owned()).filter(|sid| !sid.is_empty());
        }
        match ending(&body) {
            Some(condition) => {
                self.sid = None;
                Err(Trouble::Ended(condition))
            }
            None if self.sid.is_none() => {
                let what = "a BOSH answer without a session".to_owned();
                Err(Trouble::NotBosh {
                    status: Some(200),
                    what,
                })
            }
            None => Ok(body.children),
        }
    }
}

/// The condition with which the server ends the session. The stream's own error says more than BOSH's.
fn ending(body: &Element) -> Option<String> {
    let error = body.child("error");
    if body.attribute("type") != "terminate" && error.is_none() {
        return None;
    }
    let inner = error.and_then(|error| error.children.iter().find(|child| child.name != "text"));
    Some(match (inner, body.attribute("condition")) {
        (Some(child), _) => child.name.clone(),
        (None, "") => "terminated".to_owned(),
        (None, condition) => condition.to_owned(),
    })
}

/// What an answer that is no BOSH looks like.
fn describe(status: u16, body: &str) -> String {
    let start = body
        .trim_start()
        .get(..5)
        .unwrap_or_default()
        .to_lowercase();
    let page = ["<!doc", "<html"].contains(&start.as_str());
    match status {
        200 if page => "a web page".to_owned(),
        200 => "an answer that is no BOSH".to_owned(),
        300..400 => format!("HTTP {status}, a redirect to another address"),
        403 => "HTTP 403, access forbidden".to_owned(),
        404 => "HTTP 404, nothing of that name for this host".to_owned(),
        502..505 => format!("HTTP {status}, a web server that does not reach what is behind it"),
        status => format!("HTTP {status}"),
    }
}
