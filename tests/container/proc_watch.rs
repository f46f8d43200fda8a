//! Looks at the arguments and environment of every process, as often as it can, while something runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A running watch.
pub struct ProcWatch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, BTreeSet<Vec<u8>>)>,
}

impl ProcWatch {
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            let mut rounds = 0;
            while !flag.load(Ordering::Relaxed) {
                look(&mut seen);
                rounds += 1;
            }
            (rounds, seen)
        });
        Self { stop, thread }
    }

    /// Stops, and returns how often it looked and everything that it saw.
    pub fn stop(self) -> (usize, BTreeSet<Vec<u8>>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watch ends")
    }
}

fn look(seen: &mut BTreeSet<Vec<u8>>) {
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().is_none_or(|name| name == own || !name.bytes().all(|byte| byte.is_ascii_digit())) {
            continue;
        }
        for file in ["cmdline", "environ"] {
            if let Ok(bytes) = std::fs::read(entry.path().join(file)) {
                if !bytes.is_empty() {
                    seen.insert(bytes);
                }
            }
        }
    }
}
