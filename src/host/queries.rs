//! Caches the answers of queries, so checks can share answers without sharing state, and runs queries ahead of time.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::Result;

use super::Output;
use super::child::{self, Event, Watcher};
use crate::host::command::{Command, Effect};

#[derive(Default)]
pub(super) struct Answers {
    /// Answers since the last mutation, and whether they outlast the next.
    known: RefCell<HashMap<String, (Output, bool)>>,
    foreseen: RefCell<HashMap<String, Foreseen>>,
}

/// A query that was started ahead of time. Dropping it kills its child, which may never end by itself.
struct Foreseen {
    query: Option<JoinHandle<Result<Output>>>,
    dropped: Arc<AtomicBool>,
}

impl Foreseen {
    fn start(query: &Command) -> Self {
        let (query, dropped) = (query.clone(), Arc::default());
        let watcher = Unless(Arc::clone(&dropped));
        Self { query: Some(thread::spawn(move || child::run(&query, &watcher))), dropped }
    }

    /// Waits for its answer; none if its thread panicked.
    fn answer(mut self) -> Option<Result<Output>> {
        self.query.take()?.join().ok()
    }
}

impl Drop for Foreseen {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
        if let Some(query) = self.query.take() {
            // Its answer is no longer wanted, and a panic has already been printed.
            drop(query.join());
        }
    }
}

/// Waits for a child until this is true.
struct Unless(Arc<AtomicBool>);

impl Watcher for Unless {
    fn event(&self, _event: &Event) {}

    fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What identifies a query.
fn question(query: &Command) -> String {
    let stdin = query.stdin.as_ref().map_or("", |text| text.reveal());
    format!("{}\0{stdin}", query.display())
}

impl Answers {
    /// The answer to a query: cached, from a query started ahead of time, or from running it now.
    pub fn to(&self, query: &Command, watcher: &dyn Watcher) -> Result<Output> {
        let question = question(query);
        if let Some((known, _)) = self.known.borrow().get(&question).filter(|_| !query.volatile) {
            return Ok(known.clone());
        }
        let foreseen = self.foreseen.borrow_mut().remove(&question);
        let output = match foreseen.and_then(Foreseen::answer) {
            Some(output) if !query.volatile => output?,
            _ => child::run(query, watcher)?,
        };
        let lasts = query.lasting && output.ok();
        let kept = (output.clone(), lasts);
        self.known.borrow_mut().insert(question, kept);
        Ok(output)
    }

    /// Starts a query whose answer will be needed before the next mutation.
    pub fn prefetch(&self, query: &Command) {
        let question = question(query);
        if query.effect == Effect::Mutate || query.volatile || self.known.borrow().contains_key(&question) {
            return;
        }
        self.foreseen.borrow_mut().entry(question).or_insert_with(|| Foreseen::start(query));
    }

    /// Drops all but lasting answers, because something changes.
    pub fn forget(&self) {
        self.known.borrow_mut().retain(|_, (_, lasts)| *lasts);
        // No query may run, and perhaps hold a lock, during a mutation.
        let mut foreseen = self.foreseen.borrow_mut();
        for query in foreseen.values() {
            query.dropped.store(true, Ordering::Relaxed);
        }
        foreseen.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::host::child::Silent;

    #[test]
    fn unused_background_queries_are_killed() {
        let folder = tempfile::tempdir().unwrap();
        let number = folder.path().join("number");
        let script = format!("echo $$ >{}; exec sleep 60", number.display());
        let begin = Instant::now();
        let answers = Answers::default();
        answers.prefetch(&Command::query("sh").args(["-c", &script]));
        let number = loop {
            match std::fs::read_to_string(&number) {
                Ok(text) if text.ends_with('\n') => break text,
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        drop(answers);
        assert!(begin.elapsed() < Duration::from_secs(30));
        assert!(!std::path::Path::new("/proc").join(number.trim()).exists());
    }

    #[test]
    fn queries_are_cached_until_something_changes() {
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
    fn cached_queries_are_not_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let answers = Answers::default();
        let script = format!("echo >>{}/asked", folder.path().display());
        let query = Command::query("sh").args(["-c", &script]).lasting();
        answers.prefetch(&query);
        for _ in 0..2 {
            answers.to(&query, &Silent).unwrap();
            answers.prefetch(&query);
            answers.forget();
        }
        let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
        assert_eq!(asked, "\n");
    }

    #[test]
    fn only_successful_lasting_answers_are_kept() {
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
