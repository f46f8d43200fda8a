//! `token inspect`: Jitsi's verdict on valid, invalid and foreign tokens, and on text that is not a token.

use std::path::{Path, PathBuf};

use super::run::{Ended, Folder, Run, SECRET, line, token, tool};

struct Desk {
    folder: Folder,
    secret: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let (folder, secret) = Folder::with_secret(SECRET);
        Self { folder, secret }
    }

    fn run<'a>(&'a self, command: &'a str, secret: &'a Path, more: &[&'a str]) -> Run {
        token(command, secret, more.iter().copied())
    }

    fn mint(&self, more: &[&str]) -> String {
        self.run("mint", &self.secret, more).ends(0).stdout.trim_end().to_owned()
    }

    fn inspect(&self, more: &[&str], code: i32) -> Ended {
        self.run("inspect", &self.secret, more).ends(code).stderr("")
    }
}

#[test]
fn a_valid_token_is_explained_and_accepted() {
    let desk = Desk::new();
    let token = desk.mint(&["--room", "tea", "--name", "Ada", "--expires-in", "2h"]);
    let ended = desk.inspect(&[&token], 0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(
        lines[..6],
        ["Jitsi accepts it", "", "  for   Ada", "  room  tea", "  site  meet.example.org", "  by    my_app",]
    );
    assert!(lines[6].starts_with("  made  20") && lines[6].contains(" UTC ("), "{ended:?}");
    assert!(lines[7].starts_with("  until 20") && lines[7].contains(" UTC (in "), "{ended:?}");
    assert!(lines[8].starts_with("  now   20") && lines[8].ends_with(" UTC (this machine's clock)"), "{ended:?}");
    assert_eq!(lines[9..12], ["  signature: right", "", "header {"]);
    assert!(ended.stdout.ends_with("\n}\n"), "{ended:?}");
}

#[test]
fn inspect_json_agrees_with_the_text() {
    let desk = Desk::new();
    let token = desk.mint(&[]);
    let seen = desk.inspect(&[&token, "--json"], 0).json();
    assert_eq!(seen["valid"], true);
    assert_eq!((&seen["verdict"], &seen["reason"]), (&"accepted".into(), &serde_json::Value::Null));
    assert_eq!(seen["claims"]["iss"], "my_app");
    assert_eq!(seen["exit_code"], 0);
    let now = seen["now"].as_str().unwrap();
    assert!(now.len() == 20 && now.contains('T') && now.ends_with('Z'), "{now}");
    let seen = desk.inspect(&["a.b.c", "--json"], 4).json();
    assert_eq!((&seen["valid"], &seen["exit_code"]), (&false.into(), &4.into()));
    let text = desk.inspect(&["a.b.c"], 4).stdout;
    let said = format!("Jitsi rejects it: {}\n", seen["reason"].as_str().unwrap());
    assert!(text.starts_with(&said), "{said}: {text}");
    assert_eq!(seen["verdict"], "rejected");
}

#[test]
fn tokens_are_read_from_stdin_or_a_meeting_link() {
    let desk = Desk::new();
    let token = desk.mint(&[]);
    desk.run("inspect", &desk.secret, &["-"]).input(format!("{token}\n")).ends(0);
    let link = desk.mint(&["--room", "Tea Party", "--url"]);
    desk.inspect(&[&link], 0);
}

#[test]
fn a_token_with_another_secret_is_rejected() {
    let desk = Desk::new();
    let other = desk.folder.file("other", "another-secret", 0o600);
    let token = desk.run("mint", &other, &[]).ends(0).stdout;
    let ended = desk.inspect(&[&token], 4);
    let verdict = "Jitsi rejects it: the signature is wrong: signed with another secret, or modified\n";
    assert!(ended.stdout.starts_with(verdict), "{ended:?}");
    assert!(ended.stdout.contains("\n  signature: WRONG\n"), "{ended:?}");
}

#[test]
fn expired_and_not_yet_valid_tokens_are_rejected() {
    let desk = Desk::new();
    for (claim, why) in [("exp=1000000000", "expired"), ("nbf=4000000000", "not valid before")] {
        let minted = desk.run("mint", &desk.secret, &["--claim", claim]).ends(0);
        let ended = desk.inspect(&[&minted.stdout], 4);
        let verdict = ended.stdout.lines().next().unwrap();
        assert!(verdict.contains(why), "{verdict}");
    }
}

#[test]
fn wrong_issuers_and_domains_are_rejected() {
    let desk = Desk::new();
    let token = desk.mint(&["--claim", "iss=their_app"]);
    let ended = desk.inspect(&[&token], 4);
    assert!(
        ended.stdout.starts_with(
            "Jitsi rejects it: wrong issuer: \"iss\" is \"their_app\", but this server accepts \"my_app\"\n"
        ),
        "{ended:?}"
    );
    let token = desk.mint(&["--claim", "sub=other.example.org"]);
    let ended = desk.inspect(&[&token], 4);
    assert!(ended.stdout.contains("wrong domain"), "{ended:?}");
}

#[test]
fn without_a_secret_the_signature_is_unchecked() {
    let desk = Desk::new();
    let token = desk.mint(&[]);
    let ended = tool(["token", "inspect", &token]).ends(3);
    assert!(
        ended.stdout.starts_with("Jitsi accepts it if the signature is valid (no key to check it with)\n"),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("\n  signature: not checked\n"), "{ended:?}");
}

#[test]
fn invalid_tokens_are_explained() {
    let desk = Desk::new();
    let token = desk.mint(&[]);
    let (front, _) = token.rsplit_once('.').unwrap();
    for (input, why) in [
        ("", "the input is empty"),
        ("hello", "not a JWT"),
        (front, "the signature (third part) is missing"),
        ("a.b.c.d.e", "it is encrypted"),
        ("https://meet.example.org/tea", "this address carries no token"),
        ("\x1b]0;x\x07\x1b[31m.\u{9b}2J.c", "invalid in base64url"),
    ] {
        let ended = desk.inspect(&[input], 4);
        assert!(ended.stdout.contains(why), "{input:?}: {ended:?}");
    }
}

#[test]
fn a_secret_pasted_as_a_token_is_redacted() {
    let desk = Desk::new();
    let ended = desk.inspect(&[SECRET], 4);
    assert!(ended.stdout.starts_with("Jitsi rejects it: this is the app secret, not a token"), "{ended:?}");
}

#[test]
fn hostile_tokens_cannot_control_the_terminal() {
    let desk = Desk::new();
    let token = desk.mint(&["--name", "\x1b]0;owned\x07Ada\u{9b}31m\x7f", "--claim", "iss=\x1b[2J"]);
    let ended = desk.inspect(&[&token], 4);
    assert!(ended.stdout.contains("  for   \u{fffd}]0;owned\u{fffd}Ada\u{fffd}31m\u{fffd}\n"), "{ended:?}");
}

#[test]
fn json_output_escapes_control_characters() {
    let desk = Desk::new();
    let name = "\u{9b}31m\u{202e}\u{2066}\u{200b}\u{7f}\u{e0041}Ada";
    let token = desk.mint(&["--name", name]);
    let shown = desk.inspect(&[&token], 0).stdout;
    let readable = "for   \u{fffd}31m<U+202E><U+2066><U+200B>\u{fffd}<U+E0041>Ada\n";
    assert!(shown.contains(readable), "{shown}");
    // Every run checks that the raw text has none of these characters.
    let json = desk.inspect(&[&token, "--json"], 0);
    assert_eq!(json.json()["claims"]["context"]["user"]["name"], name);
    assert!(json.stdout.contains("\\u009b31m\\u202e"), "{json:?}");
    desk.run("mint", &desk.secret, &["--name", name, "--json"]).ends(0);
    let rows = format!("{{\"name\": \"{name}\"}}\n");
    let batch = desk.run("batch", &desk.secret, &["--room", "*"]).input(rows).ends(0);
    assert_eq!(batch.json()["name"], name);
    tool(["status", "--domain", name]).ends(2);
    tool(["token", "inspect", "--file", &format!("/nowhere/{name}")]).ends(2);
}

#[test]
fn redacting_json_like_secrets_keeps_json_valid() {
    let desk = Desk::new();
    for secret in ["exit_code", "\": \"invalid", "signature", "{\"alg\":\"", "0123456789", "<redacted>", "true"] {
        let path = desk.folder.file("odd", secret, 0o600);
        let token = desk.run("mint", &path, &[]).ends(0).stdout;
        for (token, code) in [(token.as_str(), 0), ("a.b.c", 4), (secret, 4)] {
            let seen = desk.run("inspect", &path, &["--json", "--", token]).ends(code).json();
            assert_eq!(seen["exit_code"], code, "{secret}");
            assert!(seen["problems"].is_array(), "{secret}");
        }
    }
}

#[test]
fn input_files_have_a_size_limit() {
    let desk = Desk::new();
    for (words, what) in [
        (&["token", "inspect", "--file"][..], "too large for a token file (limit: 1 MiB)"),
        (&["verify", "--token-file"], "too large for a token file (limit: 64 KiB)"),
        (&["token", "inspect", "a.b.c", "--key"], "too large for a key file (limit: 64 KiB)"),
        (&["token", "mint", "--key"], "too large for a key file (limit: 64 KiB)"),
        (&["token", "mint", "--claims"], "too large for a claims file (limit: 1 MiB)"),
        (&["token", "mint", "--app-secret-file"], "too large for a secret file (limit: 4 KiB)"),
    ] {
        let why = format!("/dev/zero is {what}; is this the right file?");
        tool(words.iter().chain(&["/dev/zero"])).ends(2).complains(&why);
    }
    tool(["token", "batch", "--room=*", "/dev/zero"]).ends(2);
    // What a shell passes for <(…).
    let token = desk.mint(&[]);
    let fifo = desk.folder.path("fifo");
    let made = std::process::Command::new("mkfifo").args(["-m", "666"]).arg(&fifo).status();
    assert!(made.unwrap().success());
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || std::fs::write(fifo, token)
    });
    desk.inspect(&["--file", fifo.to_str().unwrap()], 0);
    writer.join().unwrap().unwrap();
}

