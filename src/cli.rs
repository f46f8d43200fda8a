//! The command line: clap types and their conversion to plain values. No logic, and no clap type below this file.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::render::Colour;
use crate::token::times::parse_span;

/// Turns on token (JWT) authentication for a self-hosted Jitsi Meet, and proves it with real logins.
#[derive(Debug, Parser)]
#[command(
    name = "jitsi-tokens-setup",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup install --dry-run     see what would be done
  sudo jitsi-tokens-setup install               do it, and prove it
  sudo jitsi-tokens-setup status                is everything still as it should be?
  sudo jitsi-tokens-setup token mint --room tea --url
                                                a link that opens the room “tea” for a day
  sudo jitsi-tokens-setup uninstall             give the machine back

Exit codes: 0 done or nothing to do, 1 failed, 2 usage, 3 status found something pending,
4 the logins are not as they should be, 5 blocked: you must act first, 130 interrupted.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
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
    /// Show every command and what it prints
    #[arg(
        short,
        long,
        global = true,
        help_heading = "Output",
        conflicts_with = "quiet"
    )]
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
    /// On a terminal, unless NO_COLOR is set
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
pub enum Command {
    /// Turn token authentication on and prove it; run again, mend what is broken
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
    Status(Site),
    /// Log in to the running Prosody and compare with what its configuration asks for
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup verify
  sudo jitsi-tokens-setup verify --json | jq .proof.verdict")]
    Verify(Verify),
    /// Make and read tokens
    #[command(subcommand)]
    Token(Token),
    /// Show the credentials that Prosody uses
    #[command(subcommand)]
    Credentials(Credentials),
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
    /// Print the manual page of the program, or of one command
    #[command(after_help = "\
Examples:
  jitsi-tokens-setup man | man -l -
  jitsi-tokens-setup man token mint | man -l -")]
    Man {
        /// The command
        command: Vec<String>,
    },
}

/// Which site.
#[derive(Debug, Args)]
pub struct Site {
    /// The site's domain, where it cannot be told from the machine
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
}

/// `install`.
#[derive(Debug, Args)]
pub struct Install {
    #[command(flatten)]
    /// Which site.
    pub site: Site,
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before changing anything
    #[arg(short, long)]
    pub yes: bool,
    /// The application id (default: the one in use, else a new one)
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,
    /// A file with the application secret; - for standard input (default: the one in use, else a new one)
    #[arg(long, value_name = "FILE")]
    pub app_secret_file: Option<PathBuf>,
    /// Apply this step alone (a name that `status` shows); what comes before it must be satisfied
    #[arg(long, value_name = "STEP")]
    pub only: Option<String>,
    /// Leave Prosody running as it is; what needs a restart stays pending
    #[arg(long)]
    pub no_restart: bool,
    /// If the logins fail afterwards, leave everything as it is instead of putting the configuration back
    #[arg(long)]
    pub no_rollback: bool,
    /// The rocks server to ask (default: luarocks' own configuration)
    #[arg(long, value_name = "URL", help_heading = "Sources")]
    pub rocks_server: Option<String>,
    /// Take this version of luajwtjitsi from the rocks server instead of the fork
    #[arg(long, value_name = "VERSION", help_heading = "Sources", conflicts_with_all = ["luajwtjitsi_git", "luajwtjitsi_tag"])]
    pub luajwtjitsi: Option<String>,
    /// The git repository of luajwtjitsi 1.3-7 (default: the tutorial's fork, over https)
    #[arg(long, value_name = "URL", help_heading = "Sources")]
    pub luajwtjitsi_git: Option<String>,
    /// Its tag
    #[arg(long, value_name = "TAG", help_heading = "Sources")]
    pub luajwtjitsi_tag: Option<String>,
    /// Where packages are for a release that left the mirrors
    #[arg(long, value_name = "URL", help_heading = "Sources")]
    pub apt_archive: Option<String>,
    /// How long to wait for other programs' locks of apt, dpkg and debconf
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_span)]
    pub lock_timeout: Duration,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    /// Which site.
    pub site: Site,
}

/// `uninstall`.
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before changing anything
    #[arg(short, long)]
    pub yes: bool,
    /// Put files back although others have changed the same lines since
    #[arg(long)]
    pub force: bool,
    /// How long to wait for other programs' locks of apt, dpkg and debconf
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_span)]
    pub lock_timeout: Duration,
}

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
