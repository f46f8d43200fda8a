//! The options of `verify`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SiteArgs;
use crate::login::Transport;

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    /// Which site.
    pub site: SiteArgs,
    /// Log in over this alone; otherwise over both, if the configuration has both
    #[arg(long, value_enum, value_name = "TRANSPORT")]
    pub transport: Option<TransportArg>,
    /// Log in through the web server at this address, as browsers do
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Take any certificate of that web server, for a self-signed one
    #[arg(long, requires = "url")]
    pub insecure: bool,
    /// Enter this room instead of one that nobody uses
    #[arg(long, value_name = "NAME")]
    pub room: Option<String>,
    /// Explain what Prosody says to one user's token, read from a file ("-": standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "token", help_heading = "One token")]
    pub token_file: Option<PathBuf>,
    /// The same, the token itself; other users of this machine can see it meanwhile
    #[arg(long, value_name = "TOKEN", help_heading = "One token")]
    pub token: Option<String>,
}

/// What carries the logins, as clap takes it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TransportArg {
    /// HTTP requests
    Bosh,
    /// One connection
    Websocket,
}

impl From<TransportArg> for Transport {
    fn from(arg: TransportArg) -> Self {
        match arg {
            TransportArg::Bosh => Self::Bosh,
            TransportArg::Websocket => Self::WebSocket,
        }
    }
}
