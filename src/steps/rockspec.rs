//! `rockspec`: the rockspec of the common how-to (docs/speed.md), rendered and in place for luarocks.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::engine::change::Change;
use crate::engine::step::Check;
use crate::host::Access;
use crate::luarocks::rockspec;
use crate::prosody::era::Era;
use crate::site::modules;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    if site.plugin.era != Era::Decode {
        return Check::not_needed("only needed by plugins that call luajwtjitsi's decode");
    }
    if cx.settings.luajwtjitsi.is_some() {
        return Check::not_needed("not needed with --luajwtjitsi");
    }
    let path = PathBuf::from(rockspec::PATH);
    let wanted = rockspec::render(&cx.settings.fork).context("cannot render the rockspec")?;
    let seen = cx.host.read(&path)?;
    match &seen {
        Some(bytes) if bytes == wanted.as_bytes() => {
            return Check::satisfied(format!("{} is installed", path.display()));
        }
        // A working rock was installed in another way: nothing to build, nothing to leave behind.
        None if modules::test(cx.host, site)?.jwt == Some(Ok(())) => {
            return Check::not_needed("the installed luajwtjitsi works");
        }
        _ => {}
    }
    let write = Change::write(&path, wanted, Access::root(0o644)).in_place_of(seen);
    Check::pending(format!("create {}", path.display()), [write])
}
