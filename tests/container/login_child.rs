//! Secrets stay in the process that needs them: no core file keeps them, and the child that talks to a server has none.

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

use crate::bed::{DOMAIN, Machine, TOOL, says};
use crate::hostile_server::HostileServer;
use crate::story::provisioned;

/// How many moments each command is hit at.
const MOMENTS: u32 = 20;
/// A login without an answer ends within this time.
const BOUND: Duration = Duration::from_secs(10);

// ---- processes ---------------------------------------------------------------

fn file_of(pid: u32, name: &str) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default()
}

fn children(pid: u32) -> Vec<u32> {
    let list = file_of(pid, &format!("task/{pid}/children"));
    let list = String::from_utf8_lossy(&list);
    list.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// All descendants of a process.
fn below(pid: u32) -> Vec<u32> {
    let mut found = children(pid);
    let mut at = 0;
    while at < found.len() {
        found.extend(children(found[at]));
        at += 1;
    }
    found
}

/// Whether a process runs the tool's own executable.
fn is_tool(pid: u32) -> bool {
    let identity = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    let tool = std::fs::metadata(env!("CARGO_BIN_EXE_jitsi-tokens-setup")).map(identity);
    let own = std::fs::metadata(format!("/proc/{pid}/exe")).map(identity);
    own.is_ok_and(|own| tool.is_ok_and(|tool| own == tool))
}

/// The tool's process under a command, once it exists.
fn tool_of(command: &Child) -> Option<u32> {
    let until = Instant::now() + BOUND;
    while Instant::now() < until {
        if let Some(tool) = below(command.id()).into_iter().find(|pid| is_tool(*pid)) {
            return Some(tool);
        }
        std::thread::yield_now();
    }
    None
}

/// A field of /proc/PID/status.
fn status(pid: u32, field: &str) -> String {
    let text = String::from_utf8_lossy(&file_of(pid, "status")).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap_or("absent").trim().to_owned()
}

/// The soft and hard limits of core files.
fn core_limit(pid: u32) -> String {
    let text = String::from_utf8_lossy(&file_of(pid, "limits")).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("Max core file size"));
    let words: Vec<&str> = line.unwrap_or("absent").split_whitespace().take(2).collect();
    words.join(" ")
}

fn contains(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// Which of `words` are in the memory of a process, and how many bytes were searched.
fn in_memory(pid: u32, words: &[&str]) -> (Vec<bool>, usize) {
    let maps = String::from_utf8_lossy(&file_of(pid, "maps")).into_owned();
    let mut memory = std::fs::File::open(format!("/proc/{pid}/mem")).expect("its memory");
    let (mut found, mut looked_at) = (vec![false; words.len()], 0);
    for line in maps.lines() {
        let mut parts = line.split_whitespace();
        let (range, mode) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let Some((from, to)) = range.split_once('-').filter(|_| mode.starts_with('r')) else {
            continue;
        };
        let number = |hex: &str| u64::from_str_radix(hex, 16).expect("an address");
        let mut bytes = vec![0; (number(to) - number(from)) as usize];
        // What the kernel shares with every process ([vvar]) cannot be read this way.
        let read = memory.seek(SeekFrom::Start(number(from))).and_then(|_| memory.read_exact(&mut bytes));
        if read.is_ok() {
            looked_at += bytes.len();
            for (found, word) in found.iter_mut().zip(words) {
                *found |= contains(&bytes, word);
            }
        }
    }
    (found, looked_at)
}

// ---- core files --------------------------------------------------------------

/// Core files below a folder that are newer than `since`, whatever they are called.
fn cores_below(folder: &Path, since: SystemTime) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        if meta.is_dir() {
            found.extend(cores_below(&path, since));
        } else if meta.is_file() && meta.modified().is_ok_and(|time| time >= since) {
            let mut start = [0; 17];
            let read = std::fs::File::open(&path).and_then(|mut file| file.read_exact(&mut start));
            // An ELF file of the type ET_CORE.
            if read.is_ok() && start.starts_with(b"\x7fELF") && start[16] == 4 {
                found.push(path);
            }
        }
    }
    found
}

