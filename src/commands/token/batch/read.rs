//! Rows from a stream, in chunks that are reused.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use anyhow::{Context, Result, bail};
use csv::ByteRecord;

use crate::commands::Usage;
use crate::token::{Field, Minter};

/// The most rows in a chunk.
const ROWS_PER_CHUNK: usize = 512;

/// The longest line of JSON, or record of a CSV, that is accepted, in bytes; also about the size of a chunk.
const LONGEST: usize = 1 << 20;

/// A line of JSON longer than this, in bytes, ends the batch: the input is not a file of rows.
const MAX_SKIPPED: usize = 64 << 20;

/// How some editors begin a file in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Records larger than this, in bytes or fields, are not reused: they never shrink.
const LARGE_RECORD: usize = 4096;

/// The format of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputForm {
    /// Values with separators; the first line names the columns.
    Csv,
    /// An object on every line.
    JsonLines,
}

/// Rows that are processed together.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Records of a CSV; only the first `count` belong to this chunk.
    pub records: Vec<ByteRecord>,
    /// The number of rows in this chunk.
    pub count: usize,
    /// Lines of JSON, concatenated.
    pub text: Vec<u8>,
    /// Where each line ends in `text`, its number in the input, and whether it was too long to be kept.
    pub lines: Vec<(usize, u64, bool)>,
    /// Bytes of the input up to the end of this chunk.
    pub position: u64,
}

/// What a column of a CSV means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// A field of the row.
    Field(Field),
    /// A claim of this name.
    Claim(String),
    /// Copied to the output only.
    Other,
}

/// The source of all chunks.
pub enum RowSource {
    /// A CSV, read up to the end of its header.
    Csv { name: String, reader: Box<csv::Reader<Metered>>, separator: u8, names: Vec<String>, columns: Vec<Column> },
    /// JSON Lines.
    JsonLines { name: String, reader: Box<dyn BufRead + Send>, line: u64, position: u64 },
}

fn wrong(text: String) -> anyhow::Error {
    Usage(text).into()
}

impl RowSource {
    /// Opens an input called `name`. Unless the format is `told`, detects it from the name and the first bytes.
    pub fn open(reader: Box<dyn Read + Send>, name: &str, told: Option<InputForm>) -> Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 16, reader);
        let mut start = first_line(&mut reader).with_context(|| format!("cannot read {name}"))?;
        if start.starts_with(BYTE_ORDER_MARK) {
            start.drain(..BYTE_ORDER_MARK.len());
        }
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            return Err(wrong(format!("{name} is UTF-16; save it as UTF-8")));
        }
        let Some(first) = start.iter().find(|byte| !byte.is_ascii_whitespace()) else {
            return Err(wrong(format!("{name} is empty")));
        };
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let by_name = match extension.to_ascii_lowercase().as_str() {
            "csv" | "tsv" => Some(InputForm::Csv),
            "jsonl" | "ndjson" | "json" => Some(InputForm::JsonLines),
            _ => None,
        };
        let first = *first;
        let looks = if b"{[".contains(&first) { InputForm::JsonLines } else { InputForm::Csv };
        if told.or(by_name).unwrap_or(looks) == InputForm::JsonLines {
            if first == b'[' {
                return Err(wrong(format!("{name} is a JSON array; convert it to one object per line: jq -c '.[]'")));
            }
            let reader = Box::new(Cursor::new(start).chain(reader));
            return Ok(Self::JsonLines { name: name.to_owned(), reader, line: 0, position: 0 });
        }
        let separator = separator(&start);
        let reader = Metered { inner: Box::new(Cursor::new(start).chain(reader)), left: 0 };
        let reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(reader);
        Self::header(Box::new(reader), separator, name)
    }

    fn header(mut reader: Box<csv::Reader<Metered>>, separator: u8, name: &str) -> Result<Self> {
        let mut header = ByteRecord::new();
        reader.get_mut().left = LONGEST;
        let read = reader.read_byte_record(&mut header);
        if read.is_err() && reader.get_ref().left == 0 {
            return Err(wrong(format!("{name}: line 1 is longer than 1 MiB; is this a CSV file?")));
        }
        read.with_context(|| format!("cannot read {name}"))?;
        let Ok(names) = header
            .iter()
            .map(|cell| std::str::from_utf8(cell).map(|name| name.trim().to_owned()))
            .collect::<Result<Vec<_>, _>>()
        else {
            return Err(wrong(format!("line 1 of {name} is not valid UTF-8; save it as UTF-8")));
        };
        // Spreadsheets and people write "Room", so case does not matter, except in the names of claims.
        let claim = |name: &str| {
            let start = name.get(..6).filter(|start| start.eq_ignore_ascii_case("claim."));
            start.map(|_| name[6..].to_owned())
        };
        let column = |name: &String| match (Field::named(&name.to_lowercase()), claim(name)) {
            (Some(field), _) => Column::Field(field),
            (None, Some(claim)) if !claim.is_empty() => Column::Claim(claim),
            _ => Column::Other,
        };
        let columns: Vec<Column> = names.iter().map(column).collect();
        for (at, column) in columns.iter().enumerate() {
            if *column != Column::Other && columns[..at].contains(column) {
                return Err(wrong(format!("{name} has two columns named \"{}\"", names[at])));
            }
        }
        Ok(Self::Csv { name: name.to_owned(), reader, separator, names, columns })
    }

    /// Rejects invalid columns, and returns the names of those that are unknown.
    pub fn check(&self, minter: &Minter, name: &str) -> Result<Vec<String>> {
        let Self::Csv { names, columns, .. } = self else {
            return Ok(Vec::new());
        };
        let known: Vec<&str> = Field::ALL.iter().map(|(name, _)| *name).collect();
        if columns.iter().all(|column| *column == Column::Other) {
            bail!("{name} has no header: line 1 names none of the columns ({})", known.join(", "));
        }
        if !minter.room_is_given() && !columns.contains(&Column::Field(Field::Room)) {
            bail!("{name} has no column \"room\"; add one, or use --room for all rows");
        }
        let mut odd = Vec::new();
        for (column, name) in columns.iter().zip(names) {
            match column {
                Column::Field(field) => minter.allow(*field)?,
                Column::Claim(claim) => minter.allow_claim(claim)?,
                Column::Other if name == "token" || name == "url" && minter.links() => {
                    bail!("the input already has a column \"{name}\", which the output adds")
                }
                Column::Other => odd.push(name.clone()),
            }
        }
        Ok(odd)
    }

    /// Fills `chunk` with the next rows; false if there are none left.
    pub fn fill(&mut self, chunk: &mut Chunk) -> Result<bool> {
        (chunk.count, chunk.position) = (0, 0);
        chunk.text.clear();
        chunk.lines.clear();
        match self {
            Self::Csv { name, reader, .. } => {
                let start = reader.position().byte();
                chunk.records.resize_with(ROWS_PER_CHUNK, ByteRecord::new);
                while chunk.count < ROWS_PER_CHUNK && reader.position().byte() < start + LONGEST as u64 {
                    let record = &mut chunk.records[chunk.count];
                    if record.as_slice().len().max(record.len()) > LARGE_RECORD {
                        *record = ByteRecord::new();
                    }
                    if !read_record(reader, record, name)? {
                        break;
                    }
                    chunk.count += 1;
                }
                chunk.position = reader.position().byte();
            }
            Self::JsonLines { name, reader, line, position } => {
                while chunk.lines.len() < ROWS_PER_CHUNK && chunk.text.len() < LONGEST {
                    let start = chunk.text.len();
                    let mut limited = reader.by_ref().take(LONGEST as u64);
                    let mut read = limited.read_until(b'\n', &mut chunk.text)?;
                    if read == 0 {
                        break;
                    }
                    *line += 1;
                    let long = read == LONGEST && !chunk.text.ends_with(b"\n");
                    if long {
                        chunk.text.truncate(start);
                        read += skip_line(reader, name, *line)?;
                    }
                    *position += read as u64;
                    if long || !chunk.text[start..].iter().all(u8::is_ascii_whitespace) {
                        chunk.lines.push((chunk.text.len(), *line, long));
                    } else {
                        chunk.text.truncate(start);
                    }
                }
                chunk.count = chunk.lines.len();
                chunk.position = *position;
            }
        }
        Ok(chunk.count > 0)
    }
}

