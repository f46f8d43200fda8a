//! A machine on which a command is killed at a point, and what must hold for it afterwards.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::bed::{LISTENING, Machine};
use crate::key_source::{JWKS, Provider, SERVER};
use crate::keys;
use crate::killer::{Outcome, Point, kill_at, points_of};
use crate::story::{STATE, forget_old_layers};

/// What the operator does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Uninstalls.
    Back,
    /// Runs the command again, then uninstalls.
    On,
}

/// Everything that the tool could leave behind, except for the lock file (which always stays) and its log.
pub const LEFTOVERS: &str = "find /etc /usr/local /var/lib /var/cache /run /tmp /root -name '*jitsi-tokens-setup*' | grep -vx /run/jitsi-tokens-setup.lock || true";

pub const INSTALL: &[&str] = &["install", "--yes", "--json"];
/// On top of an install: changes more than Prosody and the packages.
pub const CHOOSE: &[&str] = &["install", "--yes", "--json", "--guests", "--moderators", "token"];
/// On top of an install: public keys instead of the secret.
pub const PUBLIC_KEY: &[&str] = &["install", "--yes", "--json", "--public-key", "/root/app.pub"];
/// On top of that: back to the secret.
pub const NO_PUBLIC_KEY: &[&str] = &["install", "--yes", "--json", "--public-key=off"];
/// On top of an install: somebody else's keys.
pub const KEY_SET: &[&str] = &["install", "--yes", "--json", "--jwks", JWKS];
pub const KEY_SERVER: &[&str] = &["install", "--yes", "--json", "--key-server", SERVER];
/// On top of [`KEY_SET`]: back to the secret.
pub const NO_KEY_SET: &[&str] = &["install", "--yes", "--json", "--jwks=off"];
pub const UNINSTALL: &[&str] = &["uninstall", "--yes", "--json"];
pub const ROTATE: &[&str] = &["credentials", "rotate", "--yes", "--json"];
/// The same, while the old secret stays accepted.
pub const KEEP_OLD: &[&str] = &["credentials", "rotate", "--yes", "--json", "--keep-old", "2h"];

/// An app ID and its secret.
type Credentials = (String, String);

/// A machine that already has the packages: what is left to do takes a few seconds, so many points fit into a test.
pub fn with_packages(profile: &str) -> String {
    static LAYERS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut layers = LAYERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(layer) = layers.get(profile) {
        return layer.clone();
    }
    let machine = Machine::boot(profile);
    let plan = machine.tool(&["install", "--dry-run", "--json"]).json();
    let steps = plan["steps"].as_array().expect("steps");
    let packages = steps.iter().find(|step| step["id"] == "apt-packages").expect("the step");
    for change in packages["changes"].as_array().expect("changes") {
        let words = change["command"].as_array().expect("words").iter().filter_map(serde_json::Value::as_str);
        let names: Vec<&str> = words.skip_while(|word| *word != "install").skip(1).collect();
        if !names.is_empty() {
            machine.sh(&format!("apt-get install -q -y --no-install-recommends {}", names.join(" ")));
        }
    }
    let layer = format!("test-packages-{profile}-{}", std::process::id());
    forget_old_layers();
    machine.snapshot(&layer);
    layers.insert(profile.to_owned(), layer.clone());
    layer
}

/// A machine, and its state before the tool was used.
pub struct Subject {
    layer: String,
    /// The command that is killed.
    command: &'static [&'static str],
    pub machine: Machine,
    pub before: String,
    /// An application's keys: the name of the accepted one, and its provider.
    keys: Option<(String, Provider)>,
}

/// Makes an application's key pair and another pair, and starts a provider that serves the first. Returns its name.
fn application_key(machine: &Machine) -> (String, Provider) {
    let kid = keys::make_pairs(machine);
    let mut provider = Provider::start(machine);
    provider.serves(machine, &[(&kid, "app")]);
    (kid, provider)
}

