//! `token batch`: rows in, rows with tokens out, from files and through pipes.

use std::process::{Command, Stdio};

use super::run::{Folder, Run, SECRET, token, tool};

fn batch<'a>(secret_file: &'a std::path::Path, more: impl IntoIterator<Item = &'a str>) -> Run {
    token("batch", secret_file, more)
}

#[test]
fn every_csv_row_gets_a_token() {
    let (folder, path) = Folder::with_secret(SECRET);
    let rows = folder.file("rows.csv", "room,name,phone\ntea,Ada,1\nTea,\"B, C\",2\n", 0o600);
    let ended = batch(&path, [rows.to_str().unwrap()]).ends(0).stderr(
        "warning: unknown column \"phone\" is copied to the output, not into the token; name it claim.phone to make \
         it a claim\n\
         warning: line 3: Jitsi changes the room name \"Tea\" to \"tea\", so the token is for that room\n",
    );
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "room,name,phone,token"));
    let made = lines[2].strip_prefix("Tea,\"B, C\",2,").unwrap();
    let seen = token("inspect", &path, [made]).ends(0);
    assert!(seen.stdout.contains("for   B, C\n  room  tea\n"), "{seen:?}");
}

#[test]
fn json_lines_from_stdin_become_links() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let rows = "{\"room\": \"tea\", \"name\": \"Ada\"}\n{\"room\": \"*\"}\n";
    let ended = batch(&path, ["--url"]).input(rows).ends(0).stderr("");
    let lines: Vec<serde_json::Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let url = lines[0]["url"].as_str().unwrap();
    assert!(url.starts_with("https://meet.example.org/tea?jwt=eyJ"), "{url}");
    assert!(lines[1]["url"].as_str().unwrap().starts_with("https://meet.example.org/meeting-"));
    token("inspect", &path, [url]).ends(0);
    let plain = batch(&path, ["--url", "--format", "plain", "-"]).input(rows).ends(0);
    assert!(plain.stdout.lines().all(|line| line.starts_with("https://")), "{plain:?}");
    let json = batch(&path, ["--json", "--input-format", "csv"]).input("room\n{\n").ends(0);
    assert_eq!(json.json()["room"], "{");
}

#[test]
fn tenant_links_have_the_tenant_in_their_path() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let rows = "room,sub\ntea,acme\ntea,meet.example.org\ntea,*\n";
    let ended = batch(&path, ["--url", "--format", "plain", "-"]).input(rows).ends(0).stderr("");
    let links: Vec<&str> = ended.stdout.lines().collect();
    let begins = |link: &str, path: &str| link.starts_with(&format!("https://meet.example.org/{path}?jwt="));
    assert!(begins(links[0], "acme/tea"), "{}", links[0]);
    assert!(begins(links[1], "tea") && begins(links[2], "tea"), "{links:?}");
    // The token opens the room that its link leads to.
    for link in links {
        token("inspect", &path, [link]).ends(0);
    }
}

#[test]
fn bad_rows_are_reported_and_exit_1() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let rows = "room,expires_in\n,\ntea,2 fortnights\ntea,2h\n,\n";
    let ended = batch(&path, ["--format=plain"]).input(rows).ends(1);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "line 2: no room",
            "line 3: expires_in: invalid duration \"2 fortnights\": use numbers with units, such as 90s, 30m, 1h30m or 7d",
            "line 5: no room",
        ]
    );
    assert_eq!(lines[3], "1 token made, 3 rows refused");
    assert_eq!(ended.stdout.lines().count(), 1);
    let strict = batch(&path, ["--strict", "--format=plain"]).input(rows).ends(1).stdout("");
    assert!(strict.stderr.starts_with("line 2: no room\n0 tokens made, "), "{strict:?}");
}

#[test]
fn invalid_tables_are_usage_errors() {
    let (folder, path) = Folder::with_secret(SECRET);
    for (rows, why) in [
        ("", "standard input is empty"),
        (
            "tea,Ada\n",
            "standard input has no header: line 1 names none of the columns (room, id, name, email, avatar, \
             moderator, affiliation, group, features, expires_in, expires_at, sub)",
        ),
        ("name\nAda\n", "standard input has no column \"room\"; add one, or use --room for all rows"),
        ("[{}]", "standard input is a JSON array; convert it to one object per line: jq -c '.[]'"),
    ] {
        batch(&path, []).input(rows).ends(2).complains(why);
    }
    let none = folder.path("none");
    batch(&path, [none.to_str().unwrap()])
        .ends(2)
        .complains(&format!("cannot read the rows {}: No such file or directory (os error 2)", none.display()));
    tool(["token", "batch", "--app-secret-file", "-"])
        .ends(2)
        .complains("the rows and the secret cannot both be read from standard input; put one of them in a file");
    // A header without rows is still a table, with nothing to do.
    batch(&path, []).input("room\n").ends(0).stdout("room,token\n").stderr("");
}

#[test]
fn error_messages_redact_secrets_in_rows() {
    let (_folder, path) = Folder::with_secret(SECRET);
    let ended = batch(&path, []).input(format!("room,features\ntea,x={SECRET}\n")).ends(1);
    assert!(ended.stderr.contains("invalid feature \"x=<redacted>\""), "{ended:?}");
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let (folder, path) = Folder::with_secret(SECRET);
    let rows: String = (0..20_000).map(|n| format!("room{n}\n")).collect();
    let rows = folder.file("rows.csv", format!("room\n{rows}"), 0o600);
    let shell = format!(
        "'{}' token batch --app-id a --domain meet.example.org --app-secret-file '{}' '{}' | head -n 2; \
         exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_jitsi-tokens-setup"),
        path.display(),
        rows.display()
    );
    let output = Command::new("bash").args(["-c", &shell]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
}
