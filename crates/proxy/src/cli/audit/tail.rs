//! `patchgate audit tail`: the last records, and each that comes.

use std::time::Duration;

use patchgate_journal::chain;
use patchgate_journal::follow::Follower;
use patchgate_journal::query::{Edits, Filter};

use super::stream::{Shown, Stream};
use super::{Failed, Format, Outcome, Which, unreadable};
use crate::cli::output::say;

pub(super) const EXAMPLES: &str = "\
Examples:
  patchgate audit tail
  patchgate audit tail -f -n 0
  patchgate audit tail -f --format json | jq -c 'select(.kind == \"refusal\")'

Exit status: 0 done, 2 it could not be read.";

/// How long to wait until the journal is looked at again.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// Go on with each record that comes
    #[arg(short, long)]
    follow: bool,
    /// How many of the last records
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 10)]
    lines: usize,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: Args) -> Result<Outcome, Failed> {
    let journal = args.which.find()?;
    // A journal that is begun later can be waited for.
    if journal.bytes == 0 && !args.follow {
        return Err(journal.empty());
    }
    let follower = Follower::before_last(journal.directory.clone(), args.lines);
    let mut follower = follower.map_err(|error| unreadable(&journal.path, &error))?;
    let shown = match args.format {
        Format::Human => Shown::Table,
        Format::Json => Shown::Json,
    };
    let mut stream = Stream::begin(shown, Filter::default(), Edits::Apart);
    loop {
        let read = follower.catch_up(&mut |line| {
            if chain::open(line).is_ok() {
                return stream.show(line);
            }
            stream.unread += 1;
            Ok(())
        });
        let read = read.and_then(|()| stream.flush());
        let unread = std::mem::take(&mut stream.unread);
        if unread > 0 {
            say(&format!("{unread} lines are no records that can be read; see `patchgate audit verify`"));
        }
        if read.is_err() || !args.follow || has_gone() {
            return stream.end(read, &journal);
        }
    }
}

/// Waits a little, and less if whoever reads standard output goes away: then there is nobody to tell.
#[cfg(unix)]
fn has_gone() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdout = std::io::stdout();
    let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
    // An interrupted wait was a short one.
    _ = poll(&mut fds, Timespec::try_from(PAUSE).ok().as_ref());
    fds.iter().any(|fd| fd.revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL))
}

/// Waits a little. Elsewhere than on Unix it shows with the next record that nobody reads any more.
#[cfg(not(unix))]
fn has_gone() -> bool {
    std::thread::sleep(PAUSE);
    false
}
