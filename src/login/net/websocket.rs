//! WebSocket connections over the real network.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tungstenite::client::{IntoClientRequest, client_with_config};
use tungstenite::http::{HeaderName, HeaderValue, Uri};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, HandshakeError, Message};

use super::deadline::{Bounded, Deadline};
use super::{HttpFault, HttpRequest, HttpResponse, MAX_ANSWER, MAX_CONVERSATION, Socket, Unopened, names, tls};

/// What a connection runs over.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// How long the close may take; whether it arrives matters little.
const FAREWELL: Duration = Duration::from_millis(200);

/// How long a peer may take to accept a few hundred bytes.
const SENDING: Duration = Duration::from_secs(2);

/// An open connection and its deadline.
struct Open {
    socket: tungstenite::WebSocket<Box<dyn Stream>>,
    deadline: Deadline,
}

/// Connects and performs the handshake.
pub(super) fn open(request: &HttpRequest, insecure: bool) -> Result<Box<dyn Socket>, Unopened> {
    let deadline = Deadline::new(Instant::now() + request.timeout);
    let stream = connect(request, insecure, &deadline).map_err(Unopened::Fault)?;
    let mut handshake =
        request.url.as_str().into_client_request().map_err(|error| Unopened::Fault(HttpFault::other(error)))?;
    for (name, value) in &request.headers {
        let pair = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()));
        if let (Ok(name), Ok(value)) = pair {
            handshake.headers_mut().insert(name, value);
        }
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_ANSWER))
        .max_frame_size(Some(MAX_ANSWER))
        .read_buffer_size(16 << 10)
        .write_buffer_size(0);
    match client_with_config(handshake, stream, Some(config)) {
        Ok((socket, _)) => Ok(Box::new(Open { socket, deadline })),
        Err(HandshakeError::Interrupted(_)) => Err(Unopened::Fault(HttpFault::TimedOut)),
        Err(HandshakeError::Failure(Error::Http(response))) => {
            let body = response.body().as_deref().unwrap_or_default();
            Err(Unopened::Answered(HttpResponse {
                status: response.status().as_u16(),
                body: String::from_utf8_lossy(body).into_owned(),
                ..HttpResponse::default()
            }))
        }
        Err(HandshakeError::Failure(error)) => Err(Unopened::Fault(fault(error))),
    }
}

fn connect(request: &HttpRequest, insecure: bool, deadline: &Deadline) -> Result<Box<dyn Stream>, HttpFault> {
    let until = Instant::now() + request.timeout;
    let uri: Uri = request.url.parse().map_err(HttpFault::other)?;
    let encrypted = uri.scheme_str() == Some("wss");
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let addresses = names::addresses(host, port, request.timeout).map_err(|error| HttpFault::from_io(&error))?;
    let mut last = HttpFault::Other(format!("{host} has no address"));
    for address in addresses {
        let left = until.saturating_duration_since(Instant::now());
        match TcpStream::connect_timeout(&address, left.max(Duration::from_millis(1))) {
            Ok(tcp) => {
                tcp.set_nodelay(true).map_err(HttpFault::other)?;
                let tcp = Bounded::new(tcp, deadline.clone(), MAX_CONVERSATION);
                if !encrypted {
                    return Ok(Box::new(tcp));
                }
                let name = host.to_owned().try_into().map_err(HttpFault::other)?;
                let config = Arc::new(tls::config(insecure)?);
                let session = rustls::ClientConnection::new(config, name).map_err(HttpFault::other)?;
                return Ok(Box::new(rustls::StreamOwned::new(session, tcp)));
            }
            Err(error) => last = HttpFault::from_io(&error),
        }
    }
    Err(last)
}

impl Socket for Open {
    fn send(&mut self, text: &str) -> Result<(), HttpFault> {
        self.deadline.set(Instant::now() + SENDING);
        self.socket.send(Message::text(text)).map_err(fault)
    }

    fn receive(&mut self, wait: Duration) -> Result<Option<String>, HttpFault> {
        let until = Instant::now() + wait;
        self.deadline.set(until);
        // Messages that are not text may come without end, too.
        while Instant::now() < until {
            match self.socket.read().map_err(fault) {
                Ok(Message::Text(text)) => return Ok(Some(text.to_string())),
                Ok(Message::Close(_)) => {
                    return Err(HttpFault::Other("connection closed".to_owned()));
                }
                // The library answers pings.
                Ok(_) => {}
                Err(HttpFault::TimedOut) => break,
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.deadline.set(Instant::now() + FAREWELL);
        let _ = self.socket.close(None);
        let _ = self.socket.flush();
    }
}

fn fault(error: Error) -> HttpFault {
    match error {
        Error::Io(error) => HttpFault::from_io(&error),
        Error::ConnectionClosed | Error::AlreadyClosed => HttpFault::Other("connection closed".to_owned()),
        Error::Capacity(error) => HttpFault::TooMuch(error.to_string()),
        error => HttpFault::other(error),
    }
}
