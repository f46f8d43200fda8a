//! The options that an operator can choose, and the host for guests.

use std::fs;
use std::path::Path;

use super::super::edit::{ALLOWLIST, Assignment, Edit, Guests, SITE_MODULES, WAIT_FOR_HOST, Wanted, whole_edit};
use super::{fixtures, load, wanted};
use crate::host::secret::Secret;
use crate::lua::value::Value;
use crate::prosody::config::Config;

const GUEST: &str = "guest.meet.example.org";

fn list(entries: &[&str]) -> Value {
    let entry = |text: &&str| (None, Value::String(text.as_bytes().to_vec()));
    Value::Table(entries.iter().map(entry).collect())
}

const WAIT: Guests = Guests::Wait { domain: GUEST, authentication: "jitsi-anonymous" };
const NONE: Guests = Guests::None { domain: GUEST };

fn plan(site: &[u8], host: &[Assignment], rooms: &[Assignment], guests: Guests) -> Edit {
    plan_with(site, host, rooms, guests, &[])
}

fn plan_with(site: &[u8], host: &[Assignment], rooms: &[Assignment], guests: Guests, let_in: &[String]) -> Edit {
    let secret = Secret::unlisted("s3cret");
    whole(site, &Wanted { host_options: host, room_options: rooms, guests, let_in, ..wanted(&secret) })
}

fn whole(site: &[u8], wanted: &Wanted) -> Edit {
    whole_edit(&super::host(site), Path::new(super::MAIN), &load(site).unwrap(), wanted).unwrap()
}

fn after(edit: Edit) -> Vec<u8> {
    match edit {
        Edit::Changed(mut files) => files.remove(0).after,
        other => panic!("{other:?}"),
    }
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(&fixtures(name)[0]).unwrap()
}

fn all() -> [Assignment; 6] {
    [
        ("allow_empty_token", Value::Bool(false)),
        ("asap_accepted_issuers", list(&["my_app", "an\"other"])),
        ("asap_accepted_audiences", list(&["jitsi"])),
        ("signature_algorithm", Value::String(b"HS512".to_vec())),
        ("enable_domain_verification", Value::Bool(false)),
        ("asap_require_room_claim", Value::Bool(false)),
    ]
}

const MODERATION: &str = "token_verification_require_token_for_moderation";

#[test]
fn every_option_is_set_idempotently_on_every_fixture() {
    let rooms = [(MODERATION, Value::Bool(true))];
    let mut edited = 0;
    for path in fixtures(".out.lua") {
        if path.to_string_lossy().contains(".main.") {
            continue;
        }
        let site = fs::read(&path).unwrap();
        let text = match plan(&site, &all(), &rooms, WAIT) {
            Edit::Refused { .. } => continue,
            edit => after(edit),
        };
        let config = load(&text).unwrap();
        for (name, value) in all() {
            let found = &config.effective("meet.example.org", name).unwrap().value;
            assert_eq!(*found, value, "{name} in {}", path.display());
        }
        let found = config.option(Some("conference.meet.example.org"), MODERATION);
        assert_eq!(found.unwrap().value, Value::Bool(true));
        let guests = config.option(Some(GUEST), "authentication").unwrap();
        assert!(guests.value.as_str().unwrap().ends_with("anonymous"));
        guests_wait_in(&config);
        assert_eq!(plan(&text, &all(), &rooms, WAIT), Edit::Unchanged);
        edited += 1;
    }
    assert!(edited > 25, "only {edited} fixtures were edited");
}

#[test]
fn chosen_options_are_replaced_in_place_others_kept() {
    let site = String::from_utf8(fixture("token-options.out.lua")).unwrap();
    let choice = [("signature_algorithm", Value::String(b"HS384".to_vec()))];
    for site in [&site, &site.replace("signature_algorithm = ", "signature_algorithm=")] {
        let text = String::from_utf8(after(plan(site.as_bytes(), &choice, &[], Guests::LeaveAsIs))).unwrap();
        assert_eq!(text, site.replace("\"HS512\"", "\"HS384\""));
    }
}

#[test]
fn options_already_in_effect_are_not_repeated() {
    let site = String::from_utf8(fixture("done.in.lua")).unwrap();
    let global = format!("allow_empty_token = true\n{site}");
    let choice = [("allow_empty_token", Value::Bool(true))];
    assert_eq!(plan(global.as_bytes(), &choice, &[], Guests::LeaveAsIs), Edit::Unchanged);
    let site = fixture("token-options.out.lua");
    let choice = [("asap_accepted_issuers", list(&["*", "other"]))];
    assert_eq!(plan(&site, &choice, &[], Guests::LeaveAsIs), Edit::Unchanged);
}

