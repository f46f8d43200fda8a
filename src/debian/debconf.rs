//! debconf's answers: read from its files where these are plain, otherwise queried. Queries and new answers go through
//! standard input, since other users can read arguments.

use crate::debian::locks::Patience;
use crate::debian::recorded::Answers;
use std::time::Duration;

use anyhow::{Result, bail};

use super::debconf_files;
use crate::engine::change::Change;
use crate::engine::watch::Watch;
use crate::host::command::{Brings, Command};
use crate::host::interrupt;
use crate::host::secret::Secret;
use crate::host::{Host, Output};

/// The site's domain.
pub const DOMAIN: &str = "jitsi-meet-prosody/jvb-hostname";
/// The app ID, of type string.
pub const APP_ID: &str = "jitsi-meet-tokens/appid";
/// The app secret, of type password: as a string it would end up in a world-readable file.
pub const APP_SECRET: &str = "jitsi-meet-tokens/appsecret";

/// The file, if any, that the removal script of jitsi-meet-tokens edits.
pub const EDITED_FILE: &str = "jitsi-meet-prosody/prosody_config";

/// A path that does not exist: with it, the removal script finds nothing to edit and restarts nothing.
pub const NOWHERE: &str = "/nonexistent";

/// The questions that matter here, all read by one query.
pub const QUESTIONS: [&str; 4] = [DOMAIN, APP_ID, APP_SECRET, EDITED_FILE];

/// How many times, one second apart, a query is retried while debconf is locked.
const LOCK_ATTEMPTS: usize = 60;

/// The package that owns all of these questions except the domain.
const OWNER: &str = "jitsi-meet-tokens";

/// The answer to one of [`QUESTIONS`]; `None` if it is missing or empty.
pub fn answer(host: &dyn Host, question: &str) -> Result<Option<String>> {
    if let Some((_, value)) = host.assumed().debconf.iter().rev().find(|(known, _)| known == question) {
        return Ok(Some(value.reveal().to_owned()));
    }
    let answers = match debconf_files::answers(host, &QUESTIONS) {
        Some(answers) => answers,
        None => asked(host)?,
    };
    let known = QUESTIONS.iter().zip(answers).find(|(known, _)| **known == question);
    Ok(known.and_then(|(_, value)| value).filter(|value| !value.is_empty()))
}

/// Whether debconf's answers are about the site of this domain: they name no other one.
pub fn is_about(host: &dyn Host, domain: &str) -> Result<bool> {
    Ok(answer(host, DOMAIN)?.is_none_or(|named| named.eq_ignore_ascii_case(domain)))
}

/// The answers to all [`QUESTIONS`], from debconf itself.
fn asked(host: &dyn Host) -> Result<Vec<Option<String>>> {
    let output = ask(host, &all_questions())?;
    let answers: Vec<_> = output.stdout.lines().map(|line| line.strip_prefix("0 ").map(str::to_owned)).collect();
    if answers.len() != QUESTIONS.len() {
        bail!("debconf failed: {}", output.stderr.lines().next().unwrap_or("no output"));
    }
    Ok(answers)
}

/// Starts the query early if debconf will have to be asked, since that takes a while.
pub fn prefetch(host: &dyn Host) {
    if debconf_files::answers(host, &QUESTIONS).is_none() {
        host.prefetch(&all_questions());
    }
}

/// The one query behind every [`answer`] that is not in plain files.
fn all_questions() -> Command {
    let lines: String = QUESTIONS.iter().map(|question| format!("GET {question}\n")).collect();
    Command::query("debconf-communicate").stdin(lines)
}

/// Runs a query, again while debconf is locked: debconf does not wait for its own lock, which a running package manager
/// holds from time to time.
fn ask(host: &dyn Host, query: &Command) -> Result<Output> {
    let mut output = host.run(query)?;
    for attempt in 0..LOCK_ATTEMPTS {
        if !output.stderr.contains("is locked by another process") {
            break;
        }
        if attempt == 0 {
            host.notice("waiting: debconf is locked by another program");
        }
        interrupt::check()?;
        std::thread::sleep(Duration::from_secs(1));
        output = host.run(&query.clone().volatile())?;
    }
    Ok(output)
}

/// Sets the app ID and the app secret for jitsi-meet-tokens.
pub fn preseed(app_id: &str, app_secret: &Secret, patience: Duration) -> Change {
    let lines = format!("{OWNER} {APP_ID} string {app_id}\n{OWNER} {APP_SECRET} password {}\n", app_secret.reveal());
    let brings = [(APP_ID, Secret::unlisted(app_id)), (APP_SECRET, app_secret.clone())]
        .map(|(question, value)| Brings::Debconf { question: question.to_owned(), value });
    let command = Command::mutate("debconf-set-selections").stdin(lines).brings(brings);
    Patience(patience).with(Change::run(command, watches()))
}

/// Sets which file the removal script of jitsi-meet-tokens edits.
pub fn edited_file(path: &str, patience: Duration) -> Change {
    let command = Command::mutate("debconf-set-selections")
        .stdin(format!("{OWNER} {EDITED_FILE} string {path}\n"))
        .brings([Brings::Debconf { question: EDITED_FILE.to_owned(), value: Secret::unlisted(path) }]);
    Patience(patience).with(Change::run(command, [Answers::watch(EDITED_FILE)]))
}

/// Restores one answer, or unregisters the question if it had none.
pub fn restore(question: &str, value: Option<&Secret>, patience: Duration) -> Change {
    let command = match value {
        Some(value) => {
            let kind = if question == APP_SECRET { "password" } else { "string" };
            let line = format!("{OWNER} {question} {kind} {}\n", value.reveal());
            Command::mutate("debconf-set-selections").stdin(line)
        }
        None => Command::mutate("debconf-communicate").arg(OWNER).stdin(format!("UNREGISTER {question}\n")),
    };
    Patience(patience).with(Change::run(command, []))
}

/// Watches of the answers that jitsi-meet-tokens and its scripts set.
pub fn watches() -> Vec<Watch> {
    [APP_ID, APP_SECRET, EDITED_FILE].map(Answers::watch).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    #[test]
    fn all_answers_are_read_in_one_query() {
        let host = FakeHost::new().answers(|_| output(0, "0 meet.example.org\n10 x doesn't exist\n0 \n0 /etc/x\n"));
        assert_eq!(answer(&host, DOMAIN).unwrap().as_deref(), Some("meet.example.org"));
        assert_eq!(answer(&host, APP_ID).unwrap(), None);
        assert_eq!(answer(&host, APP_SECRET).unwrap(), None);
        assert_eq!(answer(&host, EDITED_FILE).unwrap().as_deref(), Some("/etc/x"));
    }

    #[test]
    fn a_secret_is_preseeded_as_a_password_on_standard_input() {
        let host = FakeHost::new().answers(|command| {
            assert!(command.stdin.as_ref().unwrap().reveal().contains("appsecret password s3cr3t-value"));
            output(0, "")
        });
        preseed("app", &Secret::new("s3cr3t-value"), Duration::ZERO).apply(&host).unwrap();
        assert_eq!(*host.mutations.borrow(), ["debconf-set-selections <<< '<redacted>'"]);
    }
}
