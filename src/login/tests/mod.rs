//! Conversations with a server made of canned answers.

mod fuzz;
mod jicofo;
mod websocket;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::net::{HttpFault, HttpRequest, HttpResponse};
use super::{Attempt, Join, Login, Server, one};
use crate::host::fake::FakeHost;
use crate::host::secret::Secret;

const FEATURES: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
                        <mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>";
const NO_FEATURES: &str = "<stream:features/>";
const SUCCESS: &str = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
const BOUND: &str = "<iq xmlns='jabber:client' id='bind' type='result'><bind \
                     xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>0f1e2d3c-aa@meet.example/r</jid></bind></iq>";

fn failure(condition: &str, text: &str) -> String {
    format!("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><{condition}/><text>{text}</text></failure>")
}

fn body(inside: &str) -> Result<HttpResponse, HttpFault> {
    let body = format!(
        "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:stream='http://etherx.jabber.org/streams' \
         sid='s1'>{inside}</body>"
    );
    Ok(HttpResponse { status: 200, body, ..HttpResponse::default() })
}

fn terminated(condition: &str) -> Result<HttpResponse, HttpFault> {
    let body = format!("<body xmlns='http://jabber.org/protocol/httpbind' type='terminate' condition='{condition}'/>");
    Ok(HttpResponse { status: 200, body, ..HttpResponse::default() })
}

fn server() -> Server {
    Server { wait: Duration::from_millis(300), ..Server::local("meet.example") }
}

/// A server that gives these answers in turn, and empty bodies after the last.
fn answering(answers: Vec<Result<HttpResponse, HttpFault>>) -> (FakeHost, Rc<RefCell<Vec<HttpRequest>>>) {
    let requests = Rc::new(RefCell::new(Vec::new()));
    let (log, turn) = (Rc::clone(&requests), Cell::new(0));
    let host = FakeHost::new().serves(move |request| {
        log.borrow_mut().push(request.clone());
        let answer = answers.get(turn.replace(turn.get() + 1));
        answer.cloned().unwrap_or_else(|| body(""))
    });
    (host, requests)
}

fn try_it(host: &FakeHost, server: &Server, room: &str, join: &[&str]) -> Attempt {
    one(host, server, Some(&Secret::unlisted("a.b.c")), room, join)
}

fn login(answers: Vec<Result<HttpResponse, HttpFault>>) -> Login {
    let (host, _) = answering(answers);
    try_it(&host, &server(), "room", &[]).login
}

#[test]
fn every_request_carries_token_room_and_host() {
    let (host, requests) = answering(vec![body(FEATURES), body(SUCCESS)]);
    let token = Secret::unlisted("a+b.c");
    let attempt = one(&host, &server(), Some(&token), "R m", &[]);
    assert_eq!((attempt.login, attempt.joins), (Login::Accepted, vec![]));
    let requests = requests.borrow();
    assert_eq!(requests.len(), 3, "open, authenticate, end");
    let mut before = None;
    for request in requests.iter() {
        assert_eq!(request.url, "http://127.0.0.1:5280/http-bind?room=R%20m&token=a%2Bb.c");
        assert!(request.headers.contains(&("Host".to_owned(), "meet.example".to_owned())));
        let rid = request.body.as_deref().unwrap().split("rid='").nth(1).unwrap();
        let rid: u64 = rid.split('\'').next().unwrap().parse().unwrap();
        assert!(before.is_none_or(|before| rid == before + 1));
        before = Some(rid);
    }
    let bodies: Vec<&str> = requests.iter().filter_map(|request| request.body.as_deref()).collect();
    assert!(bodies[0].contains("to='meet.example'") && !bodies[0].contains("sid="));
    assert!(bodies[1].contains("sid='s1'") && bodies[1].contains("mechanism='ANONYMOUS'"));
    assert!(bodies[2].contains("type='terminate'"));
}

#[test]
fn features_may_come_in_a_later_answer() {
    assert_eq!(login(vec![body(""), body(FEATURES), body(""), body(SUCCESS)]), Login::Accepted);
}

#[test]
fn a_refusal_keeps_condition_and_text() {
    let refused = login(vec![body(FEATURES), body(&failure("not-allowed", "Invalid issuer (&apos;iss&apos; claim)"))]);
    let text = "Invalid issuer ('iss' claim)".to_owned();
    let condition = "not-allowed".to_owned();
    assert_eq!(refused.to_string(), format!("refused: {text}"));
    assert_eq!(refused, Login::Refused { condition, text });
}

