//! The options of `uninstall`.

use clap::Args;

use super::Going;

/// `uninstall`.
#[derive(Debug, Args)]
pub struct Uninstall {
    #[command(flatten)]
    /// How to run.
    pub going: Going,
    /// Restore files even where others have changed the same lines since
    #[arg(long)]
    pub force: bool,
}
