//! Fetches one document from a server, in a child without privileges: what a stranger's server says is only evidence.
//! Prosody itself follows no redirects, so neither does this.

use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::net::{HttpFault, HttpRequest, MAX_ANSWER, Net, Network};
use crate::host::Host;
use crate::host::own_process;
use crate::host::secret::Secret;

/// The hidden command that runs this program as that child. Not for people: it reads from its parent.
pub const COMMAND: &str = "fetch-child";

/// How long fetching a document may take.
const TIMEOUT: Duration = Duration::from_secs(6);

/// The child is killed this long after that.
const GRACE: Duration = Duration::from_millis(1_500);

/// The longest URL that is read and the longest header that is kept, in bytes.
const LONGEST: usize = 4096;

/// A server's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The status code.
    pub status: u16,
    /// The body; at most [`MAX_ANSWER`].
    pub body: String,
    /// The header `Cache-Control`.
    pub cache_control: Option<String>,
    /// The header `Location`.
    pub location: Option<String>,
}

/// Fetches the document at this URL.
///
/// # Errors
/// Why there is no answer.
pub fn fetch(host: &dyn Host, url: &str) -> Result<Document, HttpFault> {
    let output = host.confined(COMMAND, Secret::unlisted(url.to_owned()), TIMEOUT + GRACE);
    let output = output.map_err(|error| HttpFault::Other(format!("{error:#}")))?;
    match serde_json::from_str(&output.stdout) {
        Ok(answer) => answer,
        Err(_) => {
            let why = output.why_failed().unwrap_or_else(|| "it printed no answer".to_owned());
            Err(HttpFault::Other(format!("the child that fetches it failed: {why}")))
        }
    }
}

impl std::fmt::Display for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP status {}", self.status)
    }
}

/// The fault in words.
pub fn in_words(fault: &HttpFault) -> String {
    match fault {
        HttpFault::Refused => "connection refused".to_owned(),
        HttpFault::TimedOut => format!("no answer within {} s", TIMEOUT.as_secs()),
        HttpFault::TooMuch(_) => format!("it is longer than {} KiB", MAX_ANSWER >> 10),
        HttpFault::Other(what) => what.chars().take(300).collect(),
    }
}

/// The child itself: drops its privileges, reads a URL, prints what it got.
#[expect(clippy::print_stderr, clippy::print_stdout, reason = "a process of its own")]
pub fn main() -> ExitCode {
    if let Err(error) = own_process::drop_rights() {
        eprintln!("{error:#}");
        return ExitCode::FAILURE;
    }
    let mut url = String::new();
    let read = std::io::Read::read_to_string(&mut std::io::Read::take(std::io::stdin(), LONGEST as u64), &mut url);
    if read.is_err() || !url.contains("://") {
        eprintln!("this command is for jitsi-tokens-setup itself, which fetches documents with it");
        return ExitCode::from(2);
    }
    let answer = get(&Network::new(false), &url);
    println!("{}", serde_json::to_string(&answer).unwrap_or_default());
    ExitCode::SUCCESS
}

fn get(net: &dyn Net, url: &str) -> Result<Document, HttpFault> {
    let request = HttpRequest { url: url.to_owned(), headers: Vec::new(), body: None, timeout: TIMEOUT };
    let answer = net.http(&request)?;
    let header = |name: &str| {
        let found = answer.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.chars().take(LONGEST / 4).collect())
    };
    Ok(Document {
        status: answer.status,
        cache_control: header("cache-control"),
        location: header("location"),
        body: answer.body,
    })
}
