//! `token mint` with odd or invalid input: one line, exit code 2, and nothing else is looked at.

use std::process::Command;

use super::run::{Folder, Run, SECRET, line, not_run, token, tool};

/// `token mint` with complete credentials and these further options.
fn mint<'a>(secret_file: &'a std::path::Path, more: impl IntoIterator<Item = &'a str>) -> Run {
    token("mint", secret_file, more)
}

fn is_token(text: &str) -> bool {
    text.split('.').count() == 3 && text.starts_with("eyJ")
}

#[test]
fn invalid_times_are_usage_errors() {
    let (_folder, path) = Folder::with_secret(SECRET);
    for (option, time, why) in [
        ("--expires-in", "0s", "use 1s or more"),
        ("--expires-in", "5", "use numbers with units, such as 90s, 30m, 1h30m or 7d"),
        ("--expires-in", "1.5h", "use numbers with units"),
        ("--expires-in", "99999999999999999999d", "longer than ten thousand years"),
        ("--expires-in", "2 fortnights", "invalid duration \"2 fortnights\""),
        ("--starts-in", "tomorrow", "use numbers with units"),
        ("--expires-at", "tomorrow", "use 2026-12-31T18:00:00Z"),
        ("--expires-at", "2027-02-29", "use 2026-12-31T18:00:00Z"),
    ] {
        let ended = mint(&path, [option, time]).ends(2).stdout("");
        assert!(ended.stderr.contains(why), "{time}: {ended:?}");
        assert!(ended.stderr.contains(option), "{time}: {ended:?}");
    }
    let ended = mint(&path, ["--expires-in=-1h"]).ends(2).stdout("");
    assert!(ended.stderr.contains("use numbers with units"), "{ended:?}");
}

#[test]
fn invalid_claims_features_and_rooms_are_rejected() {
    let (_folder, path) = Folder::with_secret(SECRET);
    for (more, why) in [
        (&["--claim", "alone"][..], "invalid claim \"alone\": use NAME=VALUE"),
        (&["--claim", "=1"], "invalid claim \"=1\": use NAME=VALUE"),
        (&["--claim", "o={"], "invalid JSON in the claim \"o\": EOF while parsing an object at line 1 column 1"),
        (&["--claim", "a=1", "--claim", "a=2"], "the claim \"a\" is given twice"),
        (&["--feature", "recording=maybe"], "invalid feature \"recording=maybe\": use NAME, NAME=true or NAME=false"),
        (&["--feature", "=true"], "invalid feature \"=true\": the name is missing"),
        (&["--room", ""], "empty room name: use a name, or * for every room"),
        (&["--room", "///"], "invalid room name \"///\": Jitsi drops all of its characters"),
    ] {
        mint(&path, more.iter().copied()).ends(2).complains(why);
    }
}

#[test]
fn odd_features_and_claims_are_minted_with_a_warning() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let ended = mint(&path, ["--feature", "warp\x1b[31m", "--claim", "sub=*"]).ends(0);
    assert!(is_token(&ended.stdout), "{ended:?}");
    ended.stderr(
        "warning: unknown feature \"warp\u{fffd}[31m\"; it was added to the token anyway\n\
         warning: --claim sub=… overrides the default \"sub\"\n",
    );
}

#[test]
fn an_expiry_in_the_past_is_rejected() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let ended = mint(&path, ["--expires-at", "2020-01-01"]).ends(2).stdout("");
    assert!(
        ended.stderr.starts_with(
            "jitsi-tokens-setup: 2020-01-01 00:00:00 UTC is before the token becomes valid, at \
            20"
        ),
        "{ended:?}"
    );
    let minted = mint(&path, ["--expires-at", "2199-12-31T23:00:00+01:00", "--json"]).ends(0).json();
    assert_eq!(minted["claims"]["exp"], 7_258_111_200_u64);
}

#[test]
fn usage_errors_come_before_reading_credentials() {
    for (more, why) in [
        (&["--claim", "o={"][..], "invalid JSON in the claim \"o\": EOF while parsing an object at line 1 column 1"),
        (
            &["--claims", "/nowhere/claims"],
            "cannot read the claims file /nowhere/claims: No such file or directory (os error 2)",
        ),
        (&["--key", "/nowhere/key"], "cannot read the key file /nowhere/key: No such file or directory (os error 2)"),
        (&["--room-pattern", "[a"], "invalid room pattern \"[a\": [ without ]"),
        (
            &["--affiliation", "king"],
            "invalid affiliation \"king\": use one of owner, moderator, teacher, admin, member, none, outcast",
        ),
        (&["--header", "alg=none"], "the header field \"alg\" cannot be set; use --algorithm for the signature"),
        (&["--header", "kid"], "invalid header field \"kid\": use NAME=VALUE"),
        (&["--algorithm", "RS256"], "RS256 needs an RSA key: use --key FILE"),
        (
            &["--name", "a", "--claim", "context={\"user\":{\"name\":\"b\"}}"],
            "the claim \"context.user.name\" has two sources: --name and --claim",
        ),
        (
            &["--moderator", "--affiliation", "member"],
            "the claim \"context.user.affiliation\" has two sources: --moderator and --affiliation",
        ),
        (
            &["--claims", "-", "--app-secret-file", "-"],
            "the claims and the secret cannot both be read from standard input; put one of them in a file",
        ),
    ] {
        tool(["token", "mint"].iter().chain(more)).ends(2).complains(why);
    }
}

