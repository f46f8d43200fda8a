//! Waits for processes that a killed run left behind, since their effects are known only once they end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::host::Host;

/// How long to wait: the default of `--lock-timeout`.
const LONGEST: Duration = Duration::from_secs(300);

/// Returns once `at_work` no longer finds a process; meanwhile, tells the operator what it is waiting for.
pub fn wait_for(what: &str, host: &dyn Host, at_work: impl Fn(&dyn Host) -> Result<Option<i32>>) -> Result<()> {
    let started = Instant::now();
    let mut said = false;
    while let Some(process) = at_work(host)? {
        if started.elapsed() >= LONGEST {
            bail!("{what} (process {process}) is still running; wait for it to finish, then run this again");
        }
        crate::host::interrupt::check()?;
        if !said {
            host.notice(&format!("waiting for {what} (process {process}) to finish"));
            said = true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::wait_for;
    use crate::host::fake::FakeHost;

    #[test]
    fn waits_for_the_process_with_a_single_notice() {
        let (host, asked) = (FakeHost::new(), Cell::new(0));
        let at_work = |_: &dyn crate::host::Host| {
            asked.set(asked.get() + 1);
            Ok((asked.get() < 4).then_some(17))
        };
        wait_for("luarocks", &host, at_work).unwrap();
        assert_eq!(asked.get(), 4);
        assert_eq!(*host.notices.borrow(), ["waiting for luarocks (process 17) to finish"]);
    }
}
