//! `web-config`: where guests are wanted and this is asked for, the web page knows their host.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::engine::change::{Change, Seen};
use crate::engine::step::Check;
use crate::host::{Access, AccessList};
use crate::site::guests::host_name;
use crate::site::view::Context;
use crate::site::web_config::{PageEdit, by_hand, name_guest_host};

pub fn check(cx: &Context) -> Result<Check> {
    if !cx.settings.policy.web_config {
        return Check::skipped("left as it is (--guests --web-config names the guest host there)");
    }
    let site = cx.site()?;
    let guests = host_name(&site.domain);
    let path = PathBuf::from(format!("/etc/jitsi/meet/{}-config.js", site.domain));
    let real = cx.host.real_path(&path)?;
    let Some(bytes) = cx.host.read(&real)? else {
        return Check::blocked(
            format!("there is no {} on this machine, so --web-config has nothing to edit", path.display()),
            format!(
                "leave --web-config out, and write this into the `hosts` of the web page's configuration: {}",
                by_hand(&guests)
            ),
        );
    };
    match name_guest_host(&bytes, &guests) {
        PageEdit::Unchanged => Check::satisfied(format!("{} names {guests}", path.display())),
        PageEdit::Refused(line, why) => Check::blocked(
            format!("{}:{line}: {why}", path.display()),
            format!("write this into its `hosts` by hand, then run this again: {}", by_hand(&guests)),
        ),
        PageEdit::Changed(after) => {
            let stat = cx.host.stat(&real)?.context("the file vanished")?;
            let access = Access { mode: stat.mode, uid: stat.uid, gid: stat.gid };
            Check::pending(
                format!("the web page gets anonymousdomain: {guests}"),
                [Change::write(real, after, access).in_place_of(Seen::Bytes(bytes)).with_list(AccessList::Kept)],
            )
        }
    }
}
