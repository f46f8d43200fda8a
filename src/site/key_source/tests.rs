use std::path::Path;

use serde_json::json;

use super::*;
use crate::host::fake::FakeHost;
use crate::login::net::HttpFault;
use crate::prosody::plugin::FOLDER;
use crate::site::token_keys::{self, AcceptedKey};

/// The modulus of the key of RFC 7638, section 3.1.
const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

fn rsa(kid: &str) -> serde_json::Value {
    json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": N, "e": "AQAB"})
}

fn answer(body: &serde_json::Value, cache: Option<&str>) -> Document {
    let cache_control = cache.map(str::to_owned);
    Document { status: 200, body: body.to_string(), cache_control, location: None }
}

fn seen(body: &serde_json::Value) -> Result<String, String> {
    document::of_all(&answer(body, Some("max-age=3600")), true).map(|looked| looked.describe())
}

#[test]
fn the_contents_of_a_key_set_are_described() {
    assert_eq!(seen(&json!({"keys": [rsa("one")]})).unwrap(), "keys for RS256: one (RSA, 2048 bits)");
    let ec = json!({"kty": "EC", "kid": "curve", "crv": "P-256", "x": "a", "y": "b"});
    let mut other = rsa("other");
    other["alg"] = "PS256".into();
    let mut encrypts = rsa("enc");
    encrypts["use"] = "enc".into();
    let mut nameless = rsa("x");
    nameless.as_object_mut().unwrap().remove("kid");
    let said = seen(&json!({"keys": [ec.clone(), other, encrypts, nameless, rsa("two")], "issuer": "text is fine"}));
    let said = said.unwrap();
    for part in [
        "two (RSA",
        "curve is ignored",
        "it is EC",
        "other cannot be used: it is for PS256",
        "enc is not for",
        "without a kid",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let none = seen(&json!({"keys": [ec]})).unwrap_err();
    assert!(
        none.starts_with("it has no RSA key with a kid that Jitsi's plugins can use (key curve is ignored"),
        "{none}"
    );
}

#[test]
fn documents_that_break_the_plugin_are_refused() {
    let mut damaged = rsa("one");
    damaged["n"] = "!".into();
    let mut number = rsa("one");
    number["n"] = 5.into();
    let mut short = rsa("one");
    short["n"] = "AQAB".into();
    for (body, words) in [
        (json!({"keys": [rsa("one")], "next": 5}), "its member \"next\" is not text"),
        (json!({"keys": "none"}), "no RSA key"),
        (json!({"keys": {}}), "its member \"keys\" is not text"),
        (json!({"keys": [5]}), "entry 1 of its keys is not a key"),
        (json!({"keys": [damaged]}), "key one is damaged"),
        (json!({"keys": [number]}), "key one is damaged"),
        (json!({"keys": [short]}), "17 bits"),
        (
            json!({"one": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}),
            "certificate \"one\" is damaged",
        ),
        (json!([rsa("one")]), "not a JSON object"),
        (json!({}), "no RSA key"),
    ] {
        let said = seen(&body).unwrap_err();
        assert!(said.contains(words) && !said.contains('\n'), "{body}: {said}");
    }
    let set = json!({"keys": [rsa("one")]});
    for (cache, words) in [("max-age=0", "every 0 s"), ("max-age=61", "every 1 s"), ("max-age=1h", "not a number")] {
        let said = document::of_all(&answer(&set, Some(cache)), true).unwrap_err();
        assert!(said.contains(words), "{cache}: {said}");
    }
    let note = |cache| document::of_all(&answer(&set, cache), true).unwrap().describe();
    assert!(note(None).contains("every 6 hours"));
    assert!(note(Some("max-age=30")).contains("twice every 30 s"));
    let said = document::of_all(&answer(&set, None), false).unwrap_err();
    assert!(said.contains("certificates by kid only"), "{said}");
}

#[test]
fn answers_without_a_key_set_are_explained() {
    let page = |status, body: &str, location: Option<&str>| {
        let location = location.map(str::to_owned);
        document::of_all(&Document { status, body: body.to_owned(), location, cache_control: None }, true).unwrap_err()
    };
    assert_eq!(page(200, " <!DOCTYPE html>", None), "it is an HTML page, not a key set");
    assert_eq!(page(200, "keys", None), "it is not JSON");
    assert_eq!(page(404, "{}", None), "HTTP status 404");
    assert!(page(302, "", Some("https://other/")).contains("redirects to https://other/"));
}

fn source(server: Option<&str>, document: Option<&str>, kids: &[&str]) -> KeySource {
    let text = |text: &str| text.to_owned();
    KeySource {
        server: server.map(text),
        document: document.map(text),
        kids: kids.iter().map(|kid| text(kid)).collect(),
    }
}

fn machine(answers: impl Fn(&str) -> Result<Document, HttpFault> + 'static) -> (FakeHost, Plugin) {
    let util = format!("{FOLDER}token/util.lib.lua");
    let host = FakeHost::new()
        .file(&util, "x(\"asap_key_server\", 'cache_keys_url') module:require \"token/jwk\"")
        .confines(move |_, url| serde_json::to_string(&answers(url)).unwrap());
    let files = [util.into()].into();
    (host, Plugin { era: Era::Bundled, era_source: String::new(), modules: Default::default(), files })
}

#[test]
fn a_key_server_has_files_only_for_named_keys() {
    let base = "https://files.example/keys";
    let pem = document::of_all(&answer(&json!({"keys": [rsa("one")]}), None), true).unwrap().keys[0].pem.clone();
    let one = file(base, "one");
    assert_eq!(one, format!("{base}/7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed.pem"));
    let (host, plugin) = machine(move |url| {
        let found = url == one || url.contains("https://any.example");
        let body = if url == one { pem.clone() } else { "<html>".to_owned() };
        Ok(Document { status: if found { 200 } else { 404 }, body, ..Document::default() })
    });
    let said = |source: &KeySource| look(&host, &plugin, source).unwrap().map(|looked| looked.describe());
    assert_eq!(said(&source(Some(base), None, &["one"])).unwrap(), "keys for RS256: one (RSA, 2048 bits)");
    assert!(said(&source(Some(base), None, &[])).unwrap().contains("its keys are unknown"));
    let missing = said(&source(Some(base), None, &["two"])).unwrap_err();
    assert!(missing.contains("(kid two): HTTP status 404"), "{missing}");
    let any = said(&source(Some("https://any.example"), None, &[])).unwrap_err();
    assert!(any.contains("has a file for any kid"), "{any}");
}

#[test]
fn an_unreachable_source_is_named_with_the_reason() {
    for (url, fault, words) in [
        ("https://down.example/a", HttpFault::Refused, "connection refused"),
        ("https://down.example/b", HttpFault::TimedOut, "no answer within 6 s"),
        ("https://down.example/c", HttpFault::TooMuch("x".to_owned()), "longer than 256 KiB"),
    ] {
        let (host, plugin) = machine(move |_| Err(fault.clone()));
        let said = look(&host, &plugin, &source(None, Some(url), &[])).unwrap().unwrap_err();
        assert_eq!(said, format!("{url}: {}", said.rsplit(": ").next().unwrap()));
        assert!(said.contains(words), "{said}");
    }
}

/// A site with these options.
fn config(options: &str) -> Config {
    let host = FakeHost::new().file("/p.lua", format!("VirtualHost \"m.org\"\n{options}"));
    Config::load(&host, Path::new("/p.lua")).unwrap()
}

fn key(kid: &str) -> AcceptedKey {
    AcceptedKey { kid: kid.to_owned(), pem: "P".to_owned() }
}

#[test]
fn a_key_set_always_has_a_key_server() {
    let at = |url: &str| Some(Address::At(url.to_owned()));
    let options = |text: &str, policy: &Policy| host_options(&config(text), "m.org", policy);
    let text = |text: &str| Value::String(text.into());
    let jwks = Policy { jwks: at("https://k/j"), ..Policy::default() };
    assert_eq!(options("", &jwks), [(KEY_SERVER, text(NO_KEY_SERVER)), (DOCUMENT, text("https://k/j"))]);
    let both = Policy { key_server: at("https://k"), ..jwks };
    assert_eq!(options("", &both)[0], (KEY_SERVER, text("https://k")));
    let server = Policy { key_server: at("https://k"), ..Policy::default() };
    assert_eq!(options("", &server), [(KEY_SERVER, text("https://k"))]);
    let old = "cache_keys_url = \"https://old\"\n";
    assert_eq!(options(old, &server), [(KEY_SERVER, text("https://k")), (DOCUMENT, Value::Nil)]);
    let off = Policy { jwks: Some(Address::Off), ..Policy::default() };
    let on = format!("{old}asap_key_server = \"{NO_KEY_SERVER}\"\nsignature_algorithm = \"RS256\"\n");
    assert_eq!(options(&on, &off), [(KEY_SERVER, Value::Nil), (DOCUMENT, Value::Nil)]);
    assert_eq!(options("", &off), []);
    assert_eq!(options(&on, &Policy::default()), []);
    let own = Policy { public_keys: Some(vec![key("a")]), ..Policy::default() };
    assert_eq!(options(&on, &own), [(KEY_SERVER, Value::Nil), (DOCUMENT, Value::Nil)], "they replace the source");
    assert_eq!(options("", &own), []);
}

#[test]
fn turning_a_provider_off_removes_its_claims_only() {
    let claims = "asap_accepted_issuers = { \"i\" }\nasap_require_room_claim = false\n";
    let names = |text: &str, policy: &Policy| -> Vec<&str> {
        host_options(&config(text), "m.org", policy).into_iter().map(|(name, _)| name).collect()
    };
    let mut off = Policy::default();
    crate::site::oidc::take_back(&mut off);
    assert_eq!(names(claims, &off), [""; 0], "there is no provider: these are the operator's");
    let on = format!("{claims}cache_keys_url = \"https://old\"\n");
    assert_eq!(names(&on, &off), [DOCUMENT, "asap_accepted_issuers", "asap_require_room_claim"]);
    let own = Policy { issuers: vec!["j".to_owned()], require_room: Some(true), ..off };
    assert_eq!(names(&on, &own), [DOCUMENT]);
}

/// What was chosen before, what is chosen now, and the algorithm that follows.
#[test]
fn the_algorithm_follows_the_keys_that_are_chosen_last() {
    let own = Policy { public_keys: Some(vec![key("a")]), ..Policy::default() };
    let own_off = Policy { public_keys: Some(vec![]), ..Policy::default() };
    let jwks = Policy { jwks: Some(Address::At("https://k/j".to_owned())), ..Policy::default() };
    let jwks_off = Policy { jwks: Some(Address::Off), ..Policy::default() };
    let server_off = Policy { key_server: Some(Address::Off), ..Policy::default() };
    let off_now_hs512 = Policy { algorithm: Some(Algorithm::Hs512), ..jwks_off.clone() };
    let both = |one: &Policy, other: &Policy| Policy { jwks: other.jwks.clone(), ..one.clone() };
    let source = "cache_keys_url = \"https://old\"\nsignature_algorithm = \"RS256\"\n";
    let keys = "signature_algorithm = \"RS256\"\n";
    let hs512 = "signature_algorithm = \"HS512\"\n";
    for (before, now, wanted) in [
        ("", &own, Some("RS256")),
        (source, &own, Some("RS256")),
        (keys, &both(&own_off, &jwks), Some("RS256")),
        (keys, &both(&own, &jwks_off), Some("RS256")),
        (hs512, &jwks, Some("RS256")),
        (keys, &own_off, Some("HS256")),
        (source, &jwks_off, Some("HS256")),
        (source, &off_now_hs512, None),
        // Not these keys.
        (source, &own_off, None),
        (hs512, &jwks_off, None),
        (hs512, &server_off, None),
        (hs512, &own_off, None),
        ("", &jwks_off, None),
        (source, &Policy::default(), None),
    ] {
        let chosen = token_keys::algorithm(&config(before), "m.org", now);
        let chosen = chosen.as_ref().map(|(name, value)| (*name, value.as_str().unwrap()));
        assert_eq!(chosen, wanted.map(|wanted| ("signature_algorithm", wanted)), "{before:?}, {now:?}");
    }
}

#[test]
fn the_price_names_who_is_locked_out() {
    let own_off = Policy { public_keys: Some(vec![]), ..Policy::default() };
    let jwks = |policy: Policy| Policy { jwks: Some(Address::At("https://k/j".to_owned())), ..policy };
    let said = |text: &str, policy: &Policy| price(&config(text), "m.org", policy).unwrap_or_default();
    assert!(said("", &jwks(Policy::default())).contains("signs with the app secret stops working"));
    assert!(said("", &jwks(own_off)).contains("signs with a key of its own stops working"));
    let on = "cache_keys_url = \"https://old\"\n";
    let off = Policy { jwks: Some(Address::Off), ..Policy::default() };
    assert!(said(on, &off).ends_with("signed with the app secret (HS256) are accepted again"));
    let own = Policy { public_keys: Some(vec![key("a")]), ..Policy::default() };
    assert_eq!(said(on, &own), "tokens of the key source stop working");
    assert_eq!((said(on, &Policy::default()), said("", &off)), (String::new(), String::new()));
}

#[test]
fn unusable_source_urls_are_refused() {
    check_source_url("--key-server", "https://k.example/keys").unwrap();
    check_source_url("--jwks", "https://k.example/keys/?a=b").unwrap();
    for (option, url, words) in [
        ("--key-server", "https://k.example/keys/", "must not end with a slash"),
        ("--key-server", "https://k.example/keys?a", "must not end with a slash"),
        ("--jwks", "http://k.example/", "needs https"),
        ("--jwks", "file:///etc/passwd", "no host name"),
        ("--jwks", "https://k.example/\"", "percent-encoded"),
    ] {
        let said = check_source_url(option, url).unwrap_err().to_string();
        assert!(said.contains(words), "{url}: {said}");
    }
}