#[test]
fn token_files_may_end_with_a_newline() {
    let desk = Desk::new();
    let token = desk.mint(&[]);
    let path = desk.folder.file("token", format!("{token}\n"), 0o600);
    let file = path.to_str().unwrap();
    desk.inspect(&["--file", file], 0);
    desk.run("inspect", &desk.secret, &["--file", "-"]).input(&token).ends(0);
    let none = desk.folder.path("none");
    desk.run("inspect", &desk.secret, &["--file", none.to_str().unwrap()])
        .ends(2)
        .complains(&format!("cannot read the token file {}: No such file or directory (os error 2)", none.display()));
    let both = desk.run("inspect", &desk.secret, &["--file", file, &token]).ends(2);
    assert!(both.stderr.contains("cannot be used with"), "{both:?}");
}

#[test]
fn damaged_tokens_are_diagnosed() {
    let desk = Desk::new();
    let token = desk.mint(&[]);
    let (front, signature) = token.rsplit_once('.').unwrap();
    for (input, why) in [
        (format!("{front}.+{signature}"), "in base64 instead of base64url"),
        (format!("{} {}", &token[..30], &token[30..]), "it contains white space"),
        (token[..token.len() - 7].to_owned(), "the signature is wrong"),
        (token[..60].to_owned(), "is incomplete"),
        (format!("Bearer {token}"), "it starts with \"Bearer\""),
        ("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.e30.".to_owned(), "it is not signed (\"alg\" is \"none\")"),
    ] {
        let ended = desk.inspect(&[&input], 4);
        assert!(ended.stdout.contains(why), "{input}: {ended:?}");
    }
}

#[test]
fn token_and_secret_cannot_both_be_standard_input() {
    line("token inspect - --app-secret-file -")
        .input(SECRET)
        .ends(2)
        .complains("the token and the secret cannot both be read from standard input; put one of them in a file");
}
