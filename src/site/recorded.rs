//! The receipt of this program: everything that its changes may touch.

use anyhow::Result;

use crate::debian::recorded::{Answers, Packages};
use crate::engine::receipt::Receipt;
use crate::engine::watch::{File, WatchKind};
use crate::host::Host;
use crate::luarocks::trees::Trees;

const KINDS: [&dyn WatchKind; 4] = [&File, &Trees, &Packages, &Answers];

/// Loads the receipt.
///
/// # Errors
/// As [`Receipt::load`].
pub fn receipt(host: &dyn Host) -> Result<Receipt<'_>> {
    Receipt::load(host, &KINDS)
}
