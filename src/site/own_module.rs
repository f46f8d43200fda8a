//! Modules for Prosody that this program ships, for what Jitsi's plugins cannot do by themselves.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::engine::change::Change;
use crate::host::{Access, Host};
use crate::prosody::plugin::FOLDER;
use crate::site::{moderators, token_keys};

/// A module for Prosody.
pub struct OwnModule {
    /// Its name, as in `modules_enabled`.
    pub name: &'static str,
    /// Its source.
    pub text: &'static str,
}

/// All our modules.
pub const ALL: [&OwnModule; 2] = [&moderators::MODULE, &token_keys::MODULE];

impl OwnModule {
    /// Where it is installed: next to Jitsi's.
    pub fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(format!("mod_{}.lua", self.name))
    }

    /// The change that installs it; none if it is up to date.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn missing(&self, host: &dyn Host) -> Result<Option<Change>> {
        let path = self.path();
        let seen = host.read(&path)?;
        let same = seen.as_deref() == Some(self.text.as_bytes());
        Ok((!same).then(|| Change::write(path, self.text, Access::root(0o644)).in_place_of(seen)))
    }
}
