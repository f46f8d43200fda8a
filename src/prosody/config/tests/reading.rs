//! What Prosody would see, by the rules of its loader.

use std::path::Path;

use super::super::edit::Edit;
use super::{MAIN, SITE, edit, host, load};
use crate::host::Host;
use crate::host::fake::FakeHost;
use crate::lua::lua_string;
use crate::lua::value::Value;
use crate::prosody::config::{Config, SectionKind};

fn read(main: &str) -> Config {
    Config::load(&FakeHost::new().file(MAIN, main), Path::new(MAIN)).unwrap()
}

fn text(config: &Config, host: Option<&str>, name: &str) -> Option<String> {
    config.option(host, name).and_then(|setting| setting.value.as_str()).map(str::to_owned)
}

#[test]
fn an_included_file_starts_in_the_global_section() {
    let main = "VirtualHost 'a'\nx = '1'\nInclude 'conf.d/*.lua'\ny = '2'\n";
    let files = FakeHost::new().file(MAIN, main).file("/etc/prosody/conf.d/b.lua", "g = '3'\nVirtualHost 'b'\nx = '4'");
    let config = Config::load(&files, Path::new(MAIN)).unwrap();
    assert_eq!(text(&config, None, "g").as_deref(), Some("3"));
    assert_eq!(text(&config, Some("a"), "y").as_deref(), Some("2"));
    assert_eq!(text(&config, Some("B"), "x").as_deref(), Some("4"));
    assert_eq!(config.effective("a", "g").unwrap().line, 1);
}

#[test]
fn options_in_a_table_end_the_section() {
    let config = read("Component 'c' 'muc' { x = 1; ['y'] = 'z' }\ng = true");
    assert_eq!(text(&config, Some("c"), "y").as_deref(), Some("z"));
    assert_eq!(config.option(None, "g").unwrap().value.as_bool(), Some(true));
    assert_eq!(config.hosts().next().unwrap().kind, SectionKind::Component(Some("muc".to_owned())));
}

#[test]
fn later_values_win_and_nil_falls_back() {
    let config = read("x = 'g'\nVirtualHost 'a'\nx = '1'\nVirtualHost 'b'\nVirtualHost 'A'\nx = '2'\ny = nil");
    assert_eq!(text(&config, Some("a"), "x").as_deref(), Some("2"));
    assert_eq!(config.effective("b", "x").unwrap().line, 1);
    assert!(
        config.effective("a", "y").is_some_and(|setting| setting.value == Value::Nil)
            || config.option(None, "y").is_none()
    );
}

#[test]
fn conditional_and_computed_values_are_unknown() {
    let config = read("x = '1'\nif ENV_X then x = '2' end\ny = ENV_Y\nlocal z = 'loc'\nz = 'al'");
    assert_eq!(config.option(None, "x").unwrap().value, Value::Computed);
    assert_eq!(config.option(None, "y").unwrap().value, Value::Computed);
    assert!(config.option(None, "z").is_none());
}

#[test]
fn prosody_13_appends() {
    let config = read("VirtualHost 'a'\nm = { 'x' }\nm:append { 'y' }\nm { 'z' }");
    let list = config.option(Some("a"), "m").unwrap().value.strings().unwrap();
    assert_eq!(list, ["x", "y", "z"]);
    for chain in ["m:append { 'y' }:append { 'z' }", "m { 'y' } { 'z' }", "m:append { 'y' } { 'z' }:values()"] {
        let config = read(&format!("m = {{ 'x' }}\n{chain}"));
        assert_eq!(config.option(None, "m").unwrap().value.strings().unwrap(), ["x", "y", "z"], "{chain}");
    }
    for unknown in ["m:append(more)", "m:append { 'y' }:append(more)", "m:append(more):append { 'y' }"] {
        let config = read(&format!("m = {{ 'x' }}\n{unknown}"));
        let value = &config.option(None, "m").unwrap().value;
        assert!(value.lists("x") && value.strings().is_none(), "{unknown}: {value:?}");
    }
}

#[test]
fn configuration_errors_are_reported_with_their_line() {
    let error = |main: &str| Config::load(&FakeHost::new().file(MAIN, main), Path::new(MAIN)).unwrap_err().to_string();
    assert_eq!(error("x = 1\ny = {\n"), format!("{MAIN}:3: unexpected end of the file"));
    assert_eq!(
        error("\nInclude 'none.lua'"),
        format!(
            "{MAIN}:2: includes /etc/prosody/none.lua, which does not \
        exist"
        )
    );
    assert_eq!(error("Include 'prosody.cfg.lua'"), format!("{MAIN} includes itself"));
    assert!(error(&"(".repeat(100_000)).contains("nested too deeply"));
}

#[test]
fn files_are_listed_as_opened_and_resolved() {
    let config = load(b"").unwrap();
    let files: Vec<&Path> = config.files().collect();
    assert_eq!(files, [SITE, "/etc/prosody/conf.d/meet.example.org.cfg.lua", MAIN].map(Path::new));
}

