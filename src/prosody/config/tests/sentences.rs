//! How an edit is described; and if it is refused: where, why, and what to write by hand.

use super::super::edit::{Edit, Guests, Wanted, token_authentication};
use super::{load, wanted};
use crate::host::secret::Secret;

const PATHS: &str = "plugin_paths = { \"/usr/share/jitsi-meet/prosody-plugins/\" }\n";
const SITE: &str = "VirtualHost \"meet.example.org\"\nauthentication = \"token\" -- do not delete me\n \
                    app_id=\"my_app\"\n app_secret=\"s3cret\"\n";
const ROOMS: &str = "Component \"conference.meet.example.org\" \"muc\"\nmodules_enabled = { \"token_verification\" }\n";
const WAIT: Guests = Guests::Wait { domain: "guest.meet.example.org", authentication: "jitsi-anonymous" };

fn planned(site: &str, guests: Guests) -> Edit {
    let secret = Secret::unlisted("s3cret");
    let let_in = &["recorder.meet.example.org".to_owned()];
    let let_in = if guests == Guests::LeaveAsIs { &[][..] } else { let_in };
    token_authentication(&load(site.as_bytes()).unwrap(), &Wanted { guests, let_in, ..wanted(&secret) }).unwrap()
}

#[test]
fn each_option_edit_is_described() {
    for (old, new, said) in [
        (
            "authentication = \"token\" -- do not delete me",
            "authentication = \"anonymous\"",
            "change authentication from \"anonymous\" to \"token\"",
        ),
        (" -- do not delete me", "", "add the package's marker to authentication"),
        ("= \"token\" -- do not delete me", "= nil", "set authentication to \"token\""),
        ("authentication = \"token\" -- do not delete me\n", "", "add authentication"),
        (" app_id=\"my_app\"\n", "", "add app_id"),
    ] {
        let site = SITE.replace(old, new);
        assert_ne!(site, SITE);
        let Edit::Changed(files) = planned(&[PATHS, &site, ROOMS].concat(), Guests::LeaveAsIs) else {
            panic!("{said}")
        };
        assert_eq!(files[0].what, [said]);
    }
}

/// Line and reason of a refusal, and the first of the lines to write.
fn refused(site: &str, guests: Guests) -> (usize, String, String) {
    match planned(site, guests) {
        Edit::Refused { line, why, mut lines, .. } => (line, why, lines.remove(0)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn unclear_sections_are_refused_with_their_place() {
    let rooms = "Component \"conference.meet.example.org\" \"muc\"";
    let guest = "VirtualHost \"guest.meet.example.org\"";
    for (more, guests, why, by_hand) in [
        (
            format!("if X then {ROOMS} end"),
            Guests::LeaveAsIs,
            "Component conference.meet.example.org is declared under a condition",
            rooms,
        ),
        (
            ROOMS.replace("Component", "VirtualHost").replace(" \"muc\"", ""),
            Guests::LeaveAsIs,
            "conference.meet.example.org is declared, but not as a Component",
            rooms,
        ),
        (
            "Component(ENV_ROOMS)".to_owned(),
            Guests::LeaveAsIs,
            "Component conference.meet.example.org is not declared literally; names are computed here",
            rooms,
        ),
        (
            format!("{ROOMS}if X then {guest} end"),
            WAIT,
            "VirtualHost guest.meet.example.org is declared under a condition",
            guest,
        ),
        (
            format!("if X then {ROOMS} end"),
            WAIT,
            "Component conference.meet.example.org is declared under a condition",
            rooms,
        ),
    ] {
        let line = if guests == WAIT && more.starts_with(ROOMS) { 8 } else { 6 };
        let found = refused(&[PATHS, SITE, &more].concat(), guests);
        assert_eq!(found, (line, why.to_owned(), by_hand.to_owned()));
    }
}
