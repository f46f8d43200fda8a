//! What must hold for any bytes.

use std::fs;

use proptest::prelude::*;

use super::super::config::Config;
use super::super::edit::Edit;
use super::super::lexer::{Kind, Lexer};
use super::{edit_with, fixtures, load};

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
    prop::collection::vec((piece(), glue), 0..24).prop_map(|parts| {
        parts
            .into_iter()
            .map(|(piece, glue)| piece + glue)
            .collect()
    })
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn joined_tokens_are_the_file(source in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut lexer = Lexer::new(&source);
        let mut end = 0;
        while let Ok(token) = lexer.token() {
            prop_assert_eq!(token.start, end);
            end = token.end;
            if token.kind == Kind::End {
                prop_assert_eq!(end, source.len());
                break;
            }
        }
    }

    #[test]
    fn no_bytes_are_too_strange(site in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&site, "s3cret");
    }

    #[test]
    fn an_edited_configuration_needs_no_other_edit(site in configuration()) {
        check(site.as_bytes(), "s3cret");
    }

    #[test]
    fn any_secret_is_read_back(secret in "\\PC*|[\\x00-\\x7f]{0,20}") {
        check(&fs::read(&fixtures("decode-era.in.lua")[0]).unwrap(), &secret);
    }
}
