//! Where things are printed, and in what colors. Every test checks that no run prints control characters or a secret,
//! see `run`.

use std::process::Command;

use super::run::{line, not_run};

#[test]
fn color_needs_a_terminal_or_an_option() {
    for words in ["status", "status --color auto", "status --color never"] {
        let ended = line(words).ends(5);
        assert!(!ended.stdout.contains('\x1b'), "{ended:?}");
    }
    let plain = line("status").ends(5).stdout;
    let painted = line("status --color always").colored().ends(5).stdout;
    assert!(painted.contains("\x1b[1;31m✗\x1b[0m"), "{painted:?}");
    assert_eq!(without_color(&painted), plain);
}

#[test]
fn the_color_option_overrides_the_environment() {
    let painted = line("status --color always").env("NO_COLOR", "1").colored().ends(5);
    assert!(painted.stdout.contains('\x1b'), "{painted:?}");
    let plain = line("status --color never").env("CLICOLOR_FORCE", "1").ends(5);
    assert!(!plain.stdout.contains('\x1b'), "{plain:?}");
}

#[test]
fn json_is_never_colored() {
    let ended = line("status --json --color always").ends(5);
    assert_eq!(ended.json()["exit_code"], 5);
}

#[test]
fn terminals_get_color_unless_no_color_is_set() {
    for (environment, colored) in [("", true), ("NO_COLOR=", true), ("NO_COLOR=1", false)] {
        let shell = format!(
            "env {environment} '{}' status --domain meet.example.org",
            env!("CARGO_BIN_EXE_jitsi-tokens-setup")
        );
        // util-linux's `script` gives the command a terminal; `status` changes nothing, no matter who runs it.
        let output = Command::new("script")
            .args(["--quiet", "--return", "--command", &shell, "/dev/null"])
            .env_remove("NO_COLOR")
            .output();
        let Ok(output) = output else {
            return not_run("terminals_get_color_unless_no_color_is_set", "there is no `script`");
        };
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("preflight"), "{text}");
        assert_eq!(text.contains("\x1b["), colored, "{environment}: {text}");
    }
}

#[test]
fn quiet_and_verbose_runs_have_the_same_result() {
    let plain = line("install --dry-run").ends(5).stdout;
    for flag in ["--quiet", "--verbose"] {
        line(&format!("install --dry-run {flag}")).ends(5).stdout(&plain).stderr("");
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let shell =
        format!("'{}' completions bash | head -c 1; exit ${{PIPESTATUS[0]}}", env!("CARGO_BIN_EXE_jitsi-tokens-setup"));
    let output = Command::new("bash").args(["-c", &shell]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

fn without_color(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn a_failed_write_to_stdout_exits_1() {
    use std::os::unix::process::CommandExt;
    let (folder, secret) = super::run::Folder::with_secret(super::run::SECRET);
    let rows = folder.file("rows.csv", "room,name\ntea,Ada\n", 0o600);
    let keys = format!("--app-id my_app --domain meet.example.org --app-secret-file {}", secret.display());
    for words in [
        "--help".to_owned(),
        "--version".to_owned(),
        "help install".to_owned(),
        "token mint --help".to_owned(),
        "status".to_owned(),
        "status --json".to_owned(),
        "install --dry-run".to_owned(),
        "man".to_owned(),
        "completions bash".to_owned(),
        "schema status".to_owned(),
        format!("token mint {keys}"),
        format!("token mint --json {keys}"),
        format!("token inspect a.b.c {keys}"),
        format!("token batch {keys} {}", rows.display()),
    ] {
        let program = super::run::copied();
        let mut command = Command::new(program.path("jitsi-tokens-setup"));
        command.args(words.split_whitespace());
        if super::run::is_root() {
            command.uid(65534).gid(65534);
        }
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let output = command.stdout(full.unwrap()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}: {said}");
        assert!(said.contains("cannot write the ") && said.contains("No space left on device"), "{words}: {said}");
        assert!(!said.contains("panicked"), "{words}: {said}");
    }
}