impl Subject {
    pub fn new(layer: &str, command: &'static [&'static str]) -> Self {
        let machine = Machine::boot(layer);
        // In some eras only jicofo opens rooms.
        machine.jicofo_answers();
        if command == CHOOSE {
            machine.apt_get("install", "jicofo");
        }
        let by_key = [PUBLIC_KEY, NO_PUBLIC_KEY, KEY_SET, NO_KEY_SET, KEY_SERVER].contains(&command);
        let keys = by_key.then(|| application_key(&machine));
        let before = machine.sh(STATE);
        Self { layer: layer.to_owned(), command, machine, before, keys }
    }

    fn must(&self, command: &[&str]) -> Result<(), String> {
        let run = self.machine.tool(command);
        if run.code == 0 { Ok(()) } else { Err(format!("{command:?} afterwards: code {}: {}", run.code, run.all())) }
    }

    /// Makes the state that the command works on.
    fn prepare(&self) -> Result<(), String> {
        let on_top_of: &[&[&str]] = match self.command {
            INSTALL => &[],
            NO_PUBLIC_KEY => &[INSTALL, PUBLIC_KEY],
            NO_KEY_SET => &[INSTALL, KEY_SET],
            _ => &[INSTALL],
        };
        on_top_of.iter().try_for_each(|command| self.must(command))
    }

    /// Kills the command at `point` and goes on; if all is well, the machine ends as it was before.
    fn survives(&self, point: &Point, next: Next) -> Result<Outcome, String> {
        self.prepare()?;
        let old = [ROTATE, KEEP_OLD].contains(&self.command).then(|| self.machine.credentials());
        let outcome = kill_at(&self.machine, self.command, point);
        let status = self.machine.tool(&["status", "--json"]);
        let served = status.code == 0 || self.machine.is_open();
        // 4: if killed during its restart, Prosody may listen only a moment later.
        let said = status.json()["steps"].as_array().is_some_and(|steps| !steps.is_empty());
        if !(served || said && [3, 4, 5].contains(&status.code)) {
            return Err(format!("nobody gets in, and status does not say why: {}", status.all()));
        }
        if let Some(old) = &old {
            self.old_or_new_works(old)?;
        }
        if next == Next::On {
            self.finish(old.as_ref())?;
        }
        self.must(UNINSTALL)?;
        let after = self.machine.sh(STATE);
        if after != self.before {
            return Err(format!("not as before:\n{}", difference(&self.before, &after)));
        }
        let left = self.machine.sh(LEFTOVERS);
        if left.is_empty() { Ok(outcome) } else { Err(format!("left behind: {left}")) }
    }

    /// Repeats a rotation or a change of keys; otherwise installs, even after a killed uninstall.
    fn finish(&self, old: Option<&Credentials>) -> Result<(), String> {
        if let Some((kid, _)) = &self.keys {
            self.must(self.command)?;
            let secret_again = [NO_PUBLIC_KEY, NO_KEY_SET].contains(&self.command);
            let works = match secret_again {
                true => self.works(&self.machine.credentials()),
                false => keys::matrix(&self.machine, kid, None)["ok"] == true,
            };
            return works.then_some(()).ok_or_else(|| "finished, the accepted key or secret does not work".to_owned());
        }
        let Some(old) = old else {
            return self.must(INSTALL);
        };
        self.must(self.command)?;
        if !self.works(&self.machine.credentials()) || self.works(old) != (self.command == KEEP_OLD) {
            return Err("rotated, the new secret does not work, or it is wrong about the old one".to_owned());
        }
        Ok(())
    }

    fn works(&self, (app_id, app_secret): &Credentials) -> bool {
        self.machine.matrix(app_id, app_secret)["ok"] == true
    }

    /// After a killed rotation, the old secret or the new one works; after a restart, as by a reboot, the one that
    /// `credentials show` prints.
    fn old_or_new_works(&self, old: &Credentials) -> Result<(), String> {
        let new = self.machine.credentials();
        // Prosody may be in the middle of its restart, which systemd finishes.
        self.machine.sh(LISTENING);
        if !self.works(old) && !self.works(&new) {
            return Err("neither the old secret works nor the new one".to_owned());
        }
        self.machine.sh(&format!(
            "systemctl restart prosody || {{ systemctl reset-failed prosody; systemctl restart prosody; }}; {LISTENING}"
        ));
        if self.command == KEEP_OLD && !self.works(old) {
            return Err("after a restart the old secret does not work".to_owned());
        }
        let seen = self.machine.matrix(&new.0, &new.1);
        if seen["ok"] == true {
            Ok(())
        } else {
            Err(format!("after a restart the secret that is shown does not work: {seen}"))
        }
    }

    /// Tries all these points on one machine, which is replaced after a failure.
    pub fn go_through(&mut self, points: &[(Point, Next)]) {
        let title = format!("{} {}", self.layer, self.command.join(" "));
        all_survive(&title, points, |point, next| {
            let result = caught(|| self.survives(point, next));
            if result.is_err() {
                *self = Self::new(&self.layer, self.command);
            }
            result
        });
    }

    /// The points of one whole run.
    pub fn points(&self) -> Vec<Point> {
        self.prepare().expect("it can be prepared");
        let points = points_of(&self.machine, self.command);
        if self.command != UNINSTALL {
            self.must(UNINSTALL).expect("it can be taken back");
        }
        assert_eq!(self.machine.sh(STATE), self.before);
        points
    }
}