#[test]
fn unordered_includes_are_both_edited() {
    let site =
        "VirtualHost 'meet.example.org'\nauthentication = 'anonymous'\nComponent 'conference.meet.example.org' 'muc'\n";
    let files = host(site.as_bytes())
        .file("/etc/prosody/conf.d/z.cfg.lua", "VirtualHost 'meet.example.org'\n authentication = 'x'\n");
    let config = Config::load(&files, Path::new(MAIN)).unwrap();
    let Edit::Changed(edits) = edit(&config) else { panic!("not changed") };
    assert_eq!(edits.len(), 2);
    for edit in &edits {
        let access = crate::host::Access::root(0o640);
        files.write(&edit.path, &edit.after, access).unwrap();
        assert!(edit.after.windows(42).any(|text| text == &b"authentication = \"token\" -- do not delete m"[..42]));
    }
    let again = Config::load(&files, Path::new(MAIN)).unwrap();
    assert_eq!(edit(&again), Edit::Unchanged);
}

#[test]
fn strings_are_quoted_for_every_lua_version() {
    assert_eq!(lua_string(b"a\"\\\n\x00\x7f9\xff"), b"\"a\\\"\\\\\\n\\000\\1279\xff\"");
}

#[test]
fn doubling_strings_are_limited() {
    let site = |text: &str| load(text.as_bytes()).unwrap();
    // 2^40 bytes if it were evaluated.
    let doubling = format!("local a = \"x\"\n{}b = a\n", "local a = a .. a\n".repeat(40));
    let config = site(&doubling);
    assert_eq!(config.option(None, "b").unwrap().value, Value::Computed);
    let short = format!("local a = \"x\"\n{}b = a\n", "local a = a .. a\n".repeat(10));
    let value = site(&short).option(None, "b").unwrap().value.clone();
    assert_eq!(value.as_bytes().map(<[u8]>::len), Some(1024));
    // Used often: 100,000 times 32 KiB.
    let used = format!("local a = \"{}\"\nb = {{ {} }}\n", "x".repeat(32 << 10), "a,".repeat(100_000));
    let value = site(&used).option(None, "b").unwrap().value.clone();
    let known = value.entries().filter_map(Value::as_bytes).count();
    assert!((30..100).contains(&known), "{known}");
}

#[test]
fn deep_or_long_input_is_refused_or_read_quickly() {
    let began = std::time::Instant::now();
    let many = 200_000;
    for (text, refused) in [
        (format!("a = {}", "{".repeat(many)), true),
        (format!("a = {}", "(".repeat(many)), true),
        (format!("a = {}", "{[".repeat(many)), true),
        (format!("a = {}1", "- ".repeat(many)), false),
        (format!("a = {}1", "not ".repeat(many)), false),
        (format!("a = 1{}", " .. 1".repeat(many)), false),
        (format!("a = b{}", "[c]".repeat(many)), false),
        (format!("a = b{}", "{c}".repeat(many)), false),
        (format!("a = {}", "f{".repeat(many)), true),
        ("do ".repeat(many), true),
        ("if a then ".repeat(many), true),
        (format!("if a then {} end", "elseif b then ".repeat(many)), false),
        ("function f() ".repeat(many), true),
        ("a = function() ".repeat(many), true),
        ("repeat ".repeat(many), true),
        ("--[==[ ".repeat(many), true),
        ("--[[ x ]]".repeat(many), false),
        (format!("a = {{ {} }}", "b --[[ x ]] = 1,".repeat(many)), false),
        (format!("--[{}", "=".repeat(many)), false),
        (format!("a = [{}", "=[".repeat(many)), true),
        (format!("a = \"{}", "\\z \n".repeat(many)), true),
        (format!("a = {}", "1".repeat(many)), false),
        (format!("a = 0x{}", "f".repeat(many)), false),
        ("-- a = (\n".repeat(many), false),
    ] {
        assert_eq!(load(text.as_bytes()).is_err(), refused, "{}", &text[..40]);
    }
    // Each name is looked for among all visible ones.
    let locals = |level: usize| {
        let names: Vec<String> = (0..190).map(|number| format!("v{level}_{number}")).collect();
        format!("function f() local {}\n", names.join(","))
    };
    let nested: String = (0..40).map(locals).collect();
    let error = load(format!("{nested}{}", "x() ".repeat(many)).as_bytes()).unwrap_err();
    assert!(format!("{error:#}").contains("too many local variables"));
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn errors_do_not_quote_possible_secrets() {
    for text in [
        "app_secret \"hunter2\" = 1",
        "app_secret = = \"hunter2\"",
        "x = 1 \"hunter2\"",
        "app_secret = \"hunter2\\q\"",
        "app_secret = [[hunter2]] 5",
        "app_secret = \"hunter2",
    ] {
        let error = format!("{:#}", load(text.as_bytes()).unwrap_err());
        assert!(!error.contains("hunter"), "{error}");
    }
}
