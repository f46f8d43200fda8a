//! The plugins of all eras accept a token of ours and reject each bad one, over BOSH and WebSocket, and the independent
//! client sees the same.

use serde_json::Value;

use crate::bed::{DOMAIN, HOST_FILE, Machine, written};
use crate::keys;
use crate::rooms::{APP_ID, SECRET, restart, with_tokens};
use crate::story::provisioned;

/// Adds WebSocket where the era's template has none yet. Prosody 0.11 must be told which pages may use it.
const WITH_WEBSOCKET: &str = "set -e
grep -q '\"websocket\"' HOST_FILE || sed -i 's/^ *\"bosh\";/\"bosh\"; \"websocket\";/' HOST_FILE
sed -i '1i consider_websocket_secure = true\\ncross_domain_websocket = { \"https://meet.example.org\" }' /etc/prosody/prosody.cfg.lua
touch /run/bed-jicofo";

fn tool_and_client_agree(machine: &Machine, app_id: &str, secret: &str) {
    agrees(machine, |transport| machine.all_logins(app_id, secret, transport));
    one_users_token(machine);
    limited_audiences_are_enforced(machine, app_id, secret);
}

/// The same with public keys.
fn tool_and_client_agree_with_keys(profile: &str) {
    let (machine, kid) = keys::with_pairs(profile);
    let run = machine.tool(&["install", "--yes", "--public-key", "/root/app.pub"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let app_id = machine.tool(&["credentials", "show", "--json"]).json()["app_id"].take();
    let file = |name: &str| machine.root().join("root").join(name).display().to_string();
    let (key, other, kid) = (file("app.key"), file("other.key"), format!("--kid={kid}"));
    agrees(&machine, |transport| {
        let app_id = app_id.as_str().expect("an id");
        machine.all_logins_with(&[app_id, "--key", &key, &kid, "--other-key", &other, "--transport", transport])
    });
}

/// Insists that the client sees every login as the tool does.
fn agrees(machine: &Machine, all: impl Fn(&str) -> Value) {
    machine.sh(&WITH_WEBSOCKET.replace("HOST_FILE", HOST_FILE));
    restart(machine);
    let run = machine.tool(&["verify", "--json"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let report = run.json();
    let proof = &report["proof"];
    assert_eq!(proof["verdict"], "full", "{proof:#}");
    let probes = proof["probes"].as_array().cloned().unwrap_or_default();
    for transport in ["bosh", "websocket"] {
        let client = all(transport);
        // Recorders need an account; see `recorders`.
        let by_token = |probe: &&Value| probe["transport"] == transport && probe["group"] != "recorders";
        let lines: Vec<&Value> = probes.iter().filter(by_token).collect();
        assert!(lines.len() >= 14, "{transport}: {proof:#}");
        for line in lines {
            let theirs = &client[line["id"].as_str().unwrap_or_default()];
            assert_eq!(*theirs, line["outcome"], "{transport}, {}: {client:#}", line["id"]);
            assert_eq!(line["ok"], true, "{line:#}");
        }
    }
}

/// Both clients see a token for another audience rejected over both transports; one for a named audience gets in.
fn limited_audiences_are_enforced(machine: &Machine, app_id: &str, secret: &str) {
    machine.sh(&format!(
        "sed -i 's/^ *app_id=/        asap_accepted_audiences = {{ \"one\", \"two\" }}\\n&/' {HOST_FILE}"
    ));
    restart(machine);
    let run = machine.tool(&["verify", "--json"]);
    assert_eq!(run.code, 0, "{}", run.all());
    let proof = run.json()["proof"].take();
    let probes = proof["probes"].as_array().cloned().unwrap_or_default();
    let wrong: Vec<&Value> = probes.iter().filter(|probe| probe["id"] == "wrong-audience").collect();
    assert_eq!(wrong.len(), 2, "{proof:#}");
    assert!(wrong.iter().all(|probe| probe["ok"] == true && probe["outcome"] == "refused"));
    let (_secret, key) = written(secret);
    for (audience, outcome) in [("two", "accepted"), ("jitsi", "refused")] {
        for transport in ["bosh", "websocket"] {
            let seen = machine.login(&[
                "--host",
                DOMAIN,
                "--transport",
                transport,
                "--secret-file",
                &key,
                "--iss",
                app_id,
                "--aud",
                audience,
            ]);
            assert_eq!(seen["login"], outcome, "{audience}, {transport}: {seen:#}");
        }
    }
    machine.edit(HOST_FILE, "/asap_accepted_audiences/d");
    restart(machine);
}

/// A token as `token mint` makes it gets in; the rejection of one for another room is explained.
fn one_users_token(machine: &Machine) {
    machine.sh("/opt/jitsi-tokens-setup/jitsi-tokens-setup token mint --room tea > /root/user.jwt");
    for transport in ["bosh", "websocket"] {
        let file = ["verify", "--token-file", "/root/user.jwt", "--transport", transport];
        let good = machine.tool(&file);
        assert_eq!(good.code, 0, "{}", good.all());
        assert!(good.stdout.contains("it opens the room tea"), "{}", good.all());
        let other = machine.tool(&[&file[..], &["--room", "coffee"]].concat());
        assert_eq!(other.code, 4, "{}", other.all());
        assert!(other.stdout.contains("for another room: the token opens \"tea\", not \"coffee\""), "{}", other.all());
        let token = machine.text("/root/user.jwt");
        assert!(!other.all().contains(token.trim()), "the token is shown");
    }
}

#[test]
fn debian_11_with_the_plugins_of_2020() {
    let machine = Machine::boot(provisioned());
    let (app_id, secret) = machine.credentials();
    tool_and_client_agree(&machine, &app_id, &secret);
}

/// Where logins are made over one transport only, the report says why not over the other.
fn the_other_transport_is_accounted_for(machine: &Machine) {
    for (command, id, words) in [
        (&["verify", "--transport", "websocket"][..], "not-selected", "BOSH not tested: --transport selects another"),
        (&["status"], "only-one", "WebSocket not tested: `jitsi-tokens-setup verify` tests both"),
    ] {
        let report = machine.tool(&[command, &["--json"]].concat()).json();
        let others = &report["proof"]["transports_not_tried"];
        assert_eq!(others.as_array().map(Vec::len), Some(1), "{report:#}");
        assert_eq!(others[0]["id"], id, "{others:#}");
        let text = machine.tool(command);
        assert!(text.stdout.contains(words), "{}", text.all());
    }
}

#[test]
fn debian_12_with_todays_plugins() {
    let machine = with_tokens("bookworm-bundled");
    tool_and_client_agree(&machine, APP_ID, SECRET);
    the_other_transport_is_accounted_for(&machine);
    a_rejected_sub_is_explained(&machine);
}

/// The report says which of the two to change.
fn a_rejected_sub_is_explained(machine: &Machine) {
    let mint = "/opt/jitsi-tokens-setup/jitsi-tokens-setup token mint --room tea --domain other.example.org --app-id rooms_app --app-secret-file";
    machine.sh(&format!("umask 077; printf {SECRET} > /root/secret; {mint} /root/secret > /root/foreign.jwt"));
    let file = ["verify", "--token-file", "/root/foreign.jwt"];
    let foreign = machine.tool(&file);
    assert_eq!(foreign.code, 4, "{}", foreign.all());
    for part in [
        "\"sub\" is \"other.example.org\", the site is \"meet.example.org\"",
        "set \"sub\" to \"meet.example.org\" (or \"*\") in the tokens",
        "enable_domain_verification = false",
    ] {
        assert!(foreign.stdout.contains(part), "\"{part}\" is not in: {}", foreign.all());
    }
    machine.edit(HOST_FILE, "s/^ *app_id=/        enable_domain_verification = false\\n&/");
    restart(machine);
    let taken = machine.tool(&file);
    assert_eq!(taken.code, 0, "{}", taken.all());
}

mod thorough {
    use super::*;
    use crate::bed::each;

    #[test]
    fn debian_11_with_the_plugins_of_late_2021() {
        let machine = with_tokens("bullseye-verify");
        tool_and_client_agree(&machine, APP_ID, SECRET);
    }

    #[test]
    fn debian_12_with_the_plugins_of_late_2021() {
        let machine = with_tokens("bookworm-verify");
        tool_and_client_agree(&machine, APP_ID, SECRET);
    }

    #[test]
    fn with_public_keys_in_every_era() {
        let profiles = ["bullseye-verify", "bookworm-verify", "bookworm-bundled", "trixie-bundled"];
        each(&profiles, |profile| tool_and_client_agree_with_keys(profile));
    }

    #[test]
    fn debian_13_with_todays_plugins() {
        let machine = with_tokens("trixie-bundled");
        tool_and_client_agree(&machine, APP_ID, SECRET);
    }
}
