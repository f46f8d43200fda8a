//! Who watches a run: shows it to people, writes it down. The engine only says what happens.

use std::path::Path;

use crate::engine::report::{ChangeReport, StepReport};

/// How a step ended.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// With this report.
    Report(&'a StepReport),
    /// A later round had nothing to do: the report is the earlier round's.
    Again(&'a StepReport),
    /// With the whole run: it was interrupted.
    Interrupted,
}

/// Is told what happens, as it happens.
pub trait Observer {
    /// A step begins, number `place.0` of `place.1`.
    fn begin(&self, id: &str, title: &str, place: (usize, usize));

    /// A step is about to make this change.
    fn change(&self, step: &str, change: &ChangeReport);

    /// The step that began has ended.
    fn end(&self, end: End<'_>);

    /// What changes in a file, as it may be shown: no secret is in it.
    fn difference(&self, path: &Path, before: &[u8], after: &[u8]) -> String;
}
