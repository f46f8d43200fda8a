use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::inspect::{InspectRequest, Inspected, TokenVerdict, inspect};
use crate::engine::exit::Exit;
use crate::host::secret::Secret;
use crate::token::options::{ClaimsFile, Expiry, TokenOptions, draft};
use crate::token::{Algorithm, Issuer, Minted, Minter, Rooms, Rules, SigningKey, User};

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn any_room() -> TokenOptions {
    TokenOptions::default()
}

fn issuer() -> Issuer {
    Issuer {
        name: "app".to_owned(),
        audience: None,
        domain: "meet.example".to_owned(),
        key: SigningKey::shared(&Secret::unlisted("the-app-secret"), Algorithm::Hs256),
        algorithm: Algorithm::Hs256,
        kid: None,
        rules: None,
    }
}

fn mint(options: &TokenOptions, now: SystemTime) -> anyhow::Result<Minted> {
    Minter::new(draft(options, now)?, issuer(), false).mint(now)
}

fn with_link(options: &TokenOptions) -> Minted {
    Minter::new(draft(options, now()).unwrap(), issuer(), true).mint(now()).unwrap()
}

fn rules() -> Rules {
    Rules {
        issuers: Some(vec!["app".to_owned()]),
        domain: Some("meet.example".to_owned()),
        rooms: Rooms::of_site("meet.example"),
        ..Rules::default()
    }
}

fn read(input: &str) -> Inspected {
    let request = InspectRequest {
        input: input.as_bytes().to_vec(),
        secret: Some(Secret::unlisted("the-app-secret")),
        key: None,
        rules: rules(),
        room: None,
    };
    inspect(&request, now())
}

/// The text on a screen without an end.
fn shown(seen: &Inspected) -> String {
    seen.text(str::to_owned)
}

#[test]
fn a_strangers_token_cannot_add_lines() {
    let forged = "x\n  signature: right\n\nheader {}";
    let mut options = any_room();
    options.user = User { name: Some(forged.to_owned()), email: Some(forged.to_owned()), ..User::default() };
    let features = json!({ forged: 1 });
    options.claims = vec![
        format!("iss={forged}"),
        format!("sub={forged}"),
        format!("room={forged}"),
        format!("context={{\"features\":{features}}}"),
    ];
    let minted = mint(&options, now()).unwrap();
    let seen = inspect(&InspectRequest { input: minted.token.into_bytes(), ..InspectRequest::default() }, now());
    let text = shown(&seen);
    assert!(text.contains("the feature \"x\u{fffd}  signature: right"), "{text}");
    assert_eq!(text.matches("\n  signature: ").count(), 1, "{text}");
    assert_eq!(text.matches("\n\nheader {").count(), 1, "{text}");
    // The rest is JSON, as it was.
    let claims = text.split_once("\nclaims ").unwrap().1;
    assert_eq!(serde_json::from_str::<Value>(claims).unwrap()["iss"], forged);
}

#[test]
fn inspect_accepts_a_minted_token() {
    let minted = mint(&TokenOptions::default(), now()).unwrap();
    assert_eq!(minted.text(), minted.token);
    assert_eq!(
        Value::Object(minted.claims.clone()).to_string(),
        r#"{"aud":"jitsi","iss":"app","sub":"meet.example","room":"*","iat":1800000000,"exp":1800086400}"#
    );
    let seen = read(&minted.token);
    assert_eq!((seen.valid, seen.exit_code), (Some(true), Exit::Done), "{}", shown(&seen));
    assert_eq!((seen.verdict, &seen.reason), (TokenVerdict::Accepted, &None));
    assert!(shown(&seen).contains("until 2027-01-16 08:00:00 UTC (in 1 d)"), "{}", shown(&seen));
}

