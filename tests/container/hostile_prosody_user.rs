//! Prosody's own user is hostile: Prosody talks to the internet, and an attacker who takes it over must not become root
//! through root's next command. The places that this user can write are found on the machine itself; each is replaced
//! by something unexpected, and every command has to stay within bounds: it changes nothing that it does not change on
//! an undisturbed machine, shows nothing of root's, ends in time and needs little memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::bed::{FRESH, Machine, TOOL};
use crate::bounded;
use crate::footprint::{Delta, Eye, beyond, delta};
use crate::kill_subject::with_packages;
use crate::load_test_protocol::{Attack, LOADED, answers, in_the_way, misbehavior};
use crate::planted::{Kind, MODULES, as_prosody, groups, looked_at, module_files, plant, search_path};
use crate::recorders;
use crate::story::forget_old_layers;

/// Text that only root can see, in place of a password in /etc/shadow.
const SECRET: &str = "hash-that-only-root-may-see";

/// Prosody's working folder. Lua looks for modules in the current one, so an operator who is here is the worst case.
const FOLDER: &str = "/var/lib/prosody";

/// How much longer a command may take than on an undisturbed machine, as documented in docs/security.md.
const PATIENCE: Duration = Duration::from_secs(60);

/// The tool's memory limit, in KiB.
const MEMORY: u64 = 128 << 10;

/// How many changes of one command are shown at most.
const MANY: usize = 12;

/// The exit codes that the documentation allows.
const EXIT_CODES: [i32; 5] = [0, 1, 3, 4, 5];

type Command = &'static [&'static str];

const INSTALL: Command = &["install", "--yes"];
const ROTATE: Command = &["credentials", "rotate", "--yes"];
const OTHER_KEY: Command = &["install", "--yes", "--public-key", "/root/other.pub", "--guests", "off"];
const UNINSTALL: Command = &["uninstall", "--yes"];
const PREVIEW: Command = &["install", "--dry-run"];
const STATUS: Command = &["status"];

/// Commands that change nothing.
const LOOKS: [Command; 5] = [STATUS, &["status", "--json"], PREVIEW, &["verify"], &["uninstall", "--dry-run"]];

/// The state that an attack starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Jitsi without tokens.
    Fresh,
    /// With tokens required.
    Provisioned,
    /// With public keys, waiting guests, moderators by token, and a recorder for which each proof creates an account.
    Chosen,
}

impl State {
    /// The commands that change something in this state.
    fn changes(self) -> &'static [Command] {
        match self {
            Self::Fresh => &[INSTALL, UNINSTALL],
            Self::Provisioned => &[INSTALL, ROTATE, UNINSTALL],
            Self::Chosen => &[INSTALL, OTHER_KEY, UNINSTALL],
        }
    }
}

/// What the commands do on an undisturbed machine.
#[derive(Default)]
struct Peace {
    layers: BTreeMap<State, String>,
    jicofo: bool,
    took: BTreeMap<(State, Command), Duration>,
    changed: BTreeMap<Command, Vec<Delta>>,
    looked_at: BTreeSet<String>,
}

impl Peace {
    /// For a profile of the bed, fresh and with tokens; computed once.
    fn of(profile: &'static str) -> Arc<Self> {
        static KNOWN: Mutex<BTreeMap<&str, Arc<Peace>>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.entry(profile).or_insert_with(|| Arc::new(Self::learn(profile))).clone()
    }

    /// For a profile of the bed, with every choice made; computed once.
    fn chosen(profile: &'static str) -> Arc<Self> {
        static KNOWN: Mutex<BTreeMap<&str, Arc<Peace>>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.entry(profile).or_insert_with(|| Arc::new(Self::learn_chosen(profile))).clone()
    }

