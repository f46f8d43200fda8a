//! What Prosody's user can write on a machine, and hostile things planted there.

use std::collections::BTreeSet;
use std::process::Command;

use crate::bed::{Machine, text};
use crate::footprint::PROSODY_PATHS;

const SCRIPT: &str = include_str!("../client/plant.pl");

/// What is planted at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary file with unexpected content: numbers, lines of passwd, escapes, no newline at the end.
    File,
    /// A FIFO without a writer.
    Fifo,
    /// A FIFO with a writer that never stops.
    Chatter,
    /// A link to /etc/shadow.
    Shadow,
    /// A link to /etc/passwd.
    Passwd,
    /// A link to /dev/zero.
    Zero,
    /// A folder.
    Folder,
    /// A sparse file of 1 GB.
    Sparse,
    /// A link to itself.
    Loop,
    /// A socket.
    Socket,
}

impl Kind {
    pub const ALL: [Self; 10] = [
        Self::File,
        Self::Fifo,
        Self::Chatter,
        Self::Shadow,
        Self::Passwd,
        Self::Zero,
        Self::Folder,
        Self::Sparse,
        Self::Loop,
        Self::Socket,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Fifo => "fifo",
            Self::Chatter => "chatter",
            Self::Shadow => "shadow",
            Self::Passwd => "passwd",
            Self::Zero => "zero",
            Self::Folder => "folder",
            Self::Sparse => "sparse",
            Self::Loop => "loop",
            Self::Socket => "socket",
        }
    }

    /// Whether a log file of this kind keeps Prosody itself from starting: then only Prosody is harmed.
    pub fn blocks_writers(self) -> bool {
        matches!(self, Self::Fifo | Self::Chatter)
    }
}

/// Places that belong together: what is at one of them may keep the tool from looking at the others.
#[derive(Clone, Debug)]
pub struct Group {
    pub name: &'static str,
    pub places: Vec<String>,
}

/// The modules that a Lua of the tool, or of its children, may load.
pub const MODULES: [&str; 6] = ["basexx", "cjson", "cjson/safe", "inspect", "luajwtjitsi", "luarocks/loader"];

/// Runs a shell script as Prosody's user.
pub fn as_prosody(machine: &Machine, script: &str) -> String {
    let output = machine.inside(&["runuser", "-u", "prosody", "--", "sh", "-c", script]).output().expect("exec runs");
    text(&output.stdout)
}

