//! The options of `verify`.

use clap::Args;

use super::Site;

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    /// Which site.
    pub site: Site,
}