    fn learn_chosen(profile: &'static str) -> Self {
        let machine = recorders::with_recorder(profile);
        machine.apt_get("install", "jicofo");
        for name in ["app", "other"] {
            machine.program(&[TOOL, "credentials", "keygen", &format!("/root/{name}")]);
        }
        let options = ["--public-key", "/root/app.pub", "--guests", "--moderators", "token"];
        let run = machine.tool(&[INSTALL, &options].concat());
        assert_eq!(run.code, 0, "{}", run.all());
        let layer = format!("test-chosen-{profile}-{}", std::process::id());
        forget_old_layers();
        machine.snapshot(&layer);
        let mut peace = Self { layers: BTreeMap::from([(State::Chosen, layer)]), jicofo: true, ..Self::default() };
        let machine = peace.machine(State::Chosen);
        for command in LOOKS.iter().chain(State::Chosen.changes()) {
            peace.watch(&machine, State::Chosen, command);
        }
        peace.looked_at = looked_at(&peace.machine(State::Chosen), &[STATUS, &["verify"], OTHER_KEY, UNINSTALL]);
        println!("{profile}, with all that can be chosen, in peace: {:?}", peace.took);
        peace
    }

    fn learn(profile: &'static str) -> Self {
        let first = profile == FRESH;
        let fresh = if first { with_packages(profile) } else { profile.to_owned() };
        let mut peace = Self { layers: BTreeMap::from([(State::Fresh, fresh)]), jicofo: !first, ..Self::default() };
        let machine = peace.machine(State::Fresh);
        for command in LOOKS.iter().chain(&[INSTALL]) {
            peace.watch(&machine, State::Fresh, command);
        }
        let layer = format!("test-hostile-user-{profile}-{}", std::process::id());
        forget_old_layers();
        machine.snapshot(&layer);
        peace.layers.insert(State::Provisioned, layer);
        let machine = peace.machine(State::Provisioned);
        for command in LOOKS.iter().chain(State::Provisioned.changes()) {
            peace.watch(&machine, State::Provisioned, command);
        }
        let machine = peace.machine(State::Fresh);
        peace.looked_at = looked_at(&machine, &[STATUS, INSTALL, UNINSTALL]);
        println!("{profile}: in peace: {:?}", peace.took);
        peace
    }

    fn machine(&self, state: State) -> Machine {
        let machine = Machine::boot(&self.layers[&state]);
        if self.jicofo {
            machine.jicofo_answers();
        }
        machine.sh(&format!("sed -i 's/^games:[^:]*:/games:{SECRET}:/' /etc/shadow && grep -q {SECRET} /etc/shadow"));
        machine
    }

    fn watch(&mut self, machine: &Machine, state: State, command: Command) {
        let eye = Eye::of(machine, SECRET);
        let before = eye.look();
        let seen = bounded::run(machine, FOLDER, command, Duration::from_secs(300));
        assert!(EXIT_CODES.contains(&seen.run.code), "{}", seen.run.all());
        let changed = delta(&before, &eye.look());
        self.took.insert((state, command), seen.took);
        self.changed.entry(command).or_default().push(changed);
    }

    /// What a command may change. A changing command may be the first to do what another did undisturbed.
    fn allowed(&self, command: Command) -> Vec<&Delta> {
        let changing = [INSTALL, ROTATE, OTHER_KEY, UNINSTALL];
        let commands: &[Command] = if LOOKS.contains(&command) { &[command] } else { &changing };
        commands.iter().filter_map(|command| self.changed.get(command)).flatten().collect()
    }

    fn limit(&self, state: State, command: Command) -> Duration {
        let took = [state, State::Fresh, State::Provisioned].iter().find_map(|state| self.took.get(&(*state, command)));
        *took.expect("every command was watched") + PATIENCE
    }
}

/// A machine under attack.
struct Field<'a> {
    peace: &'a Peace,
    state: State,
    machine: Machine,
    eye: Eye,
    findings: Vec<String>,
    attempts: usize,
    longest: Duration,
    peak: u64,
}

impl<'a> Field<'a> {
    fn boot(peace: &'a Peace, state: State) -> Self {
        let machine = peace.machine(state);
        let eye = Eye::of(&machine, SECRET);
        // Prosody's user keeps looking for what it should not see, in the places where the tool works.
        as_prosody(
            &machine,
            &format!(
                "(exec </dev/null >/dev/null 2>&1; cd /; exec setsid sh -c 'while :; do sleep 0.02; \
                   {{ grep -rsF -D skip {SECRET} /run/jitsi-tokens-setup* /etc/prosody; \
                     find /tmp /var/tmp -user root -type f -size -2000k -exec grep -sF {SECRET} {{}} +; }} | \
                   grep -q . && echo seen >>/var/lib/prosody/seen-by-the-spy; done') &"
            ),
        );
        Self { peace, state, machine, eye, findings: Vec::new(), attempts: 0, longest: Duration::ZERO, peak: 0 }
    }

