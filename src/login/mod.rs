//! Logins, as the web page makes them: XMPP over BOSH or WebSocket, SASL ANONYMOUS with the token in the URL, then
//! rooms, which are left at once. A child without privileges ([`child`]) makes them side by side: whatever a server
//! does to it is an answer, not our end. Reports what the server answered; [`crate::proof`] judges what that means.

mod bosh;
pub mod child;
pub mod fetch;
mod focus;
mod listener;
pub mod net;
mod outcome;
mod rooms;
mod scram;
mod session;
mod stanza;
mod websocket;

use std::fmt;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::token::percent;
pub use child::{Companion, Job, Password, answers, attempts, one};
use net::Net;
pub use outcome::{Focus, Join, Login, Standing};
use session::{Session, Trouble};
use stanza::Element;

/// How XMPP is transported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Long-polling HTTP requests (BOSH).
    Bosh,
    /// A WebSocket.
    WebSocket,
}

impl Transport {
    /// The Prosody module that serves it.
    pub fn module(self) -> &'static str {
        match self {
            Self::Bosh => "bosh",
            Self::WebSocket => "websocket",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bosh => "BOSH",
            Self::WebSocket => "WebSocket",
        })
    }
}

/// Where logins are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// The URL that the paths of BOSH and WebSocket are appended to, `http://127.0.0.1:5280`.
    pub base: String,
    /// What carries the logins.
    pub transport: Transport,
    /// The site's domain: the XMPP host.
    pub domain: String,
    /// Whether it is Prosody itself, which answers 404 to HTTP hosts other than the domain. A web server in front has a
    /// name of its own.
    pub direct: bool,
    /// The UID of Prosody's account, if it is Prosody itself: no other listener there gets a token. If `None`, any
    /// listener does.
    pub account: Option<u32>,
    /// The XMPP host to log in to, if it is not the site's: the one for guests.
    pub login_host: Option<String>,
    /// The component that holds the rooms, `conference.DOMAIN`.
    pub muc: String,
    /// Whether the configuration loads the room check (`token_verification`) on that component.
    pub room_check: bool,
    /// The address of jicofo, `focus.DOMAIN`, where only it may open rooms: asked before a room is entered.
    pub focus: Option<String>,
    /// Whether jicofo is asked to open rooms. If not, only its presence is checked.
    pub opens_rooms: bool,
    /// Whether any certificate is accepted.
    pub insecure: bool,
    /// How long to wait for an answer at each stage before it counts as none.
    pub wait: Duration,
}

impl Server {
    /// The Prosody of this machine. An IP address, not `localhost`: minimal systems lack that name.
    pub fn local(domain: &str) -> Self {
        Self {
            base: "http://127.0.0.1:5280".to_owned(),
            transport: Transport::Bosh,
            direct: true,
            account: None,
            domain: domain.to_owned(),
            login_host: None,
            muc: format!("conference.{domain}"),
            room_check: true,
            focus: None,
            opens_rooms: true,
            insecure: false,
            wait: Duration::from_secs(5),
        }
    }

    /// The URL of the service, `http://127.0.0.1:5280/http-bind`.
    pub fn url(&self) -> String {
        match self.transport {
            Transport::Bosh => format!("{}/http-bind", self.base),
            // http becomes ws, https wss.
            Transport::WebSocket => {
                format!("{}/xmpp-websocket", self.base.replacen("http", "ws", 1))
            }
        }
    }

    /// The URL of one session.
    fn address(&self, token: Option<&str>, room: &str) -> String {
        let token = token.map_or_else(String::new, |token| format!("&token={}", percent::encode(token)));
        format!("{}?room={}{token}", self.url(), percent::encode(room))
    }

    fn headers(&self) -> Vec<(String, String)> {
        let host = ("Host".to_owned(), self.domain.clone());
        if self.direct { vec![host] } else { Vec::new() }
    }

    /// The XMPP host to log in to: the one for guests if set, else the site's.
    fn login_host(&self) -> &str {
        self.login_host.as_ref().unwrap_or(&self.domain)
    }
}

/// The outcome of a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The login itself.
    pub login: Login,
    /// How long the login took, up to the answer or to the end of the wait for one.
    pub took: Duration,
    /// Whether jicofo opened the rooms; `None` if it was not asked.
    pub focus: Option<Focus>,
    /// The rooms, in the order requested; empty unless the login was accepted.
    pub joins: Vec<Join>,
    /// The final standing in the first room; `None` if it was not entered.
    pub standing: Option<Standing>,
}

