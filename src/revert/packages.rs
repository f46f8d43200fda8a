//! Packages as they were. Simulated first: if more than ours would go, ours are marked as automatic and kept.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::change::Change;
use crate::command::Command;
use crate::credentials::STAND_IN;
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
    let patience = cx.settings.patience;
    let simulated = apt::simulate(cx.host, "purge", &ours)?;
    let others: Vec<String> = simulated
        .removed
        .into_iter()
        .filter(|name| !ours.contains(name))
        .collect();
    if !others.is_empty() {
        let manual = manual(cx, &ours)?;
        let why = format!(
            "kept, because {} would go with them: {}",
            others.join(", "),
            ours.join(", ")
        );
        return if manual.is_empty() {
            Check::satisfied(why)
        } else {
            Check::pending(why, [apt::mark_automatic(&manual)])
        };
    }
    let mut changes = Vec::new();
    if ours.iter().any(|name| name == "jitsi-meet-tokens")
        && debconf::answer(cx.host, debconf::APP_SECRET)?.is_some()
    {
        // Its removal script hands debconf's secret to sed, where everybody can read it.
        changes.push(preseed_stand_in(cx));
    }
    if !dpkg::half_done(cx.host)?.is_empty() {
        // apt does nothing while dpkg's journal is open.
        changes.push(apt::configure(patience));
    }
    changes.push(apt::purge(&ours, patience));
    Check::pending(
        format!("{} packages were installed by us", ours.len()),
        changes,
    )
}

fn preseed_stand_in(cx: &Context) -> Change {
    debconf::preseed(STAND_IN, &Secret::unlisted(STAND_IN), cx.settings.patience)
}

fn manual(cx: &Context, names: &[String]) -> Result<Vec<String>> {
    let output = cx
        .host
        .run(&Command::query("apt-mark").arg("showmanual").args(names))?;
    Ok(output.stdout.lines().map(str::to_owned).collect())
}
