//! Single sign-on with an identity provider: its discovery document, turned into choices of this program. Jitsi's page
//! logs people in through `/static/sso.html` (2026), which exchanges a code for the provider's access token and passes
//! that to Prosody.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::host::Host;
use crate::host::failure::clipped;
use crate::login::fetch::{fetch, in_words};
use crate::site::key_source::check_source_url;
use crate::site::login_page::check_web_url;
use crate::site::policy::{Address, Policy};

/// Where the document is, relative to the issuer's URL.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The longest client ID, in bytes.
const LONGEST: usize = 255;

/// What the operator provides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// The provider's issuer URL.
    pub issuer: String,
    /// The client ID of Jitsi's page at the provider.
    pub client_id: String,
}

/// What Jitsi's `sso.html` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sso {
    /// The provider's URL for logins, without scheme and last part. Jitsi's page of August 2026 does not read it.
    service: String,
    /// The same for its URL for tokens.
    tokens: String,
    /// The client ID.
    client_id: String,
}

/// What to do about single sign-on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignOn {
    /// Turn it off.
    Off,
    /// Set it up with these values.
    With(Sso),
}

impl Sso {
    /// The object as written into the web page's configuration.
    pub fn code(&self) -> String {
        format!("{{ ssoService: '{}', tokenService: '{}', clientId: '{}' }}", self.service, self.tokens, self.client_id)
    }
}

/// Rejects what no provider has.
///
/// # Errors
/// What is wrong, in words for the operator.
pub fn check(oidc: &Oidc) -> Result<()> {
    check_web_url("--oidc", &oidc.issuer)?;
    if oidc.issuer.contains(['?', '#']) {
        bail!("--oidc needs the issuer's URL, which has neither a query nor a fragment");
    }
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-._~:/@".contains(c);
    if oidc.client_id.is_empty() || oidc.client_id.len() > LONGEST || !oidc.client_id.chars().all(harmless) {
        bail!("--client-id must be 1 to {LONGEST} letters, digits and - . _ ~ : / @");
    }
    Ok(())
}

/// Reads the provider's document and turns it into choices.
///
/// # Errors
/// What is wrong with the provider, in one sentence.
pub fn choose(host: &dyn Host, oidc: &Oidc, domain: &str, policy: &mut Policy) -> Result<()> {
    let url = format!("{}{DISCOVERY}", oidc.issuer.trim_end_matches('/'));
    match read(host, oidc, &url) {
        Ok(provider) => {
            provider.apply(oidc, domain, policy);
            Ok(())
        }
        Err(why) => bail!("{url}: {}; nothing was changed", clipped(&why)),
    }
}

/// The parts of the document that matter.
struct Provider {
    issuer: String,
    keys: String,
    authorize: String,
    sso: Sso,
}

fn read(host: &dyn Host, oidc: &Oidc, url: &str) -> Result<Provider, String> {
    let answer = fetch(host, url).map_err(|fault| in_words(&fault))?;
    if answer.status != 200 {
        let to = answer.location.map(|to| format!(" (redirects to {to})")).unwrap_or_default();
        return Err(format!("HTTP status {}{to}", answer.status));
    }
    let document: Value =
        serde_json::from_str(&answer.body).map_err(|_| "it is not JSON; is this the issuer's URL?".to_owned())?;
    let text = |name: &str| {
        let found = document.get(name).and_then(Value::as_str);
        found.map(str::to_owned).ok_or_else(|| format!("it has no {name}"))
    };
    let lists = |name: &str, entry: &str| match document.get(name).and_then(Value::as_array) {
        Some(list) => list.iter().any(|other| other == entry),
        None => true,
    };
    let issuer = text("issuer")?;
    if issuer.trim_end_matches('/') != oidc.issuer.trim_end_matches('/') {
        return Err(format!("its issuer is {issuer}; use that URL if it is correct"));
    }
    if !lists("id_token_signing_alg_values_supported", "RS256") {
        return Err("the provider does not sign with RS256, and Jitsi's plugins accept nothing else".to_owned());
    }
    if !lists("code_challenge_methods_supported", "S256") {
        return Err("the provider does not support code challenges with S256, which Jitsi's page uses".to_owned());
    }
    let authorize = text("authorization_endpoint")?;
    let tokens = text("token_endpoint")?;
    let keys = text("jwks_uri")?;
    for (name, url) in [("authorization_endpoint", &authorize), ("token_endpoint", &tokens)] {
        let odd = |c: char| !c.is_ascii_graphic() || "\"'\\<>{}`?#".contains(c);
        if !url.starts_with("https://") || url.contains(odd) {
            return Err(format!("its {name} is not a plain https URL: {url}"));
        }
    }
    check_source_url("jwks_uri", &keys).map_err(|error| error.to_string())?;
    let Some(service) = tokens.strip_prefix("https://").and_then(|url| url.strip_suffix("/token")) else {
        return Err(format!("its token_endpoint ({tokens}) does not end in /token, as Jitsi's page expects"));
    };
    let login = authorize.trim_start_matches("https://");
    let sso = Sso {
        service: login.rsplit_once('/').map_or(login, |(service, _)| service).to_owned(),
        tokens: service.to_owned(),
        client_id: oidc.client_id.clone(),
    };
    Ok(Provider { issuer, keys, authorize, sso })
}