#[test]
fn claims_can_come_from_a_file_or_standard_input() {
    let (folder, path) = Folder::with_secret(SECRET);
    let claims = r#"{"room": "tea", "context": {"user": {"name": "Ada"}, "x": [1]}, "aud": ["a", "jitsi"]}"#;
    let file = folder.file("claims", claims, 0o644);
    let from_file = mint(&path, ["--claims", file.to_str().unwrap(), "--user-id", "7", "--json"])
        .ends(0)
        .stderr("warning: \"aud\" is a list, which is rejected where audiences are limited; use a string\n")
        .json();
    let context = serde_json::json!({"user": {"id": "7", "name": "Ada"}, "x": [1]});
    assert_eq!(from_file["claims"]["context"], context);
    assert_eq!(from_file["claims"]["aud"], serde_json::json!(["a", "jitsi"]));
    let piped = mint(&path, ["--claims", "-", "--json"]).input(claims).ends(0).json();
    assert_eq!(piped["claims"]["room"], "tea");
    for (bytes, why) in [
        ("{\n  \"a\": tea\n}", "standard input is not valid JSON: expected ident at line 2 column 9"),
        ("", "standard input is not valid JSON: EOF while parsing a value at line 1 column 0"),
        ("[1]", "standard input is not a JSON object ({\"name\": value, …})"),
    ] {
        mint(&path, ["--claims", "-"]).input(bytes).ends(2).complains(why);
    }
    mint(&path, ["--claims", "-", "--room", "a"])
        .input(claims)
        .ends(2)
        .complains("the claim \"room\" has two sources: --room and --claims");
}

#[test]
fn header_fields_and_room_patterns_are_in_the_token() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let options = [
        "--header",
        "kid=1",
        "--room-pattern",
        "team%-%d+",
        "--affiliation",
        "member",
        "--algorithm",
        "HS512",
        "--json",
    ];
    let minted = mint(&path, options).ends(0).json();
    assert_eq!(minted["header"], serde_json::json!({"typ": "JWT", "alg": "HS512", "kid": "1"}));
    assert_eq!(minted["claims"]["room"], "team%-%d+");
    assert_eq!(
        minted["claims"]["context"],
        serde_json::json!({"user": {"affiliation": "member"}, "room": {"regex": true}})
    );
    assert_eq!(
        minted["warnings"][0],
        "Jitsi accepts HS512 only if its configuration has signature_algorithm = \"HS512\""
    );
    let ended = mint(&path, ["--room-pattern", "team-\\d+"]).ends(0);
    assert!(ended.stderr.contains("use a Lua pattern"), "{ended:?}");
}

/// Instead of a code that the terminal would wrap, only the link is printed, and why.
#[test]
fn a_qr_code_that_does_not_fit_is_omitted() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let tool = env!("CARGO_BIN_EXE_jitsi-tokens-setup");
    let mint =
        format!("'{tool}' token mint --app-id a --domain m.org --room tea --qr --app-secret-file '{}'", path.display());
    for (columns, fits) in [(40, false), (200, true)] {
        // util-linux's `script` gives the command a terminal.
        let shell = format!("stty cols {columns}; {mint} 2>'{}'", path.with_extension("errors").display());
        let output = Command::new("script").args(["--quiet", "--return", "--command", &shell, "/dev/null"]).output();
        let Ok(output) = output else {
            return not_run("a_qr_code_that_does_not_fit_is_omitted", "there is no `script`");
        };
        let errors = std::fs::read_to_string(path.with_extension("errors")).unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("https://m.org/tea?jwt=") && output.status.success(), "{text}");
        assert_eq!((text.contains('█'), errors.is_empty()), (fits, fits), "{columns}: {errors}{text}");
        let said = errors.contains("columns, but this terminal has 40; use a wider window");
        assert_eq!(said, !fits, "{errors}");
    }
}

#[test]
fn a_link_can_be_shown_as_a_qr_code() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let ended = mint(&path, ["--room", "tea", "--qr"]).ends(0).stderr("");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let (link, code) = lines.split_last().unwrap();
    assert!(link.starts_with("https://meet.example.org/tea?jwt=eyJ"), "{ended:?}");
    let width = code[0].chars().count();
    assert!(width > 60 && code.iter().all(|line| line.chars().count() == width), "{ended:?}");
    // The code is square: a character is one module wide and two high.
    assert_eq!(code.len(), width.div_ceil(2));
    let both = mint(&path, ["--qr", "--json"]).ends(2);
    assert!(both.stderr.contains("--qr cannot be used with --json"), "{both:?}");
    let colored = mint(&path, ["--qr", "--color", "always"]).colored().ends(0);
    assert!(colored.stdout.starts_with("\x1b[30;107m"), "{colored:?}");
}

#[test]
fn a_world_readable_secret_causes_a_warning() {
    let folder = Folder::new();
    let path = folder.file("open", SECRET, 0o644);
    for command in ["mint", "inspect"] {
        let more: &[&str] = if command == "mint" { &[] } else { &["a.b.c"] };
        let ended = token(command, &path, more.iter().copied()).end();
        let warning =
            format!("warning: {0} is world-readable and contains a secret; run: chmod 600 {0}\n", path.display());
        assert_eq!(ended.stderr, warning, "{command}");
    }
    let batch = token("batch", &path, ["--room=tea"]).input("name\nAda\n").ends(0);
    assert!(batch.stderr.contains("world-readable"), "{batch:?}");
}

#[test]
fn mint_without_any_credentials_is_blocked() {
    line("token mint").ends(5).complains(
        "use --app-id, --app-secret-file and --domain together; they cannot be read from this machine: \
         must be run as root; use sudo",
    );
}
