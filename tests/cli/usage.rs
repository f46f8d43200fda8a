//! Mistakes on the command line: exit code 2, and what would have been right.

use super::run::{line, tool};

#[test]
fn unknown_commands_suggest_similar_ones() {
    let ended = line("instal").ends(2).stdout("");
    assert!(ended.stderr.contains("tip: some similar subcommands exist: 'uninstall', 'install'"), "{}", ended.stderr);
    let ended = line("token mnit").ends(2).stdout("");
    assert!(ended.stderr.contains("'mint'"), "{}", ended.stderr);
}

#[test]
fn unknown_options_suggest_similar_ones() {
    line("install --dryrun").ends(2).stdout("").stderr(
        "error: unexpected argument '--dryrun' found\n\n  \
         tip: a similar argument exists: '--dry-run'\n\n\
         Usage: jitsi-tokens-setup install --dry-run\n\n\
         For more information, try '--help'.\n",
    );
}

#[test]
fn a_secret_argument_is_rejected_and_redacted() {
    for call in ["install --app-secret=hunter2-hunter2", "token mint --app-secret hunter2-hunter2"] {
        let ended = line(call).hides("hunter2").ends(2);
        assert!(ended.stderr.contains("a similar argument exists: '--app-secret-file'"), "{}", ended.stderr);
    }
}

#[test]
fn an_unknown_step_error_lists_all_steps() {
    line("install --only rock").ends(2).complains(
        "no step \"rock\"; the steps are: preflight, apt-sources, apt-packages, rock-basexx, rockspec, \
         rock-luajwtjitsi, lua-modules, credentials, options, moderators-module, token-keys, key-source, prosody-config, web-config, jitsi-meet-tokens, prosody-restart, jicofo, verify",
    );
}

#[test]
fn a_password_in_a_url_is_rejected_and_redacted() {
    for option in ["--rocks-server", "--luajwtjitsi-git", "--apt-archive"] {
        let call = format!("install {option} https://me:hunter2-hunter2@example.org/x");
        let ended = line(&call).hides("hunter2").ends(2);
        let said = format!("the URL of {option} contains a password");
        assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    }
}

#[test]
fn conflicting_options_are_rejected() {
    for (call, one, other) in [
        ("install --luajwtjitsi 3.0-0 --luajwtjitsi-git https://x.org", "--luajwtjitsi", "--luajwtjitsi-git"),
        ("install --luajwtjitsi 3.0-0 --luajwtjitsi-tag v1", "--luajwtjitsi", "--luajwtjitsi-tag"),
        ("token mint --never --expires-in 1h", "--never", "--expires-in"),
        ("credentials show --reveal --secret-only", "--reveal", "--secret-only"),
        ("status --quiet --verbose", "--quiet", "--verbose"),
    ] {
        let ended = line(call).ends(2).stdout("");
        assert!(ended.stderr.contains("cannot be used with"), "{call}");
        assert!(ended.stderr.contains(one) && ended.stderr.contains(other), "{call}");
    }
}

#[test]
fn an_invalid_duration_error_gives_examples() {
    for command in ["install", "uninstall"] {
        tool([command, "--lock-timeout", "2 fortnights"]).ends(2).stdout("").stderr(
            "error: invalid value '2 fortnights' for '--lock-timeout <TIME>': invalid duration \"2 fortnights\": use \
                 numbers with units, such as 90s, 30m, 1h30m or 7d\n\n\
                 For more information, try '--help'.\n",
        );
    }
}

#[test]
fn an_invalid_choice_error_lists_the_choices() {
    for (call, list) in [
        ("completions tcsh", "[possible values: bash, elvish, fish, powershell, zsh]"),
        ("status --color sometimes", "[possible values: auto, always, never]"),
        ("credentials show --format xml", "[possible values: shell, env, json]"),
        ("install --signature-algorithm RS256", "[possible values: HS256, HS384, HS512]"),
        ("install --domain-check=maybe", "[possible values: on, off]"),
    ] {
        let ended = line(call).ends(2).stdout("");
        assert!(ended.stderr.contains(list), "{call}: {}", ended.stderr);
    }
}

#[test]
fn web_config_requires_guests() {
    let ended = line("install --web-config").ends(2).stdout("");
    assert!(ended.stderr.contains("--guests"), "{}", ended.stderr);
}