#[test]
fn a_computed_option_is_refused_with_the_line_to_write() {
    let site =
        [&fixture("done.in.lua")[..], b"VirtualHost \"meet.example.org\"\nallow_empty_token = os.getenv(\"X\")\n"]
            .concat();
    let choice = [("allow_empty_token", Value::Bool(false))];
    match plan(&site, &choice, &[], Guests::LeaveAsIs) {
        Edit::Refused { why, lines, .. } => {
            assert_eq!(why, "allow_empty_token is computed");
            assert!(lines.contains(&"    allow_empty_token = false".to_owned()));
        }
        other => panic!("{other:?}"),
    }
}

/// Checks that everything that makes guests wait is there, once.
fn guests_wait_in(config: &Config) {
    let once = |host: &str, name: &str, entry: &str| {
        let list = &config.option(Some(host), name).unwrap().value;
        let found = list.entries().filter(|other| other.as_str() == Some(entry)).count();
        assert_eq!(found, 1, "{entry} in {name} of {host}: {list:?}");
    };
    for module in SITE_MODULES {
        once("meet.example.org", "modules_enabled", module);
    }
    once("conference.meet.example.org", "modules_enabled", WAIT_FOR_HOST);
    once("conference.meet.example.org", "modules_enabled", "token_verification");
    once("conference.meet.example.org", ALLOWLIST, GUEST);
    let open = config.effective("meet.example.org", "allow_empty_token");
    assert!(open.is_none_or(|setting| setting.value == Value::Bool(false)));
}

#[test]
fn the_guest_host_is_hidden_from_package_scripts() {
    let site = fixture("bundled-era.out.lua");
    let text = String::from_utf8(after(plan(&site, &[], &[], WAIT))).unwrap();
    let section = "\nVirtualHost \"guest.meet.example.org\"\n    authentication = 'jitsi-anonymous'\n    c2s_require_encryption = false\n";
    assert!(text.ends_with(&format!("    app_id = \"jitsi\";\n{section}")), "{text}");
    assert_eq!(after(plan(site.trim_ascii_end(), &[], &[], WAIT)), text.as_bytes());
    guests_wait_in(&load(text.as_bytes()).unwrap());
    assert_eq!(plan(text.as_bytes(), &[], &[], WAIT), Edit::Unchanged);
    // It stays when it is no longer asked for.
    assert_eq!(plan(text.as_bytes(), &[], &[], Guests::LeaveAsIs), Edit::Unchanged);
}

