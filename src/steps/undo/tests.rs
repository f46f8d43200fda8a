//! A version undoes what an earlier one wrote to its receipt.

use std::path::Path;

use super::STEPS;
use crate::debian::recorded::{Answers, Packages};
use crate::debian::release::Release;
use crate::display::progress::Progress;
use crate::engine::report::State;
use crate::engine::runner::Runner;
use crate::engine::step::obstacle;
use crate::host::Host;
use crate::host::fake::FakeHost;
use crate::site::facts::Facts;
use crate::site::recorded;
use crate::site::settings::Settings;
use crate::site::view::{Context, View};

const FILE: &str = "/etc/prosody/conf.avail/meet.example.org.cfg.lua";
const LINK: &str = "/usr/local/share/lua/5.4/basexx.lua";
const BACKUP: &str =
    "/var/lib/jitsi-tokens-setup/backups/25718360e05d3c2d0963d1381e9dd4dae5fca789244ee4b9f861adcc0cc96218";

#[test]
fn a_receipt_of_0_1_0_can_be_undone() {
    let host = FakeHost::new()
        .file("/var/lib/jitsi-tokens-setup/receipt.json", include_str!("../../../tests/fixtures/receipt-0.1.0.json"))
        .file(BACKUP, "original\n")
        .file(FILE, "ours\n")
        .access(FILE, 0o640, 0, 110)
        .linked(LINK, "/usr/share/lua/5.1/basexx.lua");
    let receipt = recorded::receipt(&host).unwrap();
    let entries = receipt.entries();
    assert_eq!(entries.len(), 4);
    assert_eq!(entries.iter().filter_map(|entry| entry.which(&Packages)).collect::<Vec<_>>(), [""]);
    let answers: Vec<&str> = entries.iter().filter_map(|entry| entry.which(&Answers)).collect();
    assert_eq!(answers, ["jitsi-meet-tokens/appid"]);

    let facts = Facts { release: Release::default(), site: Err(obstacle("none", "none")) };
    let view = View { settings: Settings::default(), facts };
    let cx = Context { entries, ..Context::new(&host, &view) };
    // dpkg and debconf undo packages and answers; `undo` in the containers tests that.
    let outcome = Runner::new(&STEPS[..2], &cx, &Progress::hidden()).apply().unwrap();
    assert!(outcome.steps.iter().all(|step| step.state == State::Done), "{:?}", outcome.steps);
    assert_eq!(host.read_text(Path::new(FILE)).unwrap().unwrap(), "original\n");
    assert!(!host.exists(Path::new(LINK)).unwrap());
}
