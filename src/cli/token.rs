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
    /// Make a token
    #[command(after_help = "\
Examples:
  sudo jitsi-tokens-setup token mint --room tea --name Ada --expires-in 2h
  sudo jitsi-tokens-setup token mint --room tea --moderator --url
  sudo jitsi-tokens-setup token mint --room tea --qr
  jitsi-tokens-setup token mint --app-id my_app --app-secret-file secret --domain meet.example.org
  jitsi-tokens-setup token mint --app-id my_app --domain meet.example.org --key private.pem")]
    Mint(Box<Mint>),
    /// Make a token for every row of a CSV or JSON Lines file
    #[command(after_help = "\
The first line of a CSV names its columns. Fields of a row, in both forms:
  room          the room that the token opens; * for every room
  id, name, email, avatar, affiliation, group
                whom it is for
  moderator     true or false
  features      as in \"recording livestreaming=false\"
  expires_in, expires_at
                as the options of these names
  sub           the site's domain or tenant
  claim.NAME    a further claim (JSON Lines: in an object \"claims\")
What a row leaves empty comes from the options. Other fields are passed on to the output.

Examples:
  sudo jitsi-tokens-setup token batch --url people.csv > links.csv
  sudo jitsi-tokens-setup token batch --room tea --format plain - < people.jsonl
  jitsi-tokens-setup token batch --app-id my_app --app-secret-file secret --domain meet.example.org people.csv")]
    Batch(Box<Batch>),
    /// Read a token, or a meeting's address with one, and say what Jitsi would say
    #[command(after_help = "\
Examples:
  jitsi-tokens-setup token inspect eyJhbGciOi…
  jitsi-tokens-setup token inspect - < token.txt
  jitsi-tokens-setup token inspect --file token.txt --key public.pem
  sudo jitsi-tokens-setup token inspect 'https://meet.example.org/tea?jwt=eyJ…'
  jitsi-tokens-setup token inspect --file token.txt --plugins 2023-12 --domain meet.example.org --app-id my_app

Which server: as root on the server, its installed plugins and its configuration. Elsewhere, and for what the options
say otherwise: the newest Jitsi as it is delivered.

Exit code: 0 valid, 4 not valid, 3 not decidable (there is no key to check the signature with).")]
    Inspect(Box<Inspect>),
}

/// Whose credentials.
#[derive(Debug, Args)]
pub struct KeyArgs {
    #[command(flatten)]
    /// Which site.
    pub site: SiteArgs,
    /// The application id (default: the one in Prosody's configuration)
    #[arg(long, value_name = "ID")]
    pub app_id: Option<String>,
    /// A file with the application secret; - for standard input (default: the one in Prosody's configuration)
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub app_secret_file: Option<PathBuf>,
    /// A PEM file with an RSA or P-256 key, in place of the secret: private to make tokens, either half to read them
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

/// What a token says, and how it is signed.
#[derive(Debug, Args)]
pub struct Wording {
    /// The audience [default: jitsi, or one that this machine's configuration accepts]
    #[arg(long, value_name = "AUD")]
    pub audience: Option<String>,
    /// How long it is valid: 90s, 30m, 2h, 7d [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = parse_span, conflicts_with_all = ["never", "expires_at"])]
    pub expires_in: Option<Duration>,
    /// Until when it is valid: 2026-12-31T18:00:00Z, or a date, whose first second (UTC) is meant
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment, conflicts_with = "never")]
    pub expires_at: Option<i64>,
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
    /// What the user is in the room: owner, admin, member, none, outcast
    #[arg(long, help_heading = "User")]
    pub affiliation: Option<String>,
    /// The user's group
    #[arg(long, help_heading = "User")]
    pub group: Option<String>,
    /// A feature, as in recording or livestreaming=false; may be repeated
    #[arg(long = "feature", value_name = "NAME[=BOOL]", help_heading = "User")]
    pub features: Vec<String>,
    /// A further claim; the value is JSON, or else text; may be repeated
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    pub claims: Vec<String>,
    /// A file with further claims, a JSON object; - for standard input
    #[arg(long = "claims", value_name = "FILE")]
    pub claims_file: Option<PathBuf>,
    /// A field of the header, as in kid=2026; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub header: Vec<String>,
    /// How it is signed [default: as this machine's configuration wants it, else HS256; with --key RS256]
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::name))
        .try_map(|name| Algorithm::named(&name).ok_or("no such algorithm")))]
    pub algorithm: Option<Algorithm>,
}