    /// Runs a command under attack, and notes everything it did wrong. Returns its exit code.
    fn attempt(&mut self, case: &str, command: Command) -> i32 {
        let before = self.eye.look();
        let limit = self.peace.limit(self.state, command);
        let seen = bounded::run(&self.machine, FOLDER, command, limit);
        let changed = delta(&before, &self.eye.look());
        let all = seen.run.all();
        let mut wrong = Vec::new();
        match seen.run.code {
            124 | 137 => wrong.push(format!(
                "did not end within {:.0} s; the last that it said: {}",
                limit.as_secs_f64(),
                all.trim_end().lines().last().unwrap_or_default()
            )),
            code if !EXIT_CODES.contains(&code) => wrong.push(format!("ended with {code}: {all:.300}")),
            _ => {}
        }
        if all.contains("panicked") {
            wrong.push(format!("panicked: {all:.300}"));
        }
        if all.contains(SECRET) {
            wrong.push("shows what is in /etc/shadow".to_owned());
        }
        if let Some(char) = all.chars().find(|c| c.is_control() && !"\n\t".contains(*c)) {
            wrong.push(format!("prints the control character {char:?}"));
        }
        let is_json = serde_json::from_str::<serde_json::Value>(&seen.run.stdout).is_ok();
        if command.contains(&"--json") && EXIT_CODES.contains(&seen.run.code) && !is_json {
            wrong.push(format!("prints no JSON: {:.300}", seen.run.stdout));
        }
        if seen.peak > MEMORY {
            wrong.push(format!("took {} MiB of memory", seen.peak >> 10));
        }
        let beyond = beyond(&changed, &self.peace.allowed(command));
        // A single package can be a hundred files.
        wrong.extend(beyond.iter().take(MANY).cloned());
        if let Some(more) = beyond.len().checked_sub(MANY + 1) {
            wrong.push(format!("{} more changes of that kind", more + 1));
        }
        wrong.extend(self.leaks(command));
        for wrong in wrong {
            self.note(case, &format!("{}: {wrong}", command.join(" ")));
        }
        self.attempts += 1;
        self.longest = self.longest.max(seen.took);
        self.peak = self.peak.max(seen.peak);
        seen.run.code
    }

    fn note(&mut self, case: &str, wrong: &str) {
        let finding = format!("{:?}: {case}: {wrong}", self.state);
        println!("WRONG: {finding}");
        self.findings.push(finding);
    }

    /// What other users have been able to see of root's, and what root has run of theirs.
    fn leaks(&self, command: Command) -> Vec<String> {
        let mut found = Vec::new();
        if !LOOKS.contains(&command) {
            found = self.eye.leaks();
        }
        let seen = self.machine.sh(&format!(
            "cd {FOLDER}; cat seen-by-the-spy 2>/dev/null; grep '^0 ' {LOADED} 2>/dev/null; rm -f seen-by-the-spy; :"
        ));
        found.extend(seen.lines().map(|line| match line {
            "seen" => "let Prosody's user see what is in /etc/shadow".to_owned(),
            module => format!("ran a module of Prosody's user as root: {module}"),
        }));
        found
    }

    /// Whether the machine is as before the attack, as far as the next attack needs it.
    fn is_clean(&self) -> bool {
        if self.state == State::Chosen {
            let known = |command| self.machine.tool(command).code == 0;
            return self.findings.is_empty() && known(STATUS);
        }
        let script = "! test -e /var/lib/jitsi-tokens-setup/receipt.json && systemctl is-active -q prosody && \
             ! dpkg-query -W -f '${db:Status-Abbrev}' jitsi-meet-tokens 2>/dev/null | grep -q '^ii'";
        self.findings.is_empty() && self.machine.try_sh(script).code == 0
    }

    fn end(self, what: &str) -> Vec<String> {
        println!(
            "{what}: {} commands, the longest took {:.1} s, the largest {} MiB",
            self.attempts,
            self.longest.as_secs_f64(),
            self.peak >> 10
        );
        self.findings
    }
}

