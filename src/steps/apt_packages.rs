//! `apt-packages`: dpkg is in a sound state, and the packages that this era needs are installed, in one transaction.

use anyhow::Result;

use crate::debian::{apt, dpkg};
use crate::engine::change::Change;
use crate::engine::step::Check;
use crate::host::command::Brings;
use crate::luarocks;
use crate::site::modules;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let patience = cx.settings.patience;
    let half_installed = dpkg::half_installed(cx.host)?;
    let missing = modules::missing_packages(cx.host, cx.site()?)?;
    let mut why = Vec::new();
    let mut changes = Vec::new();
    if !half_installed.is_empty() {
        why.push(format!("not fully configured: {}", half_installed.join(", ")));
        changes.extend(apt::repair(patience));
    }
    if !missing.is_empty() {
        why.push(format!("not installed: {}", missing.join(", ")));
        changes.push(apt::update(patience));
        // Installing the package luarocks already creates the first files of its tree.
        let mut install = apt::install(&missing, luarocks::watches(), patience);
        if let Change::Run { command, .. } = &mut install {
            let modules = modules::provided_by_packages(cx.host, cx.site()?)?;
            command.brings.extend(modules.into_iter().map(Brings::Module));
        }
        changes.push(install);
    }
    if changes.is_empty() {
        return Check::satisfied("all required packages are installed");
    }
    Check::pending(why.join("; "), changes)
}