#[test]
fn removing_guests_keeps_everything_else() {
    let site = fixture("bundled-era.out.lua");
    let with = after(plan(&site, &[], &[], WAIT));
    let without = String::from_utf8(after(plan(&with, &[], &[], NONE))).unwrap();
    // What is left is an empty list, and the lobby, which was there before.
    let empty = format!("    {ALLOWLIST} = {{  }}\n");
    assert_eq!(without.replacen(&empty, "", 1), String::from_utf8(site).unwrap());
    assert_eq!(plan(without.as_bytes(), &[], &[], NONE), Edit::Unchanged);
    // Also if somebody has put another section after it.
    let other = "VirtualHost \"other.org\"\n    storage = \"memory\"\n";
    let behind = after(plan(&[&with[..], other.as_bytes()].concat(), &[], &[], NONE));
    assert_eq!(String::from_utf8(behind).unwrap(), format!("{without}{other}"));
    let with = String::from_utf8(with).unwrap();
    let (before, section) = with.split_at(with.find("VirtualHost \"guest").unwrap());
    for section in [
        format!("{section}    admins = {{ \"a@b\" }}\n"),
        section.replace("\"guest.meet.example.org\"", "'guest.meet.example.org'"),
        format!("if ENV_GUESTS then\n{} end\n", section.trim_end()),
    ] {
        match plan(format!("{before}{section}").as_bytes(), &[], &[], NONE) {
            Edit::Refused { why, .. } => assert!(why.contains("has options that"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn broken_guest_settings_are_repaired() {
    let site = String::from_utf8(fixture("bundled-era.out.lua")).unwrap();
    let with = String::from_utf8(after(plan(site.as_bytes(), &[], &[], WAIT))).unwrap();
    for damage in [
        with.replace("\"persistent_lobby\"", "\"other\""),
        with.replace("\"muc_wait_for_host\"", "--\"muc_wait_for_host\""),
        with.replace(&format!("{ALLOWLIST} = {{ \"{GUEST}\" }}"), &format!("{ALLOWLIST} = {{ \"x.org\" }}")),
        format!("allow_empty_token = true\n{with}"),
        with.replace("Component \"conference", "modules_disabled = { \"persistent_lobby\" }\nComponent \"conference"),
    ] {
        assert_ne!(damage, with);
        let mended = after(plan(damage.as_bytes(), &[], &[], WAIT));
        let config = load(&mended).unwrap();
        guests_wait_in(&config);
        let off = config.option(Some("meet.example.org"), "modules_disabled");
        assert!(off.is_none_or(|setting| !setting.value.lists("persistent_lobby")));
        assert_eq!(plan(&mended, &[], &[], WAIT), Edit::Unchanged);
    }
}

#[test]
fn an_existing_guest_host_is_kept_or_repaired() {
    let site = String::from_utf8(fixture("guest-host.out.lua")).unwrap();
    let section = "VirtualHost \"guest.meet.example.org\"\n    authentication = \"anonymous\"\n";
    let kept = String::from_utf8(after(plan(site.as_bytes(), &[], &[], WAIT))).unwrap();
    assert!(site.contains(section) && kept.contains(section), "{kept}");
    guests_wait_in(&load(kept.as_bytes()).unwrap());
    let other = kept.replacen("authentication = \"anonymous\"", "authentication = \"internal_hashed\" -- why", 1);
    let text = String::from_utf8(after(plan(other.as_bytes(), &[], &[], WAIT))).unwrap();
    assert_eq!(text, other.replace("\"internal_hashed\"", "'jitsi-anonymous'"));
}

#[test]
fn no_host_is_added_after_a_return() {
    let site = fixture("return-at-the-end.out.lua");
    match plan(&site, &[], &[], WAIT) {
        Edit::Refused { line, lines, .. } => {
            assert_eq!((line, &*lines[0]), (9, "VirtualHost \"guest.meet.example.org\""));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn services_are_added_to_existing_allowlist_entries() {
    let services = ["recorder.meet.example.org".to_owned(), "jigasi@auth.meet.example.org".to_owned()];
    let rooms = "conference.meet.example.org";
    let mut edited = 0;
    for path in fixtures(".out.lua") {
        if path.to_string_lossy().contains(".main.") {
            continue;
        }
        let site = fs::read(&path).unwrap();
        let before = load(&site).unwrap().option(Some(rooms), ALLOWLIST).map(|setting| setting.value.clone());
        let Edit::Changed(mut files) = plan_with(&site, &[], &[], WAIT, &services) else { continue };
        let text = files.remove(0).after;
        let after = load(&text).unwrap().option(Some(rooms), ALLOWLIST).unwrap().value.clone();
        let kept = before.iter().flat_map(Value::entries).filter_map(Value::as_str);
        for name in services.iter().map(String::as_str).chain([GUEST]).chain(kept) {
            assert!(after.lists(name), "{name} in {}", path.display());
        }
        assert_eq!(plan_with(&text, &[], &[], WAIT, &services), Edit::Unchanged);
        edited += 1;
    }
    assert!(edited > 25, "only {edited} fixtures were edited");
}

#[test]
fn several_list_entries_are_added_at_once() {
    let site = fixture("bundled-era.out.lua");
    let secret = Secret::unlisted("s3cret");
    let services = ["a.org", "b.org", "c.org"].map(str::to_owned);
    for (room_modules, host_modules, let_in) in [
        (&[("one", true), ("two", true)][..], &[][..], 0),
        (&[], &[("one", true), ("two", true)], 0),
        (&[("one", true), ("two", true)], &[("three", true), ("four", true)], 0),
        (&[], &[], 2),
        (&[], &[], 3),
    ] {
        let wanted = Wanted { room_modules, host_modules, let_in: &services[..let_in], ..wanted(&secret) };
        let text = after(whole(&site, &wanted));
        let config = load(&text).unwrap();
        for (host, name, entries) in [
            ("conference.meet.example.org", "modules_enabled", room_modules.iter().map(|(name, _)| *name).collect()),
            ("meet.example.org", "modules_enabled", host_modules.iter().map(|(name, _)| *name).collect()),
            ("conference.meet.example.org", ALLOWLIST, wanted.let_in.iter().map(String::as_str).collect::<Vec<_>>()),
        ] {
            let said = config.option(Some(host), name).map(|setting| &setting.value);
            let missing = entries.iter().find(|entry| !said.is_some_and(|list| list.lists(entry)));
            assert_eq!(missing, None, "in {name} of {host}: {said:?}");
        }
        assert_eq!(whole(&text, &wanted), Edit::Unchanged);
    }
}

#[test]
fn an_appending_statement_becomes_an_assignment() {
    let site = String::from_utf8(fixture("done.in.lua")).unwrap();
    let append = "asap_accepted_issuers:append { \"b\" } -- theirs\n";
    let site = format!("{site}VirtualHost \"meet.example.org\"\nasap_accepted_issuers = {{ \"a\" }}\n{append}");
    let choice = [("asap_accepted_issuers", list(&["x"]))];
    let text = String::from_utf8(after(plan(site.as_bytes(), &choice, &[], Guests::LeaveAsIs))).unwrap();
    assert_eq!(text, site.replace(append, "asap_accepted_issuers = { \"x\" } -- theirs\n"));
}

#[test]
fn options_are_uncommented_in_the_sites_file_first() {
    let comment = "--plugin_paths = { \"/usr/share/jitsi-meet/prosody-plugins/\" }\n";
    let own = String::from_utf8(fixture("done.in.lua")).unwrap();
    let (_, site) = own.split_once('\n').unwrap();
    let main = format!("{comment}Include \"conf.d/*.cfg.lua\"\n");
    for (text, edited) in [(format!("{comment}{site}"), super::SITE), (site.to_owned(), super::MAIN)] {
        let host = super::host(text.as_bytes()).file(super::MAIN, &main);
        let config = Config::load(&host, Path::new(super::MAIN)).unwrap();
        let Edit::Changed(files) = super::edit(&config) else { panic!("no edit") };
        let [file] = &files[..] else { panic!("{files:?}") };
        assert_eq!(file.path, Path::new(edited));
        assert_eq!(file.after, String::from_utf8_lossy(&file.before).replacen("--", "", 1).into_bytes());
    }
}

#[test]
fn a_global_option_is_not_unset_for_one_host() {
    let site = String::from_utf8(fixture("done.in.lua")).unwrap();
    let global = format!("cache_keys_url = \"https://k/j\"\n{site}");
    let choice = [("cache_keys_url", Value::Nil)];
    let Edit::Refused { line: 1, why, .. } = plan(global.as_bytes(), &choice, &[], Guests::LeaveAsIs) else {
        panic!("not refused")
    };
    assert_eq!(why, "cache_keys_url is set here for every host, so it cannot be unset for one");
}

#[test]
fn each_added_list_entry_is_reported_once() {
    let services = ["a.org", "b.org"].map(str::to_owned);
    let site = fixture("done.in.lua");
    let Edit::Changed(files) = plan_with(&site, &[], &[], Guests::LeaveAsIs, &services) else { panic!("no edit") };
    let gets = |name: &str| {
        format!("add \"{name}\", which enters rooms without a token, to {ALLOWLIST} of conference.meet.example.org")
    };
    assert_eq!(files[0].what, services.each_ref().map(|name| gets(name)));
}

#[test]
fn a_global_allowlist_still_applies_to_the_rooms() {
    const ROOMS: &str = "conference.meet.example.org";
    let site = |list: &str| [format!("{ALLOWLIST} = {list}\n").as_bytes(), &fixture("bundled-era.in.lua")].concat();
    let names = ["recorder.m.org".to_owned(), "jigasi@auth.m.org".to_owned()];
    let of_rooms = |list: &str, names: &[String]| {
        let text = after(plan_with(&site(list), &[], &[], Guests::LeaveAsIs, names));
        load(&text).unwrap().option(Some(ROOMS), ALLOWLIST).and_then(|setting| setting.value.strings())
    };
    assert_eq!(of_rooms("{ \"jigasi@auth.m.org\", \"sip.m.org\", \"recorder.m.org\" }", &names), None);
    assert_eq!(of_rooms("\"recorder.m.org\"", &names[..1]), None);
    let united = of_rooms("{ \"recorder.m.org\", \"sip.m.org\" }", &names).unwrap();
    assert_eq!(united, ["recorder.m.org", "sip.m.org", "jigasi@auth.m.org"]);
    assert_eq!(of_rooms("{ }", &names).unwrap(), names);
    for list in ["{ \"sip.m.org\", extra }", "read()"] {
        let Edit::Refused { line: 1, why, .. } = plan_with(&site(list), &[], &[], Guests::LeaveAsIs, &names) else {
            panic!("{list}");
        };
        assert!(why.starts_with("token_verification_allowlist is computed"), "{why}");
    }
}
