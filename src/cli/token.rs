//! The options of `token`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};

use super::SiteArgs;
use super::policy::Switch;
use crate::token::times::{parse_moment, parse_span};
use crate::token::{Algorithm, PluginRelease};

/// `token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup token mint --room tea --name Ada --expires-in 2h
  sudo jitsi-tokens-setup token mint --room tea --moderator --url
  sudo jitsi-tokens-setup token mint --room tea --qr
  jitsi-tokens-setup token mint --app-id my_app --app-secret-file secret \\
      --domain meet.example.org
  jitsi-tokens-setup token mint --app-id my_app --key private.pem \\
      --domain meet.example.org")]
    Mint(Box<Mint>),
    /// Create a token for every row of a CSV or JSON Lines file
    #[command(after_help = "\
The first line of a CSV file names its columns, in upper or lower case. Columns,
or fields of a JSON object:
  room          room to open; * for every room
  id, name, email, avatar, affiliation, group
                the user
  moderator     true or false
  features      such as \"recording livestreaming=false\"
  expires_in, expires_at
                as the options of these names
  sub           the site's domain or tenant
  claim.NAME    another claim (JSON Lines: in an object \"claims\")
Empty fields get their value from the options. Other columns are copied to the
output.

Examples:
  sudo jitsi-tokens-setup token batch --url people.csv > links.csv
  sudo jitsi-tokens-setup token batch --room tea --format plain - < people.jsonl
  jitsi-tokens-setup token batch --app-id my_app --app-secret-file secret \\
      --domain meet.example.org people.csv")]
    Batch(Box<Batch>),
    /// Decode a token, or a meeting link with one, and say whether Jitsi accepts it
    #[command(after_help = "\
Examples:
  jitsi-tokens-setup token inspect eyJhbGciOi…
  jitsi-tokens-setup token inspect - < token.txt
  jitsi-tokens-setup token inspect --file token.txt --key public.pem
  sudo jitsi-tokens-setup token inspect 'https://meet.example.org/tea?jwt=eyJ…'
  jitsi-tokens-setup token inspect --file token.txt --plugins 2023-12 \\
      --domain meet.example.org --app-id my_app

As root on the server, the token is checked against the server's plugins and
configuration; elsewhere, against the newest Jitsi with default settings.
Options override both.

Exit codes: 0 valid, 4 invalid, 3 unknown (no key to check the signature with).")]
    Inspect(Box<Inspect>),
}

/// The credentials.
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(flatten)]
    /// The site.
    pub site: SiteArgs,
    /// App ID [default: from Prosody's configuration]
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,
    /// File with the app secret, or - for standard input [default: from Prosody's configuration]
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub app_secret_file: Option<PathBuf>,
    /// PEM file with an RSA or P-256 key, instead of a secret (private key to sign, either one to verify)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

/// The claims of a token, and how it is signed.
#[derive(Debug, Args)]
pub struct Wording {
    /// Audience [default: jitsi, or one that this server accepts]
    #[arg(long, value_name = "AUD")]
    pub audience: Option<String>,
    /// Lifetime, such as 90s, 30m, 1h30m or 7d [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = parse_span, conflicts_with_all = ["never", "expires_at"])]
    pub expires_in: Option<Duration>,
    /// Expiry: 2026-12-31T18:00:00Z, or a date (00:00 UTC)
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment, conflicts_with = "never")]
    pub expires_at: Option<i64>,
    /// Never expire
    #[arg(long)]
    pub never: bool,
    /// Not valid before this much time has passed
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub starts_in: Option<Duration>,
    /// Display name
    #[arg(long, help_heading = "User")]
    pub name: Option<String>,
    /// Email address
    #[arg(long, help_heading = "User")]
    pub email: Option<String>,
    /// Avatar
    #[arg(long, value_name = "URL", help_heading = "User")]
    pub avatar: Option<String>,
    /// User ID
    #[arg(long, value_name = "ID", help_heading = "User")]
    pub user_id: Option<String>,
    /// Make the user a moderator
    #[arg(long, help_heading = "User")]
    pub moderator: bool,
    /// Affiliation to the room: owner, admin, member, none or outcast
    #[arg(long, help_heading = "User")]
    pub affiliation: Option<String>,
    /// Group
    #[arg(long, help_heading = "User")]
    pub group: Option<String>,
    /// Allow or forbid a feature, such as recording or livestreaming=false (repeatable)
    #[arg(long = "feature", value_name = "NAME[=BOOL]", help_heading = "User")]
    pub features: Vec<String>,
    /// Add a claim; the value is JSON, or else text (repeatable)
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    pub claims: Vec<String>,
    /// Add claims from a file with a JSON object, or - for standard input
    #[arg(long = "claims", value_name = "FILE")]
    pub claims_file: Option<PathBuf>,
    /// Add a header field, such as kid=2026 (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub header: Vec<String>,
    /// Signature algorithm, such as HS256, RS256 or ES256 [default: as configured, or HS256; with --key RS256]
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::name))
        .try_map(|name| Algorithm::named(&name).ok_or("unknown algorithm")))]
    pub algorithm: Option<Algorithm>,
}

