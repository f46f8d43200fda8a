//! Which distribution and release this is, from os-release(5).

use std::path::Path;

use anyhow::Result;

use crate::host::Host;

/// The newest Debian release that only the archive still has.
const LAST_ARCHIVED: u32 = 10;

/// The fields of os-release that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `ID_LIKE`, the families that it belongs to.
    pub like: String,
    /// `VERSION_ID`, empty on a testing release.
    pub version: String,
    /// `PRETTY_NAME`.
    pub name: String,
}

impl Release {
    /// Reads `/etc/os-release`; all fields are empty if it does not exist.
    pub fn read(host: &dyn Host) -> Result<Self> {
        let text = host.read_text(Path::new("/etc/os-release"))?.unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            let value = line.unwrap_or_default().trim().trim_matches(['"', '\'']);
            value.chars().filter(|c| !c.is_control()).take(100).collect::<String>()
        };
        Ok(Self { id: field("ID"), like: field("ID_LIKE"), version: field("VERSION_ID"), name: field("PRETTY_NAME") })
    }

    /// Whether this is Debian or a derivative.
    pub fn is_debian_family(&self) -> bool {
        self.id == "debian" || self.like.split_whitespace().any(|family| family == "debian")
    }

    /// Whether Debian's mirrors no longer have this release. Derivatives have mirrors of their own.
    pub fn is_archived(&self) -> bool {
        let number = self.version.parse::<u32>();
        self.id == "debian" && number.is_ok_and(|number| number <= LAST_ARCHIVED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    fn release(text: &str) -> Release {
        Release::read(&FakeHost::new().file("/etc/os-release", text)).unwrap()
    }

    #[test]
    fn ubuntu_counts_as_debian_and_fedora_does_not() {
        assert!(release("ID=debian\nVERSION_ID=\"11\"\n").is_debian_family());
        for version in ["20.04", "22.04", "24.04"] {
            let ubuntu = format!("NAME=\"Ubuntu\"\nVERSION_ID=\"{version}\"\nID=ubuntu\nID_LIKE=debian\n");
            assert!(release(&ubuntu).is_debian_family(), "{version}");
            assert!(!release(&ubuntu).is_archived(), "{version}");
        }
        assert!(!release("ID=fedora\n").is_debian_family());
        assert!(!release("").is_debian_family());
    }

    #[test]
    fn only_old_debian_releases_are_archived() {
        let archived = |text: &str| release(text).is_archived();
        assert!(archived("ID=debian\nVERSION_ID=\"10\"\n"));
        assert!(!archived("ID=debian\nVERSION_ID=\"11\"\n"));
        // A testing release has no number.
        assert!(!archived("ID=debian\n"));
        assert!(!archived("ID=linuxmint\nID_LIKE=debian\nVERSION_ID=\"6\"\n"));
    }
}
