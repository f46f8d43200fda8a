//! `token inspect`: explains a token to people: the verdict, who and where and when, and everything odd about it.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{LONGEST, NOT_ACCEPTED, warn};
use crate::cli::{Inspect, Switch};
use crate::commands::{CommandResult, OutputStyle, input_file, keys, secret_file, usage};
use crate::display::escape;
use crate::engine::exit::Exit;
use crate::engine::report::Versioned;
use crate::host::Host;
use crate::host::secret::Secret;
use crate::token::{
    self, Answer, Family, Inspection, Lua, Problem, PublicKey, Room, Rooms, Rules, Signature, Stage, Verifier, room,
    times,
};

/// What to inspect, and what is known about the server.
#[derive(Clone, Debug, Default)]
pub struct InspectRequest {
    /// A token, or a meeting link with one.
    pub input: Vec<u8>,
    /// The app secret, if known.
    pub secret: Option<Secret>,
    /// The public key, if there is one; signatures are then checked with it.
    pub key: Option<PublicKey>,
    /// The rules of the server that the token is for.
    pub rules: Rules,
    /// The room to enter; `None` for the link's, or the one that the token names.
    pub room: Option<Room>,
}

/// What a token turned out to be.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Inspected {
    /// Whether it opens the given room, or otherwise its own; null if that cannot be decided without a key.
    pub valid: Option<bool>,
    /// What Jitsi does with it.
    pub verdict: TokenVerdict,
    /// Why Jitsi does not accept it: the deciding problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The time of the check (UTC, this machine's clock).
    pub now: String,
    /// Who, where and when, in words.
    #[serde(skip)]
    pub summary: Vec<String>,
    /// What was read.
    #[serde(flatten)]
    pub inspection: Inspection,
    /// 0: valid, 4: invalid, 3: unknown.
    pub exit_code: Exit,
}

/// What Jitsi does with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenVerdict {
    /// It accepts it, and opens the room.
    Accepted,
    /// It accepts it if the signature is valid, which cannot be checked without a key.
    AcceptedIfSigned,
    /// It accepts it; whether it opens the room is unknown.
    RoomUnknown,
    /// It accepts it, but opens no room.
    NoRoom,
    /// It accepts it, but crashes when a room is entered.
    CrashesAtRoom,
    /// It rejects it.
    Rejected,
    /// It crashes on it, so nobody can join with it.
    Crashes,
}

impl TokenVerdict {
    fn words(self) -> &'static str {
        match self {
            Self::Accepted => "Jitsi accepts it",
            Self::AcceptedIfSigned => "Jitsi accepts it if the signature is valid (no key to check it with)",
            Self::RoomUnknown => "unknown whether it opens the room",
            Self::NoRoom => "Jitsi accepts it, but it opens no room",
            Self::CrashesAtRoom => "Jitsi accepts it, but crashes when a room is entered",
            Self::Rejected => "Jitsi rejects it",
            Self::Crashes => "Jitsi crashes on it, so nobody can join with it",
        }
    }
}

/// Fields whose values are the program's own words, which are not masked.
const OWN: [&str; 6] = ["claim", "kind", "outcome", "signature", "stage", "verdict"];

