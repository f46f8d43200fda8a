//! The conference request: where only jicofo may open rooms, the web page asks it to before entering one.

use std::time::{Duration, Instant};

use super::Focus;
use super::session::Session;
use super::stanza::{Element, escape};

const SPACE: &str = "http://jitsi.org/protocol/focus";
/// How long to wait before asking again if jicofo was not ready.
const PAUSE: Duration = Duration::from_millis(300);

/// Has jicofo, whose address is `focus`, open all `rooms`. Returns the worst of its answers.
pub(super) fn open(session: &mut Session, focus: &str, rooms: &[String], patience: Duration) -> Focus {
    let until = session.deadline().min(Instant::now() + patience);
    loop {
        let answer = ask(session, focus, rooms);
        if answer != Focus::NotReady || Instant::now() + PAUSE >= until {
            return answer;
        }
        std::thread::sleep(PAUSE);
    }
}

fn ask(session: &mut Session, focus: &str, rooms: &[String]) -> Focus {
    let machine = format!("{:016x}", rand::random::<u64>());
    let ids: Vec<String> = (0..rooms.len()).map(|number| format!("focus-{machine}-{number}")).collect();
    let requests: Vec<String> = ids
        .iter()
        .zip(rooms)
        .map(|(id, room)| {
            format!(
                "<iq xmlns='jabber:client' type='set' id='{id}' to='{}'><conference xmlns='{SPACE}' room='{}' \
                 machine-uid='{machine}'/></iq>",
                escape(focus),
                escape(room)
            )
        })
        .collect();
    let mut answers: Vec<Option<Focus>> = vec![None; rooms.len()];
    // However this ends, a request that has not been answered by then counts as unanswered.
    let _ = session.ask(&requests, |element| {
        for (id, answer) in ids.iter().zip(&mut answers) {
            if element.name == "iq" && element.attribute("id") == id {
                *answer = Some(read(element));
            }
        }
        answers.iter().all(Option::is_some).then_some(())
    });
    let answers = answers.into_iter().map(|answer| answer.unwrap_or(Focus::NoAnswer));
    answers
        .max_by_key(|answer| match answer {
            Focus::Ready | Focus::Unasked => 0,
            Focus::NotReady => 1,
            Focus::NoAnswer => 2,
            Focus::Refused { .. } => 3,
        })
        .unwrap_or(Focus::Ready)
}

/// The ID of [`ping`].
const PING: &str = "focus-ping";

/// A question that the server itself answers, before anything said later, if nobody is behind the address.
pub(super) fn ping(focus: &str) -> String {
    format!(
        "<iq xmlns='jabber:client' type='get' id='{PING}' to='{}'><ping xmlns='urn:xmpp:ping'/></iq>",
        escape(focus)
    )
}

/// The absence that an answer to [`ping`] reports, if it does.
pub(super) fn absence(element: &Element) -> Option<Focus> {
    let ours = element.name == "iq" && element.attribute("id") == PING;
    let refusal = (ours && element.attribute("type") == "error").then(|| refusal(element))?;
    refusal.is_absent().then_some(refusal)
}

fn refusal(iq: &Element) -> Focus {
    let error = iq.child("error");
    let children = error.map_or(&[][..], |error| &error.children);
    let condition = children.iter().find(|child| child.name != "text");
    let text = children.iter().find(|child| child.name == "text");
    Focus::Refused {
        condition: condition.map_or("error", |child| &child.name).to_owned(),
        text: text.map(|child| child.text.clone()).unwrap_or_default(),
    }
}

fn read(iq: &Element) -> Focus {
    if iq.attribute("type") == "error" {
        return refusal(iq);
    }
    let ready = iq.child("conference").is_some_and(|conference| conference.attribute("ready") == "true");
    if ready { Focus::Ready } else { Focus::NotReady }
}
