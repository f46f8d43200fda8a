//! What the receipt records of Debian: which packages there are, and debconf's answers.

use std::path::Path;

use anyhow::Result;

use crate::debian::{debconf, dpkg};
use crate::engine::leftovers::wait_for;
use crate::engine::snapshot::{Keep, Snapshot, hash};
use crate::engine::watch::{Watch, WatchKind};
use crate::host::Host;

/// What apt and dpkg hold as long as they work.
const LOCK: &str = "/var/lib/dpkg/lock-frontend";

/// The packages of this machine; there is one such set.
pub struct Packages;

impl Packages {
    /// The set, to be recorded around a change.
    pub fn watch() -> Watch {
        Watch::new(&Self, "")
    }
}

impl WatchKind for Packages {
    fn name(&self) -> &'static str {
        "packages"
    }

    /// A killed dpkg leaves packages that came and are not configured.
    fn capture(&self, host: &dyn Host, _which: &str, _keep: Keep) -> Result<Snapshot> {
        Ok(Snapshot::Names(dpkg::present(host)?))
    }

    fn settle(&self, host: &dyn Host, _which: &str) -> Result<()> {
        wait_for("a package manager", host, |host| host.lock_holder(Path::new(LOCK)))
    }
}

/// Answers to debconf's questions, `package/name`.
pub struct Answers;

impl Answers {
    /// The answer to one question, to be recorded around a change.
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
