//! The page where people without a token log in: its URL in the web page's configuration, and whether the installed web
//! page supports it.

use std::path::Path;

use anyhow::{Result, bail};

use crate::host::Host;
use crate::prosody::era::Era;
use crate::site::oidc::SignOn;
use crate::site::policy::{Address, Policy};
use crate::site::web_config::{PageEntry, PageObject, Wish};

/// What the web page replaces in `tokenAuthUrl`, each only where it appears first. `{state}` and `{code_challenge}`
/// since September 2023.
const PLACEHOLDERS: [&str; 3] = ["{room}", "{state}", "{code_challenge}"];

/// The script of Jitsi's web page. Names of settings and placeholders appear in it as in the source.
const SCRIPT: &str = "/usr/share/jitsi-meet/libs/app.bundle.min.js";

/// The page that identity providers send people back to, since 2026.
const SIGN_ON: &str = "/usr/share/jitsi-meet/static/sso.html";

/// The longest URL that is written into the page, in bytes.
const LONGEST: usize = 2048;

/// Rejects a URL that the web page would not understand.
///
/// # Errors
/// What is wrong, in words for the operator.
pub fn check_login_url(url: &str) -> Result<()> {
    check_page_url("--login-url", url)?;
    let mut rest = url;
    while let Some(start) = rest.find(['{', '}']) {
        let known = PLACEHOLDERS.iter().find(|placeholder| rest[start..].starts_with(**placeholder));
        let Some(known) = known else {
            let end = rest[start..].find('}').map_or(rest.len(), |end| start + end + 1);
            bail!(
                "unknown placeholder {} in --login-url; Jitsi's page replaces {}",
                &rest[start..end],
                PLACEHOLDERS.join(", ")
            );
        };
        if url.matches(known).count() > 1 {
            bail!("{known} appears twice in --login-url, but Jitsi's page replaces only the first");
        }
        rest = &rest[start + known.len()..];
    }
    Ok(())
}

/// Rejects a URL for the logout page, in which nothing is replaced.
///
/// # Errors
/// As [`check_login_url`].
pub fn check_logout_url(url: &str) -> Result<()> {
    check_page_url("--logout-url", url)?;
    if url.contains(['{', '}']) {
        bail!("--logout-url cannot contain placeholders: Jitsi's page does not replace them there");
    }
    Ok(())
}

/// A warning about a URL that is valid otherwise.
pub fn warning(login: &str) -> Option<String> {
    let told = login.contains("{room}") || login.contains("{state}");
    (!told).then(|| {
        "--login-url has neither {room} nor {state}, so the login page is not told which room people want to join"
            .to_owned()
    })
}

fn check_page_url(option: &str, url: &str) -> Result<()> {
    check_web_url(option, url)?;
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&()*+,;=%{}".contains(c);
    if let Some(odd) = url.chars().find(|c| !harmless(*c)) {
        bail!("{option} contains {odd:?}, which cannot be in a URL; write it percent-encoded");
    }
    Ok(())
}

/// Rejects a URL that is neither https nor on this machine.
///
/// # Errors
/// What is wrong, in words for the operator.
pub fn check_web_url(option: &str, url: &str) -> Result<()> {
    if url.len() > LONGEST {
        bail!("the address of {option} is longer than {LONGEST} bytes");
    }
    let Some((scheme, after)) = url.split_once("://") else {
        bail!("{option} needs a URL such as https://login.example.org/");
    };
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        bail!("the URL of {option} must not contain a user name or a password, which everybody could read");
    }
    let name = match authority.split_once(']') {
        Some((address, _)) => address.trim_start_matches('['),
        None => authority.split(':').next().unwrap_or_default(),
    };
    if name.is_empty() || name.contains(['{', '}']) {
        bail!("the URL of {option} has no host name");
    }
    let loopback = name == "localhost" || name == "::1" || name.starts_with("127.");
    match scheme {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => bail!("{option} needs https: over http anyone on the way can read and change what is sent"),
        _ => bail!("{option} needs a URL that begins with https://"),
    }
}

/// The chosen entries of the web page's configuration.
pub fn entries(policy: &Policy) -> Vec<PageEntry> {
    let entry = |name, address: &Option<Address>| {
        let wish = match address.as_ref()? {
            Address::Off => Wish::Gone,
            Address::At(url) => Wish::Text(url.clone()),
        };
        Some(PageEntry { name, object: PageObject::Config, wish })
    };
    let pages = [entry("tokenAuthUrl", &policy.login_url), entry("tokenLogoutUrl", &policy.logout_url)];
    let mut entries: Vec<PageEntry> = pages.into_iter().flatten().collect();
    let (sso, inline) = match &policy.sign_on {
        None => return entries,
        Some(SignOn::Off) => (Wish::Gone, Wish::Gone),
        // Only the popup of `tokenAuthInline` sends the nonce, without which sso.html rejects the response.
        Some(SignOn::With(sso)) => (Wish::Code(sso.code()), Wish::Code("true".to_owned())),
    };
    let both = [("sso", sso), ("tokenAuthInline", inline)];
    entries.extend(both.map(|(name, wish)| PageEntry { name, object: PageObject::Config, wish }));
    entries
}

