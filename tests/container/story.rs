//! One life of one machine, told once and examined by many tests: preview, install, rerun, uninstall. The same for
//! every pairing of a Debian release and an era of Jitsi's packages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{FRESH, HOST_FILE, Machine, Run, text};
use crate::proc_watch::ProcWatch;
use crate::tree::tree;

type Tree = BTreeMap<String, String>;

/// A machine to tell the story of.
pub struct Pairing {
    /// The bed's profile.
    pub profile: &'static str,
    /// How it is booted.
    pub boot: fn(&str) -> Machine,
    /// Whether a stand-in plays jicofo; except in the decode era, rooms can be entered only with one.
    pub jicofo: bool,
    /// Whether the provisioned machine is kept for other tests, and rebooted before the rerun.
    pub keep: bool,
    /// How strong the proof must be.
    pub proof: &'static str,
}

/// The pairing that the tutorial was written for.
const FIRST: Pairing = Pairing { profile: FRESH, boot: Machine::boot, jicofo: false, keep: true, proof: "full" };

/// What happened in a story.
pub struct Story {
    pub proof: &'static str,
    pub luas_before: String,
    pub luas_after: String,
    pub open_before: bool,
    pub status_before: Run,
    pub preview: Run,
    pub tree_before_preview: Tree,
    pub tree_after_preview: Tree,
    pub install: Run,
    pub watched: (usize, BTreeSet<Vec<u8>>),
    pub credentials: (String, String),
    pub matrix: Value,
    pub written: Vec<(String, u32, Vec<u8>)>,
    pub status_after: Run,
    pub verify_json: Run,
    pub verify_text: Run,
    pub verify_took: Duration,
    pub twins: Vec<(Run, Run)>,
    pub tree_before_rerun: BTreeMap<String, (u64, i64, i64)>,
    pub tree_after_rerun: BTreeMap<String, (u64, i64, i64)>,
    pub pid_before_rerun: String,
    pub pid_after_rerun: String,
    pub rerun: Run,
    pub rerun_calls: String,
    pub state_before: String,
    pub uninstall_preview: Run,
    pub uninstall: Run,
    pub state_after: String,
    pub open_after: bool,
    pub leftovers: String,
}

/// The layer with the machine as `install` left it, for tests that start from there.
pub fn provisioned() -> &'static str {
    story();
    layer()
}

fn layer() -> &'static str {
    static LAYER: OnceLock<String> = OnceLock::new();
    LAYER.get_or_init(|| kept(&FIRST))
}

/// The name of the layer that keeps a provisioned machine.
pub fn kept(pairing: &Pairing) -> String {
    let first = pairing.profile == FRESH;
    let profile = if first { String::new() } else { format!("{}-", pairing.profile) };
    format!("test-provisioned-{profile}{}", std::process::id())
}

/// Tells the story on the first call.
pub fn story() -> &'static Story {
    static STORY: OnceLock<Option<Story>> = OnceLock::new();
    // Told once even if it fails: a minute for each of twelve tests would only repeat the same message.
    let told = STORY.get_or_init(|| std::panic::catch_unwind(|| tell(&FIRST)).ok());
    told.as_ref().expect("the story failed; the first failing test says why")
}

/// What `uninstall` must restore: configuration, rocks, packages and debconf's answers.
pub const STATE: &str = "cd /; jitsi=$(ls -d etc/jitsi/jicofo usr/share/jitsi-meet/prosody-plugins 2>/dev/null); \
    find etc/prosody usr/local $jitsi -exec stat -c '%n %F %a %U:%G' {} + | sort; \
    find etc/prosody usr/local $jitsi -type f -exec sha256sum {} + | sort; \
    dpkg-query -W -f '${Package} ${db:Status-Abbrev} ${Version}\\n'; \
    printf 'GET jitsi-meet-tokens/appid\\nGET jitsi-meet-tokens/appsecret\\nGET jitsi-meet-prosody/prosody_config\\n' | debconf-communicate 2>/dev/null || true";

/// Which Luas are installed, what `lua` is, and what could build modules for them.
const LUAS: &str = "readlink -f /usr/bin/lua; ls /usr/bin/lua*; \
    dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' luarocks gcc make 2>/dev/null || true";