#[test]
fn user_features_group_and_claims_reach_the_token() {
    let mut options = any_room();
    options.user = User { name: Some("Ada".to_owned()), ..User::default() };
    options.features = vec!["recording".to_owned(), "livestreaming=false".to_owned(), "warp".to_owned()];
    options.claims = vec!["n=1".to_owned(), "o={\"a\":[]}".to_owned(), "t=a=b".to_owned(), "iss=me".to_owned()];
    options.starts_in = Some(Duration::from_secs(60));
    let minted = mint(&options, now()).unwrap();
    let features = json!({"recording": "true", "livestreaming": "false", "warp": "true"});
    assert_eq!(minted.claims["context"], json!({"user": {"name": "Ada"}, "features": features}));
    let picked = ["n", "o", "t", "iss", "nbf", "exp"].map(|name| minted.claims[name].clone());
    let expected = json!([1, {"a": []}, "a=b", "me", 1_800_000_060, 1_800_086_460]);
    assert_eq!(Value::from(picked.to_vec()), expected);
    assert_eq!(minted.warnings.len(), 2, "{:?}", minted.warnings);
    assert!(shown(&read(&minted.token)).contains("for   Ada"));
}

#[test]
fn room_names_are_normalized_in_token_and_link() {
    let mut options = any_room();
    options.room = Some("Team A".to_owned());
    let minted = with_link(&options);
    assert_eq!(minted.claims["room"], "team%20a");
    assert!(minted.warnings[0].contains("\"team%20a\""));
    let link = minted.url.as_deref().unwrap();
    assert_eq!(link, format!("https://meet.example/team%20a?jwt={}", minted.token));
    assert_eq!(read(link).valid, Some(true));
    options.room = None;
    let minted = with_link(&options);
    assert!(minted.text().starts_with("https://meet.example/meeting-"));
    assert_eq!(read(minted.text()).valid, Some(true));
}

#[test]
fn each_mistake_is_one_sentence() {
    let with = |change: fn(&mut TokenOptions)| {
        let mut options = any_room();
        change(&mut options);
        mint(&options, now()).unwrap_err().to_string()
    };
    assert!(with(|options| options.room = Some(String::new())).contains("empty room name"));
    assert!(with(|options| options.room = Some("???".to_owned())).contains("invalid room name"));
    assert!(with(|options| options.features = vec!["recording=yes".to_owned()]).contains("NAME=true"));
    assert!(with(|options| options.claims = vec!["x".to_owned()]).contains("NAME=VALUE"));
    assert!(with(|options| options.claims = vec!["x={".to_owned()]).contains("invalid JSON"));
    assert!(with(|options| options.claims = vec!["x=1".to_owned(), "x=2".to_owned()]).contains("twice"));
}

