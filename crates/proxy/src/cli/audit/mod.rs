//! `patchgate audit`: whether the journal is sound, what comes into it, what is in it.
//!
//! All of it reads and never locks, so it works beside a gateway that writes, and on a copy.

mod checkpoint;
mod query;
mod row;
mod stream;
mod tail;
mod verify;
mod when;

use std::io;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use patchgate_journal::segment::SegmentName;
use patchgate_journal::storage::Reading;
use patchgate_journal::{Checkpoint, Directory};

use super::configured::ConfigFile;
use super::output::{self, say};
use super::{Failed, Outcome};
use crate::config::{Draft, Flags, Inputs, layers};
use crate::{audit, reason};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether the journal is sound: each record as it was written, none missing.
    ///
    /// Each record holds the hash of the one before it. The whole chain is followed over all segments, and what is missing or
    /// was changed is said with its segment, line and number. It works while the gateway writes.
    ///
    /// What the chain alone can't show: whoever can write to the directory can take records away at its end, or write another
    /// chain. Checkpoints that are kept elsewhere make that visible; see `patchgate audit checkpoint`.
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Args),
    /// Print the end of the chain, NUMBER:HASH, to be kept elsewhere.
    ///
    /// The chain is verified first, and nothing is printed if it is not sound. Keep what is printed where those who can write to
    /// the journal can't write: a later `verify --checkpoint` then shows whether anything up to it was changed or taken away.
    #[command(after_help = checkpoint::EXAMPLES)]
    Checkpoint(checkpoint::Args),
    /// Show the last records, and with -f each that comes.
    ///
    /// It works while the gateway writes, and goes on in the next segment. It shows what is written, which may be a moment before
    /// it is durable: after a failure of the disk a record is written anew, and may be shown twice. Ctrl-C ends it.
    #[command(after_help = tail::EXAMPLES)]
    Tail(tail::Args),
    /// Find records: by resource, caller, time, decision, result.
    ///
    /// All conditions must hold. An edit has two records, the intent before it was sent and the outcome after, and is found as
    /// one: by its intent for caller, resource, time and decision, by its outcome for the result.
    ///
    /// `table` and `csv` have one row for an edit, of kind `edit`, in the place of its outcome; its result is `open` while there is
    /// none. `json` has the records as they stand, a line each, in the order of the journal; with --result an intent stands
    /// directly before its outcome. With --kind only records of that kind are shown, in each format.
    ///
    /// Records are shown as they are read, so a journal of any size takes little memory. Lines that are no records are left out
    /// and counted; `patchgate audit verify` says where they are.
    ///
    /// In `csv` a cell that begins with =, +, - or @ gets an apostrophe in front, since a spreadsheet would take it for a formula;
    /// control characters are written \u{…}. In `json` characters that act on a terminal are written \uXXXX, which is the same
    /// JSON.
    #[command(after_help = query::EXAMPLES)]
    Query(query::Args),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// JSON, an object a line
    Json,
}

/// Which journal.
#[derive(Debug, clap::Args)]
struct Which {
    /// The journal's directory [default: audit.directory of the configuration, else one in the user's state directory]
    #[arg(value_name = "DIR", conflicts_with = "config")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
}

pub(super) fn run(args: Args) -> Result<Outcome, Failed> {
    match args.command {
        Command::Verify(args) => verify::run(args),
        Command::Checkpoint(args) => checkpoint::run(args),
        Command::Tail(args) => tail::run(args),
        Command::Query(args) => query::run(args),
    }
}

/// A journal that is there.
struct Journal {
    path: PathBuf,
    directory: Directory,
    /// The bytes of its segments.
    bytes: u64,
}

impl Which {
    /// Looks for it. That it has no segment is not an error here.
    fn find(self) -> Result<Journal, Failed> {
        let named = self.directory.is_some();
        let path = directory(self.directory, &self.config)?;
        if !named {
            say(&format!("audit journal: {}", path.display()));
        }
        let directory = Directory::new(&path);
        let segments = directory.segments().map_err(|error| unreadable(&path, &error))?;
        let bytes = segments.iter().map(|(_, length)| length).sum();
        Ok(Journal { path, directory, bytes })
    }
}

impl Journal {
    /// That nothing is there to be read.
    fn empty(&self) -> Failed {
        Failed(format!(
            "there are no records in '{}'; a journal has files such as {}",
            self.path.display(),
            SegmentName { number: 1, first: 1 }
        ))
    }
}

/// The directory that is meant: the one that is given, else the gateway's.
fn directory(given: Option<PathBuf>, config: &ConfigFile) -> Result<PathBuf, Failed> {
    if let Some(given) = given {
        return Ok(given);
    }
    let draft = layers::load(config.file().as_deref(), &Inputs::of_process(Flags::default()));
    let loaded = draft.and_then(Draft::accept).map_err(|faults| output::show(&faults))?;
    Ok(audit::directory(&loaded.config)?)
}

/// That a journal can't be read.
fn unreadable(path: &Path, error: &io::Error) -> Failed {
    let why = match error.kind() {
        io::ErrorKind::NotFound if !path.exists() => {
            "there is no such directory; name that of the journal, or the gateway's configuration with --config".to_owned()
        }
        // It has the name of the file in it.
        _ if error.get_ref().is_some() => reason::plain(&error.to_string()),
        io::ErrorKind::NotADirectory => "it is no directory".to_owned(),
        _ => reason::of(error),
    };
    Failed(format!("cannot read the journal '{}': {why}", path.display()))
}

/// A bar on standard error, if that is a terminal and `quiet` is not said.
fn bar(bytes: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes);
    // The template is fixed: it is understood.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// Checkpoints as JSON shows them.
fn texts(checkpoints: &[Checkpoint]) -> Vec<String> {
    checkpoints.iter().map(Checkpoint::to_string).collect()
}
