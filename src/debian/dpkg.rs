//! Which packages are installed, from a single query of dpkg.

use crate::debian::locks::Patience;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::engine::change::Change;
use crate::host::Host;
use crate::host::command::Command;

/// What dpkg knows about a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// dpkg's abbreviation of the desired and the actual state, `ii` for an installed package.
    pub status: String,
    /// The version, as dpkg prints it.
    pub version: String,
}

impl Package {
    /// Whether it is installed and configured.
    pub fn is_installed(&self) -> bool {
        self.status.get(1..2) == Some("i")
    }

    /// Whether its files are on the disk, configured or not.
    pub fn is_present(&self) -> bool {
        let state = self.status.get(1..2);
        state.is_some_and(|state| !"nc".contains(state))
    }

    /// Whether a killed or failed run left it between states.
    pub fn is_half_installed(&self) -> bool {
        // U unpacked, F half-configured, H half-installed, W and t waiting for triggers, R to be reinstalled.
        let state = self.status.get(1..2);
        state.is_some_and(|state| "UFHWt".contains(state)) || self.status.get(2..3).is_some_and(|error| error == "R")
    }

    /// Whether nothing of it is left, not even its configuration.
    pub fn is_gone(&self) -> bool {
        self.status.get(1..2) == Some("n")
    }
}

/// The query behind [`packages`].
pub fn question() -> Command {
    Command::query("dpkg-query").args(["-W", "-f=${Package}\\t${db:Status-Abbrev}\\t${Version}\\n"])
}

/// Every package that dpkg knows about, by name.
pub fn packages(host: &dyn Host) -> Result<BTreeMap<String, Package>> {
    answered(host, &question())
}

fn answered(host: &dyn Host, question: &Command) -> Result<BTreeMap<String, Package>> {
    let output = host.run(question)?;
    if !output.ok() {
        bail!("cannot read the package database: {}", output.stderr.trim());
    }
    let parse = |line: &str| {
        let mut fields = line.split('\t');
        let (name, status, version) = (fields.next()?, fields.next()?, fields.next()?);
        Some((name.to_owned(), Package { status: status.trim().to_owned(), version: version.to_owned() }))
    };
    Ok(output.stdout.lines().filter_map(parse).collect())
}

/// The names of the installed packages.
pub fn installed(host: &dyn Host) -> Result<BTreeSet<String>> {
    let mut names: BTreeSet<String> =
        packages(host)?.into_iter().filter(|(_, package)| package.is_installed()).map(|(name, _)| name).collect();
    names.extend(host.assumed().packages);
    Ok(names)
}

/// The names of all packages of which more than the configuration is left, half-done ones included. Asked anew each
/// time: other programs add packages too.
pub fn present(host: &dyn Host) -> Result<BTreeSet<String>> {
    let names = answered(host, &question().volatile())?
        .into_iter()
        .filter(|(_, package)| package.is_present())
        .map(|(name, _)| name);
    Ok(names.collect())
}

/// Purges a package in any state. Unlike apt, this configures nothing first.
pub fn purge(name: &str, patience: Duration) -> Change {
    let purge = Command::mutate("dpkg").args(["--force-remove-reinstreq", "--purge", name]).sturdy();
    Patience(patience).with(Change::run(purge, []))
}

/// Those of these packages that were installed manually, not as dependencies.
pub fn manual(host: &dyn Host, names: &[String]) -> Result<Vec<String>> {
    let output = host.run(&Command::query("apt-mark").arg("showmanual").args(names))?;
    if !output.ok() {
        bail!("cannot list manually installed packages: {}", output.stderr.trim());
    }
    Ok(output.stdout.lines().map(str::to_owned).collect())
}

/// The package that ships a file.
pub fn owner(host: &dyn Host, path: &Path) -> Result<Option<String>> {
    let query = Command::query("dpkg-query").args(["-S", &path.display().to_string()]);
    let output = host.run(&query)?;
    let package = output.stdout.split(':').next().unwrap_or_default();
    Ok((output.ok() && !package.is_empty()).then(|| package.to_owned()))
}

/// Packages that a killed or failed run left between states, with dpkg's abbreviation.
pub fn half_installed(host: &dyn Host) -> Result<Vec<String>> {
    if host.assumed().repaired_packages {
        return Ok(Vec::new());
    }
    let packages = packages(host)?.into_iter().filter(|(_, package)| package.is_half_installed());
    Ok(packages.map(|(name, package)| format!("{name} ({})", package.status)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{FakeHost, output};

    #[test]
    fn half_installed_packages_are_recognized() {
        let host = FakeHost::new().answers(|_| output(0, "a\tii \t1\nb\trc \t2\nc\tiF \t3\nd\tiU \t4\ne\thi \t5\n"));
        assert_eq!(installed(&host).unwrap().into_iter().collect::<Vec<_>>(), ["a", "e"]);
        assert_eq!(present(&host).unwrap().into_iter().collect::<Vec<_>>(), ["a", "c", "d", "e"]);
        assert_eq!(half_installed(&host).unwrap(), ["c (iF)", "d (iU)"]);
    }
}