/// Plants this kind of thing at every place; with `apart`, also at each group of places by itself.
fn taken(profile: &'static str, state: State, kind: Kind, apart: bool) -> Vec<String> {
    let peace = if state == State::Chosen { Peace::chosen(profile) } else { Peace::of(profile) };
    let mut field = Field::boot(&peace, state);
    let groups = groups(&field.machine, &peace.looked_at);
    if apart {
        for group in &groups {
            plant(&field.machine, Some(kind), &group.places);
            for command in LOOKS {
                field.attempt(&format!("{kind:?} for {}", group.name), command);
            }
            plant(&field.machine, None, &group.places);
        }
    }
    // Prosody itself cannot start with such a log: that harms only Prosody, and proves nothing.
    let together: Vec<String> = groups
        .iter()
        .filter(|group| !(kind.blocks_writers() && group.name == "logs"))
        .flat_map(|group| group.places.clone())
        .collect();
    let mut commands = state.changes().to_vec();
    if !apart {
        commands.splice(0..0, LOOKS);
    }
    for command in commands {
        // A restart gives Prosody a new run folder.
        plant(&field.machine, Some(kind), &together);
        let code = field.attempt(&format!("{kind:?} everywhere"), command);
        // What stopped the command may have kept it from reaching other places.
        if apart && command == INSTALL && code != 0 {
            plant(&field.machine, None, &together);
            for group in &groups {
                plant(&field.machine, Some(kind), &group.places);
                field.attempt(&format!("{kind:?} for {}", group.name), command);
                plant(&field.machine, None, &group.places);
            }
        }
    }
    let places: usize = groups.iter().map(|group| group.places.len()).sum();
    field.end(&format!("{profile}, {state:?}, {kind:?} in {places} places"))
}

/// Puts a module in every place where Prosody's Lua looks for it and its user can write.
fn plant_module(machine: &Machine, places: &[String], attack: &Attack) {
    let script = "content=$1; shift; rm -f /var/lib/prosody/loaded-modules
        for place; do mkdir -p \"${place%/*}\"; printf %s \"$content\" >\"$place\"; done";
    let mut words = vec!["runuser", "-u", "prosody", "--", "sh", "-c", script, "sh", &attack.module];
    words.extend(places.iter().map(String::as_str));
    let planted = machine.inside(&words).output().expect("exec runs");
    assert!(planted.status.success(), "{planted:?}");
}

/// Each attack by modules that the load test, Prosody and anything else that runs Lua may load.
fn spoken(profile: &'static str, attacks: &[Attack], commands: &[Command]) -> Vec<String> {
    spoken_in(&Peace::of(profile), (State::Fresh, profile), &MODULES, attacks, commands)
}

/// The same on a machine in this state, by these modules.
fn spoken_in(
    peace: &Peace,
    (state, profile): (State, &str),
    modules: &[&str],
    attacks: &[Attack],
    commands: &[Command],
) -> Vec<String> {
    let mut findings = Vec::new();
    let mut field = Field::boot(peace, state);
    let mut places = module_files(&search_path(&field.machine), modules);
    places.retain(|place| place.ends_with(".lua"));
    let mut loaded = 0;
    for attack in attacks {
        plant_module(&field.machine, &places, attack);
        for command in commands {
            field.attempt(&attack.name, command);
        }
        let took_part = field.machine.try_sh(&format!("test -s {LOADED}")).code == 0;
        loaded += usize::from(took_part);
        as_prosody(&field.machine, &format!("pkill -KILL sleep; rm -f {}", places.join(" ")));
        if !field.is_clean() {
            findings.extend(field.end(&format!("{profile}, {}", attack.name)));
            field = Field::boot(peace, state);
        }
    }
    findings.extend(field.end(profile));
    println!("{profile}: {loaded} of {} modules were loaded", attacks.len());
    findings
}

fn no_findings(findings: Vec<String>) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// The commands that run the load test.
const ASKS: [Command; 4] = [STATUS, PREVIEW, INSTALL, UNINSTALL];

#[test]
fn modules_cannot_forge_the_load_tests_answers() {
    let mut attacks = in_the_way("/etc/passwd");
    attacks.truncate(2);
    attacks.extend(
        misbehavior().into_iter().filter(|attack| ["os.exit(0)", "a line without end"].contains(&attack.name.as_str())),
    );
    no_findings(spoken("bookworm-bundled", &attacks, &[STATUS, INSTALL, UNINSTALL]));
}

