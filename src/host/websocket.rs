//! WebSocket connections of the real machine.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tungstenite::client::{IntoClientRequest, client_with_config};
use tungstenite::http::{HeaderName, HeaderValue, Uri};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, HandshakeError, Message};

use super::system::LONGEST_ANSWER;
use super::{HttpFault, HttpRequest, HttpResponse, Socket, Unopened, names, tls};

/// What a connection runs over.
trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// An open connection; `tcp` is the same socket, to set time limits on.
struct Open {
    socket: tungstenite::WebSocket<Box<dyn Stream>>,
    tcp: TcpStream,
}

/// Connects and shakes hands.
pub(super) fn open(request: &HttpRequest, insecure: bool) -> Result<Box<dyn Socket>, Unopened> {
    let (stream, tcp) = connect(request, insecure).map_err(Unopened::Fault)?;
    let mut handshake = request
        .url
        .as_str()
        .into_client_request()
        .map_err(|error| Unopened::Fault(other(error)))?;
    for (name, value) in &request.headers {
        let pair = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        );
        if let (Ok(name), Ok(value)) = pair {
            handshake.headers_mut().insert(name, value);
        }
    }
    let config = WebSocketConfig::default().max_message_size(Some(LONGEST_ANSWER as usize));
    match client_with_config(handshake, stream, Some(config)) {
        Ok((socket, _)) => Ok(Box::new(Open { socket, tcp })),
        Err(HandshakeError::Interrupted(_)) => Err(Unopened::Fault(HttpFault::TimedOut)),
        Err(HandshakeError::Failure(Error::Http(response))) => {
            let body = response.body().as_deref().unwrap_or_default();
            Err(Unopened::Answered(HttpResponse {
                status: response.status().as_u16(),
                body: String::from_utf8_lossy(body).into_owned(),
            }))
        }
        Err(HandshakeError::Failure(error)) => Err(Unopened::Fault(fault(error))),
    }
}

fn connect(
    request: &HttpRequest,
    insecure: bool,
) -> Result<(Box<dyn Stream>, TcpStream), HttpFault> {
    let until = Instant::now() + request.timeout;
    let uri: Uri = request.url.parse().map_err(other)?;
    let encrypted = uri.scheme_str() == Some("wss");
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let addresses = names::addresses(host, port, request.timeout).map_err(|error| of_io(&error))?;
    let mut last = HttpFault::Other(format!("{host} has no address"));
    for address in addresses {
        let left = until.saturating_duration_since(Instant::now());
        match TcpStream::connect_timeout(&address, left.max(Duration::from_millis(1))) {
            Ok(tcp) => {
                let limit = Some(request.timeout.max(Duration::from_millis(1)));
                tcp.set_read_timeout(limit).map_err(other)?;
                tcp.set_write_timeout(limit).map_err(other)?;
                tcp.set_nodelay(true).map_err(other)?;
                let twin = tcp.try_clone().map_err(other)?;
                if !encrypted {
                    return Ok((Box::new(tcp), twin));
                }
                let name = host.to_owned().try_into().map_err(other)?;
                let config = Arc::new(tls::config(insecure)?);
                let session = rustls::ClientConnection::new(config, name).map_err(other)?;
                return Ok((Box::new(rustls::StreamOwned::new(session, tcp)), twin));
            }
            Err(error) => last = of_io(&error),
        }
    }
    Err(last)
}

impl Socket for Open {
    fn send(&mut self, text: &str) -> Result<(), HttpFault> {
        self.socket.send(Message::text(text)).map_err(fault)
    }

    fn receive(&mut self, wait: Duration) -> Result<Option<String>, HttpFault> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.tcp.set_read_timeout(Some(left)).map_err(other)?;
            match self.socket.read().map_err(fault) {
                Ok(Message::Text(text)) => return Ok(Some(text.to_string())),
                Ok(Message::Close(_)) => {
                    return Err(HttpFault::Other("connection closed".to_owned()));
                }
                // A ping is answered by the library.
                Ok(_) => {}
                Err(HttpFault::TimedOut) => return Ok(None),
                Err(fault) => return Err(fault),
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Whether the farewell arrives matters little.
        let _ = self.socket.close(None);
        let _ = self.socket.flush();
    }
}

fn other(error: impl std::fmt::Display) -> HttpFault {
    HttpFault::Other(error.to_string())
}

fn of_io(error: &std::io::Error) -> HttpFault {
    match error.kind() {
        ErrorKind::ConnectionRefused => HttpFault::Refused,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => HttpFault::TimedOut,
        _ => other(error),
    }
}

fn fault(error: Error) -> HttpFault {
    match error {
        Error::Io(error) => of_io(&error),
        Error::ConnectionClosed | Error::AlreadyClosed => {
            HttpFault::Other("connection closed".to_owned())
        }
        error => other(error),
    }
}
