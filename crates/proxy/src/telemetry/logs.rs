//! The process's own log: on standard error, for people or as JSON.
//!
//! Lines are written by a thread of their own: a reader of standard error that has stopped reading stops no request.

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::LogFormat;

/// The most lines that wait to be written; those that come then are lost.
const WAITING: usize = 4096;

/// The log. When this is dropped, what waits is written, if it can be soon.
#[derive(Debug)]
#[must_use = "lines are lost that are still waiting at the end"]
pub struct Log {
    _writer: WorkerGuard,
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
    Ok(Log { _writer: guard })
}
