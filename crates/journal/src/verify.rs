//! Whether the chain holds, over all segments, in the memory of one line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

use crate::chain::{Hash, Head};
use crate::checkpoint::Checkpoint;
use crate::reading::{self, Listed};
use crate::recovery::{self, Fault, Known, Tail};
use crate::segment::SegmentName;
use crate::storage::Reading;

/// The most findings that are listed.
const MOST: usize = 1000;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many segments there are.
    pub segments: u64,
    /// How many records hold.
    pub records: u64,
    /// The bytes read.
    pub bytes: u64,
    /// The first record that is there.
    pub first: Option<u64>,
    /// The end of the chain.
    pub last: Option<Checkpoint>,
    /// The segment in which it stands.
    pub ends_in: Option<SegmentName>,
    /// Intents without an outcome: edits in flight, or what the next start will record as unknown.
    pub open: u64,
    /// What stands behind the last record and is no whole line: a record that is being written, or was.
    pub unfinished: Option<(SegmentName, Tail)>,
    /// What is wrong, the first thousand of it.
    pub findings: Vec<Finding>,
    /// All that is wrong.
    pub total: u64,
    /// How many different checkpoints are in the chain.
    pub found: u64,
    /// How many are not, and should be.
    pub lost: u64,
    /// Checkpoints of records that are older than the first one that is there: nothing says whether they were in the chain.
    pub too_old: Vec<Checkpoint>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.total == 0
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// In a segment.
    Fault {
        /// The segment.
        segment: SegmentName,
        /// What, and where in it.
        fault: Fault,
    },
    /// The chain begins later than its records say, or behind another record than they say.
    NoStart {
        /// The first record that is there.
        first: u64,
        /// The first that should be.
        expected: u64,
    },
    /// A checkpoint is not in the chain, though it should be.
    NoCheckpoint {
        /// The checkpoint.
        checkpoint: Checkpoint,
        /// Whether there is another record of that number.
        replaced: bool,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault { segment, fault: Fault { line, seq, problem } } => {
                write!(f, "{segment}, line {line}")?;
                if let Some(seq) = seq {
                    write!(f, ", record {seq}")?;
                }
                write!(f, ": {problem}")
            }
            Self::NoStart { first, expected } if first == expected => write!(
                f,
                "record {first} does not follow the record before it as that was when retention took it away: one of them was replaced"
            ),
            Self::NoStart { first, expected } => write!(
                f,
                "the chain begins with record {first}, and should begin with record {expected}: segments are missing"
            ),
            Self::NoCheckpoint { checkpoint, replaced: true } => {
                write!(f, "record {} is not the one of the checkpoint {checkpoint}", checkpoint.0.seq)
            }
            Self::NoCheckpoint { checkpoint, replaced: false } => {
                write!(f, "the record of the checkpoint {checkpoint} is missing")
            }
        }
    }
}

/// How often the chain is read from its start again because segments went away meanwhile. What took them away is retention, and
/// then the chain says so the next time; whatever it was, it is found then.
const AGAIN: usize = 3;

/// Reads the whole chain. `checkpoints` were kept elsewhere; `progress` is told how many bytes of how many were read.
pub fn verify(
    storage: &(impl Reading + ?Sized),
    checkpoints: &[Checkpoint],
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<Report> {
    for _ in 0..AGAIN {
        let listed = reading::list(storage)?;
        match verify_once(storage, &listed, checkpoints, progress) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(report) if report.has_no_start() && has_gone_on(storage, &listed)? => {}
            result => return result,
        }
    }
    verify_once(storage, &reading::list(storage)?, checkpoints, progress)
}

/// Whether segments were written to or went away since they were listed. The record that says where the chain begins now may
/// stand behind what was listed.
fn has_gone_on(storage: &(impl Reading + ?Sized), listed: &[Listed]) -> io::Result<bool> {
    let listed = listed.iter().map(|segment| (segment.name, segment.length));
    Ok(!listed.eq(storage.segments()?))
}

