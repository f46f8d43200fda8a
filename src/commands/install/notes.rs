//! What is left for the operator to do once guests have a virtual host, as Jitsi documents it.

use anyhow::Result;

use crate::engine::report::Advice;
use crate::site::guests::host_name;
use crate::site::view::Context;

/// Advice for a site that has guests.
pub fn guests(cx: &Context) -> Result<Vec<Advice>> {
    let site = cx.site()?;
    let guests = host_name(&site.domain);
    let mut notes = Vec::new();
    if cx.settings.policy.web_config != Some(true) {
        notes.push(Advice::text(format!(
            "the web page does not offer guest access yet: set {} in `hosts` of /etc/jitsi/meet/{}-config.js \
             (--guests --web-config does it)",
            format_args!("anonymousdomain: '{guests}',"),
            site.domain
        )));
    }
    notes.push(Advice::text(format!(
        "{guests} needs no DNS record, certificate or web server; keep jicofo's own authentication off"
    )));
    Ok(notes)
}
