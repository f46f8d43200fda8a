//! Who watches a run: shows it to people, writes it down. The engine only says what happens.

use std::path::Path;

use crate::engine::report::{ChangeReport, StepReport};

/// Is told what happens, as it happens.
pub trait Observer {
    /// A step begins, number `place.0` of `place.1`.
    fn begin(&self, id: &str, title: &str, place: (usize, usize));

    /// A step is about to make this change.
    fn change(&self, step: &str, change: &ChangeReport);

    /// The step ended with this report; without one, the whole run did.
    fn end(&self, report: Option<&StepReport>);

    /// What changes in a file, as it may be shown: no secret is in it.
    fn difference(&self, path: &Path, before: &[u8], after: &[u8]) -> String;
}
