//! The options that an operator can choose, and the host for guests.

use std::fs;

use super::super::edit::{Assignment, Edit, Guests, Wanted, token_authentication};
use super::{fixtures, load};
use crate::host::secret::Secret;
use crate::lua::value::Value;

const GUEST: &str = "guest.meet.example.org";

fn list(entries: &[&str]) -> Value {
    let entry = |text: &&str| (None, Value::String(text.as_bytes().to_vec()));
    Value::Table(entries.iter().map(entry).collect())
}

fn plan(site: &[u8], host: &[Assignment], rooms: &[Assignment], guests: bool) -> Edit {
    let wanted = Wanted {
        domain: "meet.example.org",
        muc: "conference.meet.example.org",
        app_id: "my_app",
        app_secret: &Secret::unlisted("s3cret"),
        plugin_dir: "/usr/share/jitsi-meet/prosody-plugins/",
        host_options: host,
        room_options: rooms,
        guests: guests.then_some(Guests { domain: GUEST, authentication: "jitsi-anonymous" }),
    };
    token_authentication(&load(site).unwrap(), &wanted).unwrap()
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
        ("allow_empty_token", Value::Bool(true)),
        ("asap_accepted_issuers", list(&["my_app", "an\"other"])),
        ("asap_accepted_audiences", list(&["jitsi"])),
        ("signature_algorithm", Value::String(b"HS512".to_vec())),
        ("enable_domain_verification", Value::Bool(false)),
        ("asap_require_room_claim", Value::Bool(false)),
    ]
}

const MODERATION: &str = "token_verification_require_token_for_moderation";

#[test]
fn every_option_is_set_on_every_fixture_and_a_second_edit_changes_nothing() {
    let rooms = [(MODERATION, Value::Bool(true))];
    let mut edited = 0;
    for path in fixtures(".out.lua") {
        if path.to_string_lossy().contains(".main.") {
            continue;
        }
        let site = fs::read(&path).unwrap();
        let text = match plan(&site, &all(), &rooms, true) {
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
        assert_eq!(plan(&text, &all(), &rooms, true), Edit::Unchanged);
        edited += 1;
    }
    assert!(edited > 25, "only {edited} fixtures were edited");
}

#[test]
fn an_option_that_is_left_out_stays_and_a_chosen_one_is_replaced_where_it_stands() {
    let site = fixture("token-options.out.lua");
    let choice = [("signature_algorithm", Value::String(b"HS384".to_vec()))];
    let text = String::from_utf8(after(plan(&site, &choice, &[], false))).unwrap();
    let expected = String::from_utf8(site).unwrap().replace("\"HS512\"", "\"HS384\"");
    assert_eq!(text, expected);
}

#[test]
fn what_the_global_section_or_another_order_says_already_is_not_said_again() {
    let site = String::from_utf8(fixture("done.in.lua")).unwrap();
    let global = format!("allow_empty_token = true\n{site}");
    let choice = [("allow_empty_token", Value::Bool(true))];
    assert_eq!(plan(global.as_bytes(), &choice, &[], false), Edit::Unchanged);
    let site = fixture("token-options.out.lua");
    let choice = [("asap_accepted_issuers", list(&["*", "other"]))];
    assert_eq!(plan(&site, &choice, &[], false), Edit::Unchanged);
}

#[test]
fn a_computed_option_is_refused_with_the_line_to_write() {
    let site =
        [&fixture("done.in.lua")[..], b"VirtualHost \"meet.example.org\"\nallow_empty_token = os.getenv(\"X\")\n"]
            .concat();
    let choice = [("allow_empty_token", Value::Bool(false))];
    match plan(&site, &choice, &[], false) {
        Edit::Refused { why, lines, .. } => {
            assert_eq!(why, "allow_empty_token is computed");
            assert!(lines.contains(&"    allow_empty_token = false".to_owned()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn guests_get_a_host_at_the_end_in_single_quotes_that_the_packages_scripts_do_not_see() {
    let site = fixture("bundled-era.out.lua");
    let text = after(plan(&site, &[], &[], true));
    let added = text.strip_prefix(&site[..]).unwrap();
    let section = "\nVirtualHost \"guest.meet.example.org\"\n    authentication = 'jitsi-anonymous'\n    c2s_require_encryption = false\n";
    assert_eq!(String::from_utf8_lossy(added), section);
    assert_eq!(plan(&text, &[], &[], true), Edit::Unchanged);
    // Not asked for again, it stays.
    assert_eq!(plan(&text, &[], &[], false), Edit::Unchanged);
}

#[test]
fn a_guest_host_that_is_there_is_kept_or_mended() {
    let site = fixture("guest-host.out.lua");
    assert_eq!(plan(&site, &[], &[], true), Edit::Unchanged);
    let other = String::from_utf8(site).unwrap().replacen(
        "authentication = \"anonymous\"",
        "authentication = \"internal_hashed\" -- why",
        1,
    );
    let text = String::from_utf8(after(plan(other.as_bytes(), &[], &[], true))).unwrap();
    assert_eq!(text, other.replace("\"internal_hashed\"", "'jitsi-anonymous'"));
}

#[test]
fn no_host_is_added_behind_a_return() {
    let site = fixture("return-at-the-end.out.lua");
    match plan(&site, &[], &[], true) {
        Edit::Refused { lines, .. } => assert_eq!(lines[0], format!("VirtualHost \"{GUEST}\"")),
        other => panic!("{other:?}"),
    }
}
