//! Waits for a package manager that outlived the run that had started it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::host::Host;

/// What apt and dpkg hold as long as they work.
const LOCK: &str = "/var/lib/dpkg/lock-frontend";

/// As long as the commands' own patience is without `--lock-timeout`.
const LONGEST: Duration = Duration::from_secs(300);

/// Returns when no package manager is at work: what it brings is known only then.
pub fn package_manager(host: &dyn Host) -> Result<()> {
    let started = Instant::now();
    let mut said = false;
    while let Some(holder) = host.lock_holder(Path::new(LOCK))? {
        if started.elapsed() >= LONGEST {
            bail!(
                "a package manager (process {holder}) is still at work; wait for it to end, and run this again"
            );
        }
        crate::interrupt::check()?;
        if !said {
            host.notice(&format!(
                "waiting for a package manager (process {holder}) to end"
            ));
            said = true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
