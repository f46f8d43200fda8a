//! Rooms that only jicofo may open.

use super::*;
use crate::login::Focus;

fn with_jicofo(answers: &[&str]) -> (Option<Focus>, Vec<Join>, Vec<HttpRequest>) {
    let all = [FEATURES, SUCCESS, NO_FEATURES, BOUND];
    let answers: Vec<String> = all.iter().chain(answers).map(|&s| s.to_owned()).collect();
    let requests = Rc::new(RefCell::new(Vec::new()));
    let (log, turn) = (Rc::clone(&requests), Cell::new(0));
    let host = FakeHost::new().serves(move |request: &HttpRequest| {
        log.borrow_mut().push(request.clone());
        let answer = answers.get(turn.replace(turn.get() + 1));
        // The client chooses the IDs.
        let asked = request.body.clone().unwrap_or_default();
        let id = asked.split(" id='").nth(1).and_then(|rest| rest.split('\'').next());
        let answer = answer.cloned().unwrap_or_default();
        body(&answer.replace("ID", id.unwrap_or_default()))
    });
    let server = Server { focus: Some("focus.meet.example".to_owned()), wait: Duration::from_secs(2), ..server() };
    let attempt = try_it(&host, &server, "A", &["A"]);
    let requests = requests.borrow().clone();
    (attempt.focus, attempt.joins, requests)
}

const READY: &str = "<iq xmlns='jabber:client' id='ID' type='result'><conference \
                     xmlns='http://jitsi.org/protocol/focus' ready='true'/></iq>";

#[test]
fn jicofo_is_asked_before_a_room_is_entered() {
    let entered = presence("a", "", "");
    let (focus, joins, requests) = with_jicofo(&[READY, &entered]);
    assert_eq!((focus, joins), (Some(Focus::Ready), vec![Join::Entered]));
    let bodies: Vec<String> = requests.into_iter().filter_map(|request| request.body).collect();
    assert!(bodies[4].contains("to='focus.meet.example'"), "{}", bodies[4]);
    assert!(bodies[4].contains("room='a@conference.meet.example'"));
    assert!(bodies[5].contains("<presence"));
}

#[test]
fn jicofo_is_asked_again_until_it_is_ready() {
    let entered = presence("a", "", "");
    let not_yet = READY.replace("true", "false");
    let (focus, joins, _) = with_jicofo(&[&not_yet, READY, &entered]);
    assert_eq!((focus, joins), (Some(Focus::Ready), vec![Join::Entered]));
}

#[test]
fn rooms_are_tried_even_if_jicofo_refuses() {
    let refused = |inside: &str| format!("<iq xmlns='jabber:client' id='ID' type='error'><error>{inside}</error></iq>");
    let absent = refused("<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>");
    let (focus, joins, _) = with_jicofo(&[&absent, &refused_presence("a", "restricted", "")]);
    assert!(focus.unwrap().is_absent());
    assert_eq!(joins[0].to_string(), "refused: restricted");
    let own = refused("<not-authorized/><text>not authorized user domain</text>");
    let (focus, ..) = with_jicofo(&[&own]);
    let focus = focus.unwrap();
    assert!(!focus.is_absent());
    assert_eq!(focus.to_string(), "not authorized user domain");
}
