//! Fuzz tests: broken answers to a login.

use std::time::Instant;

use super::*;
use crate::fuzz_tests::{Fuzzer, mutated};
use crate::login::net::{Net, Socket, Unopened};
use crate::login::{Job, Transport, attempt, child, stanza};

/// Separates two answers.
const NEXT: &str = "\n%%\n";

const PIECES: [&str; 40] = [
    NEXT,
    "<",
    ">",
    "/>",
    "</",
    "<body xmlns='http://jabber.org/protocol/httpbind' sid='s'>",
    "</body>",
    "type='terminate'",
    "condition='x'",
    "<stream:error>",
    "<stream:features/>",
    "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>",
    "<error type='cancel'>",
    "<text>",
    "</text>",
    "<a xmlns='u'>",
    "<a:b xmlns:a='u:v'/>",
    "xmlns=''",
    "xmlns:stream='x'",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml version='1.0'?>",
    "<!DOCTYPE a [<!ENTITY b 'c'>]>",
    "&amp;",
    "&b;",
    "&#0;",
    "&#x202e;",
    "&#x110000;",
    "\u{202e}",
    "\u{0}",
    "\u{1b}[2J",
    "=",
    "\"",
    "'",
    "503 ",
    "301 ",
    "@ID@",
];

/// What a good server answers, over BOSH and over WebSocket, and a few bad ones.
fn conversations() -> Vec<Vec<u8>> {
    let inside = |text: &str| body(text).unwrap().body;
    let bare = |text: &str| text.replacen('>', " xmlns:stream='http://etherx.jabber.org/streams'>", 1);
    let open = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' id='1'/>".to_owned();
    let ready = "<iq xmlns='jabber:client' id='@ID@-0' type='result'><conference \
                 xmlns='http://jitsi.org/protocol/focus' ready='true'/></iq>";
    let entered = presence("a", "<x><status code='110'/></x>", "");
    let refused = refused_presence("a", "no", "<room-mismatch xmlns='http://jitsi.org/jitmeet'/>");
    let said = [
        vec![inside(FEATURES), inside(SUCCESS), inside(FEATURES), inside(BOUND), inside(ready), inside(&entered)],
        vec![inside(FEATURES), inside(SUCCESS), inside(FEATURES), inside(BOUND), inside(ready), inside(&refused)],
        vec![
            open.clone(),
            bare(FEATURES),
            SUCCESS.to_owned(),
            open.clone(),
            bare(FEATURES),
            BOUND.to_owned(),
            ready.to_owned(),
            entered,
        ],
        vec![open, bare(FEATURES), failure("not-allowed", "token expired")],
        vec![inside(FEATURES), inside(&failure("not-allowed", "token expired"))],
        vec![terminated("host-unknown").unwrap().body],
        vec!["502 <html>Bad gateway</html>".to_owned()],
    ];
    said.iter().map(|answers| answers.join(NEXT).into_bytes()).collect()
}

/// A server that gives these answers, then none.
struct Broken(RefCell<std::vec::IntoIter<String>>);

impl Broken {
    fn next(&self, question: &str) -> Result<String, HttpFault> {
        let id = question.split("id='").nth(1).and_then(|rest| rest.split('\'').next());
        let id = id.unwrap_or_default().trim_end_matches("-0");
        let answer = self.0.borrow_mut().next().ok_or(HttpFault::Refused)?;
        Ok(answer.replace("@ID@", id))
    }
}

impl Net for Rc<Broken> {
    fn http(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFault> {
        let answer = self.next(request.body.as_deref().unwrap_or_default())?;
        let status = answer.get(..3).and_then(|text| text.parse().ok());
        Ok(match status {
            Some(status) => HttpResponse { status, body: answer[3..].to_owned(), ..HttpResponse::default() },
            None => HttpResponse { status: 200, body: answer, ..HttpResponse::default() },
        })
    }

    fn websocket(&self, _request: &HttpRequest) -> Result<Box<dyn Socket>, Unopened> {
        Ok(Box::new(Messages { server: Rc::clone(self), asked: String::new() }))
    }
}

struct Messages {
    server: Rc<Broken>,
    asked: String,
}

impl Socket for Messages {
    fn send(&mut self, text: &str) -> Result<(), HttpFault> {
        text.clone_into(&mut self.asked);
        Ok(())
    }

    fn receive(&mut self, _wait: Duration) -> Result<Option<String>, HttpFault> {
        self.server.next(&self.asked).map(Some)
    }
}

fn depth(element: &stanza::Element) -> usize {
    1 + element.children.iter().map(depth).max().unwrap_or_default()
}

/// One execution over either transport: it must not panic, must end, and its answer must survive the way to the parent.
fn try_answers(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let mut beyond = false;
    for transport in [Transport::Bosh, Transport::WebSocket] {
        let answers: Vec<String> = text.split(NEXT).map(str::to_owned).collect();
        for answer in &answers {
            assert!(stanza::element(answer).is_none_or(|element| depth(&element) <= 49));
        }
        let job = Job {
            company: Vec::new(),
            stays: None,
            limit: None,
            server: Server {
                transport,
                focus: Some("focus.meet.example".to_owned()),
                wait: Duration::from_millis(20),
                ..server()
            },
            token: Some("a.b.c".to_owned()),
            password: None,
            room: "a".to_owned(),
            join: vec!["a".to_owned()],
        };
        let net = Rc::new(Broken(RefCell::new(answers.into_iter())));
        let seen = attempt(&net, &job, Instant::now() + Duration::from_secs(1));
        beyond |= seen.login.decided();
        assert!(!seen.joins.contains(&Join::Entered) || seen.login == Login::Accepted);
        let told = serde_json::to_string(&child::clipped(seen)).expect("it is JSON");
        assert!(told.len() < 16 << 10, "{} bytes", told.len());
        serde_json::from_str::<Attempt>(&told).expect("the parent reads it");
    }
    beyond
}

fn answers(then: impl Fn(&Fuzzer)) {
    let seeds = conversations();
    then(&Fuzzer { name: "answers", make: &|dice| mutated(&seeds, &PIECES, dice), try_it: &try_answers });
}

#[test]
fn mutated_answers_are_handled_safely() {
    answers(|fuzzer| fuzzer.some_thousand(400));
}

#[allow(clippy::redundant_closure_for_method_calls, reason = "the method alone is not general enough")]
mod thorough {
    use super::*;

    #[test]
    #[ignore = "scripts/fuzz runs it; scripts/test --all a little of it"]
    fn fuzz_answers() {
        answers(|fuzzer| fuzzer.long_run());
    }
}
