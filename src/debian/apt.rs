//! apt: refresh the index, install what is missing in one transaction, simulate an install.

use crate::debian::locks::Patience;
use crate::debian::recorded::Packages;
use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::engine::change::Change;
use crate::engine::watch::Watch;
use crate::host::Host;
use crate::host::command::{Brings, Command, Follow};
use crate::host::failure::failure;

/// What a simulated transaction would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulation {
    /// Packages that would be newly installed.
    pub added: Vec<String>,
    /// Packages whose version would change.
    pub changed: Vec<String>,
    /// Packages that would be removed.
    pub removed: Vec<String>,
}

/// How long to wait for a silent server, and how often to retry. apt's own defaults vary by release: 120 s and no
/// retry, or 30 s and three retries.
const BOUNDS: [&str; 6] =
    ["-o", "Acquire::http::Timeout=20", "-o", "Acquire::https::Timeout=20", "-o", "Acquire::Retries=1"];

/// apt is not told to wait for locks: it would not say who holds them, and apt 1.8 cannot wait. [`Patience`] does.
fn apt_get() -> Command {
    Command::mutate("apt-get").args(["-q", "-y"]).args(BOUNDS).follow(Follow::AptStatus).sturdy()
}

/// `apt-get update`. A dead third-party source makes it fail although everything else was refreshed, so a failure is
/// only a warning. By default it exits 0 when a server does not answer, and nobody would learn which one.
pub fn update(patience: Duration) -> Change {
    let update = apt_get().args(["-o", "APT::Update::Error-Mode=any", "update"]);
    Patience(patience).with(Change::run(update.brings([Brings::PackageLists]), [])).optional()
}

/// Installs `names` (`name` or `name=version`) and nothing beyond their dependencies.
pub fn install(names: &[String], also_watched: Vec<Watch>, patience: Duration) -> Change {
    let brings = names.iter().map(|name| Brings::Package(name.split('=').next().unwrap_or(name).to_owned()));
    let command = apt_get()
        .args(["-o", "Dpkg::Options::=--force-confold", "--no-install-recommends", "--no-remove", "install"])
        .args(names)
        .brings(brings);
    let watches = [Packages::watch()].into_iter().chain(also_watched);
    Patience(patience).with(Change::run(command, watches))
}

/// Purges `names`. What dpkg was unpacking when it was killed (`half_installed`) would have to be reinstalled first,
/// unless dpkg is forced to remove it.
pub fn purge(names: &[String], half_installed: bool, patience: Duration) -> Change {
    let mut command = apt_get();
    if half_installed {
        command = command.args(["-o", "Dpkg::Options::=--force-remove-reinstreq"]);
    }
    Patience(patience).with(Change::run(command.arg("purge").args(names), []))
}

/// Marks packages as automatically installed, so `apt-get autoremove` removes them once nothing needs them.
pub fn mark_automatic(names: &[String]) -> Change {
    Change::run(Command::mutate("apt-mark").arg("auto").args(names), [])
}

/// Configures what a killed run of dpkg left unpacked, as far as possible.
pub fn configure(patience: Duration) -> Change {
    let configure = Command::mutate("dpkg").args(["--configure", "-a"]).sturdy();
    Patience(patience).with(Change::run(configure, [Packages::watch()])).optional()
}

/// Finishes what a killed run of dpkg left half-done.
pub fn repair(patience: Duration) -> Vec<Change> {
    let fix = apt_get().args(["--no-install-recommends", "install", "--fix-broken", "--no-remove"]);
    let fix = fix.brings([Brings::RepairedPackages]);
    vec![configure(patience), Patience(patience).with(Change::run(fix, [Packages::watch()]))]
}

/// The query behind [`simulate`]. An install is simulated only once per run: that takes half as long as the real one,
/// which removes nothing even if the answer is out of date.
pub fn simulation(action: &str, names: &[String]) -> Command {
    let command = Command::query("apt-get").args(["-s", "--no-install-recommends", action]).args(names);
    if action == "install" { command.lasting() } else { command }
}

/// What `apt-get ACTION NAMES` would do; an error has apt's message (no such package, held, broken).
pub fn simulate(host: &dyn Host, action: &str, names: &[String]) -> Result<Simulation> {
    let command = simulation(action, names);
    let output = host.run(&command)?;
    if let Some(error) = failure(&command, &output) {
        bail!(error + &unmet(&output.stdout));
    }
    let mut simulation = Simulation::default();
    for line in output.stdout.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            // The installed version, if there is one, is in square brackets.
            (Some("Inst"), Some(name), Some(third)) if third.starts_with('[') => {
                simulation.changed.push(name.to_owned());
            }
            (Some("Inst"), Some(name), _) => simulation.added.push(name.to_owned()),
            (Some("Remv" | "Purg"), Some(name), _) => simulation.removed.push(name.to_owned()),
            _ => {}
        }
    }
    Ok(simulation)
}

/// The packages that a command may add: those that it names and those that a simulation names, no others for a command
/// other than `apt-get install`. None if the simulation fails.
pub fn added_by(host: &dyn Host, command: &Command) -> Option<BTreeSet<String>> {
    let mut added: BTreeSet<String> = command.brings.iter().filter_map(Brings::package).cloned().collect();
    let mut words = command.args.iter().skip_while(|word| *word != "install");
    if command.program == "apt-get" && words.next().is_some() {
        let simulated = simulate(host, "install", &words.cloned().collect::<Vec<_>>()).ok()?;
        // dpkg's list has no architectures.
        added.extend(simulated.added.iter().filter_map(|name| name.split(':').next()).map(str::to_owned));
    }
    Some(added)
}

/// The dependencies that cannot be met: apt's errors do not name them, but the lines before the errors do.
fn unmet(said: &str) -> String {
    let listed = said
        .lines()
        .skip_while(|line| !line.contains("have unmet dependencies"))
        .skip(1)
        .filter(|line| line.contains("Depends: "))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let listed: Vec<String> = listed.collect();
    if listed.is_empty() { String::new() } else { format!(" ({})", listed.join("; ")) }
}

/// The versions of a package that the sources offer, newest first; `apt-cache madison` matches names exactly.
pub fn versions(host: &dyn Host, name: &str) -> Result<Vec<String>> {
    let output = host.run(&Command::query("apt-cache").args(["madison", name]))?;
    let version = |line: &str| line.split('|').nth(1).map(|version| version.trim().to_owned());
    Ok(output.stdout.lines().filter(|line| !line.contains("Sources")).filter_map(version).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    #[test]
    fn a_failed_simulation_names_the_dependency() {
        let host = FakeHost::new().answers(|_| {
            output(
                100,
                "Some packages could not be installed.\nThe following packages have unmet dependencies:\n \
                 a : Depends: libssl1.0-dev but it is not installable\n",
            )
        });
        let error = simulate(&host, "install", &["a".into()]).unwrap_err();
        let wanted = "(a : Depends: libssl1.0-dev but it is not installable)";
        assert!(error.to_string().ends_with(wanted), "{error}");
    }

    #[test]
    fn a_simulation_lists_new_changed_and_removed_packages() {
        let host = FakeHost::new()
            .answers(|_| output(0, "Inst a (1 Debian)\nInst b [1] (2 Debian)\nRemv c [3]\nConf a (1 Debian)\n"));
        let simulation = simulate(&host, "install", &["a".into()]).unwrap();
        assert_eq!(
            (simulation.added, simulation.changed, simulation.removed),
            (vec!["a".to_owned()], vec!["b".to_owned()], vec!["c".to_owned()])
        );
    }
}
