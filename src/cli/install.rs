//! The options of `install`.

use std::path::PathBuf;

use clap::Args;

use super::offered::STEPS;
use super::{Going, Offered, SiteArgs, TokenPolicy};

/// `install`.
#[derive(Debug, Args)]
pub struct Install {
    #[command(flatten)]
    /// Which site.
    pub site: SiteArgs,
    #[command(flatten)]
    /// How to go about it.
    pub going: Going,
    /// The application id (default: the one in use, else a new one)
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,
    /// A file with the application secret; - for standard input (default: the one in use, else a new one)
    #[arg(long, value_name = "FILE")]
    pub app_secret_file: Option<PathBuf>,
    /// Apply this step alone (a name that `status` shows); what comes before it must be satisfied
    #[arg(long, value_name = "STEP", value_parser = Offered(&STEPS), hide_possible_values = true)]
    pub only: Option<String>,
    /// Leave Prosody running as it is; what needs a restart stays pending
    #[arg(long)]
    pub no_restart: bool,
    /// If the logins fail afterwards, leave everything as it is instead of putting the configuration back
    #[arg(long)]
    pub no_rollback: bool,
    #[command(flatten)]
    /// How tokens are judged.
    pub tokens: TokenPolicy,
    /// The rocks server to ask (default: luarocks' own configuration)
    #[arg(long, value_name = "URL", help_heading = "Sources")]
    pub rocks_server: Option<String>,
    /// Take this version of luajwtjitsi from the rocks server instead of the fork
    #[arg(long, value_name = "VERSION", help_heading = "Sources", conflicts_with_all = ["luajwtjitsi_git", "luajwtjitsi_tag"])]
    pub luajwtjitsi: Option<String>,
    /// The git repository of luajwtjitsi 1.3-7 (default: the tutorial's fork, over https)
    #[arg(long, value_name = "URL", help_heading = "Sources")]
    pub luajwtjitsi_git: Option<String>,
    /// Its tag or branch
    #[arg(long, value_name = "TAG", help_heading = "Sources")]
    pub luajwtjitsi_tag: Option<String>,
    /// Where packages are for a release that left the mirrors
    #[arg(long, value_name = "URL", help_heading = "Sources")]
    pub apt_archive: Option<String>,
}
