//! Why a server decides nothing about a good token.

use super::{Cause, LOG, REPAIR, cause};
use crate::host::HttpFault;
use crate::login::{Login, Server};

/// The cause of an answer that is neither yes nor no.
pub(super) fn fault(server: &Server, login: &Login) -> Option<Cause> {
    let (url, domain) = (&server.url, &server.domain);
    let who = "`ss -ltnp | grep 5280` shows who listens there";
    match login {
        Login::NoAnswer => cause(
            "the token plugin crashed: to a good token Prosody says neither yes nor no",
            format!(
                "look for “attempt to call” in {LOG}; most often luajwtjitsi lacks the function that the plugin \
                     calls; {REPAIR}"
            ),
        ),
        Login::NoMechanism { .. } => cause(
            "the token plugin is not loaded: Prosody offers no login with a token",
            format!("look for “Error initializing module 'auth_token'” in {LOG}; {REPAIR}"),
        ),
        Login::EncryptionDemanded => cause(
            "Prosody demands encryption from sessions of this machine's web server, so the web page's users are \
             refused as well (c2s_require_encryption is on, consider_bosh_secure is not)",
            "if the web server in front encrypts, write `consider_bosh_secure = true` into the global part of \
             /etc/prosody/prosody.cfg.lua and restart Prosody; this program never loosens it by itself",
        ),
        Login::Down(HttpFault::Refused) => cause(
            format!("nobody listens at {url}: Prosody is down, or its mod_bosh is not loaded"),
            "`systemctl start prosody`; if it does not stay up, `journalctl -u prosody -n 50` says why",
        ),
        Login::Down(_) => cause(
            format!("{url} takes connections but says nothing: Prosody hangs or is overloaded"),
            "`systemctl restart prosody`, then `journalctl -u prosody -n 50`",
        ),
        Login::NotBosh {
            status: Some(404), ..
        } => cause(
            format!(
                "{url} answers 404 for the host {domain}: mod_bosh is not enabled there, or it is not Prosody"
            ),
            format!("see that \"bosh\" is in the host's modules_enabled; {who}"),
        ),
        Login::NotBosh { what, .. } => {
            cause(format!("{url} is answered by something else ({what})"), who)
        }
        Login::StreamError(condition)
            if ["improper-addressing", "host-unknown"].contains(&condition.as_str()) =>
        {
            cause(
                format!("Prosody runs, but does not serve {domain} ({condition})"),
                format!(
                    "see that /etc/prosody/conf.d has a VirtualHost \"{domain}\", and restart Prosody"
                ),
            )
        }
        Login::StreamError(condition) => cause(
            format!("Prosody ended the session before the login ({condition})"),
            format!("look into {LOG}"),
        ),
        Login::Accepted | Login::Refused { .. } => None,
    }
}
