//! The process's own log: on standard error, for people or as JSON, and by OTLP, where that is set up.
//!
//! Lines are written by a thread of their own: a reader of standard error that has stopped reading stops no request.

use std::env;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use patchgate_model::quote::Quoted;
use patchgate_model::suggest::nearest;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, registry};

use crate::config::LogFormat;

/// The most lines that wait to be written; those that come then are lost, and counted.
const WAITING: usize = 4096;
/// What says what is logged, where no flag does.
const VARIABLE: &str = "RUST_LOG";
/// What is logged where nobody says.
const USUAL: &str = "info";
/// With what the names of this program's own parts begin.
const OWN: &str = "patchgate";
/// The names of the levels; each is a number, too.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The parts of the program that log; the first one is how the others begin, and so all of them.
const PARTS: [&str; 3] = ["patchgate", "patchgate_proxy", "patchgate_emulator"];

/// Why a text does not say what is to be logged.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// There is nothing in it.
    #[error("it is empty; expected a level: {}", LEVELS.join(", "))]
    Empty,
    /// A word that is no level, alone or behind the name of a part.
    #[error(
        "'{}' is no level{meant} Levels are {}; a part of the program has one behind it, as in 'info,patchgate_proxy=debug'",
        Quoted(word), LEVELS.join(", ")
    )]
    NoLevel {
        /// The word.
        word: String,
        /// The nearest level, as words.
        meant: String,
    },
    /// A part of the program, misspelt.
    #[error("'{}' is no part of the program; did you mean '{meant}'?", Quoted(word))]
    NoPart {
        /// Its name as it was read.
        word: String,
        /// The nearest name.
        meant: &'static str,
    },
    /// Others alone are named.
    #[error(
        "with '{}' alone nothing of patchgate is logged, not even errors; put a level before it, as in 'info,hyper=debug'",
        Quoted(.0)
    )]
    Silent(String),
    /// It is not written as it must be.
    #[error(transparent)]
    Form(#[from] ParseError),
}

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

/// Sets the log up for the whole process. `filter` is in the form of `RUST_LOG`, which is used where it is absent; a variable
/// that is wrong is no reason not to start, but is told of. What is logged goes to `collector`, too, if there is one: the lines
/// of this program alone, for those of the libraries may be of the sending itself.
pub fn start(
    format: LogFormat,
    filter: Option<&str>,
    collector: Option<&SdkLoggerProvider>,
) -> Result<Log, FilterError> {
    let (filter, wrong) = match filter {
        Some(text) => (read(text)?, None),
        None => of_variable(env::var_os(VARIABLE).as_deref()),
    };
    let terminal = io::stderr().is_terminal();
    let lossy = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING).thread_name("log");
    let (writer, guard) = lossy.finish(io::stderr());
    let lost = writer.error_counter();
    let sent = collector.map(|collector| {
        let own = filter_fn(|metadata| metadata.target().starts_with(OWN));
        OpenTelemetryTracingBridge::new(collector).with_filter(own)
    });
    let lines = fmt::layer().with_writer(writer);
    let human = format == LogFormat::Human || (format == LogFormat::Auto && terminal);
    let lines = if human {
        lines.with_ansi(AutoStream::choice(&io::stderr()) != ColorChoice::Never).with_target(false).boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    };
    // A second log in one process (the tests of this crate) is no reason to fail.
    _ = registry().with(filter).with(lines).with(sent).try_init();
    if let Some(reason) = wrong {
        tracing::warn!(reason, "the variable {VARIABLE} is not understood, and counts as '{USUAL}'");
    }
    Ok(Log { _writer: guard, lost })
}

/// Reads a filter. A word alone must be a level: else it would be the name of a part of the program, and all others would be
/// silent, their errors included. So they would be beside a part that there is not.
fn read(text: &str) -> Result<EnvFilter, FilterError> {
    // A blank would be a part of a name.
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err(FilterError::Empty);
    }
    let is_level = |word: &&str| word.parse::<LevelFilter>().is_ok();
    if let Some(word) = parts.iter().filter_map(|part| level(part)).find(|word| !is_level(word)) {
        let meant = nearest(word, LEVELS).map(|level| format!("; did you mean '{level}'?"));
        let meant = meant.unwrap_or_else(|| ".".to_owned());
        return Err(FilterError::NoLevel { word: word.to_owned(), meant });
    }
    let names: Vec<&str> = parts.iter().filter_map(|part| name(part)).collect();
    if let Some((word, meant)) = names.iter().find_map(|name| Some((*name, misspelt(name)?))) {
        return Err(FilterError::NoPart { word: word.to_owned(), meant });
    }
    // A name is that of all that begin with it; that of a span alone is empty.
    let is_ours = |name: &&str| PARTS.iter().any(|part| part.starts_with(name) || crate_of(name) == *part);
    if names.len() == parts.len() && !names.iter().any(is_ours) {
        return Err(FilterError::Silent(parts.join(",")));
    }
    Ok(EnvFilter::try_new(parts.join(","))?)
}

