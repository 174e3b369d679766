//! `patchgate schema`: derive a schema from a documentation page, show one, compare two.

mod derive;
mod diff;
mod files;
mod overlay;
mod pages;
mod show;
mod table;

use clap::{Subcommand, ValueEnum};

use super::{Failed, Outcome, print, say};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Derive a schema from a page of the Graph reference, in Markdown as Microsoft publishes it
    ///
    /// One page: the schema goes to standard output, or to the file of --output; on an error nothing is written. Several
    /// pages, or a folder: a table of what became of each goes to standard output, and the schemas, one file each, to the
    /// folder of --output.
    #[command(after_help = derive::EXAMPLES)]
    Derive(derive::Args),
    /// Show a schema as a table
    #[command(after_help = show::EXAMPLES)]
    Show(show::Args),
    /// Compare two schemas: what was added, removed, got wider or narrower
    #[command(after_help = diff::EXAMPLES)]
    Diff(diff::Args),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// A JSON object
    Json,
}

pub(super) fn run(args: Args) -> Result<Outcome, Failed> {
    match args.command {
        Command::Derive(args) => derive::run(args),
        Command::Show(args) => show::run(&args),
        Command::Diff(args) => diff::run(&args),
    }
}
