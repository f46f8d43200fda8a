//! `prosody-restart`: the running Prosody is newer than everything that it loads. Judged by the inode's change time:
//! dpkg unpacks files with the times of their package.

use anyhow::Result;

use crate::change::Change;
use crate::facts::loaded_files;
use crate::modules;
use crate::prosody::daemon::running;
use crate::prosody::log;
use crate::prosody::restart::Restart;
use crate::step::{Check, Context};

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let config = site.config(cx.host)?;
    if cx.host.assumed().restarted {
        return Check::satisfied("Prosody was restarted");
    }
    let why = match running(cx.host)? {
        None => "Prosody does not run".to_owned(),
        Some(_) if cx.host.assumed().stale_daemon => {
            "Prosody has not loaded what is new".to_owned()
        }
        Some(daemon) => {
            let files = loaded_files(site, &config, modules::test(cx.host, site)?.files);
            let mut newer = Vec::new();
            for file in &files {
                if cx
                    .host
                    .stat(file)?
                    .is_some_and(|stat| stat.changed >= daemon.since)
                {
                    newer.push(file);
                }
            }
            match newer.first() {
                None => return Check::satisfied("Prosody is newer than everything that it loads"),
                Some(file) => format!("{} changed after Prosody's start", file.display()),
            }
        }
    };
    let restart = Restart::new(
        cx.host,
        site.server().url(),
        site.domain.clone(),
        log::files(&config),
    )?;
    if !cx.settings.restart {
        return Check::skipped(format!(
            "{why}; left for later (--no-restart): {}",
            restart.describe()
        ));
    }
    Check::pending(why, [Change::Restart(restart)])
}
