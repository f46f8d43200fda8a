//! What the receipt records about Debian: the packages and debconf's answers.

use std::path::Path;

use anyhow::Result;

use crate::debian::{debconf, dpkg};
use crate::engine::leftovers::wait_for;
use crate::engine::snapshot::{Keep, Snapshot, hash};
use crate::engine::watch::{Watch, WatchKind};
use crate::host::Host;

/// The lock that apt and dpkg hold while they work.
const LOCK: &str = "/var/lib/dpkg/lock-frontend";

/// The set of packages on this machine.
pub struct Packages;

impl Packages {
    /// A watch that records the set around a change.
    pub fn watch() -> Watch {
        Watch::new(&Self, "")
    }
}

impl WatchKind for Packages {
    fn name(&self) -> &'static str {
        "packages"
    }

    /// Includes half-done packages: a killed dpkg leaves some unpacked and not configured.
    fn capture(&self, host: &dyn Host, _which: &str, _keep: Keep) -> Result<Snapshot> {
        Ok(Snapshot::Names(dpkg::present(host)?))
    }

    fn settle(&self, host: &dyn Host, _which: &str) -> Result<()> {
        wait_for("a package manager", host, |host| host.lock_holder(Path::new(LOCK)))
    }
}

/// Answers to debconf's questions, which are named `package/name`.
pub struct Answers;

impl Answers {
    /// A watch that records the answer to one question around a change.
    pub fn watch(question: &str) -> Watch {
        Watch::new(&Self, question)
    }
}

impl WatchKind for Answers {
    fn name(&self) -> &'static str {
        "debconf"
    }

    fn capture(&self, host: &dyn Host, which: &str, keep: Keep) -> Result<Snapshot> {
        let Some(value) = debconf::answer(host, which)? else {
            return Ok(Snapshot::Answer(None));
        };
        let name = hash(value.as_bytes());
        keep(&name, value.as_bytes())?;
        Ok(Snapshot::Answer(Some(name)))
    }

    fn settle(&self, _host: &dyn Host, _which: &str) -> Result<()> {
        Ok(())
    }
}
