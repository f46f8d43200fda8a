use std::path::Path;

use super::difference;

/// How `source` is shown when a line is added before it and one after it: all of it, as context.
fn shown(name: &str, source: &str) -> String {
    let context = source.lines().count();
    assert!(context <= 6, "a diff has three lines of context");
    let after = format!("new\n{source}\nnew\n");
    difference(Path::new(name), format!("{source}\n").as_bytes(), after.as_bytes())
}

fn lua(source: &str) -> String {
    shown("/etc/prosody/conf.d/x.cfg.lua", source)
}

#[track_caller]
fn hides(shown: &str) {
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(shown.contains("<redacted>"), "{shown}");
}

#[test]
fn secret_settings_are_masked_in_any_notation() {
    for source in [
        "admin_password = \"hunter2\"",
        "turncredentials_secret = 'hunter2';",
        "external_service_secret = [[hunter2]]",
        "component_secret = [==[\nhunter2\nhunter3]==]",
        "ldap_password=\"hunter\\\"2hunter\"; x = 1",
        "app_secret = -- why\n  \"hunter2\"",
        "app_secret = \"hunter2\" ..\n  \"hunter3\"\n  .. [[hunter4]]",
        "app_secret = (\"hunter2\"):upper()",
        "app_secret = os.getenv(\"X\") or \"hunter2\"",
        "external_services = {\n  { type = \"turn\"; secret = \"hunter2\" };\n  { type = \"stun\" };\n}",
        "x = { [\"api_key\"] = \"hunter2\" }",
        "VirtualHost \"a\" { app_secret = \"hunter2\", y = 1 }",
        "secrets = { \"hunter2\", old = \"hunter3\" }",
        "keys.first = \"hunter2\"",
        "admin_password, other = \"hunter2\", \"hunter3\"",
        "other, admin_password = \"hunter2\", \"hunter3\"",
        "local x = \"hunter2\"\nlocal y = x\nturn_secret = y",
        "jwtKey = \"hunter2\"",
        "x_psk = 47110815 -- hunter of numbers".trim_end_matches("hunter of numbers"),
        "--app_secret=\"hunter2\"",
        "-- admin_password: hunter2",
        "-- don't look\n-- secret = \"hunter2\" ..\n--   \"hunter3\"",
        "--[[ a long comment\n  admin_password = [[hunter2]=]\n]]",
        "if app_secret == \"hunter2\" then x() end",
        "x = \"https://me:hunter2@example.org/\"",
        "x = [[ not closed\napp_secret = \"hunter2\"",
    ] {
        hides(&lua(source));
    }
}

#[test]
fn harmless_settings_stay_readable() {
    for source in [
        "authentication = \"token\" -- do not delete me",
        "VirtualHost \"meet.example.org\"",
        "modules_enabled = { \"token_verification\"; \"muc_password\" }",
        "asap_key_server = \"https://keys.example.org\"",
        "turncredentials_ttl = 86400",
        "ssl = { key = \"/etc/prosody/certs/m.key\"; certificate = \"/etc/prosody/certs/m.crt\" }",
        "--app_secret=\"example_app_secret\"",
        "allow_empty_token = false\nlog = \"info\"",
        "app_secret = nil\nlog = \"info\"",
    ] {
        let shown = lua(source);
        for line in source.lines() {
            assert!(shown.contains(line), "{line} in {shown}");
        }
    }
    let shown = lua("admin_password = \"hunter2\"; log = \"info\"\nsecret = { \"hunter2\" } port = 5");
    for part in ["admin_password = \"<redacted>\"; log = \"info\"", "secret = { \"<redacted>\" } port = 5"] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn changed_lines_are_shown_and_masked_too() {
    let path = Path::new("/etc/prosody/prosody.cfg.lua");
    assert_eq!(
        difference(path, b"a = 1\napp_secret = \"hunter2\"\n", b"a = 1\napp_secret = \"hunter3\"\nb = 2"),
        "@@ -1,2 +1,3 @@\n a = 1\n-app_secret = \"<old secret>\"\n+app_secret = \"<new secret>\"\n+b = 2\n\\ No newline at end of file"
    );
    // The same secret in a line that is formatted differently is neither old nor new.
    assert_eq!(
        difference(path, b"app_secret = \"hunter2\"\n", b"app_secret='hunter2'\n"),
        "@@ -1 +1 @@\n-app_secret = \"<redacted>\"\n+app_secret='<redacted>'"
    );
    assert_eq!(
        difference(path, b"app_secret = \"hunter2\"", b"app_secret = \"hunter2\"\n"),
        "@@ -1 +1 @@\n-app_secret = \"<redacted>\"\n\\ No newline at end of file\n+app_secret = \"<redacted>\""
    );
    assert_eq!(difference(path, b"", b"a\n"), "@@ -0,0 +1 @@\n+a");
    assert_eq!(difference(path, b"a\n", b"a\n"), "");
}

#[test]
fn the_web_page_and_other_files_are_masked_too() {
    for source in [
        "var config = { dropbox: { appKey: 'hunter2' } };",
        "config.apiToken = `hunter2`;",
        "// appKey: 'hunter2',\n/* password: \"hunter3\" */",
        "x = \"never closed\ntoken: 'hunter2'",
    ] {
        hides(&shown("/etc/jitsi/meet/m-config.js", source));
    }
    let page = shown("m-config.js", "hosts: { anonymousdomain: 'guest.m', keyboard: 'x' },");
    assert!(page.contains("anonymousdomain: 'guest.m', keyboard: 'x'"), "{page}");
    for source in
        ["password = hunter2", "{\"api_token\": \"hunter2\"}", "deb https://me:hunter2@deb.example.org stable main"]
    {
        hides(&shown("/etc/apt/sources.list", source));
    }
}

#[test]
fn large_files_are_masked_quickly() {
    let began = std::time::Instant::now();
    for source in [
        "secret = {".repeat(100_000),
        "secret,".repeat(150_000),
        "-- don't\n".repeat(100_000),
        "--[[ x ]] secret = \"hunter2\"\n".repeat(40_000),
        "://a:b".repeat(150_000),
        "secret".repeat(150_000),
        "secret ".repeat(150_000),
    ] {
        let after = format!("{source}\nnew\n");
        difference(Path::new("x.lua"), source.as_bytes(), after.as_bytes());
    }
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
