//! What every step looks at: what the operator wants, and what was discovered, read once.

use anyhow::{Context as _, Result};

use crate::engine::step;
use crate::host::Host;
use crate::site::facts::{Facts, Site};
use crate::site::settings::Settings;

/// A step of this program.
pub type Step = step::Step<View>;

/// What a step of this program looks at.
pub type Context<'a> = step::Context<'a, View>;

/// The settings and the facts.
pub struct View {
    /// What the operator wants.
    pub settings: Settings,
    /// What was discovered.
    pub facts: Facts,
}

impl View {
    /// Gathers the facts.
    ///
    /// # Errors
    /// As [`Facts::gather`].
    pub fn gather(host: &dyn Host, settings: Settings) -> Result<Self> {
        let facts = Facts::gather(host, &settings)?;
        Ok(Self { settings, facts })
    }

    /// The Jitsi site. `preflight` blocks the run if there is none, so later steps can rely on it.
    ///
    /// # Errors
    /// If there is none.
    pub fn site(&self) -> Result<&Site> {
        self.facts.site.as_ref().ok().context("no Jitsi site was found: preflight did not pass")
    }
}
