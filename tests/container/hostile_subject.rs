//! A provisioned machine that is given hostile values: it may reject them, and may print anything safe for a terminal.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::bed::{Machine, Run, text};
use crate::story::provisioned;

#[path = "../fixtures/hostile_values.rs"]
mod values;

pub use values::{CANARY, hostile_values};

/// The time limit of every command, even with a server that answers nonsense.
const BOUND: Duration = Duration::from_secs(60);

/// A provisioned machine, and its root folder as a path on this machine.
pub struct Subject {
    pub machine: Machine,
    pub root: PathBuf,
}

impl Subject {
    pub fn new() -> Self {
        let machine = Machine::boot(provisioned());
        let root = machine.root();
        Self { machine, root }
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.file(path)).expect("it can be read")
    }

    /// Overwrites a file in place; mode and owner stay.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.file(path), bytes).expect("it can be written");
    }

    /// Runs the tool, which may print anything safe for a terminal.
    pub fn survives(&self, args: &[&str], value: &[u8]) -> Run {
        let started = Instant::now();
        let run = self.machine.tool(args);
        let shown = format!("{args:?} with {:?}: {}", text(&value[..value.len().min(200)]), run.all());
        assert!([0, 1, 2, 3, 4, 5].contains(&run.code), "exit {}: {shown}", run.code);
        assert!(!shown.contains("panicked"), "{shown}");
        assert!(started.elapsed() < BOUND, "{:?}: {shown}", started.elapsed());
        let raw = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!run.all().contains(raw), "control characters: {shown:?}");
        run
    }

    /// Tries each of these values in each of these forms of a file, and restores the file.
    pub fn in_file(&self, path: &str, values: &[Vec<u8>], forms: &[Form], commands: &[&[&str]]) {
        let before = self.read(path);
        for value in values {
            for form in forms {
                self.write(path, form(&before, value));
                for command in commands {
                    self.survives(command, value);
                }
            }
        }
        self.write(path, before);
    }

    pub fn assert_intact(&self) {
        assert!(!self.file(CANARY).exists(), "a value was executed");
        assert!(!Path::new(CANARY).exists(), "a value was executed");
        self.machine.assert_proved();
    }
}

/// Makes a file with a value in it from its content.
pub type Form = fn(&[u8], &[u8]) -> Vec<u8>;

/// Every so many of the values, beginning with a different one for each field.
pub fn some(every: usize, first: usize) -> Vec<Vec<u8>> {
    hostile_values().into_iter().skip(first % every).step_by(every).collect()
}
