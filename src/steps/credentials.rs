//! `credentials`: an application id and a secret exist. New ones are kept in debconf from the start, so that a run that
//! is killed afterwards goes on with the same.

use anyhow::Result;

use crate::credentials::{Source, choose, for_debconf};
use crate::debian::debconf;
use crate::secret::Secret;
use crate::step::{Check, Context};

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let chosen = choose(cx.host, cx.settings, &site.config(cx.host)?, &site.domain)?;
    let made = |source| source == Source::Generated;
    let why = format!("app id {}, secret {}", chosen.id_from, chosen.secret_from);
    if !made(chosen.id_from) && !made(chosen.secret_from) {
        return Check::satisfied(why);
    }
    let credentials = &chosen.credentials;
    let secret = Secret::new(for_debconf(credentials.app_secret.reveal()));
    let preseed = debconf::preseed(
        for_debconf(&credentials.app_id),
        &secret,
        cx.settings.patience,
    );
    Check::pending(why, [preseed])
}
