//! What a journal finds when it is opened, and what it does about it: put a torn tail aside, say what is damaged, take up the
//! chain behind the last record.

use std::io::{self, Read as _};

use crate::chain::{Broken, Head};
use crate::reading::{self, Listed};
use crate::record::{Abandoned, Cut, Damaged, Mark};
use crate::recovery::{self, Known, Opening, Scan, Tail};
use crate::segment::SegmentName;
use crate::storage::{Appending, Storage, is_full};

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The end of the chain.
    pub(crate) head: Head,
    /// The end of what retention took away.
    pub(crate) begins: Head,
    /// The number of the next segment.
    pub(crate) number: u64,
    /// Intents without an outcome.
    pub(crate) open: Vec<String>,
    /// What the next record tells of it.
    pub(crate) news: Mark,
    /// What was moved to files of its own, to be cut off once that record is durable: where, and from which byte on.
    pub(crate) moved: Vec<(SegmentName, u64)>,
}

/// Nobody writes so many segments or records. A higher number was put there, and those behind it would come to an end.
const MOST: u64 = u64::MAX / 2;

/// Reads the end of the chain: the last segment, and those before it up to one that begins as it should, since such a begin
/// says which intents were open there. What lies before is for `verify`.
pub(crate) fn look(storage: &dyn Storage) -> io::Result<Found> {
    let listed = reading::list(storage)?;
    let last = listed.last().map_or(0, |segment| segment.name.number);
    if last > MOST {
        return Err(unusable(format!(
            "the last segment has the number {last}, which no journal reaches; move it away"
        )));
    }
    let from = listed.iter().rposition(|segment| segment.opening.is_some()).unwrap_or(0);
    let end = listed.get(from..).unwrap_or_default();
    let mut known = Known::default();
    let mut scans = Vec::new();
    for segment in end {
        let reader = reading::open(storage, segment.name, segment.counts)?;
        let scan = recovery::scan(reader, &mut known, &mut |_| {})?;
        if let Some(version) = scan.newer() {
            return Err(unusable(format!("'{}': {}", segment.name, Broken::Version(version))));
        }
        if let Some(seq) = known.head.map(|head| head.seq).filter(|seq| *seq > MOST) {
            return Err(unusable(format!(
                "'{}': it ends with record {seq}, a number that no journal reaches; move it away",
                segment.name
            )));
        }
        scans.push((segment, scan));
    }
    let mut found = Found {
        head: known.head.unwrap_or(Head::START),
        begins: known.begins.unwrap_or(Head::START),
        number: last + 1,
        open: known.open.into_iter().collect(),
        news: Mark::nothing(),
        moved: Vec::new(),
    };
    mend(storage, &scans, &mut found)?;
    take_away(storage, &listed, found.begins);
    storage.sync_directory()?;
    Ok(found)
}

/// That this program can't go on behind what is there.
fn unusable(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Moves the tails behind the last record of all away, and notes what else is wrong.
fn mend(storage: &dyn Storage, scans: &[(&Listed, Scan)], found: &mut Found) -> io::Result<()> {
    let last = scans.iter().rposition(|(_, scan)| scan.records > 0);
    for (index, (segment, scan)) in scans.iter().enumerate() {
        let behind_all = last.is_none_or(|last| index >= last);
        // What a crash leaves of a record is in one piece, but where the disk has lost a part of its middle.
        let tail = scan.tail.filter(|tail| !(behind_all && tail.one_piece)).map(|tail| tail.line);
        let damaged = scan.damaged_at().or(tail);
        if let Some(line) = damaged {
            found.news.damaged.push(Damaged { segment: segment.name.number, line });
        }
        if !behind_all {
            continue;
        }
        let name = segment.name.to_string();
        // What was read may be in the system's memory alone; and space may be set aside behind it.
        storage.truncate(&name, segment.length)?;
        match scan.tail {
            Some(tail) => move_away(storage, segment, tail, found)?,
            None if scan.records == 0 => storage.remove(&name)?,
            None => {}
        }
    }
    Ok(())
}

/// Copies a tail to a file of its own. The next record says that it does not count where it is; then it is cut off there. On a
/// full disk it stays.
fn move_away(storage: &dyn Storage, segment: &Listed, tail: Tail, found: &mut Found) -> io::Result<()> {
    let number = segment.name.number;
    found.news.abandoned.push(Abandoned { segment: number, from: tail.from });
    let mut n = 1;
    let file = loop {
        let name = segment.name.torn(n);
        match storage.create(&name) {
            Ok(file) => match copy(storage, segment, tail, file) {
                Ok(()) => break name,
                Err(error) if is_full(&error) => {
                    _ = storage.remove(&name);
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => n += 1,
            Err(error) => return Err(error),
        }
    };
    storage.sync_directory()?;
    found.news.cut.push(Cut { segment: number, from: tail.from, bytes: tail.bytes, file });
    found.moved.push((segment.name, tail.from));
    Ok(())
}

/// Copies a tail, of whatever length, piece by piece.
fn copy(storage: &dyn Storage, segment: &Listed, tail: Tail, mut to: Box<dyn Appending>) -> io::Result<()> {
    let mut from = storage.read(&segment.name.to_string(), tail.from)?.take(tail.bytes);
    let mut piece = vec![0; 64 << 10];
    loop {
        match from.read(&mut piece)? {
            0 => return to.sync(),
            count => to.append(piece.get(..count).unwrap_or_default())?,
        }
    }
}

/// Ends what retention had begun.
fn take_away(storage: &dyn Storage, listed: &[Listed], begins: Head) {
    for pair in listed.windows(2) {
        if let [old, next] = pair
            && next.name.first <= begins.seq + 1
            && next
                .opening
                .as_ref()
                .is_some_and(|Opening { before, .. }| before.seq < begins.seq || *before == begins)
        {
            // What could not be removed is found by the next look; a hole behind it would be taken for somebody else's.
            if storage.remove(&old.name.to_string()).is_err() {
                return;
            }
        }
    }
}
