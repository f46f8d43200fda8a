//! Which release this is, from os-release(5).

use std::path::Path;

use anyhow::Result;

use crate::host::Host;

/// What os-release says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// `ID`, `debian` for one.
    pub id: String,
    /// `ID_LIKE`, the families it belongs to.
    pub like: String,
    /// `VERSION_ID`, empty on a testing release.
    pub version: String,
    /// `PRETTY_NAME`.
    pub name: String,
}

impl Release {
    /// Reads `/etc/os-release`; all fields are empty where there is none.
    pub fn read(host: &dyn Host) -> Result<Self> {
        let text = host
            .read_text(Path::new("/etc/os-release"))?
            .unwrap_or_default();
        let field = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            let value = line.unwrap_or_default().trim().trim_matches(['"', '\'']);
            value
                .chars()
                .filter(|c| !c.is_control())
                .take(100)
                .collect::<String>()
        };
        Ok(Self {
            id: field("ID"),
            like: field("ID_LIKE"),
            version: field("VERSION_ID"),
            name: field("PRETTY_NAME"),
        })
    }

    /// Whether it is Debian or made from it.
    pub fn is_debian_family(&self) -> bool {
        self.id == "debian"
            || self
                .like
                .split_whitespace()
                .any(|family| family == "debian")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn ubuntu_belongs_to_the_family_and_fedora_does_not() {
        let release =
            |text: &str| Release::read(&FakeHost::new().file("/etc/os-release", text)).unwrap();
        assert!(release("ID=debian\nVERSION_ID=\"11\"\n").is_debian_family());
        assert!(release("ID=ubuntu\nID_LIKE=debian\n").is_debian_family());
        assert!(!release("ID=fedora\n").is_debian_family());
        assert!(!release("").is_debian_family());
    }
}
