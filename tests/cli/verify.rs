//! `verify` from outside: which values its options accept and reject.

use super::run::{line, tool};

#[test]
fn invalid_urls_rooms_and_tokens_are_rejected() {
    for (call, words) in [
        (&["verify", "--url", "meet.example.org"][..], "use a URL such as https://"),
        (&["verify", "--url", "https://a/?b=c"], "use a URL such as https://"),
        (&["verify", "--room", "a b"], "use a room name without spaces"),
        (&["verify", "--room", ""], "use a room name without spaces"),
        (&["verify", "--token", ""], "the input contains no token"),
        (&["verify", "--token-file", "/nowhere/user.jwt"], "cannot read the token file /nowhere/user.jwt"),
    ] {
        let ended = tool(call).ends(2).stdout("");
        assert!(ended.stderr.contains(words), "{call:?}: {}", ended.stderr);
    }
}

#[test]
fn verify_rejects_invalid_option_combinations() {
    let ended = line("verify --insecure").ends(2).stdout("");
    assert!(ended.stderr.contains("--url <URL>"), "{}", ended.stderr);
    let ended = line("verify --token a.b.c --token-file x").ends(2).stdout("");
    assert!(ended.stderr.contains("cannot be used with"), "{}", ended.stderr);
    let ended = line("verify --transport carrier-pigeon").ends(2).stdout("");
    assert!(ended.stderr.contains("bosh, websocket"), "{}", ended.stderr);
}