impl Attempt {
    /// A login after which no room was tried.
    pub fn of(login: Login) -> Self {
        Self { login, took: Duration::ZERO, focus: None, joins: Vec::new(), standing: None }
    }
}

/// Makes one login in this very process: logs in with its token (or none), naming its room as the web page does, then
/// enters its rooms and leaves. Its company comes before and leaves after. It stops at `end`, however far it has got.
fn attempt(net: &dyn Net, job: &Job, end: Instant) -> Attempt {
    let first_room = job.join.first().cloned().unwrap_or_default();
    let server = |companion: &Companion| Server { login_host: companion.login_host.clone(), ..job.server.clone() };
    let servers: Vec<Server> = job.company.iter().map(server).collect();
    let mut company = Vec::with_capacity(servers.len());
    for (server, companion) in servers.iter().zip(&job.company) {
        let token = companion.token.as_deref();
        let who = Who { token, password: None };
        company.push(come(net, server, &who, &first_room, std::slice::from_ref(&first_room), end).0);
        if !server.direct {
            std::thread::sleep(child::LOGIN_SPACING);
        }
    }
    let who = Who { token: job.token.as_deref(), password: job.password.as_ref() };
    let (mut session, mut attempt) = come(net, &job.server, &who, &job.room, &job.join, end);
    if let (Some(span), Some(Join::Entered)) = (job.stays, attempt.joins.first()) {
        attempt.standing = rooms::later(&mut session, span).or(attempt.standing);
    }
    session.end();
    for mut companion in company {
        companion.end();
    }
    attempt
}

/// What to log in with: nothing, a token, or a name and a password.
struct Who<'a> {
    token: Option<&'a str>,
    password: Option<&'a Password>,
}

/// Logs in and enters rooms; the session is still open afterwards.
fn come<'a>(
    net: &'a dyn Net,
    server: &'a Server,
    who: &Who,
    room: &str,
    join: &[String],
    end: Instant,
) -> (Session<'a>, Attempt) {
    let mut session = Session::new(net, server, who.token, room, end);
    let began = Instant::now();
    let login = authenticate(&mut session, who.password).unwrap_or_else(Login::from);
    let mut attempt = Attempt { took: began.elapsed(), ..Attempt::of(login) };
    if attempt.login == Login::Accepted && !join.is_empty() {
        let rooms: Vec<&str> = join.iter().map(String::as_str).collect();
        rooms::enter(&mut session, server, &rooms, &mut attempt);
    }
    (session, attempt)
}

impl From<Trouble> for Login {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Silent => Self::NoAnswer,
            Trouble::Down(fault) => Self::Down(fault),
            Trouble::Stranger { status, what } => Self::Stranger { status, what },
            // Nothing is offered over a connection that does not count as encrypted, and WebSocket ends there.
            Trouble::Ended(why) if why == "No stream features to proceed with" => Self::EncryptionDemanded,
            Trouble::Ended(condition) => Self::StreamError(condition),
        }
    }
}

fn authenticate(session: &mut Session, password: Option<&Password>) -> Result<Login, Trouble> {
    let offered = session.open(|element| (element.name == "features").then(|| mechanisms(element)))?;
    if let Some(Password { user, password }) = password {
        return scram::authenticate(session, &offered, user, password);
    }
    let anonymous = offered.iter().any(|name| name == "ANONYMOUS");
    // Tried even where it is not offered: only the refusal tells a plugin that is not loaded from a server that wants
    // encryption first. The features are the same in both cases.
    let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>";
    let answer = session.ask(&[auth.to_owned()], |element| match element.name.as_str() {
        "success" => Some(Login::Accepted),
        "failure" => Some(refusal(element)),
        _ => None,
    });
    match answer {
        Ok(Login::Refused { condition, .. }) if condition == "encryption-required" => Ok(Login::EncryptionDemanded),
        _ if !anonymous => Ok(Login::NoMechanism { offered }),
        answer => answer,
    }
}

fn mechanisms(features: &Element) -> Vec<String> {
    let list = features.children.iter().filter(|child| child.name == "mechanisms");
    list.flat_map(|list| &list.children).map(|mechanism| mechanism.text.clone()).collect()
}

fn refusal(failure: &Element) -> Login {
    let condition = failure.children.iter().find(|child| child.name != "text");
    Login::Refused {
        condition: condition.map_or_else(|| "failure".to_owned(), |child| child.name.clone()),
        text: failure.child("text").map(|text| text.text.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
