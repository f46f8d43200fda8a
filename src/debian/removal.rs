//! What purging packages removes besides. A later upgrade may have installed packages that depend on ours (a newer
//! `gcc` needs our `binutils`): these are removed too if nobody wants them; otherwise what they need stays.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::debian::{apt, dpkg};
use crate::host::Host;
use crate::host::command::Command;

/// What is purged and what is not.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Packages to purge: requested ones, and dependents of these that nobody wants.
    pub purged: Vec<String>,
    /// Requested packages that stay because others need them.
    pub kept: Vec<String>,
    /// The packages that need them.
    pub needed_by: Vec<String>,
}

/// Decides which of the requested packages can be purged, and what goes with them.
pub fn of(host: &dyn Host, asked: &[String]) -> Result<Removal> {
    let asked: BTreeSet<String> = asked.iter().cloned().collect();
    let dependents = &with(host, &asked)? - &asked;
    let wanted = wanted(host, &asked, &dependents)?;
    let (mut purged, mut kept) = (BTreeSet::new(), Vec::new());
    for name in &asked {
        // One query per package, but only if it can make a difference.
        let gone = if wanted.is_empty() { BTreeSet::new() } else { with(host, &BTreeSet::from([name.clone()]))? };
        if gone.is_disjoint(&wanted) {
            purged.insert(name.clone());
        } else {
            kept.push(name.clone());
        }
    }
    if !purged.is_empty() && !dependents.is_empty() {
        purged = with(host, &purged)?;
    }
    Ok(Removal { purged: purged.into_iter().collect(), kept, needed_by: wanted.into_iter().collect() })
}

/// These packages and everything that depends on them.
fn with(host: &dyn Host, names: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let names: Vec<String> = names.iter().cloned().collect();
    let mut gone: BTreeSet<String> = apt::simulate(host, "purge", &names)?.removed.into_iter().collect();
    // apt does not list a package of which only the configuration is left.
    gone.extend(names);
    Ok(gone)
}

/// The dependents that somebody wants: installed manually, or needed or recommended by a package that stays.
fn wanted(host: &dyn Host, asked: &BTreeSet<String>, dependents: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    if dependents.is_empty() {
        return Ok(BTreeSet::new());
    }
    let names: Vec<String> = dependents.iter().cloned().collect();
    let mut wanted: BTreeSet<String> = dpkg::manual(host, &names)?.into_iter().collect();
    for dependent in dependents {
        if !used_by(host, dependent)?.iter().all(|user| asked.contains(user) || dependents.contains(user)) {
            wanted.insert(dependent.clone());
        }
    }
    Ok(wanted)
}

/// The installed packages that depend on a package or recommend it.
fn used_by(host: &dyn Host, name: &str) -> Result<Vec<String>> {
    let query = Command::query("apt-cache").args(["rdepends", "--installed", "--no-suggests", "--no-enhances"]).args([
        "--no-conflicts",
        "--no-breaks",
        "--no-replaces",
        name,
    ]);
    let output = host.run(&query)?;
    // The package, a heading, then the names; an alternative has a bar before it.
    let listed = output.stdout.lines().skip(2);
    Ok(listed.map(|line| line.trim_matches([' ', '|']).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    /// A machine on which `gcc` and `git` are ours, a later `gcc-12` needs `binutils`, and `tig` needs `git`.
    fn machine(by_hand: &'static str, users_of_gcc_12: &'static str) -> FakeHost {
        FakeHost::new().answers(move |command| {
            let args: Vec<&str> = command.args.iter().map(String::as_str).collect();
            match (command.program.as_str(), args.as_slice()) {
                ("apt-get", ["-s", _, "purge", names @ ..]) => {
                    let mut gone = names.to_vec();
                    for (needed, by) in [("binutils", "gcc-12"), ("gcc-12", "gcc"), ("git", "tig")] {
                        if gone.contains(&needed) && !gone.contains(&by) {
                            gone.push(by);
                        }
                    }
                    let lines: String = gone.iter().map(|name| format!("Purg {name} [1]\n")).collect();
                    output(0, &lines)
                }
                ("apt-mark", _) => output(0, by_hand),
                ("apt-cache", [.., "gcc-12"]) => output(0, users_of_gcc_12),
                ("apt-cache", [.., name]) => output(0, &format!("{name}\nReverse Depends:\n")),
                _ => panic!("{command:?}"),
            }
        })
    }

    fn of_ours(host: &FakeHost, ours: &[&str]) -> Removal {
        let ours: Vec<String> = ours.iter().map(|name| (*name).to_owned()).collect();
        of(host, &ours).unwrap()
    }

    #[test]
    fn unneeded_dependencies_are_purged_too() {
        let host = machine("", "gcc-12\nReverse Depends:\n |gcc\n");
        let removal = of_ours(&host, &["binutils", "gcc", "make"]);
        assert_eq!(removal.purged, ["binutils", "gcc", "gcc-12", "make"]);
        assert_eq!((removal.kept, removal.needed_by), (vec![], vec![]));
    }

    #[test]
    fn packages_needed_by_others_are_kept() {
        let host = machine("tig\n", "gcc-12\nReverse Depends:\n  gcc\n");
        let removal = of_ours(&host, &["binutils", "gcc", "git", "make"]);
        assert_eq!(removal.purged, ["binutils", "gcc", "gcc-12", "make"]);
        assert_eq!((removal.kept, removal.needed_by), (vec!["git".to_owned()], vec!["tig".to_owned()]));
        let used = machine("", "gcc-12\nReverse Depends:\n  theirs\n");
        let removal = of_ours(&used, &["binutils", "make"]);
        assert_eq!(removal.purged, ["make"]);
        assert_eq!((removal.kept, removal.needed_by), (vec!["binutils".to_owned()], vec!["gcc-12".to_owned()]));
    }
}
