//! `patchgate audit query`: finding records.

use std::io::{self, IsTerminal as _};

use clap::ValueEnum;
use jiff::Timestamp;
use patchgate_journal::Verdict;
use patchgate_journal::query::{self, Edits, Filter};
use patchgate_journal::record::Kind;
use patchgate_journal::record::read::Decision;

use super::stream::{Shown, Stream};
use super::when::When;
use super::{Failed, Outcome, Which, bar};
use crate::cli::output::say;

pub(super) const EXAMPLES: &str = "\
Examples:
  patchgate audit query --since 2h
  patchgate audit query --resource 2972395
  patchgate audit query --since 2026-11-01 --until 2026-12-01 --format csv > november.csv
  patchgate audit query --result unknown --since 7d
  patchgate audit query --result failed --kind intent --format json | jq -c '[.time, .edit]'
  patchgate audit query /mnt/copy/audit --kind refusal --since 7d

Exit status: 0 done, also where nothing was found, 2 it could not be read.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// A key of the path, such as the id of what was edited
    #[arg(long, value_name = "KEY")]
    resource: Option<String>,
    /// The caller's id; no caller has one yet
    #[arg(long, value_name = "ID")]
    caller: Option<String>,
    /// Not before: 2026-11-24T08:00:00Z, 2026-11-24 (UTC), or how long ago, such as 90m, 2h, 7d; an edit has the time of its intent,
    /// and refusals that share a record each their own
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Before, in the same forms
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// Whether it was allowed
    #[arg(long, value_enum)]
    decision: Option<Decided>,
    /// What became of an edit
    #[arg(long, value_enum)]
    result: Option<Came>,
    /// Only the records of this kind, each by itself
    #[arg(long, value_enum)]
    kind: Option<OfKind>,
    /// The request, by its `patchgate-request-id`
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Shown::Table)]
    format: Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Decided {
    /// Allowed
    Allow,
    /// Refused by the gateway
    Refuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Came {
    /// Graph applied it
    Applied,
    /// Graph refused it
    Refused,
    /// It was not applied
    Failed,
    /// Nobody knows
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OfKind {
    /// An edit that was allowed and about to be sent
    Intent,
    /// What became of it
    Outcome,
    /// A request that was refused, or several
    Refusal,
    /// The state of the chain
    Checkpoint,
    /// The same, after something happened to the files
    Recovery,
}

pub(super) fn run(args: Args) -> Result<Outcome, Failed> {
    let now = Timestamp::now();
    let filter = Filter {
        resource: args.resource,
        caller: args.caller,
        since: args.since.map(|when| when.before(now)),
        until: args.until.map(|when| when.before(now)),
        decision: args.decision.map(|decision| match decision {
            Decided::Allow => Decision::Allow,
            Decided::Refuse => Decision::Refuse,
        }),
        result: args.result.map(|result| match result {
            Came::Applied => Verdict::Applied,
            Came::Refused => Verdict::Refused,
            Came::Failed => Verdict::Failed,
            Came::Unknown => Verdict::Unknown,
        }),
        kind: args.kind.map(|kind| match kind {
            OfKind::Intent => Kind::Intent,
            OfKind::Outcome => Kind::Outcome,
            OfKind::Refusal => Kind::Refusal,
            OfKind::Checkpoint => Kind::Checkpoint,
            OfKind::Recovery => Kind::Recovery,
        }),
        request_id: args.request_id,
    };
    if let (Some(since), Some(until)) = (filter.since, filter.until)
        && since >= until
    {
        // That nothing was found would be taken for an answer.
        return Err(Failed(format!(
            "no time lies between: --since is {since}, and --until {until} is not behind it"
        )));
    }
    let journal = args.which.find()?;
    if journal.bytes == 0 {
        return Err(journal.empty());
    }
    // On a terminal the records themselves show that it goes on, and the bar would stand between them.
    let bar = bar(journal.bytes, io::stdout().is_terminal());
    let mut stream = Stream::begin(args.format, filter, Edits::Joined);
    let mut read = 0;
    let all = query::each(&journal.directory, &mut |line| {
        read += line.len() as u64 + 1;
        bar.set_position(read);
        stream.show(line)
    });
    bar.finish_and_clear();
    let left_out = all.as_ref().map_or(0, |left_out| *left_out) + stream.unread;
    let outcome = stream.end(all.map(|_| ()), &journal)?;
    if left_out > 0 {
        say(&format!(
            "{left_out} lines are no records that can be read, and were left out; see `patchgate audit verify`"
        ));
    }
    let forgotten = stream.forgotten();
    if forgotten > 0 {
        say(&format!(
            "{forgotten} edits were in flight at once, more than find a place in memory: what became of them was not found; ask for \
             fewer, such as with --since and --until"
        ));
    }
    if stream.shown == 0 && args.format == Shown::Table && left_out == 0 {
        say("no record is like that");
    }
    Ok(outcome)
}
