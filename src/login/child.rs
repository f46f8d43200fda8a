//! The child that makes logins: this same program, started anew without rights. It reads what to do as JSON, talks to
//! the server side by side for all, and prints a line for each that is over. It gets tokens and no secret; what it says
//! is evidence of what a server said, nothing more.

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

/// The hidden command that makes a child of this program. Not for people: it reads from its parent.
pub const COMMAND: &str = "login-child";

/// How long one conversation may take. A login in a Prosody with all of Jitsi's modules takes one second, rooms that
/// jicofo is slow to open a few more.
const CONVERSATION: Duration = Duration::from_secs(6);

/// How long all conversations together may take: those that begin late, because they keep a distance, have less.
pub(super) const ALL: Duration = Duration::from_secs(7);

/// So long after this the child is ended. It ends by itself before.
const GRACE: Duration = Duration::from_millis(1_500);

/// Jitsi's own rate limit (`mod_rate_limit`, since 2023) slows an address down after three logins a second, for a minute.
/// This machine's own loopback is exempt; an address that a web server passes on is not.
pub(super) const APART: Duration = Duration::from_millis(350);

/// A question to the child is no longer than this: thirty tokens and as many rooms are a tenth of it.
const LONGEST_QUESTION: u64 = 4 << 20;

/// The stack of one conversation: elements are read no deeper than a few dozen.
const STACK: usize = 512 << 10;

/// The longest text that is kept of an answer, in characters: a reason is one sentence.
const LONGEST_TEXT: usize = 300;

/// One login to make.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The server to log in to.
    pub server: Server,
    /// With which token, if any.
    pub token: Option<String>,
    /// With which name and password, if any, in place of a token.
    #[serde(default)]
    pub password: Option<Password>,
    /// The room that is named in the address.
    pub room: String,
    /// The rooms to enter once logged in.
    pub join: Vec<String>,
    /// People who come before, one after the other, and stay in the first of these rooms until the login is over.
    #[serde(default)]
    pub company: Vec<Companion>,
    /// How long to stay in the first of these rooms, to see what becomes of whoever entered.
    #[serde(default)]
    pub stays: Option<Duration>,
}

/// The name and password of an account, as recorders have one.
#[derive(Clone, Serialize, Deserialize)]
pub struct Password {
    /// Its name, of plain letters, digits and hyphens.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Password").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Somebody who is in a room already, or tries to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Companion {
    /// The XMPP host to log in to, where it is another than the site's.
    pub login_host: Option<String>,
    /// With which token, if any.
    pub token: Option<String>,
}

impl Job {
    /// Whether anybody in it has a token or a password.
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

/// How long these tasks may take together: the last of those that keep a distance has time for a login too.
fn time_for(tasks: &[Task]) -> Duration {
    let apart = tasks.iter().filter(|task| !task.server().direct).count();
    ALL.max(APART * u32::try_from(apart).unwrap_or(u32::MAX) + Duration::from_millis(1_700))
}

impl Task {
    fn server(&self) -> &Server {
        match self {
            Self::Login(job) => &job.server,
            Self::Answers(server) => server,
        }
    }
}

/// What is printed for one task.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub task: usize,
    pub reply: Reply,
}

/// Makes logins, all side by side, or in short intervals where a web server is in between. The outcomes, in order; none
/// for one that was not made, because the first (of the good token, say) found nobody who decides about tokens.
pub fn attempts(host: &dyn Host, jobs: &[Job]) -> Vec<Option<Attempt>> {
    if let Some(login) = jobs.iter().find_map(|job| keeps_the_token(host, job)) {
        let untried = Attempt { login, focus: None, joins: Vec::new(), standing: None };
        return vec![Some(untried); jobs.len()];
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

/// What keeps this job's token from being sent where it would go; none if nothing does.
fn keeps_the_token(host: &dyn Host, job: &Job) -> Option<Login> {
    let server = &job.server;
    if !job.has_token() {
        return None;
    }
    match listener(host, server) {
        Ok(Listener::Trusted) => None,
        // Somebody may listen a moment later.
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

/// Makes one login with `token`, or with none, that names `room`, then enters the rooms `join`.
pub fn one(host: &dyn Host, server: &Server, token: Option<&Secret>, room: &str, join: &[&str]) -> Attempt {
    let job = Job {
        server: server.clone(),
        token: token.map(|token| token.reveal().to_owned()),
        password: None,
        room: room.to_owned(),
        join: join.iter().map(|&room| room.to_owned()).collect(),
        company: Vec::new(),
        stays: None,
    };
    let made = attempts(host, &[job]).pop().flatten();
    made.unwrap_or_else(|| lost("no answer"))
}

/// Whether anything answers at the server's address. What the answer is worth is for the logins to say. Prosody opens
/// its port while it still loads modules, and answers once all are loaded.
pub fn answers(host: &dyn Host, server: &Server) -> bool {
    let (mut replies, _) = ask(host, &[Task::Answers(server.clone())]);
    matches!(replies.remove(&0), Some(Reply::Answers(true)))
}

/// The replies by task, and, where the child came to a bad end, how.
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
    (replies, output.bad_end())
}

/// The outcome of a login whose child is gone: the server's answer was too much for it, or it could not be started.
fn lost(why: &str) -> Attempt {
    Attempt {
        login: Login::NotMade(format!("the login helper failed: {why}")),
        focus: None,
        joins: Vec::new(),
        standing: None,
    }
}

/// The same with texts of a sensible length: they are strangers' words.
pub(super) fn clipped(mut attempt: Attempt) -> Attempt {
    let clip = |text: &mut String| {
        if let Some((at, _)) = text.char_indices().nth(LONGEST_TEXT) {
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

/// The child itself: gives up its rights, reads its tasks, does them.
#[expect(clippy::print_stderr, reason = "a process of its own")]
pub fn main() -> ExitCode {
    if let Err(error) = own_process::drop_rights() {
        eprintln!("{error:#}");
        return ExitCode::FAILURE;
    }
    let mut question = Vec::new();
    let read = std::io::stdin().take(LONGEST_QUESTION).read_to_end(&mut question);
    let Ok(Ok(tasks)) = read.map(|_| serde_json::from_slice::<Vec<Task>>(&question)) else {
        eprintln!("this command is internal to jitsi-tokens-setup");
        return ExitCode::from(2);
    };
    do_all(&tasks);
    ExitCode::SUCCESS
}

/// Does all tasks, each in a thread, and prints each reply as soon as it is there.
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
            // One that cannot be started has no reply, and counts as lost.
            drop(thread.spawn_scoped(threads, move || work(task)));
        }
    });
}

/// Waits until it is this task's turn, those before it having had theirs; false if there is no point in it any more.
fn wait_for_turn(task: usize, started: Instant, hopeless: &AtomicBool) -> bool {
    let turn = APART * u32::try_from(task).unwrap_or(u32::MAX);
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
            let until = end.min(Instant::now() + CONVERSATION);
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
    fn many_logins_through_a_web_server_have_the_time_that_the_distance_between_them_takes() {
        let local = Server::local("m.org");
        let tasks = |direct, count| vec![Task::Answers(Server { direct, ..local.clone() }); count];
        let distance = |count| APART * count + Duration::from_millis(1_700);
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