/// The attack that once made Prosody's user root: its module reports that a file of its own is in the way, and the name
/// that this file would be moved to is a link to /etc/passwd.
#[test]
fn moving_a_file_aside_does_not_overwrite_passwd() {
    let peace = Peace::of("bookworm-bundled");
    let mut field = Field::boot(&peace, State::Fresh);
    let own = "/var/lib/prosody/custom_plugins/share/lua/5.4/basexx.lua";
    let attack = in_the_way(own).pop().expect("its own way");
    plant_module(&field.machine, &[own.to_owned()], &attack);
    as_prosody(&field.machine, &format!("ln -s /etc/passwd {own}.set-aside-by-jitsi-tokens-setup"));
    for command in [STATUS, PREVIEW, INSTALL, UNINSTALL] {
        field.attempt("a link at the name aside", command);
    }
    no_findings(field.end("a link at the name aside"));
}

/// Starts a process of Prosody's user that looks like Prosody, and names it in the pid file.
fn impostor(machine: &Machine, environment: &str, program: &str) {
    as_prosody(
        machine,
        &format!(
            "cd /var/lib/prosody && (exec </dev/null >/dev/null 2>&1; exec env {environment} bash -c \
               'echo $$ >/run/prosody/prosody.pid; exec {program}') & sleep 0.5"
        ),
    );
    machine.sh("for i in $(seq 100); do tr '\\0' '\\n' </proc/$(cat /run/prosody/prosody.pid)/cmdline | \
           grep -qx /usr/bin/prosody && exit 0; sleep 0.1; done; exit 1");
}

/// The Lua that runs Prosody, waiting; because of `-E` it alone ignores the environment's variables.
const LUA: &str = "/usr/bin/$(head -n 1 /usr/bin/prosody | grep -o \"lua5[.][0-9]\") -E -e \"os.execute [[sleep 3000]]\" /usr/bin/prosody";

/// Notes as which users the impostor's programs and variables were run; they leave a record where they run.
fn was_run(field: &mut Field, case: &str) {
    let run = field.machine.sh("cat /var/lib/prosody/was-run 2>/dev/null; rm -f /var/lib/prosody/was-run; :");
    if !run.is_empty() {
        field.note(case, &format!("was run by the users {:?}", run.split_whitespace().collect::<BTreeSet<_>>()));
    }
}

fn pid_file_attacks(profile: &'static str) -> Vec<String> {
    let peace = Peace::of(profile);
    let note = "os.execute(\"id -u >>/var/lib/prosody/was-run\")";
    let mut findings = Vec::new();
    for state in [State::Fresh, State::Provisioned] {
        let cases = [
            ("LUA_INIT", format!("'LUA_INIT={note}' 'LUA_INIT_5_2={note}' 'LUA_INIT_5_4={note}'"), LUA),
            (
                "LUA_PATH and PATH",
                "'LUA_PATH=/var/lib/prosody/theirs/?.lua;;' 'LUA_PATH_5_2=/var/lib/prosody/theirs/?.lua;;' \
                 'LUA_PATH_5_4=/var/lib/prosody/theirs/?.lua;;' PATH=/var/lib/prosody/theirs:/usr/bin:/bin"
                    .to_owned(),
                LUA,
            ),
            ("its own interpreter", String::new(), "-a /usr/bin/prosody /var/lib/prosody/lua 3000"),
        ];
        for (case, environment, program) in cases {
            let mut field = Field::boot(&peace, state);
            // Modules, and interpreters that are looked up by name.
            as_prosody(
                &field.machine,
                &format!(
                    "mkdir -p /var/lib/prosody/theirs; cd /var/lib/prosody/theirs
                     for m in basexx inspect luajwtjitsi; do echo '{note} return {{}}' >$m.lua; done
                     for l in lua lua5.2 lua5.4; do printf '#!/bin/sh\\nid -u >>/var/lib/prosody/was-run\\nexec /usr/bin/%s \"$@\"\\n' $l >$l; chmod 755 $l; done
                     cp /usr/bin/sleep /var/lib/prosody/lua"
                ),
            );
            for command in [STATUS, PREVIEW, INSTALL, UNINSTALL] {
                impostor(&field.machine, &environment, program);
                if program.contains(FOLDER) {
                    // The kernel reports its program as deleted, and a file of that very name exists.
                    as_prosody(
                        &field.machine,
                        "cd /var/lib/prosody; rm -f lua; l=$(head -n 1 /usr/bin/prosody | grep -o 'lua5[.][0-9]')
                         printf '#!/bin/sh\\nid -u >>/var/lib/prosody/was-run\\nexec /usr/bin/%s \"$@\"\\n' $l >'lua (deleted)'; chmod 755 'lua (deleted)'",
                    );
                }
                field.attempt(case, command);
                was_run(&mut field, case);
                as_prosody(
                    &field.machine,
                    "cd /var/lib/prosody; pkill -KILL -f '^/usr/bin/prosody 3000|lua5.* -[E]|[s]leep 3000'; cp /usr/bin/sleep lua",
                );
            }
            findings.extend(field.end(&format!("{profile}, {state:?}, {case}")));
        }
    }
    findings
}

