//! A booted throw-away Debian, controlled through `scripts/bed`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// The Debian 11 with a Jitsi of late 2020 that the tests start from.
pub const FRESH: &str = "bullseye-decode";

/// Its site's domain.
pub const DOMAIN: &str = "meet.example.org";

/// The path of the tool in it.
pub const TOOL: &str = "/opt/jitsi-tokens-setup/jitsi-tokens-setup";

/// Prosody's host file in it.
pub const HOST_FILE: &str = "/etc/prosody/conf.avail/meet.example.org.cfg.lua";

/// Waits inside it until Prosody listens on its web port, 5280; connections of the previous process do not count.
pub const LISTENING: &str = "(for i in $(seq 100); do grep -q ':14A0 0*:0000 0A' /proc/net/tcp /proc/net/tcp6 && exit 0; sleep 0.1; done; exit 1)";

static COUNTER: AtomicUsize = AtomicUsize::new(0);

/// A container, discarded on drop.
pub struct Machine {
    name: String,
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/bed")
}

pub fn bed(script: &str, args: &[&str]) -> Command {
    let mut command = Command::new(scripts().join(script));
    command.args(args).stdin(Stdio::null());
    command
}

pub fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(output.status.success(), "{command:?} failed:\n{}{}", text(&output.stdout), text(&output.stderr));
    output
}

/// The folders that make up a profile's machines, topmost first.
pub fn layers(profile: &str) -> Vec<PathBuf> {
    let stack = text(&done(&mut bed("build", &[profile])).stdout);
    stack.trim().split(':').map(PathBuf::from).collect()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file with this text, deleted when the first of the pair is dropped, and its path.
pub fn written(text: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("it is written");
    let path = file.path().display().to_string();
    (file, path)
}

/// What the tool printed, and its exit code.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: &Output) -> Self {
        Self { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// The report that `--json` printed.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}):\n{}\n{}", self.stdout, self.stderr))
    }

    /// The report at the end of `--json-lines`. Every step that began has ended before it.
    pub fn last_line_json(&self) -> Value {
        let lines: Vec<Value> = self
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}")))
            .collect();
        let mut running = None;
        for line in &lines {
            match line["event"].as_str() {
                Some("step-started") => assert_eq!(running.replace(&line["step"]), None, "{line}"),
                Some("step-finished") => assert_eq!(running.take(), Some(&line["step"]["id"]), "{line}"),
                _ => {}
            }
        }
        assert_eq!(running, None, "{}", self.stdout);
        lines.last().expect("a report").clone()
    }

    /// Both streams.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Insists on the exit code and on these parts of the output.
pub fn says(run: &Run, code: i32, parts: &[&str]) {
    assert_eq!(run.code, code, "{}", run.all());
    for part in parts {
        assert!(run.all().contains(part), "\"{part}\" is missing in:\n{}", run.all());
    }
}

/// Tries all of these and fails only at the end, since one failure says nothing about the others.
pub fn each<T: std::fmt::Display>(all: &[T], hold: impl Fn(&T)) {
    let mut failed = Vec::new();
    for one in all {
        let started = std::time::Instant::now();
        let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hold(one))).is_ok();
        println!("{one}: {} in {:.0} s", if held { "ok" } else { "FAILED" }, started.elapsed().as_secs_f64());
        if !held {
            failed.push(one.to_string());
        }
    }
    assert!(failed.is_empty(), "failed: {}", failed.join(", "));
}

/// The outcome and reason of the first login or room with this ID in a report's proof; empty if there is none.
pub fn got(report: &Value, id: &str) -> String {
    let probes = report["proof"]["probes"].as_array().cloned().unwrap_or_default();
    let Some(probe) = probes.iter().find(|probe| probe["id"] == id) else { return String::new() };
    let outcome = probe["outcome"].as_str().unwrap_or_default();
    probe["reason"].as_str().map_or_else(|| outcome.to_owned(), |reason| format!("{outcome}: {reason}"))
}

