//! Writes a file in a daemon's own folder, such as jicofo's: not as root, whom a link there could lead anywhere, but as
//! the account that owns folder and file, in a child of this program. The child checks every folder on the path as root
//! would: each must belong to root or to that account.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::child::{self, Watcher};
use super::command::{Command, Session};
use super::secret::Secret;
use super::{Access, AccessList, ChangedMeanwhile, Expected, FileText, Unwritable, own_process, replace};

/// The hidden command that runs this program as the child. Not for people: it reads its task from its parent.
pub const COMMAND: &str = "write-child";

/// The child is killed after this time.
const LIMIT: Duration = Duration::from_secs(30);

/// The most bytes of a task: files are at most 16 MiB, and a task contains up to two of them as hex.
const LONGEST: u64 = 80 << 20;

#[derive(Serialize, Deserialize)]
struct Task {
    path: PathBuf,
    bytes: String,
    mode: u32,
    uid: u32,
    gid: u32,
    list: List,
    expected: Then,
}

#[derive(Serialize, Deserialize)]
enum List {
    Fitting,
    Kept,
    Exactly(Option<Vec<u8>>),
}

#[derive(Serialize, Deserialize)]
enum Then {
    Anything,
    Nothing,
    Bytes(String),
}

/// The child's result.
#[derive(Serialize, Deserialize)]
enum Reply {
    Written,
    Changed { path: PathBuf, kept: Option<PathBuf> },
    Unwritable { path: PathBuf, why: String, fix: String, shared: bool },
    Failed(String),
}

/// Replaces a file as its owner; see [`super::Host::replace`].
///
/// # Errors
/// See there; also if the owner is root, which needs no child.
pub fn write(watcher: &dyn Watcher, path: &Path, text: &FileText) -> Result<()> {
    let Access { mode, uid, gid } = text.access;
    if uid == 0 {
        bail!("{} must belong to root, but its directory belongs to somebody else", path.display());
    }
    let task = Task {
        path: path.to_owned(),
        bytes: hex::encode(text.bytes),
        mode,
        uid,
        gid,
        list: match &text.list {
            AccessList::Fitting => List::Fitting,
            AccessList::Kept => List::Kept,
            AccessList::Exactly(list) => List::Exactly(list.clone()),
        },
        expected: match text.expected {
            Expected::Anything => Then::Anything,
            Expected::Nothing => Then::Nothing,
            Expected::Bytes(bytes) => Then::Bytes(hex::encode(bytes)),
        },
    };
    let mut command = Command::mutate("/proc/self/exe").arg(COMMAND).timeout(LIMIT).session(Session::ByItself);
    command.stdin = Some(Secret::unlisted(serde_json::to_string(&task)?));
    let output = child::run(&command, watcher)?;
    let reply = serde_json::from_str(output.stdout.trim()).with_context(|| {
        format!("cannot write {}: the helper process failed: {}", path.display(), output.stderr.trim())
    })?;
    match reply {
        Reply::Written => Ok(()),
        Reply::Changed { path, kept } => Err(ChangedMeanwhile { path, kept }.into()),
        Reply::Unwritable { path, why, fix, shared } => Err(Unwritable { path, why, fix, shared }.into()),
        Reply::Failed(why) => Err(anyhow!(why)),
    }
}

/// The child itself: becomes the owner, writes the file, reports the result.
#[expect(clippy::print_stdout, reason = "a process of its own, whose parent reads this")]
pub fn main() -> ExitCode {
    let reply = done().unwrap_or_else(|error| match error.downcast::<ChangedMeanwhile>() {
        Ok(ChangedMeanwhile { path, kept }) => Reply::Changed { path, kept },
        Err(error) => match error.downcast::<Unwritable>() {
            Ok(Unwritable { path, why, fix, shared }) => Reply::Unwritable { path, why, fix, shared },
            Err(error) => Reply::Failed(format!("{error:#}")),
        },
    });
    match serde_json::to_string(&reply) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn done() -> Result<Reply> {
    let mut task = String::new();
    std::io::stdin().take(LONGEST).read_to_string(&mut task)?;
    let task: Task = serde_json::from_str(&task).context("this command is internal to jitsi-tokens-setup")?;
    own_process::become_account(task.uid, task.gid)?;
    let (bytes, expected) = (
        hex::decode(&task.bytes)?,
        match &task.expected {
            Then::Bytes(text) => Some(hex::decode(text)?),
            Then::Anything | Then::Nothing => None,
        },
    );
    let text = FileText {
        bytes: &bytes,
        access: Access { mode: task.mode, uid: task.uid, gid: task.gid },
        list: match task.list {
            List::Fitting => AccessList::Fitting,
            List::Kept => AccessList::Kept,
            List::Exactly(list) => AccessList::Exactly(list),
        },
        expected: match (&task.expected, &expected) {
            (Then::Nothing, _) => Expected::Nothing,
            (_, Some(bytes)) => Expected::Bytes(bytes),
            _ => Expected::Anything,
        },
        by_owner: true,
    };
    replace::replace(&task.path, &text)?;
    Ok(Reply::Written)
}
