//! The write-ahead record of what was changed, with the state before and after. An entry is on disk before its change
//! is made, so a killed run can be finished or taken back. Hashes here, bytes in a folder that only root can enter.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::change::{Change, Watch};
use crate::host::{Access, Host};
use crate::image::{Image, Node, capture};

/// Where the receipt and the backups are.
pub const FOLDER: &str = "/var/lib/jitsi-tokens-setup";

const SCHEMA: u32 = 1;
const PRIVATE_FILE: Access = Access {
    mode: 0o600,
    uid: 0,
    gid: 0,
};
const PRIVATE_FOLDER: Access = Access {
    mode: 0o700,
    uid: 0,
    gid: 0,
};

/// A stretch of time in which a watched thing was ours to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// What was watched: see [`key`].
    pub of: String,
    /// The step that changed it last.
    pub step: String,
    /// The run that began it, in seconds since 1970: what a failed proof of that run takes back.
    pub run: u64,
    /// Its state before.
    pub before: Image,
    /// Its state afterwards; none while the change is being made.
    pub after: Option<Image>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Data {
    schema: u32,
    tool: String,
    spans: Vec<Span>,
}

/// The receipt, kept on disk at every step of the way.
pub struct Receipt<'a> {
    host: &'a dyn Host,
    run: u64,
    data: Data,
}

impl<'a> Receipt<'a> {
    /// Loads the receipt, or starts an empty one, and settles what a killed run left open.
    pub fn load(host: &'a dyn Host) -> Result<Self> {
        let path = Path::new(FOLDER).join("receipt.json");
        let data = match host.read(&path)? {
            Some(bytes) => parse(&bytes)
                .with_context(|| format!("cannot use the receipt {}", path.display()))?,
            None => Data {
                schema: SCHEMA,
                tool: env!("CARGO_PKG_VERSION").to_owned(),
                spans: Vec::new(),
            },
        };
        let run = host
            .now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let mut receipt = Self { host, run, data };
        receipt.settle()?;
        Ok(receipt)
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.data.spans.is_empty()
    }

    /// What was changed, the oldest first.
    pub fn spans(&self) -> &[Span] {
        &self.data.spans
    }

    /// The spans that this run began.
    pub fn spans_of_this_run(&self) -> impl Iterator<Item = &Span> {
        self.data.spans.iter().filter(|span| span.run == self.run)
    }

    /// Records the state of all that `change` touches. On disk when this returns.
    pub fn begin(&mut self, step: &str, change: &Change) -> Result<()> {
        let watches: BTreeSet<Watch> = change.watches().into_iter().collect();
        if watches.is_empty() {
            return Ok(());
        }
        for watch in watches {
            let (host, folder) = (self.host, backups());
            let before = capture(host, &watch, &mut |name, bytes| {
                keep(host, &folder, name, bytes)
            })?;
            let span = Span {
                of: key(&watch),
                step: step.to_owned(),
                run: self.run,
                before,
                after: None,
            };
            self.data.spans.push(span);
        }
        self.save()
    }

    /// Records the state after the change, whether it was made in full or not. On disk when this returns.
    pub fn settle(&mut self) -> Result<()> {
        if self.data.spans.iter().all(|span| span.after.is_some()) {
            return Ok(());
        }
        for index in 0..self.data.spans.len() {
            let span = &mut self.data.spans[index];
            if span.after.is_none() {
                span.after = Some(capture(self.host, &watch(&span.of)?, &mut |_, _| Ok(()))?);
                reduce(span);
            }
        }
        self.compact();
        self.save()?;
        self.sweep()
    }

    /// Forgets everything, backups included: all was taken back.
    pub fn discard(&mut self) -> Result<()> {
        self.data.spans.clear();
        self.sweep()?;
        let folder = Path::new(FOLDER);
        self.host.remove(&folder.join("receipt.json"))?;
        self.host.remove(&backups())?;
        if self.host.list(folder)?.is_empty() {
            self.host.remove(folder)?;
        }
        Ok(())
    }

    /// Joins spans of one thing that follow each other without a gap, so that reruns do not grow the receipt.
    fn compact(&mut self) {
        let mut joined: Vec<Span> = Vec::new();
        for span in std::mem::take(&mut self.data.spans) {
            match joined.iter_mut().rev().find(|known| known.of == span.of) {
                Some(known) if follows(known, &span) => join(known, span),
                _ => joined.push(span),
            }
        }
        joined.retain(|span| span.after.as_ref() != Some(&span.before));
        self.data.spans = joined;
    }

    fn save(&self) -> Result<()> {
        self.host.make_dir(Path::new(FOLDER), PRIVATE_FOLDER)?;
        let mut text = serde_json::to_string_pretty(&self.data)?;
        text.push('\n');
        self.host.write(
            &Path::new(FOLDER).join("receipt.json"),
            text.as_bytes(),
            PRIVATE_FILE,
        )
    }

