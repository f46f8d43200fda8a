//! Runs the program and checks what holds for every run: it does not panic, ends with a documented exit code, and
//! prints neither a secret nor characters that play tricks on a terminal.
//!
//! When the tests run as root, the program runs as `nobody`. A careless test can then never set up, or take down, the
//! Jitsi of the person who runs it; and without root the program looks at no machine's configuration.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// The secret of all tests; long enough to be searched for in every output.
pub const SECRET: &str = "s3cret/x+y==";

const NOBODY: u32 = 65534;
const PROGRAM: &str = env!("CARGO_BIN_EXE_jitsi-tokens-setup");

/// Whether the tests run as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Reports a skipped test. Straight to standard error: the test harness hides what passing tests print.
pub fn not_run(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "NOT RUN: {test}: {why}");
}

/// A run being prepared.
pub struct Run {
    command: Command,
    input: Vec<u8>,
    secrets: Vec<String>,
    allowed: Vec<char>,
    _copy: Option<Arc<Folder>>,
}

/// The program with these arguments.
pub fn tool<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Run {
    let copy = (is_root() && !nobody_can_execute(Path::new(PROGRAM))).then(copied);
    let program = copy.as_ref().map_or(PathBuf::from(PROGRAM), |folder| folder.path("jitsi-tokens-setup"));
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Run { command, input: Vec::new(), secrets: vec![SECRET.to_owned()], allowed: vec!['\n', '\t'], _copy: copy }
}

/// The program with the words of a line as arguments.
pub fn line(words: &str) -> Run {
    tool(words.split_whitespace())
}

impl Run {
    /// Sets its standard input; empty by default.
    pub fn input(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.input = bytes.as_ref().to_vec();
        self
    }

    /// Sets an environment variable; by default only PATH is set.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds a text that must not appear in the output.
    pub fn hides(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Color is expected, so escape sequences are allowed.
    pub fn colored(mut self) -> Self {
        self.allowed.push('\x1b');
        self
    }

    /// Runs it as the user that runs the tests. As root, only for commands that change nothing.
    pub fn by_current_user(mut self) -> Self {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        self.command.uid(uid.as_raw()).gid(gid.as_raw());
        self
    }

    /// Runs it and expects this exit code.
    pub fn ends(self, code: i32) -> Ended {
        let ended = self.end();
        assert_eq!(ended.code, code, "{ended:?}");
        ended
    }

    /// Runs it and checks what holds for every run.
    pub fn end(self) -> Ended {
        let arguments: Vec<String> =
            self.command.get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        let output = assert_cmd::Command::from_std(self.command)
            .write_stdin(self.input)
            .timeout(Duration::from_secs(30))
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        let ended = Ended {
            code: output.status.code().expect("no signal ended it"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        assert!([0, 1, 2, 3, 4, 5, 130].contains(&ended.code), "{ended:?}");
        for stream in [&ended.stdout, &ended.stderr] {
            for secret in &self.secrets {
                assert!(!stream.contains(secret.as_str()), "leaked in {ended:?}");
            }
            let control = |c: char| (c.is_control() || hides(c)) && !self.allowed.contains(&c);
            assert!(!stream.contains(control), "control characters: {ended:?}");
        }
        super::schema::check(&arguments, &ended.stdout);
        ended
    }
}

/// Whether a character is invisible or changes the direction of text.
fn hides(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e0fff}')
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Standard output is exactly this.
    #[track_caller]
    pub fn stdout(self, expected: &str) -> Self {
        assert_eq!(self.stdout, expected);
        self
    }

    /// Standard error is exactly this.
    #[track_caller]
    pub fn stderr(self, expected: &str) -> Self {
        assert_eq!(self.stderr, expected);
        self
    }

    /// Standard error is this one sentence of the program's; standard output is empty.
    #[track_caller]
    pub fn complains(self, sentence: &str) -> Self {
        self.stdout("").stderr(&format!("jitsi-tokens-setup: {sentence}\n"))
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A folder that `nobody` can enter, with files that belong to `nobody`; deleted on drop.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    /// A folder with the file `secret` in it, and that file's path.
    pub fn with_secret(bytes: impl AsRef<[u8]>) -> (Self, PathBuf) {
        let folder = Self::new();
        let path = folder.file("secret", bytes, 0o600);
        (folder, path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if is_root() {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        path
    }
}

fn nobody_can_execute(program: &Path) -> bool {
    program.ancestors().all(|path| fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0))
}

/// A copy of the program that `nobody` can execute, for a closed checkout (below /root): one for all concurrent runs,
/// deleted after the last of them.
pub fn copied() -> Arc<Folder> {
    static SHARED: Mutex<Weak<Folder>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    if let Some(folder) = shared.upgrade() {
        return folder;
    }
    let folder = Arc::new(Folder::new());
    // Copied by a child process: if this process had the file open for writing while another thread started a child,
    // that child would have it open too, and a file that is open for writing cannot be executed.
    let copied = Command::new("cp").arg(PROGRAM).arg(folder.path("jitsi-tokens-setup")).status();
    assert!(copied.unwrap().success());
    *shared = Arc::downgrade(&folder);
    folder
}

/// `token COMMAND` with complete credentials and these further options.
pub fn token<'a>(command: &'a str, secret_file: &'a std::path::Path, more: impl IntoIterator<Item = &'a str>) -> Run {
    let given = ["token", command, "--app-id", "my_app", "--domain", "meet.example.org", "--app-secret-file"];
    tool(
        given
            .into_iter()
            .map(AsRef::as_ref)
            .chain([secret_file.as_os_str()])
            .chain(more.into_iter().map(AsRef::as_ref)),
    )
}

/// The commands that the program and its manual page list.
pub const COMMANDS: [&str; 9] =
    ["install", "status", "verify", "token", "credentials", "uninstall", "completions", "schema", "man"];
