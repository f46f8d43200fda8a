//! Everything that happened, as one value. The text for people and `--json` are two functions of it (see `render`),
//! so whatever a person sees is a field here.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::engine::exit::Exit;
use crate::host::command::shell_line;

/// Version of the JSON that `--json` prints. Within a version, fields and ids are only ever added.
pub const SCHEMA: u32 = 2;

/// [`SCHEMA`] as it is printed. Its JSON schema allows no other number, so a document of another version is rejected
/// for its version first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemaVersion;

impl Serialize for SchemaVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(SCHEMA)
    }
}

impl JsonSchema for SchemaVersion {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SchemaVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "const": SCHEMA})
    }
}

/// The id of a value without fields, as in JSON.
pub fn id(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().map(str::to_owned).unwrap_or_default()
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing to do.
    Satisfied,
    /// Changes are needed.
    Pending,
    /// Changes were made, and the check confirms them.
    Done,
    /// It does not apply here, or was left for later.
    Skipped,
    /// You must act first.
    Blocked,
    /// It was tried and failed.
    Failed,
    /// Every login gave the expected result.
    Proved,
    /// A login gave an unexpected result.
    Refused,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A file is written.
    Write,
    /// A file, a link or an empty folder is removed.
    Remove,
    /// A file is renamed.
    Rename,
    /// A symbolic link is created.
    Link,
    /// The contents of a directory are restored.
    Restore,
    /// A command runs.
    Run,
}

/// One change, as shown before and after it is made.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct ChangeReport {
    /// The kind of change.
    pub kind: ChangeKind,
    /// The file, link or directory; for a rename, the old name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The file's mode afterwards, in octal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Where the link points, or the file's new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How many files and folders are removed below the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<usize>,
    /// How many files are rewritten below the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewritten: Option<usize>,
    /// The command and its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Its additional environment variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Whether something is written to its standard input, which is never shown.
    #[serde(skip_serializing_if = "is_false")]
    pub input: bool,
    /// The Debian packages that it installs or removes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// For a file, the difference, secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// What is tried if this fails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<ChangeReport>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl ChangeReport {
    /// A change of this kind, with no details yet.
    pub fn new(kind: ChangeKind) -> Self {
        Self {
            kind,
            path: None,
            mode: None,
            target: None,
            removed: None,
            rewritten: None,
            command: Vec::new(),
            environment: BTreeMap::new(),
            input: false,
            packages: Vec::new(),
            diff: None,
            fallback: Vec::new(),
        }
    }
}

/// The change in one line.
impl fmt::Display for ChangeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.as_deref().unwrap_or_default();
        let target = self.target.as_deref().unwrap_or_default();
        match self.kind {
            ChangeKind::Write => write!(f, "write {path} (mode {})", self.mode.as_deref().unwrap_or_default()),
            ChangeKind::Remove => write!(f, "remove {path}"),
            ChangeKind::Rename => write!(f, "rename {path} to {target}"),
            ChangeKind::Link => write!(f, "link {path} to {target}"),
            ChangeKind::Restore => {
                let count = |count: Option<usize>| count.unwrap_or_default();
                write!(f, "restore {path}: remove {}, rewrite {}", count(self.removed), count(self.rewritten))
            }
            ChangeKind::Run => f.write_str(&shell_line(&self.environment, &self.command, self.input)),
        }
    }
}

/// One step's outcome.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct StepReport {
    /// The step's stable name.
    pub id: &'static str,
    /// Its outcome.
    pub state: State,
    /// Why, in one sentence.
    #[serde(rename = "reason")]
    pub why: String,
    /// How to fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The changes, made or planned.
    pub changes: Vec<ChangeReport>,
    /// How long it took, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Whether this machine and these options need no such step: a terminal does not show it unless asked for details.
    #[serde(skip)]
    pub not_needed: bool,
}

/// What a line of the proof looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeKind {
    /// A login.
    Login,
    /// Entering a room after it.
    Room,
    /// The participant's role in that room in the end.
    Role,
}

/// The outcome of a login, a room or a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeOutcome {
    /// The login was accepted.
    Accepted,
    /// The login or the room was refused.
    Refused,
    /// Neither accepted nor refused: the code that checks tokens crashed.
    NoAnswer,
    /// The server offers no login with a token.
    NoTokenLogin,
    /// The server demands encryption.
    EncryptionRequired,
    /// Nothing answers.
    Unreachable,
    /// Something other than Prosody answers.
    OtherServer,
    /// The login was not made.
    NotTested,
    /// The server ended the session.
    SessionEnded,
    /// The room was entered.
    Entered,
    /// The room was refused because nobody had opened it.
    NotOpened,
    /// Moderates the room.
    Moderator,
    /// Does not moderate the room.
    NotModerator,
}

impl ProbeOutcome {
    /// The outcome as an expectation in words.
    pub fn words(self) -> String {
        match self {
            Self::NotModerator => "not a moderator".to_owned(),
            other => id(other).replace('-', " "),
        }
    }
}

/// A participant's role in a room, in the server's words.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Role {
    /// `moderator`, `participant`.
    pub role: String,
    /// `owner`, `member`, `none`.
    pub affiliation: String,
}

