//! The same conversation over a WebSocket.

use super::*;
use crate::login::net::Socket;
use crate::login::{Attempt, Transport};

/// A WebSocket that returns these messages, and records what it is sent.
struct Script {
    answers: std::vec::IntoIter<String>,
    sent: Rc<RefCell<Vec<String>>>,
}

impl Socket for Script {
    fn send(&mut self, text: &str) -> Result<(), HttpFault> {
        self.sent.borrow_mut().push(text.to_owned());
        Ok(())
    }

    fn receive(&mut self, _wait: Duration) -> Result<Option<String>, HttpFault> {
        Ok(self.answers.next())
    }
}

fn over_websocket(answers: &[&str]) -> (Attempt, Vec<String>, Vec<HttpRequest>) {
    let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
    let (sent, requests) = (Rc::new(RefCell::new(Vec::new())), Rc::new(RefCell::new(Vec::new())));
    let (notes, asked) = (Rc::clone(&sent), Rc::clone(&requests));
    let host = FakeHost::new().opens(move |request| {
        asked.borrow_mut().push(request.clone());
        Ok(Box::new(Script { answers: answers.clone().into_iter(), sent: Rc::clone(&notes) }))
    });
    let server = Server { transport: Transport::WebSocket, ..server() };
    let attempt = try_it(&host, &server, "A", &["A"]);
    let (sent, requests) = (sent.borrow().clone(), requests.borrow().clone());
    (attempt, sent, requests)
}

const OPEN: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' id='1'/>";

#[test]
fn logins_work_over_a_websocket_too() {
    let features =
        FEATURES.replace("<stream:features>", "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>");
    let entered = presence("a", "", "");
    let (attempt, sent, requests) = over_websocket(&[OPEN, &features, SUCCESS, OPEN, &features, BOUND, &entered]);
    assert_eq!(attempt.login, Login::Accepted);
    assert_eq!(attempt.joins, [Join::Entered]);
    assert_eq!(requests[0].url, "ws://127.0.0.1:5280/xmpp-websocket?room=A&token=a.b.c");
    let header = |name: &str| requests[0].headers.iter().find(|(known, _)| known == name);
    assert_eq!(header("Sec-WebSocket-Protocol").unwrap().1, "xmpp");
    assert_eq!(header("Origin").unwrap().1, "https://meet.example");
    assert_eq!(header("Host").unwrap().1, "meet.example");
    assert_eq!(sent.len(), 7, "one element in each message: {sent:#?}");
    assert!(sent[5].contains("type='unavailable'") && sent[6].starts_with("<close"));
}

#[test]
fn the_reason_a_websocket_ends_is_kept() {
    let error = "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><undefined-condition \
                 xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text \
                 xmlns='urn:ietf:params:xml:ns:xmpp-streams'>No stream features to proceed with</text></stream:error>";
    let (attempt, ..) = over_websocket(&[OPEN, error]);
    assert_eq!(attempt.login, Login::EncryptionDemanded);
    let closed = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";
    let (attempt, ..) = over_websocket(&[OPEN, closed]);
    assert_eq!(attempt.login, Login::StreamError("closed".to_owned()));
}
