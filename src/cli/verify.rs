//! The options of `verify`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SiteArgs;
use crate::login::Transport;

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    /// The site.
    pub site: SiteArgs,
    /// Transport to test: bosh or websocket [default: all that are enabled]
    #[arg(long, value_enum, value_name = "TRANSPORT", hide_possible_values = true)]
    pub transport: Option<TransportArg>,
    /// Log in through the web server at this URL, as browsers do
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Do not verify the TLS certificate
    #[arg(long, requires = "url")]
    pub insecure: bool,
    /// Room to enter [default: a random one]
    #[arg(long, value_name = "NAME")]
    pub room: Option<String>,
    /// Test one user's token and explain the result (- for standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "token", help_heading = "One token")]
    pub token_file: Option<PathBuf>,
    /// Test this token (visible in the process list)
    #[arg(long, value_name = "TOKEN", help_heading = "One token")]
    pub token: Option<String>,
}

/// The transport, as clap parses it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum TransportArg {
    /// XMPP over HTTP requests
    Bosh,
    /// XMPP over a WebSocket
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
