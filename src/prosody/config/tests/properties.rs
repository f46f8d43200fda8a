//! What must hold for any bytes.

use std::fs;

use proptest::prelude::*;

use super::super::edit::Edit;
use super::{edit_with, fixtures, generate, load};
use crate::lua::lexer::{Lexer, TokenKind};
use crate::prosody::config::Config;

fn read_back(config: &Config) -> [Option<Vec<u8>>; 3] {
    ["authentication", "app_id", "app_secret"].map(|name| {
        let setting = config.option(Some("meet.example.org"), name)?;
        setting.value.as_bytes().map(<[u8]>::to_vec)
    })
}

/// Pieces that configurations are made of, whole and broken.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "VirtualHost \"meet.example.org\"",
        "VirtualHost 'guest.meet.example.org'",
        "Component \"conference.meet.example.org\" \"muc\"",
        "authentication = \"anonymous\"",
        "authentication = \"token\" -- do not delete me",
        " --app_id=\"example_app_id\"",
        "app_secret = [[x]]",
        " --app_secret=\"example_app_secret\"",
        "modules_enabled = {",
        "}",
        "\"bosh\";",
        "--\"token_verification\";",
        "\"token_verification\"",
        ",",
        ";",
        " --modules_enabled = { \"token_verification\" }",
        "modules_enabled = ( \"bosh\" )",
        "modules_disabled = { \"token_verification\", \"x\" }",
        "plugin_paths = \"/opt\"",
        "--plugin_paths = { \"/usr/share/jitsi-meet/prosody-plugins/\" }",
        "if x then",
        "end",
        "for _, d in ipairs(t) do",
        "VirtualHost(d)",
        "function f()",
        "f()",
        "local d = 'a'",
        "{",
        "(",
        ")",
        "ssl = { key = \"a\"; }",
        "--[[",
        "]]",
        "\r\n",
        "\n",
        "\t",
        " ",
        "return",
        "do",
        "goto x",
        "::x::",
        "repeat",
        "until x",
        "Include \"*.lua\"",
        "authentication = os.getenv(\"X\")",
        "modules_enabled { \"y\" }",
        "= 1",
        "\"",
        "\\",
        "-- note",
    ];
    prop::sample::select(pieces.to_vec()).prop_map(str::to_owned)
}

fn configuration() -> impl Strategy<Value = String> {
    let glue = prop::sample::select(vec!["\n", "\n    ", " ", "\r\n", ""]);
    prop::collection::vec((piece(), glue), 0..24)
        .prop_map(|parts| parts.into_iter().map(|(piece, glue)| piece + glue).collect())
}

fn check(site: &[u8], secret: &str) {
    let Ok(config) = load(site) else { return };
    let Edit::Changed(files) = edit_with(&config, "my_app", secret) else {
        return;
    };
    let file = &files[0];
    let again = load(&file.after).expect("the result is Lua");
    assert_eq!(edit_with(&again, "my_app", secret), Edit::Unchanged);
    let wanted = ["token", "my_app", secret].map(|value| Some(value.as_bytes().to_vec()));
    assert_eq!(read_back(&again), wanted);
}

/// What a line must contain to be ours to change: an option of ours, or the value of one on a line of its own.
const OURS: [&str; 14] = [
    "authentication",
    "app_id",
    "app_secret",
    "modules_",
    "token",
    "plugin_paths",
    "anonymous",
    "internal_hashed",
    "my_app",
    "s3cret",
    "\"\"",
    "''",
    "[[]]",
    "[==[]==]",
];

/// All settings but the wanted ones, as our own reader sees them. (Prosody's sees the same: see `oracle`.)
fn others(config: &Config) -> Vec<String> {
    let wanted = |host: Option<&str>, name: &str| match host {
        None => name == "plugin_paths",
        Some("meet.example.org") => ["authentication", "app_id", "app_secret"].contains(&name),
        Some("conference.meet.example.org") => name.starts_with("modules_"),
        Some(_) => false,
    };
    let names: Vec<String> =
        config.settings.iter().map(|setting| String::from_utf8_lossy(&setting.name).into_owned()).collect();
    let mut hosts: Vec<Option<&str>> = config.hosts().map(|host| host.name.as_deref()).collect();
    hosts.push(None);
    let mut found: Vec<String> = Vec::new();
    for host in hosts {
        for name in names.iter().filter(|name| !wanted(host, name)) {
            let value = config.option(host, name).map(|setting| &setting.value);
            found.push(format!("{host:?} {name} {value:?}"));
        }
    }
    found.sort();
    found.dedup();
    // An option that is never set reads the same as one that does not exist.
    found.retain(|line| !line.ends_with(" None"));
    found
}

