//! The vocabulary of the program: a step, what its check says, and what a check may look at.

use anyhow::{Context as _, Result};

use crate::engine::change::Change;
use crate::engine::receipt::Span;
use crate::engine::report::Proof;
use crate::host::Host;
use crate::site::facts::{Facts, Obstacle, Site};
use crate::site::settings::Settings;

/// A named unit of the sequence. It is one read-only function; the runner does the rest.
pub struct Step {
    /// Stable name, as `--only` takes it.
    pub id: &'static str,
    /// What is true once it is satisfied, in a few words.
    pub title: &'static str,
    /// Compares the host with what is wanted. An error means that it could not decide.
    pub check: fn(&Context) -> Result<Check>,
    /// What kind of step it is.
    pub part: Part,
}

/// What kind of step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It looks at what is on the machine.
    Machine,
    /// It looks at the running daemon, which takes up what the others changed.
    Daemon,
    /// It makes logins: it comes last, needs all others satisfied, and is never part of a preview.
    Proof,
}

/// What a check says.
#[derive(Debug)]
pub enum Check {
    /// Nothing to do, and why.
    Satisfied(String),
    /// These changes are needed, and why.
    Pending(String, Vec<Change>),
    /// It does not apply here, and why.
    Skipped(String),
    /// The operator must act first.
    Blocked {
        /// What is wrong, and where.
        why: String,
        /// What to do about it.
        fix: String,
    },
    /// Logins were made; only the last step says this.
    Proved(Proof),
}

impl Check {
    /// Nothing to do.
    pub fn satisfied(why: impl Into<String>) -> Result<Self> {
        Ok(Self::Satisfied(why.into()))
    }

    /// These changes are needed.
    pub fn pending(why: impl Into<String>, changes: impl IntoIterator<Item = Change>) -> Result<Self> {
        Ok(Self::Pending(why.into(), changes.into_iter().collect()))
    }

    /// These changes are needed, unless the operator must act first.
    pub fn pending_or_blocked(why: impl Into<String>, changes: Result<Vec<Change>>) -> Result<Self> {
        match changes {
            Ok(changes) => Self::pending(why, changes),
            Err(error) => {
                let Obstacle { why, fix } = error.downcast()?;
                Self::blocked(why, fix)
            }
        }
    }

    /// It does not apply here.
    pub fn skipped(why: impl Into<String>) -> Result<Self> {
        Ok(Self::Skipped(why.into()))
    }

    /// The operator must act first.
    pub fn blocked(why: impl Into<String>, fix: impl Into<String>) -> Result<Self> {
        Ok(Self::Blocked { why: why.into(), fix: fix.into() })
    }
}

/// What a check may look at.
pub struct Context<'a> {
    /// The machine.
    pub host: &'a dyn Host,
    /// What the operator asked for.
    pub settings: &'a Settings,
    /// What was discovered.
    pub facts: &'a Facts,
    /// Whether all logins are made, or only the few that a rerun needs.
    pub thorough: bool,
    /// What is to be taken back; empty unless something is.
    pub spans: &'a [Span],
}

impl Context<'_> {
    /// The Jitsi site. `preflight` blocks the run when there is none, so later steps can rely on it.
    pub fn site(&self) -> Result<&Site> {
        self.facts.site.as_ref().ok().context("the Jitsi site is not known: preflight has not passed")
    }
}