impl Provider {
    /// Makes the choices that Jitsi's page and plugins need. Prosody gets an access token, which names no room.
    fn apply(self, oidc: &Oidc, domain: &str, policy: &mut Policy) {
        let escaped = |text: &str| crate::token::percent::encode(text);
        policy.jwks = Some(Address::At(self.keys));
        policy.login_url = Some(Address::At(format!(
            "{}?client_id={}&response_type=code&scope=openid%20profile%20email&redirect_uri={}&state={{state}}\
             &code_challenge={{code_challenge}}&code_challenge_method=S256",
            self.authorize,
            escaped(&oidc.client_id),
            escaped(&format!("https://{domain}/static/sso.html")),
        )));
        policy.sign_on = Some(SignOn::With(self.sso));
        policy.public_keys = policy.public_keys.take().map(|_| Vec::new());
        policy.require_room = Some(false);
        policy.issuers = vec![self.issuer];
        if policy.audiences.is_empty() {
            policy.audiences = vec![oidc.client_id.clone()];
        }
    }
}

/// Turns off what [`choose`] sets, unless the operator has chosen something else. The provider's claims go with its keys.
pub fn take_back(policy: &mut Policy) {
    policy.sign_on = Some(SignOn::Off);
    for address in [&mut policy.jwks, &mut policy.login_url] {
        *address = address.take().or(Some(Address::Off));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::host::fake::FakeHost;
    use crate::login::fetch::Document;
    use crate::login::net::HttpFault;

    fn provider() -> Value {
        json!({
            "issuer": "https://id.example/realms/m",
            "authorization_endpoint": "https://id.example/realms/m/openid/auth",
            "token_endpoint": "https://id.example/realms/m/openid/token",
            "jwks_uri": "https://id.example/realms/m/openid/certs",
            "id_token_signing_alg_values_supported": ["ES256", "RS256"],
            "code_challenge_methods_supported": ["plain", "S256"],
        })
    }

    fn chosen(answer: Result<Document, HttpFault>) -> Result<Policy> {
        let host = FakeHost::new().confines(move |_, url| {
            assert_eq!(url, "https://id.example/realms/m/.well-known/openid-configuration");
            serde_json::to_string(&answer).unwrap()
        });
        let oidc = Oidc { issuer: "https://id.example/realms/m/".to_owned(), client_id: "jitsi".to_owned() };
        check(&oidc).unwrap();
        let mut policy = Policy::default();
        choose(&host, &oidc, "m.org", &mut policy)?;
        Ok(policy)
    }

    fn of(document: &Value) -> Result<Policy> {
        chosen(Ok(Document { status: 200, body: document.to_string(), ..Document::default() }))
    }

    #[test]
    fn the_discovery_document_sets_the_policy() {
        let policy = of(&provider()).unwrap();
        assert_eq!(policy.jwks, Some(Address::At("https://id.example/realms/m/openid/certs".to_owned())));
        assert_eq!(
            policy.login_url.unwrap().url().unwrap(),
            "https://id.example/realms/m/openid/auth?client_id=jitsi&response_type=code&scope=openid%20profile%20email\
             &redirect_uri=https%3A%2F%2Fm.org%2Fstatic%2Fsso.html&state={state}&code_challenge={code_challenge}\
             &code_challenge_method=S256"
        );
        let Some(SignOn::With(sso)) = policy.sign_on else { panic!("no single sign-on") };
        assert_eq!(
            sso.code(),
            "{ ssoService: 'id.example/realms/m/openid', tokenService: 'id.example/realms/m/openid', clientId: 'jitsi' }"
        );
        assert_eq!(
            (policy.issuers, policy.audiences),
            (vec!["https://id.example/realms/m".to_owned()], vec!["jitsi".to_owned()])
        );
        assert_eq!(policy.require_room, Some(false));
    }

    #[test]
    fn unusable_providers_are_refused() {
        for (name, value, words) in [
            ("issuer", json!("https://other.example"), "its issuer is https://other.example"),
            ("id_token_signing_alg_values_supported", json!(["ES256"]), "does not sign with RS256"),
            ("code_challenge_methods_supported", json!(["plain"]), "code challenges"),
            ("token_endpoint", json!("https://id.example/oauth"), "does not end in /token"),
            ("token_endpoint", json!("https://id.example/'/token"), "not a plain https URL"),
            ("authorization_endpoint", json!("http://id.example/auth"), "not a plain https URL"),
            ("jwks_uri", json!("http://id.example/keys"), "needs https"),
            ("jwks_uri", json!(5), "it has no jwks_uri"),
        ] {
            let mut document = provider();
            document[name] = value;
            let said = of(&document).unwrap_err().to_string();
            assert!(said.contains(words) && said.ends_with("; nothing was changed"), "{name}: {said}");
        }
        let said = |answer| chosen(answer).unwrap_err().to_string();
        assert!(said(Err(HttpFault::Refused)).contains("connection refused"));
        assert!(said(Ok(Document { status: 404, ..Document::default() })).contains("HTTP status 404"));
        let page = Document { status: 200, body: "<html>".to_owned(), ..Document::default() };
        assert!(said(Ok(page)).contains("not JSON"));
        let client = |id: &str| check(&Oidc { issuer: "https://m".to_owned(), client_id: id.to_owned() });
        client("jitsi-meet_1").unwrap();
        for bad in ["", "a'b", "a b", &"x".repeat(256)] {
            client(bad).unwrap_err();
        }
    }
}
