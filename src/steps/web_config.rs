//! `web-config`: the web page's configuration names the host for guests and the login page, if they were chosen; what
//! was turned off is a comment there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::engine::change::{Change, Seen};
use crate::engine::step::Check;
use crate::host::{Access, AccessList};
use crate::site::view::Context;
use crate::site::web_config::{PageEdit, PageEntry, edit};
use crate::site::{guests, login_page};

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let policy = &cx.settings.policy;
    let mut entries: Vec<PageEntry> = guests::page_entry(policy, &site.domain).into_iter().collect();
    entries.extend(login_page::entries(policy));
    if entries.is_empty() {
        return Check::not_needed("not used (see --web-config and --login-url)");
    }
    let path = PathBuf::from(format!("/etc/jitsi/meet/{}-config.js", site.domain));
    let real = cx.host.real_path(&path)?;
    let Some(bytes) = cx.host.read(&real)? else {
        return without_page(&path, &entries);
    };
    if let Some(name) = login_page::unread(cx.host, site.plugin.era, &entries)? {
        return Check::blocked(
            format!("the installed web page does not know {name}, which newer versions of Jitsi have"),
            "leave it out, or upgrade jitsi-meet-web; nothing was changed",
        );
    }
    match edit(&bytes, &entries) {
        PageEdit::Unchanged => Check::satisfied(format!("{} has {}", path.display(), names(&entries))),
        PageEdit::Refused(line, why) => Check::blocked(
            format!("{}:{line}: {why}", path.display()),
            format!("edit it by hand, then run this again:\n{}", by_hand(&entries)),
        ),
        PageEdit::Changed(after) => {
            let stat = cx.host.stat(&real)?.context("the file vanished")?;
            let access = Access { mode: stat.mode, uid: stat.uid, gid: stat.gid };
            let write = Change::write(real, after, access).in_place_of(Seen::Bytes(bytes));
            Check::pending(
                format!("set in the web page's configuration: {}", names(&entries)),
                [write.with_list(AccessList::Kept)],
            )
        }
    }
}

/// The entries, in words.
fn names(entries: &[PageEntry]) -> String {
    let said = entries.iter().map(|entry| match entry.is_wanted() {
        true => entry.by_hand().trim_end_matches(',').to_owned(),
        false => format!("no {}", entry.by_hand().trim_end_matches(',')),
    });
    said.collect::<Vec<_>>().join("; ")
}

/// A line for each entry that an operator has to add or remove.
fn by_hand(entries: &[PageEntry]) -> String {
    let line = |entry: &PageEntry| match entry.is_wanted() {
        true => format!("add to `{}`: {}", entry.object.name(), entry.by_hand()),
        false => format!("remove from `{}`: {}", entry.object.name(), entry.by_hand()),
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The result if there is no such file to edit.
fn without_page(path: &Path, entries: &[PageEntry]) -> Result<Check> {
    let wanted: Vec<PageEntry> = entries.iter().filter(|entry| entry.is_wanted()).cloned().collect();
    if wanted.is_empty() {
        return Check::skipped(format!("{} does not exist on this machine", path.display()));
    }
    Check::blocked(
        format!("cannot edit {}: it does not exist on this machine", path.display()),
        format!(
            "do not use --web-config, --login-url or --logout-url; edit the web page's configuration where it is:\n{}",
            by_hand(&wanted)
        ),
    )
}