/// The result of an attempt, including a command that failed in the bed (which panics).
pub fn caught(attempt: impl FnOnce() -> Result<Outcome, String>) -> Result<Outcome, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt))
        .unwrap_or_else(|_| Err("a command in the bed failed".to_owned()))
}

/// Insists that every point is survived and most are reached. Prints the table's row.
pub fn all_survive(
    title: &str,
    points: &[(Point, Next)],
    mut survives: impl FnMut(&Point, Next) -> Result<Outcome, String>,
) {
    let (mut failures, mut killed) = (Vec::new(), 0);
    for (point, next) in points {
        match survives(point, *next) {
            Ok(outcome) => killed += usize::from(outcome == Outcome::Killed),
            Err(why) => {
                let failure = format!("{point:?}, then {next:?}: {why}");
                eprintln!("FAILED {failure}");
                failures.push(failure);
            }
        }
    }
    let (all, failed) = (points.len(), failures.len());
    let on = points.iter().filter(|(_, next)| *next == Next::On).count();
    eprintln!(
        "{title}: {all} points, {on} finished by a rerun and {} taken back at once; {killed} killed, {} ended before, {failed} failed",
        all - on,
        all - killed - failed
    );
    assert!(failures.is_empty(), "{failed} of {all} points:\n{}", failures.join("\n\n"));
    // A run on a busy machine waits longer, and so has more points than the next one (323 and 221 were seen for one
    // command): of a few points, some may be missed.
    assert!(
        all < 10 && killed * 3 >= all * 2 || killed * 10 >= all * 8,
        "most points must really be reached: {killed} of {all}"
    );
}

pub fn difference(before: &str, after: &str) -> String {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let (before, after) = (lines(before), lines(after));
    let gone = before.difference(&after).map(|line| format!("-{line}"));
    let new = after.difference(&before).map(|line| format!("+{line}"));
    gone.chain(new).collect::<Vec<_>>().join("\n")
}

/// Draws the same points for the same seed. Half of them are undone at once.
pub fn sample(points: &[Point], seed: u64, part: usize, count: usize) -> Vec<(Point, Next)> {
    let mut state = seed;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut order: Vec<usize> = (0..points.len()).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, draw(at + 1));
    }
    let chosen = order.into_iter().skip(part * count).take(count).enumerate();
    chosen.map(|(at, index)| (points[index].clone(), if at % 2 == 0 { Next::Back } else { Next::On })).collect()
}

/// `JTS_KILL_SEED` selects another sample.
pub fn seed() -> u64 {
    std::env::var("JTS_KILL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_125)
}
