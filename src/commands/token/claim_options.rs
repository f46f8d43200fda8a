//! What operators write into options and rows: features, claims and header fields, each claim from one source only.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

/// Features that Jitsi knows; others are minted with a warning.
const FEATURES: [&str; 12] = [
    "recording",
    "livestreaming",
    "transcription",
    "outbound-call",
    "inbound-call",
    "sip-outbound-call",
    "sip-inbound-call",
    "screen-sharing",
    "file-upload",
    "flip",
    "room",
    "send-groupchat",
];

/// What people can be in a room, as XMPP calls it.
const AFFILIATIONS: [&str; 5] = ["owner", "admin", "member", "none", "outcast"];

/// Claims as a file or standard input holds them.
#[derive(Clone, Debug)]
pub struct ClaimsFile {
    /// What to call it.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl ClaimsFile {
    fn read(&self) -> Result<Map<String, Value>> {
        let name = &self.name;
        match serde_json::from_slice(&self.bytes).with_context(|| format!("the claims in {name} are no JSON"))? {
            Value::Object(claims) => Ok(claims),
            _ => bail!("the claims in {name} are no JSON object ({{\"name\": value, …}})"),
        }
    }
}

/// Where every claim comes from.
#[derive(Debug, Default)]
pub struct Sources(Vec<(Vec<String>, String)>);

impl Sources {
    /// Notes that `source` gives this claim (`["context", "user", "name"]`); an error if something else did.
    pub fn add(&mut self, path: &[&str], source: &str) -> Result<()> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        let same = |other: &[String]| other.starts_with(&path) || path.starts_with(other);
        if let Some((_, other)) = self.0.iter().find(|(other, _)| same(other)) {
            let name = path.join(".");
            if other == source {
                bail!("the claim “{name}” is given twice");
            }
            bail!("the claim “{name}” has two sources: {other} and {source}");
        }
        self.0.push((path, source.to_owned()));
        Ok(())
    }

    fn add_all(&mut self, map: &Map<String, Value>, source: &str) -> Result<()> {
        let mut path = Vec::new();
        self.descend(map, &mut path, source)
    }

    fn descend<'a>(&mut self, map: &'a Map<String, Value>, path: &mut Vec<&'a str>, source: &str) -> Result<()> {
        for (name, value) in map {
            path.push(name);
            match value {
                Value::Object(inner) if !inner.is_empty() => self.descend(inner, path, source)?,
                _ => self.add(path, source)?,
            }
            path.pop();
        }
        Ok(())
    }
}

/// The claims of a file and of `NAME=VALUE` options, put together.
pub fn extra_claims(
    file: Option<&ClaimsFile>,
    options: &[String],
    sources: &mut Sources,
) -> Result<Map<String, Value>> {
    let mut claims = Map::new();
    if let Some(file) = file {
        claims = file.read()?;
        sources.add_all(&claims, "--claims")?;
    }
    for option in options {
        let Some((name, value)) = option.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            bail!("the claim “{option}” is not of the form NAME=VALUE");
        };
        let one = Map::from_iter([(name.to_owned(), json_or_text("claim", name, value)?)]);
        sources.add_all(&one, "--claim")?;
        merge(&mut claims, one);
    }
    Ok(claims)
}

/// Fields of the header from `NAME=VALUE` options. They are texts, as `kid` must be, unless they look like structures.
pub fn header_fields(options: &[String]) -> Result<Map<String, Value>> {
    let mut fields = Map::new();
    for option in options {
        let Some((name, value)) = option.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            bail!("the header field “{option}” is not of the form NAME=VALUE");
        };
        if ["typ", "alg"].contains(&name) {
            bail!("the header's “{name}” cannot be chosen here; --algorithm sets how it is signed");
        }
        let value = if value.starts_with(['{', '[', '"']) {
            json_or_text("header field", name, value)?
        } else {
            Value::from(value)
        };
        if fields.insert(name.to_owned(), value).is_some() {
            bail!("the header field “{name}” is given twice");
        }
    }
    Ok(fields)
}

/// JSON, or else text. What looks like a structure and is none is a typing error, not a text.
pub fn json_or_text(what: &str, name: &str, value: &str) -> Result<Value> {
    match serde_json::from_str(value) {
        Ok(value) => Ok(value),
        Err(error) if value.starts_with(['{', '[', '"']) => {
            bail!("the value of the {what} “{name}” is no JSON: {error}")
        }
        Err(_) => Ok(Value::from(value)),
    }
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (name, value) in from {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (_, value) => drop(into.insert(name, value)),
        }
    }
}

/// A feature written as `NAME`, `NAME=true` or `NAME=false`.
pub fn feature(text: &str) -> Result<(&str, bool)> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    let on = match value {
        "true" => true,
        "false" => false,
        _ => bail!("the feature “{text}” is neither NAME, NAME=true nor NAME=false"),
    };
    if name.is_empty() {
        bail!("a feature without a name: “{text}”");
    }
    Ok((name, on))
}

/// What to say about a feature that Jitsi does not know.
pub fn unknown_feature(name: &str) -> Option<String> {
    (!FEATURES.contains(&name))
        .then(|| format!("Jitsi is not known to have a feature “{name}”; it is in the token all the same"))
}

/// Refuses an affiliation that XMPP does not have.
pub fn check_affiliation(affiliation: &str) -> Result<()> {
    if !AFFILIATIONS.contains(&affiliation) {
        bail!("“{affiliation}” is no affiliation; there are {}", AFFILIATIONS.join(", "));
    }
    Ok(())
}
