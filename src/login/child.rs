//! The child that makes logins: this same program, started anew without privileges. It reads its tasks as JSON, works
//! on all of them side by side, and prints a line for each one that is done. It gets tokens but no secret; what it
//! reports is evidence of what a server answered, nothing more.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::listener::{Listener, listener};
use super::net::{HttpFault, HttpRequest, Net, Network};
use super::{Attempt, Focus, Join, Login, Server, Standing};
use crate::host::Host;
use crate::host::own_process;
use crate::host::secret::Secret;

/// The hidden command that runs this program as that child. Not for people: it reads from its parent.
pub const COMMAND: &str = "login-child";

/// How long one conversation may take. A login to a Prosody with all of Jitsi's modules takes one second; rooms that
/// jicofo is slow to open, a few more.
const CONVERSATION: Duration = Duration::from_secs(6);

/// How long all conversations together may take: those that start late, to keep their distance, have less.
pub(super) const ALL: Duration = Duration::from_secs(7);

/// The child is killed this long after its time is over; it exits by itself before.
const GRACE: Duration = Duration::from_millis(1_500);

/// The distance between logins. Jitsi's own rate limit (`mod_rate_limit`, since 2023) throttles an address for a minute
/// after three logins a second. The loopback address is exempt; one that a web server passes on is not.
pub(super) const LOGIN_SPACING: Duration = Duration::from_millis(350);

/// The longest input that the child reads, in bytes: thirty tokens and as many rooms are a tenth of it.
const MAX_QUESTION: u64 = 4 << 20;

/// The stack of one conversation, in bytes: elements are read at most a few dozen levels deep.
const STACK: usize = 512 << 10;

/// The longest text kept from an answer, in characters: a reason is one sentence.
const MAX_TEXT_CHARS: usize = 300;

/// One login to make.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The server to log in to.
    pub server: Server,
    /// The token to log in with, if any.
    pub token: Option<String>,
    /// The account to log in with instead of a token, if any.
    #[serde(default)]
    pub password: Option<Password>,
    /// The room named in the URL.
    pub room: String,
    /// The rooms to enter once logged in.
    pub join: Vec<String>,
    /// People who enter before, one after the other, and stay in the first of these rooms until the login is over.
    #[serde(default)]
    pub company: Vec<Companion>,
    /// How long to stay in the first of these rooms, to see what the user becomes there.
    #[serde(default)]
    pub stays: Option<Duration>,
    /// How long the whole conversation may take, if less than usual.
    #[serde(default)]
    pub limit: Option<Duration>,
}

/// The name and password of an account, such as recorders have.
#[derive(Clone, Serialize, Deserialize)]
pub struct Password {
    /// Its name, of ASCII letters, digits and hyphens.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Someone who is in a room already, or tries to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Companion {
    /// The XMPP host to log in to, if it is not the site's.
    pub login_host: Option<String>,
    /// The token to log in with, if any.
    pub token: Option<String>,
}

