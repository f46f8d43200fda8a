//! `verify`: all logins that the configuration calls for, against the running Prosody; or one user's token, explained.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::cli;
use crate::commands::{CommandResult, OutputStyle, input_file, keys, outcome, usage};
use crate::display::progress::Progress;
use crate::engine::report::{self, Proof, State, Verdict};
use crate::engine::runner::{self, Runner};
use crate::host::Host;
use crate::host::child::Silent;
use crate::host::secret::Secret;
use crate::host::system::System;
use crate::login::{Server, Transport};
use crate::proof::jicofo;
use crate::proof::recorder::Recorder;
use crate::proof::{self, ProblemKind, last_proof, next_restart};
use crate::prosody::config::Config;
use crate::prosody::listening;
use crate::site::facts::Site;
use crate::site::view::{Context, View};
use crate::steps::STEPS;
use crate::token::percent;

/// A token is about 1 kB; anything longer than this is not a token.
const LONGEST: u64 = 64 << 10;

/// The options, validated.
struct Wanted {
    transport: Option<Transport>,
    /// URL of the web server to go through, without a trailing slash.
    base: Option<String>,
    /// Whether to accept any certificate of that web server.
    insecure: bool,
    room: Option<String>,
    token: Option<Secret>,
}

/// Runs the command.
pub fn run(args: cli::Verify, output: OutputStyle) -> Result<CommandResult> {
    let settings = keys::settings(args.site.domain.as_deref())?;
    let host = System::new(&Silent);
    let wanted = usage(Wanted::of(&args))?;
    let view = View::gather(&host, settings)?;
    let cx = Context { thorough: true, ..Context::new(&host, &view) };
    // The first step reports what is in the way, if anything is.
    let mut outcome = Runner::new(&STEPS[..1], &cx, &Progress::hidden()).survey()?;
    if let (Ok(site), false) = (&view.facts.site, outcome.any(State::Blocked)) {
        outcome = runner::Outcome { proof: Some(prove(&host, site, &wanted)?), ..runner::Outcome::default() };
    }
    let report = outcome::report("verify", false, &view.facts, outcome);
    Ok(outcome::outcome(&report, output, false))
}

fn prove(host: &dyn Host, site: &Site, wanted: &Wanted) -> Result<Proof> {
    let Ok(credentials) = keys::of_machine(host, site) else {
        return Ok(not_set_up(&site.domain));
    };
    let config = site.config(host)?;
    let mut asked = site.expectations(host, &config, &credentials)?;
    let servers = wanted.servers(site, &config);
    let first = servers.first().context("no transport to test")?;
    listening::wait(host, first)?;
    let _accepted = proof::with_key(host, &mut asked, wanted.token.is_none())?;
    proof::wait_for_keys(host, first, &asked)?;
    let local = site.server(&config);
    if let Some(token) = &wanted.token {
        jicofo::wait(host, &local, |now| proof::opener(&asked, now, Some(token)))?;
        let rules = keys::token_rules(host, &config, site, &asked)?;
        return Ok(proof::explain(host, first, &asked, &rules, token, wanted.room.as_deref()));
    }
    // The recorders' account is not shown to a web server, since anybody may answer there.
    let recorder = if first.direct { Recorder::new(host, &site.lua.account, &asked)? } else { Recorder::default() };
    jicofo::wait(host, &local, |now| recorder.opener(&asked, now))?;
    let mut proof = proof::run(host, &servers, |server| {
        // A web server's second transport is tested for itself, not with every token again: Jitsi slows down an
        // address that logs in often.
        if server.direct || server.transport == first.transport {
            let now = host.now();
            let plan = proof::plan(&asked, now, wanted.room.as_deref());
            plan.into_iter().chain(recorder.probe(&asked, now)).collect()
        } else {
            proof::quick(&asked, host.now())
        }
    });
    recorder.done(&mut proof);
    proof::warn_if_unusable(&mut proof, &asked);
    let tried: Vec<Transport> = servers.iter().map(|server| server.transport).collect();
    proof.transports_not_tried = proof::not_tried(site, &config, &tried, wanted.transport.is_some());
    if first.direct {
        last_proof::remember(host, &config, &site.domain, &proof)?;
    }
    Ok(next_restart::judge(proof, site, &config))
}

