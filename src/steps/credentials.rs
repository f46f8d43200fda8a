//! `credentials`: an application id and a secret exist. New ones are kept in debconf from the start, so that a run that
//! is killed afterwards goes on with the same.

use anyhow::Result;

use crate::debian::debconf;
use crate::engine::step::Check;
use crate::host::secret::Secret;
use crate::site::credentials::{Source, choose, for_debconf};
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let chosen = choose(cx.host, &cx.settings, &site.config(cx.host)?, &site.domain)?;
    let made = |source| source == Source::Generated;
    let why = match (made(chosen.id_from), made(chosen.secret_from)) {
        (false, false) => {
            return Check::satisfied(format!("app id {}, secret {}", chosen.id_from, chosen.secret_from));
        }
        (true, true) => "no app id and no secret yet: new ones are generated".to_owned(),
        (true, false) => {
            format!("no app id yet: a new one is generated; secret {}", chosen.secret_from)
        }
        (false, true) => {
            format!("no secret yet: a new one is generated; app id {}", chosen.id_from)
        }
    };
    let credentials = &chosen.credentials;
    let secret = Secret::new(for_debconf(credentials.app_secret.reveal()));
    let preseed = debconf::preseed(for_debconf(&credentials.app_id), &secret, cx.settings.patience);
    Check::pending(why, [preseed])
}
