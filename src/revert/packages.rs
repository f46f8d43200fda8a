//! Packages as they were. What others need by now stays, and is marked as automatic.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::change::Change;
use crate::credentials::STAND_IN;
use crate::debian::removal::{self, Removal};
use crate::debian::{apt, debconf, dpkg};
use crate::image::Image;
use crate::secret::Secret;
use crate::step::{Check, Context};

pub fn check(cx: &Context) -> Result<Check> {
    let known = dpkg::packages(cx.host)?;
    let ours: BTreeSet<&String> = cx
        .spans
        .iter()
        .filter_map(|span| match &span.after {
            Some(Image::Packages(added)) => Some(added),
            _ => None,
        })
        .flatten()
        .collect();
    let ours: Vec<String> = ours
        .into_iter()
        // Also one that somebody removed, whose configuration is still there.
        .filter(|name| known.get(*name).is_some_and(|package| !package.is_gone()))
        .cloned()
        .collect();
    if ours.is_empty() {
        return Check::satisfied("no package of ours is left");
    }
    let Removal {
        purged,
        kept,
        needed_by,
    } = removal::of(cx.host, &ours)?;
    let mut why = Vec::new();
    let mut changes = Vec::new();
    if !purged.is_empty() {
        why.push(match purged.len() {
            1 => "one package came with us".to_owned(),
            many => format!("{many} packages came with us"),
        });
        changes.extend(purge(cx, &purged)?);
    }
    if !kept.is_empty() {
        why.push(format!(
            "kept, because {} needs them: {}",
            needed_by.join(", "),
            kept.join(", ")
        ));
        let manual = dpkg::manual(cx.host, &kept)?;
        if !manual.is_empty() {
            changes.push(apt::mark_automatic(&manual));
        }
    }
    let why = why.join("; ");
    if changes.is_empty() {
        return Check::satisfied(why);
    }
    Check::pending(why, changes)
}

fn purge(cx: &Context, names: &[String]) -> Result<Vec<Change>> {
    let patience = cx.settings.patience;
    let mut changes = Vec::new();
    if names.iter().any(|name| name == "jitsi-meet-tokens")
        && debconf::answer(cx.host, debconf::APP_SECRET)?.is_some()
    {
        // Its removal script hands debconf's secret to sed, where everybody can read it.
        changes.push(preseed_stand_in(cx));
    }
    let half_done = !dpkg::half_done(cx.host)?.is_empty();
    if half_done {
        // apt does nothing while dpkg's journal is open.
        changes.push(apt::configure(patience));
    }
    changes.push(apt::purge(names, half_done, patience));
    Ok(changes)
}

fn preseed_stand_in(cx: &Context) -> Change {
    debconf::preseed(STAND_IN, &Secret::unlisted(STAND_IN), cx.settings.patience)
}
