//! The options of `uninstall`.

use std::time::Duration;

use clap::Args;

use crate::token::times::parse_span;

/// `uninstall`.
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before changing anything
    #[arg(short, long)]
    pub yes: bool,
    /// Put files back although others have changed the same lines since
    #[arg(long)]
    pub force: bool,
    /// How long to wait for other programs' locks of apt, dpkg and debconf
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_span)]
    pub lock_timeout: Duration,
}