/// What must be a level: a word alone, or what stands behind the name of a part.
fn level(part: &str) -> Option<&str> {
    if !part.contains(['=', '[', ']']) {
        return Some(part);
    }
    // Between brackets are fields of a span.
    part.rsplit_once('=').map(|(_, level)| level).filter(|level| !level.is_empty() && !level.contains(']'))
}

/// The part that has a level of its own.
fn name(part: &str) -> Option<&str> {
    part.split_once(['=', '[']).map(|(name, _)| name)
}

fn crate_of(name: &str) -> &str {
    name.split("::").next().unwrap_or(name)
}

/// The part that was meant by a name that is none, if one is near.
fn misspelt(name: &str) -> Option<&'static str> {
    let name = crate_of(name);
    if PARTS.contains(&name) { None } else { nearest(name, PARTS) }
}

/// What the variable says, else the usual; and what is wrong with the variable.
fn of_variable(value: Option<&OsStr>) -> (EnvFilter, Option<String>) {
    let usual = || EnvFilter::new(USUAL);
    let Some(value) = value.filter(|value| !value.is_empty()) else { return (usual(), None) };
    match value.to_str().map(read) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (usual(), Some(error.to_string())),
        None => (usual(), Some("it is not UTF-8".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is accepted is what is logged; of what is not, a word of the reason.
    #[test]
    fn a_filter_is_levels_and_parts_with_levels() {
        for (text, expected) in [
            ("info", Ok("info")),
            ("WARN", Ok("warn")),
            ("0", Ok("off")),
            ("5", Ok("trace")),
            (" info , patchgate_proxy=debug,", Ok("patchgate_proxy=debug,info")),
            ("patchgate_proxy::telemetry=trace", Ok("patchgate_proxy::telemetry=trace")),
            ("[span]=debug", Ok("[span]=debug")),
            ("patchgate=debug", Ok("patchgate=debug")),
            ("off,hyper=trace", Ok("hyper=trace,off")),
            ("patchgate_emulator=warn,hyper=trace", Ok("patchgate_emulator=warn,hyper=trace")),
            ("patchgat=debug", Err("'patchgat' is no part of the program; did you mean 'patchgate'?")),
            ("info,patchgate-porxy::listen=debug", Err("did you mean 'patchgate_proxy'?")),
            ("hyper=debug,h2=info", Err("with 'hyper=debug,h2=info' alone nothing of patchgate is logged")),
            ("patchgate_journal=debug", Err("alone nothing of patchgate is logged")),
            ("inof", Err("'inof' is no level; did you mean 'info'? Levels are off, error,")),
            ("warning", Err("'warning' is no level. Levels")),
            ("info,patchgate_proxy", Err("'patchgate_proxy' is no level")),
            ("6", Err("'6' is no level")),
            ("", Err("it is empty")),
            (" ,", Err("it is empty")),
            ("patchgate=loud", Err("'loud' is no level. Levels are")),
            ("patchgate = debug", Err("' debug' is no level; did you mean 'debug'?")),
            ("==", Err("invalid filter directive")),
        ] {
            match (read(text).map(|filter| filter.to_string()), expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{text}"),
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{text}: {error}");
                }
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_variable_that_is_wrong_is_the_usual_level_and_not_without_a_word() {
        for (value, logged, is_wrong) in [
            (None, "info", false),
            (Some(""), "info", false),
            (Some("warn"), "warn", false),
            (Some("inof"), "info", true),
            (Some("patchgate=loud"), "info", true),
            (Some("hyper=debug"), "info", true),
        ] {
            let (filter, wrong) = of_variable(value.map(OsStr::new));
            assert_eq!((filter.to_string().as_str(), wrong.is_some()), (logged, is_wrong), "{value:?}");
        }
    }
}