/// Runs the command.
pub fn run(host: &dyn Host, args: &Inspect, output: OutputStyle) -> Result<CommandResult> {
    let dash = args.token.as_deref().filter(|token| *token == "-");
    let file = args.file.as_deref().or(dash.map(Path::new));
    input_file::only_one_from_standard_input(&[
        ("the token", file),
        ("the secret", args.keys.app_secret_file.as_deref()),
        ("the key", args.keys.key.as_deref()),
    ])?;
    let mut key = None;
    if let Some(path) = &args.keys.key {
        let (pem, _) = usage(secret_file::read_key(path, false))?;
        let read = PublicKey::from_pem(&pem).with_context(|| path.display().to_string());
        key = Some(usage(read)?);
    }
    let input = match file {
        Some(path) => {
            let input = usage(input_file::open(path, "token file", "--file"))?;
            usage(input.bytes(LONGEST))?
        }
        None => args.token.clone().unwrap_or_default().into_bytes(),
    };
    let found = keys::find(host, &args.keys, false)?;
    warn(&found.warnings);
    let rules = rules(args, &found);
    if let (Some(key), Some(accepted)) = (&key, &rules.public_keys) {
        // The server checks with its own keys.
        warn(accepted.iter().all(|known| known.key != *key).then(|| NOT_ACCEPTED.to_owned()).as_slice());
    }
    let request = InspectRequest {
        input,
        rules,
        room: args.room.as_deref().map(|name| Room::named(room::normal(name))),
        secret: found.secret,
        key,
    };
    let inspected = inspect(&request, host.now());
    let text = if output.json {
        escape::json(&Versioned::new(&inspected), &OWN)
    } else {
        inspected.text(|line| output.paint.wrap(line, 0, 4))
    };
    Ok(CommandResult { exit: inspected.exit_code, ..CommandResult::done(text) })
}

/// The server's rules: this machine's, otherwise a stock Jitsi's; the command line overrides either.
fn rules(args: &Inspect, found: &keys::FoundKeys) -> Rules {
    let (told, keys) = (&args.server, &args.keys);
    let mut rules = found.rules.clone().unwrap_or_default();
    let on = |switch: Option<Switch>, usual| switch.map_or(usual, |switch| switch == Switch::On);
    if let Some(release) = told.plugins {
        rules.plugin = release.plugin();
        rules.domain_verification = release.checks_domains();
        rules.lua = if rules.plugin.decode { Lua::Lua52 } else { Lua::Lua54 };
        let family = keys.key.is_some().then_some(Family::Rsa);
        rules.algorithm = match rules.plugin.decode {
            true => None,
            false => rules.algorithm.or(Some(family.unwrap_or(Family::Hmac).usual())),
        };
    }
    if let Some(version) = &told.lua {
        rules.lua = Lua::of(version);
    }
    let issuers = match (&told.issuer[..], &keys.app_id, rules.issuers.take()) {
        ([], Some(own), _) => Some(vec![own.clone()]),
        ([], None, known) => known.or(found.app_id.clone().map(|own| vec![own])),
        (told, ..) => Some(told.to_vec()),
    };
    rules.issuers = issuers;
    if !told.audience.is_empty() {
        rules.audiences.clone_from(&told.audience);
    }
    rules.algorithm = told.signature_algorithm.filter(|_| !rules.plugin.decode).or(rules.algorithm);
    rules.domain_verification = on(told.domain_check, rules.domain_verification);
    rules.require_room = on(told.require_room, rules.require_room);
    if let Some(domain) = found.domain.as_ref().filter(|own| rules.domain.as_ref() != Some(own)) {
        rules.domain = Some(domain.clone());
        rules.rooms = Rooms::of_site(domain);
    }
    rules
}

/// Inspects a token as of `now`.
pub fn inspect(request: &InspectRequest, now: SystemTime) -> Inspected {
    let verifier = match &request.key {
        Some(key) => Verifier::Public(key),
        None => request.secret.as_ref().into(),
    };
    let room = request.room.as_ref();
    let inspection = token::inspect(&request.input, verifier, &request.rules, room, now);
    let valid = inspection.valid();
    let (verdict, reason) = verdict(&inspection);
    Inspected {
        valid,
        verdict,
        reason: reason.map(str::to_owned),
        now: times::rfc3339(times::unix(now)),
        summary: inspection.claims.as_ref().map(|claims| summary(claims, now)).unwrap_or_default(),
        inspection,
        exit_code: match valid {
            Some(true) => Exit::Done,
            Some(false) => Exit::Refused,
            None => Exit::Pending,
        },
    }
}

