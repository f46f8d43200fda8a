//! `credentials`: an app ID and secret exist. New ones are kept in debconf from the start, so a rerun after a killed
//! run uses the same ones. Those of a site that debconf does not name are written with the configuration, both at once.

use anyhow::Result;

use crate::debian::debconf;
use crate::engine::step::Check;
use crate::host::secret::Secret;
use crate::site::credentials::{Source, choose, for_debconf};
use crate::site::view::Context;

pub fn check(cx: &Context) -> Result<Check> {
    let site = cx.site()?;
    let chosen = choose(cx.host, &cx.settings, &site.config(cx.host)?, &site.domain)?;
    let kept = debconf::is_about(cx.host, &site.domain)?;
    let made = |source| source == Source::Generated && kept;
    let why = match (made(chosen.id_from), made(chosen.secret_from)) {
        (false, false) if chosen.id_from == chosen.secret_from => {
            return Check::satisfied(format!("app ID and app secret {}", chosen.id_from));
        }
        (false, false) => {
            return Check::satisfied(format!("app ID {}, app secret {}", chosen.id_from, chosen.secret_from));
        }
        (true, true) => "no app ID and app secret yet: generate them".to_owned(),
        (true, false) => {
            format!("no app ID yet: generate one; app secret {}", chosen.secret_from)
        }
        (false, true) => {
            format!("no app secret yet: generate one; app ID {}", chosen.id_from)
        }
    };
    let credentials = &chosen.credentials;
    let secret = Secret::new(for_debconf(credentials.app_secret.reveal()));
    let preseed = debconf::preseed(for_debconf(&credentials.app_id), &secret, cx.settings.patience);
    Check::pending(why, [preseed])
}
