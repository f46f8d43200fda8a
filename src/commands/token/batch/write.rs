//! Rows with their tokens, as text.

use std::io::Write;

use anyhow::Result;
use csv::ByteRecord;

use super::read::{Column, RowSource};
use crate::display::escape;
use crate::token::{Field, Row, Token};

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputForm {
    /// Values with separators.
    Csv,
    /// An object on every line.
    JsonLines,
    /// A token, or a link, on every line.
    Plain,
}

/// The columns of a CSV made from rows that were not a CSV.
const COLUMNS: [Field; 4] = [Field::Room, Field::Id, Field::Name, Field::Email];

/// A row as it was read.
pub enum Original<'a> {
    /// A record of a CSV.
    Record(&'a ByteRecord),
    /// An object in JSON.
    Line(&'a [u8]),
}

/// How rows are written.
#[derive(Debug)]
pub struct RowForm {
    /// The output format.
    pub form: OutputForm,
    /// The separator between the values of a CSV.
    pub separator: u8,
    /// The names of the columns; empty if the rows are not a CSV.
    pub names: Vec<String>,
    /// What the columns mean.
    pub columns: Vec<Column>,
    /// Whether links are printed.
    pub link: bool,
}

impl RowForm {
    /// How rows from `source` are written; without `form`, in the format of the input.
    pub fn new(form: Option<OutputForm>, source: &RowSource, link: bool) -> Self {
        match source {
            RowSource::Csv { separator, names, columns, .. } => Self {
                form: form.unwrap_or(OutputForm::Csv),
                separator: *separator,
                names: names.clone(),
                columns: columns.clone(),
                link,
            },
            RowSource::JsonLines { .. } => Self {
                form: form.unwrap_or(OutputForm::JsonLines),
                separator: b',',
                names: Vec::new(),
                columns: Vec::new(),
                link,
            },
        }
    }

    /// What becomes of columns or fields of the input that have no meaning.
    pub fn unknown(&self) -> &'static str {
        let copied = match self.form {
            OutputForm::Csv => !self.names.is_empty(),
            OutputForm::JsonLines => true,
            OutputForm::Plain => false,
        };
        if copied { "is copied to the output, not into the token" } else { "is ignored" }
    }

    /// The header line of a CSV; empty in other formats.
    pub fn header(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.form == OutputForm::Csv {
            let fixed = COLUMNS.map(|field| field.name().to_owned());
            let names = if self.names.is_empty() { &fixed[..] } else { &self.names };
            for name in names {
                self.value(name.as_bytes(), &mut out);
                out.push(self.separator);
            }
            out.extend_from_slice(b"token");
            if self.link {
                out.push(self.separator);
                out.extend_from_slice(b"url");
            }
            out.push(b'\n');
        }
        out
    }

    /// Appends a row with its token to `out`.
    pub fn row(&self, original: &Original, row: &Row, made: &Token, out: &mut Vec<u8>) -> Result<()> {
        match self.form {
            OutputForm::Plain if self.link => out.extend_from_slice(made.url.as_bytes()),
            OutputForm::Plain => out.extend_from_slice(&made.token),
            OutputForm::Csv => self.csv(original, row, made, out),
            OutputForm::JsonLines => self.json(original, made, out)?,
        }
        out.push(b'\n');
        Ok(())
    }

    fn csv(&self, original: &Original, row: &Row, made: &Token, out: &mut Vec<u8>) {
        let mut put = |value: &[u8]| {
            self.value(value, out);
            out.push(self.separator);
        };
        match original {
            Original::Record(record) => record.iter().for_each(put),
            Original::Line(_) => {
                for field in COLUMNS {
                    put(row.get(field).unwrap_or_default().as_bytes());
                }
            }
        }
        out.extend_from_slice(&made.token);
        if self.link {
            out.push(self.separator);
            out.extend_from_slice(made.url.as_bytes());
        }
    }

    fn json(&self, original: &Original, made: &Token, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        match original {
            Original::Record(record) => {
                out.push(b'{');
                for (name, value) in self.names.iter().zip(*record) {
                    serde_json::to_writer(&mut *out, name)?;
                    out.push(b':');
                    serde_json::to_writer(&mut *out, std::str::from_utf8(value)?)?;
                    out.push(b',');
                }
            }
            // It was parsed as an object, so it ends with a brace.
            Original::Line(line) => {
                let inner = line.trim_ascii().strip_suffix(b"}").unwrap_or_default();
                out.extend_from_slice(inner.trim_ascii_end());
                if !inner.trim_ascii_end().ends_with(b"{") {
                    out.push(b',');
                }
            }
        }
        out.extend_from_slice(b"\"token\":\"");
        out.extend_from_slice(&made.token);
        if self.link {
            write!(out, "\",\"url\":\"{}", made.url)?;
        }
        out.extend_from_slice(b"\"}");
        // Most rows are plain, and checking is cheap compared to a signature.
        if !out[start..].iter().all(|byte| matches!(byte, b' '..=b'~')) {
            let escaped = escape::escaped(std::str::from_utf8(&out[start..])?);
            out.truncate(start);
            out.extend_from_slice(escaped.as_bytes());
        }
        Ok(())
    }

    /// Appends a value of a CSV, in quotes if it needs them.
    fn value(&self, value: &[u8], out: &mut Vec<u8>) {
        let special = |byte: &u8| *byte == self.separator || matches!(byte, b'"' | b'\n' | b'\r');
        if !value.iter().any(special) {
            out.extend_from_slice(value);
            return;
        }
        out.push(b'"');
        for byte in value {
            if *byte == b'"' {
                out.push(b'"');
            }
            out.push(*byte);
        }
        out.push(b'"');
    }
}