/// `token mint`.
#[derive(Debug, Args)]
pub struct Mint {
    #[command(flatten)]
    /// The credentials.
    pub keys: KeyArgs,
    /// Room to open; * for every room [default: *]
    #[arg(long)]
    pub room: Option<String>,
    /// Rooms to open, as a lower-case Lua pattern for the whole name (Jitsi from June 2021 on)
    #[arg(long, value_name = "PATTERN", conflicts_with = "room")]
    pub room_pattern: Option<String>,
    #[command(flatten)]
    /// The claims.
    pub wording: Wording,
    /// Print a link to the meeting, with the token in it
    #[arg(long)]
    pub url: bool,
    /// Show that link as a QR code
    #[arg(long)]
    pub qr: bool,
}

/// `token batch`.
#[derive(Debug, Args)]
pub struct Batch {
    /// CSV or JSON Lines file, or - for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    pub file: PathBuf,
    /// Input format: csv or jsonl [default: detected]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub input_format: Option<InputFormArg>,
    /// Output format: csv, jsonl, or plain for tokens only [default: as the input]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Option<OutputFormArg>,
    /// Room for rows without one; * for every room
    #[arg(long)]
    pub room: Option<String>,
    /// Stop at the first invalid row
    #[arg(long)]
    pub strict: bool,
    /// Add links to the meetings (with --format plain: instead of the tokens)
    #[arg(long)]
    pub url: bool,
    #[command(flatten)]
    /// The claims.
    pub wording: Wording,
    #[command(flatten)]
    /// The credentials.
    pub keys: KeyArgs,
}

/// `token inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// Token or link, or - for standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub token: Option<String>,
    /// File with the token or link
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Room to enter [default: from the link or the token]
    #[arg(long)]
    pub room: Option<String>,
    #[command(flatten)]
    /// The credentials.
    pub keys: KeyArgs,
    #[command(flatten)]
    /// The server.
    pub server: ServerArgs,
}

/// The server that a token is for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server (default: this machine, or a new Jitsi)")]
pub struct ServerArgs {
    /// Release of Jitsi's plugins, such as 2020-08, or a year (its December)
    #[arg(long, value_name = "YEAR[-MONTH]", value_parser = PluginRelease::parse)]
    pub plugins: Option<PluginRelease>,
    /// Lua version that runs Prosody: 5.1 to 5.4 [default: 5.2 for plugins before April 2022, or 5.4]
    #[arg(long, value_name = "VERSION", hide_possible_values = true, value_parser = PossibleValuesParser::new(["5.1", "5.2", "5.3", "5.4"]))]
    pub lua: Option<String>,
    /// Accepted issuer (repeatable or comma-separated; * for any) [default: the app ID]
    #[arg(long, value_name = "ISSUER", value_delimiter = ',')]
    pub issuer: Vec<String>,
    /// Accepted audience (repeatable or comma-separated) [default: *, any]
    #[arg(long, value_name = "AUDIENCE", value_delimiter = ',')]
    pub audience: Vec<String>,
    /// Algorithm that tokens are signed with [default: HS256; with --key RS256]
    #[arg(long, value_name = "NAME", hide_possible_values = true, value_parser = PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::name))
        .try_map(|name| Algorithm::named(&name).ok_or("unknown algorithm")))]
    pub signature_algorithm: Option<Algorithm>,
    /// The server requires `sub` to be its domain
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    pub domain_check: Option<Switch>,
    /// The server requires the token to name a room
    #[arg(long, value_name = "on|off", hide_possible_values = true)]
    pub require_room: Option<Switch>,
}

/// The format of the input rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InputFormArg {
    /// Comma-separated values (also with semicolons or tabs), the first line names the columns
    Csv,
    /// JSON Lines: an object on every line
    Jsonl,
}

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormArg {
    /// Comma-separated values
    Csv,
    /// JSON Lines
    Jsonl,
    /// A token on every line
    Plain,
}