#[test]
fn a_forged_pid_file_cannot_influence_the_tool() {
    no_findings(pid_file_attacks("bookworm-bundled"));
}

/// A process in a terminal can write into it as if its user had typed that (TIOCSTI), so what runs as Prosody's user
/// must not run in root's terminal. Nor does it get the files that the caller of the tool had open.
#[test]
fn prosodys_user_gets_no_terminal_files_or_password() {
    let machine = Peace::of("bookworm-bundled").machine(State::Fresh);
    // The load test loads the one; prosodyctl loads the other before it finds the real one.
    let folder = "/var/lib/prosody/custom_plugins/share/lua/5.4";
    for name in ["basexx", "lxp"] {
        let script = format!(
            "mkdir -p {folder}; cat >{folder}/{name}.lua <<'.'
local terminal = io.open('/dev/tty', 'w')
local note = io.open('/var/lib/prosody/terminals', 'a')
note:write('{name} ', terminal and 'open' or 'closed', '\\n', os.getenv('http_proxy') or '', '\\n') note:close()
os.execute('ls -l /proc/self/fd >>/var/lib/prosody/terminals')
return setmetatable({{}}, {{ __index = function() return function() end end }})
."
        );
        as_prosody(&machine, &script);
    }
    let in_a_terminal = |command: &str| {
        machine.try_sh(&format!(
            "script -qec '{command}' /dev/null; cat /var/lib/prosody/terminals; rm -f /var/lib/prosody/terminals"
        ))
    };
    let file = "exec 9</etc/shadow";
    let control = in_a_terminal(&format!("{file}; runuser -u prosody -- lua5.4 {folder}/basexx.lua")).stdout;
    assert!(control.contains("basexx open") && control.contains("/etc/shadow"), "{control}");
    let proxy = format!("http_proxy=http://root:{SECRET}@127.0.0.1:1");
    let seen = in_a_terminal(&format!("{file}; env {proxy} {TOOL} install --yes")).stdout;
    for line in ["basexx closed", "lxp closed"] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    assert!(!seen.contains(" open") && !seen.contains("shadow") && !seen.contains(SECRET), "{seen}");
}

/// Prosody's user can end each of its own processes, including one that asks about root's files.
#[test]
fn a_killed_check_does_not_blame_roots_files() {
    let peace = Peace::of("bookworm-bundled");
    let mut field = Field::boot(&peace, State::Fresh);
    let file = "/usr/local/share/lua/5.4/basexx.lua";
    let good = "return { to_base64 = function() end, from_url64 = function() end, to_url64 = function() end }";
    field.machine.sh(&format!("install -d /usr/local/share/lua/5.4; echo '{good}' >{file}"));
    as_prosody(
        &field.machine,
        "(exec </dev/null >/dev/null 2>&1; cd /; exec setsid sh -c \
           'while :; do pkill -KILL -u prosody -f \"^/usr/bin/lua5.4 -e\" && echo ended >>/var/lib/prosody/ended; done') &",
    );
    for command in [STATUS, PREVIEW, INSTALL] {
        field.attempt("whoever asks is ended", command);
    }
    assert!(!field.machine.text("/var/lib/prosody/ended").is_empty(), "nobody was ended");
    assert_eq!(field.machine.text(file).trim(), good);
    no_findings(field.end("whoever asks is ended"));
}

