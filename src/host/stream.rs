//! One pipe of a child, read or written without ever blocking. How much of it is kept is bounded, and so is a line.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::io::{Errno, ioctl_fionbio, ioctl_fionread, read, write};

/// How many bytes are read at once.
pub const CHUNK: usize = 64 << 10;

/// How many bytes of the beginning of a stream are kept, and as many of its end.
const END: usize = 4 << 20;

/// The longest line that a watcher gets in full, in bytes.
const LINE: usize = 8 << 10;

/// One of a child's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipe {
    /// Its standard output.
    Out,
    /// Its standard error.
    Error,
    /// apt's progress; none of it is kept.
    Status,
}

/// What a child prints.
pub struct Stream {
    /// Which of its pipes it is.
    pub kind: Pipe,
    /// How many bytes it has printed.
    pub seen: u64,
    /// None once its end was read.
    pipe: Option<OwnedFd>,
    first: Vec<u8>,
    last: VecDeque<u8>,
    left_out: u64,
    /// An incomplete line.
    line: Vec<u8>,
}

impl Stream {
    /// The stream that is read from this end of its pipe.
    pub fn new(kind: Pipe, pipe: OwnedFd) -> Result<Self> {
        ioctl_fionbio(&pipe, true).context("cannot read from a child")?;
        Ok(Self {
            kind,
            seen: 0,
            pipe: Some(pipe),
            first: Vec::new(),
            last: VecDeque::new(),
            left_out: 0,
            line: Vec::new(),
        })
    }

    /// Its pipe, until its end was read.
    pub fn pipe(&self) -> Option<&OwnedFd> {
        self.pipe.as_ref()
    }

    /// How many bytes its pipe holds now.
    pub fn held(&self) -> Result<usize> {
        let held = self.pipe.as_ref().map_or(Ok(0), ioctl_fionread);
        Ok(usize::try_from(held?)?)
    }

    /// Reads up to `most` bytes, as far as available. Returns the lines that they complete.
    pub fn take(&mut self, most: usize) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let mut buffer = vec![0; most.min(CHUNK)];
        let mut taken = 0;
        while let Some(pipe) = self.pipe.as_ref().filter(|_| taken < most) {
            let wanted = buffer.len().min(most - taken);
            match read(pipe, &mut buffer[..wanted]) {
                Ok(0) => self.pipe = None,
                Ok(read) => {
                    taken += read;
                    self.seen += read as u64;
                    self.append(&buffer[..read]);
                    self.split(&buffer[..read], &mut lines);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error).context("cannot read from a child"),
            }
        }
        Ok(lines)
    }

    /// Keeps bytes: those at the beginning and at the end of the stream, not those in between.
    pub fn append(&mut self, mut bytes: &[u8]) {
        if self.kind == Pipe::Status {
            return;
        }
        let begin = bytes.len().min(END - self.first.len());
        self.first.extend_from_slice(&bytes[..begin]);
        bytes = &bytes[begin..];
        self.last.extend(bytes);
        let over = self.last.len().saturating_sub(END);
        self.last.drain(..over);
        self.left_out += over as u64;
    }

    fn split(&mut self, bytes: &[u8], lines: &mut Vec<String>) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE.saturating_sub(self.line.len());
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < part.len() {
                lines.push(self.rest_of_line());
            }
        }
    }

    fn rest_of_line(&mut self) -> String {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        text.trim_end_matches('\r').to_owned()
    }

    /// The last line, if no line break ends it.
    pub fn rest(&mut self) -> Option<String> {
        if self.line.is_empty() {
            return None;
        }
        Some(self.rest_of_line())
    }

    /// What was kept, as text.
    pub fn text(&self) -> String {
        let mut bytes = self.first.clone();
        if self.left_out > 0 {
            let left_out = format!("\n[{} bytes left out]\n", self.left_out);
            bytes.extend_from_slice(left_out.as_bytes());
        }
        bytes.extend(&self.last);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The input that a child reads.
pub struct PipeInput<'a> {
    /// None once everything is written.
    pipe: Option<OwnedFd>,
    text: &'a [u8],
}

impl<'a> PipeInput<'a> {
    /// This text, for the child at the other end of the pipe.
    pub fn new(pipe: OwnedFd, text: &'a [u8]) -> Result<Self> {
        ioctl_fionbio(&pipe, true).context("cannot write to a child")?;
        let mut input = Self { pipe: Some(pipe), text };
        input.give()?;
        Ok(input)
    }

    /// Its pipe, while there is more to write.
    pub fn pipe(&self) -> Option<&OwnedFd> {
        self.pipe.as_ref()
    }

    /// Writes as much as the pipe accepts now, and closes it after the last byte.
    pub fn give(&mut self) -> Result<()> {
        while let Some(pipe) = self.pipe.as_ref().filter(|_| !self.text.is_empty()) {
            match write(pipe, self.text) {
                Ok(written) => self.text = &self.text[written..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                // It has ended, or does not want it: its exit code will tell.
                Err(Errno::PIPE) => break,
                Err(error) => return Err(error).context("cannot write to a child"),
            }
        }
        self.pipe = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(kind: Pipe) -> (Stream, OwnedFd) {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        (Stream::new(kind, reader).unwrap(), writer)
    }

    #[test]
    fn the_middle_of_long_output_is_left_out() {
        let (mut stream, _writer) = stream(Pipe::Out);
        stream.append(&vec![b'a'; END]);
        stream.append(b"middle");
        stream.append(&vec![b'z'; END]);
        let text = stream.text();
        assert!(text.starts_with("aaa") && text.ends_with("zzz"));
        assert!(text.contains("a\n[6 bytes left out]\nz"));
        assert!(!text.contains("middle"));
    }

    #[test]
    fn complete_lines_are_returned_up_to_the_limit() {
        let (mut stream, writer) = stream(Pipe::Error);
        write(&writer, b"one\r\ntw").unwrap();
        assert_eq!(stream.take(CHUNK).unwrap(), ["one"]);
        write(&writer, b"o\n").unwrap();
        write(&writer, &vec![b'x'; LINE + 9]).unwrap();
        write(&writer, b"\nrest").unwrap();
        drop(writer);
        let lines = stream.take(CHUNK).unwrap();
        assert_eq!((lines[0].as_str(), lines[1].len()), ("two", LINE));
        assert_eq!(stream.rest().as_deref(), Some("rest"));
        assert!(stream.pipe().is_none());
        assert_eq!(stream.seen, (9 + LINE + 9 + 5) as u64);
    }

    #[test]
    fn reads_stop_at_the_given_size() {
        let (mut stream, writer) = stream(Pipe::Out);
        write(&writer, b"held").unwrap();
        let held = stream.held().unwrap();
        write(&writer, b"later").unwrap();
        stream.take(held).unwrap();
        assert_eq!(stream.text(), "held");
    }
}
