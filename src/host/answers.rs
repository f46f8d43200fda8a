//! What queries have answered, so that checks need not share state to share answers; and queries that were started
//! ahead of the need.

use std::cell::RefCell;
use std::collections::HashMap;
use std::thread::{self, JoinHandle};

use anyhow::Result;

use super::Output;
use super::child::{self, Silent, Watcher};
use crate::command::{Command, Effect};

#[derive(Default)]
pub(super) struct Answers {
    /// Answers since the last mutation, and whether they outlast it.
    known: RefCell<HashMap<String, (Output, bool)>>,
    foreseen: RefCell<HashMap<String, JoinHandle<Result<Output>>>>,
}

/// What tells a query from others.
fn question(query: &Command) -> String {
    let stdin = query.stdin.as_ref().map_or("", |text| text.reveal());
    format!("{}\0{stdin}", query.display())
}

impl Answers {
    /// The answer to a query: known, foreseen, or asked for now.
    pub fn to(&self, query: &Command, watcher: &dyn Watcher) -> Result<Output> {
        let question = question(query);
        if let Some((known, _)) = self
            .known
            .borrow()
            .get(&question)
            .filter(|_| !query.volatile)
        {
            return Ok(known.clone());
        }
        let foreseen = self.foreseen.borrow_mut().remove(&question);
        let output = match foreseen.and_then(|query| query.join().ok()) {
            Some(output) if !query.volatile => output?,
            _ => child::run(query, watcher)?,
        };
        let lasts = query.lasting && output.ok();
        let kept = (output.clone(), lasts);
        self.known.borrow_mut().insert(question, kept);
        Ok(output)
    }

    /// Starts a query whose answer will be wanted before the next mutation.
    pub fn foresee(&self, query: &Command) {
        let question = question(query);
        if query.effect == Effect::Mutate
            || query.volatile
            || self.known.borrow().contains_key(&question)
        {
            return;
        }
        let command = query.clone();
        self.foreseen
            .borrow_mut()
            .entry(question)
            .or_insert_with(|| thread::spawn(move || child::run(&command, &Silent)));
    }

    /// Something changes: only what lasts is still true.
    pub fn forget(&self) {
        self.known.borrow_mut().retain(|_, (_, lasts)| *lasts);
        // None may be at work, and hold some lock, beside a mutation.
        for (_, query) in self.foreseen.borrow_mut().drain() {
            drop(query.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_asked_once_until_something_changes() {
        let folder = tempfile::tempdir().unwrap();
        let answers = Answers::default();
        let script = format!("ls {} | wc -l", folder.path().display());
        let query = Command::query("sh").args(["-c", &script]);
        let said = || answers.to(&query, &Silent).unwrap().stdout;
        assert_eq!(said().trim(), "0");
        std::fs::write(folder.path().join("a"), "").unwrap();
        assert_eq!(said().trim(), "0");
        answers.forget();
        assert_eq!(said().trim(), "1");
    }

    #[test]
    fn what_is_known_is_not_asked_ahead_of_the_need() {
        let folder = tempfile::tempdir().unwrap();
        let answers = Answers::default();
        let script = format!("echo >>{}/asked", folder.path().display());
        let query = Command::query("sh").args(["-c", &script]).lasting();
        answers.foresee(&query);
        for _ in 0..2 {
            answers.to(&query, &Silent).unwrap();
            answers.foresee(&query);
            answers.forget();
        }
        let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
        assert_eq!(asked, "\n");
    }

    #[test]
    fn a_lasting_answer_is_kept_once_it_is_a_good_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        let answers = Answers::default();
        let path = file.display().to_string();
        let query = Command::query("cat").arg(path).lasting();
        let said = || {
            answers.forget();
            answers.to(&query, &Silent).unwrap()
        };
        assert!(!said().ok());
        std::fs::write(&file, "one").unwrap();
        assert_eq!(said().stdout, "one");
        std::fs::write(&file, "two").unwrap();
        assert_eq!(said().stdout, "one");
    }
}
