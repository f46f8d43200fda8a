//! Children: started through duct in a process group of their own with a clean environment, followed line by line,
//! ended with their whole group when their time is up or the operator insists.

use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use super::Output;
use super::stall::Stall;
use crate::command::{Command, Effect, Follow};
use crate::interrupt;

/// The search path of every child; the caller's own is not to be believed (a `lua` in root's PATH, say).
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The only variables that children inherit: how to reach the network.
const INHERITED: [&str; 6] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// What a child is doing.
#[derive(Debug)]
pub enum Event<'a> {
    /// It was started.
    Started(&'a Command),
    /// It printed a line.
    Line(&'a str),
    /// It is so far, in percent, and busy with this.
    Percent(f32, &'a str),
    /// It was asked to end, or is waited for.
    Notice(&'a str),
    /// It ended.
    Ended(&'a Output),
}

/// Somebody who wants to know (progress display, log file). Queries are not followed.
pub trait Watcher {
    /// Takes one event.
    fn event(&self, event: &Event);
}

/// Nobody wants to know.
pub struct Silent;

impl Watcher for Silent {
    fn event(&self, _event: &Event) {}
}

enum Heard {
    Out(String),
    Error(String),
    Status(String),
}

/// Runs `command` to its end. Only a program that cannot be started, or that took too long, is an error.
pub fn run(command: &Command, watcher: &dyn Watcher) -> Result<Output> {
    let followed = command.effect == Effect::Mutate;
    if followed {
        watcher.event(&Event::Started(command));
    }
    let mut argv = command.argv();
    which::which_in(&argv[0], Some(PATH), "/")
        .with_context(|| format!("{} is not installed", argv[0]))?;
    let (out_reader, out_writer) = os_pipe::pipe().context("cannot make a pipe")?;
    let (error_reader, error_writer) = os_pipe::pipe().context("cannot make a pipe")?;
    let status = match command.follow {
        Follow::AptStatus => Some(os_pipe::pipe().context("cannot make a pipe")?),
        Follow::Lines => None,
    };
    if let Some((_, writer)) = &status {
        // apt inherits this end by number.
        rustix::io::fcntl_setfd(writer, rustix::io::FdFlags::empty())?;
        argv.splice(
            1..1,
            [
                "-o".to_owned(),
                format!("APT::Status-Fd={}", writer.as_raw_fd()),
            ],
        );
    }
    let expression = expression(command, &argv)
        .stdout_file(out_writer)
        .stderr_file(error_writer);
    let handle = expression
        .start()
        .with_context(|| format!("cannot start {}", argv[0]))?;
    // Our copies of the write ends must go, or the readers would never see the end.
    drop(expression);
    let (sender, heard) = channel();
    listen(out_reader, sender.clone(), Heard::Out);
    listen(error_reader, sender.clone(), Heard::Error);
    if let Some((reader, writer)) = status {
        drop(writer);
        listen(reader, sender.clone(), Heard::Status);
    }
    drop(sender);
    let output = attend(command, &handle, &heard, watcher, followed)?;
    if followed {
        watcher.event(&Event::Ended(&output));
    }
    Ok(output)
}

fn expression(command: &Command, argv: &[String]) -> duct::Expression {
    let mut expression = duct::cmd(&argv[0], &argv[1..])
        .unchecked()
        .full_env(environment(command))
        .before_spawn(|c| {
            c.process_group(0);
            Ok(())
        });
    expression = match &command.stdin {
        Some(text) => expression.stdin_bytes(text.reveal()),
        None => expression.stdin_null(),
    };
    expression.dir("/")
}

fn environment(command: &Command) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> = [
        ("PATH", PATH),
        ("HOME", "/root"),
        ("LC_ALL", "C.UTF-8"),
        ("TERM", "dumb"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("GIT_TERMINAL_PROMPT", "0"),
        // git never asks anybody, and leaves a server that sends less than a byte a second for half a minute.
        ("GIT_ASKPASS", "/bin/false"),
        ("GIT_SSH_COMMAND", "ssh -oBatchMode=yes -oConnectTimeout=30"),
        ("GIT_HTTP_LOW_SPEED_LIMIT", "1"),
        ("GIT_HTTP_LOW_SPEED_TIME", "30"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    environment.extend(
        INHERITED
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))),
    );
    environment.extend(command.env.iter().cloned());
    environment
}

fn listen(reader: os_pipe::PipeReader, sender: Sender<Heard>, wrap: fn(String) -> Heard) {
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line).into_owned();
            if sender.send(wrap(text)).is_err() {
                return;
            }
            line.clear();
        }
    });
}

