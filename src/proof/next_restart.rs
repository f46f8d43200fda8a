//! What the next restart of Prosody brings: the files may already say something else than the running process does.

use crate::engine::report::{Proof, Verdict};
use crate::lua::value::Value;
use crate::prosody::config::Config;
use crate::site::facts::Site;

/// Takes a proof back whose server stops asking for tokens, or checking rooms, at its next restart.
pub fn judge(proof: Proof, site: &Site, config: &Config) -> Proof {
    let Some(why) = change(site, config).filter(|_| proof.verdict != Verdict::Refused) else {
        return proof;
    };
    Proof {
        verdict: Verdict::Refused,
        why: format!("{why}; until then {}", proof.why),
        next: Some("do not restart Prosody before repairing this: run `jitsi-tokens-setup install`".to_owned()),
        ..proof
    }
}

/// What it changes for whom, if anything.
fn change(site: &Site, config: &Config) -> Option<String> {
    let (domain, muc) = (&site.domain, &site.muc);
    let Some(setting) = config.effective(domain, "authentication") else {
        return Some(format!(
            "after its next restart, Prosody accepts no tokens: no authentication is set for {domain}"
        ));
    };
    let place = format!("{}:{}", setting.file.display(), setting.line);
    match &setting.value {
        Value::Computed => {}
        value if value.as_str() == Some("token") => {}
        value => {
            let name = value.as_str().unwrap_or("something else");
            let who = if ["anonymous", "jitsi-anonymous"].contains(&name) {
                "lets anyone in without a token"
            } else {
                "accepts no tokens"
            };
            return Some(format!("after its next restart, Prosody {who}: {place} sets authentication = \"{name}\""));
        }
    }
    (!site.has_room_check(config)).then(|| {
        format!(
            "after its next restart, Prosody lets every token into every room: Component \"{muc}\" does not load \
             token_verification"
        )
    })
}
