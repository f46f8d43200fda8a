//! The options of `credentials`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Going, SiteArgs};

/// `credentials`.
#[derive(Debug, Subcommand)]
pub enum CredentialsCommand {
    /// Show the app ID, and the app secret with --reveal
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup credentials show
  sudo jitsi-tokens-setup credentials show --reveal --format env >> /srv/app/.env
  sudo jitsi-tokens-setup credentials show --secret-only | ssh app 'cat > secret'")]
    Show(ShowCredentials),
    /// Replace the app secret and verify that only the new one works
    #[command(after_help = "\
Tokens signed with the old secret stop working, and Prosody restarts. If interrupted, run it again to finish: until
then, either the old or the new secret works.

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
    /// The site.
    pub site: SiteArgs,
    #[command(flatten)]
    /// How to run.
    pub going: Going,
    /// New app ID [default: unchanged]
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,
    /// File with the new app secret, or - for standard input [default: 16 random bytes in hex]
    #[arg(long, value_name = "FILE")]
    pub app_secret_file: Option<PathBuf>,
}

/// `credentials show`.
#[derive(Debug, Args)]
pub struct ShowCredentials {
    #[command(flatten)]
    /// The site.
    pub site: SiteArgs,
    /// Show the app secret too
    #[arg(long)]
    pub reveal: bool,
    /// Print only the app secret; not allowed on a terminal
    #[arg(long, conflicts_with = "reveal")]
    pub secret_only: bool,
    /// Output format: shell (quoted), env (as in an .env file) or json
    #[arg(long, value_enum, default_value_t = CredentialsForm::Shell, hide_possible_values = true)]
    pub format: CredentialsForm,
}

/// The format that credentials are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CredentialsForm {
    /// Quoted for a shell
    Shell,
    /// As in an .env file
    Env,
    /// As JSON
    Json,
}