    /// Removes backups that no span needs any more.
    fn sweep(&self) -> Result<()> {
        let needed: BTreeSet<&str> = self
            .data
            .spans
            .iter()
            .flat_map(|span| hashes(&span.before))
            .collect();
        // What a merge is made from: the state after, while later spans build on it.
        let bases: BTreeSet<&str> = self
            .data
            .spans
            .iter()
            .filter_map(|span| span.after.as_ref())
            .flat_map(file_hash)
            .collect();
        for name in self.host.list(&backups())? {
            if !needed.contains(name.as_str()) && !bases.contains(name.as_str()) {
                self.host.remove(&backups().join(name))?;
            }
        }
        for span in &self.data.spans {
            // A file changed by us is kept in its new form too: it is the base when others change it later.
            if let (Some(Image::File(Some(Node::File { sha256, .. }))), Watch::File(path)) =
                (&span.after, watch(&span.of)?)
            {
                if !self.host.exists(&backups().join(sha256))? {
                    if let Some(bytes) = self
                        .host
                        .read(&path)?
                        .filter(|bytes| crate::image::hash(bytes) == *sha256)
                    {
                        keep(self.host, &backups(), sha256, &bytes)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The bytes that were kept under this hash.
pub fn backup(host: &dyn Host, sha256: &str) -> Result<Vec<u8>> {
    let path = backups().join(sha256);
    host.read(&path)?
        .with_context(|| format!("the backup {} is missing", path.display()))
}

fn parse(bytes: &[u8]) -> Result<Data> {
    let data: Data =
        serde_json::from_slice(bytes).context("it is damaged; move it away to start a new one")?;
    if data.schema != SCHEMA {
        bail!(
            "it was written by version {} of the tool, use that one",
            data.tool
        );
    }
    Ok(data)
}

fn backups() -> PathBuf {
    Path::new(FOLDER).join("backups")
}

fn keep(host: &dyn Host, folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    if host.exists(&path)? {
        return Ok(());
    }
    host.make_dir(Path::new(FOLDER), PRIVATE_FOLDER)?;
    host.make_dir(folder, PRIVATE_FOLDER)?;
    host.write(&path, bytes, PRIVATE_FILE)
}

/// A watch as text: its kind, then what.
pub fn key(watch: &Watch) -> String {
    match watch {
        Watch::File(path) => format!("file:{}", path.display()),
        Watch::Tree(path) => format!("tree:{}", path.display()),
        Watch::Packages => "packages:".to_owned(),
        Watch::Debconf(question) => format!("debconf:{question}"),
    }
}

/// The watch that [`key`] made this text from.
pub fn watch(key: &str) -> Result<Watch> {
    Ok(match key.split_once(':') {
        Some(("file", path)) => Watch::File(path.into()),
        Some(("tree", path)) => Watch::Tree(path.into()),
        Some(("packages", _)) => Watch::Packages,
        Some(("debconf", question)) => Watch::Debconf(question.to_owned()),
        _ => bail!("the receipt names something unknown: {key:?}"),
    })
}

/// Keeps of a span only what really changed: a tree's changed paths, the packages that came.
fn reduce(span: &mut Span) {
    match (&mut span.before, &mut span.after) {
        (Image::Tree(before), Some(Image::Tree(after))) => {
            let same: Vec<PathBuf> = before
                .iter()
                .filter(|(path, node)| after.get(*path) == Some(node))
                .map(|(path, _)| path.clone())
                .collect();
            for path in same {
                before.remove(&path);
                after.remove(&path);
            }
        }
        (Image::Packages(before), Some(Image::Packages(after))) => {
            after.retain(|name| !before.contains(name));
            before.clear();
        }
        _ => {}
    }
}

fn follows(known: &Span, next: &Span) -> bool {
    matches!(
        next.before,
        Image::Tree(_) | Image::Packages(_) | Image::Debconf(_)
    ) || known.after.as_ref() == Some(&next.before)
}

fn join(known: &mut Span, next: Span) {
    known.step = next.step;
    match (&mut known.before, &mut known.after, next.before, next.after) {
        (
            Image::Tree(before),
            Some(Image::Tree(after)),
            Image::Tree(next_before),
            Some(Image::Tree(next_after)),
        ) => {
            merge_trees(before, after, next_before, next_after);
        }
        (_, Some(Image::Packages(added)), _, Some(Image::Packages(more))) => added.extend(more),
        (_, after, _, next_after) => *after = next_after,
    }
}

type Tree = BTreeMap<PathBuf, Node>;

fn merge_trees(before: &mut Tree, after: &mut Tree, next_before: Tree, next_after: Tree) {
    let paths: BTreeSet<PathBuf> = next_before
        .keys()
        .chain(next_after.keys())
        .cloned()
        .collect();
    for path in paths {
        let ours_already = before.contains_key(&path) || after.contains_key(&path);
        if let Some(node) = next_before.get(&path).filter(|_| !ours_already) {
            before.insert(path.clone(), node.clone());
        }
        match next_after.get(&path) {
            Some(node) => after.insert(path.clone(), node.clone()),
            None => after.remove(&path),
        };
        if before.get(&path) == after.get(&path) {
            before.remove(&path);
            after.remove(&path);
        }
    }
}

fn hashes(image: &Image) -> Vec<&str> {
    let nodes: Vec<&Node> = match image {
        Image::File(node) => node.iter().collect(),
        Image::Tree(nodes) => nodes.values().collect(),
        Image::Debconf(value) => return value.iter().map(String::as_str).collect(),
        Image::Packages(_) => Vec::new(),
    };
    nodes.into_iter().filter_map(node_hash).collect()
}

fn file_hash(image: &Image) -> Vec<&str> {
    match image {
        Image::File(Some(node)) => node_hash(node).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn node_hash(node: &Node) -> Option<&str> {
    match node {
        Node::File { sha256, .. } => Some(sha256),
        Node::Link { .. } | Node::Directory { .. } => None,
    }
}