fn attend(
    command: &Command,
    handle: &duct::Handle,
    heard: &Receiver<Heard>,
    watcher: &dyn Watcher,
    followed: bool,
) -> Result<Output> {
    let mut output = Output::default();
    let started = Instant::now();
    let mut ending = Ending::default();
    let mut stall = Stall::default();
    let mut ended: Option<Instant> = None;
    loop {
        match heard.recv_timeout(Duration::from_millis(if ended.is_some() { 20 } else { 50 })) {
            Ok(heard) => {
                if let Heard::Status(line) = &heard {
                    stall.hear(line, Instant::now());
                }
                take(heard, &mut output, watcher, followed);
            }
            // A daemon that a script started may hold the pipes open for ever: its child's end is what counts.
            Err(RecvTimeoutError::Timeout)
                if ended.is_some_and(|at| at.elapsed() > Duration::from_millis(200)) =>
            {
                break;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if ended.is_none() {
            if handle.try_wait()?.is_some() {
                ended = Some(Instant::now());
            } else {
                ending.pursue(command, handle, watcher);
                if let Some(why) = stall.over(&output.stdout, Instant::now()) {
                    output.stderr.push_str(&why);
                    end_group(handle, Signal::TERM);
                }
                if started.elapsed() > command.timeout {
                    end_group(handle, Signal::KILL);
                    bail!(
                        "gave up after {} s: {}",
                        command.timeout.as_secs(),
                        command.display()
                    );
                }
            }
        }
    }
    output.code = handle.wait()?.status.code();
    Ok(output)
}

fn take(heard: Heard, output: &mut Output, watcher: &dyn Watcher, followed: bool) {
    let text = match &heard {
        Heard::Out(text) => {
            output.stdout.push_str(text);
            text
        }
        Heard::Error(text) => {
            output.stderr.push_str(text);
            text
        }
        Heard::Status(text) => {
            if let Some((percent, what)) = apt_status(text) {
                watcher.event(&Event::Percent(percent, &what));
            }
            return;
        }
    };
    if followed {
        watcher.event(&Event::Line(text.trim_end_matches(['\n', '\r'])));
    }
}

/// One line of `APT::Status-Fd`, `kind:package-or-number:percent:text`. Downloads are the first half of the way,
/// dpkg the second; the name is the package's, or apt's own words for a download.
fn apt_status(line: &str) -> Option<(f32, String)> {
    let mut fields = line.trim_end().splitn(4, ':');
    let (kind, subject, percent, text) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    let percent: f32 = percent.parse().ok()?;
    match kind {
        "dlstatus" => Some((percent / 2.0, text.to_owned())),
        "pmstatus" if subject == "dpkg-exec" => Some((50.0 + percent / 2.0, text.to_owned())),
        "pmstatus" => Some((50.0 + percent / 2.0, subject.to_owned())),
        _ => None,
    }
}

/// How far the operator's wish to stop has been passed on.
#[derive(Default)]
struct Ending {
    passed_on: usize,
}

impl Ending {
    fn pursue(&mut self, command: &Command, handle: &duct::Handle, watcher: &dyn Watcher) {
        let asked = interrupt::asked();
        if asked <= self.passed_on {
            return;
        }
        self.passed_on = asked;
        match (asked, command.sturdy) {
            (1, true) => watcher.event(&Event::Notice(
                "stopping: the package manager must not be cut in the middle, waiting for it (again to insist)",
            )),
            (1, false) => end_group(handle, Signal::TERM),
            _ => end_group(handle, Signal::KILL),
        }
    }
}

fn end_group(handle: &duct::Handle, signal: Signal) {
    for pid in handle.pids() {
        if let Some(pid) = Pid::from_raw(pid as i32) {
            // Gone already is as good.
            let _ = kill_process_group(pid, signal);
        }
    }
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
        assert_eq!(
            (output.code, output.stdout.as_str(), output.stderr.as_str()),
            (Some(3), "out\n", "err\n")
        );
    }

    #[test]
    fn a_child_sees_a_clean_environment() {
        let output = run(&sh("env; cat"), &Silent).unwrap();
        assert!(output.stdout.contains("LC_ALL=C.UTF-8"));
        assert!(!output.stdout.contains("CARGO"));
    }

    #[test]
    fn a_child_that_takes_too_long_is_ended_with_its_group() {
        let started = Instant::now();
        let error = run(
            &sh("sleep 30 & sleep 30").timeout(Duration::from_millis(200)),
            &Silent,
        )
        .unwrap_err();
        assert!(error.to_string().contains("gave up"));
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_daemon_that_holds_the_pipe_does_not_hold_us() {
        let started = Instant::now();
        assert!(run(&sh("sleep 5 & echo done"), &Silent).unwrap().ok());
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&Command::query("no-such-program"), &Silent).unwrap_err();
        assert_eq!(error.to_string(), "no-such-program is not installed");
    }

    #[test]
    fn apt_status_gives_percentage_and_package() {
        assert_eq!(
            apt_status("pmstatus:hello:50.0000:Unpacking hello (amd64)\n"),
            Some((75.0, "hello".into()))
        );
        assert_eq!(
            apt_status("dlstatus:1:50.0000:Retrieving file 1 of 3\n")
                .unwrap()
                .0,
            25.0
        );
        assert_eq!(apt_status("pmerror:x:1:y\n").map(|s| s.1), None);
    }
}