/// Checks that every line that is gone was ours, or is back with more in it or after it.
fn only_intended_lines(before: &[u8], after: &[u8]) {
    let lines = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.split_inclusive('\n').map(str::to_owned).collect()
    };
    let (before, after) = (lines(before), lines(after));
    let patch = diffy::create_patch(&before.concat(), &after.concat()).to_string();
    let signed = |sign: char| -> Vec<String> {
        let body = patch.lines().skip(2);
        body.filter_map(|line| Some(line.strip_prefix(sign)?.to_owned())).collect()
    };
    let added = signed('+').concat();
    // The same characters in the same order, with more in between: one more entry in a list.
    let grown = |gone: &str, text: &str| {
        let mut signs = text.chars();
        gone.chars().all(|sign| signs.any(|other| other == sign))
    };
    for gone in signed('-') {
        let ours = OURS.iter().any(|word| gone.contains(word));
        // A separator at its start may have been removed with the entry before it.
        let again = grown(gone.trim_start_matches([' ', '\t', ',', ';']), &added);
        assert!(ours || again, "{gone:?} is gone:\n{patch}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn joined_tokens_equal_the_source(source in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut lexer = Lexer::new(&source);
        let mut end = 0;
        while let Ok(token) = lexer.token() {
            prop_assert_eq!(token.start, end);
            end = token.end;
            if token.kind == TokenKind::End {
                prop_assert_eq!(end, source.len());
                break;
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(site in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&site, "s3cret");
    }

    #[test]
    fn a_second_edit_changes_nothing(site in configuration()) {
        check(site.as_bytes(), "s3cret");
    }

    #[test]
    fn growing_lists_are_edited_once(site in generate::growing()) {
        let config = load(site.as_bytes()).expect("it is Lua");
        let files = match edit_with(&config, "my_app", "s3cret") {
            Edit::Changed(files) => files,
            other => panic!("{other:?}\n{site}"),
        };
        let again = load(&files[0].after).expect("the result is Lua");
        prop_assert_eq!(edit_with(&again, "my_app", "s3cret"), Edit::Unchanged);
        only_intended_lines(&files[0].before, &files[0].after);
    }

    #[test]
    fn an_edit_changes_nothing_else(site in generate::configuration()) {
        let config = load(site.as_bytes()).expect("it is Lua");
        let files = match edit_with(&config, "my_app", "s3cret") {
            Edit::Changed(files) => files,
            Edit::Unchanged => return Ok(()),
            Edit::Refused { line, why, .. } => panic!("refused at {line}: {why}\n{site}"),
        };
        let file = &files[0];
        prop_assert_eq!(&file.before, site.as_bytes());
        let again = load(&file.after).expect("the result is Lua");
        prop_assert_eq!(edit_with(&again, "my_app", "s3cret"), Edit::Unchanged);
        prop_assert_eq!(others(&again), others(&config), "{}", site);
        only_intended_lines(&file.before, &file.after);
    }

    #[test]
    fn undoing_an_edit_restores_the_original(site in generate::configuration(), hand in any::<bool>()) {
        let config = load(site.as_bytes()).expect("it is Lua");
        let Edit::Changed(files) = edit_with(&config, "my_app", "s3cret") else { return Ok(()) };
        let (before, after) = (&files[0].before, &files[0].after);
        // Somebody adds lines meanwhile, well away from ours. `uninstall` reverses an edit with the same merge.
        let theirs: &[u8] = if hand { b"\n\n\n\n-- by hand\n" } else { b"" };
        let now = [&after[..], theirs].concat();
        let wanted = [&before[..], theirs].concat();
        match diffy::merge_bytes(after, before, &now) {
            Ok(back) => prop_assert_eq!(back, wanted),
            // At the end of the file, both touch the same place: the conflict is reported, nothing is guessed.
            Err(_) => prop_assert!(hand),
        }
    }

    #[test]
    fn any_secret_is_read_back(secret in "\\PC*|[\\x00-\\x7f]{0,20}") {
        check(&fs::read(&fixtures("decode-era.in.lua")[0]).unwrap(), &secret);
    }
}
