//! One login, as the web page makes it: XMPP over BOSH, SASL ANONYMOUS with the token in the address, then rooms.
//! The rooms are left at once. Says what the server answered; what that means is judged by [`crate::probe`].

mod bosh;
mod outcome;
mod stanza;

use std::time::Duration;

use crate::host::Host;
use bosh::{Session, Trouble};
pub use outcome::{Join, Login};
use stanza::{Element, escape};

/// Where logins are made.
#[derive(Clone, Debug)]
pub struct Server {
    /// The BOSH address, `http://127.0.0.1:5280/http-bind`.
    pub url: String,
    /// The site's domain: the XMPP host, and the HTTP host too (Prosody answers 404 to others).
    pub domain: String,
    /// The XMPP host to log in to, where it is another than the site's: the one for guests.
    pub login_host: Option<String>,
    /// The component that holds the rooms, `conference.DOMAIN`.
    pub muc: String,
    /// How long an answer may take at each stage before it counts as none.
    pub wait: Duration,
}

impl Server {
    /// The Prosody of this machine. An address, not `localhost`: minimal systems have no such name.
    pub fn local(domain: &str) -> Self {
        Self {
            url: "http://127.0.0.1:5280/http-bind".to_owned(),
            domain: domain.to_owned(),
            login_host: None,
            muc: format!("conference.{domain}"),
            wait: Duration::from_secs(5),
        }
    }

    /// The XMPP host to log in to.
    fn login_host(&self) -> &str {
        self.login_host.as_ref().unwrap_or(&self.domain)
    }
}

/// What came of a login.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The login itself.
    pub login: Login,
    /// The rooms, in the order asked for; empty unless the login was accepted.
    pub joins: Vec<Join>,
}

/// Logs in with `token` (or none), naming `room` as the web page does, then enters the rooms `join` and leaves.
pub fn attempt(
    host: &dyn Host,
    server: &Server,
    token: Option<&str>,
    room: &str,
    join: &[&str],
) -> Attempt {
    let mut session = Session::new(host, server, token, room);
    let login = authenticate(&mut session).unwrap_or_else(Login::from);
    let joins = if login == Login::Accepted && !join.is_empty() {
        enter(&mut session, join)
    } else {
        Vec::new()
    };
    session.end();
    Attempt { login, joins }
}

impl From<Trouble> for Login {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Silent => Self::NoAnswer,
            Trouble::Down(fault) => Self::Down(fault),
            Trouble::NotBosh { status, what } => Self::NotBosh { status, what },
            Trouble::Ended(condition) => Self::StreamError(condition),
        }
    }
}

fn authenticate(session: &mut Session) -> Result<Login, Trouble> {
    let offered =
        session.open(|element| (element.name == "features").then(|| mechanisms(element)))?;
    let anonymous = offered.iter().any(|name| name == "ANONYMOUS");
    // Asked for even where it is not offered: only the refusal tells a plugin that is not loaded from a server that
    // wants encryption first. The features are the same in both cases.
    let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>";
    let answer = session.ask("", auth, |element| match element.name.as_str() {
        "success" => Some(Login::Accepted),
        "failure" => Some(refusal(element)),
        _ => None,
    });
    match answer {
        Ok(Login::Refused { condition, .. }) if condition == "encryption-required" => {
            Ok(Login::EncryptionDemanded)
        }
        _ if !anonymous => Ok(Login::NoMechanism { offered }),
        answer => answer,
    }
}

fn mechanisms(features: &Element) -> Vec<String> {
    let list = features
        .children
        .iter()
        .filter(|child| child.name == "mechanisms");
    list.flat_map(|list| &list.children)
        .map(|mechanism| mechanism.text.clone())
        .collect()
}

fn refusal(failure: &Element) -> Login {
    let condition = failure.children.iter().find(|child| child.name != "text");
    Login::Refused {
        condition: condition.map_or_else(|| "failure".to_owned(), |child| child.name.clone()),
        text: failure
            .child("text")
            .map(|text| text.text.clone())
            .unwrap_or_default(),
    }
}

/// Enters all rooms at once: each answers for itself, and one round trip serves them all.
fn enter(session: &mut Session, rooms: &[&str]) -> Vec<Join> {
    let mut joins: Vec<Option<Join>> = vec![None; rooms.len()];
    let bound = bind(session);
    if let Ok(address) = &bound {
        let places: Vec<String> = rooms
            .iter()
            .map(|room| place(session, room, address))
            .collect();
        let presences: String = places
            .iter()
            .map(|place| {
                let to = escape(place);
                format!("<presence xmlns='jabber:client' to='{to}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
            })
            .collect();
        // Whatever ends this, a room that has not answered by then is a room without an answer.
        let _ = session.ask("", &presences, |element| {
            for (place, join) in places.iter().zip(&mut joins) {
                *join = join.take().or_else(|| answer(element, place));
            }
            joins.iter().all(Option::is_some).then_some(())
        });
        session.leave(places);
    }
    joins
        .into_iter()
        .map(|join| join.unwrap_or(Join::NoAnswer))
        .collect()
}

/// Starts the stream anew, as SASL wants it, and binds a resource; gives the full address.
fn bind(session: &mut Session) -> Result<String, Trouble> {
    session.restart(|element| (element.name == "features").then_some(()))?;
    let bind = "<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    session.ask("", bind, |element| {
        let jid = || {
            element
                .child("bind")?
                .child("jid")
                .map(|jid| jid.text.clone())
        };
        (element.name == "iq" && element.attribute("id") == "bind")
            .then(|| jid().unwrap_or_default())
    })
}

/// The address in a room. As the web page does, the nickname is the start of the address that the server gave:
/// Jitsi can be told to refuse others.
fn place(session: &Session, room: &str, address: &str) -> String {
    let node: String = address
        .split('@')
        .next()
        .unwrap_or_default()
        .chars()
        .take(8)
        .collect();
    let sound = !node.is_empty() && node.chars().all(|c| c.is_ascii_alphanumeric());
    let nick = if sound {
        node
    } else {
        format!("{:08x}", rand::random::<u32>())
    };
    format!("{}@{}/{nick}", room.to_lowercase(), session.muc())
}

fn answer(element: &Element, place: &str) -> Option<Join> {
    let from = element.attribute("from");
    let room = place.split('/').next().unwrap_or_default();
    let bare = from.split('/').next().unwrap_or_default();
    if element.name != "presence" || !bare.eq_ignore_ascii_case(room) {
        return None;
    }
    if element.attribute("type") == "error" {
        let error = element.child("error")?;
        let find = |space: &str| {
            error
                .children
                .iter()
                .find(|child| child.space == space && child.name != "text")
        };
        return Some(Join::Refused {
            condition: find("urn:ietf:params:xml:ns:xmpp-stanzas")
                .map_or("error", |child| &child.name)
                .to_owned(),
            text: error
                .child("text")
                .map(|text| text.text.clone())
                .unwrap_or_default(),
            element: find("http://jitsi.org/jitmeet").map(|child| child.name.clone()),
        });
    }
    let own = element.children.iter().any(|x| {
        x.children
            .iter()
            .any(|status| status.attribute("code") == "110")
    });
    (element.attribute("type").is_empty() && (own || from.eq_ignore_ascii_case(place)))
        .then_some(Join::Entered)
}

#[cfg(test)]
mod tests;
