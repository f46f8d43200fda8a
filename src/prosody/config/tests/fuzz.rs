//! Millions of broken configurations. What `scripts/fuzz` finds becomes a fixture.

use std::fs;
use std::path::Path;

use super::super::edit::Edit;
use super::{MAIN, edit, fixtures};
use crate::fuzz_tests::{Fuzzer, mutated};
use crate::host::fake::FakeHost;
use crate::prosody::config::Config;
use crate::site::web_config::{self, PageEdit, PageEntry, PageObject, Wish};

/// What mutations insert.
const PIECES: [&str; 40] = [
    "VirtualHost \"meet.example.org\"\n",
    "Component \"conference.meet.example.org\" \"muc\"\n",
    "VirtualHost",
    "Component",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    "--[[",
    "--",
    "--[==[",
    "]==]",
    "\"",
    "'",
    "\\",
    "\\z",
    "\\x4",
    "=",
    ",",
    ";",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "authentication",
    "app_id = \"x\"",
    " --app_secret=\"example_app_secret\"\n",
    "modules_enabled = { \"token_verification\" }",
    "modules_disabled",
    "plugin_paths",
    "if x then ",
    " end ",
    "function f() ",
    "return",
    "local app_id = 'a'\n",
    "goto x",
];

/// One execution: no panic, and a result that is valid Lua and needs no further edit.
fn try_configuration(text: &[u8]) -> bool {
    let load = |text: &[u8]| Config::load(&FakeHost::new().file(MAIN, text), Path::new(MAIN));
    let Ok(config) = load(text) else { return false };
    let Edit::Changed(files) = edit(&config) else {
        return false;
    };
    let again = load(&files[0].after).expect("the result is Lua");
    assert_eq!(edit(&again), Edit::Unchanged);
    true
}

fn try_page(text: &[u8]) -> bool {
    let entry = |name, object, text: &str| PageEntry { name, object, wish: Wish::Text(text.to_owned()) };
    let entries = [
        entry("anonymousdomain", PageObject::Hosts, "guest.m.org"),
        entry("tokenAuthUrl", PageObject::Config, "https://m.org/{room}"),
    ];
    let mut changed = false;
    for entries in [&entries[..1], &entries[1..]] {
        if let PageEdit::Changed(after) = web_config::edit(text, entries) {
            assert_eq!(web_config::edit(&after, entries), PageEdit::Unchanged);
            changed = true;
        }
    }
    changed
}

fn configurations(then: impl Fn(&Fuzzer)) {
    let seeds: Vec<Vec<u8>> = fixtures(".in.lua").iter().map(|path| fs::read(path).unwrap()).collect();
    then(&Fuzzer { name: "in.lua", make: &|dice| mutated(&seeds, &PIECES, dice), try_it: &try_configuration });
}

fn pages(then: impl Fn(&Fuzzer)) {
    let page = "var c = {\n hosts: {\n  domain: 'm',\n  // anonymousdomain: 'g',\n  muc: 'c.' + s + `m`\n },\n r: /a[/]b/ };\n";
    let seeds = [page.as_bytes().to_vec()];
    then(&Fuzzer { name: "config.js", make: &|dice| mutated(&seeds, &PIECES, dice), try_it: &try_page });
}

#[test]
fn thousands_of_broken_configurations_never_panic() {
    configurations(|fuzzer| fuzzer.some_thousand(100));
}

#[test]
fn thousands_of_broken_pages_never_panic() {
    pages(|fuzzer| fuzzer.some_thousand(100));
}

#[allow(clippy::redundant_closure_for_method_calls, reason = "the method alone is not general enough")]
mod thorough {
    use super::*;

    #[test]
    #[ignore = "scripts/fuzz runs it; scripts/test --all a little of it"]
    fn fuzz_configurations() {
        configurations(|fuzzer| fuzzer.long_run());
    }

    #[test]
    #[ignore = "scripts/fuzz runs it; scripts/test --all a little of it"]
    fn fuzz_pages() {
        pages(|fuzzer| fuzzer.long_run());
    }
}
