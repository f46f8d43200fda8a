//! The options of `credentials`.

use clap::{Args, Subcommand, ValueEnum};

use super::Site;

/// `credentials`.
#[derive(Debug, Subcommand)]
pub enum Credentials {
    /// Show the application id, and the secret if asked for
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup credentials show
  sudo jitsi-tokens-setup credentials show --reveal --format env >> /srv/app/.env
  sudo jitsi-tokens-setup credentials show --secret-only | ssh app 'cat > secret'")]
    Show(ShowCredentials),
}

/// `credentials show`.
#[derive(Debug, Args)]
pub struct ShowCredentials {
    #[command(flatten)]
    /// Which site.
    pub site: Site,
    /// Show the secret too
    #[arg(long)]
    pub reveal: bool,
    /// Print the secret alone; refused on a terminal
    #[arg(long, conflicts_with = "reveal")]
    pub secret_only: bool,
    /// In which form
    #[arg(long, value_enum, default_value_t = Form::Shell)]
    pub format: Form,
}

/// In which form credentials are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Quoted for a shell
    Shell,
    /// As in an .env file
    Env,
    /// As JSON
    Json,
}
