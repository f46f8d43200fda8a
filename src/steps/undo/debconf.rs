//! debconf's answers as they were.

use anyhow::Result;

use crate::debian::debconf;
use crate::engine::change::Watch;
use crate::engine::receipt::snapshot::{Image, hash};
use crate::engine::receipt::{backup, watch};
use crate::engine::step::{Check, Context};
use crate::host::secret::Secret;

pub fn check(cx: &Context) -> Result<Check> {
    let mut changes = Vec::new();
    for span in cx.spans {
        let (Watch::Debconf(question), Image::Debconf(before)) = (watch(&span.of)?, &span.before) else {
            continue;
        };
        let now = debconf::answer(cx.host, &question)?.map(|value| hash(value.as_bytes()));
        if now == *before {
            continue;
        }
        let value = match before {
            Some(sha256) => Some(Secret::new(String::from_utf8_lossy(&backup(cx.host, sha256)?))),
            None => None,
        };
        changes.push(debconf::restore(&question, value.as_ref(), cx.settings.patience));
    }
    if changes.is_empty() {
        return Check::satisfied("debconf's answers are as before");
    }
    Check::pending("debconf still has our answers", changes)
}
