//! Records on standard output, one after the other.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use clap::ValueEnum;
use patchgate_journal::query::{Edits, Filter, Found, Query};
use patchgate_journal::record::read::Record;

use super::row::{self, Row};
use super::{Journal, unreadable};
use crate::cli::inert::inert_json;
use crate::cli::{Failed, Outcome};
use crate::reason;

/// How records are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shown {
    /// For people: a line for each edit, with what became of it
    Table,
    /// The records as they stand, a line each
    Json,
    /// For spreadsheets: a row for each edit, with what became of it
    Csv,
}

type Out = BufWriter<StdoutLock<'static>>;

enum Writer {
    Table(Out),
    Json(Out),
    Csv(Box<csv::Writer<Out>>),
}

impl Writer {
    fn write(&mut self, found: &Found<'_>) -> io::Result<()> {
        match (self, found) {
            (Self::Json(out), Found::Record { line, .. }) => {
                writeln!(out, "{}", inert_json(&String::from_utf8_lossy(line)))
            }
            // JSON is the records as they stand: they are asked for apart.
            (Self::Json(_), Found::Edit { .. }) => Ok(()),
            (Self::Table(out), found) => out.write_all(row::table(&Row::of(found)).as_bytes()),
            (Self::Csv(out), found) => out.write_record(row::csv(&Row::of(found))).map_err(of_csv),
        }
    }
}

/// What goes out, and how it went.
pub(super) struct Stream {
    writer: Writer,
    query: Query,
    /// How many records were shown.
    pub(super) shown: u64,
    /// How many lines were no records that this program can read.
    pub(super) unread: u64,
    /// Why nothing more can be written.
    broken: Option<io::Error>,
}

impl Stream {
    /// Begins with the names of the columns, where there are columns.
    pub(super) fn begin(shown: Shown, filter: Filter, edits: Edits) -> Self {
        let out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
        let writer = match shown {
            Shown::Table => Writer::Table(out),
            Shown::Json => Writer::Json(out),
            Shown::Csv => Writer::Csv(Box::new(csv::Writer::from_writer(out))),
        };
        let edits = if shown == Shown::Json { Edits::Apart } else { edits };
        let query = Query::new(filter, edits);
        let mut stream = Self { writer, query, shown: 0, unread: 0, broken: None };
        let begun = match &mut stream.writer {
            Writer::Table(out) => out.write_all(row::TITLE.as_bytes()),
            Writer::Json(_) => Ok(()),
            Writer::Csv(out) => out.write_record(row::COLUMNS).map_err(of_csv),
        };
        stream.broken = begun.err();
        stream
    }

    /// Takes a line whose hash is right, and shows what is found with it. An error is one of standard output.
    pub(super) fn show(&mut self, line: &[u8]) -> io::Result<()> {
        let text = std::str::from_utf8(line).ok();
        let Some(record) = text.and_then(|_| Record::parse(line).ok()) else {
            self.unread += 1;
            return Ok(());
        };
        let Self { writer, query, shown, .. } = self;
        let written = query.take(line, &record, &mut |found| {
            *shown += 1;
            writer.write(&found)
        });
        self.kept(written)
    }

    /// Shows what has waited for records that did not come.
    fn rest(&mut self) -> io::Result<()> {
        let Self { writer, query, shown, .. } = self;
        let written = query.end(&mut |found| {
            *shown += 1;
            writer.write(&found)
        });
        self.kept(written)
    }

    /// How many edits were wanted, and are not shown with what became of them.
    pub(super) fn forgotten(&self) -> u64 {
        self.query.forgotten()
    }

    /// Gives all that was shown to whoever reads it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let flushed = match &mut self.writer {
            Writer::Table(out) | Writer::Json(out) => out.flush(),
            Writer::Csv(out) => out.flush(),
        };
        self.kept(flushed)
    }

    /// Keeps an error of standard output in mind, apart from those of the journal.
    fn kept(&mut self, written: io::Result<()>) -> io::Result<()> {
        written.inspect_err(|error| self.broken = Some(error.kind().into()))
    }

    /// What the command came to, where reading ended so. A reader that has gone away is no error.
    pub(super) fn end(&mut self, read: io::Result<()>, journal: &Journal) -> Result<Outcome, Failed> {
        let all = read.and_then(|()| self.rest()).and_then(|()| self.flush());
        match (&self.broken, all) {
            (Some(error), _) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Outcome::Done),
            (Some(error), _) => Err(Failed(format!("cannot write the result: {}", reason::of(error)))),
            (None, Err(error)) => {
                _ = self.flush();
                Err(unreadable(&journal.path, &error))
            }
            (None, Ok(())) => Ok(Outcome::Done),
        }
    }
}

/// The error of the output below it: only that has a kind.
fn of_csv(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
