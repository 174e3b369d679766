//! What a journal finds when it is opened, and what it does about it: cut a torn tail off, say what is damaged, take up the
//! chain behind the last record.

use std::io::{self, Read as _};

use crate::chain::Head;
use crate::reading::{self, Listed};
use crate::record::{Cut, Damaged, Mark};
use crate::recovery::{self, Known, Scan, Tail};
use crate::storage::{Storage, is_full};

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
}

/// Reads the end of the chain: the last segment, and those before it up to one that begins as it should, since such a begin
/// says which intents were open there. What lies before is for `verify`.
pub(crate) fn look(storage: &dyn Storage) -> io::Result<Found> {
    let listed = reading::list(storage)?;
    let number = listed.last().map_or(0, |segment| segment.name.number) + 1;
    let from = listed.iter().rposition(|segment| segment.opening.is_some()).unwrap_or(0);
    let end = listed.get(from..).unwrap_or_default();
    let mut known = Known::default();
    let mut scans = Vec::new();
    for segment in end {
        let reader = reading::open(storage, segment.name, segment.counts)?;
        scans.push((segment, recovery::scan(reader, &mut known, &mut |_| {})?));
    }
    let mut found = Found {
        head: known.head.unwrap_or(Head::START),
        begins: known.begins.unwrap_or(Head::START),
        number,
        open: known.open.into_iter().collect(),
        news: Mark::nothing(),
    };
    mend(storage, &scans, &mut found)?;
    take_away(storage, &listed, found.begins);
    storage.sync_directory()?;
    Ok(found)
}

/// Cuts the tails behind the last record of all, and notes what else is wrong.
fn mend(storage: &dyn Storage, scans: &[(&Listed, Scan)], found: &mut Found) -> io::Result<()> {
    let last = scans.iter().rposition(|(_, scan)| scan.records > 0);
    for (index, (segment, scan)) in scans.iter().enumerate() {
        let behind_all = last.is_none_or(|last| index >= last);
        let damaged = scan.damaged_at().or_else(|| scan.tail.filter(|_| !behind_all).map(|tail| tail.line));
        if let Some(line) = damaged {
            found.news.damaged.push(Damaged { segment: segment.name.number, line });
        }
        if !behind_all {
            continue;
        }
        let name = segment.name.to_string();
        match scan.tail {
            Some(tail) => cut(storage, segment, tail, found)?,
            // What was read may be in the system's memory alone; and space may be set aside behind it.
            None => storage.truncate(&name, segment.length)?,
        }
        if scan.records == 0 {
            storage.remove(&name)?;
        }
    }
    Ok(())
}

/// Moves a tail to a file of its own. On a full disk it stays where it is, and the next record says that it does not count.
fn cut(storage: &dyn Storage, segment: &Listed, tail: Tail, found: &mut Found) -> io::Result<()> {
    let number = segment.name.number;
    let mut bytes = Vec::new();
    storage.read(&segment.name.to_string(), tail.from)?.take(tail.bytes).read_to_end(&mut bytes)?;
    let mut n = 1;
    let file = loop {
        let name = segment.name.torn(n);
        match storage.create(&name) {
            Ok(mut file) => match file.append(&bytes).and_then(|()| file.sync()) {
                Ok(()) => break name,
                Err(error) if is_full(&error) => {
                    _ = storage.remove(&name);
                    let from = tail.from;
                    found.news.abandoned.push(crate::record::Abandoned { segment: number, from });
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => n += 1,
            Err(error) => return Err(error),
        }
    };
    storage.sync_directory()?;
    storage.truncate(&segment.name.to_string(), tail.from)?;
    found.news.cut.push(Cut { segment: number, from: tail.from, bytes: tail.bytes, file });
    Ok(())
}

/// Ends what retention had begun.
fn take_away(storage: &dyn Storage, listed: &[Listed], begins: Head) {
    for pair in listed.windows(2) {
        if let [old, next] = pair
            && next.name.first <= begins.seq + 1
            && next.opening.as_ref().is_some_and(|opening| opening.before.seq <= begins.seq)
        {
            // What could not be removed is found by the next look.
            _ = storage.remove(&old.name.to_string());
        }
    }
}
