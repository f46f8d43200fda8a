use proptest::prelude::*;

use super::{PageEdit, PageEntry, PageObject, Wish, edit};

const GUEST: &str = "guest.m.org";

fn guests(wish: Wish) -> [PageEntry; 1] {
    [PageEntry { name: "anonymousdomain", object: PageObject::Hosts, wish }]
}

fn name_guest_host(source: &[u8], domain: &str) -> PageEdit {
    edit(source, &guests(Wish::Text(domain.to_owned())))
}

fn unname_guest_host(source: &[u8], domain: &str) -> PageEdit {
    edit(source, &guests(Wish::GoneIf(domain.to_owned())))
}

fn login(wish: Wish) -> PageEntry {
    PageEntry { name: "tokenAuthUrl", object: PageObject::Config, wish }
}

fn edited(source: &str) -> String {
    match name_guest_host(source.as_bytes(), GUEST) {
        PageEdit::Changed(after) => {
            assert_eq!(name_guest_host(&after, GUEST), PageEdit::Unchanged, "the second edit changes nothing");
            String::from_utf8(after).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn refused(source: &str) -> (usize, String) {
    match name_guest_host(source.as_bytes(), GUEST) {
        PageEdit::Refused(line, why) => (line, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_templates_comment_becomes_the_entry() {
    let before = "/* a 'quote */\nvar sub = '<!--# echo var=\"s\" -->';\nvar config = {\n    hosts: {\n        domain: 'm.org',\n\n        // When using authentication, domain for guest users.\n        // anonymousdomain: 'guest.example.com',\n\n        muc: 'conference.' + sub + 'm.org',\n    },\n    re: /[/'\"{]hosts: {/,\n};\n";
    let after = before.replace("// anonymousdomain: 'guest.example.com',", "anonymousdomain: 'guest.m.org',");
    assert_eq!(edited(before), after);
}

#[test]
fn a_missing_comma_is_added() {
    assert_eq!(
        edited("var c = { hosts: {\n  domain: 'm' // last\n  //anonymousdomain: \"x\"\n} };"),
        "var c = { hosts: {\n  domain: 'm', // last\n  anonymousdomain: 'guest.m.org',\n} };"
    );
}

#[test]
fn without_a_comment_the_entry_goes_first() {
    assert_eq!(
        edited("config.hosts = {\r\n\tdomain: 'm'\r\n}\r\n"),
        "config.hosts = {\r\n\tanonymousdomain: 'guest.m.org',\r\n\tdomain: 'm'\r\n}\r\n"
    );
    assert_eq!(edited("hosts: { \t\n  a: 1 }"), "hosts: { \t\n  anonymousdomain: 'guest.m.org',\n  a: 1 }");
}

#[test]
fn an_added_entry_has_a_line_of_its_own() {
    for (page, expected) in [
        ("var config = { // any comment\n  a: 1\n};\n", "var config = { // any comment\n  ENTRY\n  a: 1\n};\n"),
        ("var config = { /* a */ // b\r\n\ta: 1\r\n}", "var config = { /* a */ // b\r\n\tENTRY\r\n\ta: 1\r\n}"),
        ("var config = {};\n", "var config = {\n    ENTRY\n};\n"),
        ("  var config = { a: 1,\n b: 2 };", "  var config = {\n      ENTRY\n   a: 1,\n b: 2 };"),
        ("var config = { /* a\n b */ c: 1 };", "var config = {\n    ENTRY\n /* a\n b */ c: 1 };"),
        ("var config = { /* a */ b: 1 }", "var config = {\n    ENTRY\n /* a */ b: 1 }"),
    ] {
        let entry = format!("tokenAuthUrl: '{LOGIN}',");
        let named = changed(page, login(Wish::Text(LOGIN.to_owned())));
        assert_eq!(named, expected.replace("ENTRY", &entry), "{page}");
        let gone = changed(&named, login(Wish::Gone));
        assert_eq!(gone, expected.replace("ENTRY", &format!("// {entry}")), "{page}");
        assert_eq!(changed(&gone, login(Wish::Text(LOGIN.to_owned()))), named, "{page}");
    }
}

#[test]
fn other_values_are_replaced_keeping_their_quotes() {
    assert_eq!(
        edited("var c = { hosts: { anonymousdomain: \"old\" } };\nc.hosts.anonymousdomain = 'older';\n"),
        "var c = { hosts: { anonymousdomain: \"guest.m.org\" } };\nc.hosts.anonymousdomain = 'guest.m.org';\n"
    );
}

#[test]
fn unsupported_syntax_is_refused_with_its_line() {
    assert_eq!(
        refused("var c = {\n hosts: { anonymousdomain: 'guest.' + d } }"),
        (2, "anonymousdomain is not a plain string".to_owned())
    );
    assert_eq!(refused("var c = 'x"), (1, "this JavaScript is not supported".to_owned()));
    // Found by fuzzing: with a comma before it, the slash would begin a regular expression.
    assert_eq!(
        refused("var c = { hosts: {\n a: { b }// anonymousdomain: 'g',\n/ c } }"),
        (1, "this JavaScript is not supported".to_owned())
    );
    assert_eq!(refused("// hosts: {\n"), (1, "there is no `hosts: {` in this file".to_owned()));
    assert_eq!(refused("a = { hosts: {} }\nb = { hosts: {} }"), (2, "there is more than one `hosts: {`".to_owned()));
}

fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "hosts",
        ":",
        "=",
        "{",
        "}",
        "'m.org'",
        "anonymousdomain",
        "\"x\"",
        "// anonymousdomain: 'g',",
        "\n",
        ",",
        "/",
        "/*",
        "*/",
        "'",
        "`",
        "\\",
        "\r\n",
        " ",
        "\t",
        "[",
        "]",
        "domain",
        "config",
        "tokenAuthUrl",
        "// tokenAuthUrl: 'x'",
        ";",
        "${",
        "é",
    ];
    prop::sample::select(pieces.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_edited_at_most_once(pieces in prop::collection::vec(piece(), 0..40)) {
        let source: String = pieces.concat();
        if let PageEdit::Changed(after) = name_guest_host(source.as_bytes(), GUEST) {
            prop_assert_eq!(name_guest_host(&after, GUEST), PageEdit::Unchanged);
        }
    }

    #[test]
    fn any_text_gets_the_login_page_at_most_once(pieces in prop::collection::vec(piece(), 0..40)) {
        let entries = [login(Wish::Text(LOGIN.to_owned()))];
        if let PageEdit::Changed(after) = edit(pieces.concat().as_bytes(), &entries) {
            prop_assert_eq!(edit(&after, &entries), PageEdit::Unchanged);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(source in prop::collection::vec(any::<u8>(), 0..200)) {
        name_guest_host(&source, GUEST);
    }
}

#[test]
fn the_guest_host_is_commented_out_and_in_again() {
    let page = "var config = {\n    hosts: {\n        domain: 'm.org',\n        muc: 'conference.m.org'\n    }\n};\n";
    let PageEdit::Changed(named) = name_guest_host(page.as_bytes(), "guest.m.org") else { panic!("no edit") };
    let PageEdit::Changed(unnamed) = unname_guest_host(&named, "guest.m.org") else { panic!("no edit") };
    let text = String::from_utf8(unnamed.clone()).unwrap();
    assert!(text.contains("        // anonymousdomain: 'guest.m.org',\n"), "{text}");
    assert_eq!(unname_guest_host(&unnamed, "guest.m.org"), PageEdit::Unchanged);
    assert_eq!(name_guest_host(&unnamed, "guest.m.org"), PageEdit::Changed(named.clone()));
    assert_eq!(unname_guest_host(&named, "guest.other.org"), PageEdit::Unchanged);
    let crowded = page.replace("domain: 'm.org'", "anonymousdomain: 'guest.m.org', domain: 'm.org'");
    assert!(matches!(unname_guest_host(crowded.as_bytes(), "guest.m.org"), PageEdit::Refused(3, _)));
}

const LOGIN: &str = "https://login.m.org/{room}?state={state}";

fn changed(source: &str, entry: PageEntry) -> String {
    match edit(source.as_bytes(), std::slice::from_ref(&entry)) {
        PageEdit::Changed(after) => {
            assert_eq!(edit(&after, &[entry]), PageEdit::Unchanged, "the second edit changes nothing");
            String::from_utf8(after).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_login_page_becomes_the_first_entry() {
    let page = "/* eslint-disable */\nvar config = {\n    // Connection\n    hosts: {\n        domain: 'm.org',\n    },\n\n    \
                // tokenAuthUrl:\n    //      'https://myservice.com/auth/{room}'\n    // Supported parameters in tokenAuthUrl:\n    \
                // tokenLogoutUrl: 'https://myservice.com/logout'\n    // tokenRespectTenant: false,\n\n    makeJsonParserHappy: 'ok'\n};\n";
    let after = changed(page, login(Wish::Text(LOGIN.to_owned())));
    let wanted = page.replace("var config = {\n", &format!("var config = {{\n    tokenAuthUrl: '{LOGIN}',\n"));
    assert_eq!(after, wanted);
    let logout =
        PageEntry { name: "tokenLogoutUrl", object: PageObject::Config, wish: Wish::Text("https://l/".into()) };
    let both = changed(&after, logout);
    assert_eq!(
        both,
        wanted.replace("// tokenLogoutUrl: 'https://myservice.com/logout'", "tokenLogoutUrl: 'https://l/',")
    );
}

#[test]
fn the_login_page_is_commented_out_and_in_again() {
    let page = "var config = {\r\n\tdomain: 'm'\r\n}\r\n";
    let named = changed(page, login(Wish::Text(LOGIN.to_owned())));
    let gone = changed(&named, login(Wish::Gone));
    assert_eq!(gone, format!("var config = {{\r\n\t// tokenAuthUrl: '{LOGIN}',\r\n\tdomain: 'm'\r\n}}\r\n"));
    assert_eq!(changed(&gone, login(Wish::Text(LOGIN.to_owned()))), named);
    let behind = "var config = {};\nconfig.tokenAuthUrl = a + b;\n";
    let refused = |wish| edit(behind.as_bytes(), &[login(wish)]);
    let not_plain = PageEdit::Refused(2, "tokenAuthUrl is not a plain string".to_owned());
    assert_eq!(refused(Wish::Text(LOGIN.to_owned())), not_plain);
    assert!(matches!(refused(Wish::Gone), PageEdit::Refused(2, _)));
}

#[test]
fn objects_and_switches_are_set_only_if_different() {
    let sso = |code: &str| PageEntry { name: "sso", object: PageObject::Config, wish: Wish::Code(code.to_owned()) };
    let page = "var config = {\n  a: 1,\n  tokenAuthInline: false\n};\n";
    let wanted = "{ tokenService: 'id.org/o', clientId: 'jitsi' }";
    let set = changed(page, sso(wanted));
    assert_eq!(set, page.replace("  a: 1", &format!("  sso: {wanted},\n  a: 1")));
    let spread = set.replace(wanted, "{\n    tokenService: 'id.org/o', // theirs\n    clientId: 'jitsi' }");
    assert_eq!(edit(spread.as_bytes(), &[sso(wanted)]), PageEdit::Unchanged);
    assert!(changed(&spread, sso("{ tokenService: 'x' }")).contains("sso: { tokenService: 'x' },"));
    let inline = PageEntry { name: "tokenAuthInline", object: PageObject::Config, wish: Wish::Code("true".into()) };
    assert_eq!(changed(page, inline.clone()), page.replace("false", "true"));
    for program in ["mobile()", "5", "{ a: 1 } || b", "a || { b: 1 }"] {
        assert_eq!(
            edit(page.replace("false", program).as_bytes(), std::slice::from_ref(&inline)),
            PageEdit::Refused(3, "tokenAuthInline is not a plain value".to_owned())
        );
    }
}

#[test]
fn values_that_are_not_plain_strings_are_refused() {
    for (value, said) in [
        ("`x`", "is not a plain string"),
        ("5", "is not a plain string"),
        ("'a' + b", "is not a plain string"),
        ("", "has no value"),
    ] {
        let page = format!("var config = {{\n    tokenAuthUrl: {value}\n}};\n");
        let expected = PageEdit::Refused(2, format!("tokenAuthUrl {said}"));
        assert_eq!(edit(page.as_bytes(), &[login(Wish::Text(LOGIN.to_owned()))]), expected);
    }
    let page = "var config = {\n};\nif (config.tokenAuthUrl) { go(config.tokenAuthUrl, 1); }\n";
    let after = changed(page, login(Wish::Text(LOGIN.to_owned())));
    assert_eq!(after, page.replace("{\n}", &format!("{{\ntokenAuthUrl: '{LOGIN}',\n}}")));
}

#[test]
fn a_removed_entry_must_be_on_its_own_line() {
    for page in [
        "var config = {\n    a: 1, tokenAuthUrl: 'x',\n};\n",
        "var config = {\n    tokenAuthUrl: 'x', a: 1\n};\n",
        "var config = {\n    tokenAuthUrl: 'x' +\n        'y',\n};\n",
        "var config = {\n    a: 1, tokenAuthUrl: 'x' +\n        'y',\n};\n",
    ] {
        let expected = PageEdit::Refused(2, "tokenAuthUrl is not on a line of its own".to_owned());
        assert_eq!(edit(page.as_bytes(), &[login(Wish::Gone)]), expected, "{page}");
    }
    // Guests would be sent to a host that is gone.
    let behind = "var config = { hosts: {} };\nconfig.hosts.anonymousdomain = 'guest.m.org';\n";
    let assigned = PageEdit::Refused(2, "anonymousdomain is set by an assignment".to_owned());
    assert_eq!(unname_guest_host(behind.as_bytes(), GUEST), assigned);
    assert_eq!(unname_guest_host(behind.as_bytes(), "guest.other.org"), PageEdit::Unchanged);
}

#[test]
fn a_comment_must_be_exactly_the_entry() {
    for (comment, is_entry) in [
        ("// tokenAuthUrl: 'x',", true),
        ("//tokenAuthUrl : \"x\"", true),
        ("// tokenAuthUrl: true,", true),
        ("// tokenAuthUrl: { a: 1, b: 'c' },", true),
        ("/* tokenAuthUrl: 'x', */", false),
        ("// see tokenAuthUrl: 'x',", false),
        ("// tokenAuthUrls: 'x',", false),
        ("// tokenAuthUrl = 'x',", false),
        ("// tokenAuthUrl: null,", false),
        ("// tokenAuthUrl: 'a' + 'b',", false),
        ("// tokenAuthUrl: 'x\",", false),
        ("// tokenAuthUrl: 'x', // or so", false),
        ("// tokenAuthUrl: { a: { b: 1 } },", false),
        ("// tokenAuthUrl: { a: 1", false),
    ] {
        let page = format!("var config = {{\n    a: 1,\n    {comment}\n    b: 2\n}};\n");
        let entry = format!("tokenAuthUrl: '{LOGIN}',");
        let wanted = match is_entry {
            true => page.replace(comment, &entry),
            false => page.replace("    a: 1", &format!("    {entry}\n    a: 1")),
        };
        assert_eq!(changed(&page, login(Wish::Text(LOGIN.to_owned()))), wanted);
    }
}

#[test]
fn comments_in_other_objects_are_ignored() {
    for page in [
        "var config = {\n    a: {\n        // tokenAuthUrl: 'x',\n    },\n    b: [\n        // tokenAuthUrl: 'x',\n    ]\n};\n",
        "var config = {\n    a: 1\n};\nvar other = {\n    // tokenAuthUrl: 'x',\n};\n",
        "var config = {\n    a: f(\n        // tokenAuthUrl: 'x',\n    )\n};\n",
    ] {
        let wanted = page.replacen("    a", &format!("    tokenAuthUrl: '{LOGIN}',\n    a"), 1);
        assert_eq!(changed(page, login(Wish::Text(LOGIN.to_owned()))), wanted);
    }
}

#[test]
fn an_object_needs_a_name_and_a_brace() {
    for page in ["use(hosts, { a: 1 });\n", "hosts: [ 1 ]\n", "var guests = { a: 1 };\n"] {
        assert_eq!(refused(page), (1, "there is no `hosts: {` in this file".to_owned()));
    }
}
