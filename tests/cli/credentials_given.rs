//! App IDs, secrets and domains given by the user: an invalid one is rejected (2) before anything is looked at, so even
//! without root, and by every command in the same words.

use std::fs;
use std::path::Path;

use super::run::{Folder, SECRET, line, tool};

/// `install`, which must reject an invalid value before it finds that it is not root (5).
fn install(option: &str, value: impl AsRef<std::ffi::OsStr>) -> super::run::Run {
    tool(["install".as_ref(), "--dry-run".as_ref(), option.as_ref(), value.as_ref()])
}

fn refused(secret_file: &Path, why: &str) {
    let sentence = why.replace("FILE", &secret_file.display().to_string());
    install("--app-secret-file", secret_file).ends(2).complains(&sentence);
    tool(["token".as_ref(), "mint".as_ref(), "--app-secret-file".as_ref(), secret_file.as_os_str()])
        .ends(2)
        .complains(&sentence);
}

#[test]
fn invalid_app_ids_are_rejected() {
    let long = "x".repeat(1025);
    for (id, why) in [
        ("", "--app-id is empty; leave it out to keep the current one or generate one"),
        ("a\nb", "--app-id contains a control character, such as a line break or a tab; remove it"),
        ("\x1b[31m", "--app-id contains a control character, such as a line break or a tab; remove it"),
        (long.as_str(), "--app-id is too long (limit: 1024 bytes); is this the right file?"),
        ("example_app_id", "--app-id is the example from Jitsi's template, which is public; choose another"),
    ] {
        install("--app-id", id).ends(2).complains(why);
    }
}

#[test]
fn invalid_secrets_are_rejected() {
    let long = "x".repeat(1025);
    for (secret, why) in [
        ("", "the app secret in FILE is empty; leave it out to keep the current one or generate one"),
        ("\n", "the app secret in FILE is empty; leave it out to keep the current one or generate one"),
        ("a\nb\n", "the app secret in FILE contains a control character, such as a line break or a tab; remove it"),
        ("a\0b", "the app secret in FILE contains a control character, such as a line break or a tab; remove it"),
        (long.as_str(), "the app secret in FILE is too long (limit: 1024 bytes); is this the right file?"),
        (
            "example_app_secret\n",
            "the app secret in FILE is the example from Jitsi's template, which is public; choose another",
        ),
    ] {
        let (_folder, path) = Folder::with_secret(secret);
        refused(&path, why);
    }
    let (_folder, path) = Folder::with_secret(b"caf\xe9 au lait");
    refused(&path, "the app secret in FILE is not valid UTF-8");
}

#[test]
fn large_secret_files_are_not_read_to_the_end() {
    let (_folder, path) = Folder::with_secret(vec![b'x'; 1 << 20]);
    let why = "FILE is too large for a secret file (limit: 4 KiB); is this the right file?";
    refused(&path, why);
    // A file that never ends.
    install("--app-secret-file", "/dev/zero").ends(2).complains(&why.replace("FILE", "/dev/zero"));
}

#[test]
fn unreadable_secret_files_are_reported() {
    let folder = Folder::new();
    refused(&folder.path("none"), "cannot read the secret file FILE: No such file or directory (os error 2)");
    refused(&folder.path(""), "FILE is a directory; --app-secret-file needs a file");
    let closed = folder.file("closed", SECRET, 0o000);
    refused(&closed, "cannot read the secret file FILE: Permission denied (os error 13)");
}

#[test]
fn a_world_readable_secret_is_accepted_with_a_warning() {
    let folder = Folder::new();
    let path = folder.file("open", SECRET, 0o644);
    let shown = path.display();
    tool(
        ["token", "mint", "--app-id", "app", "--domain", "meet.example.org", "--app-secret-file"]
            .map(AsRef::as_ref)
            .into_iter()
            .chain([path.as_os_str()]),
    )
    .ends(0)
    .stderr(&format!("warning: {shown} is world-readable and contains a secret; run: chmod 600 {shown}\n"));
    // The preview of an install prints the warning too.
    let ended = install("--app-secret-file", &path).ends(5);
    assert!(ended.stderr.contains("world-readable"), "{ended:?}");
}

#[test]
fn unusual_secrets_are_accepted_unchanged() {
    for secret in [r#"q"uo'te\`$[&]/*^. x"#, "ümlaut-and-more", "base64/+==", "#;--{{}}"] {
        let (_folder, path) = Folder::with_secret(secret);
        install("--app-secret-file", &path).hides(secret).ends(5);
    }
}

#[test]
fn file_names_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let (folder, path) = Folder::with_secret(SECRET);
    let renamed = folder.path("").join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    fs::rename(path, &renamed).unwrap();
    install("--app-secret-file", &renamed).ends(5);
}

#[test]
fn secrets_from_stdin_follow_the_same_rules() {
    let install = || line("install --dry-run --app-secret-file -");
    install()
        .input("\n")
        .ends(2)
        .complains("the app secret in standard input is empty; leave it out to keep the current one or generate one");
    install().input(vec![0xff; 20]).ends(2).complains("the app secret in standard input is not valid UTF-8");
    install().input(SECRET).ends(5);
}

#[test]
fn every_command_rejects_invalid_domains() {
    for command in ["install", "status", "verify", "token mint", "token inspect x", "credentials show"] {
        for domain in ["", "a b", "https://meet.example.org", "x..org", "meet.example.org/tea", "tést.org"] {
            let arguments = command.split(' ').chain(["--domain", domain]);
            tool(arguments)
                .ends(2)
                .complains(&format!("invalid domain \"{domain}\"; use for example --domain meet.example.org"));
        }
    }
}
