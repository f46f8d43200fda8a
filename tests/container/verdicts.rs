//! The stand-ins answer tokens of many shapes as real plugins do: `tests/fixtures/verdicts/verdicts.tsv` was measured
//! with those, and `tests/client/verdicts.py` queries the stand-ins. The tool is not involved.

use serde_json::Value;

use crate::bed::{DOMAIN, FRESH, HOST_FILE, LISTENING, Machine, written};
use crate::rooms;
use crate::story::provisioned;

/// What differs from this column of the table, for these shapes only or for all.
fn differing(machine: &Machine, credentials: (&str, &str), column: &str, only: &[&str]) -> Value {
    let (_secret, secret) = written(credentials.1);
    let mut args = vec![DOMAIN, credentials.0, &secret, "--column", column];
    if !only.is_empty() {
        args.push("--only");
        args.extend(only);
    }
    let seen = machine.shapes(&args);
    println!("{column}: {} shapes", seen["shapes"]);
    seen["differ"].clone()
}

/// One of each kind of answer.
const SAMPLE: [&str; 12] = [
    "plain",
    "iss-wrong",
    "aud-null",
    "sub-null",
    "room-number",
    "room-null",
    "regex-true",
    "nbf-null",
    "ctx-null",
    "hdr-notyp",
    "alg-hs512",
    "single-quotes",
];

#[test]
fn the_plugins_of_2020_answer_a_sample_like_the_real_ones() {
    let machine = Machine::boot(provisioned());
    let (app_id, secret) = machine.credentials();
    let differing = differing(&machine, (&app_id, &secret), "2020", &SAMPLE);
    assert_eq!(differing, serde_json::json!({}), "{differing:#}");
}

/// What the tutorial's reader gets, with the rock restored that the package's script replaced.
fn by_the_tutorial(app_id: &str, secret: &str) -> Machine {
    let machine = Machine::boot(FRESH);
    let run = machine.tutorial(app_id, secret);
    assert_eq!(run.code, 0, "{}", run.all());
    machine.sh("luarocks install /root/luajwtjitsi-1.3-7.rockspec");
    machine.sh(&format!("systemctl restart prosody; sleep 1; {LISTENING}"));
    machine
}

/// A key that is not PEM makes a login with an RS256 token end in a Lua error, with either rock.
fn rs256_gets_no_answer(machine: &Machine, app_id: &str, secret: &str) {
    let seen = machine.all_logins(app_id, secret, "bosh");
    assert_eq!(seen["valid-token"], "accepted", "{seen:#}");
    assert_eq!(seen["secret-as-public-key"], "no-answer", "{seen:#}");
    let log = machine.sh("grep -c 'pkey.new: .*no start line' /var/log/prosody/prosody.log");
    assert_ne!(log.trim(), "0");
}

/// A machine of a bundled era that requires tokens, set up by hand, with a stand-in for jicofo.
fn bundled(profile: &str) -> Machine {
    let machine = rooms::with_tokens(profile);
    machine.jicofo_answers();
    machine
}

/// What differs there. Few at a time: only three people a second can enter a room, the others wait. What differs is
/// then tried again, one after the other: somebody who enters at the moment when jicofo leaves the room after the last
/// person waits in vain, which has nothing to do with tokens.
fn differing_bundled(machine: &Machine, column: &str, only: &[&str]) -> Value {
    let differing = differing_in_parallel(machine, column, only, "3");
    let names: Vec<&str> = differing.as_object().expect("an object").keys().map(String::as_str).collect();
    if names.is_empty() {
        return differing;
    }
    println!("asked again: {names:?}");
    differing_in_parallel(machine, column, &names, "1")
}

fn differing_in_parallel(machine: &Machine, column: &str, only: &[&str], at_once: &str) -> Value {
    let (_secret, secret) = written(rooms::SECRET);
    let mut args = vec![DOMAIN, rooms::APP_ID, &secret, "--column", column];
    args.extend(["--ask-focus", "--at-once", at_once, "--timeout", "6"]);
    if !only.is_empty() {
        args.push("--only");
        args.extend(only);
    }
    machine.shapes(&args)["differ"].clone()
}

#[test]
fn the_plugins_of_2026_answer_a_sample_like_the_real_ones() {
    let machine = bundled("bookworm-bundled");
    let differing = differing_bundled(&machine, "2026", &SAMPLE);
    assert_eq!(differing, serde_json::json!({}), "{differing:#}");
}

/// A token without a room is answered with an invalid stanza: the stream dies, and nobody gets in.
#[test]
fn the_plugins_of_2023_answer_a_sample_like_the_real_ones_and_nothing_without_a_room() {
    let machine = bundled("bookworm-bundled-2023");
    let differing = differing_bundled(&machine, "2023", &SAMPLE);
    assert_eq!(differing, serde_json::json!({}), "{differing:#}");
    let seen = machine.all_logins(rooms::APP_ID, rooms::SECRET, "bosh");
    assert_eq!(seen["valid-token"], "accepted", "{seen:#}");
    assert_eq!(seen["no-room-claim"], "no-answer", "{seen:#}");
}

mod thorough {
    use super::*;

    #[test]
    fn the_plugins_of_2023_answer_every_shape_like_the_real_ones() {
        for profile in ["bullseye-bundled", "bookworm-bundled-2023"] {
            let differing = differing_bundled(&bundled(profile), "2023", &[]);
            assert_eq!(differing, serde_json::json!({}), "{profile}: {differing:#}");
        }
    }

    /// What `--audience jitsi --domain-check off --require-room off` writes.
    const OPTIONS: &str = "asap_accepted_audiences = { \"jitsi\" }\\
    enable_domain_verification = false\\
    asap_require_room_claim = false";

    #[test]
    fn the_plugins_of_2026_answer_every_shape_like_the_real_ones_with_and_without_options() {
        for profile in ["bookworm-bundled", "trixie-bundled"] {
            let machine = bundled(profile);
            let differing = differing_bundled(&machine, "2026", &[]);
            assert_eq!(differing, serde_json::json!({}), "{profile}: {differing:#}");
            machine.sh(&format!("sed -i '/^ *app_secret=/a\\    {OPTIONS}' {HOST_FILE}"));
            rooms::restart(&machine);
            let differing = differing_bundled(&machine, "2026-options", &[]);
            assert_eq!(differing, serde_json::json!({}), "{profile}: {differing:#}");
        }
    }

    /// The column's row `newline` depends on the length of what is in the token, and so on the length of this ID.
    const APP_ID: &str = "app_of_shapes_1";
    const SECRET: &str = "0123456789ABCDEF0123456789ABCDEF";

    #[test]
    fn the_plugins_of_2020_answer_every_shape_like_the_real_ones_with_either_rock() {
        let machine = by_the_tutorial(APP_ID, SECRET);
        for rock in ["/root/luajwtjitsi-1.3-7.rockspec", "luajwtjitsi 2.0-0"] {
            machine.sh(&format!("luarocks install {rock}; systemctl restart prosody; sleep 1; {LISTENING}"));
            let differing = differing(&machine, (APP_ID, SECRET), "2020", &[]);
            assert_eq!(differing, serde_json::json!({}), "{rock}: {differing:#}");
            rs256_gets_no_answer(&machine, APP_ID, SECRET);
        }
    }
}
