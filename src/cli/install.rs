//! The options of `install`.

use std::path::PathBuf;

use clap::Args;

use super::offered::STEPS;
use super::{Going, Offered, SiteArgs, TokenPolicy};

/// `install`.
#[derive(Debug, Args)]
pub struct Install {
    #[command(flatten)]
    /// The site.
    pub site: SiteArgs,
    #[command(flatten)]
    /// How to run.
    pub going: Going,
    /// App ID [default: the one in use, or a new one]
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,
    /// File with the app secret, or - for standard input [default: the one in use, or a new one]
    #[arg(long, value_name = "FILE")]
    pub app_secret_file: Option<PathBuf>,
    /// Apply only this step (as named by `status`); earlier steps must be up to date
    #[arg(long, value_name = "STEP", value_parser = Offered(&STEPS), hide_possible_values = true)]
    pub only: Option<String>,
    /// Do not restart Prosody; changes that need a restart stay pending
    #[arg(long)]
    pub no_restart: bool,
    /// Keep the new configuration even if nobody can join with it
    #[arg(long)]
    pub no_rollback: bool,
    #[command(flatten)]
    /// What tokens must contain.
    pub tokens: TokenPolicy,
    /// LuaRocks server [default: as configured for luarocks]
    #[arg(long, value_name = "URL", help_heading = "Sources")]
    pub rocks_server: Option<String>,
    /// Install this version of luajwtjitsi from the LuaRocks server instead of the fork
    #[arg(long, value_name = "VERSION", help_heading = "Sources", conflicts_with_all = ["luajwtjitsi_git", "luajwtjitsi_tag"])]
    pub luajwtjitsi: Option<String>,
    /// Git repository of luajwtjitsi 1.3-7 [default: the fork named in Jitsi's token tutorial, over https]
    #[arg(long, value_name = "URL", help_heading = "Sources")]
    pub luajwtjitsi_git: Option<String>,
    /// Tag or branch in that repository
    #[arg(long, value_name = "TAG", help_heading = "Sources")]
    pub luajwtjitsi_tag: Option<String>,
    /// Package archive for a Debian release that is no longer on the mirrors
    #[arg(long, value_name = "URL", help_heading = "Sources")]
    pub apt_archive: Option<String>,
}