impl Job {
    /// Whether anyone in it has a token or a password.
    fn has_token(&self) -> bool {
        self.token.is_some()
            || self.password.is_some()
            || self.company.iter().any(|companion| companion.token.is_some())
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Task {
    /// Make a login.
    Login(Box<Job>),
    /// See whether anything answers.
    Answers(Server),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    Login(Attempt),
    Answers(bool),
}

/// How long these tasks may take together: even the last of those that keep their distance has time for a login.
fn time_for(tasks: &[Task]) -> Duration {
    let apart = tasks.iter().filter(|task| !task.server().direct).count();
    ALL.max(LOGIN_SPACING * u32::try_from(apart).unwrap_or(u32::MAX) + Duration::from_millis(1_700))
}

impl Task {
    fn server(&self) -> &Server {
        match self {
            Self::Login(job) => &job.server,
            Self::Answers(server) => server,
        }
    }
}

/// The line printed for one task.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub task: usize,
    pub reply: Reply,
}

/// Makes logins, all side by side, or at short intervals if a web server is in between. The outcomes, in order; `None`
/// for a login that was not made because the first one (of the valid token, say) found nobody who decides about tokens.
pub fn attempts(host: &dyn Host, jobs: &[Job]) -> Vec<Option<Attempt>> {
    if let Some(login) = jobs.iter().find_map(|job| reason_to_withhold(host, job)) {
        return vec![Some(Attempt::of(login)); jobs.len()];
    }
    let tasks: Vec<Task> = jobs.iter().map(|job| Task::Login(Box::new(job.clone()))).collect();
    let (mut replies, ended) = ask(host, &tasks);
    let unanswered = || ended.as_deref().map(lost);
    (0..jobs.len())
        .map(|at| match replies.remove(&at) {
            Some(Reply::Login(attempt)) => Some(clipped(attempt)),
            _ => unanswered(),
        })
        .collect()
}

/// The reason not to send this job's token where it would go, if there is one.
fn reason_to_withhold(host: &dyn Host, job: &Job) -> Option<Login> {
    let server = &job.server;
    if !job.has_token() {
        return None;
    }
    match listener(host, server) {
        Ok(Listener::Trusted) => None,
        // Somebody may start to listen a moment later.
        Ok(Listener::Nobody) => Some(Login::Down(HttpFault::Refused)),
        Ok(Listener::Stranger(who)) => {
            Some(Login::NotMade(format!("{who} listens on {} instead of Prosody, so no token was sent", server.base)))
        }
        Err(error) => {
            let why = format!("cannot find out who listens on {}, so no token was sent: {error:#}", server.base);
            Some(Login::NotMade(why))
        }
    }
}

/// Makes one login with `token`, if any, naming `room`; then enters the rooms `join`.
pub fn one(host: &dyn Host, server: &Server, token: Option<&Secret>, room: &str, join: &[&str]) -> Attempt {
    let job = Job {
        server: server.clone(),
        token: token.map(|token| token.reveal().to_owned()),
        password: None,
        room: room.to_owned(),
        join: join.iter().map(|&room| room.to_owned()).collect(),
        company: Vec::new(),
        stays: None,
        limit: None,
    };
    let made = attempts(host, &[job]).pop().flatten();
    made.unwrap_or_else(|| lost("no answer"))
}

/// Whether anything answers at the server's address; the logins find out what the answer is worth. Prosody opens its
/// port while it is still loading modules, and answers once all are loaded.
pub fn answers(host: &dyn Host, server: &Server) -> bool {
    let (mut replies, _) = ask(host, &[Task::Answers(server.clone())]);
    matches!(replies.remove(&0), Some(Reply::Answers(true)))
}

/// The replies by task, and how the child failed, if it did.
fn ask(host: &dyn Host, tasks: &[Task]) -> (BTreeMap<usize, Reply>, Option<String>) {
    let Ok(question) = serde_json::to_string(tasks) else {
        return (BTreeMap::new(), Some("cannot be reached".to_owned()));
    };
    let output = match host.confined(COMMAND, Secret::unlisted(question), time_for(tasks) + GRACE) {
        Ok(output) => output,
        Err(error) => return (BTreeMap::new(), Some(format!("{error:#}"))),
    };
    let lines = output.stdout.lines();
    let replies = lines.filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let replies = replies.map(|line| (line.task, line.reply)).collect();
    (replies, output.why_failed())
}

/// The outcome of a login whose child is gone: the server's answer was too much for it, or it could not be started.
fn lost(why: &str) -> Attempt {
    Attempt::of(Login::NotMade(format!("the login helper failed: {why}")))
}

/// Shortens the attempt's texts to a sensible length: they are a stranger's words.
pub(super) fn clipped(mut attempt: Attempt) -> Attempt {
    let clip = |text: &mut String| {
        if let Some((at, _)) = text.char_indices().nth(MAX_TEXT_CHARS) {
            text.truncate(at);
            text.push('…');
        }
    };
    match &mut attempt.login {
        Login::Refused { condition, text } => [condition, text].into_iter().for_each(clip),
        Login::NoMechanism { offered } => {
            offered.truncate(8);
            offered.iter_mut().for_each(clip);
        }
        Login::Down(HttpFault::Other(what) | HttpFault::TooMuch(what))
        | Login::Stranger { what, .. }
        | Login::NotMade(what)
        | Login::StreamError(what) => clip(what),
        Login::Accepted | Login::EncryptionDemanded | Login::NoAnswer | Login::Down(_) => {}
    }
    if let Some(Standing { role, affiliation }) = &mut attempt.standing {
        [role, affiliation].into_iter().for_each(clip);
    }
    if let Some(Focus::Refused { condition, text }) = &mut attempt.focus {
        [condition, text].into_iter().for_each(clip);
    }
    for join in &mut attempt.joins {
        if let Join::Refused { condition, text, element } = join {
            [condition, text].into_iter().chain(element).for_each(clip);
        }
    }
    attempt
}

/// The child itself: drops its privileges, reads its tasks, does them.
#[expect(clippy::print_stderr, reason = "a process of its own")]
pub fn main() -> ExitCode {
    if let Err(error) = own_process::drop_rights() {
        eprintln!("{error:#}");
        return ExitCode::FAILURE;
    }
    let mut question = Vec::new();
    let read = std::io::stdin().take(MAX_QUESTION).read_to_end(&mut question);
    let Ok(Ok(tasks)) = read.map(|_| serde_json::from_slice::<Vec<Task>>(&question)) else {
        eprintln!("this command is internal to jitsi-tokens-setup");
        return ExitCode::from(2);
    };
    do_all(&tasks);
    ExitCode::SUCCESS
}

/// Does all tasks, each in a thread, and prints each reply as soon as it is available.
fn do_all(tasks: &[Task]) {
    let hopeless = AtomicBool::new(false);
    let printed = Mutex::new(std::io::stdout());
    let (plain, insecure) = (Network::new(false), Network::new(true));
    let (started, time) = (Instant::now(), time_for(tasks));
    let work = |task: usize| {
        let server = tasks[task].server();
        if !server.direct && !wait_for_turn(task, started, &hopeless) {
            return;
        }
        let net = if server.insecure { &insecure } else { &plain };
        let reply = answer(net, &tasks[task], started + time);
        let decided = matches!(&reply, Reply::Login(attempt) if attempt.login.decided());
        if task == 0 && !decided {
            hopeless.store(true, Ordering::SeqCst);
        }
        if let Ok(text) = serde_json::to_string(&Line { task, reply }) {
            let mut printed = printed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let _ = writeln!(printed, "{text}").and_then(|()| printed.flush());
        }
    };
    thread::scope(|threads| {
        for task in 0..tasks.len() {
            let work = &work;
            let thread = thread::Builder::new().stack_size(STACK);
            // A thread that cannot be started has no reply, and counts as lost.
            drop(thread.spawn_scoped(threads, move || work(task)));
        }
    });
}

/// Waits for this task's turn, after those before it; false if there is no point in it any more.
fn wait_for_turn(task: usize, started: Instant, hopeless: &AtomicBool) -> bool {
    let turn = LOGIN_SPACING * u32::try_from(task).unwrap_or(u32::MAX);
    while let Some(left) = turn.checked_sub(started.elapsed()) {
        if hopeless.load(Ordering::SeqCst) {
            return false;
        }
        thread::sleep(left.min(Duration::from_millis(50)));
    }
    true
}

pub(super) fn answer(net: &dyn Net, task: &Task, end: Instant) -> Reply {
    match task {
        Task::Login(job) => {
            let until = end.min(Instant::now() + job.limit.unwrap_or(CONVERSATION).min(CONVERSATION));
            Reply::Login(super::attempt(net, job, until))
        }
        Task::Answers(server) => {
            let request = HttpRequest {
                url: format!("{}/http-bind", server.base),
                headers: server.headers(),
                body: None,
                timeout: Duration::from_secs(2),
            };
            let fault = net.http(&request).err();
            Reply::Answers(!matches!(fault, Some(HttpFault::Refused | HttpFault::TimedOut)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaced_logins_get_a_longer_time_limit() {
        let local = Server::local("m.org");
        let tasks = |direct, count| vec![Task::Answers(Server { direct, ..local.clone() }); count];
        let distance = |count| LOGIN_SPACING * count + Duration::from_millis(1_700);
        for (tasks, time) in [
            (tasks(true, 40), ALL),
            (tasks(false, 15), ALL),
            (tasks(false, 19), distance(19)),
            (tasks(false, 40), distance(40)),
        ] {
            assert_eq!(time_for(&tasks), time, "{}", tasks.len());
        }
    }
}