/// The changes of a report as the text form prints them, one line each.
pub fn changes_in_words(report: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut changes: Vec<Value> = list(&report["steps"]).iter().flat_map(|step| list(&step["changes"])).collect();
    let mut lines = Vec::new();
    while let Some(change) = changes.pop() {
        changes.extend(list(&change["fallback"]));
        let (kind, path, target) = (word(&change["kind"]), word(&change["path"]), word(&change["target"]));
        lines.push(match kind.as_str() {
            "run" => command_in_words(&change),
            "write" => format!("write {path} (mode {})", word(&change["mode"])),
            "restore" => format!("restore {path}: remove {}, rewrite {}", change["removed"], change["rewritten"]),
            "remove" => format!("remove {path}"),
            _ => format!("{kind} {path} to {target}"),
        });
    }
    lines
}

/// A command as one would type it in a shell.
fn command_in_words(change: &Value) -> String {
    let quoted = |word: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+.,:/@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
    };
    let words = change["command"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let variables = change["environment"].as_object().into_iter().flatten();
    let variables = variables.map(|(name, value)| format!("{name}={}", quoted(value.as_str().unwrap_or_default())));
    let input = (change["input"] == true).then(|| "<<< '<redacted>'".to_owned());
    variables.chain(words.map(quoted)).chain(input).collect::<Vec<_>>().join(" ")
}

/// The IDs of a report's steps that are in this state.
pub fn steps_in(report: &Value, state: &str) -> Vec<String> {
    let steps = report["steps"].as_array().cloned().unwrap_or_default();
    let ids = steps.iter().filter(|step| step["state"] == state).filter_map(|step| step["id"].as_str());
    ids.map(str::to_owned).collect()
}

impl Machine {
    /// Boots a container from a profile or a snapshot, with the tool mounted read-only.
    pub fn boot(layer: &str) -> Self {
        Self::up(layer, &["--no-sync"])
    }

    /// The same without systemd or any other service manager; Prosody's own program starts it.
    pub fn without_systemd(layer: &str) -> Self {
        let machine = Self::up(layer, &["--no-sync", "--no-boot"]);
        machine.sh("ip link set lo up; install -d -o prosody -g prosody /run/prosody; { prosodyctl start || /etc/init.d/prosody start; } >/dev/null 2>&1");
        machine.sh(LISTENING);
        machine
    }

    /// The same with a disk of its own, an ext4 image that is created if it does not exist. As after a long uptime,
    /// everything that the boot wrote has been synced.
    pub fn boot_on(layer: &str, disk: &Path) -> Self {
        let machine = Self::up(layer, &[&format!("--disk={}", disk.display())]);
        machine.sh("sync");
        machine
    }

    /// Cuts its power. `copy` gets what was on its disk at that moment.
    pub fn cut_power(self, copy: &Path) {
        done(&mut bed("cut", &[&self.name, &copy.display().to_string()]));
        std::mem::forget(self);
    }