fn verdict(seen: &Inspection) -> (TokenVerdict, Option<&str>) {
    let first = |decides: &dyn Fn(&Problem) -> bool| {
        let problem = seen.problems.iter().find(|problem| decides(problem));
        problem.map(|problem| problem.text.as_str())
    };
    let worst = || first(&|problem| problem.fatal);
    match (&seen.login, &seen.room, seen.valid()) {
        (Answer::Refused { .. }, ..) => (TokenVerdict::Rejected, worst()),
        (Answer::Silence, ..) => (TokenVerdict::Crashes, worst()),
        (_, Some(Answer::Refused { .. }), _) => (TokenVerdict::NoRoom, worst()),
        (_, Some(Answer::Silence), _) => (TokenVerdict::CrashesAtRoom, worst()),
        (_, _, Some(true)) => (TokenVerdict::Accepted, None),
        _ if seen.signature == Signature::Valid => {
            (TokenVerdict::RoomUnknown, first(&|problem| problem.stage == Stage::Room))
        }
        _ => (TokenVerdict::AcceptedIfSigned, None),
    }
}

fn summary(claims: &Map<String, Value>, now: SystemTime) -> Vec<String> {
    let mut lines = Vec::new();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let user = claims.get("context").and_then(|context| context.get("user"));
    let who = |field: &str| text(user.and_then(|user| user.get(field)));
    let names: Vec<String> = ["name", "email", "id"].into_iter().filter_map(who).collect();
    if !names.is_empty() {
        lines.push(format!("for   {}", names.join(", ")));
    }
    let pattern = room_is_pattern(claims);
    lines.extend(text(claims.get("room")).map(|name| match name.as_str() {
        "*" => "room  every room".to_owned(),
        name if pattern => {
            format!("room  every room whose name matches the Lua pattern {}", name.to_ascii_lowercase())
        }
        name => format!("room  {name}"),
    }));
    lines.extend(text(claims.get("sub")).map(|domain| format!("site  {domain}")));
    lines.extend(text(claims.get("iss")).map(|issuer| format!("by    {issuer}")));
    let now = times::unix(now);
    for (label, name) in [("made ", "iat"), ("from ", "nbf"), ("until", "exp")] {
        let Some(moment) = claims.get(name).and_then(Value::as_f64).map(|moment| moment as i64) else {
            continue;
        };
        let distance = times::span(moment.abs_diff(now));
        let when = if moment > now { format!("in {distance}") } else { format!("{distance} ago") };
        lines.push(format!("{label} {} ({when})", times::utc(moment)));
    }
    lines.push(format!("now   {} (this machine's clock)", times::utc(now)));
    lines
}

/// Whether the room of these claims is meant as a Lua pattern (`context.room.regex`).
fn room_is_pattern(claims: &Map<String, Value>) -> bool {
    let regex = claims.get("context").and_then(|context| context.get("room")?.get("regex"));
    matches!(regex, Some(Value::Bool(true))) || regex.and_then(Value::as_str) == Some("true")
}

impl Inspected {
    /// The text for stdout; `fit` breaks a line that is too long. The token may come from a stranger, and then so do
    /// the names in it: none of them may begin a line of its own.
    pub fn text(&self, fit: impl Fn(&str) -> String) -> String {
        let why = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let mut lines = vec![format!("{}{why}", self.verdict.words()), String::new()];
        lines.extend(self.summary.iter().map(|line| format!("  {line}")));
        let signature = match self.inspection.signature {
            Signature::Valid => "right",
            Signature::Wrong => "WRONG",
            Signature::Unchecked => "not checked",
            Signature::Missing => "not checkable",
        };
        lines.push(format!("  signature: {signature}"));
        for problem in &self.inspection.problems {
            let mark = if problem.fatal { "✗" } else { "!" };
            lines.push(format!("  {mark} {}", problem.text));
        }
        let mut text: String = lines.iter().map(|line| fit(&escape::line(line)) + "\n").collect();
        // The decoded token is not wrapped, so that it can be copied.
        for (name, fields) in [("header", &self.inspection.header), ("claims", &self.inspection.claims)] {
            if let Some(fields) = fields {
                text += &escape::lines(&format!("\n{name} {:#}\n", escape::masked(fields)));
            }
        }
        text
    }
}
