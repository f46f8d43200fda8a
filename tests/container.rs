//! Tests on real Debian in booted containers, with real logins. They need root and `scripts/bed`; plain `cargo test`
//! skips them, and `scripts/test` enables the feature `container` to run them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends where something is wrong")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test looks at the machine itself"
)]

#[path = "container/archive.rs"]
mod archive;
#[path = "container/bad_network.rs"]
mod bad_network;
#[path = "container/bed.rs"]
mod bed;
#[path = "container/bounded.rs"]
mod bounded;
#[path = "container/broken_servers.rs"]
mod broken_servers;
#[path = "container/browser.rs"]
mod browser;
#[path = "container/chapters.rs"]
mod chapters;
#[path = "container/checks.rs"]
mod checks;
#[path = "container/clock.rs"]
mod clock;
#[path = "container/cloud_init.rs"]
mod cloud_init;
#[path = "container/concurrent_edit.rs"]
mod concurrent_edit;
#[path = "container/damage.rs"]
mod damage;
#[path = "container/debconf.rs"]
mod debconf;
#[path = "container/decoys.rs"]
mod decoys;
#[path = "container/failed_proof.rs"]
mod failed_proof;
#[path = "container/fleet.rs"]
mod fleet;
#[path = "container/footprint.rs"]
mod footprint;
#[path = "container/fresh.rs"]
mod fresh;
#[path = "container/guests.rs"]
mod guests;
#[path = "container/hardening.rs"]
mod hardening;
#[path = "container/hostile.rs"]
mod hostile;
#[path = "container/hostile_fields.rs"]
mod hostile_fields;
#[path = "container/hostile_prosody_user.rs"]
mod hostile_prosody_user;
#[path = "container/hostile_server.rs"]
mod hostile_server;
#[path = "container/hostile_subject.rs"]
mod hostile_subject;
#[path = "container/key_source.rs"]
mod key_source;
#[path = "container/keys.rs"]
mod keys;
#[path = "container/kill.rs"]
mod kill;
#[path = "container/kill_subject.rs"]
mod kill_subject;
#[path = "container/killer.rs"]
mod killer;
#[path = "container/knock.rs"]
mod knock;
#[path = "container/libssl.rs"]
mod libssl;
#[path = "container/load_test_attacks.rs"]
mod load_test_attacks;
#[path = "container/load_test_protocol.rs"]
mod load_test_protocol;
#[path = "container/locks.rs"]
mod locks;
#[path = "container/login_child.rs"]
mod login_child;
#[path = "container/login_page.rs"]
mod login_page;
#[path = "container/moderators.rs"]
mod moderators;
#[path = "container/oidc.rs"]
mod oidc;
#[path = "container/open_server.rs"]
mod open_server;
#[path = "container/options.rs"]
mod options;
#[path = "container/overlap.rs"]
mod overlap;
#[path = "container/package.rs"]
mod package;
#[path = "container/package_life.rs"]
mod package_life;
#[path = "container/pairings.rs"]
mod pairings;
#[path = "container/pinned.rs"]
mod pinned;
#[path = "container/planted.rs"]
mod planted;
#[path = "container/power_cut.rs"]
mod power_cut;
#[path = "container/proc_watch.rs"]
mod proc_watch;
#[path = "container/recorders.rs"]
mod recorders;
#[path = "container/release.rs"]
mod release;
#[path = "container/rooms.rs"]
mod rooms;
#[path = "container/rotate.rs"]
mod rotate;
#[path = "container/signals.rs"]
mod signals;
#[path = "container/sites.rs"]
mod sites;
#[path = "container/slow_prosody.rs"]
mod slow_prosody;
#[path = "container/slow_reads.rs"]
mod slow_reads;
#[path = "container/snippets.rs"]
mod snippets;
#[path = "container/soak.rs"]
mod soak;
#[path = "container/static_names.rs"]
mod static_names;
#[path = "container/story.rs"]
mod story;
#[path = "container/strange_credentials.rs"]
mod strange_credentials;
#[path = "container/swept.rs"]
mod swept;
#[path = "container/tmp_names.rs"]
mod tmp_names;
#[path = "container/tree.rs"]
mod tree;
#[path = "container/trouble.rs"]
mod trouble;
#[path = "container/tutorial.rs"]
mod tutorial;
#[path = "container/ubuntu.rs"]
mod ubuntu;
#[path = "container/unattended_upgrades.rs"]
mod unattended_upgrades;
#[path = "container/undo.rs"]
mod undo;
#[path = "container/upgrades.rs"]
mod upgrades;
#[path = "container/verdicts.rs"]
mod verdicts;
#[path = "container/verify.rs"]
mod verify;
#[path = "container/versions.rs"]
mod versions;
#[path = "container/watched.rs"]
mod watched;