/// Tells the story of a pairing.
#[allow(clippy::too_many_lines, reason = "one story, told in order")]
pub fn tell(pairing: &Pairing) -> Story {
    let machine = up(pairing, pairing.profile);
    let luas_before = machine.sh(LUAS);
    let state_before = machine.sh(STATE);
    let open_before = machine.is_open();
    let status_before = machine.tool(&["status", "--json"]);
    let tree_before_preview = tree(&machine.written());
    let preview = machine.tool(&["install", "--dry-run", "--json"]);
    let tree_after_preview = tree(&machine.written());

    let watch = ProcWatch::start();
    let install = machine.tool(&["install", "--yes", "--json"]);
    let watched = watch.stop();
    assert_eq!(install.code, 0, "install failed:\n{}", install.all());
    let credentials = machine.credentials();
    let matrix = machine.matrix(&credentials.0, &credentials.1);
    let written = readable_files(&machine.written());
    let luas_after = machine.sh(LUAS);
    let machine = if pairing.keep {
        // A clean stop and a new boot in between: what holds must hold after a reboot too.
        forget_old_layers();
        let layer = kept(pairing);
        machine.snapshot(&layer);
        up(pairing, &layer)
    } else {
        machine
    };

    let status_after = machine.tool(&["status", "--json"]);
    let started = Instant::now();
    let verify_json = machine.tool(&["verify", "--json"]);
    let verify_took = started.elapsed();
    let verify_text = machine.tool(&["verify"]);
    let both = |command: &[&str]| (machine.tool(&[command, &["--json"][..]].concat()), machine.tool(command));
    let twins =
        vec![both(&["status"]), both(&["verify"]), both(&["install", "--yes"]), both(&["uninstall", "--dry-run"])];
    let tree_before_rerun = inodes(&machine.root());
    let pid_before_rerun = machine.prosody_pid();
    let rerun = machine.tool(&["install", "--yes", "--json"]);
    let tree_after_rerun = inodes(&machine.root());
    let pid_after_rerun = machine.prosody_pid();
    let rerun_calls = traced(&machine, &["install", "--yes"]);

    let uninstall_preview = machine.tool(&["uninstall", "--dry-run", "--json"]);
    let uninstall = machine.tool(&["uninstall", "--yes", "--json"]);
    let state_after = machine.sh(STATE);
    // On a busy machine, the first hosts answer while the last are still loading.
    let open_after = (0..5).any(|_| machine.is_open());
    let leftovers = machine.sh("ls -A /var/lib/jitsi-tokens-setup 2>/dev/null || true; find /etc /run /tmp -name '*jitsi-tokens-setup*' -o -name jts.new");
    Story {
        proof: pairing.proof,
        luas_before,
        luas_after,
        open_before,
        status_before,
        preview,
        tree_before_preview,
        tree_after_preview,
        install,
        watched,
        credentials,
        matrix,
        written,
        status_after,
        verify_json,
        verify_text,
        verify_took,
        twins,
        tree_before_rerun,
        tree_after_rerun,
        pid_before_rerun,
        pid_after_rerun,
        rerun,
        rerun_calls,
        state_before,
        uninstall_preview,
        uninstall,
        state_after,
        open_after,
        leftovers,
    }
}

fn up(pairing: &Pairing, layer: &str) -> Machine {
    let machine = (pairing.boot)(layer);
    if pairing.jicofo {
        machine.jicofo_answers();
    }
    machine
}

/// Forgets the layers of earlier test processes, a few hundred MB each; the bed drops a layer that no name refers to.
pub fn forget_old_layers() {
    let cache = std::env::var("JTS_BED_CACHE");
    let cache = cache.unwrap_or_else(|_| "/var/cache/jitsi-tokens-setup-bed".to_owned());
    let names = std::fs::read_dir(Path::new(&cache).join("stacks"));
    for entry in names.into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix("test-").and_then(|rest| rest.rsplit('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another test process may have been faster.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The files that the run wrote: path, mode, bytes. Only small ones: a secret does not hide in a compiler.
fn readable_files(folder: &Path) -> Vec<(String, u32, Vec<u8>)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(meta) = std::fs::symlink_metadata(&path) else {
                continue;
            };
            if meta.is_dir() {
                waiting.push(path);
            } else if meta.is_file() && meta.len() < 8 << 20 {
                let bytes = std::fs::read(&path).unwrap_or_default();
                found.push((path.display().to_string(), meta.mode(), bytes));
            }
        }
    }
    found
}

/// Inode, modification and change time of everything that a rerun must leave alone.
fn inodes(root: &Path) -> BTreeMap<String, (u64, i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let mut found = BTreeMap::new();
    let mut waiting: Vec<_> =
        ["etc", "usr/local", "var/lib/dpkg", "var/lib/jitsi-tokens-setup", "var/cache/debconf", "var/lib/apt"]
            .map(|name| root.join(name))
            .into();
    while let Some(path) = waiting.pop() {
        let Ok(meta) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        found.insert(path.display().to_string(), (meta.ino(), meta.mtime_nsec(), meta.ctime_nsec()));
        if meta.is_dir() {
            waiting.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
    }
    found
}

/// The programs that a run starts, the addresses that it connects to and the ports that it opens.
fn traced(machine: &Machine, args: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace");
    let inner = machine.command(args);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-s", "200", "-e", "trace=execve,connect,listen", "-o"]).arg(&file);
    let output = strace.arg(inner.get_program()).args(inner.get_args()).output().expect("strace runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    std::fs::read_to_string(&file).expect("a trace")
}

/// Insists that `HOST_FILE` exists in a machine, so that a typo in a test cannot make it pass.
pub fn assert_host_file(machine: &Machine) {
    assert!(machine.exists(HOST_FILE));
}
