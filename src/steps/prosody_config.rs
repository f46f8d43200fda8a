//! `prosody-config`: the virtual host authenticates by token with these credentials, its rooms are tied to the token,
//! the file that holds the secret is not world-readable, and Prosody accepts it all.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::engine::change::{Change, Seen};
use crate::engine::step::Check;
use crate::host::{Access, access_list};
use crate::lua::value::Value;
use crate::prosody::acceptance::{self, MAIN, group, guard};
use crate::prosody::config::Config;
use crate::prosody::config::edit::{Edit, FileEdit, Guests, Wanted, whole_edit};
use crate::prosody::{daemon, plugin};
use crate::site::credentials::choose;
use crate::site::guests;
use crate::site::key_source;
use crate::site::lockout::{self, Lockout};
use crate::site::moderators;
use crate::site::policy_options::{self, Choice};
use crate::site::recorders;
use crate::site::settings::Credentials;
use crate::site::token_keys;
use crate::site::token_rules;
use crate::site::view::Context;

/// The mode of a file that holds the secret: Prosody reads it as a member of its group, and nobody else can.
const PRIVATE: u32 = 0o640;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let config = site.config(cx.host)?;
    let chosen = choose(cx.host, &cx.settings, &config, &site.domain)?;
    let choices = policy_options::choices(&cx.settings.policy);
    if let Some(why) = policy_options::unread(cx.host, &site.plugin, &choices)? {
        let fix = "leave the option out, or upgrade jitsi-meet-prosody; nothing was changed";
        return Check::blocked(why, fix);
    }
    if cx.settings.policy.guests == Some(true) {
        if let Some(obstacle) = guests::unable_to_wait(cx.host, site, &config)? {
            return Check::blocked(obstacle.why, obstacle.fix);
        }
    }
    let prefix = match opened(cx, &config, &chosen.credentials, &choices)? {
        Ok(prefix) => prefix,
        Err(lockout) => return Check::blocked(lockout.why, lockout.fix),
    };
    let plan = planned(cx, &config, &chosen.credentials, &choices, prefix)?;
    if let Some(complaint) = complaint(cx, &plan)? {
        return Check::blocked(
            format!("Prosody rejects its configuration: {complaint}"),
            "fix it, then run this again; nothing was changed",
        );
    }
    match plan {
        Edit::Unchanged => protect(cx, &config, &site.domain),
        Edit::Refused { file, line, why, lines } => Check::blocked(
            format!("{}:{line}: {why}", file.display()),
            format!("make this change by hand, then run this again:\n{}", lines.join("\n")),
        ),
        Edit::Changed(edits) => rewrite(cx, &config, &site.domain, edits, chosen.replaces),
    }
}

/// Writes the edits, and restricts access to the file that holds the secret if it needs no edit.
fn rewrite(cx: &Context, config: &Config, domain: &str, edits: Vec<FileEdit>, replaces: bool) -> Result<Check> {
    let said = edits.iter().flat_map(|edit| edit.what.iter().cloned());
    let mut why: Vec<String> = said.collect();
    if replaces {
        why.push("tokens signed with the old credentials stop working".to_owned());
    }
    why.extend(key_source::price(config, domain, &cx.settings.policy));
    let secret = secret_file(cx, config, domain)?;
    let edited = secret.is_some_and(|file| edits.iter().any(|edit| edit.path == file));
    let mut changes = edits.into_iter().map(|edit| write(cx, edit)).collect::<Result<Vec<_>>>()?;
    match protect(cx, config, domain)? {
        Check::Pending(open, closing) if !edited => {
            why.push(open);
            changes.extend(closing);
        }
        blocked @ Check::Blocked { .. } if !edited => return Ok(blocked),
        _ => {}
    }
    Check::pending(why.join("; "), changes)
}

/// The edit that gives the configuration the wanted settings.
fn planned(
    cx: &Context,
    config: &Config,
    credentials: &Credentials,
    choices: &[Choice],
    prefix: Option<String>,
) -> Result<Edit> {
    let site = cx.site()?;
    let of = |rooms| {
        let all = choices.iter().filter(move |choice| choice.rooms == rooms);
        all.map(|choice| (choice.name, choice.value.clone())).collect::<Vec<_>>()
    };
    let (mut host_options, mut room_options) = (of(false), of(true));
    room_options.extend(moderators::room_options(config, &site.muc, &cx.settings.policy));
    host_options.extend(token_keys::algorithm(config, &site.domain, &cx.settings.policy));
    host_options.extend(key_source::host_options(config, &site.domain, &cx.settings.policy));
    host_options.extend(prefix.map(|prefix| {
        let value = Value::String(prefix.into_bytes());
        ("muc_mapper_domain_prefix", value)
    }));
    let host_modules = token_keys::host_modules(cx.host, config, &cx.settings, &site.domain, &credentials.app_secret)?;
    let domain = &*guests::host_name(&site.domain);
    let guests = match cx.settings.policy.guests {
        None => Guests::LeaveAsIs,
        Some(true) => Guests::Wait { domain, authentication: guests::authentication(cx.host)? },
        Some(false) => Guests::None { domain },
    };
    let room_modules = moderators::room_modules(cx.host, &cx.settings.policy)?;
    let wanted = Wanted {
        domain: &site.domain,
        muc: &site.muc,
        app_id: &credentials.app_id,
        app_secret: &credentials.app_secret,
        plugin_dir: plugin::FOLDER,
        host_options: &host_options,
        room_options: &room_options,
        room_modules: &room_modules,
        host_modules: &host_modules,
        guests,
        let_in: &recorders::let_in(cx.host, config, &site.domain, &site.muc)?,
    };
    whole_edit(cx.host, Path::new(MAIN), config, &wanted)
}

