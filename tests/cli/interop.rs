//! Tokens against an implementation that shares no code with ours: Python's `hmac`. The secret is passed on standard
//! input, never in an argument.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use super::run::{Folder, not_run, tool};

/// Reads `secret`. Given claims, signs them and prints the token; given a token, checks it and prints its claims.
const PYTHON: &str = r#"
import base64, hashlib, hmac, json, sys
given = json.load(sys.stdin)
def sign(signed):
    digest = hmac.new(given["secret"].encode(), signed.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
def part(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
def write(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
if "claims" in given:
    signed = write({"alg": "HS256", "typ": "JWT"}) + "." + write(given["claims"])
    print(signed + "." + sign(signed), end="")
else:
    signed, signature = given["token"].rsplit(".", 1)
    assert hmac.compare_digest(signature, sign(signed)), "the signature is wrong"
    header, claims = map(part, signed.split("."))
    assert json.loads(header)["alg"] == "HS256", header
    print(claims.decode(), end="")
"#;

/// Secrets whose bytes are easily mistaken for something else.
const SECRETS: [&str; 4] =
    ["0123456789ABCDEF0123456789ABCDEF", "c2VjcmV0LXNlY3JldA==", r#"q"uo'te\`$[&]/*^. x"#, "ümlaut-and-more"];

fn python(given: &serde_json::Value) -> Option<String> {
    let child = Command::new("python3").args(["-c", PYTHON]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        child => child.unwrap(),
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(given.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "python3 refused {given}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn python_accepts_our_tokens_and_reads_our_claims() {
    for secret in SECRETS {
        let (_folder, path) = Folder::with_secret(format!("{secret}\n"));
        let token = tool([
            "token".as_ref(),
            "mint".as_ref(),
            "--app-id=app".as_ref(),
            "--domain=meet.example.org".as_ref(),
            "--name=Zoë".as_ref(),
            "--app-secret-file".as_ref(),
            path.as_os_str(),
        ])
        .hides(secret)
        .ends(0)
        .stdout;
        let given = serde_json::json!({"secret": secret, "token": token.trim_end()});
        let Some(claims) = python(&given) else {
            return not_run("python_accepts_our_tokens_and_reads_our_claims", "there is no python3");
        };
        let claims: serde_json::Value = serde_json::from_str(&claims).unwrap();
        assert_eq!(claims["iss"], "app");
        assert_eq!(claims["context"]["user"]["name"], "Zoë");
    }
}

#[test]
fn we_accept_pythons_tokens() {
    for secret in SECRETS {
        let claims = serde_json::json!({
            "aud": "jitsi", "iss": "app", "sub": "meet.example.org", "room": "*", "exp": 4_000_000_000_u64,
        });
        let given = serde_json::json!({"secret": secret, "claims": claims});
        let Some(token) = python(&given) else {
            return not_run("we_accept_pythons_tokens", "there is no python3");
        };
        let (_folder, path) = Folder::with_secret(secret);
        let ended = tool([
            "token".as_ref(),
            "inspect".as_ref(),
            token.as_ref(),
            "--app-id=app".as_ref(),
            "--domain=meet.example.org".as_ref(),
            "--app-secret-file".as_ref(),
            path.as_os_str(),
        ])
        .hides(secret)
        .ends(0);
        assert!(ended.stdout.contains("signature: right"), "{ended:?}");
    }
}
