//! `patchgate audit checkpoint`: the end of the chain, to be kept elsewhere.

use std::fs::File;

use patchgate_journal::verify::verify;

use super::{Failed, Outcome, Which, bar, unreadable};
use crate::cli::output::{print, say};

pub(super) const EXAMPLES: &str = "\
Examples:
  patchgate audit checkpoint
  patchgate audit checkpoint /var/lib/patchgate/audit | ssh vault 'cat >> checkpoints'
  patchgate audit verify --checkpoint checkpoints

Exit status: 0 printed, 1 the chain is not sound, 2 it could not be read.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(super) fn run(args: Args) -> Result<Outcome, Failed> {
    let journal = args.which.find()?;
    let bar = bar(journal.bytes, false);
    let report = verify(&journal.directory, &[], &mut |read, _| bar.set_position(read));
    bar.finish_and_clear();
    let failed = |error| unreadable(&journal.path, &error);
    let report = report.map_err(failed)?;
    if !report.holds() {
        say("the chain is not sound: no checkpoint of it; `patchgate audit verify` says what is wrong");
        return Ok(Outcome::Refused);
    }
    let (Some(last), Some(segment)) = (report.last, report.ends_in) else { return Err(journal.empty()) };
    // What is kept elsewhere must still be there after a loss of power, or it would be taken for tampered with.
    let file = File::open(journal.path.join(segment.to_string())).map_err(failed)?;
    file.sync_data().map_err(failed)?;
    print(&format!("{last}\n"))?;
    Ok(Outcome::Done)
}
