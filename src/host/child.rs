//! Child processes: started through duct in a process group or session of their own with a clean environment, followed
//! through non-blocking pipes, and killed with their whole group when they time out, print too much, or the operator
//! insists.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process, kill_process_group, pidfd_open, prlimit,
};

use super::Output;
use super::stream::{CHUNK, Pipe, PipeInput, Stream};
use crate::host::command::{Command, Effect, Follow, Session};
use crate::host::interrupt::{self, Interrupted};
use crate::host::stalled_download::Stall;

/// The search path of every child; the caller's own is not trusted (there may be another `lua` in root's PATH).
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many bytes a query, or anything that runs as another user, may print to both streams together: many times what
/// any of them needs.
const MOST: u64 = 8 << 20;

/// How many seconds of CPU time somebody else's code gets: an endless loop ends before its timeout.
const CPU_SECONDS: u64 = 3;

/// How much memory somebody else's code gets, in bytes: Prosody's modules need a few MiB.
const MEMORY: u64 = 1 << 30;

/// How often to check for an interruption and for the timeout while a child is silent.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The same if the kernel cannot tell when a child ends (Linux before 5.3).
const SHORT_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How long a package manager that was asked to stop may take to clean up.
const CLEANUP_TIME: Duration = Duration::from_secs(60);