#[test]
fn a_missing_plugin_is_not_required_encryption() {
    let unloaded = login(vec![body(NO_FEATURES), body(&failure("invalid-mechanism", ""))]);
    assert_eq!(unloaded, Login::NoMechanism { offered: vec![] });
    let demanded = login(vec![body(NO_FEATURES), body(&failure("encryption-required", ""))]);
    assert_eq!(demanded, Login::EncryptionDemanded);
    let passwords = FEATURES.replace("ANONYMOUS", "PLAIN");
    let other = login(vec![body(&passwords), body(&failure("invalid-mechanism", ""))]);
    assert_eq!(other, Login::NoMechanism { offered: vec!["PLAIN".to_owned()] });
}

#[test]
fn a_crashed_plugin_times_out_without_an_answer() {
    assert_eq!(login(vec![body(FEATURES), Err(HttpFault::TimedOut)]), Login::NoAnswer);
    // A server that answers at once, and never with anything, is not asked forever.
    let (host, requests) = answering(vec![body(FEATURES)]);
    let attempt = one(&host, &server(), None, "room", &["room"]);
    assert_eq!(attempt.login, Login::NoAnswer);
    assert!(requests.borrow().len() < 10);
}

#[test]
fn unreachable_and_foreign_servers_are_reported() {
    assert_eq!(login(vec![Err(HttpFault::Refused)]), Login::Down(HttpFault::Refused));
    assert_eq!(login(vec![Err(HttpFault::TimedOut)]), Login::Down(HttpFault::TimedOut));
    for (status, text, what) in [
        (404, "", "HTTP 404, not found"),
        (502, "<html>", "HTTP 502, backend not reachable"),
        (200, "<!DOCTYPE html><p>hi", "a web page"),
        (200, "It works!", "not a BOSH response"),
        (200, "\u{e9}\u{e9}\u{e9}\u{e9}", "not a BOSH response"),
        (302, "", "HTTP 302, a redirect"),
    ] {
        let body = text.to_owned();
        let (status, what) = (Some(status), what.to_owned());
        let answer = HttpResponse { status: status.unwrap(), body, ..HttpResponse::default() };
        assert_eq!(login(vec![Ok(answer)]), Login::Stranger { status, what });
    }
    let garbage = login(vec![Err(HttpFault::Other("no HTTP".to_owned()))]);
    assert_eq!(garbage, Login::Stranger { status: None, what: "no HTTP".to_owned() });
}

#[test]
fn an_ended_session_keeps_its_condition() {
    let login_of = |answer| login(vec![answer]);
    let condition = |name: &str| Login::StreamError(name.to_owned());
    assert_eq!(login_of(terminated("improper-addressing")), condition("improper-addressing"));
    let error = "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    assert_eq!(login_of(body(error)), condition("host-unknown"));
}

fn presence(room: &str, inside: &str, attributes: &str) -> String {
    format!(
        "<presence xmlns='jabber:client' from='{room}@conference.meet.example/0f1e2d3c'{attributes}>{inside}</presence>"
    )
}

fn refused_presence(room: &str, text: &str, element: &str) -> String {
    let stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";
    let error =
        format!("<error type='cancel'><not-allowed xmlns='{stanzas}'/><text xmlns='{stanzas}'>{text}</text></error>");
    presence(room, &error.replace("</error>", &format!("{element}</error>")), " type='error'")
}

fn joins(answers: &[String]) -> Vec<Join> {
    let mut all = vec![body(FEATURES), body(SUCCESS), body(NO_FEATURES), body(BOUND)];
    all.extend(answers.iter().map(|answer| body(answer)));
    let (host, requests) = answering(all);
    let attempt = try_it(&host, &server(), "A", &["A", "b"]);
    assert_eq!(attempt.login, Login::Accepted);
    let last = requests.borrow().last().unwrap().body.clone().unwrap();
    assert!(last.contains("type='terminate'"), "ended whatever happened");
    assert_eq!(last.matches("type='unavailable'").count(), 2, "both rooms are left");
    attempt.joins
}

#[test]
fn rooms_answer_independently_in_any_order() {
    let others = presence("a", "", "").replace("0f1e2d3c", "focus");
    let own = "<x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x>";
    let joins = joins(&[refused_presence("b", "Room and token mismatched", ""), others, presence("a", own, "")]);
    assert_eq!(joins[0], Join::Entered);
    assert_eq!(joins[1].to_string(), "refused: Room and token mismatched");
}

#[test]
fn jitsi_error_elements_are_kept() {
    let element = "<room-does-not-exist xmlns='http://jitsi.org/jitmeet'/>";
    let joins = joins(&[refused_presence("a", "", element) + &presence("b", "", "")]);
    let expected = Join::Refused {
        condition: "not-allowed".to_owned(),
        text: String::new(),
        element: Some("room-does-not-exist".to_owned()),
    };
    assert_eq!(joins, [expected, Join::Entered]);
    assert_eq!(joins[0].to_string(), "refused: room-does-not-exist");
}

#[test]
fn a_silent_room_is_not_a_refusal() {
    assert_eq!(joins(&[presence("a", "", "")]), [Join::Entered, Join::NoAnswer]);
}
