//! Turns a chunk of rows into text, on one of many threads.

use anyhow::{Result, bail};
use csv::ByteRecord;

use super::json;
use super::read::{Chunk, Column};
use super::write::{Original, RowForm};
use crate::token::options::json_or_text;
use crate::token::{Field, Minter, Row, Token};

/// How many odd rows of a chunk are described; the others are only counted.
const MAX_REPORTED: usize = 10;

/// A row that was rejected.
#[derive(Debug)]
pub struct Bad {
    /// The line on which it begins.
    pub line: u64,
    /// The column of the error, if known.
    pub column: Option<usize>,
    /// What is wrong.
    pub reason: String,
    /// How many bytes of the output come before it.
    pub end: usize,
    /// How many tokens come before it.
    pub made_before: u64,
}

/// The result of a chunk.
#[derive(Debug, Default)]
pub struct Done {
    /// The chunk, to be reused.
    pub chunk: Chunk,
    /// The good rows with their tokens.
    pub out: Vec<u8>,
    /// The rejected rows.
    pub bad: Vec<Bad>,
    /// Warnings about odd rows, with the row's line.
    pub odd: Vec<(u64, String)>,
    /// How many more warnings there are.
    pub more_odd: u64,
    /// The names of unknown fields.
    pub unknown: Vec<String>,
    /// Tokens made.
    pub made: u64,
}

impl Done {
    fn refuse(&mut self, line: u64, column: Option<usize>, reason: String) {
        self.bad.push(Bad { line, column, reason, end: self.out.len(), made_before: self.made });
    }

    /// Makes and writes the token of a row.
    fn row(
        &mut self,
        line: u64,
        original: &Original,
        row: &Row,
        (minter, token): (&Minter, &mut Token),
        form: &RowForm,
    ) -> Result<()> {
        if !minter.room_is_given() && row.get(Field::Room).is_none() {
            self.refuse(line, None, "no room".to_owned());
            return Ok(());
        }
        let mut odd = Vec::new();
        let made = minter.make(row, token, &mut |text| odd.push(text));
        match made {
            Err(error) => self.refuse(line, None, format!("{error:#}")),
            Ok(()) => {
                form.row(original, row, token, &mut self.out)?;
                self.made += 1;
                for text in odd {
                    if self.odd.len() < MAX_REPORTED {
                        self.odd.push((line, text));
                    } else {
                        self.more_odd += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Makes the tokens of a chunk. Bad rows are part of the result; an error ends the batch.
pub fn work(chunk: Chunk, minter: &Minter, token: &mut Token, form: &RowForm) -> Result<Done> {
    let mut done = Done::default();
    // About the size of a row with a token.
    done.out.reserve(chunk.count * 768);
    for record in &chunk.records[..chunk.count.min(chunk.records.len())] {
        let line = record.position().map_or(0, csv::Position::line);
        match of_record(record, form) {
            Ok(row) => done.row(line, &Original::Record(record), &row, (minter, token), form)?,
            Err(error) => done.refuse(line, None, format!("{error:#}")),
        }
    }
    let mut start = 0;
    for (end, line, too_long) in &chunk.lines {
        let text = &chunk.text[start..*end];
        start = *end;
        if *too_long {
            done.refuse(*line, None, "longer than 1 MiB".to_owned());
            continue;
        }
        match json::parse(text.trim_ascii_end()) {
            Err((column, why)) => {
                done.refuse(*line, Some(column), format!("invalid JSON: {why}"));
            }
            Ok(parsed) => match allowed(&parsed, minter, form) {
                Err(error) => done.refuse(*line, None, format!("{error:#}")),
                Ok(()) => {
                    for name in parsed.unknown {
                        if !done.unknown.contains(&name) && done.unknown.len() < MAX_REPORTED {
                            done.unknown.push(name);
                        }
                    }
                    done.row(*line, &Original::Line(text), &parsed.row, (minter, token), form)?;
                }
            },
        }
    }
    done.chunk = chunk;
    Ok(done)
}

/// The row in a record of a CSV.
fn of_record<'a>(record: &'a ByteRecord, form: &RowForm) -> Result<Row<'a>> {
    if record.len() != form.columns.len() {
        bail!("{} values, but the header has {} columns", record.len(), form.columns.len());
    }
    let mut row = Row::default();
    for (at, (column, value)) in form.columns.iter().zip(record).enumerate() {
        let Ok(value) = std::str::from_utf8(value) else {
            bail!("\"{}\" is not valid UTF-8", form.names[at]);
        };
        let value = value.trim();
        match column {
            Column::Field(field) => row.set(*field, value),
            Column::Claim(name) if !value.is_empty() => {
                row.claims.insert(name.clone(), json_or_text("claim", name, value)?);
            }
            _ => {}
        }
    }
    Ok(row)
}

/// An error if a row in JSON sets what is also set elsewhere.
fn allowed(parsed: &json::Parsed, minter: &Minter, form: &RowForm) -> Result<()> {
    for (_, field) in Field::ALL {
        if parsed.row.get(field).is_some() {
            minter.allow(field)?;
        }
    }
    for name in parsed.row.claims.keys() {
        minter.allow_claim(name)?;
    }
    for name in &parsed.unknown {
        if name == "token" || name == "url" && form.link {
            bail!("the row already has a field \"{name}\", which the output adds");
        }
    }
    Ok(())
}