/// Removes the core files from wherever the machine can be written, and returns them.
fn remove_cores(machine: &Machine, since: SystemTime) -> Vec<(PathBuf, Vec<u8>)> {
    let root = PathBuf::from(format!("/proc/{}/root", machine.leader()));
    let written = machine.written();
    // Found in the small tree of what was written, removed through the whole one: if a file is removed behind an
    // overlay's back, later writes to it are not seen.
    let on_disk = cores_below(&written, since).into_iter().map(|path| {
        let name = path.strip_prefix(&written).expect("it is below").to_owned();
        root.join(name)
    });
    let in_memory = ["run", "tmp", "dev/shm"].map(|name| root.join(name));
    let in_memory = in_memory.iter().flat_map(|folder| cores_below(folder, since));
    let mut paths: Vec<PathBuf> = on_disk.chain(in_memory).collect();
    paths.sort();
    paths.dedup();
    let mut taken = Vec::new();
    for path in paths {
        let bytes = std::fs::read(&path).unwrap_or_default();
        std::fs::remove_file(&path).expect("it can be removed");
        taken.push((path, bytes));
    }
    taken
}

/// Signals a process until it is gone. The first signal may only remove the runtime's handler, which detects stack
/// overflows.
fn crash(pid: u32) -> bool {
    let Some(target) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    let mut hit = false;
    for _ in 0..200 {
        let state = status(pid, "State");
        if state == "absent" || state.starts_with('Z') || kill_process(target, Signal::SEGV).is_err() {
            break;
        }
        hit = true;
        std::thread::sleep(Duration::from_millis(2));
    }
    hit
}

