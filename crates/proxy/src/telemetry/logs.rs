//! The process's own log: on standard error, for people or as JSON.
//!
//! Lines are written by a thread of their own: a reader of standard error that has stopped reading stops no request.

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::LogFormat;

/// The most lines that wait to be written; those that come then are lost, and counted.
const WAITING: usize = 4096;

/// The log. When this is dropped, what waits is written, if it can be soon.
#[derive(Debug)]
#[must_use = "lines are lost that are still waiting at the end"]
pub struct Log {
    _writer: WorkerGuard,
    lost: ErrorCounter,
}

impl Log {
    /// Counts the lines that were lost because nobody read those before them.
    pub fn lost(&self) -> ErrorCounter {
        self.lost.clone()
    }
}

/// Sets the log up for the whole process. `filter` is in the form of `RUST_LOG`, which is used where it is absent.
pub fn start(format: LogFormat, filter: Option<&str>) -> Result<Log, ParseError> {
    let filter = match filter {
        Some(filter) => EnvFilter::try_new(filter)?,
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
    };
    let terminal = io::stderr().is_terminal();
    let lossy = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).thread_name("log");
    let (writer, guard) = lossy.finish(io::stderr());
    let lost = writer.error_counter();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let human = format == LogFormat::Human || (format == LogFormat::Auto && terminal);
    // A second log in one process (the tests of this crate) is no reason to fail.
    _ = if human {
        builder
            .with_ansi(AutoStream::choice(&io::stderr()) != ColorChoice::Never)
            .with_target(false)
            .try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    Ok(Log { _writer: guard, lost })
}
