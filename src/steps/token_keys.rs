//! `token-keys`: the keys besides the app secret are where our module looks for them, and the module is installed.

use anyhow::Result;

use crate::engine::change::Change;
use crate::engine::step::Check;
use crate::host::Access;
use crate::prosody::acceptance::group;
use crate::site::credentials::choose;
use crate::site::key_source::KeySource;
use crate::site::settings::EarlierSecrets;
use crate::site::token_keys::{MODULE, TokenKeys, path, unable};
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let path = path(&site.domain);
    let seen = cx.host.read(&path)?;
    let chosen = choose(cx.host, &cx.settings, &site.config(cx.host)?, &site.domain)?;
    let Some(wanted) = TokenKeys::wanted(cx.host, &cx.settings, &site.domain, &chosen.credentials.app_secret)? else {
        return match seen {
            None => Check::not_needed("not used (see --public-key and --keep-old)"),
            Some(_) => {
                let why = match KeySource::chosen(&cx.settings.policy) {
                    None => "tokens signed with private keys stop working; the app secret is accepted again",
                    Some(_) => "remove this machine's own keys and old secrets; the key source replaces them",
                };
                Check::pending(why, [Change::Remove { path }])
            }
        };
    };
    let option = if matches!(cx.settings.earlier, EarlierSecrets::With { .. }) { "--keep-old" } else { "--public-key" };
    if let Some(obstacle) = unable(cx.host, site, option)?.filter(|_| wanted != TokenKeys::default()) {
        return Check::blocked(obstacle.why, obstacle.fix);
    }
    let mut changes: Vec<Change> = MODULE.missing(cx.host)?.into_iter().collect();
    let bytes = wanted.to_bytes()?;
    // It may hold a secret.
    let access = Access { mode: 0o640, uid: 0, gid: group(cx.host)? };
    let stat = cx.host.stat(&path)?;
    let closed = stat.is_some_and(|stat| (stat.mode, stat.uid, stat.gid) == (access.mode, access.uid, access.gid));
    if seen.as_ref() != Some(&bytes) || !closed {
        changes.push(Change::write(path, bytes, access).in_place_of(seen));
    }
    let described = wanted.describe(cx.host.now());
    if changes.is_empty() {
        return Check::satisfied(described);
    }
    let price = if wanted.keys.is_empty() { "" } else { "; tokens signed with the app secret stop working" };
    Check::pending(format!("{described}{price}"), changes)
}