#[test]
fn claims_from_two_sources_are_refused() {
    let with = |change: fn(&mut TokenOptions)| {
        let mut options = TokenOptions {
            claims_file: Some(ClaimsFile {
                name: "f".to_owned(),
                bytes: br#"{"x": 1, "room": "a", "context": {"user": {"name": "Ada"}, "group": "g"}}"#.to_vec(),
            }),
            ..TokenOptions::default()
        };
        change(&mut options);
        mint(&options, now()).map_err(|error| format!("{error:#}"))
    };
    let good = with(|options| options.user.id = Some("7".to_owned())).unwrap();
    assert_eq!(good.claims["context"], json!({"user": {"id": "7", "name": "Ada"}, "group": "g"}));
    assert_eq!((&good.claims["room"], &good.claims["x"]), (&json!("a"), &json!(1)));
    assert!(good.warnings.is_empty(), "{:?}", good.warnings);
    type Change = fn(&mut TokenOptions);
    let cases: [(Change, &str); 6] = [
        (|options| options.room = Some("b".to_owned()), "\"room\" has two sources: --room and --claims"),
        (
            |options| options.user.name = Some("Bo".to_owned()),
            "\"context.user.name\" has two sources: --name and --claims",
        ),
        (|options| options.claims = vec!["x=2".to_owned()], "\"x\" has two sources: --claims and --claim"),
        (|options| options.claims = vec!["context=1".to_owned()], "\"context\" has two sources: --claims and --claim"),
        (
            |options| {
                options.user.moderator = Some(true);
                options.user.affiliation = Some("member".to_owned());
            },
            "\"context.user.affiliation\" has two sources: --moderator and --affiliation",
        ),
        (
            |options| options.features = vec!["flip".to_owned(), "flip=false".to_owned()],
            "\"context.features.flip\" is given twice",
        ),
    ];
    for (change, words) in cases {
        let error = with(change).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_token_that_jitsi_would_refuse_is_minted_with_a_warning() {
    let with = |claim: &str| {
        let options = TokenOptions { claims: vec![claim.to_owned()], ..TokenOptions::default() };
        mint(&options, now()).unwrap().warnings.concat()
    };
    assert!(with("exp=1799999820").contains("rejects this token: expired 3 min ago"));
    assert!(with("exp=soon").contains("\"exp\" is a text, not a number"));
    assert!(with("aud=1").contains("\"aud\" is a number, which is rejected where audiences are limited"));
    assert!(with("room=Team A").contains("there is no room"));
    // Not valid until later: that is what was asked for.
    assert_eq!(with("nbf=1800000100.5"), "");
}

#[test]
fn expiry_before_start_is_refused() {
    let at = |moment| {
        let options = TokenOptions {
            expiry: Expiry::At(moment),
            starts_in: Some(Duration::from_secs(60)),
            ..TokenOptions::default()
        };
        mint(&options, now()).map_err(|error| error.to_string())
    };
    assert_eq!(at(1_800_000_061).unwrap().claims["exp"], 1_800_000_061);
    let error = at(1_800_000_060).unwrap_err();
    assert!(error.contains("2027-01-15 08:01:00 UTC is before the token"), "{error}");
}

#[test]
fn a_room_pattern_sets_both_claims() {
    let options = TokenOptions { room_pattern: Some("team%-.*".to_owned()), ..TokenOptions::default() };
    let minted = with_link(&options);
    assert_eq!(minted.claims["room"], "team%-.*");
    assert_eq!(minted.claims["context"], json!({"room": {"regex": true}}));
    assert!(minted.warnings.is_empty(), "{:?}", minted.warnings);
    assert!(minted.text().starts_with("https://meet.example/meeting-"));
    let text = shown(&read(&minted.token));
    assert!(text.contains("every room whose name matches the Lua pattern team%-.*"), "{text}");
}

#[test]
fn a_token_without_expiry_causes_a_warning() {
    let mut options = any_room();
    options.expiry = Expiry::Never;
    let minted = mint(&options, now()).unwrap();
    assert!(!minted.claims.contains_key("exp"));
    assert!(minted.warnings[0].contains("never expires"));
}

#[test]
fn a_refused_token_exits_4_and_json_matches_text() {
    let mut options = any_room();
    options.expiry = Expiry::In(Duration::from_secs(1));
    let minted = mint(&options, now() - Duration::from_secs(300)).unwrap();
    let seen = read(&minted.token);
    assert_eq!(seen.exit_code, Exit::Refused);
    assert!(shown(&seen).starts_with("Jitsi rejects it: expired 4 min ago"), "{}", shown(&seen));
    let value = serde_json::to_value(&seen).unwrap();
    assert_eq!((&value["valid"], &value["signature"]), (&json!(false), &json!("valid")));
    assert_eq!(value["claims"]["iss"], "app");
    let text = shown(&seen);
    for problem in value["problems"].as_array().unwrap() {
        assert!(text.contains(problem["text"].as_str().unwrap()));
    }
}

#[test]
fn a_pasted_secret_is_not_repeated() {
    let seen = read("the-app-secret");
    assert_eq!(seen.exit_code, Exit::Refused);
    let shown = format!("{} {}", shown(&seen), serde_json::to_string(&seen).unwrap());
    assert!(!shown.contains("the-app-secret"), "{shown}");
}

/// A token for a site that limits what it accepts, as `mint` makes it there.
fn at_site(change: impl Fn(&mut TokenOptions), rules: Rules) -> Minted {
    let mut options = TokenOptions::default();
    change(&mut options);
    let issuer =
        Issuer { name: "site".to_owned(), audience: Some("guests".to_owned()), rules: Some(rules), ..issuer() };
    Minter::new(draft(&options, now()).unwrap(), issuer, true).mint(now()).unwrap()
}

fn strict() -> Rules {
    Rules {
        issuers: Some(vec!["site".to_owned()]),
        audiences: vec!["guests".to_owned()],
        algorithm: Some(Algorithm::Hs256),
        ..rules()
    }
}

#[test]
fn minting_follows_the_sites_rules() {
    let minted = at_site(|_| {}, strict());
    assert!(minted.warnings.is_empty(), "{:?}", minted.warnings);
    assert_eq!((&minted.claims["iss"], &minted.claims["aud"]), (&json!("site"), &json!("guests")));
    let other = at_site(|options| options.audience = Some("all".to_owned()), strict());
    assert!(other.warnings.concat().contains("wrong audience"), "{:?}", other.warnings);
    let list = at_site(|options| options.claims = vec!["aud=[\"guests\"]".to_owned()], strict());
    assert!(list.warnings.concat().contains("not a string"), "{:?}", list.warnings);
    let hs512 = Rules { algorithm: Some(Algorithm::Hs512), ..strict() };
    let minted = at_site(|_| {}, hs512);
    assert!(minted.warnings.concat().contains("only accepts HS512"), "{:?}", minted.warnings);
}

#[test]
fn a_tenants_link_has_the_tenant_in_its_path() {
    let tenant = |rules: Rules| {
        at_site(
            |options| {
                options.room = Some("tea".to_owned());
                options.claims = vec!["sub=Acme".to_owned()];
            },
            rules,
        )
    };
    let minted = tenant(strict());
    let url = minted.url.unwrap();
    assert!(url.starts_with("https://meet.example/acme/tea?jwt="), "{url}");
    assert!(minted.warnings.concat().contains("of the tenant \"Acme\""), "{:?}", minted.warnings);
    // If the domain is not checked, `sub` is only a claim.
    let loose = Rules { domain_verification: false, ..strict() };
    let url = tenant(loose).url.unwrap();
    assert!(url.starts_with("https://meet.example/tea?jwt="), "{url}");
}

#[test]
fn claims_without_effect_cause_a_warning() {
    let warned =
        |options: &TokenOptions| Minter::new(draft(options, now()).unwrap(), issuer(), false).mint(now()).unwrap();
    let said = |options: TokenOptions| warned(&options).warnings.join("\n");
    let mut admin = TokenOptions::default();
    admin.user.affiliation = Some("admin".to_owned());
    assert!(said(admin).contains("the affiliation \"admin\" does not make a moderator"));
    let claims = |text: &str| TokenOptions { claims: vec![text.to_owned()], ..TokenOptions::default() };
    assert!(said(claims("moderator=true")).contains("\"moderator\" has no effect"));
    assert!(said(claims(r#"features={"recording":true}"#)).contains("\"features\" has no effect"));
    let mut moderator = TokenOptions::default();
    moderator.user.moderator = Some(true);
    moderator.features = vec!["lobby".to_owned(), "flip=false".to_owned()];
    assert_eq!(said(moderator), "");
}

#[test]
fn unsupported_room_patterns_cause_a_warning() {
    let minted =
        |rules: Rules| at_site(|options| options.room_pattern = Some("te.*".to_owned()), rules).warnings.concat();
    assert_eq!(minted(strict()), "");
    let old = Rules { plugin: crate::token::PluginModel::of(2020, 8), ..strict() };
    assert!(minted(old).contains("which this Jitsi does not support"));
}