/// A command with core files enabled, in a folder of its own.
fn dumping(machine: &Machine, words: &[&str]) -> Command {
    let script = "ulimit -c unlimited; mkdir -p /root/crash; cd /root/crash; exec \"$@\"";
    let mut command = machine.inside(&[&["sh", "-c", script, "sh"], words].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Whether the core file of a program without protection is found.
fn control_core_found(machine: &Machine) -> bool {
    let since = SystemTime::now() - Duration::from_secs(2);
    let mut control = dumping(machine, &["sleep", "60"]).spawn().expect("it starts");
    let until = Instant::now() + BOUND;
    let sleep = |pid: &u32| file_of(*pid, "comm") == b"sleep\n";
    while Instant::now() < until {
        if let Some(pid) = below(control.id()).into_iter().find(sleep) {
            crash(pid);
            break;
        }
    }
    let _ = control.wait();
    !remove_cores(machine, since).is_empty()
}

/// Whether core files are written here at all, so that the absence of one proves something. Tried twice: a core file in
/// place of another that was removed must be found as well.
fn cores_are_found(machine: &Machine) -> bool {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    println!("core_pattern: {}", pattern.trim());
    let seen = control_core_found(machine) && control_core_found(machine);
    assert!(seen || pattern.starts_with(['/', '|']), "a crash leaves no core file, so this test cannot tell anything");
    seen
}

/// A command to hit, and its input.
struct Victim<'a> {
    name: &'a str,
    words: Vec<&'a str>,
    /// Written to its standard input, which stays open.
    stdin: &'a str,
    /// How long it runs; an estimate.
    length: Duration,
}

/// Starts a command and hits it (or all its children) at a moment of its life; false if there was nothing to hit.
fn hit(machine: &Machine, victim: &Victim, length: Duration, moment: u32) -> bool {
    let mut command = dumping(machine, &victim.words).spawn().expect("it starts");
    let mut stdin = command.stdin.take().expect("its input");
    let _ = stdin.write_all(victim.stdin.as_bytes());
    let tool = tool_of(&command);
    let mut was_hit = false;
    if let Some(tool) = tool {
        // Before its first statement it has no secret, and could not have disabled core files yet.
        let until = Instant::now() + Duration::from_millis(100);
        while core_limit(tool) != "0 0" && Instant::now() < until {
            std::thread::yield_now();
        }
        std::thread::sleep(length * (moment / 2) / (MOMENTS / 2));
        let helpers = below(tool);
        if moment % 2 == 1 && !helpers.is_empty() {
            was_hit = helpers.into_iter().fold(false, |any, pid| crash(pid) | any);
        } else {
            was_hit = crash(tool);
        }
    }
    drop(stdin);
    let _ = command.wait();
    was_hit
}

#[test]
fn crashes_never_leave_a_core_file() {
    let machine = Machine::boot(provisioned());
    let (app_id, secret) = machine.credentials();
    let server = HostileServer::start(&machine, &app_id, &secret, None);
    let seen = cores_are_found(&machine);
    let started = Instant::now();
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    let rerun = started.elapsed();
    let victims = [
        Victim {
            name: "verify",
            words: vec![TOOL, "verify", "--url", server.url("http-head-drip")],
            stdin: "",
            length: Duration::from_secs(1),
        },
        Victim { name: "install --yes", words: vec![TOOL, "install", "--yes"], stdin: "", length: rerun },
        Victim {
            name: "token mint",
            words: vec![TOOL, "token", "mint", "--room=tea", "--app-id=a", "--app-secret-file=-"],
            stdin: &secret,
            length: Duration::from_millis(50),
        },
    ];
    let mut left = Vec::new();
    for victim in &victims {
        let since = SystemTime::now() - Duration::from_secs(2);
        let (mut hits, mut tries, mut length) = (0, 0, victim.length);
        let mut found = Vec::new();
        while hits < MOMENTS && tries < 3 * MOMENTS {
            if hit(&machine, victim, length, tries % MOMENTS) {
                hits += 1;
            } else {
                // It had ended by then: it runs for less time than estimated.
                length = length * 4 / 5;
            }
            tries += 1;
            found.extend(remove_cores(&machine, since));
        }
        let with_secret = found.iter().filter(|(_, bytes)| contains(bytes, &secret)).count();
        println!("{}: hit {hits} times, {} core files, {with_secret} with the secret", victim.name, found.len());
        assert!(hits >= MOMENTS / 2, "{} was hit {hits} times only", victim.name);
        left.extend(
            found
                .into_iter()
                .map(|(path, bytes)| format!("{}: {} ({} KiB)", victim.name, path.display(), bytes.len() >> 10)),
        );
    }
    says(&machine.tool(&["install", "--yes"]), 0, &[]);
    println!("core files are written here: {seen}");
    assert!(left.is_empty(), "{} core files:\n{}", left.len(), left.join("\n"));
}

// ---- the child that talks to the server --------------------------------------

/// The session ID of a process.
fn session(pid: u32) -> Option<u32> {
    let stat = file_of(pid, "stat");
    let stat = String::from_utf8_lossy(&stat).into_owned();
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(3)?.parse().ok()
}

/// The privileges of a process that one that talks to a stranger must not have.
fn privileges(pid: u32) -> Vec<String> {
    let mut wrong = Vec::new();
    for field in ["Uid", "Gid"] {
        let ids = status(pid, field);
        if ids.split_whitespace().any(|id| id == "0") || ids == "absent" {
            wrong.push(format!("{field} {ids}"));
        }
    }
    for field in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        let set = status(pid, field);
        if !set.bytes().all(|digit| digit == b'0') {
            wrong.push(format!("{field} {set}"));
        }
    }
    for (field, wanted) in [("NoNewPrivs", "1"), ("Groups", "")] {
        let value = status(pid, field);
        if value != wanted {
            wrong.push(format!("{field} {value:?}"));
        }
    }
    let limit = core_limit(pid);
    if limit != "0 0" {
        wrong.push(format!("core files of up to {limit}"));
    }
    // Each thread's heap reserves 64 MiB, of which the limit allows eight: a further allocation would end the child.
    let reserved = status(pid, "VmPeak");
    let reserved: u64 = reserved.trim_end_matches(" kB").parse().unwrap_or(u64::MAX);
    if reserved > 128 << 10 {
        wrong.push(format!("it has reserved {} MiB of memory", reserved >> 10));
    }
    if session(pid) != Some(pid) {
        wrong.push("it is in the session of a terminal that may be root's".to_owned());
    }
    // Harmless where no privileges can be gained anymore, but worth knowing.
    println!("{pid}: CapBnd {}, Seccomp {}", status(pid, "CapBnd"), status(pid, "Seccomp"));
    wrong
}

