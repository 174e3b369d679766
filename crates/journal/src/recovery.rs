//! Following the chain through the bytes of segments: what holds, what does not, where a torn tail begins, which intents
//! have no outcome. Pure: bytes come in as a reader. The start of a journal and `audit verify` both go this way.

use std::collections::BTreeSet;
use std::io::{self, BufRead};

use crate::chain::{self, Broken, FORMAT, Head, Sealed};
use crate::lines::Lines;
use crate::record::read::Brief;
use crate::record::{Abandoned, Kind};

/// What is known at a place in the chain.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The last record, once there was one.
    pub head: Option<Head>,
    /// The end of what retention took away at the start of the chain, as the latest record says it.
    pub begins: Option<Head>,
    /// The ids of the intents without an outcome.
    pub open: BTreeSet<String>,
}

/// Something in a segment that is not as the journal wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: u64,
    /// The `seq` of the record there, if it can be read.
    pub seq: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The line is no record, or was changed.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// Records are not there.
    #[error("{} missing before it", if from == to { format!("record {from} is") } else { format!("records {from} to {to} are") })]
    Missing {
        /// The first of them.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A record stands in the wrong place, or twice.
    #[error("it is not in its place: record {expected} was to come")]
    OutOfPlace {
        /// The `seq` that was to come.
        expected: u64,
    },
    /// The number is right and the hash of the record before is not.
    #[error("the record before it is not the one that it was written after: that one was replaced")]
    Replaced,
    /// The chain holds, and the record can't be understood.
    #[error("its content cannot be read: {0}")]
    Content(String),
    /// An outcome whose intent is not there.
    #[error("there is no intent to this outcome, request {0}")]
    NoIntent(String),
    /// An intent that got lost: neither an outcome, nor told of as open.
    #[error("the intent of request {0}, before this record, has no outcome and is not told of as open")]
    Forgotten(String),
}

/// Faults, the first of them listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// At most [`Faults::MOST`].
    pub listed: Vec<Fault>,
    /// All of them.
    pub total: u64,
}

impl Faults {
    /// How many are listed of one segment.
    pub const MOST: usize = 1000;

    fn add(&mut self, line: u64, seq: Option<u64>, problem: Problem) {
        self.total += 1;
        if self.listed.len() < Self::MOST {
            self.listed.push(Fault { line, seq, problem });
        }
    }
}

/// The end of a segment behind its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The line at which it begins, from 1.
    pub line: u64,
    /// Where it begins, in bytes.
    pub from: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Whether it is one line without its line feed: as a record looks that is being written.
    pub one_piece: bool,
}

/// What was found in one segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Records whose hash is right.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is wrong, the lines of the tail among it, but for one that is in one piece.
    pub faults: Faults,
    /// What stands behind the last record.
    pub tail: Option<Tail>,
}

impl Scan {
    /// The first line at fault that is not in the tail.
    pub fn damaged_at(&self) -> Option<u64> {
        let tail = self.tail.map_or(u64::MAX, |tail| tail.line);
        self.faults.listed.iter().map(|fault| fault.line).find(|line| *line < tail)
    }

    /// The version of a format that only a newer program knows, if the segment is of one. Such a program begins a segment of its
    /// own: in the midst of one it is damage.
    pub(crate) fn newer(&self) -> Option<u64> {
        self.faults.listed.iter().find_map(|fault| match fault.problem {
            Problem::Broken(Broken::Version(version)) if version > FORMAT && fault.line == 1 => Some(version),
            _ => None,
        })
    }
}

