//! Mistakes on the command line: exit code 2, and what would have been right.

use super::run::{line, tool};

#[test]
fn an_unknown_command_is_refused_with_the_one_that_was_meant() {
    let ended = line("instal").ends(2).stdout("");
    assert!(ended.stderr.contains("tip: some similar subcommands exist: 'uninstall', 'install'"), "{}", ended.stderr);
    let ended = line("token mnit").ends(2).stdout("");
    assert!(ended.stderr.contains("'mint'"), "{}", ended.stderr);
}

#[test]
fn an_unknown_option_is_refused_with_the_one_that_was_meant() {
    line("install --dryrun").ends(2).stdout("").stderr(
        "error: unexpected argument '--dryrun' found\n\n  \
         tip: a similar argument exists: '--dry-run'\n\n\
         Usage: jitsi-tokens-setup install --dry-run\n\n\
         For more information, try '--help'.\n",
    );
}

#[test]
fn a_secret_in_an_argument_is_refused_without_being_repeated() {
    for call in ["install --app-secret=hunter2-hunter2", "token mint --app-secret hunter2-hunter2"] {
        let ended = line(call).hides("hunter2").ends(2);
        assert!(ended.stderr.contains("a similar argument exists: '--app-secret-file'"), "{}", ended.stderr);
    }
}

#[test]
fn an_unknown_step_is_refused_with_the_list_of_steps() {
    line("install --only rock").ends(2).complains(
        "no step \"rock\"; the steps are: preflight, apt-sources, apt-packages, rock-basexx, rockspec, \
         rock-luajwtjitsi, lua-modules, credentials, options, moderators-module, token-keys, key-source, prosody-config, web-config, jitsi-meet-tokens, prosody-restart, jicofo, verify",
    );
}

#[test]
fn a_password_in_an_address_is_refused_without_being_repeated() {
    for option in ["--rocks-server", "--luajwtjitsi-git", "--apt-archive"] {
        let call = format!("install {option} https://me:hunter2-hunter2@example.org/x");
        let ended = line(&call).hides("hunter2").ends(2);
        let said = format!("the URL of {option} contains a password");
        assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    }
}

#[test]
fn options_that_exclude_each_other_are_refused_together() {
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
fn a_time_that_is_none_is_refused_with_times_that_are() {
    for command in ["install", "uninstall"] {
        tool([command, "--lock-timeout", "2 fortnights"]).ends(2).stdout("").stderr(
            "error: invalid value '2 fortnights' for '--lock-timeout <TIME>': invalid duration \"2 fortnights\": use \
                 numbers with units, such as 90s, 30m, 1h30m or 7d\n\n\
                 For more information, try '--help'.\n",
        );
    }
}

#[test]
fn a_value_of_a_list_is_refused_with_the_list() {
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
fn an_option_about_the_web_page_needs_the_guests_that_it_is_for() {
    let ended = line("install --web-config").ends(2).stdout("");
    assert!(ended.stderr.contains("--guests"), "{}", ended.stderr);
}

#[test]
fn pages_that_jitsis_page_would_not_understand_are_refused() {
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
fn key_sources_that_jitsis_plugins_could_not_use_are_refused() {
    for (call, words) in [
        ("install --jwks http://id.example.org/jwks", "--jwks needs https"),
        ("install --key-server https://id.example.org/keys/", "must not end with a slash"),
        ("install --key-server http://localhost/keys", "Prosody looks names up in the DNS only"),
        ("install --jwks https://id.example.org/j --public-key off", "cannot be used with"),
        ("install --jwks https://id.example.org/j --signature-algorithm HS256", "cannot be used with"),
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
fn an_issuer_or_audience_that_is_none_is_refused() {
    for name in ["--issuer", "--audience"] {
        for value in ["", "two\nlines"] {
            tool(["install", name, value])
                .ends(2)
                .complains(&format!("invalid {name}: use 1 to 1024 bytes without control characters"));
        }
    }
}

#[test]
fn new_credentials_are_judged_before_anything_is_looked_at() {
    tool(["credentials", "rotate", "--app-id", ""])
        .ends(2)
        .complains("--app-id is empty; leave it out to keep the current one or generate one");
    let ended = line("credentials rotate --app-secret-file /nonexistent").ends(2);
    assert!(ended.stderr.contains("/nonexistent"), "{}", ended.stderr);
}

#[test]
fn what_is_missing_is_named() {
    for (call, missing) in [("completions", "<SHELL>"), ("token inspect", "<TOKEN>")] {
        let ended = line(call).ends(2).stdout("");
        assert!(ended.stderr.contains(missing), "{call}: {}", ended.stderr);
    }
    for group in ["token", "credentials"] {
        let ended = line(group).ends(2).stdout("");
        assert!(ended.stderr.contains("Commands:"), "{group}");
    }
}
