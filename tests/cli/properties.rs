//! Arbitrary input: no panic, a documented exit code, no control characters, no secret (see `run`), and what is minted
//! is what is read back. Every case is a process, so there are few of them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::run::{Folder, SECRET, line, tool};

/// Text that trips programs up: control characters, quotes, formats, line breaks, direction marks.
fn text() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(
        "\x1b\x07\x08\t\r\n\x7f\u{9b}\u{202e}\u{feff}\"'`\\$%&*/?#.;:=@<>{}[]()-_~ \u{e9}\u{df}\u{130}😀A0"
            .chars()
            .collect::<Vec<_>>(),
    );
    let character = prop_oneof![3 => odd, 2 => proptest::char::range('a', 'z'), 1 => any::<char>()];
    // An argument cannot contain a NUL.
    vec(character.prop_filter("NUL", |c| *c != '\0'), 0..60).prop_map(String::from_iter)
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_domain_and_app_id_is_accepted_or_rejected(domain in text(), id in text()) {
        let ended = tool(["install", "--dry-run", &format!("--domain={domain}"), &format!("--app-id={id}")]).end();
        // If they are accepted, the run fails for lack of root (5).
        prop_assert!([2, 5].contains(&ended.code), "{ended:?}");
    }

    #[test]
    fn inspect_handles_any_text(input in text()) {
        let ended = tool(["token", "inspect", "--", &input]).end();
        prop_assert!([0, 4].contains(&ended.code), "{ended:?}");
        let ended = line("token inspect -").input(&input).end();
        prop_assert!([0, 4].contains(&ended.code), "{ended:?}");
    }

    #[test]
    fn inspect_handles_any_bytes_on_stdin(input in vec(any::<u8>(), 0..300)) {
        line("token inspect -").input(&input).ends(4);
    }

    #[test]
    fn any_secret_file_is_accepted_or_rejected(bytes in vec(any::<u8>(), 0..40), tail in "[a-z]{8,20}") {
        let (_folder, path) = Folder::with_secret([bytes, tail.clone().into_bytes()].concat());
        let path = format!("--app-secret-file={}", path.display());
        let ended = tool(["token", "mint", "--app-id=app", "--domain=meet.example.org", &path]).hides(tail).end();
        prop_assert!([0, 2].contains(&ended.code), "{ended:?}");
    }

    #[test]
    fn inspect_accepts_every_minted_token(id in text(), room in text(), name in text(), link in any::<bool>()) {
        let (_folder, path) = Folder::with_secret(SECRET);
        let keys = ["--domain=meet.example.org".to_owned(), format!("--app-id={id}"), format!("--app-secret-file={}", path.display())];
        let mut call = vec!["token".to_owned(), "mint".to_owned(), format!("--room={room}"), format!("--name={name}")];
        call.extend(keys.clone());
        call.extend(link.then(|| "--url".to_owned()));
        let minted = tool(&call).end();
        prop_assert!([0, 2].contains(&minted.code), "{minted:?}");
        if minted.code == 0 {
            let call = ["token".to_owned(), "inspect".to_owned(), minted.stdout.clone()];
            let seen = tool(call.iter().chain(&keys)).end();
            prop_assert_eq!(seen.code, 0, "{:?} {:?}", minted, seen);
        }
    }
}
