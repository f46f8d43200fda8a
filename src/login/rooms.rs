//! Entering rooms, once logged in.

use std::time::Duration;

use super::session::{Session, Trouble};
use super::stanza::{Element, escape};
use super::{Attempt, Focus, Join, Server, Standing, focus};

/// Has the rooms opened where only jicofo may, and enters all at once: each answers for itself, and one round trip
/// serves them all. They are tried even if jicofo did not open them, since the refusal is informative too.
pub(super) fn enter(session: &mut Session, server: &Server, rooms: &[&str], attempt: &mut Attempt) {
    let mut joins: Vec<Option<Join>> = vec![None; rooms.len()];
    let (mut focus, mut standing) = (None, None);
    if let Ok(address) = &bind(session) {
        let rooms: Vec<String> = rooms.iter().map(|room| format!("{}@{}", room.to_lowercase(), server.muc)).collect();
        let asked = server.focus.as_deref();
        focus = asked.map(|asked| match server.opens_rooms {
            true => focus::open(session, asked, &rooms, server.wait),
            false => Focus::Unasked,
        });
        let nick = nick(address);
        let places: Vec<String> = rooms.iter().map(|room| format!("{room}/{nick}")).collect();
        let presences = places.iter().map(|place| {
            let to = escape(place);
            format!("<presence xmlns='jabber:client' to='{to}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        });
        let ping = asked.filter(|_| !server.opens_rooms).map(focus::ping);
        let said: Vec<String> = ping.into_iter().chain(presences).collect();
        // However this ends, a room that has not answered by then counts as unanswered.
        let _ = session.ask(&said, |element| {
            focus = focus::absence(element).or_else(|| focus.take());
            for (place, join) in places.iter().zip(&mut joins) {
                *join = join.take().or_else(|| answer(element, place));
            }
            standing = places.first().and_then(|place| own_standing(element, place)).or(standing.take());
            joins.iter().all(Option::is_some).then_some(())
        });
        session.leave(places);
    }
    attempt.joins = joins.into_iter().map(|join| join.unwrap_or(Join::NoAnswer)).collect();
    (attempt.focus, attempt.standing) = (focus, standing);
}

/// Stays in the first of the rooms for `span`. Returns the session's final standing there if it has changed: jicofo
/// makes owners up to 2 s after somebody has entered.
pub(super) fn later(session: &mut Session, span: Duration) -> Option<Standing> {
    let place = session.places().first()?.clone();
    let mut standing = None;
    session.listen(span, |element| {
        standing = own_standing(element, &place).or(standing.take());
    });
    standing
}

/// The standing of the session's own occupant `place`, if the stanza reports it.
fn own_standing(element: &Element, place: &str) -> Option<Standing> {
    let own = element.name == "presence"
        && element.attribute("type").is_empty()
        && element.attribute("from").eq_ignore_ascii_case(place);
    let mut parts = element.children.iter().filter(|_| own).flat_map(|x| &x.children);
    let item = parts.find(|part| part.name == "item")?;
    let text = |name: &str| item.attribute(name).to_owned();
    Some(Standing { role: text("role"), affiliation: text("affiliation") })
}

/// Restarts the stream, as SASL requires, and binds a resource; returns the full address.
fn bind(session: &mut Session) -> Result<String, Trouble> {
    session.restart(|element| (element.name == "features").then_some(()))?;
    let bind = "<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    session.ask(&[bind.to_owned()], |element| {
        let jid = || element.child("bind")?.child("jid").map(|jid| jid.text.clone());
        (element.name == "iq" && element.attribute("id") == "bind").then(|| jid().unwrap_or_default())
    })
}

/// The nickname in a room. Like the web page, uses the start of the address that the server gave: Jitsi can be
/// configured to refuse others.
fn nick(address: &str) -> String {
    let node: String = address.split('@').next().unwrap_or_default().chars().take(8).collect();
    let sound = !node.is_empty() && node.chars().all(|c| c.is_ascii_alphanumeric());
    if sound { node } else { format!("{:08x}", rand::random::<u32>()) }
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
        let find = |space: &str| error.children.iter().find(|child| child.space == space && child.name != "text");
        return Some(Join::Refused {
            condition: find("urn:ietf:params:xml:ns:xmpp-stanzas").map_or("error", |child| &child.name).to_owned(),
            text: error.child("text").map(|text| text.text.clone()).unwrap_or_default(),
            element: find("http://jitsi.org/jitmeet").map(|child| child.name.clone()),
        });
    }
    let own = element.children.iter().any(|x| x.children.iter().any(|status| status.attribute("code") == "110"));
    (element.attribute("type").is_empty() && (own || from.eq_ignore_ascii_case(place))).then_some(Join::Entered)
}
