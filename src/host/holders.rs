//! Who still has a file open for writing, according to /proc. The kernel's leases would tell too, but need unsafe code.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long it may take until /proc shows a file that was opened a moment ago.
const OPENING: Duration = Duration::from_millis(5);

/// How long to wait for a writer; one that keeps the file open for longer loses what it writes later.
const LONGEST: Duration = Duration::from_millis(500);

/// How many bytes of a file's fdinfo in /proc are read: enough for its flags.
const FDINFO: u64 = 4096;

/// Waits, for half a second at most, until no process has the file of this name, which nothing else uses, open for
/// writing.
pub fn wait_for_writers(name: &OsStr) {
    let until = Instant::now() + LONGEST;
    std::thread::sleep(OPENING);
    while Instant::now() < until && is_being_written(name, until) {
        std::thread::sleep(OPENING);
    }
}

/// Whether a process is seen to have it open for writing before `until`: anybody can have more processes and open files
/// than can be checked in time.
fn is_being_written(name: &OsStr, until: Instant) -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered = |name: &OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    processes
        .take_while(|_| Instant::now() < until)
        .filter(|process| numbered(&process.file_name()))
        .any(|process| writes(&process.path(), name, until))
}

/// Whether the process with this folder in /proc has it open for writing. Only names are read: a file on a dead server
/// is not touched.
fn writes(process: &Path, name: &OsStr, until: Instant) -> bool {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten().take_while(|_| Instant::now() < until);
    open.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target.file_name() == Some(name))).any(|fd| {
        let mut about = String::new();
        let file = fs::File::open(process.join("fdinfo").join(fd.file_name()));
        // The flags are among the first lines; any number of locks may follow.
        let _ = file.and_then(|file| file.take(FDINFO).read_to_string(&mut about));
        let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
        flags.is_some_and(|flags| flags & 0o3 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_are_detected_and_readers_are_not() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("held-by-a-writer");
        let name = path.file_name().unwrap();
        let writer = fs::File::create(&path).unwrap();
        let soon = || Instant::now() + Duration::from_secs(60);
        assert!(is_being_written(name, soon()));
        drop(writer);
        let _reader = fs::File::open(&path).unwrap();
        assert!(!is_being_written(name, soon()));
    }

    #[test]
    fn the_search_for_writers_stops_at_the_deadline() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("held-by-a-writer-too");
        let _writer = fs::File::create(&path).unwrap();
        assert!(!is_being_written(path.file_name().unwrap(), Instant::now()));
    }
}