impl Wanted {
    fn of(args: &cli::Verify) -> Result<Self> {
        let given = match (&args.token, &args.token_file) {
            (Some(text), _) => Some(text.clone()),
            (None, Some(path)) => Some(read(path)?),
            (None, None) => None,
        };
        Ok(Self {
            transport: args.transport.map(Transport::from),
            base: args.url.as_deref().map(base).transpose()?,
            insecure: args.insecure,
            room: args.room.as_deref().map(room).transpose()?,
            token: given.map(|text| token(&text)).transpose()?,
        })
    }

    /// Where the logins are made: over the requested transport, otherwise over all that are configured.
    fn servers(&self, site: &Site, config: &Config) -> Vec<Server> {
        let transports = self.transport.map_or_else(|| site.transports(config), |transport| vec![transport]);
        transports
            .into_iter()
            .map(|transport| {
                let local = Server { transport, ..site.server(config) };
                match &self.base {
                    Some(base) => Server { base: base.clone(), direct: false, insecure: self.insecure, ..local },
                    None => local,
                }
            })
            .collect()
    }
}

/// The web server's URL, without the path of a transport.
fn base(url: &str) -> Result<String> {
    let bare = url.trim().trim_end_matches('/');
    let bare = ["/http-bind", "/xmpp-websocket"].iter().find_map(|path| bare.strip_suffix(path)).unwrap_or(bare);
    let rest = ["https://", "http://"].iter().find_map(|scheme| bare.strip_prefix(scheme));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(['?', '#', ' ', '@']) => Ok(bare.to_owned()),
        _ => bail!("invalid --url \"{url}\": use a URL such as https://meet.example.org"),
    }
}

/// A room's name, if an XMPP address can contain it.
fn room(name: &str) -> Result<String> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "\"&'/:<>@".contains(c);
    if name.is_empty() || name.contains(odd) {
        bail!("invalid --room: use a room name without spaces or any of \" & ' / : < > @");
    }
    Ok(name.to_lowercase())
}

/// The token in `text`, which may be a meeting link.
fn token(text: &str) -> Result<Secret> {
    let text = text.trim();
    let found = match text.split_once("jwt=") {
        Some((address, rest)) if address.contains("://") => {
            // In the fragment of a URL it is in quotes.
            percent::decode(rest.split(['&', '#']).next().unwrap_or_default()).trim_matches('"').to_owned()
        }
        _ => text.to_owned(),
    };
    if found.is_empty() {
        bail!("the input contains no token");
    }
    Ok(Secret::new(found))
}

fn read(path: &Path) -> Result<String> {
    let bytes = input_file::open(path, "token file", "--token-file")?.bytes(LONGEST)?;
    String::from_utf8(bytes).context("the token is not valid UTF-8")
}

fn not_set_up(domain: &str) -> Proof {
    let why = format!(
        "token authentication is not set up: there is no app ID and app secret for {domain} in Prosody's \
            configuration"
    );
    Proof {
        problem: Some(report::id(ProblemKind::NotSetUp)),
        fix: Some("run: jitsi-tokens-setup install".to_owned()),
        ..Proof::without_logins(Verdict::Refused, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_paths_are_stripped_from_urls() {
        for url in ["https://m.org", "https://m.org/", "https://m.org/http-bind"] {
            assert_eq!(base(url).unwrap(), "https://m.org");
        }
        assert_eq!(base("http://m.org:8080/sub/").unwrap(), "http://m.org:8080/sub");
        for url in ["m.org", "ftp://m.org", "https://", "https://m.org/?a=b"] {
            assert!(base(url).unwrap_err().to_string().contains("invalid --url"));
        }
    }

    #[test]
    fn tokens_are_extracted_from_meeting_urls() {
        let seen = |text: &str| token(text).unwrap().reveal().to_owned();
        assert_eq!(seen(" a.b.c\n"), "a.b.c");
        assert_eq!(seen("https://m.org/tea?jwt=a.b.c&x=1#y"), "a.b.c");
        assert_eq!(seen("https://m.org/tea#config.a=1&jwt=%22a.b.c%22"), "a.b.c");
        assert!(token("https://m.org/tea?jwt=").is_err());
    }

    #[test]
    fn invalid_room_names_are_refused() {
        assert_eq!(room("Tea").unwrap(), "tea");
        for name in ["", "a b", "a@b", "a/b"] {
            assert!(room(name).is_err(), "{name}");
        }
    }
}