/// How long to wait until a killed child is gone; one that waits for a broken disk takes longer.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// The only variables that children inherit: how to reach the network.
const INHERITED: [&str; 6] = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// What a child is doing.
#[derive(Debug)]
pub enum Event<'a> {
    /// It was started.
    Started(&'a Command),
    /// It printed a line.
    Line(&'a str),
    /// How far it has come, in percent, and what it is working on.
    Percent(f32, &'a str),
    /// A message for the operator, for example about what is being waited for.
    Notice(&'a str),
    /// It ended.
    Ended(&'a Output),
}

/// Follows children (progress display, log file). Queries are not followed.
pub trait Watcher {
    /// Handles one event.
    fn event(&self, event: &Event);

    /// Whether nobody is waiting for the child any more: it is then killed.
    fn is_abandoned(&self) -> bool {
        false
    }
}

/// Ignores everything.
pub struct Silent;

impl Watcher for Silent {
    fn event(&self, _event: &Event) {}
}

/// Runs `command` to its end. Errors: the program cannot be started; it took too long or printed too much (an answer if
/// it is untrusted); the operator interrupted a query.
pub fn run(command: &Command, watcher: &dyn Watcher) -> Result<Output> {
    let followed = command.effect == Effect::Mutate;
    if followed {
        watcher.event(&Event::Started(command));
    }
    let mut child = Child::start(command, watcher)?;
    let cut = child.attend()?;
    let output = child.output(cut);
    if followed {
        watcher.event(&Event::Ended(&output));
    }
    Ok(output)
}

struct Child<'a> {
    command: &'a Command,
    watcher: &'a dyn Watcher,
    process: duct::Handle,
    group: Option<Pid>,
    /// Becomes readable when the process ends; only newer kernels have this.
    end: Option<OwnedFd>,
    ended: Option<ExitStatus>,
    input: Option<PipeInput<'a>>,
    streams: Vec<Stream>,
    started: Instant,
    /// Whether it was asked to end because it timed out.
    stop_requested: bool,
    stall: Stall,
    ending: Ending,
}

impl<'a> Child<'a> {
    fn start(command: &'a Command, watcher: &'a dyn Watcher) -> Result<Self> {
        let mut argv = command.argv();
        which::which_in(&command.program, Some(PATH), "/")
            .with_context(|| format!("{} is not installed", command.program))?;
        let status = match command.follow {
            Follow::AptStatus => Some(status_pipe(&mut argv)?),
            Follow::Lines => None,
        };
        let Spawned { process, out, error, stdin } = spawn(command, &argv)?;
        let first = process.pids().into_iter().next();
        let group = first.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Some(pid) = group.filter(|_| command.untrusted) {
            for (resource, most) in [(Resource::Cpu, CPU_SECONDS), (Resource::As, MEMORY)] {
                let limit = Rlimit { current: Some(most), maximum: Some(most) };
                // If this fails, it has already ended.
                let _ = prlimit(Some(pid), resource, limit);
            }
        }
        let pipes = [
            Some((Pipe::Out, out)),
            Some((Pipe::Error, error)),
            // Drops our copy of the end that apt writes to.
            status.map(|(reader, _)| (Pipe::Status, reader)),
        ];
        let text = command.stdin.as_ref().map(|text| text.reveal().as_bytes());
        let mut child = Self {
            command,
            watcher,
            process,
            group,
            end: group.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()),
            ended: None,
            input: None,
            streams: Vec::new(),
            started: Instant::now(),
            stop_requested: false,
            stall: Stall::default(),
            ending: Ending::default(),
        };
        if let (Some(pipe), Some(text)) = (stdin, text) {
            child.input = Some(PipeInput::new(pipe, text)?);
        }
        for (kind, pipe) in pipes.into_iter().flatten() {
            child.streams.push(Stream::new(kind, pipe)?);
        }
        Ok(child)
    }

    /// Follows it to its end. Returns why it was killed early, for a command for which that is an answer.
    fn attend(&mut self) -> Result<Option<String>> {
        loop {
            if self.has_ended()? {
                // A daemon that it left behind may hold the pipes open forever and keep writing: only what was in them
                // when the child ended counts.
                return self.drain().map(|()| None);
            }
            if self.ending.pursue(self.command, self.group, self.watcher) {
                self.kill();
                return Err(Interrupted.into());
            }
            if self.watcher.is_abandoned() {
                self.kill();
                bail!("no longer waiting for {}", self.command.display());
            }
            let Some(why) = self.reason_to_kill() else {
                self.listen()?;
                continue;
            };
            self.kill();
            if self.command.untrusted {
                return self.drain().map(|()| Some(why));
            }
            bail!("{why}: {}", self.command.display());
        }
    }

    fn has_ended(&mut self) -> Result<bool> {
        if self.ended.is_none() {
            self.ended = self.process.try_wait()?.map(|output| output.status);
        }
        Ok(self.ended.is_some())
    }

    /// Why it has to be killed, if it has to be.
    fn reason_to_kill(&mut self) -> Option<String> {
        let printed: u64 = self.streams.iter().map(|stream| stream.seen).sum();
        // What runs as another user may be anybody's code, and each line that a change prints goes into root's log.
        let limited = self.command.effect == Effect::Query || self.command.user.is_some();
        if limited && printed > MOST {
            return Some(format!("stopped after {} MiB of output", MOST >> 20));
        }
        let over = self.started.elapsed().checked_sub(self.command.timeout);
        if let Some(over) = over {
            let why = format!("timed out after {} s", self.command.timeout.as_secs());
            if !self.command.sturdy || over > CLEANUP_TIME {
                return Some(why);
            }
            if !self.stop_requested {
                self.stop_requested = true;
                self.streams[1].append(format!("{why}\n").as_bytes());
                signal_group(self.group, Signal::TERM);
            }
        }
        let (out, now) = (&self.streams[0], Instant::now());
        if let Some(why) = self.stall.over(|| out.text(), now) {
            self.streams[1].append(why.as_bytes());
            signal_group(self.group, Signal::TERM);
        }
        None
    }

    /// Waits a moment for the child to print, read or end, and reads what it printed.
    fn listen(&mut self) -> Result<()> {
        let glance = match self.end {
            Some(_) => POLL_INTERVAL,
            None => SHORT_POLL_INTERVAL,
        };
        let readable = self.streams.iter().filter_map(Stream::pipe);
        let mut waited_for: Vec<PollFd> =
            readable.chain(self.end.as_ref()).map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        let writable = self.input.as_ref().and_then(PipeInput::pipe);
        waited_for.extend(writable.map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
        match poll(&mut waited_for, Some(&Timespec::try_from(glance)?)) {
            // Nothing yet, or a signal: perhaps the operator's.
            Ok(0) | Err(Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error).context("cannot wait for a child"),
        }
        if let Some(input) = &mut self.input {
            input.give()?;
        }
        for index in 0..self.streams.len() {
            self.take(index, CHUNK)?;
        }
        Ok(())
    }

    /// Reads what the pipes hold at this moment.
    fn drain(&mut self) -> Result<()> {
        for index in 0..self.streams.len() {
            let held = self.streams[index].held()?;
            self.take(index, held)?;
        }
        for index in 0..self.streams.len() {
            let rest = self.streams[index].rest();
            self.tell(index, rest.iter().map(String::as_str));
        }
        Ok(())
    }

    /// Reads up to `most` bytes of one stream, as far as available.
    fn take(&mut self, index: usize, most: usize) -> Result<()> {
        let lines = self.streams[index].take(most)?;
        self.tell(index, lines.iter().map(String::as_str));
        Ok(())
    }

    fn tell<'l>(&mut self, index: usize, lines: impl Iterator<Item = &'l str>) {
        let kind = self.streams[index].kind;
        for line in lines {
            if kind == Pipe::Status {
                self.stall.hear(line, Instant::now());
                if let Some((percent, what)) = apt_status(line) {
                    self.watcher.event(&Event::Percent(percent, &what));
                }
            } else if self.command.effect == Effect::Mutate {
                self.watcher.event(&Event::Line(line));
            }
        }
    }

    fn output(&self, cut: Option<String>) -> Output {
        let text = |kind| {
            let mut streams = self.streams.iter().filter(|stream| stream.kind == kind);
            streams.next().map(Stream::text).unwrap_or_default()
        };
        let ended = self.ended.filter(|_| cut.is_none());
        let (code, signal) = (ended.and_then(|status| status.code()), ended.and_then(|status| status.signal()));
        Output { code, signal, stdout: text(Pipe::Out), stderr: text(Pipe::Error), cut }
    }

    /// Kills it and its group at once.
    fn kill(&mut self) {
        if self.ended.is_some() {
            return;
        }
        signal_group(self.group, Signal::KILL);
        let killed = Instant::now();
        while killed.elapsed() < KILL_TIMEOUT && !self.has_ended().unwrap_or(true) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// No child is left behind, whatever goes wrong.
impl Drop for Child<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A child that was just started, and our ends of its pipes.
struct Spawned {
    process: duct::Handle,
    out: OwnedFd,
    error: OwnedFd,
    stdin: Option<OwnedFd>,
}

fn spawn(command: &Command, argv: &[String]) -> Result<Spawned> {
    let (out, out_end) = pipe()?;
    let (error, error_end) = pipe()?;
    let ours = command.session == Session::Ours;
    let expression = duct::cmd(&argv[0], &argv[1..])
        .unchecked()
        .full_env(environment(command))
        .dir("/")
        .stdout_file(out_end)
        .stderr_file(error_end)
        .before_spawn(move |child| {
            // A process group leader cannot start a session.
            if ours {
                child.process_group(0);
            }
            Ok(())
        });
    let (expression, stdin) = match &command.stdin {
        Some(_) => {
            let (end, stdin) = pipe()?;
            (expression.stdin_file(end), Some(stdin))
        }
        None => (expression.stdin_null(), None),
    };
    let process = expression.start().with_context(|| format!("cannot start {}", argv[0]))?;
    // Drops our copies of the child's ends, or the end of its output would never be seen.
    drop(expression);
    Ok(Spawned { process, out, error, stdin })
}

/// A pipe for the child to write its status to. The child inherits its end and gets the descriptor's number as an
/// argument.
fn status_pipe(argv: &mut Vec<String>) -> Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe()?;
    rustix::io::fcntl_setfd(&writer, rustix::io::FdFlags::empty())?;
    let option = format!("APT::Status-Fd={}", writer.as_raw_fd());
    argv.splice(1..1, ["-o".to_owned(), option]);
    Ok((reader, writer))
}

/// A pipe whose ends are inherited only by the child that is given one: the end to read, then the one to write.
fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    pipe_with(PipeFlags::CLOEXEC).context("cannot make a pipe")
}

fn environment(command: &Command) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> = [
        ("PATH", PATH),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("TERM", "dumb"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("GIT_TERMINAL_PROMPT", "0"),
        // git never prompts, and gives up on a server that sends less than a byte a second for half a minute.
        ("GIT_ASKPASS", "/bin/false"),
        ("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=30"),
        ("GIT_HTTP_LOW_SPEED_LIMIT", "1"),
        ("GIT_HTTP_LOW_SPEED_TIME", "30"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    // They may contain a password, and what runs for somebody else has nothing to fetch.
    if command.session == Session::Ours {
        environment.extend(INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))));
    }
    environment.extend(command.env.iter().cloned());
    environment
}

/// Parses one line of `APT::Status-Fd`, `kind:package-or-number:percent:text`. Downloads are the first half of the
/// progress, dpkg the second; the name is the package's or, for a download, apt's own words.
fn apt_status(line: &str) -> Option<(f32, String)> {
    let mut fields = line.trim_end().splitn(4, ':');
    let (kind, subject, percent, text) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let percent: f32 = percent.parse().ok()?;
    match kind {
        "dlstatus" => Some((percent / 2.0, text.to_owned())),
        "pmstatus" if subject == "dpkg-exec" => Some((50.0 + percent / 2.0, text.to_owned())),
        "pmstatus" => Some((50.0 + percent / 2.0, subject.to_owned())),
        _ => None,
    }
}

/// How many of the operator's interruptions have been passed on.
struct Ending {
    forwarded_count: usize,
}

impl Default for Ending {
    /// An interruption from before the child was started is not meant for it: it may be there to clean up.
    fn default() -> Self {
        Self { forwarded_count: interrupt::asked() }
    }
}

impl Ending {
    /// Passes on a new interruption. Returns whether the child is to be killed at once: a query has nothing to clean
    /// up.
    fn pursue(&mut self, command: &Command, group: Option<Pid>, watcher: &dyn Watcher) -> bool {
        let asked = interrupt::asked();
        if asked <= self.forwarded_count {
            return false;
        }
        self.forwarded_count = asked;
        match (asked, command.sturdy) {
            _ if command.effect == Effect::Query => return true,
            (1, true) => watcher.event(&Event::Notice(
                "Stopping once the package manager has finished; press Ctrl-C again to abort now",
            )),
            (1, false) => signal_group(group, Signal::TERM),
            _ => signal_group(group, Signal::KILL),
        }
        false
    }
}

/// Signals a child and its group. Only for a child that has not been waited for yet: until then, its process ID is not
/// reused.
fn signal_group(group: Option<Pid>, signal: Signal) {
    let Some(group) = group else { return };
    // Errors do not matter: the child may be gone already. The second call reaches one that has left its group.
    let _ = kill_process_group(group, signal);
    let _ = kill_process(group, signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        Command::query("sh").args(["-c", script])
    }

    #[test]
    fn both_streams_and_the_exit_code_are_kept() {
        let output = run(&sh("echo out; echo err >&2; exit 3"), &Silent).unwrap();
        assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (Some(3), "out\n", "err\n"));
    }

    #[test]
    fn a_child_sees_a_clean_environment() {
        let output = run(&sh("env; cat"), &Silent).unwrap();
        assert!(output.stdout.contains("LC_ALL=C.UTF-8"));
        assert!(!output.stdout.contains("CARGO"));
    }

    #[test]
    fn a_timeout_kills_the_whole_process_group() {
        let started = Instant::now();
        let error = run(&sh("sleep 30 & sleep 30").timeout(Duration::from_millis(200)), &Silent).unwrap_err();
        assert!(error.to_string().contains("timed out"));
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_package_manager_may_clean_up_after_a_timeout() {
        let script = "trap 'echo in order; exit 7' TERM; sleep 30 & wait";
        let command = Command::mutate("sh").args(["-c", script]).timeout(Duration::from_millis(200)).sturdy();
        let output = run(&command, &Silent).unwrap();
        assert_eq!((output.code, output.stdout.as_str()), (Some(7), "in order\n"));
        assert_eq!(output.stderr, "timed out after 0 s\n");
    }

    #[test]
    fn a_daemon_holding_the_pipe_does_not_block_us() {
        let started = Instant::now();
        assert!(run(&sh("sleep 5 & echo done"), &Silent).unwrap().ok());
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn the_timeout_applies_after_streams_are_closed() {
        let started = Instant::now();
        let silent = sh("exec >&- 2>&-; sleep 30").timeout(Duration::from_millis(200));
        assert!(run(&silent, &Silent).is_err());
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_daemon_that_keeps_printing_does_not_block_us() {
        let started = Instant::now();
        let output = run(&sh("echo done; yes & exit 0"), &Silent).unwrap();
        assert!(output.ok() && output.stdout.starts_with("done\n"));
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn late_reads_lose_no_output() {
        let command = sh("head -c 60000 /dev/zero; echo end; echo error >&2; exit 4");
        let mut child = Child::start(&command, &Silent).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(child.attend().unwrap(), None);
        let output = child.output(None);
        assert_eq!((output.code, output.stdout.len()), (Some(4), 60_004));
        assert_eq!(output.stderr, "error\n");
    }

    #[test]
    fn input_larger_than_the_pipe_arrives() {
        let text = "x".repeat(1 << 20);
        let output = run(&Command::query("wc").arg("-c").stdin(text), &Silent).unwrap();
        assert_eq!(output.stdout.trim(), "1048576");
        // A child that does not want it all ends as it likes.
        let text = "x".repeat(1 << 20);
        assert!(run(&Command::query("true").stdin(text), &Silent).unwrap().ok());
    }

    #[test]
    fn endless_query_output_is_an_error() {
        let error = run(&Command::query("yes"), &Silent).unwrap_err();
        assert_eq!(error.to_string(), "stopped after 8 MiB of output: yes");
    }

    #[test]
    fn mutating_commands_may_print_any_amount() {
        let script = "echo first; head -c 20000000 /dev/zero; echo last";
        let output = run(&Command::mutate("sh").args(["-c", script]), &Silent).unwrap();
        assert!(output.ok() && output.stdout.len() < 9 << 20);
        assert!(output.stdout.starts_with("first\n") && output.stdout.ends_with("last\n"));
    }

    #[test]
    fn cutting_off_untrusted_code_is_not_an_error() {
        let endless = sh("echo begun; exec sleep 30").timeout(Duration::from_millis(300));
        let output = run(&endless.untrusted(), &Silent).unwrap();
        assert_eq!((output.code, output.stdout.as_str()), (None, "begun\n"));
        assert_eq!(output.cut.as_deref(), Some("timed out after 0 s"));
        let endless = run(&Command::query("yes").untrusted(), &Silent).unwrap();
        assert!(endless.cut.unwrap().contains("8 MiB") && endless.stdout.len() < 9 << 20);
    }

    #[test]
    fn untrusted_code_has_a_cpu_time_limit() {
        let limit = Command::query("sh").args(["-c", "sleep 1; ulimit -t"]);
        assert_eq!(run(&limit.clone().untrusted(), &Silent).unwrap().stdout, "3\n");
        assert_eq!(run(&limit, &Silent).unwrap().stdout, "unlimited\n");
    }

    #[test]
    fn a_fatal_signal_is_reported_with_stderr() {
        let output = run(&sh("echo out of memory >&2; kill -ABRT $$"), &Silent).unwrap();
        assert_eq!((output.code, output.signal), (None, Some(6)));
        assert_eq!(output.why_failed().unwrap(), "it was killed by signal 6: out of memory");
        assert_eq!(run(&sh("exit 3"), &Silent).unwrap().why_failed().unwrap(), "it failed");
        assert_eq!(run(&sh("true"), &Silent).unwrap().why_failed(), None);
    }

    #[test]
    fn a_missing_program_is_reported() {
        let error = run(&Command::query("no-such-program"), &Silent).unwrap_err();
        assert_eq!(error.to_string(), "no-such-program is not installed");
    }

    #[test]
    fn apt_status_gives_percentage_and_package() {
        assert_eq!(apt_status("pmstatus:hello:50.0000:Unpacking hello (amd64)\n"), Some((75.0, "hello".into())));
        assert_eq!(apt_status("dlstatus:1:50.0000:Retrieving file 1 of 3\n").unwrap().0, 25.0);
        assert_eq!(apt_status("pmerror:x:1:y\n").map(|s| s.1), None);
    }
}
