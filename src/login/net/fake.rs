//! A network in memory, for unit tests: servers made of closures.

use std::time::Instant;

use super::{HttpFault, HttpRequest, HttpResponse, Net, Socket, Unopened};
use crate::host::fake::FakeHost;
use crate::login::child::{ALL, COMMAND, Line, Task, answer};

type Opened = Result<Box<dyn Socket>, Unopened>;
type Answers = Box<dyn Fn(&HttpRequest) -> Result<HttpResponse, HttpFault>>;
type Opens = Box<dyn Fn(&HttpRequest) -> Opened>;

/// A network where these closures answer.
#[derive(Default)]
struct FakeNet {
    http: Option<Answers>,
    sockets: Option<Opens>,
}

impl Net for FakeNet {
    fn http(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFault> {
        let refused = Err(HttpFault::Refused);
        self.http.as_ref().map_or(refused, |answer| answer(request))
    }

    fn websocket(&self, request: &HttpRequest) -> Opened {
        let refused = Err(Unopened::Fault(HttpFault::Refused));
        self.sockets.as_ref().map_or(refused, |open| open(request))
    }
}

fn on(net: FakeNet) -> impl Fn(&str, &str) -> String {
    move |task, input| {
        assert_eq!(task, COMMAND);
        pretend(&net, input)
    }
}

/// The child of a fake machine: the same input and output, one task after the other.
fn pretend(net: &dyn Net, question: &str) -> String {
    let tasks: Vec<Task> = serde_json::from_str(question).unwrap();
    let line = |(task, asked)| {
        let reply = answer(net, asked, Instant::now() + ALL);
        serde_json::to_string(&Line { task, reply }).unwrap() + "\n"
    };
    tasks.iter().enumerate().map(line).collect()
}

impl FakeHost {
    /// Answers HTTP requests.
    pub fn serves(self, answer: impl Fn(&HttpRequest) -> Result<HttpResponse, HttpFault> + 'static) -> Self {
        self.confines(on(FakeNet { http: Some(Box::new(answer)), sockets: None }))
    }

    /// Opens `WebSocket`s.
    pub fn opens(self, open: impl Fn(&HttpRequest) -> Opened + 'static) -> Self {
        self.confines(on(FakeNet { http: None, sockets: Some(Box::new(open)) }))
    }
}
