//! An account that exists for one proof. `prosodyctl` creates and removes it as Prosody's own user, whatever Prosody
//! stores accounts in. A note in this program's folder, written first, names it, so the next run removes what a killed
//! run leaves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use crate::engine::receipt::FOLDER;
use crate::host::command::Command;
use crate::host::failure::failure;
use crate::host::interrupt;
use crate::host::secret::Secret;
use crate::host::{Access, Host, Output};
use crate::prosody::account::Account;

/// The prefix of the names of notes and accounts.
const NAME: &str = "jts-probe-";

/// How long one command may take: Prosody 13 asks the running daemon, which takes a second.
const LIMIT: Duration = Duration::from_secs(15);

/// The account of a proof that is still going on is younger than this, whichever process has its ID.
const PROOF: Duration = Duration::from_secs(120);

/// What `prosodyctl` prints if there is no such account: Prosody 0.11 and 0.12, then 13.
const GONE: [&str; 2] = ["does not exist", "No such user"];

/// The account; removed when this is dropped.
pub struct TemporaryAccount<'a> {
    host: &'a dyn Host,
    prosody: &'a Account,
    /// Its name: letters, digits and hyphens.
    pub user: String,
    /// The virtual host that it is on.
    pub domain: String,
    /// Its password.
    pub password: Secret,
}

impl<'a> TemporaryAccount<'a> {
    /// Creates an account on this virtual host of Prosody, which runs as `prosody`.
    ///
    /// # Errors
    /// If the note cannot be written, or `prosodyctl` does not create the account.
    pub fn make(host: &'a dyn Host, prosody: &'a Account, domain: &str) -> Result<Self> {
        let account = Self {
            host,
            prosody,
            user: format!("{NAME}{:016x}", rand::random::<u64>()),
            domain: domain.to_owned(),
            password: Secret::unlisted(format!("{:032x}", rand::random::<u128>())),
        };
        host.make_dir(Path::new(FOLDER), Access::root(0o700))?;
        let text = format!("{domain}\n{}\n", std::process::id());
        host.write(&note(&account.user), text.as_bytes(), Access::root(0o600))?;
        // It asks twice, even without a terminal.
        let twice = format!("{0}\n{0}\n", account.password.reveal());
        let command = prosodyctl(prosody, "adduser", &account.user, domain).stdin(twice);
        let output = host.run(&command)?;
        match failure(&command, &output) {
            Some(why) => bail!(why),
            None => Ok(account),
        }
    }
}

impl Drop for TemporaryAccount<'_> {
    fn drop(&mut self) {
        // If it cannot be removed now, its note stays for the next run.
        let _ = remove(self.host, self.prosody, &self.user, &self.domain);
    }
}

/// Removes the accounts that killed runs left. Stops at one that cannot be removed now, because Prosody is down or no
/// longer has its virtual host, and returns a warning that names it; the notes stay for the next run.
///
/// # Errors
/// If a note cannot be read, or the run is interrupted.
pub fn sweep(host: &dyn Host, prosody: &Account) -> Result<Vec<String>> {
    for name in host.list(Path::new(FOLDER))?.iter().filter(|name| name.starts_with(NAME)) {
        let path = note(name);
        let Some(stat) = host.stat(&path)? else { continue };
        let text = host.read_text(&path)?.unwrap_or_default();
        let (domain, process) = text.trim_end().split_once('\n').unwrap_or_default();
        let old = host.now().duration_since(stat.changed).unwrap_or_default() > PROOF;
        if old || !host.exists(&Path::new("/proc").join(process))? {
            if let Err(error) = remove(host, prosody, name, domain) {
                interrupt::check()?;
                return Ok(vec![format!("{error:#}; the next run tries again")]);
            }
        }
    }
    Ok(Vec::new())
}

fn remove(host: &dyn Host, prosody: &Account, user: &str, domain: &str) -> Result<()> {
    let command = prosodyctl(prosody, "deluser", user, domain);
    let output = host.run(&command)?;
    if let Some(why) = failure(&command, &output).filter(|_| !is_gone(&output)) {
        bail!("the test account {user}@{domain} could not be removed: {why}");
    }
    host.remove(&note(user))?;
    if host.list(Path::new(FOLDER))?.is_empty() {
        host.remove(Path::new(FOLDER))?;
    }
    Ok(())
}

fn is_gone(output: &Output) -> bool {
    GONE.iter().any(|words| output.stdout.contains(words) || output.stderr.contains(words))
}