/// Reads to the end of the first line that is not blank, if that is not too long. A pipe may bring less at a time.
fn first_line(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    loop {
        let start = read.len();
        let mut limited = reader.take((LONGEST - start) as u64);
        if limited.read_until(b'\n', &mut read)? == 0 {
            return Ok(read);
        }
        let line = &read[start..];
        if !line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line).iter().all(u8::is_ascii_whitespace) {
            return Ok(read);
        }
    }
}

/// The separator that the header has most of: in some countries, spreadsheets write semicolons.
fn separator(start: &[u8]) -> u8 {
    let line = start.trim_ascii_start();
    let count = |separator: u8| line.iter().filter(|byte| **byte == separator).count();
    // Of several maxima the last is returned, so the comma wins a tie.
    let by_count = [b'\t', b';', b','].into_iter().max_by_key(|separator| count(*separator));
    by_count.unwrap_or(b',')
}

/// Reads a record of a CSV; false at the end. One that is too long is an error: where it ends is not known.
fn read_record(reader: &mut csv::Reader<Metered>, record: &mut ByteRecord, name: &str) -> Result<bool> {
    let (line, start) = (reader.position().line(), reader.position().byte());
    // One byte more, so that the end of the input is seen behind a record of exactly that length.
    reader.get_mut().left = LONGEST + 1;
    let read = reader.read_byte_record(record);
    let length = reader.position().byte() - start;
    let cut = read.is_err() && reader.get_ref().left == 0;
    if cut || length > LONGEST as u64 {
        bail!("{name}, line {line}: this record is longer than 1 MiB; is a closing quote missing?");
    }
    Ok(read?)
}

/// Limits how much of an input is read at a time: the csv crate keeps a record in memory whatever its length.
pub struct Metered {
    inner: Box<dyn BufRead + Send>,
    /// Bytes that may still be read.
    left: usize,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let most = buffer.len().min(self.left);
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}

/// Reads to the end of a line that is too long to be kept; returns how many bytes that were.
fn skip_line(reader: &mut Box<dyn BufRead + Send>, name: &str, line: u64) -> Result<usize> {
    let mut skipped = 0;
    loop {
        if skipped > MAX_SKIPPED {
            bail!("{name}, line {line}: longer than 64 MiB; is this the right file?");
        }
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |at| at + 1);
        let over = end.is_some() || length == 0;
        reader.consume(length);
        skipped += length;
        if over {
            return Ok(skipped);
        }
    }
}
