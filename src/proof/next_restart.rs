//! What Prosody's next restart changes: the files may already differ from what the running process loaded.

use crate::engine::report::{self, Proof, Verdict};
use crate::lua::value::Value;
use crate::proof::ProblemKind;
use crate::prosody::config::Config;
use crate::site::facts::Site;

/// Fails a proof if the server stops requiring tokens, or checking rooms, at its next restart.
pub fn judge(proof: Proof, site: &Site, config: &Config) -> Proof {
    let Some((problem, why)) = change(site, config).filter(|_| proof.verdict != Verdict::Refused) else {
        return proof;
    };
    Proof {
        verdict: Verdict::Refused,
        problem: Some(report::id(problem)),
        why: format!("{why}; until then {}", proof.why),
        fix: Some("do not restart Prosody before repairing this: run `jitsi-tokens-setup install`".to_owned()),
        ..proof
    }
}

/// What the restart changes for whom, if anything.
fn change(site: &Site, config: &Config) -> Option<(ProblemKind, String)> {
    let (domain, muc) = (&site.domain, &site.muc);
    let Some(setting) = config.effective(domain, "authentication") else {
        let why = format!("after its next restart, Prosody accepts no tokens: no authentication is set for {domain}");
        return Some((ProblemKind::RestartEndsTokens, why));
    };
    let place = format!("{}:{}", setting.file.display(), setting.line);
    match &setting.value {
        Value::Computed => {}
        value if value.as_str() == Some("token") => {}
        value => {
            let name = value.as_str().unwrap_or("something else");
            let (problem, who) = if ["anonymous", "jitsi-anonymous"].contains(&name) {
                (ProblemKind::RestartOpensServer, "lets anyone in without a token")
            } else {
                (ProblemKind::RestartEndsTokens, "accepts no tokens")
            };
            let why = format!("after its next restart, Prosody {who}: {place} sets authentication = \"{name}\"");
            return Some((problem, why));
        }
    }
    (!site.has_room_check(config)).then(|| {
        let why = format!(
            "after its next restart, Prosody lets every token into every room: Component \"{muc}\" does not load \
             token_verification"
        );
        (ProblemKind::RestartOpensRooms, why)
    })
}
