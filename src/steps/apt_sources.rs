//! `apt-sources`: if something must be downloaded, the sources can be reached. A release that has left the mirrors is
//! pointed to Debian's archive; entries of other archives are not touched.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::debian::sources;
use crate::engine::change::{Change, Seen};
use crate::engine::step::Check;
use crate::host::Access;
use crate::site::modules;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    if modules::missing_packages(cx.host, cx.site()?)?.is_empty() {
        return Check::satisfied("nothing to download");
    }
    let release = &cx.facts.release;
    if !release.is_archived() {
        return Check::satisfied("the Debian mirrors have this release");
    }
    let mut changes = Vec::new();
    for path in files(cx)? {
        let Some(bytes) = cx.host.read(&path)? else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let moved = sources::moved(&path, &text, &cx.settings.apt_archive);
        if moved != text {
            let access = Access::root(0o644);
            changes.push(Change::write(path, moved, access).in_place_of(Seen::Bytes(bytes)));
        }
    }
    if changes.is_empty() {
        return Check::satisfied("the package sources are up to date");
    }
    Check::pending(format!("Debian {} is no longer on the mirrors; use its archive", release.version), changes)
}

fn files(cx: &Context) -> Result<Vec<PathBuf>> {
    let folder = Path::new("/etc/apt/sources.list.d");
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let lists = cx.host.list(folder)?.into_iter().filter(|name| name.ends_with(".list") || name.ends_with(".sources"));
    files.extend(lists.map(|name| folder.join(name)));
    Ok(files)
}