fn note(user: &str) -> PathBuf {
    Path::new(FOLDER).join(user)
}

/// Runs as Prosody's own user: its modules are loaded and may stop it. If it is cut off halfway, the note stays.
fn prosodyctl(prosody: &Account, what: &str, user: &str, domain: &str) -> Command {
    let command = Command::mutate("prosodyctl").args([what, &format!("{user}@{domain}")]);
    let home = prosody.home.display().to_string();
    prosody.runs(command).env("HOME", &home).timeout(LIMIT).untrusted()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::host::fake::{FakeHost, output};

    fn prosody() -> Account {
        let (user, group) = ("prosody".to_owned(), "prosody".to_owned());
        Account { user, group, uid: 104, gid: 107, home: "/var/lib/prosody".into() }
    }

    /// A machine whose prosodyctl prints this and exits with this code for `deluser`, and the commands that it gets.
    fn machine(code: i32, says: &'static str) -> (FakeHost, Rc<RefCell<Vec<String>>>) {
        let asked = Rc::new(RefCell::new(Vec::new()));
        let log = Rc::clone(&asked);
        let host = FakeHost::new().answers(move |command| {
            log.borrow_mut().push(command.args[0].clone());
            assert_eq!(command.user.as_ref().unwrap().0, "prosody");
            output(if command.args[0] == "deluser" { code } else { 0 }, says)
        });
        (host, asked)
    }

    #[test]
    fn an_account_has_a_note_while_it_exists() {
        let (host, asked) = machine(0, "");
        let prosody = prosody();
        let account = TemporaryAccount::make(&host, &prosody, "recorder.m.org").unwrap();
        let text = host.read_text(&note(&account.user)).unwrap().unwrap();
        assert_eq!(text, format!("recorder.m.org\n{}\n", std::process::id()));
        assert!(!text.contains(account.password.reveal()));
        drop(account);
        assert_eq!(*asked.borrow(), ["adduser", "deluser"]);
        assert!(!host.exists(Path::new(FOLDER)).unwrap());
    }

    #[test]
    fn the_note_stays_until_the_account_is_gone() {
        for (says, kept) in [("Cannot reach the storage", true), ("That user does not exist", false)] {
            let (host, _) = machine(1, says);
            let prosody = prosody();
            let account = TemporaryAccount::make(&host, &prosody, "recorder.m.org").unwrap();
            let path = note(&account.user);
            drop(account);
            assert_eq!(host.exists(&path).unwrap(), kept, "{says}");
        }
    }

    #[test]
    fn accounts_of_killed_runs_are_removed() {
        for (process, swept) in [("/proc/77", false), ("/proc/78", true)] {
            let (host, asked) = machine(0, "");
            let path = note("jts-probe-1");
            let now = host.now();
            let host = host.file(process, "").changed(path.to_str().unwrap(), now);
            host.write(&path, b"recorder.m.org\n77\n", Access::root(0o600)).unwrap();
            host.write(&Path::new(FOLDER).join("receipt.json"), b"", Access::root(0o600)).unwrap();
            assert!(sweep(&host, &prosody()).unwrap().is_empty());
            assert_eq!(host.exists(&path).unwrap(), !swept);
            assert_eq!(asked.borrow().len(), usize::from(swept));
            assert!(host.exists(&Path::new(FOLDER).join("receipt.json")).unwrap());
        }
    }

    #[test]
    fn an_account_that_cannot_be_removed_is_a_warning() {
        let (host, asked) = machine(1, "No such host");
        for user in ["jts-probe-1", "jts-probe-2"] {
            host.write(&note(user), b"recorder.m.org\n77\n", Access::root(0o600)).unwrap();
        }
        let warnings = sweep(&host, &prosody()).unwrap();
        assert_eq!((warnings.len(), asked.borrow().len()), (1, 1), "the others would most likely fail too");
        assert!(warnings[0].contains("jts-probe-1@recorder.m.org could not be removed"), "{warnings:?}");
        assert!(warnings[0].ends_with("No such host; the next run tries again"), "{warnings:?}");
        assert!(host.exists(&note("jts-probe-1")).unwrap(), "its note stays");
    }

    #[test]
    fn account_errors_quote_prosodyctl() {
        let host = FakeHost::new().answers(|_| output(1, "No such host"));
        let error = TemporaryAccount::make(&host, &prosody(), "recorder.m.org").err().unwrap().to_string();
        assert!(error.contains("No such host"), "{error}");
    }
}
