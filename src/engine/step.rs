//! The vocabulary of the program: a step, what its check says, and what a check may look at.

use std::fmt;
use std::ops::Deref;

use anyhow::Result;

use crate::engine::change::Change;
use crate::engine::receipt::Entry;
use crate::engine::report::Proof;
use crate::host::Host;

/// A named unit of the sequence. It is one read-only function; the runner does the rest.
pub struct Step<V: 'static> {
    /// Stable name, as `--only` accepts it.
    pub id: &'static str,
    /// What is true once it is satisfied, in a few words.
    pub title: &'static str,
    /// Compares the host with what is wanted. An error means that it could not decide.
    pub check: for<'a> fn(&Context<'a, V>) -> Result<Check>,
    /// What kind of step it is.
    pub part: Part,
}

/// What kind of step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It looks at what is on the machine.
    Machine,
    /// It looks at the running daemon, which loads what the other steps changed.
    Daemon,
    /// It makes logins: it comes last, requires that all others are satisfied, and is never part of a preview.
    Proof,
}

/// The result of a check.
#[derive(Debug)]
pub enum Check {
    /// Nothing to do, and why.
    Satisfied(String),
    /// These changes are needed, and why.
    Pending(String, Vec<Change>),
    /// It does not apply here or was left for later, and why.
    Skipped(String),
    /// This machine and these options do not need it, and why. Reports call it skipped.
    NotNeeded(String),
    /// You must act first.
    Blocked {
        /// What is wrong, and where.
        why: String,
        /// What to do about it.
        fix: String,
    },
    /// Logins were made; only the last step returns this.
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
            Err(error) => Self::error_or_blocked(error),
        }
    }

    /// This error, unless it is an [`Obstacle`]: then the operator must act first.
    pub fn error_or_blocked(error: anyhow::Error) -> Result<Self> {
        let Obstacle { why, fix } = error.downcast()?;
        Self::blocked(why, fix)
    }

    /// It does not apply here, or was left for later.
    pub fn skipped(why: impl Into<String>) -> Result<Self> {
        Ok(Self::Skipped(why.into()))
    }

    /// This machine and these options do not need it.
    pub fn not_needed(why: impl Into<String>) -> Result<Self> {
        Ok(Self::NotNeeded(why.into()))
    }

    /// You must act first.
    pub fn blocked(why: impl Into<String>, fix: impl Into<String>) -> Result<Self> {
        Ok(Self::Blocked { why: why.into(), fix: fix.into() })
    }
}

/// Something that the operator must do first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What is wrong, and where.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why, self.fix)
    }
}

impl std::error::Error for Obstacle {}

/// Shorthand for an [`Obstacle`].
pub fn obstacle(why: impl Into<String>, fix: impl Into<String>) -> Obstacle {
    Obstacle { why: why.into(), fix: fix.into() }
}

/// What a check may look at: the machine, and the view `V` of it that the steps share and whose fields are accessible
/// here.
pub struct Context<'a, V> {
    /// The machine.
    pub host: &'a dyn Host,
    /// What is wanted, and what was discovered before the first step.
    pub view: &'a V,
    /// Whether all logins are made, or only the few that a rerun needs.
    pub thorough: bool,
    /// The entries to undo; empty unless something is to be undone.
    pub entries: &'a [Entry],
}

impl<'a, V> Context<'a, V> {
    /// A context with nothing to undo and few logins.
    pub fn new(host: &'a dyn Host, view: &'a V) -> Self {
        Self { host, view, thorough: false, entries: &[] }
    }
}

impl<V> Deref for Context<'_, V> {
    type Target = V;

    fn deref(&self) -> &V {
        self.view
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_obstacles_block_and_other_errors_fail() {
        let in_the_way = obstacle("the disk is full", "make room");
        assert_eq!(in_the_way.to_string(), "the disk is full; make room");
        let said = |changes| Check::pending_or_blocked("to be done", changes);
        assert!(matches!(said(Ok(vec![])), Ok(Check::Pending(why, _)) if why == "to be done"));
        assert!(matches!(said(Err(in_the_way.into())), Ok(Check::Blocked { fix, .. }) if fix == "make room"));
        assert_eq!(said(Err(anyhow::anyhow!("cannot tell"))).unwrap_err().to_string(), "cannot tell");
    }
}
