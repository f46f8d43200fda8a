//! The options of `credentials`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Going, SiteArgs};

/// `credentials`.
#[derive(Debug, Subcommand)]
pub enum CredentialsCommand {
    /// Show the application id, and the secret if asked for
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup credentials show
  sudo jitsi-tokens-setup credentials show --reveal --format env >> /srv/app/.env
  sudo jitsi-tokens-setup credentials show --secret-only | ssh app 'cat > secret'")]
    Show(ShowCredentials),
    /// Replace the secret, and prove that the old one is refused and the new one accepted
    #[command(after_help = "\
Tokens signed with the old secret stop working, and Prosody is restarted. If this is interrupted, the old or the new
secret works; run it again to finish.

Examples:
  sudo jitsi-tokens-setup credentials rotate --dry-run
  sudo jitsi-tokens-setup credentials rotate --yes
  sudo jitsi-tokens-setup credentials rotate --app-id my_app --app-secret-file /root/secret")]
    Rotate(RotateCredentials),
}

/// `credentials rotate`.
#[derive(Debug, Args)]
pub struct RotateCredentials {
    #[command(flatten)]
    /// Which site.
    pub site: SiteArgs,
    #[command(flatten)]
    /// How to go about it.
    pub going: Going,
    /// Another application id (default: the one in use)
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,
    /// A file with the new secret; - for standard input (default: 16 random bytes in hex)
    #[arg(long, value_name = "FILE")]
    pub app_secret_file: Option<PathBuf>,
}

/// `credentials show`.
#[derive(Debug, Args)]
pub struct ShowCredentials {
    #[command(flatten)]
    /// Which site.
    pub site: SiteArgs,
    /// Show the secret too
    #[arg(long)]
    pub reveal: bool,
    /// Print the secret alone; refused on a terminal
    #[arg(long, conflicts_with = "reveal")]
    pub secret_only: bool,
    /// In which form
    #[arg(long, value_enum, default_value_t = CredentialsForm::Shell)]
    pub format: CredentialsForm,
}

/// In which form credentials are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CredentialsForm {
    /// Quoted for a shell
    Shell,
    /// As in an .env file
    Env,
    /// As JSON
    Json,
}