fn verify_once(
    storage: &(impl Reading + ?Sized),
    listed: &[Listed],
    checkpoints: &[Checkpoint],
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<Report> {
    let all = listed.iter().map(|segment| segment.length.min(segment.counts)).sum();
    let mut report = Report {
        segments: listed.len() as u64,
        records: 0,
        bytes: 0,
        first: None,
        last: None,
        ends_in: None,
        open: 0,
        unfinished: None,
        findings: Vec::new(),
        total: 0,
        found: 0,
        lost: 0,
        too_old: Vec::new(),
    };
    let mut wanted: BTreeMap<u64, Wanted> = BTreeMap::new();
    for Checkpoint(head) in checkpoints {
        wanted.entry(head.seq).or_default().hashes.insert(head.hash.0);
    }
    let mut known = Known::default();
    let mut start: Option<Head> = None;
    let newest = listed.last().map(|segment| segment.name);
    for segment in listed {
        let reader = match reading::open(storage, segment.name, segment.counts) {
            Ok(reader) => reader,
            // Retention takes the oldest away while they are read.
            Err(error) if error.kind() == io::ErrorKind::NotFound && start.is_none() => continue,
            Err(error) => return Err(error),
        };
        let mut read = report.bytes;
        let scan = recovery::scan(reader, &mut known, &mut |record| {
            start.get_or_insert(record.before());
            if let Some(wanted) = wanted.get_mut(&record.seq) {
                report.found += wanted.meet(&record.hash);
            }
            read += record.line.len() as u64 + 1;
            if record.seq.is_multiple_of(4096) {
                progress(read, all);
            }
        })?;
        report.records += scan.records;
        if scan.records > 0 {
            report.ends_in = Some(segment.name);
        }
        report.bytes += scan.bytes;
        progress(report.bytes, all);
        report.total += scan.faults.total;
        for fault in scan.faults.listed {
            report.list(Finding::Fault { segment: segment.name, fault });
        }
        match scan.tail {
            Some(tail) if tail.one_piece && Some(segment.name) == newest => {
                report.unfinished = Some((segment.name, tail));
            }
            Some(tail) if tail.one_piece => {
                let problem = recovery::Problem::Broken(crate::chain::Broken::Form);
                report.add(Finding::Fault {
                    segment: segment.name,
                    fault: Fault { line: tail.line, seq: None, problem },
                });
            }
            _ => {}
        }
    }
    let begins = known.begins.unwrap_or(Head::START);
    if let Some(start) = start {
        report.first = Some(start.seq + 1);
        let other = start.seq == begins.seq && start.hash != begins.hash;
        if start.seq > begins.seq || other {
            report.add(Finding::NoStart { first: start.seq + 1, expected: begins.seq + 1 });
        }
    }
    // Of the record before the first one that is there, the hash is known.
    if let Some(start) = start
        && let Some(wanted) = wanted.get_mut(&start.seq)
    {
        report.found += wanted.meet(&start.hash);
    }
    for (seq, Wanted { hashes, seen }) in wanted {
        for hash in hashes {
            let checkpoint = Checkpoint(Head { seq, hash: Hash(hash) });
            // What retention took away is not missing.
            if start.is_some_and(|start| seq < start.seq) {
                report.too_old.push(checkpoint);
            } else {
                report.lost += 1;
                report.add(Finding::NoCheckpoint { checkpoint, replaced: seen });
            }
        }
    }
    report.last = known.head.map(Checkpoint);
    report.open = known.open.len() as u64;
    Ok(report)
}

/// What checkpoints say of one number.
#[derive(Debug, Default)]
struct Wanted {
    /// The hashes that were not found. Of two for one number at most one can be.
    hashes: BTreeSet<[u8; 32]>,
    /// Whether there is a record of that number.
    seen: bool,
}

impl Wanted {
    /// The record of that number has this hash. Returns how many were found.
    fn meet(&mut self, hash: &Hash) -> u64 {
        self.seen = true;
        u64::from(self.hashes.remove(&hash.0))
    }
}

impl Report {
    fn add(&mut self, finding: Finding) {
        self.total += 1;
        self.list(finding);
    }

    fn has_no_start(&self) -> bool {
        self.findings.iter().any(|finding| matches!(finding, Finding::NoStart { .. }))
    }

    fn list(&mut self, finding: Finding) {
        if self.findings.len() < MOST {
            self.findings.push(finding);
        }
    }
}
