//! The result of the last full proof. It holds as long as the same Prosody runs with the same configuration, so a rerun
//! makes only a few logins and does not have jicofo open rooms for them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::engine::report::{Proof, Verdict};
use crate::host::{Access, Host};
use crate::prosody::config::Config;
use crate::prosody::{daemon, loaded};
use crate::token::times;

/// Where the result is kept until the next boot.
const PATH: &str = "/run/jitsi-tokens-setup.proved";

/// A full proof: every login and room gave the expected result.
#[derive(Debug, Serialize, Deserialize)]
pub struct Proved {
    /// The site's domain: one Prosody may serve several sites.
    domain: String,
    /// Prosody's process ID.
    pid: u32,
    /// A hash of what its configuration means ([`loaded::meaning`]).
    meaning: String,
    /// When it was made, in seconds since 1970.
    at: i64,
    /// Its warnings.
    warnings: Vec<String>,
}

impl Proved {
    /// The proof of a few logins, completed with what the full one found.
    pub fn renew(&self, mut proof: Proof) -> Proof {
        if proof.verdict == Verdict::Full {
            proof.why = format!("{}; last full verification: {}", proof.why, times::utc(self.at));
            proof.last_full = Some(times::rfc3339(self.at));
            for warning in &self.warnings {
                if !proof.warnings.contains(warning) {
                    proof.warnings.push(warning.clone());
                }
            }
        }
        proof
    }
}

/// Stores a full proof of a site; any other one removes what is stored.
pub fn remember(host: &dyn Host, config: &Config, domain: &str, proof: &Proof) -> Result<()> {
    let Some(daemon) = daemon::running(host)?.filter(|_| proof.verdict == Verdict::Full) else {
        return forget(host);
    };
    let proved = Proved {
        domain: domain.to_owned(),
        pid: daemon.pid,
        meaning: meaning(host, config)?,
        at: times::unix(host.now()),
        warnings: proof.warnings.clone(),
    };
    let access = Access::root(0o600);
    host.write(Path::new(PATH), &serde_json::to_vec(&proved)?, access)
}

/// Removes the stored proof, and what an interrupted run left behind.
pub fn forget(host: &dyn Host) -> Result<()> {
    host.clear(Path::new(PATH), &|_| true)?;
    host.remove(Path::new(PATH))
}

/// The last full proof, if it was of this site and still holds.
pub fn known(host: &dyn Host, config: &Config, domain: &str) -> Result<Option<Proved>> {
    let path = Path::new(PATH);
    let (Some(stat), Some(daemon)) = (host.stat(path)?, daemon::running(host)?) else {
        return Ok(None);
    };
    let text = host.read_text(path)?.unwrap_or_default();
    let Ok(proved) = serde_json::from_str::<Proved>(&text) else {
        return Ok(None);
    };
    // The proof of an earlier process with the same ID is older than this process.
    let same = proved.domain == domain && proved.pid == daemon.pid && stat.changed >= daemon.since;
    Ok((same && proved.meaning == meaning(host, config)?).then_some(proved))
}

fn meaning(host: &dyn Host, config: &Config) -> Result<String> {
    let files: Vec<PathBuf> = config.files().map(Path::to_owned).collect();
    loaded::meaning(host, files.iter().map(PathBuf::as_path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    fn proof(verdict: Verdict) -> Proof {
        Proof { warnings: vec!["a crash".to_owned()], ..Proof::without_logins(verdict, "all is well") }
    }

    fn machine() -> FakeHost {
        FakeHost::new().running_prosody(50).file("/p.lua", "a = 1\n")
    }

    #[test]
    fn a_full_proof_holds_until_something_changes() {
        let host = machine();
        let config = |host: &FakeHost| Config::load(host, Path::new("/p.lua")).unwrap();
        let held = |host: &FakeHost| known(host, &config(host), "m.org").unwrap().is_some();
        assert!(!held(&host));
        remember(&host, &config(&host), "m.org", &proof(Verdict::Full)).unwrap();
        assert!(held(&host));
        assert!(known(&host, &config(&host), "other.org").unwrap().is_none(), "nothing is known of another site");
        let access = Access::root(0o644);
        host.write(Path::new("/p.lua"), b"a = 1 -- the same\n", access).unwrap();
        assert!(held(&host));
        host.write(Path::new("/p.lua"), b"a = 2\n", access).unwrap();
        assert!(!held(&host));
        host.write(Path::new("/p.lua"), b"a = 1\n", access).unwrap();
        host.write(Path::new("/run/prosody/prosody.pid"), b"", access).unwrap();
        assert!(!held(&host), "nothing runs");
    }

    #[test]
    fn a_partial_proof_discards_the_last_one() {
        let host = machine();
        let config = Config::load(&host, Path::new("/p.lua")).unwrap();
        remember(&host, &config, "m.org", &proof(Verdict::Full)).unwrap();
        remember(&host, &config, "m.org", &proof(Verdict::Partial)).unwrap();
        assert!(known(&host, &config, "m.org").unwrap().is_none());
    }

    #[test]
    fn a_quick_proof_keeps_earlier_warnings() {
        let whole = Proved {
            domain: "m.org".to_owned(),
            pid: 7,
            meaning: String::new(),
            at: 0,
            warnings: vec!["a crash".to_owned()],
        };
        let quick = Proof { warnings: Vec::new(), ..proof(Verdict::Full) };
        let renewed = whole.renew(quick);
        assert_eq!(renewed.warnings, ["a crash"]);
        assert!(renewed.why.contains("last full verification: 1970-01-01 00:00:00 UTC"), "{}", renewed.why);
        let refused = proof(Verdict::Refused);
        assert_eq!(whole.renew(refused.clone()), refused);
    }
}
