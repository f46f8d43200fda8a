//! The options of `credentials`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{Going, SiteArgs};
use crate::token::times::parse_span;

/// `credentials`.
#[derive(Debug, Subcommand)]
pub enum CredentialsCommand {
    /// Show the app ID, and the app secret with --reveal
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup credentials show
  sudo jitsi-tokens-setup credentials show --reveal --format env > app.env
  sudo jitsi-tokens-setup credentials show --secret-only | ssh app 'cat > key'")]
    Show(ShowCredentials),
    /// Replace the app secret and verify that only the new one works
    #[command(after_help = "\
Prosody restarts. Tokens signed with the old secret stop working, at once or at
the end of --keep-old. If interrupted, run it again to finish; until then,
either the old or the new secret works.

Examples:
  sudo jitsi-tokens-setup credentials rotate --dry-run
  sudo jitsi-tokens-setup credentials rotate --yes
  sudo jitsi-tokens-setup credentials rotate --yes --keep-old 24h \\
      --deploy-hook /usr/local/sbin/update-app
  sudo jitsi-tokens-setup credentials rotate --yes --end-now
  sudo jitsi-tokens-setup credentials rotate --app-id my_app \\
      --app-secret-file /root/secret")]
    Rotate(RotateCredentials),
    /// Create an RSA key pair to sign tokens with
    #[command(after_help = "\
Writes the private key, for the application, to NAME.key, and the public key,
for the server, to NAME.pub.

Examples:
  jitsi-tokens-setup credentials keygen my_app
  sudo jitsi-tokens-setup install --public-key my_app.pub
  sudo jitsi-tokens-setup token mint --room tea --url --key my_app.key")]
    Keygen(Keygen),
}

/// `credentials keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// Path of both files, without .key and .pub
    #[arg(default_value = "jitsi-meet")]
    pub name: PathBuf,
    /// Type of key: rsa (2048 bits, for RS256)
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = KeyType::Rsa, hide_possible_values = true)]
    pub r#type: KeyType,
}

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyType {
    /// RSA with 2048 bits, for RS256
    Rsa,
    /// The curve P-256, which Jitsi's plugins do not support
    #[value(hide = true)]
    P256,
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
    /// Accept the old secret too, for this long: 30m, 24h, 7d
    #[arg(long, value_name = "TIME", value_parser = parse_span, conflicts_with = "app_id")]
    pub keep_old: Option<Duration>,
    /// End --keep-old now: reject the old secret (no restart)
    #[arg(long, conflicts_with_all = ["app_id", "app_secret_file", "keep_old", "deploy_hook"])]
    pub end_now: bool,
    /// Shell command to run once the new secret is verified; it gets the secret on standard input
    #[arg(long, value_name = "COMMAND")]
    pub deploy_hook: Option<String>,
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
