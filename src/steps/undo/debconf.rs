//! Restores debconf's answers.

use anyhow::Result;

use crate::debian::debconf;
use crate::debian::recorded::Answers;
use crate::engine::receipt::backup;
use crate::engine::snapshot::{Snapshot, hash};
use crate::engine::step::Check;
use crate::host::secret::Secret;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let mut changes = Vec::new();
    for entry in cx.entries {
        let (Some(question), Snapshot::Answer(before)) = (entry.which(&Answers), &entry.before) else {
            continue;
        };
        let now = debconf::answer(cx.host, question)?.map(|value| hash(value.as_bytes()));
        if now == *before {
            continue;
        }
        let value = match before {
            Some(sha256) => Some(Secret::new(String::from_utf8_lossy(&backup(cx.host, sha256)?))),
            None => None,
        };
        changes.push(debconf::restore(question, value.as_ref(), cx.settings.patience));
    }
    if changes.is_empty() {
        return Check::satisfied("debconf has its previous answers");
    }
    Check::pending("restore debconf's previous answers", changes)
}