#[test]
fn invalid_login_and_logout_urls_are_rejected() {
    for (call, words) in [
        ("install --login-url http://login.example.org/{room}", "--login-url needs https"),
        ("install --login-url https://login.example.org/{user}", "unknown placeholder {user} in --login-url"),
        ("install --login-url https://a:b@login.example.org/", "must not contain a user name or a password"),
        ("install --login-url login", "--login-url needs a URL such as"),
        ("install --logout-url https://login.example.org/{room}", "--logout-url cannot contain placeholders"),
    ] {
        let ended = line(call).ends(2).stdout("");
        assert!(ended.stderr.contains(words), "{call}: {}", ended.stderr);
    }
}

#[test]
fn invalid_key_source_options_are_rejected() {
    for (call, words) in [
        ("install --jwks http://id.example.org/jwks", "--jwks needs https"),
        ("install --key-server https://id.example.org/keys/", "must not end with a slash"),
        ("install --key-server http://localhost/keys", "Prosody looks names up in the DNS only"),
        ("install --kid one", "--kid"),
        ("install --oidc https://id.example.org", "--oidc requires --client-id"),
        ("install --client-id jitsi", "--oidc"),
        ("install --oidc http://id.example.org --client-id a", "--oidc needs https"),
        ("install --oidc https://id.example.org --client-id a'b", "--client-id must be"),
    ] {
        let ended = line(call).ends(2).stdout("");
        assert!(ended.stderr.contains(words), "{call}: {}", ended.stderr);
    }
}

#[test]
fn ways_to_check_tokens_exclude_each_other_unless_off() {
    let (jwks, oidc) = ("--jwks https://id.example.org/j", "--oidc https://id.example.org --client-id a");
    for (options, one, other) in [
        ("--public-key f --app-secret-file f", "--public-key", "--app-secret-file"),
        ("--public-key f --signature-algorithm HS256", "--public-key", "--signature-algorithm"),
        (&format!("{jwks} --signature-algorithm HS256"), "--jwks", "--signature-algorithm"),
        (&format!("{jwks} --public-key f"), "--jwks", "--public-key"),
        ("--key-server https://k.example.org --app-secret-file f", "--key-server", "--app-secret-file"),
        (&format!("{oidc} {jwks}"), "--oidc", "--jwks"),
        (&format!("{oidc} --login-url off"), "--oidc", "--login-url"),
        (&format!("{oidc} --issuer i"), "--oidc", "--issuer"),
        (&format!("{oidc} --require-room=on"), "--oidc", "--require-room"),
        (&format!("{oidc} --app-secret-file f"), "--oidc", "--app-secret-file"),
    ] {
        line(&format!("install {options}")).ends(2).complains(&format!("{one} cannot be used with {other}"));
    }
    // The next mistake is what is reported.
    for options in [
        "--public-key=off --app-secret-file ./missing",
        "--public-key=off --signature-algorithm HS384 --app-secret-file ./missing",
        "--jwks off --app-secret-file ./missing",
        "--jwks off --public-key ./missing",
        "--key-server off --public-key ./missing --kid a",
        "--key-server off --kid a --app-secret-file ./missing",
        &format!("{jwks} --public-key off --only missing"),
        "--oidc off --issuer i --require-room=on --login-url https://l.example.org --app-secret-file ./missing",
        &format!("{oidc} --jwks off --key-server off --public-key off --only missing"),
    ] {
        let ended = line(&format!("install {options}")).ends(2).stdout("");
        assert!(ended.stderr.contains("missing") && !ended.stderr.contains("cannot be used"), "{}", ended.stderr);
    }
}

#[test]
fn invalid_issuers_and_audiences_are_rejected() {
    for name in ["--issuer", "--audience"] {
        for value in ["", "two\nlines"] {
            tool(["install", name, value])
                .ends(2)
                .complains(&format!("invalid {name}: use 1 to 1024 bytes without control characters"));
        }
    }
}

#[test]
fn rotate_validates_new_credentials_first() {
    tool(["credentials", "rotate", "--app-id", ""])
        .ends(2)
        .complains("--app-id is empty; leave it out to keep the current one or generate one");
    let ended = line("credentials rotate --app-secret-file /nonexistent").ends(2);
    assert!(ended.stderr.contains("/nonexistent"), "{}", ended.stderr);
}

#[test]
fn missing_arguments_are_named() {
    for (call, missing) in [("completions", "<SHELL>"), ("token inspect", "<TOKEN>")] {
        let ended = line(call).ends(2).stdout("");
        assert!(ended.stderr.contains(missing), "{call}: {}", ended.stderr);
    }
    for group in ["token", "credentials"] {
        let ended = line(group).ends(2).stdout("");
        assert!(ended.stderr.contains("Commands:"), "{group}");
    }
}
