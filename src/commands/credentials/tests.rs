use std::process::{Command, Stdio};

use super::{CredentialsForm, Shown};

fn render(domain: &str, app_id: &str, secret: Option<&str>, form: CredentialsForm) -> anyhow::Result<String> {
    let shown =
        Shown { domain, app_id, app_secret: secret, public_keys: vec![], key_source: None, old_secret_until: None };
    super::render(shown, form)
}

const ODD: [&str; 16] = [
    "a'b$c",
    "\"x\"",
    "`id`",
    "$(id)",
    "${HOME}",
    "$HOME",
    "a\\b\\\\c\\n",
    "a b  c",
    " a ",
    "#a",
    "a #b",
    "~/x",
    "*;|&<>()",
    "!x!",
    "'",
    "é\u{202e}",
];
const PLAIN: [&str; 6] =
    ["0123456789ABCDEF0123456789ABCDEF", "c2VjcmV0/x+y==", "a:b@c,d.e-f_g%20^h", "=x", "a:", "%s^"];

fn secret(value: &str, form: CredentialsForm) -> anyhow::Result<String> {
    render("m.example.org", "my_app", Some(value), form)
}

/// The output of a program that gets the path of a file with this text as its last argument.
fn read(command: &[&str], text: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values");
    std::fs::write(&path, text).unwrap();
    let ended = Command::new(command[0])
        .args(&command[1..])
        .arg(&path)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nowhere")
        .current_dir(folder.path())
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    assert!(ended.status.success(), "{command:?}: {text}");
    Some(String::from_utf8(ended.stdout).unwrap())
}

const SOURCED: &str = ". \"$1\"; printf %s \"$JITSI_APP_SECRET\"";

#[test]
fn shells_read_back_every_secret() {
    for value in ODD.iter().chain(&PLAIN) {
        let text = secret(value, CredentialsForm::Shell).unwrap();
        for shell in ["sh", "bash", "dash"] {
            let seen = read(&[shell, "-c", SOURCED, shell], &text);
            assert!(seen.is_some() || shell == "dash", "there is no {shell}");
            assert_eq!(seen.as_deref().unwrap_or(value), *value, "{shell}");
        }
    }
}

/// How docker's --env-file reads a file (docker/cli, opts/file.go): no quotes, no escapes, blanks before the name
/// dropped, lines that begin with # skipped.
fn docker(text: &str) -> Option<&str> {
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| line.strip_prefix("JITSI_APP_SECRET="))
}

#[test]
fn env_files_round_trip_every_accepted_secret() {
    let python = "import sys, dotenv; print(dotenv.dotenv_values(sys.argv[1])['JITSI_APP_SECRET'], end='')";
    let there = Command::new("python3").args(["-c", "import dotenv"]).stderr(Stdio::null()).status();
    let there = there.is_ok_and(|status| status.success());
    for value in PLAIN {
        let text = secret(value, CredentialsForm::Env).unwrap();
        assert_eq!(docker(&text), Some(value));
        for shell in ["sh", "bash"] {
            let seen = read(&[shell, "-c", SOURCED, shell], &text);
            assert_eq!(seen.unwrap(), value, "{shell}");
        }
        if there {
            let seen = read(&["python3", "-c", python], &text);
            assert_eq!(seen.unwrap(), value);
        }
    }
    for value in ODD {
        let error = secret(value, CredentialsForm::Env).unwrap_err().to_string();
        assert!(error.starts_with("the app secret contains "), "{error}");
        assert!(error.ends_with("use --format shell, --secret-only or --json"), "{error}");
        assert!(!error.contains(value) || value.len() <= 3, "{error}");
    }
}

#[test]
fn json_holds_every_secret() {
    for value in ODD.iter().chain(&PLAIN) {
        let text = secret(value, CredentialsForm::Json).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["app_secret"], *value);
        assert!(!text.contains('\u{202e}'));
    }
}

#[test]
fn control_characters_are_refused_except_in_json() {
    for form in [CredentialsForm::Shell, CredentialsForm::Env] {
        assert!(render("m.org", "a\nb", None, form).is_err());
    }
    assert!(render("m.org", "a\nb", None, CredentialsForm::Json).is_ok());
}

#[test]
fn the_secret_is_hidden_unless_asked_for() {
    let shown = |form| render("m.org", "id", None, form).unwrap();
    assert!(shown(CredentialsForm::Shell).contains("# JITSI_APP_SECRET is hidden"));
    assert!(shown(CredentialsForm::Json).contains("null"));
    assert_eq!(
        render("m.org", "id", Some("x"), CredentialsForm::Env).unwrap(),
        "JITSI_DOMAIN=m.org\nJITSI_APP_ID=id\nJITSI_APP_SECRET=x\n"
    );
}
