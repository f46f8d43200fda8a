//! `apt-sources`: where something has to be fetched, the sources can be reached. A release that left the mirrors is
//! pointed to Debian's archive; entries of others are not touched.

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
        return Check::satisfied("nothing has to be fetched");
    }
    let release = &cx.facts.release;
    if !release.is_archived() {
        return Check::satisfied("this release is on its mirrors");
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
        return Check::satisfied("no entry points to a mirror that this release has left");
    }
    Check::pending(format!("Debian {} has left the mirrors; its packages are in the archive", release.version), changes)
}

fn files(cx: &Context) -> Result<Vec<PathBuf>> {
    let folder = Path::new("/etc/apt/sources.list.d");
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let lists = cx.host.list(folder)?.into_iter().filter(|name| name.ends_with(".list") || name.ends_with(".sources"));
    files.extend(lists.map(|name| folder.join(name)));
    Ok(files)
}
