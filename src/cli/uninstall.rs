//! The options of `uninstall`.

use clap::Args;

use super::Going;

/// `uninstall`.
#[derive(Debug, Args)]
pub struct Uninstall {
    #[command(flatten)]
    /// How to go about it.
    pub going: Going,
    /// Put files back although others have changed the same lines since
    #[arg(long)]
    pub force: bool,
}