/// One login against the running server, a room after it, or a role in that room.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Probe {
    /// What was tried; stable, and unique for each transport.
    pub id: String,
    /// Whether it tests a login, a room or a role.
    pub kind: ProbeKind,
    /// The group that it belongs to.
    pub group: String,
    /// The transport that carried it.
    pub transport: String,
    /// What was tried, in words.
    pub name: String,
    /// The room, if it was given or a token names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// What a server with this configuration must answer.
    pub expected: ProbeOutcome,
    /// What it answered.
    pub outcome: ProbeOutcome,
    /// Why, in the server's words where it gave a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The participant's role in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether the outcome is right. That includes an invalid token that got no answer, since nobody gets in with it,
    /// and a room that was not opened, which only makes the proof partial.
    pub ok: bool,
    /// Outcome, reason and role in words.
    #[serde(skip)]
    pub said: String,
}

/// A transport over which no login was made.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct NotTried {
    /// The transport.
    pub transport: String,
    /// The reason, as an ID.
    pub id: String,
    /// The reason, in words.
    pub reason: String,
}

/// How much the logins proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every login and room gave the expected result.
    Full,
    /// Nothing was wrong, but not everything could be tested (rooms that only jicofo opens).
    Partial,
    /// Something was wrong.
    Refused,
}

/// The proof: all logins and what follows from them.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Proof {
    /// How much was proved.
    pub verdict: Verdict,
    /// The worst problem: what is wrong, or could not be tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What is wrong with the given token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_problem: Option<String>,
    /// Whether anyone can join: without a token, or with one that anyone can forge.
    pub open: bool,
    /// The verdict in one sentence; names the cause when something is wrong.
    #[serde(rename = "reason")]
    pub why: String,
    /// What to do next, when something is wrong or missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// How many logins were made.
    pub logins_made: usize,
    /// How many logins a full proof has. A quick one makes fewer.
    pub logins_planned: usize,
    /// When the last full proof was made (UTC), if it still holds and this one is a quick one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_full: Option<String>,
    /// The transports over which no login was made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transports_not_tried: Vec<NotTried>,
    /// The logins, in order; those that only repeat the first are left out.
    pub probes: Vec<Probe>,
    /// What is worth knowing and does not change the verdict; goes into the warnings of the report.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// Whether a good token is rejected, or does not open its room because of a fault.
    #[serde(skip)]
    pub keeps_out: bool,
}

impl Proof {
    /// A proof without logins.
    pub fn without_logins(verdict: Verdict, why: impl Into<String>) -> Self {
        Self {
            verdict,
            problem: None,
            token_problem: None,
            open: false,
            why: why.into(),
            fix: None,
            logins_made: 0,
            logins_planned: 0,
            last_full: None,
            transports_not_tried: Vec::new(),
            probes: Vec::new(),
            warnings: Vec::new(),
            keeps_out: false,
        }
    }
}

/// Something that can be done next.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Advice {
    /// What the command does, or what you should know.
    pub text: String,
    /// The command to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl Advice {
    /// Something to know or do that is not a command.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), command: None }
    }

    /// A command and what it is good for.
    pub fn run(text: impl Into<String>, command: impl Into<String>) -> Self {
        Self { text: text.into(), command: Some(command.into()) }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.command.as_ref().map_or(Ok(()), |command| write!(f, ": {command}"))
    }
}

/// Everything that a run of the program reports.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Report {
    /// Version of this format; within a version, fields are only ever added.
    pub schema: SchemaVersion,
    /// `install`, `status`, `verify`, `uninstall` or `credentials rotate`.
    pub command: &'static str,
    /// Whether this is only a preview.
    pub dry_run: bool,
    /// Whether changes are needed, or were made.
    pub pending: bool,
    /// The site's domain, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The steps, in order.
    pub steps: Vec<StepReport>,
    /// The logins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// A login without a token after everything was undone, if such logins were accepted before the install.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_as_before: Option<Probe>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Suggested next steps.
    pub next: Vec<Advice>,
    /// The log file with the full output of all commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The exit code.
    pub exit_code: Exit,
}

/// Why there is no report: the command line is invalid, or the command failed before it had one.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Failure {
    /// Version of this format; within a version, fields are only ever added.
    pub schema: SchemaVersion,
    /// What is wrong, where, and what to do next, in one sentence.
    pub error: String,
    /// The exit code.
    pub exit_code: Exit,
}

/// A result with the version of its format.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Versioned<T> {
    /// Version of this format; within a version, fields are only ever added.
    schema: SchemaVersion,
    /// The result.
    #[serde(flatten)]
    result: T,
}

impl<T> Versioned<T> {
    /// The result, in the current version.
    pub fn new(result: T) -> Self {
        Self { schema: SchemaVersion, result }
    }
}

/// What `--json-lines` prints while a command works. The last line of all is the command's report instead.
#[derive(Clone, Debug, JsonSchema, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Happening {
    /// A step begins.
    StepStarted {
        /// The step's stable name.
        step: String,
        /// What it makes sure of.
        title: String,
        /// Which of the steps it is, from 1.
        number: usize,
        /// How many steps there are.
        of: usize,
    },
    /// A change is about to be made.
    Change {
        /// The step that it belongs to.
        step: String,
        /// The change.
        change: ChangeReport,
    },
    /// A running command reports its progress.
    Progress {
        /// How far it has come, in percent.
        percent: f64,
        /// What it is working on.
        what: String,
    },
    /// Something to know in between.
    Note {
        /// What it is, in one sentence.
        text: String,
    },
    /// A step ended.
    StepFinished {
        /// The step, as it will appear in the report.
        step: StepReport,
    },
}
