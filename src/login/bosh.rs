//! XMPP over BOSH (XEP-0124, XEP-0206), one request at a time. A request with a payload is answered as soon as there is
//! an answer; the server holds an empty one until there is news, or until `wait` is over.

use std::time::{Duration, Instant};

use super::Server;
use super::net::{HttpFault, HttpRequest, MAX_CONVERSATION, Net};
use super::session::{Say, Trouble, Wire, condition, describe};
use super::stanza::{self, Element, escape};

/// How much longer to wait for an answer than the server holds an empty request.
const GRACE: Duration = Duration::from_millis(500);

/// A BOSH session.
pub(super) struct Bosh<'a> {
    net: &'a dyn Net,
    server: &'a Server,
    url: String,
    /// How many more bytes the answers may have in total.
    budget: usize,
    rid: u64,
    sid: Option<String>,
}

impl<'a> Bosh<'a> {
    /// A session that is not open yet. The URL's query goes with every request, as the web page sends it.
    pub fn new(net: &'a dyn Net, server: &'a Server, url: String) -> Self {
        Self {
            net,
            server,
            url,
            budget: MAX_CONVERSATION,
            // Some 2^52 are left to count up through.
            rid: u64::from(rand::random::<u32>()) + 1,
            sid: None,
        }
    }

    /// Deducts what was read from the budget of the conversation.
    fn pay(&mut self, bytes: usize) -> Result<(), Trouble> {
        let Some(budget) = self.budget.checked_sub(bytes) else {
            let what = "too much data".to_owned();
            return Err(Trouble::Stranger { status: None, what });
        };
        self.budget = budget;
        Ok(())
    }

    fn headers(&self, first: bool) -> Vec<(String, String)> {
        let mut headers = self.server.headers();
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        add("Content-Type", "text/xml; charset=utf-8");
        if first {
            // Prosody's mod_limits (on by default since 0.12) reads 10 kB/s from the connection that a session was
            // opened on, and as fast as it can from any later connection of that session.
            add("Connection", "close");
        }
        headers
    }

    /// Makes one request and returns its answer.
    fn request(&mut self, attributes: &str, payload: &str, until: Instant) -> Result<Vec<Element>, Trouble> {
        let first = self.sid.is_none();
        let sid = self.sid.as_deref().map(|sid| format!(" sid='{}'", escape(sid))).unwrap_or_default();
        let request = HttpRequest {
            url: self.url.clone(),
            headers: self.headers(first),
            body: Some(format!(
                "<body xmlns='http://jabber.org/protocol/httpbind' rid='{}'{sid}{attributes}>{payload}</body>",
                self.rid
            )),
            // Longer than the server holds an empty request, so the server speaks first.
            timeout: until.saturating_duration_since(Instant::now()) + GRACE,
        };
        self.rid += 1;
        let response = self.net.http(&request).map_err(|fault| match fault {
            HttpFault::TimedOut if !first => Trouble::Silent,
            HttpFault::Other(what) | HttpFault::TooMuch(what) => Trouble::Stranger { status: None, what },
            fault => Trouble::Down(fault),
        })?;
        self.pay(response.body.len())?;
        let body = stanza::body(&response.body).filter(|_| response.status == 200);
        let Some(body) = body else {
            let (status, what) = (Some(response.status), describe(response.status, &response.body));
            return Err(Trouble::Stranger { status, what });
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
                Err(Trouble::Stranger { status: Some(200), what })
            }
            None => Ok(body.children),
        }
    }
}

impl Wire for Bosh<'_> {
    fn exchange(&mut self, say: &Say, until: Instant) -> Result<Vec<Element>, Trouble> {
        let to = escape(self.server.login_host());
        let (attributes, payload) = match say {
            Say::Open => {
                // How long the server may hold an empty request: it must answer before our own wait is over.
                let wait = self.server.wait.as_secs().clamp(1, 2);
                let attributes = format!(
                    " to='{to}' wait='{wait}' hold='1' ver='1.6' xml:lang='en' content='text/xml; charset=utf-8' \
                     xmpp:version='1.0' xmlns:xmpp='urn:xmpp:xbosh'"
                );
                (attributes, String::new())
            }
            Say::Restart => {
                (format!(" to='{to}' xmpp:restart='true' xml:lang='en' xmlns:xmpp='urn:xmpp:xbosh'"), String::new())
            }
            Say::Stanzas(stanzas) => (String::new(), stanzas.concat()),
            Say::Nothing => (String::new(), String::new()),
        };
        self.request(&attributes, &payload, until)
    }

    fn close(&mut self, farewell: &[String], until: Instant) {
        if self.sid.is_some() {
            let _ = self.request(" type='terminate'", &farewell.concat(), until);
            self.sid = None;
        }
    }
}

/// The condition with which the server ends the session. The stream's own error is more specific than BOSH's.
fn ending(body: &Element) -> Option<String> {
    let error = body.child("error");
    if body.attribute("type") != "terminate" && error.is_none() {
        return None;
    }
    Some(match (error.and_then(condition), body.attribute("condition")) {
        (Some(inner), _) => inner,
        (None, "") => "terminated".to_owned(),
        (None, condition) => condition.to_owned(),
    })
}
