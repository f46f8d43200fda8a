//! Fuzz tests: broken tokens and keys.

use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::key::{PublicKey, SigningKey};
use super::{Algorithm, Header, PluginModel, Rooms, Rules, Signature, inspect, sign};
use crate::fuzz_tests::{Dice, Fuzzer, mutated};
use crate::host::secret::Secret;

const NOW: u64 = 1_800_000_000;

const PIECES: [&str; 40] = [
    ".",
    "..",
    "=",
    "-",
    "_",
    "+",
    "/",
    "\\",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "1e999",
    "-0",
    "\\u0000",
    "\\ud800",
    "\u{202e}",
    "\u{0}",
    "\n",
    " ",
    "Bearer ",
    "https://meet.example/daily?jwt=",
    "#jwt=",
    "%2e",
    "{\"alg\":\"none\"}",
    "\"exp\":",
    "\"room\":",
    "\"sub\":",
    "\"context\":",
    "\"aud\":[",
    "\"alg\":\"HS512\"",
    "\"alg\":\"RS256\"",
    "(%a",
    "[a-",
    "eyJhbGciOiJIUzI1NiJ9",
];

fn secret() -> Secret {
    Secret::unlisted("key-of-the-fuzzer")
}

/// Rules for the plugins of four dates, each with everything set that they can check.
fn rules() -> Vec<Rules> {
    [(2020, 11), (2022, 5), (2023, 12), (2026, 8)]
        .map(|(year, month)| Rules {
            plugin: PluginModel::of(year, month),
            issuers: Some(vec!["app".to_owned()]),
            domain: Some("meet.example".to_owned()),
            rooms: Rooms::of_site("meet.example"),
            ..Rules::default()
        })
        .into()
}

fn tokens(then: impl Fn(&Fuzzer)) {
    let claims = [
        json!({"aud": "jitsi", "iss": "app", "sub": "meet.example", "room": "daily", "exp": NOW + 60}),
        json!({"aud": ["jitsi"], "iss": "app", "sub": "*", "room": "*", "exp": NOW + 60, "nbf": NOW - 1,
            "context": {"user": {"id": 7, "name": "A", "moderator": "true"}, "features": {"recording": true},
                "room": {"regex": true}, "tenant": null}}),
    ];
    let signed = |claims: &serde_json::Value| sign(&Header::default(), claims.as_object().unwrap(), &secret());
    let tokens: Vec<Vec<u8>> = claims.iter().map(|claims| signed(claims).into_bytes()).collect();
    let plain: Vec<Vec<u8>> = claims.iter().map(|claims| claims.to_string().into_bytes()).collect();
    let rules = rules();
    then(&Fuzzer {
        name: "token",
        // Most are validly signed, but broken inside.
        make: &|dice| match dice.below(4) {
            0 => mutated(&tokens, &PIECES, dice),
            1 => signed_whatever(mutated(&plain, &PIECES, dice), dice),
            _ => signed_whatever(odd(&claims, dice), dice),
        },
        try_it: &|input| try_token(input, &rules),
    });
}

/// Claims with up to three of them replaced by plausible or absurd values.
fn odd(claims: &[serde_json::Value], dice: &mut Dice) -> Vec<u8> {
    const NAMES: [&str; 9] = ["aud", "iss", "sub", "room", "exp", "nbf", "iat", "context", "user"];
    let mut claims = claims[dice.below(claims.len())].clone();
    for _ in 0..=dice.below(3) {
        let number = dice.next() as i64 >> dice.below(64);
        let values = [
            json!(null),
            json!(true),
            json!(number),
            json!(number as f64 * 1e-3),
            json!([]),
            json!({}),
            json!(["jitsi", number, {"user": [null]}]),
            json!({"room": {"regex": "(te%D+"}, "user": {"id": null}, "tenant": number}),
            json!("daily"),
            json!("*"),
            json!("(%a+)%1[^%b()"),
            json!("\u{202e}\u{0}"),
            json!(PIECES[dice.below(PIECES.len())].repeat(dice.below(40))),
        ];
        claims[NAMES[dice.below(NAMES.len())]] = values[dice.below(values.len())].clone();
    }
    claims.to_string().into_bytes()
}

