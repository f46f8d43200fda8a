//! Runs the tool within bounds, and measures its time and memory.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::bed::{Machine, Run, TOOL, text};

/// The result of one command.
pub struct Bounded {
    pub run: Run,
    pub took: Duration,
    /// The peak memory of any one process of the tool itself, in KiB. Its children do not count: apt needs what it
    /// needs.
    pub peak: u64,
}

/// Address space, in KiB: a tool that reads without end must not use up the memory of the test machine. It then dies by
/// a signal, which is not a documented exit code.
const ADDRESS_SPACE: u64 = 1_500_000;

/// How much of the output is looked at, in bytes.
const OUTPUT: u64 = 4 << 20;

/// Runs the tool in `folder` of the container; it is killed at `limit`, with exit code 124 or 137.
pub fn run(machine: &Machine, folder: &str, args: &[&str], limit: Duration) -> Bounded {
    let script = format!(
        "ulimit -v {ADDRESS_SPACE}; ulimit -c 0; cd {folder} && \
         exec timeout --kill-after=3 {:.1} {TOOL} \"$@\"",
        limit.as_secs_f64()
    );
    let output = tempfile::tempdir().expect("a folder");
    let (stdout, stderr) = (output.path().join("out"), output.path().join("err"));
    let started = Instant::now();
    let mut child = machine
        .inside(&[&["sh", "-c", &script, "sh"], args].concat())
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).expect("a file"))
        .stderr(File::create(&stderr).expect("a file"))
        .spawn()
        .expect("exec runs");
    let pid = child.id();
    let done = AtomicBool::new(false);
    let (status, peak) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| peak_memory(pid, &done));
        let status = child.wait().expect("it ends");
        done.store(true, Ordering::Relaxed);
        (status, watch.join().expect("the watch ends"))
    });
    Bounded {
        run: Run { code: status.code().unwrap_or(-1), stdout: beginning(&stdout), stderr: beginning(&stderr) },
        took: started.elapsed(),
        peak,
    }
}

fn beginning(file: &Path) -> String {
    let mut bytes = Vec::new();
    let file = File::open(file).expect("a file");
    file.take(OUTPUT).read_to_end(&mut bytes).expect("a file");
    text(&bytes)
}

/// The largest high-water mark of the tool's processes below `top`, in KiB.
fn peak_memory(top: u32, done: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !done.load(Ordering::Relaxed) {
        look(top, &mut peak);
        std::thread::sleep(Duration::from_millis(4));
    }
    peak
}

fn look(pid: u32, peak: &mut u64) {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let is_tool = fs::read_link(folder.join("exe")).is_ok_and(|exe| exe.file_name() == Path::new(TOOL).file_name());
    if is_tool {
        let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
        let mark = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        *peak = (*peak).max(mark.unwrap_or(0));
    }
    // Each thread has its own list of children.
    for task in fs::read_dir(folder.join("task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            look(child, peak);
        }
    }
}
