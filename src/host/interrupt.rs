//! Ctrl-C and SIGTERM. The first one asks for an orderly stop, a second one insists; a hangup (the SSH session drops)
//! lets the run finish.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

static ASKED: AtomicUsize = AtomicUsize::new(0);

/// The run was interrupted and stopped in an orderly way; `main` then exits with 130.
#[derive(Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "interrupted; completed changes are kept: run the same command again to finish, or \
            `jitsi-tokens-setup uninstall` to undo them",
        )
    }
}

impl std::error::Error for Interrupted {}

/// The operator declined; nothing was done.
#[derive(Debug)]
pub struct Declined;

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing was changed")
    }
}

impl std::error::Error for Declined {}

/// Starts listening for signals. Without this, a signal ends the program at once, which is right for commands that
/// change nothing.
pub fn listen() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if signal != SIGHUP {
                ASKED.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    Ok(())
}

/// How many times a stop was requested.
pub fn asked() -> usize {
    ASKED.load(Ordering::SeqCst)
}

/// Fails once a stop was requested; called between changes.
pub fn check() -> Result<()> {
    if asked() > 0 { Err(Interrupted.into()) } else { Ok(()) }
}