/// While Prosody is down, anybody can listen on its port.
#[test]
fn an_impostor_on_prosodys_port_gets_no_token() {
    let machine = Peace::of("bookworm-bundled").machine(State::Provisioned);
    machine.sh("systemctl stop prosody; cd /; setsid runuser -u games -- perl -MIO::Socket -e '
           my $port = IO::Socket::INET->new(LocalAddr => q(127.0.0.1:5280), Listen => 50, ReuseAddr => 1) or die;
           while (my $peer = $port->accept) { my $said = q(); sysread $peer, $said, 65536;
             open my $log, q(>>), q(/var/tmp/heard); print $log $said; close $log; close $peer }' \
           </dev/null >/dev/null 2>&1 &
         for i in $(seq 100); do grep -q 0100007F:14A0 /proc/net/tcp && exit 0; sleep 0.1; done; exit 1");
    let seen = machine.tool(&["verify"]);
    assert_eq!(seen.code, 4, "{}", seen.all());
    let said = "the user games listens on http://127.0.0.1:5280 instead of Prosody, so no token was sent";
    assert!(seen.all().contains(said), "{}", seen.all());
    for command in [&["verify", "--json"][..], STATUS, ROTATE] {
        machine.tool(command);
    }
    let heard = machine.sh("cat /var/tmp/heard 2>/dev/null; :");
    assert!(!heard.contains("token="), "{heard}");
}

/// Two kinds of things planted everywhere, on a machine each; the others are in `thorough`.
#[test]
fn writable_places_do_not_lead_to_root() {
    let profile = "bookworm-bundled";
    no_findings(
        [taken(profile, State::Fresh, Kind::Shadow, false), taken(profile, State::Provisioned, Kind::Chatter, false)]
            .concat(),
    );
}

mod thorough {
    use super::*;

    fn everything(profile: &'static str) {
        let mut findings = Vec::new();
        for state in [State::Fresh, State::Provisioned] {
            for kind in Kind::ALL {
                findings.extend(taken(profile, state, kind, true));
            }
        }
        no_findings(findings);
    }

    #[test]
    fn every_writable_place_on_debian_11() {
        everything(FRESH);
    }

    #[test]
    fn every_writable_place_on_debian_12() {
        everything("bookworm-bundled");
    }

    #[test]
    fn every_writable_place_on_debian_13() {
        everything("trixie-bundled");
    }

    /// What keys, guests, moderators and recorders add: files of Prosody's user, and modules that `prosodyctl` loads
    /// when it creates an account for a proof.
    #[test]
    fn every_writable_place_with_all_options_on_debian_12() {
        let profile = "bookworm-bundled";
        let taken = Kind::ALL.into_iter().flat_map(|kind| taken(profile, State::Chosen, kind, true));
        no_findings(taken.collect());
    }

    #[test]
    fn misbehaving_modules_with_all_options_on_debian_12() {
        let (profile, commands) = ("bookworm-bundled", [STATUS, &["verify"], INSTALL]);
        let attacks = [misbehavior(), in_the_way("/etc/passwd")].concat();
        // prosodyctl loads the last two.
        let modules = [&MODULES[..], &["lfs", "lxp"]].concat();
        no_findings(spoken_in(&Peace::chosen(profile), (State::Chosen, profile), &modules, &attacks, &commands));
    }

    #[test]
    fn every_answer_of_the_load_test_is_attacked_on_debian_11() {
        no_findings(spoken(FRESH, &answers(), &ASKS));
    }

    #[test]
    fn every_answer_of_the_load_test_is_attacked_on_debian_12() {
        no_findings(spoken("bookworm-bundled", &answers(), &ASKS));
    }

    #[test]
    fn every_answer_of_the_load_test_is_attacked_on_debian_13() {
        no_findings(spoken("trixie-bundled", &answers(), &ASKS));
    }

    #[test]
    fn misbehaving_modules_are_survived_on_every_debian() {
        let profiles = [FRESH, "bookworm-bundled", "trixie-bundled"];
        no_findings(profiles.iter().flat_map(|profile| spoken(profile, &misbehavior(), &ASKS)).collect());
    }

    #[test]
    fn a_forged_pid_file_on_other_debians() {
        no_findings([FRESH, "trixie-bundled"].iter().flat_map(|profile| pid_file_attacks(profile)).collect());
    }
}
