//! Kills the tool in a container at an exact point of its run. `strace` on this machine follows only its main thread
//! (its children run at full speed), counts its system calls, and sends the signal before the n-th call of a kind.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::bed::{Machine, TOOL};

/// The calls that change something or start a child. Before the next call means after the last one.
const CALLS: &str = "openat,fsync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,symlink,symlinkat,link,linkat,clone,clone3,vfork";

/// Where the tool is killed.
#[derive(Clone, Debug)]
pub enum Point {
    /// Before its n-th call of `name`.
    Call {
        name: String,
        nth: usize,
        #[allow(dead_code, reason = "shown where it fails")]
        line: String,
    },
    /// While its n-th child runs, `after` its start; with `everything`, the child and all below it die too.
    Child { nth: usize, after: Duration, everything: bool },
    /// While a program of this name runs.
    Program { name: String, after: Duration, everything: bool },
}

/// How a run with a point ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was killed at the point.
    Killed,
    /// It ended before the point.
    Ended,
}

/// The tool, started and stopped before its first instruction, with its process ID on this machine.
struct Paused {
    outer: Child,
    pid: u32,
}

impl Paused {
    fn start(machine: &Machine, args: &[&str]) -> Self {
        let mut words = vec!["sh", "-c", "kill -STOP $$; exec \"$@\"", "sh", TOOL];
        words.extend(args);
        let outer = machine.inside(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let pid = wait_for(|| children(outer.id()).into_iter().find(|pid| status(*pid, "State").starts_with('T')));
        Self { outer, pid }
    }

    /// Attaches strace, which writes its trace to `file`.
    fn traced(&self, file: &Path, injection: Option<&str>) -> Child {
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-s", "120", "-e", "signal=none", "-e", &format!("trace={CALLS}")]);
        if let Some(injection) = injection {
            strace.args(["-e", &format!("inject={injection}")]);
        }
        let strace = strace
            .arg("-o")
            .arg(file)
            .args(["-p", &self.pid.to_string()])
            .stderr(Stdio::null())
            .spawn()
            .expect("strace runs");
        wait_for(|| (status(self.pid, "TracerPid") != "0").then_some(()));
        strace
    }

    /// Lets it run. nsenter stops itself once it sees its child stopped, and wakes it when woken.
    fn go(&self) {
        wait_for(|| {
            send(self.outer.id(), Signal::CONT);
            // Once it runs, it is another program, or gone.
            (status(self.pid, "Name") != "sh").then_some(())
        });
    }

    fn wait(mut self) -> Outcome {
        let status = self.outer.wait().expect("it ends");
        if status.signal() == Some(9) || status.code() == Some(137) { Outcome::Killed } else { Outcome::Ended }
    }
}

fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "it does not come to that");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn status(pid: u32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// The children of all threads of a process.
fn children(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    texts.flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

fn descendants(pid: u32) -> Vec<u32> {
    let mut found = children(pid);
    let mut at = 0;
    while at < found.len() {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid as i32) {
        // It may be gone already.
        let _ = kill_process(pid, signal);
    }
}

fn kill(pid: u32, everything: bool) {
    // The tool first: it must not see its child end.
    let below = descendants(pid);
    send(pid, Signal::KILL);
    for child in below.into_iter().filter(|_| everything) {
        send(child, Signal::KILL);
    }
}

fn is_child(line: &str) -> bool {
    ["clone(", "clone3(", "vfork("].iter().any(|call| line.starts_with(call)) && !line.contains("CLONE_THREAD")
}

/// Whether a call of the trace changed something or started a child; one that failed did neither.
fn counts(line: &str) -> bool {
    if line.contains(" = -1 ") {
        return false;
    }
    let starts = line.starts_with("clone");
    if line.starts_with("openat(") { line.contains("O_CREAT") } else { !starts || is_child(line) }
}

/// Whether a call names a backup, by its path or by its hash relative to the folder.
fn names_a_backup(line: &str) -> bool {
    let hashes = |part: &str| part.len() == 64;
    line.contains("/backups/") || line.split(|c: char| !c.is_ascii_hexdigit()).any(hashes)
}

/// Keeps only the first and the last of many backups written in a row.
fn thinned(points: Vec<Point>) -> Vec<Point> {
    let mut runs: Vec<(bool, Vec<Point>)> = Vec::new();
    let mut in_backups = false;
    for point in points {
        match &point {
            Point::Call { name, .. } if name == "fsync" => {}
            Point::Call { line, .. } => in_backups = names_a_backup(line),
            _ => in_backups = false,
        }
        match runs.last_mut() {
            Some((kind, run)) if *kind == in_backups => run.push(point),
            _ => runs.push((in_backups, vec![point])),
        }
    }
    for (_, run) in runs.iter_mut().filter(|(backups, run)| *backups && run.len() > 8) {
        run.drain(4..run.len() - 4);
    }
    runs.into_iter().flat_map(|(_, run)| run).collect()
}

/// All points of a run, found by running it to its end.
pub fn points_of(machine: &Machine, args: &[&str]) -> Vec<Point> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace");
    let tool = Paused::start(machine, args);
    let mut strace = tool.traced(&file, None);
    tool.go();
    assert_eq!(tool.wait(), Outcome::Ended);
    strace.wait().expect("strace ends");
    let trace = String::from_utf8_lossy(&std::fs::read(&file).expect("a trace")).into_owned();
    let mut points = Vec::new();
    let mut seen = std::collections::BTreeMap::new();
    let mut started = 0;
    for line in trace.lines() {
        let Some((name, _)) = line.split_once('(') else {
            continue;
        };
        let nth: &mut usize = seen.entry(name.to_owned()).or_default();
        *nth += 1;
        if counts(line) {
            points.push(Point::Call { name: name.to_owned(), nth: *nth, line: line.to_owned() });
        }
        if is_child(line) {
            started += 1;
            for (after, everything) in [(5, true), (60, false)] {
                points.push(Point::Child { nth: started, after: Duration::from_millis(after), everything });
            }
        }
    }
    eprintln!("{}: {} calls and children", args[0], points.len());
    thinned(points)
}

/// Runs the tool and kills it at `point`.
pub fn kill_at(machine: &Machine, args: &[&str], point: &Point) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace");
    let tool = Paused::start(machine, args);
    let pid = tool.pid;
    let mut strace = match point {
        Point::Call { name, nth, .. } => {
            let strace = tool.traced(&file, Some(&format!("{name}:signal=SIGKILL:when={nth}")));
            tool.go();
            strace
        }
        Point::Child { nth, after, everything } => {
            let strace = tool.traced(&file, None);
            tool.go();
            let reached = || {
                let trace = std::fs::read(&file).unwrap_or_default();
                String::from_utf8_lossy(&trace).lines().filter(|line| is_child(line)).count() >= *nth
            };
            until(pid, reached);
            std::thread::sleep(*after);
            kill(pid, *everything);
            strace
        }
        Point::Program { name, after, everything } => {
            let strace = tool.traced(&file, None);
            tool.go();
            until(pid, || descendants(pid).into_iter().any(|child| status(child, "Name") == *name));
            std::thread::sleep(*after);
            kill(pid, *everything);
            strace
        }
    };
    let outcome = tool.wait();
    strace.wait().expect("strace ends");
    outcome
}

/// Waits until the condition holds or the process has ended.
fn until(pid: u32, mut so: impl FnMut() -> bool) {
    while !so() && Path::new(&format!("/proc/{pid}")).exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
}
