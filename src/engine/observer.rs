//! Observers of a run, which show it to people or write it down. The engine only reports what happens.

use std::path::Path;

use crate::engine::report::{ChangeReport, StepReport};

/// How a step ended.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// With this report.
    Report(&'a StepReport),
    /// A later round had nothing to do: the report is the earlier round's.
    Again(&'a StepReport),
    /// Early: the whole run was interrupted.
    Interrupted,
}

/// Receives events as they happen.
pub trait Observer {
    /// A step begins, number `place.0` of `place.1`.
    fn begin(&self, id: &str, title: &str, place: (usize, usize));

    /// A step is about to make this change.
    fn change(&self, step: &str, change: &ChangeReport);

    /// The step that began has ended.
    fn end(&self, end: End<'_>);

    /// What changes in a file, ready to be shown: without secrets.
    fn difference(&self, path: &Path, before: &[u8], after: &[u8]) -> String;
}
