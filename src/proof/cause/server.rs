//! Why a server neither accepts nor rejects a good token.

use super::{Cause, LOG, REPAIR, cause};
use crate::login::net::HttpFault;
use crate::login::{Login, Server, Transport};
use crate::proof::ProblemKind;

/// The cause of an answer that is neither.
pub(in crate::proof) fn fault(server: &Server, login: &Login) -> Option<Cause> {
    let (url, domain) = (server.url(), &server.domain);
    match login {
        Login::NoAnswer => cause(
            ProblemKind::PluginCrashes,
            "the token plugin crashes: Prosody does not answer a valid token",
            format!(
                "look for \"attempt to call\" in {LOG}; most often luajwtjitsi lacks the function that the plugin \
                     calls; {REPAIR}"
            ),
        ),
        Login::NoMechanism { .. } => cause(
            ProblemKind::PluginNotLoaded,
            "the token plugin is not loaded: Prosody offers no token login",
            format!("look for \"Error initializing module 'auth_token'\" in {LOG}; {REPAIR}"),
        ),
        Login::NotMade(why) => cause(
            ProblemKind::NotTested,
            format!("no login was tested over {url}: {why}"),
            format!("run `jitsi-tokens-setup verify` to test again; {}", who_listens(server)),
        ),
        Login::EncryptionDemanded => encryption(server.transport),
        Login::Down(fault) if server.direct => down(&url, fault),
        Login::Down(fault) => web_server_down(&url, fault),
        Login::Stranger { status, what } if server.direct => stranger(server, *status, what),
        Login::Stranger { status, what } => web_server(server, *status, what),
        Login::StreamError(condition) if ["improper-addressing", "host-unknown"].contains(&condition.as_str()) => {
            cause(
                ProblemKind::DomainNotServed,
                format!("Prosody is running but does not serve {domain} ({condition})"),
                format!("check that /etc/prosody/conf.d has a VirtualHost \"{domain}\", and restart Prosody"),
            )
        }
        Login::StreamError(condition) => cause(
            ProblemKind::SessionEnded,
            format!("Prosody ended the session before the login ({condition})"),
            format!("look into {LOG}"),
        ),
        Login::Accepted | Login::Refused { .. } => None,
    }
}

fn encryption(transport: Transport) -> Option<Cause> {
    let option = match transport {
        Transport::Bosh => "consider_bosh_secure",
        Transport::WebSocket => "consider_websocket_secure",
    };
    cause(
        ProblemKind::EncryptionRequired,
        format!(
            "Prosody requires encryption from this machine's web server, so the web page's users are rejected too \
             (c2s_require_encryption is on, {option} is off)"
        ),
        format!(
            "if the web server in front uses TLS, set `{option} = true` in the global section of \
             /etc/prosody/prosody.cfg.lua and restart Prosody"
        ),
    )
}

fn down(url: &str, fault: &HttpFault) -> Option<Cause> {
    match fault {
        HttpFault::Refused => cause(
            ProblemKind::ProsodyDown,
            format!("connection refused by {url}: Prosody is not running, or its HTTP modules are not loaded"),
            "`systemctl start prosody`; if it does not stay up, `journalctl -u prosody -n 50` says why",
        ),
        _ => cause(
            ProblemKind::ProsodyHangs,
            format!("{url} accepts connections but does not respond: Prosody hangs or is overloaded"),
            "`systemctl restart prosody`, then `journalctl -u prosody -n 50`",
        ),
    }
}

fn who_listens(server: &Server) -> String {
    let port = server.base.rsplit(':').next().unwrap_or("5280");
    format!("`ss -ltnp | grep {port}` shows which program listens there")
}

fn stranger(server: &Server, status: Option<u16>, what: &str) -> Option<Cause> {
    let (url, domain) = (server.url(), &server.domain);
    let who = who_listens(server);
    let (module, name) = match server.transport {
        Transport::Bosh => ("bosh", "mod_bosh"),
        Transport::WebSocket => ("websocket", "mod_websocket"),
    };
    match status {
        Some(404) => cause(
            ProblemKind::TransportNotServed,
            format!("{url} answers 404 for {domain}: {name} is not enabled there, or it is not Prosody"),
            format!("check that \"{module}\" is in the host's modules_enabled; {who}"),
        ),
        Some(403) if server.transport == Transport::WebSocket => cause(
            ProblemKind::WebSocketOrigin,
            format!(
                "{url} rejects pages from https://{domain}, so browsers cannot use WebSocket (the default of older \
                 Prosody)"
            ),
            format!(
                "set `cross_domain_websocket = {{ \"https://{domain}\" }}` in the global section of \
                 /etc/prosody/prosody.cfg.lua and restart Prosody"
            ),
        ),
        _ => cause(ProblemKind::OtherServer, format!("{url} is not served by Prosody ({what})"), who),
    }
}

const PROSODY_ITSELF: &str = "`jitsi-tokens-setup verify` without --url shows whether Prosody itself answers";

fn web_server_down(url: &str, fault: &HttpFault) -> Option<Cause> {
    let (kind, why) = match fault {
        HttpFault::Refused => {
            (ProblemKind::WebServerDown, format!("connection refused by {url}: the web server is not running"))
        }
        _ => (
            ProblemKind::WebServerHangs,
            format!("{url} accepts connections but does not respond: the web server, or Prosody behind it, hangs"),
        ),
    };
    cause(kind, why, format!("check the web server (`systemctl status nginx` or `apache2`); {PROSODY_ITSELF}"))
}

fn web_server(server: &Server, status: Option<u16>, what: &str) -> Option<Cause> {
    let url = server.url();
    let path = match server.transport {
        Transport::Bosh => "/http-bind",
        Transport::WebSocket => "/xmpp-websocket",
    };
    let upgrade = match server.transport {
        Transport::Bosh => "",
        Transport::WebSocket => " with the headers Upgrade and Connection",
    };
    let pass_it_on =
        format!("configure the web server to proxy {path} to http://127.0.0.1:5280{path}{upgrade}; {PROSODY_ITSELF}");
    match status {
        Some(502..505) => cause(
            ProblemKind::WebServerNoProsody,
            format!("the web server at {url} does not reach Prosody ({what})"),
            format!("`systemctl start prosody`, and check where the web server proxies {path} to; {PROSODY_ITSELF}"),
        ),
        Some(300..400) => cause(
            ProblemKind::WebServerRedirects,
            format!("{url} redirects to another address ({what})"),
            "use --url with the address that it \
                redirects to",
        ),
        Some(_) => cause(
            ProblemKind::WebServerNoProxy,
            format!("the web server at {url} does not proxy {path} to Prosody: it answers with {what}"),
            pass_it_on,
        ),
        None if what.to_lowercase().contains("certificate") => cause(
            ProblemKind::CertificateNotTrusted,
            format!("the certificate of {url} is not trusted ({what})"),
            "check that it is valid for this name and that this machine trusts its CA; for a self-signed \
             certificate, use --insecure",
        ),
        None => cause(ProblemKind::OtherServer, format!("{url} is not served by Prosody ({what})"), pass_it_on),
    }
}