    fn up(layer: &str, options: &[&str]) -> Self {
        // Test processes may run in parallel: each container has a unique name.
        let name = format!("test-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::SeqCst));
        let tool = Path::new(env!("CARGO_BIN_EXE_jitsi-tokens-setup"));
        let folder = tool.parent().expect("the tool is in a folder").display();
        done(&mut bed(
            "up",
            &[&[&name, layer][..], options, &[&format!("--bind-ro={folder}:/opt/jitsi-tokens-setup")]].concat(),
        ));
        Self { name }
    }

    /// A machine that is not booted, in this one's network, with these folders of the host mounted read-only.
    pub fn neighbor(&self, layer: &str, folders: &[(&Path, &str)]) -> Self {
        let mut options = vec!["--no-sync".to_owned(), "--no-boot".to_owned(), format!("--network-of={}", self.name)];
        options.extend(folders.iter().map(|(from, to)| format!("--bind-ro={}:{to}", from.display())));
        Self::up(layer, &options.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Boots one from a profile with additional Debian packages.
    pub fn boot_with(profile: &str, packages: &[&str]) -> Self {
        let layer = done(&mut bed("with", &[&[profile], packages].concat()));
        Self::boot(text(&layer.stdout).trim())
    }

    /// Runs a shell script in it and insists on success.
    pub fn sh(&self, script: &str) -> String {
        text(&done(&mut bed("exec", &[&self.name, "sh", "-c", script])).stdout)
    }

    /// Runs a program in it and insists on success.
    pub fn program(&self, words: &[&str]) -> String {
        text(&done(&mut self.inside(words)).stdout)
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> String {
        self.program(&["cat", "--", path])
    }

    /// Whether something exists at this path, even a dangling link.
    pub fn exists(&self, path: &str) -> bool {
        self.inside(&["find", path, "-maxdepth", "0"]).output().expect("exec runs").status.success()
    }

    /// Removes a file, or a folder with everything in it.
    pub fn remove(&self, path: &str) {
        self.program(&["rm", "-r", "--", path]);
    }

    /// Edits a file with `sed`.
    pub fn edit(&self, path: &str, expression: &str) {
        self.program(&["sed", "-i", expression, path]);
    }

    /// A file's mode, in octal digits.
    pub fn mode(&self, path: &str) -> String {
        self.program(&["stat", "-c", "%a", path]).trim().to_owned()
    }

    /// A file's mode and owner, as in `640 root:prosody`.
    pub fn access(&self, path: &str) -> String {
        self.program(&["stat", "-c", "%a %U:%G", path])
    }

    /// Changes a file's mode.
    pub fn chmod(&self, mode: &str, path: &str) {
        self.program(&["chmod", mode, path]);
    }

    /// Has systemd stop, start or restart a service.
    pub fn systemctl(&self, verb: &str, service: &str) {
        self.program(&["systemctl", verb, service]);
    }

    /// Prosody's process ID, as in its pid file.
    pub fn prosody_pid(&self) -> String {
        self.text("/run/prosody/prosody.pid")
    }

    /// Has the stand-in for jicofo open rooms from now on.
    pub fn jicofo_answers(&self) {
        self.program(&["touch", "/run/bed-jicofo"]);
    }

    /// Removes a rock of Prosody's Lua 5.2.
    pub fn remove_rock(&self, name: &str) {
        self.program(&["/usr/bin/lua5.2", "/usr/bin/luarocks", "remove", "--force", name]);
    }

    /// Has apt purge or remove a package, and insists on success.
    pub fn apt_get(&self, verb: &str, package: &str) {
        self.program(&["apt-get", verb, "-q", "-y", package]);
    }

    /// The same, whether it succeeds or not.
    pub fn try_apt_get(&self, verb: &str, package: &str) -> Run {
        Run::of(&self.inside(&["apt-get", verb, "-q", "-y", package]).output().expect("exec runs"))
    }

    /// The tool with these arguments, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut all = vec![TOOL];
        all.extend(args);
        self.inside(&all)
    }

    /// Any program in it, not started yet.
    pub fn inside(&self, words: &[&str]) -> Command {
        bed("exec", &[&[self.name.as_str()], words].concat())
    }

    /// Runs the tool.
    pub fn tool(&self, args: &[&str]) -> Run {
        let mut command = self.command(args);
        Run::of(&command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}")))
    }

    /// Runs a shell script in it, whether it succeeds or not.
    pub fn try_sh(&self, script: &str) -> Run {
        Run::of(&bed("exec", &[&self.name, "sh", "-c", script]).output().expect("exec runs"))
    }

    /// What the independent client reports about token authentication: five logins and both rooms.
    pub fn matrix(&self, app_id: &str, app_secret: &str) -> Value {
        let (_secret, secret) = written(app_secret);
        // An app ID may look like an option, even `--`, which argparse drops from `--id=--`.
        let (_id, id) = written(app_id);
        self.client(&[DOMAIN, "-", &secret, "--id-file", &id])
    }

    /// The same for another site, whose rooms are in this component.
    pub fn matrix_of(&self, domain: &str, rooms: &str, (app_id, secret): &(String, String)) -> Value {
        let (_secret, file) = written(secret);
        self.client(&[domain, app_id, &file, "--muc", rooms])
    }

    /// Whether the independent client gets in without a token.
    pub fn is_open(&self) -> bool {
        let seen = self.client(&[DOMAIN, "--expect", "open"]);
        println!("without a token: {seen}");
        seen["ok"] == true
    }

    /// A program of this machine in the container's network, not started yet.
    pub fn beside(&self, program: &[&str]) -> Command {
        let mut all = vec![self.name.as_str()];
        all.extend(program);
        bed("netns-exec", &all)
    }

    /// What the independent client reports about all logins that can tell something, by name.
    pub fn all_logins(&self, app_id: &str, app_secret: &str, transport: &str) -> Value {
        let (_secret, file) = written(app_secret);
        self.all_logins_with(&[app_id, &file, "--transport", transport])
    }

    /// The same with a key instead of the secret: the app ID, and options of the client.
    pub fn all_logins_with(&self, options: &[&str]) -> Value {
        self.client(&[&[DOMAIN], options, &["--all", "--ask-focus"]].concat())["seen"].take()
    }

    /// One login of the independent client.
    pub fn login(&self, args: &[&str]) -> Value {
        self.witness("login.py", args)
    }

    fn client(&self, args: &[&str]) -> Value {
        self.witness("matrix.py", args)
    }

    /// What the independent client reports about tokens of many shapes.
    pub fn shapes(&self, args: &[&str]) -> Value {
        self.witness("verdicts.py", args)
    }

    /// What the independent client reports about tokens signed with keys.
    pub fn keys_matrix(&self, args: &[&str]) -> Value {
        self.witness("keys.py", args)
    }

    /// What the independent client reports about a guest who comes before somebody with a token.
    pub fn guests(&self) -> Value {
        let (app_id, secret) = self.credentials();
        let (_secret, file) = written(&secret);
        self.witness("guests.py", &[DOMAIN, &app_id, &file])
    }

    /// What the independent client reports about somebody with this account and no token, in a room that somebody with
    /// a token is in.
    pub fn recorder(&self, account: &str, password: &str) -> Value {
        let (app_id, secret) = self.credentials();
        let (_secret, file) = written(&secret);
        self.witness("recorder.py", &[DOMAIN, &app_id, &file, account, password])["recorder"].take()
    }

    /// Makes the tag of the tutorial's fork point to its version over `luaossl` or `luacrypto`.
    pub fn fork_over(&self, library: &str) {
        done(&mut bed("fork", &[&self.name, library]));
    }

    fn witness(&self, script: &str, args: &[&str]) -> Value {
        let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client").join(script).display().to_string();
        let mut all = vec![self.name.as_str(), "python3", &client];
        // Where a stand-in plays jicofo, rooms are opened as the web page opens them.
        if self.exists("/run/bed-jicofo") {
            all.push("--ask-focus");
        }
        all.extend(args);
        let output = bed("netns-exec", &all).output().expect("the client runs");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("the client printed no JSON ({error}): {}", text(&output.stderr)))
    }

    /// The credentials that the tool reports as in use.
    pub fn credentials(&self) -> (String, String) {
        let shown = self.tool(&["credentials", "show", "--reveal", "--json"]).json();
        let field = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
        (field("app_id"), field("app_secret"))
    }

    /// Insists that the credentials in use work.
    pub fn assert_proved(&self) {
        let (app_id, secret) = self.credentials();
        let seen = self.matrix(&app_id, &secret);
        assert_eq!(seen["ok"], true, "the independent client saw: {seen:#}");
    }

    /// The container's root folder as a path on this machine.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(text(&done(&mut bed("root", &[&self.name])).stdout).trim())
    }

    /// Replaces the text of a file in it; mode and owner stay.
    pub fn set_text(&self, path: &str, text: &str) {
        std::fs::write(self.root().join(path.trim_start_matches('/')), text).expect("it is written");
    }

    /// The container's first process, as this machine numbers it.
    pub fn leader(&self) -> u32 {
        let file = self.root().with_file_name("leader");
        let text = std::fs::read_to_string(&file).expect("the bed keeps it");
        text.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("a number")
    }

    /// The overlay of what was written since the boot, as a path on this machine.
    pub fn written(&self) -> PathBuf {
        self.root().parent().expect("the root is in a folder").join("upper")
    }

    /// Follows the tutorial inside it, word for word.
    pub fn tutorial(&self, app_id: &str, app_secret: &str) -> Run {
        let mut command = bed("tutorial", &[&self.name]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
        let answers = format!("{app_id}\n{app_secret}\n");
        std::io::Write::write_all(&mut child.stdin.take().expect("stdin"), answers.as_bytes()).expect("answers");
        Run::of(&child.wait_with_output().expect("it ends"))
    }

    /// Shuts it down and keeps it as a layer for [`Machine::boot`].
    pub fn snapshot(self, layer: &str) {
        done(&mut bed("snapshot", &[&self.name, layer]));
        std::mem::forget(self);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // A failure does not matter: the next run's container has another name.
        let _ = bed("down", &[&self.name]).output();
    }
}