fn signed_whatever(claims: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    let header = match dice.below(8) {
        0 => mutated(&[br#"{"alg":"HS256","typ":"JWT","kid":"a"}"#.to_vec()], &PIECES, dice),
        _ => br#"{"alg":"HS256"}"#.to_vec(),
    };
    let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signed = parts.join(".");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret().reveal().as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}").into_bytes()
}

/// One execution: it must not panic, its answer must serialize, and nothing is valid without the right signature.
fn try_token(input: &[u8], rules: &[Rules]) -> bool {
    let mut beyond = false;
    for rules in rules {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let seen = inspect(input, Some(&secret()), rules, None, now);
        assert!(seen.valid() != Some(true) || seen.signature == Signature::Valid);
        assert!(!serde_json::to_string(&seen).expect("it is JSON").contains(secret().reveal()));
        beyond |= seen.claims.is_some();
    }
    beyond
}

/// The output of openssl with these arguments.
fn openssl(line: &str) -> Vec<u8> {
    let output = Command::new("openssl").args(line.split(' ')).output();
    let output = output.expect("openssl runs");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Keys of every kind, as PEM.
fn key_files() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (rsa, ec) = (file("rsa"), file("ec"));
    openssl(&format!("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out {rsa}"));
    openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {ec}"));
    [
        format!("pkey -in {rsa}"),
        format!("rsa -in {rsa} -traditional"),
        format!("pkey -in {rsa} -pubout"),
        format!("rsa -in {rsa} -RSAPublicKey_out"),
        format!("req -x509 -key {rsa} -subj /CN=a -days 2"),
        format!("pkey -in {ec}"),
        format!("ec -in {ec}"),
        format!("pkey -in {ec} -pubout"),
        format!("req -x509 -key {ec} -subj /CN=a -days 2"),
    ]
    .iter()
    .map(|line| openssl(line))
    .collect()
}

/// The label and the decoded body.
fn opened(pem: &[u8]) -> (String, Vec<u8>) {
    let text = String::from_utf8(pem.to_vec()).unwrap();
    let label = text.split("-----").nth(1).unwrap().replace("BEGIN ", "");
    let body: String = text.split("-----").nth(2).unwrap().split_whitespace().collect();
    (label, STANDARD.decode(body).unwrap())
}

fn keys(then: impl Fn(&Fuzzer)) {
    let files = key_files();
    let (labels, inside): (Vec<String>, Vec<Vec<u8>>) = files.iter().map(|file| opened(file)).unzip();
    let pieces = [
        "-----BEGIN ",
        "-----END ",
        "-----",
        "PRIVATE KEY",
        "EC PARAMETERS",
        "Proc-Type: 4,ENCRYPTED\n",
        "\n",
        "=",
        "\u{30}\u{7f}",
        "\u{2}\u{1}",
        "\u{3}",
        "\u{6}\u{9}",
    ];
    then(&Fuzzer {
        name: "key",
        // Most are valid PEM with a broken body.
        make: &|dice| match dice.below(4) {
            0 => mutated(&files, &pieces, dice),
            _ => {
                let at = dice.below(inside.len());
                let body = STANDARD.encode(mutated(&inside[at..=at], &pieces, dice));
                format!("-----BEGIN {0}-----\n{body}\n-----END {0}-----\n", labels[at]).into_bytes()
            }
        },
        try_it: &try_key,
    });
}

/// One execution: it must not panic, and what an accepted key signs must verify with its public half.
fn try_key(input: &[u8]) -> bool {
    let text = Secret::unlisted(String::from_utf8_lossy(input));
    let (private, public) = (SigningKey::from_pem(&text), PublicKey::from_pem(&text));
    if let Ok(public) = &public {
        for algorithm in [Algorithm::Rs256, Algorithm::Rs512, Algorithm::Es256, Algorithm::Hs256] {
            assert!(!public.accepts(algorithm, b"text", b"no signature"));
        }
    }
    let (Ok(private), Ok(public)) = (&private, &public) else {
        return public.is_ok();
    };
    let algorithm = private.algorithm(None).expect("it has one");
    let mut signature = Vec::new();
    // A key that is consistent only on the surface may fail to sign, but must not sign wrongly.
    if private.sign(algorithm, b"text", &mut signature).is_ok() {
        assert!(public.accepts(algorithm, b"text", &signature));
    }
    true
}

#[test]
fn mutated_tokens_are_handled_safely() {
    tokens(|fuzzer| fuzzer.some_thousand(400));
}

#[test]
fn mutated_keys_are_handled_safely() {
    keys(|fuzzer| fuzzer.some_thousand(100));
}

#[allow(clippy::redundant_closure_for_method_calls, reason = "the method alone is not general enough")]
mod thorough {
    use super::*;

    #[test]
    #[ignore = "scripts/fuzz runs it; scripts/test --all a little of it"]
    fn fuzz_tokens() {
        tokens(|fuzzer| fuzzer.long_run());
    }

    #[test]
    #[ignore = "scripts/fuzz runs it; scripts/test --all a little of it"]
    fn fuzz_keys() {
        keys(|fuzzer| fuzzer.long_run());
    }
}