/// Plants `kind` at each of the places; `None` removes what was planted.
pub fn plant(machine: &Machine, kind: Option<Kind>, places: &[String]) {
    let mut words = vec!["runuser", "-u", "prosody", "--", "perl", "-e", SCRIPT];
    words.push(kind.map_or("away", Kind::word));
    words.extend(places.iter().map(String::as_str));
    let output = machine.inside(&words).output().expect("exec runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// The folders and files that Prosody's user can write, as found on the machine.
pub fn writable(machine: &Machine) -> (Vec<String>, Vec<String>) {
    let roots = machine
        .sh("findmnt -rn -o TARGET,FSTYPE | awk '$2 !~ /^(proc|sysfs|cgroup2?|devpts|ramfs)$/ { print $1 }' | sort -u");
    let roots = roots.split_whitespace().collect::<Vec<_>>().join(" ");
    let find = |what: &str| {
        let script = format!("find {roots} -xdev \\( {what} \\) -writable -print 2>/dev/null | sort -u");
        let found = as_prosody(machine, &script);
        let lines = found.lines().filter(|path| !path.starts_with("/proc/") && !path.starts_with("/sys/"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    (find("-type d"), find("-type f -o -type s"))
}

/// Where Prosody's Lua looks for modules and its user can put them, each with a question mark for the name.
pub fn search_path(machine: &Machine) -> Vec<String> {
    let said = as_prosody(
        machine,
        "cd /var/lib/prosody && HOME=/var/lib/prosody \
         \"$(head -n 1 /usr/bin/prosody | sed 's/^#! *//; s|.*/env *||')\" -e '
           package.path = \"/usr/lib/prosody/?.lua;\" .. package.path
           pcall(require, \"luarocks.loader\")
           pcall(function() require \"util.paths\".complement_lua_path(\"/var/lib/prosody/custom_plugins\") end)
           print(package.path .. \";\" .. package.cpath)'",
    );
    // Where later releases of Prosody and luarocks look, whether this one does or not.
    let version = machine.sh("head -n 1 /usr/bin/prosody | grep -o '5[.][0-9]'");
    let version = version.trim();
    let more = [
        format!("/var/lib/prosody/custom_plugins/lib/lua/{version}/?.so"),
        format!("/var/lib/prosody/.luarocks/share/lua/{version}/?.lua"),
        format!("/var/lib/prosody/.luarocks/lib/lua/{version}/?.so"),
    ];
    let found: BTreeSet<String> = said
        .trim()
        .split(';')
        .map(|place| match place.strip_prefix("./") {
            Some(rest) => format!("/var/lib/prosody/{rest}"),
            None => place.to_owned(),
        })
        .chain(more)
        .filter(|place| place.starts_with("/var/lib/prosody/") && place.contains('?'))
        .collect();
    found.into_iter().collect()
}

/// The files of these modules on that path.
pub fn module_files(path: &[String], modules: &[&str]) -> Vec<String> {
    path.iter().flat_map(|place| modules.iter().map(|module| place.replace('?', module))).collect()
}

/// The names below folders of Prosody's, and in world-writable folders, that the tool and its children look up during
/// these commands, started in Prosody's own folder; found with strace.
pub fn looked_at(machine: &Machine, commands: &[&[&str]]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for args in commands {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("trace");
        let script = "cd /var/lib/prosody && exec \"$@\"";
        let mut words = vec!["sh", "-c", script, "sh", crate::bed::TOOL];
        words.extend(*args);
        let inner = machine.inside(&words);
        Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=file", "-o"])
            .arg(&file)
            .arg(inner.get_program())
            .args(inner.get_args())
            .output()
            .expect("strace runs");
        let trace = text(&std::fs::read(&file).expect("a trace"));
        for path in trace.lines().filter_map(|line| line.split('"').nth(1)) {
            let path = match path.strip_prefix("./") {
                Some(rest) => format!("/var/lib/prosody/{rest}"),
                None => path.to_owned(),
            };
            let name = path.trim_start_matches('/');
            let is_theirs = PROSODY_PATHS.iter().chain(&["tmp", "var/tmp", "dev/shm", "run/lock"]);
            if is_theirs
                .into_iter()
                .any(|folder| name.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
                // Names that are newly made up in each run.
                && !name.starts_with("tmp/cc")
                && !name.starts_with("tmp/luarocks")
                && !name.starts_with("tmp/lua_")
            {
                found.insert(path);
            }
        }
    }
    found
}

/// The places of a machine, in groups.
pub fn groups(machine: &Machine, looked_at: &BTreeSet<String>) -> Vec<Group> {
    let (folders, files) = writable(machine);
    let modules = module_files(&search_path(machine), &MODULES);
    let is_log = |path: &&String| path.starts_with("/var/log/");
    let pid = "/run/prosody/prosody.pid".to_owned();
    assert!(files.contains(&pid), "{files:?}");
    let logs: Vec<String> = files.iter().filter(is_log).cloned().collect();
    let is_data = |path: &&String| !is_log(path) && **path != pid;
    let data: Vec<String> = files.iter().filter(is_data).cloned().collect();
    let mut names = BTreeSet::new();
    for folder in &folders {
        for name in
            ["jitsi-tokens-setup", "jitsi-tokens-setup.lock", "jts.new", "jitsi-tokens-setup.log", "receipt.json"]
        {
            names.insert(format!("{folder}/{name}"));
        }
    }
    for file in files.iter().chain(&modules) {
        let (folder, name) = file.rsplit_once('/').expect("a path");
        names.insert(format!("{file}.set-aside-by-jitsi-tokens-setup"));
        names.insert(format!("{folder}/.{name}.jitsi-tokens-setup.tmp"));
    }
    let known: BTreeSet<&String> = files.iter().chain(&modules).chain(&names).collect();
    // A folder that the tool looks into is a place too, but planting there would remove the other places.
    let is_above = |path: &String| {
        folders.contains(path)
            || files
                .iter()
                .chain(&modules)
                .any(|file| file.strip_prefix(path.as_str()).is_some_and(|rest| rest.starts_with('/')))
    };
    let further: Vec<String> =
        looked_at.iter().filter(|path| !known.contains(path) && !is_above(path)).cloned().collect();
    let all = vec![
        Group { name: "pid file", places: vec![pid] },
        Group { name: "logs", places: logs },
        Group { name: "modules", places: modules },
        Group { name: "the tool's names", places: names.into_iter().collect() },
        Group { name: "looked at", places: further },
        Group { name: "data", places: data },
    ];
    for group in &all {
        println!("{}: {} places", group.name, group.places.len());
    }
    all.into_iter().filter(|group| !group.places.is_empty()).collect()
}
