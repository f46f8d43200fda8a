//! The folder of fixtures, and what must hold for any bytes.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::config::Config;
use super::edit::{Edit, Wanted, token_authentication};
use super::lexer::{Kind, Lexer};
use crate::host::fake::FakeHost;
use crate::secret::Secret;

const MAIN: &str = "/etc/prosody/prosody.cfg.lua";
const SITE: &str = "/etc/prosody/conf.avail/meet.example.org.cfg.lua";

fn edit_with(config: &Config, id: &str, secret: &str) -> Edit {
    let wanted = Wanted {
        domain: "meet.example.org",
        muc: "conference.meet.example.org",
        app_id: id,
        app_secret: &Secret::unlisted(secret),
        plugin_dir: "/usr/share/jitsi-meet/prosody-plugins/",
    };
    token_authentication(config, &wanted).unwrap()
}

fn edit(config: &Config) -> Edit {
    edit_with(config, "my_app", "s3cret")
}

/// Debian's arrangement: a main file that includes links to the real ones.
fn host(site: &[u8]) -> FakeHost {
    FakeHost::new()
        .file(MAIN, "modules_enabled = { \"roster\" }\nVirtualHost \"localhost\"\nInclude \"conf.d/*.cfg.lua\"\n")
        .file(SITE, site)
        .linked("/etc/prosody/conf.d/meet.example.org.cfg.lua", SITE)
}

fn load(site: &[u8]) -> anyhow::Result<Config> {
    Config::load(&host(site), Path::new(MAIN))
}

fn fixtures(suffix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/prosody");
    let mut all: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    all.retain(|path| path.to_string_lossy().ends_with(suffix));
    all.sort();
    all
}

/// What a fixture becomes: its text afterwards, or the refusal in words.
fn outcome(site: &[u8]) -> (bool, Vec<u8>) {
    let config = match load(site) {
        Ok(config) => config,
        Err(error) => return (false, format!("{error:#}\n").into_bytes()),
    };
    match edit(&config) {
        Edit::Unchanged => (true, site.to_vec()),
        Edit::Changed(mut files) => {
            assert_eq!(files.len(), 1, "only the site's file changes");
            let file = files.remove(0);
            assert_eq!(file.path, Path::new(SITE));
            assert!(
                file.what.iter().all(|what| !what.contains("s3cret")),
                "{:?}",
                file.what
            );
            (true, file.after)
        }
        Edit::Refused {
            file,
            line,
            why,
            lines,
        } => (
            false,
            format!("{}:{line}: {why}\n{}\n", file.display(), lines.join("\n")).into_bytes(),
        ),
    }
}

#[test]
fn every_fixture_becomes_what_is_written_beside_it() {
    let bless = std::env::var_os("BLESS_FIXTURES").is_some();
    for input in fixtures(".in.lua") {
        let site = fs::read(&input).unwrap();
        let (edited, text) = outcome(&site);
        let name = input
            .to_string_lossy()
            .replace(".in.lua", if edited { ".out.lua" } else { ".refused.lua" });
        if bless {
            fs::write(&name, &text).unwrap();
        }
        let expected = fs::read(&name).unwrap_or_default();
        let (expected, text) = (
            String::from_utf8_lossy(&expected),
            String::from_utf8_lossy(&text),
        );
        assert!(
            expected == text,
            "{name}:\n{}",
            diffy::create_patch(&expected, &text)
        );
        if edited {
            assert_eq!(
                edit(&load(&fs::read(&name).unwrap()).unwrap()),
                Edit::Unchanged,
                "{name} again"
            );
        }
    }
}

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
