//! Records on standard output, one after the other.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use clap::ValueEnum;
use patchgate_journal::query::Query;
use patchgate_journal::record::read::Record;

use super::{Journal, row, unreadable};
use crate::cli::{Failed, Outcome};
use crate::reason;

/// How records are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shown {
    /// A line each, for people
    Table,
    /// The record as it stands, a line each
    Json,
    /// For spreadsheets
    Csv,
}

type Out = BufWriter<StdoutLock<'static>>;

enum Writer {
    Table(Out),
    Json(Out),
    Csv(Box<csv::Writer<Out>>),
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
    pub(super) fn begin(shown: Shown, query: Query) -> Self {
        let out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
        let writer = match shown {
            Shown::Table => Writer::Table(out),
            Shown::Json => Writer::Json(out),
            Shown::Csv => Writer::Csv(Box::new(csv::Writer::from_writer(out))),
        };
        let mut stream = Self { writer, query, shown: 0, unread: 0, broken: None };
        let begun = match &mut stream.writer {
            Writer::Table(out) => out.write_all(row::TITLE.as_bytes()),
            Writer::Json(_) => Ok(()),
            Writer::Csv(out) => out.write_record(row::COLUMNS).map_err(of_csv),
        };
        stream.broken = begun.err();
        stream
    }

    /// Shows a line whose hash is right, if it is a record that is wanted. An error is one of standard output.
    pub(super) fn show(&mut self, line: &[u8]) -> io::Result<()> {
        let text = std::str::from_utf8(line).ok();
        let Some((text, record)) = text.and_then(|text| Some((text, Record::parse(line).ok()?))) else {
            self.unread += 1;
            return Ok(());
        };
        let Some(about) = self.query.take(&record) else { return Ok(()) };
        self.shown += 1;
        let written = match &mut self.writer {
            Writer::Table(out) => out.write_all(row::table(&record, &about).as_bytes()),
            Writer::Json(out) => writeln!(out, "{}", row::inert_json(text)),
            Writer::Csv(out) => out.write_record(row::csv(&record, &about)).map_err(of_csv),
        };
        self.kept(written)
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
        let all = read.and_then(|()| self.flush());
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
