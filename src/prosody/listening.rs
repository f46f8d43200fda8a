//! Whether Prosody answers on its web port, and the wait for one that was started a moment ago.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::host::Host;
use crate::login::{self, Server};
use crate::prosody::daemon;

/// How long after its start Prosody may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a Prosody that was started a moment ago and does not answer yet: by hand, by the machine's boot, or by a
/// run that was killed, whose `systemctl` went on. One that is down, or has had its time, is not waited for.
pub fn wait(host: &dyn Host, server: &Server) -> Result<()> {
    wait_for(host, server, PATIENCE)
}

fn wait_for(host: &dyn Host, server: &Server, patience: Duration) -> Result<()> {
    if !server.direct {
        return Ok(());
    }
    let began = Instant::now();
    while let Some(daemon) = daemon::running(host)? {
        // Its own user may start another process all the time.
        let had_its_time = host.now() > daemon.since + patience || began.elapsed() > patience;
        if had_its_time || login::answers(host, server) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        crate::host::interrupt::check()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::host::fake::FakeHost;
    use crate::login::net::HttpFault;

    /// A Prosody of this age that refuses the first connections.
    fn asked(age: u32, refusals: usize) -> usize {
        let seen = Rc::new(Cell::new(0));
        let count = Rc::clone(&seen);
        let host = FakeHost::new().prosody_for(age).serves(move |_| {
            count.set(count.get() + 1);
            if count.get() > refusals { Err(HttpFault::Other("garbage".to_owned())) } else { Err(HttpFault::Refused) }
        });
        wait(&host, &Server::local("m.org")).unwrap();
        seen.get()
    }

    #[test]
    fn a_young_prosody_is_waited_for() {
        assert_eq!(asked(1, 3), 4);
    }

    #[test]
    fn an_old_one_is_not() {
        assert_eq!(asked(30, 3), 0);
    }

    /// Its user names a new process in the pid file again and again, and nobody is ever answered.
    #[test]
    fn one_that_is_always_young_is_not_waited_for_longer_than_one_that_was_young_once() {
        let host = FakeHost::new().prosody_for(0).serves(|_| Err(HttpFault::Refused));
        let began = Instant::now();
        wait_for(&host, &Server::local("m.org"), Duration::from_millis(200)).unwrap();
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn none_is_not() {
        wait(&FakeHost::new(), &Server::local("m.org")).unwrap();
    }
}
