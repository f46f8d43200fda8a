//! The real network: HTTP through ureq, `WebSockets` through tungstenite.

use std::io::Read;
use std::sync::OnceLock;

use super::{HttpFault, HttpRequest, HttpResponse, MAX_ANSWER, Net, Socket, Unopened, names, tls, websocket};

/// The network of this machine. One for all conversations: its requests are independent.
pub struct Network {
    agent: ureq::Agent,
    /// The same for encrypted connections, created on first use: it reads what the machine trusts.
    encrypted: OnceLock<Result<ureq::Agent, HttpFault>>,
    insecure: bool,
}

impl Network {
    /// A network that accepts any certificate when `insecure`.
    pub fn new(insecure: bool) -> Self {
        Self { agent: agent(None), encrypted: OnceLock::new(), insecure }
    }

    fn agent_for(&self, url: &str) -> Result<&ureq::Agent, HttpFault> {
        if !url.starts_with("https:") {
            return Ok(&self.agent);
        }
        let made = || Ok(agent(Some(tls::for_ureq(self.insecure)?)));
        self.encrypted.get_or_init(made).as_ref().map_err(Clone::clone)
    }
}

impl Net for Network {
    fn http(&self, request: &HttpRequest) -> Result<HttpResponse, HttpFault> {
        let agent = self.agent_for(&request.url)?;
        let sent = match &request.body {
            Some(body) => {
                let mut call = agent.post(&request.url);
                for (name, value) in &request.headers {
                    call = call.header(name, value);
                }
                let timed = call.config().timeout_global(Some(request.timeout));
                timed.build().send(body)
            }
            None => {
                let mut call = agent.get(&request.url);
                for (name, value) in &request.headers {
                    call = call.header(name, value);
                }
                let timed = call.config().timeout_global(Some(request.timeout));
                timed.build().call()
            }
        };
        let response = sent.map_err(fault)?;
        let status = response.status().as_u16();
        let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let mut bytes = Vec::new();
        let mut reader = response.into_body().into_reader().take(MAX_ANSWER as u64 + 1);
        reader.read_to_end(&mut bytes).map_err(|error| fault(error.into()))?;
        if bytes.len() > MAX_ANSWER {
            return Err(HttpFault::TooMuch(format!("a response of more than {} KiB", MAX_ANSWER >> 10)));
        }
        let body =
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok(HttpResponse { status, headers, body })
    }

    fn websocket(&self, request: &HttpRequest) -> Result<Box<dyn Socket>, Unopened> {
        websocket::open(request, self.insecure)
    }
}

fn agent(tls: Option<ureq::tls::TlsConfig>) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        // A response has no reason for longer headers, and each connection has buffers of its own.
        .max_response_header_size(16 << 10)
        .input_buffer_size(16 << 10)
        .output_buffer_size(16 << 10);
    let config = match tls {
        Some(tls) => config.tls_config(tls).build(),
        None => config.build(),
    };
    let connector = ureq::unversioned::transport::DefaultConnector::default();
    ureq::Agent::with_parts(config, connector, names::Names)
}

fn fault(error: ureq::Error) -> HttpFault {
    match error {
        ureq::Error::Timeout(_) => HttpFault::TimedOut,
        ureq::Error::ConnectionFailed => HttpFault::Refused,
        ureq::Error::Io(error) => HttpFault::from_io(&error),
        other => HttpFault::other(other),
    }
}