/// The first of these entries that the installed web page does not read, by name. If its script is not on this machine,
/// the age of Jitsi's plugins decides: they are of one release.
///
/// # Errors
/// If the script cannot be read.
pub fn unread(host: &dyn Host, era: Era, entries: &[PageEntry]) -> Result<Option<&'static str>> {
    let wanted: Vec<&'static str> = entries
        .iter()
        .flat_map(|entry| match (&entry.wish, entry.name) {
            (Wish::Text(url), "tokenAuthUrl") => {
                PLACEHOLDERS[1..].iter().copied().filter(|placeholder| url.contains(placeholder)).collect()
            }
            (Wish::Text(_) | Wish::Code(_), name) => vec![name],
            _ => vec![],
        })
        .filter(|name| *name != "anonymousdomain")
        .collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let Some(script) = host.read(Path::new(SCRIPT))? else {
        return Ok(wanted.first().copied().filter(|_| era != Era::Bundled));
    };
    if wanted.contains(&"sso") && !host.exists(Path::new(SIGN_ON))? {
        return Ok(Some("static/sso.html"));
    }
    let has = |name: &str| name == "sso" || script.windows(name.len()).any(|window| window == name.as_bytes());
    Ok(wanted.into_iter().find(|name| !has(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;

    #[test]
    fn login_urls_must_be_https_or_local() {
        for good in [
            "https://login.m.org/{room}?state={state}&c={code_challenge}",
            "http://localhost:8000/",
            "http://127.0.0.1/x",
            "http://[::1]:80/",
            "https://m.org",
        ] {
            check_login_url(good).unwrap();
        }
        for (bad, words) in [
            ("http://login.m.org/", "needs https"),
            ("http://localhost.m.org/", "needs https"),
            ("http://127.m.org@m.org/", "user name"),
            ("ftp://m.org/", "begins with https://"),
            ("login.m.org", "needs a URL such as"),
            ("https://", "no host name"),
            ("https:///x", "no host name"),
            ("https://u:p@m.org/", "a user name or a password"),
            ("https://m.org/{rooms}", "unknown placeholder {rooms}"),
            ("https://m.org/{room", "unknown placeholder {room "),
            ("https://m.org/room}", "unknown placeholder }"),
            ("https://m.org/{room}/{room}", "{room} appears twice"),
            ("https://m.org/'", "contains '\\''"),
            ("https://m.org/<!--", "contains '<'"),
            ("https://m.org/a b", "contains ' '"),
            ("https://m.org/\\", "contains '\\\\'"),
            ("https://m.org/ü", "contains 'ü'"),
        ] {
            let said = check_login_url(bad).unwrap_err().to_string();
            let found = said.contains(words) || said.replace(" in --login-url", " ").contains(words);
            assert!(found, "{bad}: {said}");
        }
        check_logout_url("https://m.org/logout?a=b").unwrap();
        assert!(
            check_logout_url("https://m.org/{room}").unwrap_err().to_string().contains("cannot contain placeholders")
        );
        assert!(warning("https://m.org/").is_some() && warning("https://m.org/{state}").is_none());
    }

    #[test]
    fn unsupported_page_options_are_detected() {
        let all = |url: &str, logout: bool| {
            let at = |url: &str| Some(Address::At(url.to_owned()));
            entries(&Policy {
                login_url: at(url),
                logout_url: at("https://m/l").filter(|_| logout),
                ..Policy::default()
            })
        };
        let told = |script: Option<&str>, era, entries: &[PageEntry]| {
            let host = match script {
                Some(script) => FakeHost::new().file(SCRIPT, script),
                None => FakeHost::new(),
            };
            unread(&host, era, entries).unwrap()
        };
        let plain = all("https://m/{room}", false);
        let state = all("https://m/{state}", false);
        let logout = all("https://m/", true);
        let older = Some("e.tokenAuthUrl;t.replace(\"{room}\",n)");
        let newer = Some("e.tokenAuthUrl;e.tokenLogoutUrl;\"{state}\"");
        assert_eq!(told(older, Era::Bundled, &plain), None);
        assert_eq!(told(older, Era::Bundled, &state), Some("{state}"));
        assert_eq!(told(older, Era::Bundled, &logout), Some("tokenLogoutUrl"));
        assert_eq!(told(newer, Era::Decode, &state), None);
        assert_eq!(told(newer, Era::Decode, &logout), None);
        assert_eq!(told(None, Era::Decode, &state), Some("{state}"));
        assert_eq!(told(None, Era::Bundled, &state), None);
        assert_eq!(
            told(None, Era::Decode, &entries(&Policy { logout_url: Some(Address::Off), ..Policy::default() })),
            None
        );
    }
}
