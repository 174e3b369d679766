//! `patchgate audit verify`: whether the chain holds, and where not.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use patchgate_journal::Checkpoint;
use patchgate_journal::verify::{Finding, Report, verify};
use serde_json::{Value, json};

use super::{Failed, Format, Journal, Outcome, Which, bar, texts, unreadable};
use crate::cli::inert::{inert, inert_json};
use crate::cli::output::{BAD, GOOD, print};
use crate::reason;

pub(super) const EXAMPLES: &str = "\
Examples:
  patchgate audit verify
  patchgate audit verify /var/lib/patchgate/audit --checkpoint checkpoints
  patchgate audit verify --checkpoint \"$(ssh vault tail -n 1 checkpoints)\"
  patchgate audit verify --format json | jq '.findings[]'

Exit status: 0 sound, 1 not sound, 2 could not be checked.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    /// A checkpoint that was kept elsewhere: NUMBER:HASH, or a file with one a line; may be given several times
    #[arg(long = "checkpoint", value_name = "FILE|NUMBER:HASH")]
    checkpoints: Vec<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: Args) -> Result<Outcome, Failed> {
    let mut checkpoints = Vec::new();
    for text in &args.checkpoints {
        match text.parse() {
            Ok(checkpoint) => checkpoints.push(checkpoint),
            Err(_) => in_file(Path::new(text), &mut checkpoints)?,
        }
    }
    let journal = args.which.find()?;
    let bar = bar(journal.bytes, false);
    let report = verify(&journal.directory, &checkpoints, &mut |read, _| bar.set_position(read));
    bar.finish_and_clear();
    let report = report.map_err(|error| unreadable(&journal.path, &error))?;
    if report.records == 0 && report.holds() {
        return Err(journal.empty());
    }
    print(&match args.format {
        Format::Human => human(&journal, &report),
        Format::Json => format!("{}\n", inert_json(&as_json(&journal, &report).to_string())),
    })?;
    if !report.holds() {
        return Ok(Outcome::Refused);
    }
    if report.found == 0 && !report.too_old.is_empty() {
        return Err(Failed(
            "none of the checkpoints could be compared: all are older than the first record".to_owned(),
        ));
    }
    Ok(Outcome::Done)
}

/// Reads the checkpoints of a file: one a line; empty lines and those that begin with `#` are passed over.
fn in_file(path: &Path, checkpoints: &mut Vec<Checkpoint>) -> Result<(), Failed> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        let why = reason::of(&error);
        Failed(format!(
            "--checkpoint '{name}' is neither NUMBER:HASH, with 64 hexadecimal digits, nor a file: {why}"
        ))
    })?;
    let before = checkpoints.len();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let checkpoint = line.parse().map_err(|_| {
            let number = number + 1;
            Failed(format!(
                "--checkpoint '{name}', line {number}: it is no checkpoint; one has the form NUMBER:HASH"
            ))
        })?;
        checkpoints.push(checkpoint);
    }
    // Whoever names a file means something with it.
    if checkpoints.len() == before {
        return Err(Failed(format!("--checkpoint '{name}': there is no checkpoint in it")));
    }
    Ok(())
}

fn human(journal: &Journal, report: &Report) -> String {
    let mut text = String::new();
    let path = inert(&journal.path.display().to_string()).into_owned();
    // Writing to a string does not fail.
    _ = match report.total {
        0 => writeln!(text, "{path}: {GOOD}sound{GOOD:#}"),
        _ => writeln!(text, "{path}: {BAD}not sound{BAD:#}"),
    };
    for finding in &report.findings {
        _ = writeln!(text, "  {}", inert(&finding.to_string()));
    }
    let more = report.total - report.findings.len() as u64;
    if more > 0 {
        _ = writeln!(text, "  and {more} more");
    }
    text.push('\n');
    let Report { records, segments, bytes, open, .. } = report;
    _ = writeln!(text, "records      {records}");
    _ = writeln!(text, "segments     {segments}, of {bytes} bytes");
    if let (Some(first), Some(last)) = (report.first, report.last) {
        _ = writeln!(text, "from to      {first} to {}", last.0.seq);
    }
    if report.first.is_some_and(|first| first > 1) && report.holds() {
        _ = writeln!(text, "             what came before was taken away by retention, as the records say");
    }
    if *open > 0 {
        _ = writeln!(
            text,
            "open         {open} without an outcome: in flight, or recorded as unknown at the next start"
        );
    }
    if let Some((segment, tail)) = report.unfinished {
        _ = writeln!(
            text,
            "unfinished   {segment}, line {}: {} bytes that are no whole record yet, or were cut off by a crash",
            tail.line, tail.bytes
        );
    }
    if let Some(last) = report.last {
        _ = writeln!(text, "checkpoint   {last}");
    }
    text.push('\n');
    if given(report) == 0 {
        text.push_str(
            "Records taken away at the end can't be seen from the chain alone, nor can a chain that was written anew. Keep\n\
             checkpoints elsewhere and name them with --checkpoint to see that (patchgate audit checkpoint).\n",
        );
    } else {
        _ = writeln!(text, "{} of {} checkpoints found in the chain.", report.found, given(report));
        for checkpoint in &report.too_old {
            _ = writeln!(text, "Not compared, older than the first record: {checkpoint}");
        }
        _ = writeln!(
            text,
            "Records taken away behind the last checkpoint can't be seen, nor whether those were replaced."
        );
    }
    text
}

/// How many different checkpoints were given.
fn given(report: &Report) -> u64 {
    report.found + report.lost + report.too_old.len() as u64
}

fn as_json(journal: &Journal, report: &Report) -> Value {
    let finding = |finding: &Finding| {
        let mut object = match finding {
            Finding::Fault { segment, fault } => {
                json!({"segment": segment.to_string(), "line": fault.line, "seq": fault.seq})
            }
            Finding::NoStart { first, expected } => json!({"seq": first, "expected": expected}),
            Finding::NoCheckpoint { checkpoint, replaced } => {
                json!({"seq": checkpoint.0.seq, "checkpoint": checkpoint.to_string(), "replaced": replaced})
            }
        };
        if let Some(object) = object.as_object_mut() {
            object.insert("message".to_owned(), Value::String(finding.to_string()));
        }
        object
    };
    let unfinished = report.unfinished.map(|(segment, tail)| {
        json!({"segment": segment.to_string(), "line": tail.line, "from": tail.from, "bytes": tail.bytes})
    });
    json!({
        "sound": report.holds(),
        "directory": journal.path.display().to_string(),
        "segments": report.segments,
        "records": report.records,
        "bytes": report.bytes,
        "first": report.first,
        "last": report.last.map(|last| last.0.seq),
        "checkpoint": report.last.map(|last| last.to_string()),
        "open": report.open,
        "unfinished": unfinished,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "total": report.total,
        "checkpoints": {
            "given": given(report),
            "found": report.found,
            "too_old": texts(&report.too_old),
        },
    })
}
