//! A connection with one deadline for all reads and writes and one budget for all reads: a peer that is slow on
//! purpose, or sends without end, costs no more than these.

use std::cell::Cell;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The shortest timeout that a socket accepts: zero would mean none.
const SHORTEST: Duration = Duration::from_millis(1);

/// The time until which a connection may be waited for, shared with its user.
#[derive(Clone)]
pub struct Deadline(Rc<Cell<Instant>>);

impl Deadline {
    /// A deadline at `until`.
    pub fn new(until: Instant) -> Self {
        Self(Rc::new(Cell::new(until)))
    }

    /// Moves the deadline.
    pub fn set(&self, until: Instant) {
        self.0.set(until);
    }

    fn left(&self) -> Result<Duration> {
        let left = self.0.get().saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(left.max(SHORTEST))
    }
}

/// A TCP connection with a deadline and a budget.
pub struct Bounded {
    tcp: TcpStream,
    deadline: Deadline,
    /// How many more bytes may be read.
    budget: usize,
}

impl Bounded {
    /// `tcp` with at most `budget` bytes to read.
    pub fn new(tcp: TcpStream, deadline: Deadline, budget: usize) -> Self {
        Self { tcp, deadline, budget }
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.budget == 0 {
            return Err(Error::other("response too large"));
        }
        self.tcp.set_read_timeout(Some(self.deadline.left()?))?;
        let most = buffer.len().min(self.budget);
        let read = self.tcp.read(&mut buffer[..most])?;
        self.budget -= read;
        Ok(read)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.tcp.set_write_timeout(Some(self.deadline.left()?))?;
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.tcp.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A connection to a peer that sends a byte every 20 ms.
    fn dripping(until: Duration, budget: usize) -> Bounded {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        thread::spawn(move || {
            while peer.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        Bounded::new(tcp, Deadline::new(Instant::now() + until), budget)
    }

    #[test]
    fn a_slow_peer_cannot_exceed_the_deadline() {
        let started = Instant::now();
        let error = dripping(Duration::from_millis(200), 1 << 20).read_to_end(&mut Vec::new()).unwrap_err();
        assert!([ErrorKind::TimedOut, ErrorKind::WouldBlock].contains(&error.kind()), "{error}");
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn an_endless_peer_cannot_exceed_the_budget() {
        let mut bytes = Vec::new();
        let error = dripping(Duration::from_secs(20), 5).read_to_end(&mut bytes).unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
        assert_eq!(bytes.len(), 5);
    }
}
