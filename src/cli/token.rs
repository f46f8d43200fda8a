//! The options of `token`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Site;
use crate::token::times::parse_span;

/// `token`.
#[derive(Debug, Subcommand)]
pub enum Token {
    /// Make a token
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup token mint --room tea --name Ada --expires-in 2h
  sudo jitsi-tokens-setup token mint --room tea --moderator --url
  jitsi-tokens-setup token mint --app-id my_app --app-secret-file secret --domain meet.example.org")]
    Mint(Box<Mint>),
    /// Read a token, or a meeting's address with one, and say what Jitsi would say
    #[command(after_help = "\
Examples:
  jitsi-tokens-setup token inspect eyJhbGciOi…
  jitsi-tokens-setup token inspect - < token.txt
  sudo jitsi-tokens-setup token inspect 'https://meet.example.org/tea?jwt=eyJ…'")]
    Inspect(Inspect),
}

/// Whose credentials.
#[derive(Debug, Args)]
pub struct Keys {
    #[command(flatten)]
    /// Which site.
    pub site: Site,
    /// The application id (default: the one in Prosody's configuration)
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,
    /// A file with the application secret; - for standard input (default: the one in Prosody's configuration)
    #[arg(long, value_name = "FILE")]
    pub app_secret_file: Option<PathBuf>,
}

/// `token mint`.
#[derive(Debug, Args)]
pub struct Mint {
    #[command(flatten)]
    /// Whose credentials.
    pub keys: Keys,
    /// The room that it opens; * for every room
    #[arg(long, default_value = "*")]
    pub room: String,
    /// The audience
    #[arg(long, default_value = "jitsi", value_name = "AUD")]
    pub audience: String,
    /// How long it is valid: 90s, 30m, 2h, 7d
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = parse_span, conflicts_with = "never")]
    pub expires_in: Duration,
    /// It never expires
    #[arg(long)]
    pub never: bool,
    /// It is valid only after this time
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub starts_in: Option<Duration>,
    /// The user's name
    #[arg(long, help_heading = "User")]
    pub name: Option<String>,
    /// The user's address
    #[arg(long, help_heading = "User")]
    pub email: Option<String>,
    /// The user's picture
    #[arg(long, value_name = "URL", help_heading = "User")]
    pub avatar: Option<String>,
    /// The user's id
    #[arg(long, value_name = "ID", help_heading = "User")]
    pub user_id: Option<String>,
    /// The user is a moderator
    #[arg(long, help_heading = "User")]
    pub moderator: bool,
    /// The user's group
    #[arg(long, help_heading = "User")]
    pub group: Option<String>,
    /// A feature, as in recording or livestreaming=false; may be repeated
    #[arg(long = "feature", value_name = "NAME[=BOOL]", help_heading = "User")]
    pub features: Vec<String>,
    /// A further claim; the value is JSON, or else text; may be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    pub claims: Vec<String>,
    /// Print the meeting's address with the token in it
    #[arg(long)]
    pub url: bool,
}

/// `token inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The token, the address, or - for standard input
    pub token: String,
    #[command(flatten)]
    /// Whose credentials.
    pub keys: Keys,
}
