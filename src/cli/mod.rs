//! The command line: clap types and their conversion to plain values. No logic, and no clap type below this module.

mod credentials;
mod install;
mod offered;
mod policy;
mod token;
mod uninstall;
mod verify;

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::display::render::Color;
use crate::token::times::parse_span;

pub use credentials::{CredentialsCommand, CredentialsForm, KeyType, Keygen, RotateCredentials, ShowCredentials};
pub use install::Install;
pub use offered::Offered;
pub use policy::{Switch, TokenPolicy};
pub use token::{Batch, InputFormArg, Inspect, KeyArgs, Mint, OutputFormArg, TokenCommand, Wording};
pub use uninstall::Uninstall;
pub use verify::Verify;

/// Enable token (JWT) authentication on a self-hosted Jitsi Meet and verify it with real logins.
#[derive(Debug, Parser)]
#[command(name = "jitsi-tokens-setup", version, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup install --dry-run             preview the changes
  sudo jitsi-tokens-setup install                       apply and verify them
  sudo jitsi-tokens-setup status                        does it still work?
  sudo jitsi-tokens-setup token mint --room tea --url   a link to room \"tea\"
  sudo jitsi-tokens-setup uninstall                     undo everything

Exit codes:
  0    success, or nothing to do
  1    failure
  2    usage error
  3    changes needed (status)
  4    verification failed
  5    blocked: fix the reported problem first
  130  interrupted")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: CliCommand,
    #[command(flatten)]
    /// Options of every command.
    pub global: Global,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Print the result as JSON
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Print events as they happen, one JSON object per line; the last line is the result
    #[arg(long, global = true, help_heading = "Output")]
    pub json_lines: bool,
    /// Show every command that is run and its output
    #[arg(short, long, global = true, help_heading = "Output", conflicts_with = "quiet")]
    pub verbose: bool,
    /// Do not show progress
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,
    /// When to use color: auto, always or never
    #[arg(long, global = true, value_enum, hide_possible_values = true, default_value_t = ColorArg::Auto, value_name = "WHEN", help_heading = "Output")]
    pub color: ColorArg,
}

/// When to use color, as clap parses it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ColorArg {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<ColorArg> for Color {
    fn from(arg: ColorArg) -> Self {
        match arg {
            ColorArg::Auto => Self::Auto,
            ColorArg::Always => Self::Always,
            ColorArg::Never => Self::Never,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Enable token authentication and verify it; run again to repair
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup install --dry-run
  sudo jitsi-tokens-setup install --yes --app-id my_app \\
      --app-secret-file /root/secret
  pass show jitsi | sudo jitsi-tokens-setup install --yes --app-secret-file -")]
    Install(Box<Install>),
    /// Check every step and test some logins, without changing anything
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup status
  sudo jitsi-tokens-setup status --json | jq .exit_code

Exit codes: 0 all good, 3 changes needed, 4 logins fail or anyone can join,
5 blocked.")]
    Status(SiteArgs),
    /// Test logins against the running Prosody: valid tokens work, invalid ones are rejected
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup verify
  sudo jitsi-tokens-setup verify --url https://meet.example.org
  sudo jitsi-tokens-setup verify --token-file user.jwt --room tea
  sudo jitsi-tokens-setup verify --json | jq .proof.verdict")]
    Verify(Verify),
    /// Create and inspect tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Show or replace the app ID and app secret, or create a key pair
    #[command(subcommand)]
    Credentials(CredentialsCommand),
    /// Undo everything `install` changed
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup uninstall --dry-run
  sudo jitsi-tokens-setup uninstall --yes")]
    Uninstall(Uninstall),
    /// Print a shell completion script
    #[command(after_help = "Example:\n  jitsi-tokens-setup completions zsh > ~/.zfunc/_jitsi-tokens-setup")]
    Completions {
        /// Shell to complete for
        #[arg(value_enum)]
        shell: clap_complete::Shell,
        #[command(flatten)]
        /// Options of other commands.
        unused: Unused,
    },
    /// Print the JSON Schema of a command's --json output
    #[command(after_help = "\
Examples:
  jitsi-tokens-setup schema status
  jitsi-tokens-setup schema install --json-lines   the schema of each line
  jitsi-tokens-setup schema token mint > mint.schema.json")]
    Schema {
        /// Command to describe
        #[arg(required = true, value_parser = Offered(&offered::RESULTS), hide_possible_values = true)]
        command: Vec<String>,
    },
    /// Print a manual page
    #[command(after_help = "\
Examples:
  jitsi-tokens-setup man | man -l -
  jitsi-tokens-setup man token mint | man -l -")]
    Man {
        /// Command to describe [default: the whole program]
        #[arg(value_parser = Offered(&offered::COMMANDS), hide_possible_values = true)]
        command: Vec<String>,
        #[command(flatten)]
        /// Options of other commands.
        unused: Unused,
    },
}

/// Global options that mean nothing to a command: accepted, but not in its help.
#[derive(Debug, Args)]
pub struct Unused {
    /// Ignored: the result is text.
    #[arg(long, hide = true)]
    json: bool,
    /// Ignored: the result is text.
    #[arg(long, hide = true)]
    json_lines: bool,
    /// Ignored: there is no progress.
    #[arg(short, long, hide = true)]
    verbose: bool,
    /// Ignored: there is no progress.
    #[arg(short, long, hide = true)]
    quiet: bool,
    /// Ignored: there is no color.
    #[arg(long, hide = true, value_enum)]
    color: Option<ColorArg>,
}

/// The site.
#[derive(Debug, Args)]
pub struct SiteArgs {
    /// The site's domain [default: detected]
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
}

/// How a command that changes the machine runs.
#[derive(Debug, Args)]
pub struct Going {
    /// Show what would change, without changing anything
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// How long to wait while apt, dpkg or debconf is locked
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_span)]
    pub lock_timeout: Duration,
}