/// The open files of a process that belong to the product or to Prosody.
fn open_files(pid: u32) -> Vec<String> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let targets = links.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let targets: Vec<String> = targets.map(|path| path.display().to_string()).collect();
    println!("{pid}: open: {}", targets.join(" "));
    targets
        .into_iter()
        .filter(|path| ["/etc/", "/var/", "/run/", "/root/"].iter().any(|place| path.starts_with(place)))
        .map(|path| format!("{path} is open"))
        .collect()
}

/// Where the secret is found in a process that must not have it.
fn secret_in(pid: u32, secret: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let (found, looked_at) = in_memory(pid, &[secret, DOMAIN]);
    println!("{pid}: {} KiB of memory, the secret in it: {}", looked_at >> 10, found[0]);
    // It logs in to the domain, so the domain must be there: this shows that the search works.
    assert!(found[1], "the domain is not in the memory of {pid}, so the search cannot tell anything");
    if found[0] {
        wrong.push("the secret is in its memory".to_owned());
    }
    wrong
}

/// The children of the tool that run the tool itself, once there are some and they have had time to start.
fn login_children(tool: u32) -> Vec<u32> {
    let until = Instant::now() + Duration::from_secs(4);
    let ours = || -> Vec<u32> { below(tool).into_iter().filter(|pid| is_tool(*pid)).collect() };
    while ours().is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(500));
    ours()
}

fn signal(pids: &[u32], signal: Signal) {
    for pid in pids {
        let pid = i32::try_from(*pid).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, signal));
    }
}

/// The proxy's password, which is passed on to apt and git only.
const PROXY_PASSWORD: &str = "password-of-the-proxy";

#[test]
fn login_children_have_no_privileges_and_no_secret() {
    let machine = Machine::boot(provisioned());
    let (app_id, secret) = machine.credentials();
    let server = HostileServer::start(&machine, &app_id, &secret, None);
    let mut wrong = Vec::new();
    for way in ["http-head-drip", "ws-silent-once-open"] {
        let url = server.url(way);
        let transport = if way.starts_with("ws") { "websocket" } else { "bosh" };
        let proxy = format!("http_proxy=http://root:{PROXY_PASSWORD}@127.0.0.1:1");
        let words = ["env", &proxy, TOOL, "verify", "--url", url, "--transport", transport];
        let mut verify = machine.inside(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let tool = tool_of(&verify).expect("the tool runs");
        let talking = login_children(tool);
        // Stopped while they are inspected, which may take longer than a login.
        let ours = [&[tool][..], &talking].concat();
        signal(&ours, Signal::STOP);
        // The tool signs the tokens, so it may have the secret: this shows what the same search finds there.
        let (found, looked_at) = in_memory(tool, &[&secret]);
        println!("the tool: {} KiB of memory, the secret in it: {}", looked_at >> 10, found[0]);
        if talking.is_empty() {
            wrong.push(format!("{way}: no child of the tool's own makes the logins"));
        }
        let limit = core_limit(tool);
        if limit != "0 0" {
            wrong.push(format!("{way}: core files of the tool of up to {limit}"));
        }
        for pid in std::iter::once(tool).chain(talking.iter().copied()) {
            for file in ["cmdline", "environ"] {
                if contains(&file_of(pid, file), &secret) {
                    wrong.push(format!("{way}: the secret is in {file} of {pid}"));
                }
            }
        }
        for pid in talking {
            if contains(&file_of(pid, "environ"), PROXY_PASSWORD) {
                wrong.push(format!("{way}: {pid}: the proxy's password is in its environment"));
            }
            let faults = [privileges(pid), open_files(pid), secret_in(pid, &secret)].concat();
            wrong.extend(faults.iter().map(|fault| format!("{way}: {pid}: {fault}")));
        }
        // The bed's own process stops together with the one that it started.
        signal(&[&ours[..], &[verify.id()]].concat(), Signal::CONT);
        let _ = verify.wait();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
