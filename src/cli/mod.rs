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

use crate::display::render::Colour;
use crate::token::times::parse_span;

pub use credentials::{CredentialsCommand, CredentialsForm, RotateCredentials, ShowCredentials};
pub use install::Install;
pub use offered::Offered;
pub use policy::{Switch, TokenPolicy};
pub use token::{Batch, InputFormArg, Inspect, KeyArgs, Mint, OutputFormArg, TokenCommand, Wording};
pub use uninstall::Uninstall;
pub use verify::Verify;

/// Turns on token (JWT) authentication for a self-hosted Jitsi Meet, and proves it with real logins.
#[derive(Debug, Parser)]
#[command(name = "jitsi-tokens-setup", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup install --dry-run     see what would be done
  sudo jitsi-tokens-setup install               do it, and prove it
  sudo jitsi-tokens-setup status                is everything still as it should be?
  sudo jitsi-tokens-setup token mint --room tea --url
                                                a link that opens the room \"tea\" for a day
  sudo jitsi-tokens-setup uninstall             give the machine back

Exit codes: 0 done or nothing to do, 1 failed, 2 usage, 3 status found something pending,
4 the logins are not as they should be, 5 blocked: you must act first, 130 interrupted.")]
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
    /// Print what happens as it happens, one JSON object a line; the last line is the result
    #[arg(long, global = true, help_heading = "Output")]
    pub json_lines: bool,
    /// Show every command and what it prints
    #[arg(short, long, global = true, help_heading = "Output", conflicts_with = "quiet")]
    pub verbose: bool,
    /// Show no progress
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = ColourArg::Auto, value_name = "WHEN", help_heading = "Output")]
    pub color: ColourArg,
}

/// When to use colour, as clap takes it.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ColourArg {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<ColourArg> for Colour {
    fn from(arg: ColourArg) -> Self {
        match arg {
            ColourArg::Auto => Self::Auto,
            ColourArg::Always => Self::Always,
            ColourArg::Never => Self::Never,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Turn token authentication on and prove it; run it again to repair what is broken
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup install --dry-run
  sudo jitsi-tokens-setup install --yes --app-id my_app --app-secret-file /root/secret
  pass show jitsi | sudo jitsi-tokens-setup install --yes --app-secret-file -")]
    Install(Box<Install>),
    /// Check every step and the logins; change nothing
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup status
  sudo jitsi-tokens-setup status --json | jq .exit_code     0 good, 3 something is pending, 5 blocked")]
    Status(SiteArgs),
    /// Log in to the running Prosody and compare with what its configuration asks for
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup verify
  sudo jitsi-tokens-setup verify --url https://meet.example.org     as browsers come in
  sudo jitsi-tokens-setup verify --token-file user.jwt --room tea   why does this one not work?
  sudo jitsi-tokens-setup verify --json | jq .proof.verdict")]
    Verify(Verify),
    /// Make and read tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Show or replace the credentials that Prosody uses
    #[command(subcommand)]
    Credentials(CredentialsCommand),
    /// Take back what install did, from its receipt
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup uninstall --dry-run
  sudo jitsi-tokens-setup uninstall --yes")]
    Uninstall(Uninstall),
    /// Print completions for a shell
    #[command(
        after_help = "Example:\n  jitsi-tokens-setup completions bash > /etc/bash_completion.d/jitsi-tokens-setup"
    )]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the JSON Schema of what a command prints with --json
    #[command(after_help = "\
Examples:
  jitsi-tokens-setup schema status
  jitsi-tokens-setup schema install --json-lines     of each line that --json-lines prints
  jitsi-tokens-setup schema token mint > mint.schema.json")]
    Schema {
        /// The command
        #[arg(required = true, value_parser = Offered(&offered::RESULTS), hide_possible_values = true)]
        command: Vec<String>,
    },
    /// Print the manual page of the program, or of one command
    #[command(after_help = "\
Examples:
  jitsi-tokens-setup man | man -l -
  jitsi-tokens-setup man token mint | man -l -")]
    Man {
        /// The command
        #[arg(value_parser = Offered(&offered::COMMANDS), hide_possible_values = true)]
        command: Vec<String>,
    },
}

/// Which site.
#[derive(Debug, Args)]
pub struct SiteArgs {
    /// The site's domain, where it cannot be told from the machine
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
}

/// How a command that changes the machine goes about it.
#[derive(Debug, Args)]
pub struct Going {
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before changing anything
    #[arg(short, long)]
    pub yes: bool,
    /// How long to wait for other programs' locks of apt, dpkg and debconf
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_span)]
    pub lock_timeout: Duration,
}
