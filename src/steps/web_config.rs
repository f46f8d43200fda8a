//! `web-config`: where guests are wanted and this is asked for, the web page knows their host; where they are taken back,
//! it does no more.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::engine::change::{Change, Seen};
use crate::engine::step::Check;
use crate::host::{Access, AccessList};
use crate::site::guests::host_name;
use crate::site::view::Context;
use crate::site::web_config::{PageEdit, by_hand, name_guest_host, unname_guest_host};

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let guests = host_name(&site.domain);
    let path = PathBuf::from(format!("/etc/jitsi/meet/{}-config.js", site.domain));
    let real = cx.host.real_path(&path)?;
    let policy = &cx.settings.policy;
    let bytes = cx.host.read(&real)?;
    let Some(bytes) = bytes.filter(|_| policy.web_config || policy.guests == Some(false)) else {
        return without_page(cx, &path, &guests);
    };
    let (edit, why) = match policy.web_config {
        true => (
            name_guest_host(&bytes, &guests),
            format!(
                "set anonymousdomain: {guests} in the web page's \
            configuration"
            ),
        ),
        false => (
            unname_guest_host(&bytes, &guests),
            format!(
                "remove anonymousdomain: {guests} from the web page's \
            configuration"
            ),
        ),
    };
    match edit {
        PageEdit::Unchanged if policy.web_config => {
            Check::satisfied(format!("{} has anonymousdomain: {guests}", path.display()))
        }
        PageEdit::Unchanged => Check::satisfied(format!("{} has no anonymousdomain: {guests}", path.display())),
        PageEdit::Refused(line, why) => {
            let fix = match policy.web_config {
                true => format!("add this to its `hosts` by hand, then run this again: {}", by_hand(&guests)),
                false => format!("remove this from its `hosts` by hand, then run this again: {}", by_hand(&guests)),
            };
            Check::blocked(format!("{}:{line}: {why}", path.display()), fix)
        }
        PageEdit::Changed(after) => {
            let stat = cx.host.stat(&real)?.context("the file vanished")?;
            let access = Access { mode: stat.mode, uid: stat.uid, gid: stat.gid };
            let write = Change::write(real, after, access).in_place_of(Seen::Bytes(bytes));
            Check::pending(why, [write.with_list(AccessList::Kept)])
        }
    }
}

/// Where nothing is to be done, or there is nothing to do it with.
fn without_page(cx: &Context, path: &Path, guests: &str) -> Result<Check> {
    if !cx.settings.policy.web_config {
        return Check::skipped("not used (see --web-config)");
    }
    Check::blocked(
        format!("--web-config cannot edit {}: it does not exist on this machine", path.display()),
        format!("do not use --web-config; add this to `hosts` in the web page's configuration: {}", by_hand(guests)),
    )
}
