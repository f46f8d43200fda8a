//! Tokens for any number of rows: one thread reads chunks of them, others make the tokens, and the caller writes the
//! results in order. The number of chunks is bounded and they are reused, so memory does not grow with the rows.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result};

use super::read::{Chunk, RowSource};
use super::work::{Done, work};
use super::write::RowForm;
use crate::token::{Minter, Token};

/// Odd rows are reported one by one up to this number, and only counted beyond it.
const NOTES: u64 = 10;

/// The totals of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tokens made.
    pub made: u64,
    /// Rows that were rejected.
    pub refused: u64,
    /// Bytes of the input that have been processed.
    pub position: u64,
    /// Warnings about odd rows.
    pub odd: u64,
}

/// Where the messages and the progress of a batch go.
pub trait Audience {
    /// Shows the operator a message of one sentence.
    fn tell(&mut self, text: &str);
    /// Shows the totals so far.
    fn progress(&mut self, tally: Tally);
}

/// A chunk to process, and where its result is awaited.
type Job = (Chunk, SyncSender<Result<Done>>);

/// Makes a token for every row of `source` and writes them to `out`. `strict` ends the batch at the first bad row.
pub fn run(
    source: RowSource,
    minter: &Minter,
    form: &RowForm,
    strict: bool,
    out: &mut dyn Write,
    audience: &mut dyn Audience,
) -> Result<Tally> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let (jobs, queue) = sync_channel::<Job>(workers);
    let queue = Arc::new(Mutex::new(queue));
    // One result per chunk, in the order of the chunks, not of their completion.
    let (promises, results) = sync_channel::<Receiver<Result<Done>>>(2 * workers);
    let (spare, spares) = channel::<Chunk>();
    thread::scope(|scope| {
        let reader = scope.spawn(move || read_all(source, &jobs, &promises, &spares));
        for _ in 0..workers {
            let queue = Arc::clone(&queue);
            scope.spawn(move || {
                let next = || {
                    let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                    queue.recv()
                };
                let mut token = Token::default();
                while let Ok((chunk, result)) = next() {
                    // If the writer has ended, nobody is waiting any more.
                    let _ = result.send(work(chunk, minter, &mut token, form));
                }
            });
        }
        drop(queue);
        let mut writer = Writer { out, audience, strict, tally: Tally::default(), unknown: BTreeSet::new() };
        let written = writer.all(form, results, &spare);
        let tally = writer.tally;
        // An unreadable input is the more telling of two errors. A reader that panicked has said so already.
        if let Ok(Err(error)) = reader.join() {
            return Err(error);
        }
        written.map(|()| tally)
    })
}

/// Reads until the end, or until nobody receives rows any more.
fn read_all(
    mut source: RowSource,
    jobs: &SyncSender<Job>,
    promises: &SyncSender<Receiver<Result<Done>>>,
    spares: &Receiver<Chunk>,
) -> Result<()> {
    loop {
        let mut chunk = spares.try_recv().unwrap_or_default();
        if !source.fill(&mut chunk).context("cannot read the rows")? {
            return Ok(());
        }
        let (promise, result) = sync_channel(1);
        if promises.send(result).is_err() || jobs.send((chunk, promise)).is_err() {
            return Ok(());
        }
    }
}

/// Writes the results in order and keeps the totals.
struct Writer<'a> {
    out: &'a mut dyn Write,
    audience: &'a mut dyn Audience,
    strict: bool,
    tally: Tally,
    unknown: BTreeSet<String>,
}

impl Writer<'_> {
    fn all(
        &mut self,
        form: &RowForm,
        results: Receiver<Receiver<Result<Done>>>,
        spare: &std::sync::mpsc::Sender<Chunk>,
    ) -> Result<()> {
        let mut goes_on = self.put(&form.header())?;
        for result in &results {
            // No answer means that the chunk's worker has panicked, and has said so.
            let done = result.recv().context("a row could not be processed")??;
            goes_on = goes_on && self.chunk(&done, form)?;
            if !goes_on {
                break;
            }
            let _ = spare.send(done.chunk);
        }
        if self.tally.odd > NOTES {
            let more = self.tally.odd - NOTES;
            self.audience.tell(&format!("warning: {more} more rows like these"));
        }
        match self.out.flush() {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write the tokens"),
            _ => Ok(()),
        }
    }

    /// Writes and counts a chunk; false if the batch ends with it.
    fn chunk(&mut self, done: &Done, form: &RowForm) -> Result<bool> {
        for name in &done.unknown {
            if self.unknown.insert(name.clone()) {
                self.audience.tell(&format!("warning: unknown field \"{name}\" {}", form.unknown()));
            }
        }
        for (line, text) in &done.odd {
            if self.tally.odd < NOTES {
                self.audience.tell(&format!("warning: line {line}: {text}"));
            }
            self.tally.odd += 1;
        }
        self.tally.odd += done.more_odd;
        self.tally.position = done.chunk.position;
        let first = done.bad.first().filter(|_| self.strict);
        let (end, made) = match first {
            Some(bad) => (bad.end, bad.made_before),
            None => (done.out.len(), done.made),
        };
        self.tally.made += made;
        let told = if first.is_some() { 1 } else { done.bad.len() };
        for bad in &done.bad[..told] {
            let column = bad.column.map(|column| format!(", column {column}")).unwrap_or_default();
            self.audience.tell(&format!("line {}{column}: {}", bad.line, bad.reason));
        }
        self.tally.refused += told as u64;
        let goes_on = self.put(&done.out[..end])? && first.is_none();
        self.audience.progress(self.tally);
        Ok(goes_on)
    }

    /// Writes; false if the reader has gone away, which is not an error.
    fn put(&mut self, bytes: &[u8]) -> Result<bool> {
        match self.out.write_all(bytes) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error).context("cannot write the tokens"),
        }
    }
}