/// `token mint`.
#[derive(Debug, Args)]
pub struct Mint {
    #[command(flatten)]
    /// Whose credentials.
    pub keys: KeyArgs,
    /// The room that it opens; * for every room [default: *]
    #[arg(long)]
    pub room: Option<String>,
    /// The rooms that it opens, as a Lua pattern in lower case that matches their whole names (plugins from June 2021 on)
    #[arg(long, value_name = "PATTERN", conflicts_with = "room")]
    pub room_pattern: Option<String>,
    #[command(flatten)]
    /// What it says.
    pub wording: Wording,
    /// Print the meeting's address with the token in it
    #[arg(long)]
    pub url: bool,
    /// Show that address as a QR code
    #[arg(long)]
    pub qr: bool,
}

/// `token batch`.
#[derive(Debug, Args)]
pub struct Batch {
    /// The file with the rows; - for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    pub file: PathBuf,
    /// What the rows are [default: as the file's name or first byte says]
    #[arg(long, value_enum, value_name = "FORM")]
    pub input_format: Option<InputFormArg>,
    /// What is printed: the rows with their tokens, or plain tokens [default: as the input]
    #[arg(long, value_enum, value_name = "FORM")]
    pub format: Option<OutputFormArg>,
    /// The room of rows that name none; * for every room
    #[arg(long)]
    pub room: Option<String>,
    /// Stop at the first bad row
    #[arg(long)]
    pub strict: bool,
    /// Print the meetings' addresses too; with --format plain, in place of the tokens
    #[arg(long)]
    pub url: bool,
    #[command(flatten)]
    /// What the tokens say.
    pub wording: Wording,
    #[command(flatten)]
    /// Whose credentials.
    pub keys: KeyArgs,
}

/// `token inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The token, the address, or - for standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub token: Option<String>,
    /// A file with the token or the address
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The room to be entered [default: the address's, or the one that the token names]
    #[arg(long)]
    pub room: Option<String>,
    #[command(flatten)]
    /// Whose credentials.
    pub keys: KeyArgs,
    #[command(flatten)]
    /// Which server.
    pub server: ServerArgs,
}

/// The server that a token is for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server (default: this machine's, or Jitsi's defaults)")]
pub struct ServerArgs {
    /// Judge as Jitsi's plugins of this month do: 2020-08, 2023-12, or a year, whose last month is meant
    #[arg(long, value_name = "YEAR[-MONTH]", value_parser = PluginRelease::parse)]
    pub plugins: Option<PluginRelease>,
    /// The Lua that runs Prosody [default: 5.2 for plugins before April 2022, else 5.4]
    #[arg(long, value_name = "VERSION", value_parser = PossibleValuesParser::new(["5.1", "5.2", "5.3", "5.4"]))]
    pub lua: Option<String>,
    /// An issuer that the server accepts; may be repeated; * accepts all [default: the application id]
    #[arg(long, value_name = "ISSUER")]
    pub issuer: Vec<String>,
    /// An audience that the server accepts; may be repeated [default: * (all)]
    #[arg(long, value_name = "AUDIENCE")]
    pub audience: Vec<String>,
    /// What tokens are signed with
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::name))
        .try_map(|name| Algorithm::named(&name).ok_or("no such algorithm")))]
    pub signature_algorithm: Option<Algorithm>,
    /// Whether the server compares `sub` with its domain
    #[arg(long, value_name = "on|off")]
    pub domain_check: Option<Switch>,
    /// Whether a token has to name a room
    #[arg(long, value_name = "on|off")]
    pub require_room: Option<Switch>,
}

/// What rows are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InputFormArg {
    /// Comma-separated values (also with semicolons or tabs), the first line names the columns
    Csv,
    /// JSON Lines: an object on every line
    Jsonl,
}

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormArg {
    /// Comma-separated values
    Csv,
    /// JSON Lines
    Jsonl,
    /// A token on every line
    Plain,
}
