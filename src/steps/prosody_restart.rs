//! `prosody-restart`: Prosody has started since the last change to anything that it loads. Judged by the inode's change
//! time, because dpkg unpacks files with the modification times of their package.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use crate::engine::change::{Action, Change};
use crate::engine::step::Check;
use crate::host::command::Command;
use crate::host::ownership::changeable;
use crate::proof;
use crate::prosody::config::Config;
use crate::prosody::daemon::{Running, running};
use crate::prosody::restart::Restart;
use crate::prosody::{loaded, log};
use crate::site::facts::{Site, loaded_files};
use crate::site::key_source::{self, KeySource};
use crate::site::modules;
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let config = site.config(cx.host)?;
    if cx.host.assumed().restarted {
        return Check::satisfied("Prosody has restarted");
    }
    let (mut why, mut ahead) = (String::new(), Vec::new());
    match running(cx.host)? {
        None => "Prosody is not running".clone_into(&mut why),
        Some(_) if cx.host.assumed().stale_daemon => {
            "Prosody must restart to load the changes".clone_into(&mut why);
        }
        Some(daemon) => {
            let modules = modules::test(cx.host, site)?.files(cx.host, &site.lua)?;
            let files = loaded_files(site, &config, modules);
            (why, ahead) = changed_since(cx, &daemon, &config, &files)?;
            if why.is_empty() && lacks_keys(cx, site, &config, &daemon)? {
                "Prosody does not have the key that the key source has now".clone_into(&mut why);
            }
        }
    }
    if why.is_empty() {
        return Check::satisfied("Prosody has restarted since the last change");
    }
    let restart = Restart::new(cx.host, site.server(&config), log::files(&config))?
        .of(config.files().map(Path::to_owned).collect());
    if !cx.settings.restart {
        let command = restart.command().map(|command| command.display()).unwrap_or_default();
        return Check::skipped(format!("{why}; left for later (--no-restart): {command}"));
    }
    let mut changes = vec![Change::Act(Arc::new(restart))];
    if !ahead.is_empty() {
        // Written while the clock was ahead, they would count as changed after every restart. This sets their change
        // time to now and leaves the rest alone. A link is stamped itself; what it leads to is judged by itself.
        let stamp = |file: &String| Command::mutate("touch").args(["-c", "-h", "-a", "-r", file, file]);
        changes.splice(0..0, ahead.iter().map(|file| Change::run(stamp(file), [])));
        let more = match ahead.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        why += &format!("; modified in the future: {}{more}", ahead[0]);
    }
    Check::pending(why, changes)
}

/// Whether a restart may fetch keys of a document that changed or was unreachable: Prosody fetches it when it starts,
/// and then as seldom as the document says. Asked once per process and run: if a restart does not help, the proof says
/// so.
fn lacks_keys(cx: &Context, site: &Site, config: &Config, daemon: &Running) -> Result<bool> {
    static ASKED: Mutex<Option<(u32, bool)>> = Mutex::new(None);
    let Some(source) = KeySource::configured(config, &site.domain).filter(|source| source.document.is_some()) else {
        return Ok(false);
    };
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    let (pid, lacks) = match *asked {
        Some(answer) => answer,
        None => {
            let crashes = !key_source::is_server_set(config, &site.domain);
            let lacks = proof::lacks_key(cx.host, &site.server(config), &source, crashes, daemon.since)?;
            *asked.insert((daemon.pid, lacks))
        }
    };
    Ok(pid == daemon.pid && lacks)
}

/// Why Prosody must read files again, or an empty string; and the files whose change time is in the future.
fn changed_since(cx: &Context, daemon: &Running, config: &Config, files: &[PathBuf]) -> Result<(String, Vec<String>)> {
    let own: Vec<PathBuf> = config.files().map(Path::to_owned).collect();
    let (mut why, mut ahead, mut known) = (String::new(), Vec::new(), None);
    for file in files {
        // A path through another user's link says nothing about time.
        let Ok(Some(stat)) = cx.host.stat(file) else {
            continue;
        };
        if stat.changed > cx.host.now() {
            // Root touches no other user's file, and those can have any time stamp that they like.
            if changeable(cx.host, file)?.is_some() {
                continue;
            }
            ahead.push(file.display().to_string());
        }
        if !why.is_empty() || stat.changed < daemon.since {
            continue;
        }
        // A file of the configuration may only have been touched, or got a comment.
        if own.contains(file) {
            let known = match known {
                Some(known) => known,
                None => *known.insert(loaded::is_known(cx.host, daemon, &own)?),
            };
            if known {
                continue;
            }
        }
        why = format!("{} changed after Prosody started", file.display());
    }
    Ok((why, ahead))
}
