//! The login page in the web page's configuration: set, damaged, found, repaired, undone, and all bytes restored.

use crate::bed::{DOMAIN, Machine, says};

const LOGIN: &str = "https://login.example.org/{room}?state={state}&code={code_challenge}";
const LOGOUT: &str = "https://login.example.org/logout";
const SCRIPT: &str = "/usr/share/jitsi-meet/libs/app.bundle.min.js";

/// The parts of Jitsi's template that matter here, in their odd spelling.
const PAGE: &str = "/* eslint-disable comma-dangle */

var subdomain = \"<!--# echo var=\"subdomain\" default=\"\" -->\";

var config = {
    // Connection
    //

    hosts: {
        domain: 'meet.example.org',
        muc: 'conference.' + subdomain + 'meet.example.org',
    },

    // You can use tokenAuthUrl config to point to a URL of such service.
    // tokenAuthUrl:
    //      'https://myservice.com/auth/{room}?code_challenge={code_challenge}&state={state}'
    // If there is a logout service you can specify its URL with:
    // tokenLogoutUrl: 'https://myservice.com/logout'

    makeJsonParserHappy: 'even if last key had a trailing comma'

    // no configuration value should follow this line.
};
";

fn page() -> String {
    format!("/etc/jitsi/meet/{DOMAIN}-config.js")
}

/// A machine with the configuration of Jitsi's web page, with an unusual group and mode, and a script with these words.
fn with_page(words: &str) -> Machine {
    let machine = Machine::boot("bookworm-bundled");
    let (page, folder) = (page(), SCRIPT.rsplit_once('/').expect("a folder").0);
    machine.sh(&format!(
        "set -e; touch /run/bed-jicofo; mkdir -p /etc/jitsi/meet {folder}; cat > {page} <<'END'\n{PAGE}END\n\
         chmod 640 {page}; chgrp www-data {page}; echo '{words}' > {SCRIPT}"
    ));
    machine
}

fn state(machine: &Machine) -> String {
    let page = page();
    machine.sh(&format!(
        "stat -c '%n %a %U:%G' {page}; sha256sum {page}; ls /var/lib/jitsi-tokens-setup 2>/dev/null || true"
    ))
}

fn install(machine: &Machine, options: &[&str]) -> crate::bed::Run {
    machine.tool(&[&["install", "--yes", "--json"], options].concat())
}

#[test]
fn the_login_page_is_set_repaired_and_undone() {
    let machine = with_page("tokenAuthUrl tokenLogoutUrl {state} {code_challenge}");
    let before = state(&machine);
    let plan = machine.tool(&["install", "--dry-run", "--login-url", LOGIN]);
    says(&plan, 0, &[&format!("tokenAuthUrl: '{LOGIN}'")]);
    assert_eq!(state(&machine), before);

    says(&install(&machine, &["--login-url", LOGIN, "--logout-url", LOGOUT]), 0, &[]);
    let page = page();
    let wanted = PAGE
        .replace("var config = {\n", &format!("var config = {{\n    tokenAuthUrl: '{LOGIN}',\n"))
        .replace("// tokenLogoutUrl: 'https://myservice.com/logout'", &format!("tokenLogoutUrl: '{LOGOUT}',"));
    assert_eq!(machine.text(&page), wanted);
    assert_eq!(machine.sh(&format!("stat -c '%a %U:%G' {page}")).trim(), "640 root:www-data");
    says(&machine.tool(&["status"]), 0, &[&format!("--login-url {LOGIN}"), "--logout-url"]);
    let again = install(&machine, &[]);
    assert_eq!(again.json()["pending"], false, "{}", again.all());

    // An upgrade's script, or a person, replaces it with another URL.
    machine.edit(&page, "s/login.example.org\\/{room}/other.example.org/");
    says(&machine.tool(&["status"]), 3, &["web-config"]);
    says(&install(&machine, &[]), 0, &[]);
    assert_eq!(machine.text(&page), wanted);
    machine.edit(&page, "/tokenAuthUrl: 'https:..login/d");
    says(&machine.tool(&["status"]), 3, &["web-config"]);
    says(&install(&machine, &[]), 0, &[]);
    assert_eq!(machine.text(&page), wanted);

    says(&install(&machine, &["--login-url", "off"]), 0, &[]);
    assert_eq!(machine.text(&page), wanted.replace("    tokenAuthUrl: 'https", "    // tokenAuthUrl: 'https"));
    let again = install(&machine, &[]);
    assert_eq!(again.json()["pending"], false, "{}", again.all());

    says(&machine.tool(&["uninstall", "--yes"]), 0, &[]);
    assert_eq!(state(&machine), before);
}

#[test]
fn an_unsupported_or_missing_page_is_left_alone() {
    let machine = with_page("tokenAuthUrl {room}");
    let before = state(&machine);
    let refused = |options: &[&str], words: &[&str]| {
        says(&install(&machine, options), 5, words);
        assert_eq!(state(&machine), before, "{options:?}: something was changed");
    };
    refused(&["--login-url", LOGIN], &["does not know {state}"]);
    refused(&["--logout-url", LOGOUT], &["does not know tokenLogoutUrl"]);
    let page = page();
    machine.sh(&format!("cp -p {page} /root/kept; echo 'config.tokenAuthUrl = other();' >> {page}"));
    let run = install(&machine, &["--login-url", "https://login.example.org/{room}"]);
    says(&run, 5, &[&format!("{page}:"), "tokenAuthUrl is not a plain string"]);
    machine.sh(&format!("rm {page}"));
    let run = install(&machine, &["--login-url", "https://login.example.org/{room}"]);
    says(&run, 5, &["does not exist on this machine", "tokenAuthUrl: 'https://login.example.org/{room}',"]);
    machine.sh(&format!("cp -p /root/kept {page}"));
    assert_eq!(state(&machine), before);
}
