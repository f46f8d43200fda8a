//! Restores packages. What others need by now stays, and is marked as automatic.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::debian::dpkg::Package;
use crate::debian::removal::{self, Removal};
use crate::debian::{apt, debconf, dpkg};
use crate::engine::change::Change;
use crate::engine::snapshot::Snapshot;
use crate::engine::step::Check;
use crate::site::view::Context;

/// Jitsi's package, whose scripts edit Prosody's configuration.
const TOKENS: &str = "jitsi-meet-tokens";

pub fn check(cx: &Context) -> Result<Check> {
    let known = dpkg::packages(cx.host)?;
    let ours: BTreeSet<&String> = cx
        .entries
        .iter()
        .filter_map(|entry| match &entry.after {
            Some(Snapshot::Names(added)) => Some(added),
            _ => None,
        })
        .flatten()
        .collect();
    let ours: Vec<String> = ours
        .into_iter()
        // Also one that somebody removed but whose configuration is still there.
        .filter(|name| known.get(*name).is_some_and(|package| !package.is_gone()))
        .cloned()
        .collect();
    if ours.is_empty() {
        return Check::satisfied("no package that install added is left");
    }
    let Removal { purged, kept, needed_by } = removal::of(cx.host, &ours)?;
    let mut why = Vec::new();
    let mut changes = Vec::new();
    if !purged.is_empty() {
        why.push(match purged.len() {
            1 => "remove 1 package".to_owned(),
            many => format!("remove {many} packages"),
        });
        changes.extend(purge(cx, &known, &purged)?);
    }
    if !kept.is_empty() {
        why.push(format!("kept, as {} needs them: {}", needed_by.join(", "), kept.join(", ")));
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

fn purge(cx: &Context, known: &BTreeMap<String, Package>, names: &[String]) -> Result<Vec<Change>> {
    let patience = cx.settings.patience;
    let mut changes = Vec::new();
    let tokens = known.get(TOKENS).filter(|_| names.iter().any(|name| name == TOKENS));
    if tokens.is_some_and(Package::is_present) {
        // Its removal script turns token authentication off wherever the file enables it, for other sites too, exposes
        // the secret in the arguments of sed, and restarts Prosody. It is pointed away from the file, which is restored
        // already.
        changes.push(debconf::edited_file(debconf::NOWHERE, patience));
    }
    let half_installed = !dpkg::half_installed(cx.host)?.is_empty();
    if tokens.is_some_and(Package::is_half_installed) {
        // Configuring it would point it back at the file and turn tokens on again. The site's name in debconf, by which
        // its script finds the file, must not change meanwhile: jitsi-meet-prosody's script deletes links if it
        // differs.
        changes.push(dpkg::purge(TOKENS, patience));
    }
    if half_installed {
        // apt does nothing while dpkg's journal is open.
        changes.push(apt::configure(patience));
    }
    changes.push(apt::purge(names, half_installed, patience));
    Ok(changes)
}