/// The setting that tokens need to open the rooms where they are, if any; or why the plugins would reject everybody.
fn opened(
    cx: &Context,
    config: &Config,
    credentials: &Credentials,
    choices: &[Choice],
) -> Result<Result<Option<String>, Lockout>> {
    let site = cx.site()?;
    let wanted = site.expectations(cx.host, config, credentials)?;
    if let Some(lockout) = lockout::empty_list(config, &wanted, choices) {
        return Ok(Err(lockout));
    }
    let rules = token_rules::read(cx.host, config, &wanted, &site.plugin, &site.lua.version, &site.muc)?;
    Ok(lockout::missing_prefix(&wanted, &rules, choices).transpose())
}

/// A running Prosody has accepted its configuration, or an earlier one; a stopped one may have stopped because of it.
/// Before an edit its loader is asked in any case, so nothing that it cannot read turns up halfway.
fn complaint(cx: &Context, plan: &Edit) -> Result<Option<String>> {
    if matches!(plan, Edit::Changed(_)) {
        return acceptance::unreadable(cx.host);
    }
    if daemon::running(cx.host)?.is_some() {
        return Ok(None);
    }
    Ok(acceptance::current(cx.host)?.err())
}

fn write(cx: &Context, edit: FileEdit) -> Result<Change> {
    let text = String::from_utf8_lossy(&edit.after);
    let access = if text.contains("app_secret") { private(cx)? } else { access(cx, &edit.path)? };
    Ok(Change::write(edit.path, edit.after, access).in_place_of(Seen::Bytes(edit.before)).guarded(guard))
}

/// The file that holds the secret, if there is one.
fn secret_file(cx: &Context, config: &Config, domain: &str) -> Result<Option<PathBuf>> {
    let setting = config.effective(domain, "app_secret");
    setting.map(|setting| cx.host.real_path(&setting.file)).transpose()
}

/// Checks that others are kept out of the file; the settings are all there.
fn protect(cx: &Context, config: &Config, domain: &str) -> Result<Check> {
    let Some(path) = secret_file(cx, config, domain)? else {
        return Check::satisfied("Prosody requires tokens");
    };
    let wanted = private(cx)?;
    let now = access(cx, &path)?;
    // Stricter is fine as long as Prosody can read it.
    let closed = now.mode & 0o007 == 0 && now.mode & 0o020 == 0;
    let readable = now.gid == wanted.gid && now.mode & 0o040 != 0;
    let lets_in = |list: &Vec<u8>| access_list::grants_others(list, access_list::READ | access_list::WRITE);
    let listed = cx.host.access_list(&path)?.as_ref().is_some_and(lets_in);
    if closed && readable && !listed {
        if !was_or_can_be_read(cx, &path)? {
            return Check::blocked(
                format!("Prosody's user cannot read {}", path.display()),
                "allow its group to enter the directories above (see `namei -l`), and to read the file if it has an \
                 access list",
            );
        }
        return Check::satisfied(format!("{} requires tokens; only root and Prosody can read it", path.display()));
    }
    let why = if listed {
        "has an access list (ACL) that lets other users read it".to_owned()
    } else {
        format!("has mode {:04o}", now.mode)
    };
    let bytes = cx.host.read(&path)?.context("the configuration has disappeared")?;
    Check::pending(
        format!("{} contains the app secret and {why}", path.display()),
        [Change::write(path, bytes.clone(), wanted).in_place_of(Seen::Bytes(bytes))],
    )
}

/// Whether Prosody has read the file as it is, or could.
fn was_or_can_be_read(cx: &Context, path: &Path) -> Result<bool> {
    let changed = cx.host.stat(path)?.map(|stat| stat.changed);
    let read = daemon::running(cx.host)?.is_some_and(|daemon| changed.is_some_and(|changed| changed < daemon.since));
    Ok(read || acceptance::readable(cx.host, path)?)
}

fn private(cx: &Context) -> Result<Access> {
    Ok(Access { mode: PRIVATE, uid: 0, gid: group(cx.host)? })
}

fn access(cx: &Context, path: &Path) -> Result<Access> {
    let stat = cx.host.stat(path)?.with_context(|| format!("{} vanished", path.display()))?;
    Ok(Access { mode: stat.mode, uid: stat.uid, gid: stat.gid })
}
