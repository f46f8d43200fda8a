//! Waits until a Prosody that was started a moment ago answers on its web port.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::host::Host;
use crate::login::{self, Server};
use crate::prosody::daemon;

/// How long Prosody may take to answer after it was started.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a Prosody that was started a moment ago and does not answer yet: by hand, at boot, or by a killed run
/// whose `systemctl` went on. Does not wait if Prosody is down or has had its time.
pub fn wait(host: &dyn Host, server: &Server) -> Result<()> {
    wait_for(host, server, PATIENCE)
}

fn wait_for(host: &dyn Host, server: &Server, patience: Duration) -> Result<()> {
    if !server.direct {
        return Ok(());
    }
    let began = Instant::now();
    while let Some(daemon) = daemon::running(host)? {
        // Prosody's own user may keep starting new processes.
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

    /// How often a Prosody of this age, in seconds, is asked if it refuses the first connections.
    fn asked(age: u32, refusals: usize) -> usize {
        let seen = Rc::new(Cell::new(0));
        let count = Rc::clone(&seen);
        let host = FakeHost::new().running_prosody(age).serves(move |_| {
            count.set(count.get() + 1);
            if count.get() > refusals { Err(HttpFault::Other("garbage".to_owned())) } else { Err(HttpFault::Refused) }
        });
        wait(&host, &Server::local("m.org")).unwrap();
        seen.get()
    }

    #[test]
    fn a_just_started_prosody_is_waited_for() {
        assert_eq!(asked(1, 3), 4);
    }

    #[test]
    fn a_long_running_prosody_is_not_waited_for() {
        assert_eq!(asked(30, 3), 0);
    }

    /// Prosody's user keeps naming a new process in the pid file, and none ever answers.
    #[test]
    fn the_wait_for_a_restarting_prosody_is_limited() {
        let host = FakeHost::new().running_prosody(0).serves(|_| Err(HttpFault::Refused));
        let began = Instant::now();
        wait_for(&host, &Server::local("m.org"), Duration::from_millis(200)).unwrap();
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn an_absent_prosody_is_not_waited_for() {
        wait(&FakeHost::new(), &Server::local("m.org")).unwrap();
    }
}
