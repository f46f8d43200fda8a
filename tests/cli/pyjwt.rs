//! Tokens against `PyJWT`, the usual library: it accepts ours, for every algorithm and many claims, and we read its.
//! its.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::key_files::Keys;
use super::run::{Folder, SECRET, not_run, token, tool};

/// Reads a list of jobs: `token` is decoded, `claims` are encoded. Prints the result of each.
const PYTHON: &str = r#"
import json, sys
import jwt
results = []
for job in json.load(sys.stdin):
    if "token" in job:
        options = {"verify_aud": False}
        claims = jwt.decode(job["token"], job["key"], algorithms=[job["algorithm"]], options=options)
        results.append({"header": jwt.get_unverified_header(job["token"]), "claims": claims})
    else:
        token = jwt.encode(job["claims"], job["key"], algorithm=job["algorithm"])
        results.append(token if isinstance(token, str) else token.decode())
json.dump(results, sys.stdout)
"#;

/// A Python that has `PyJWT` and what it needs for key pairs; `None` without one.
fn python(test: &str) -> Option<&'static str> {
    let has = |python: &&str| {
        Command::new(python)
            .args(["-c", "import jwt, cryptography"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let found = ["/usr/bin/python3", "python3"].into_iter().find(has);
    if found.is_none() {
        not_run(test, "there is no Python with PyJWT and cryptography (scripts/setup check)");
    }
    found
}

fn ask(python: &str, jobs: &Value) -> Vec<Value> {
    let mut child = Command::new(python)
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(jobs.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Options of `token mint`, each set with some of the claims that must result.
fn variants() -> Vec<(Vec<&'static str>, Value)> {
    let user = |user: Value| json!({"context": {"user": user}});
    vec![
        (vec![], json!({"aud": "jitsi", "iss": "my_app", "sub": "meet.example.org", "room": "*"})),
        (vec!["--room", "tea"], json!({"room": "tea"})),
        (vec!["--room", "Über uns"], json!({"room": "%c3%bcber%20uns"})),
        (vec!["--room-pattern", "team%-.*"], json!({"room": "team%-.*", "context": {"room": {"regex": true}}})),
        (vec!["--audience", "other"], json!({"aud": "other"})),
        (vec!["--claim", "aud=[\"a\",\"b\"]"], json!({"aud": ["a", "b"]})),
        (vec!["--claim", "sub=tenant"], json!({"sub": "tenant"})),
        (vec!["--expires-at", "2199-01-01"], json!({"exp": 7_226_582_400_u64})),
        (vec!["--never"], json!({"exp": null})),
        (vec!["--claim", "nbf=1000000000"], json!({"nbf": 1_000_000_000})),
        (vec!["--name", "Zoë \"Z\" \\ 💡"], user(json!({"name": "Zoë \"Z\" \\ 💡"}))),
        (vec!["--name", "line\nbreak\ttab\u{1}"], user(json!({"name": "line\nbreak\ttab\u{1}"}))),
        (
            vec!["--user-id", "7", "--email", "a@b.c", "--avatar", "https://x.y/?a=b&c=d"],
            user(json!({"id": "7", "email": "a@b.c", "avatar": "https://x.y/?a=b&c=d"})),
        ),
        (vec!["--moderator"], user(json!({"moderator": true, "affiliation": "owner"}))),
        (vec!["--affiliation", "member"], user(json!({"affiliation": "member"}))),
        (vec!["--group", "staff"], json!({"context": {"group": "staff"}})),
        (
            vec![
                "--feature",
                "recording",
                "--feature",
                "flip=false",
                "--feature",
                "file-upload",
                "--feature",
                "outbound-call",
            ],
            json!({"context": {"features": {
                "recording": "true", "flip": "false", "file-upload": "true", "outbound-call": "true",
            }}}),
        ),
        (
            vec!["--claim", "n=-1.5e3", "--claim", "big=9007199254740993", "--claim", "b=false", "--claim", "z=null"],
            json!({"n": -1500.0, "big": 9_007_199_254_740_993_u64, "b": false}),
        ),
        (
            vec!["--claim", "https://x.y/z={\"deep\":[{\"er\":\"é\"}]}"],
            json!({"https://x.y/z": {"deep": [{"er": "é"}]}}),
        ),
        (vec!["--header", "kid=the key", "--claim", "t=text = text"], json!({"t": "text = text"})),
    ]
}

/// Whether `all` has everything that `part` has; `null` stands for a field that must be absent.
fn holds(all: &Value, part: &Value) -> bool {
    match part {
        Value::Object(fields) => fields.iter().all(|(name, value)| match (all.get(name), value) {
            (found, Value::Null) => found.is_none(),
            (Some(found), value) => holds(found, value),
            (None, _) => false,
        }),
        part => all == part,
    }
}

#[test]
fn pyjwt_and_the_tool_accept_each_others_tokens() {
    const TEST: &str = "pyjwt_and_the_tool_accept_each_others_tokens";
    let (Some(python), Some(keys)) = (python(TEST), Keys::new(TEST)) else {
        return;
    };
    let (_folder, secret) = Folder::with_secret(SECRET);
    let variants = variants();
    assert_eq!(variants.len(), 20);
    let mut jobs = Vec::new();
    for (algorithm, key) in [
        ("HS256", ""),
        ("HS384", ""),
        ("HS512", ""),
        ("RS256", "rsa"),
        ("RS384", "rsa"),
        ("RS512", "rsa"),
        ("ES256", "p256"),
    ] {
        let public = if key.is_empty() { SECRET.to_owned() } else { keys.text(&format!("{key}.pub")) };
        for (options, _) in &variants {
            let options = [&["--algorithm", algorithm], &options[..]].concat();
            let minted = if key.is_empty() {
                token("mint", &secret, options).end()
            } else {
                let mut all = options;
                all.extend(["--app-id=my_app", "--domain=meet.example.org"]);
                let file = format!("--key={}", keys.path(key).display());
                tool(["token", "mint", &file].iter().chain(&all)).end()
            };
            assert_eq!(minted.code, 0, "{minted:?}");
            jobs.push(json!({"token": minted.stdout.trim_end(), "key": public, "algorithm": algorithm}));
        }
        let private = if key.is_empty() { SECRET.to_owned() } else { keys.text(key) };
        let claims = json!({
            "aud": ["jitsi"], "iss": "my_app", "sub": "meet.example.org", "room": "tea", "exp": 4_000_000_000_u64,
            "context": {"user": {"name": "Zoë"}},
        });
        jobs.push(json!({"claims": claims, "key": private, "algorithm": algorithm}));
    }
    let results = ask(python, &Value::Array(jobs.clone()));
    assert_eq!(results.len(), jobs.len());
    for (n, (job, result)) in jobs.iter().zip(&results).enumerate() {
        let algorithm = job["algorithm"].as_str().unwrap();
        let Some((options, expected)) = variants.get(n % 21) else {
            assert_pyjwt_read(&keys, &secret, algorithm, result.as_str().unwrap());
            continue;
        };
        let wanted = json!({"typ": "JWT", "alg": algorithm});
        assert!(holds(&result["header"], &wanted), "{result}");
        assert!(holds(&result["claims"], expected), "{options:?} {algorithm}: {result}");
        if options.contains(&"--header") {
            assert_eq!(result["header"]["kid"], "the key");
        }
    }
}

fn assert_pyjwt_read(keys: &Keys, secret: &std::path::Path, algorithm: &str, theirs: &str) {
    let seen = if algorithm.starts_with("HS") {
        token("inspect", secret, [theirs]).end()
    } else {
        let key = if algorithm == "ES256" { "p256.pub" } else { "rsa.pub" };
        keys.inspect(key, theirs)
    };
    // `Keys::inspect` uses another app ID, so only the signature counts.
    assert!(seen.stdout.contains("signature: right"), "{algorithm}: {seen:?}");
    assert!(seen.stdout.contains("for   Zoë\n  room  tea\n"), "{algorithm}: {seen:?}");
}
