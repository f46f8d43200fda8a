//! Everything that happened, as one value. The text for people and `--json` are two functions of it (see `render`),
//! so whatever a person sees is a field here.

use schemars::JsonSchema;
use serde::Serialize;

use crate::engine::exit::Exit;

/// Version of the JSON that `--json` prints; a field's meaning never changes within one.
pub const SCHEMA: u32 = 1;

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing to do.
    Satisfied,
    /// Something would have to be done.
    Pending,
    /// Something was done, and the check agrees.
    Done,
    /// It does not apply here, or was left for later.
    Skipped,
    /// The operator must act first.
    Blocked,
    /// It was tried and failed.
    Failed,
    /// Every login gave the expected result.
    Proved,
    /// A login gave an unexpected result.
    Refused,
}

/// One change, as shown before and after it is made.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct ChangeReport {
    /// `write`, `remove`, `link` or `run`.
    pub kind: &'static str,
    /// The change in one line: a path, or a command as a shell line.
    pub what: String,
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

/// One step's outcome.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct StepReport {
    /// The step's stable name.
    pub id: &'static str,
    /// What became of it.
    pub state: State,
    /// Why, in one sentence.
    pub why: String,
    /// What the operator can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What was done, or would be.
    pub changes: Vec<ChangeReport>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// One login against the running server.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Probe {
    /// What it is about: `who gets in`, `signature`, `time`, `claims`.
    pub group: &'static str,
    /// What carried it: `BOSH` or `WebSocket`.
    pub transport: String,
    /// What was tried, `wrong secret` for one.
    pub name: String,
    /// What a server with this configuration must answer.
    pub expected: String,
    /// What it answered.
    pub got: String,
    /// Whether the two agree.
    pub ok: bool,
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
    /// The verdict in one sentence; names the cause when something is wrong.
    pub why: String,
    /// What to do next, when something is wrong or missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The logins, in order.
    pub probes: Vec<Probe>,
    /// What is worth knowing and does not change the verdict; goes into the warnings of the report.
    #[serde(skip)]
    pub warnings: Vec<String>,
    /// Whether a good token is refused, or does not open its room for a reason that is a fault.
    #[serde(skip)]
    pub keeps_out: bool,
}

/// All that a run of the program has to say.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Report {
    /// Version of this shape; within one, fields are added at most.
    pub schema: u32,
    /// `install`, `status`, `verify`, `uninstall` or `credentials rotate`.
    pub command: &'static str,
    /// Whether this is only a preview.
    pub dry_run: bool,
    /// Whether anything is, or was, to be done.
    pub pending: bool,
    /// The site's domain, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The steps, in order.
    pub steps: Vec<StepReport>,
    /// The logins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// Things to know that stopped nothing.
    pub warnings: Vec<String>,
    /// What can be done next.
    pub next: Vec<String>,
    /// Where the children's whole output is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The exit code that goes with it.
    pub exit_code: Exit,
}

/// Why there is no report: the command could not be understood, or was stopped before it had one.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Failure {
    /// Version of this shape; within one, fields are added at most.
    pub schema: u32,
    /// What is wrong, where, and what to do next, in one sentence.
    pub error: String,
    /// The exit code that goes with it.
    pub exit_code: Exit,
}

/// A result with the version of its shape.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Versioned<T> {
    /// Version of this shape; within one, fields are added at most.
    schema: u32,
    /// The result.
    #[serde(flatten)]
    result: T,
}

impl<T> Versioned<T> {
    /// The result, of today's version.
    pub fn new(result: T) -> Self {
        Self { schema: SCHEMA, result }
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
    /// A running command says how far it is.
    Progress {
        /// Per cent.
        percent: f64,
        /// What it is at.
        what: String,
    },
    /// Something to know in between.
    Note {
        /// What it is, in one sentence.
        text: String,
    },
    /// A step ended.
    StepFinished {
        /// The step, as it will stand in the report.
        step: StepReport,
    },
}
