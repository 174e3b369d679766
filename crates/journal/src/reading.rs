//! The segments of a directory as one chain: which there are, and how much of each counts.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read as _};

use crate::recovery::{self, Opening};
use crate::segment::SegmentName;
use crate::storage::Reading;

const BUFFER: usize = 256 << 10;

/// An opening lists the intents that are open, so it can be long; a file that has no line feed is not read to its end.
const LONGEST_OPENING: u64 = 16 << 20;

/// A segment, and what is known of it without reading it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) name: SegmentName,
    pub(crate) length: u64,
    /// The bytes that count; later segments have said that what follows was written anew.
    pub(crate) counts: u64,
    /// Its first line, if that is a record that begins a segment.
    pub(crate) opening: Option<Opening>,
}

/// Lists the segments in the order of the chain. Of each the first line is read.
pub(crate) fn list(storage: &(impl Reading + ?Sized)) -> io::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for (name, length) in storage.segments()? {
        let mut first = Vec::new();
        match open(storage, name, LONGEST_OPENING) {
            Ok(mut reader) => _ = reader.read_until(b'\n', &mut first)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        let opening = first.strip_suffix(b"\n").and_then(recovery::opening);
        listed.push(Listed { name, length, counts: u64::MAX, opening });
    }
    // Of the newest as much as was there when it was listed: it may be written to. The others are read to their ends, since
    // one may have grown until the next was begun.
    if let Some(newest) = listed.last_mut() {
        newest.counts = newest.length;
    }
    let mut ends: BTreeMap<u64, u64> = BTreeMap::new();
    for segment in listed.iter_mut().rev() {
        if let Some(end) = ends.get(&segment.name.number) {
            segment.counts = segment.counts.min(*end);
        }
        for abandoned in segment.opening.iter().flat_map(|opening| &opening.abandoned) {
            let end = ends.entry(abandoned.segment).or_insert(u64::MAX);
            *end = abandoned.from.min(*end);
        }
    }
    Ok(listed)
}

/// Opens the first `counts` bytes of a segment.
pub(crate) fn open(
    storage: &(impl Reading + ?Sized),
    name: SegmentName,
    counts: u64,
) -> io::Result<impl BufRead> {
    let reader = storage.read(&name.to_string(), 0)?;
    Ok(BufReader::with_capacity(BUFFER, reader.take(counts)))
}