/// Reads a segment. `known` is what is known before it, and behind it when this returns; `see` is shown each record whose hash
/// is right.
///
/// A record at fault is passed over, and the next is compared with what it says itself: one change is one fault of the chain.
pub fn scan(segment: impl BufRead, known: &mut Known, see: &mut dyn FnMut(&Sealed<'_>)) -> io::Result<Scan> {
    let mut scan = Scan::default();
    let mut lines = Lines::new(segment);
    // Broken lines since the last good one.
    let mut passed_over = 0;
    while let Some(line) = lines.next()? {
        scan.bytes = line.end();
        let opened = if line.whole { chain::open(line.bytes) } else { Err(Broken::Form) };
        let record = match opened {
            Ok(record) => record,
            Err(broken) => {
                let tail = scan.tail.get_or_insert(Tail {
                    line: line.number,
                    from: line.from,
                    bytes: 0,
                    one_piece: !line.whole,
                });
                tail.bytes = line.end() - tail.from;
                if line.whole || !tail.one_piece {
                    scan.faults.add(line.number, None, Problem::Broken(broken));
                }
                passed_over += 1;
                continue;
            }
        };
        scan.tail = None;
        if let Some(problem) = place(known.head, &record, passed_over) {
            scan.faults.add(line.number, Some(record.seq), problem);
        }
        if let Err(problem) = take_in(known, &record, line.number == 1) {
            scan.faults.add(line.number, Some(record.seq), problem);
        }
        known.head = Some(record.head());
        scan.records += 1;
        passed_over = 0;
        see(&record);
    }
    Ok(scan)
}

/// What is wrong with the place of a record, if anything. So many lines before it were broken: that
/// many numbers may be left out, and the hash of the last of them is not known.
fn place(head: Option<Head>, record: &Sealed<'_>, passed_over: u64) -> Option<Problem> {
    let head = head?;
    let expected = head.seq.saturating_add(1);
    if head.is_followed_by(record) || (record.seq > expected && record.seq - expected <= passed_over) {
        return None;
    }
    Some(match record.seq {
        seq if seq > expected => Problem::Missing { from: expected, to: seq - 1 },
        seq if seq < expected => Problem::OutOfPlace { expected },
        _ => Problem::Replaced,
    })
}

/// Takes in what a record says about intents and the chain. `first` says that it begins a segment.
fn take_in(known: &mut Known, record: &Sealed<'_>, first: bool) -> Result<(), Problem> {
    let brief = Brief::parse(record.line).map_err(|error| Problem::Content(error.to_string()))?;
    let id = || brief.request_id.as_deref().unwrap_or_default();
    match brief.kind {
        Kind::Intent => _ = known.open.insert(id().to_owned()),
        Kind::Outcome if !known.open.remove(id()) => return Err(Problem::NoIntent(id().to_owned())),
        Kind::Outcome | Kind::Refusal => {}
        Kind::Checkpoint | Kind::Recovery => {
            if let Some(begins) = brief.begins.as_ref().and_then(super::record::read::Begins::head) {
                known.begins = Some(begins);
            }
            if first {
                let told: BTreeSet<String> = brief.open.into_iter().collect();
                let forgotten = known.open.difference(&told).next().cloned();
                known.open = told;
                return forgotten.map_or(Ok(()), |id| Err(Problem::Forgotten(id)));
            }
        }
    }
    Ok(())
}

/// Where the records begin that come behind a place in the chain: before the first of them whose hash is right, and if there is
/// none, at the end. In a segment that somebody has cut they stand before the place where they were written.
pub(crate) fn behind(segment: impl BufRead, head: Head) -> io::Result<u64> {
    let mut lines = Lines::new(segment);
    let mut end = 0;
    while let Some(line) = lines.next()? {
        if line.whole && chain::open(line.bytes).is_ok_and(|record| record.seq > head.seq) {
            return Ok(line.from);
        }
        end = line.end();
    }
    Ok(end)
}

/// What the first line of a segment says, if it is a record that begins one.
pub(crate) fn opening(line: &[u8]) -> Option<Opening> {
    let record = chain::open(line).ok()?;
    let brief = Brief::parse(record.line).ok()?;
    matches!(brief.kind, Kind::Checkpoint | Kind::Recovery)
        .then_some(Opening { before: record.before(), abandoned: brief.abandoned })
}

/// The begin of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    /// The end of the chain before it.
    pub(crate) before: Head,
    /// What does not count of earlier segments.
    pub(crate) abandoned: Vec<Abandoned>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A segment of outcomes and intents.
    fn segment() -> (Vec<u8>, u64) {
        let (mut lines, mut head) = (Vec::new(), Head::START);
        let first = r#""kind":"checkpoint","begins":{"seq":1,"prev":"x"}"#.to_owned();
        let more = (0..12).map(|n| {
            let kind = if n % 2 == 0 { "intent" } else { "outcome" };
            format!(r#""kind":"{kind}","request_id":"{}""#, n / 2)
        });
        for body in std::iter::once(first).chain(more) {
            head = chain::seal(head, body.as_bytes(), &mut lines);
        }
        (lines, head.seq)
    }

    fn scanned(bytes: &[u8]) -> (Scan, Known) {
        let mut known = Known::default();
        (scan(bytes, &mut known, &mut |_| {}).unwrap(), known)
    }

    #[test]
    fn a_tail_cut_at_every_byte_is_told_from_damage() {
        let (lines, _) = segment();
        for length in 0..lines.len() {
            let (scan, known) = scanned(&lines[..length]);
            assert_eq!(scan.faults, Faults::default(), "at {length}");
            let whole = lines[..length].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let tail = scan.tail.map_or((length, 0), |tail| {
                (usize::try_from(tail.from).unwrap(), usize::try_from(tail.bytes).unwrap())
            });
            assert_eq!(tail, (whole, length - whole), "at {length}");
            // Every other record but the first is an intent.
            assert_eq!(
                known.open.len() as u64,
                u64::from(scan.records > 0 && scan.records % 2 == 0),
                "at {length}"
            );
        }
    }

    #[test]
    fn a_record_replaced_with_a_hash_of_its_own_is_found() {
        let (lines, last) = segment();
        let mut lines: Vec<Vec<u8>> =
            lines.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let before = chain::open(lines[1].strip_suffix(b"\n").unwrap()).unwrap().head();
        lines[2].clear();
        chain::seal(before, br#""kind":"outcome","request_id":"0","result":"applied""#, &mut lines[2]);
        let (scan, known) = scanned(&lines.concat());
        assert_eq!(scan.faults.listed, [Fault { line: 4, seq: Some(4), problem: Problem::Replaced }]);
        assert_eq!(known.head.unwrap().seq, last);
    }

    proptest! {
        #[test]
        fn whatever_is_written_over_is_found_and_what_follows_is_kept(
            from in any::<prop::sample::Index>(),
            noise in prop::collection::vec(any::<u8>(), 1..400),
        ) {
            let (mut lines, last) = segment();
            let (from, whole) = (from.index(lines.len()), lines.clone());
            let to = lines.len().min(from + noise.len());
            lines[from..to].copy_from_slice(&noise[..to - from]);
            let (scan, known) = scanned(&lines);
            if lines == whole {
                prop_assert_eq!(scan.faults.total, 0);
            } else {
                prop_assert!(scan.faults.total > 0 || scan.tail.is_some());
                let reached_the_end = whole[to..].split(|byte| *byte == b'\n').count() < 3;
                prop_assert!(known.head.is_some_and(|head| head.seq == last) || reached_the_end);
            }
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            _ = scanned(&bytes);
        }
    }
}
