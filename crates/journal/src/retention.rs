//! Which whole segments may go.

use std::io;
use std::time::Duration;

use jiff::Timestamp;

use crate::chain::Head;
use crate::reading;
use crate::record::read::Record;
use crate::recovery::{self, Known};
use crate::segment::SegmentName;
use crate::storage::Reading;

/// How long records are kept. With neither limit they are kept for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// The age of a record.
    pub age: Option<Duration>,
    /// The bytes of all segments.
    pub bytes: Option<u64>,
}

/// A segment that was read and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// Its name.
    pub name: SegmentName,
    /// Its length in bytes.
    pub bytes: u64,
    /// The latest time on one of its records; the clock may have gone back in between.
    pub latest: Timestamp,
    /// The end of the chain behind it.
    pub end: Head,
}

impl Retention {
    /// Whether anything is ever taken away.
    pub fn keeps_all(&self) -> bool {
        self.age.is_none() && self.bytes.is_none()
    }

    /// Whether the oldest segment may go, where all segments together have `total` bytes.
    pub fn lets_go(&self, oldest: &Whole, total: u64, now: Timestamp) -> bool {
        let old = self.age.is_some_and(|age| now.duration_since(oldest.latest).unsigned_abs() > age);
        (old && oldest.latest < now) || self.bytes.is_some_and(|most| total > most)
    }
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    /// What may go.
    pub(crate) take_away: Option<TakeAway>,
    /// The segment at which the look ended, since it does not verify.
    pub(crate) evidence: Option<SegmentName>,
}

/// What may be taken away: segments from the start of the chain on, without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TakeAway {
    pub(crate) segments: Vec<SegmentName>,
    /// The end of the chain behind the last of them.
    pub(crate) end: Head,
}

/// Reads segments from the oldest on, as long as they may go; `begins` is the end of what went before. The newest one never
/// goes. One that does not verify stays, and so do all after it: it is evidence. To that belongs that it follows what went
/// before, and is followed by the next one: what was replaced at its end shows only there.
pub(crate) fn plan(
    storage: &(impl Reading + ?Sized),
    retention: &Retention,
    begins: Head,
    now: Timestamp,
) -> io::Result<Plan> {
    let listed = reading::list(storage)?;
    let mut total: u64 = listed.iter().map(|segment| segment.length).sum();
    let (mut known, mut plan) = (Known::default(), Plan::default());
    // What does not count at all goes with what comes behind it, and so does an empty file, of which `verify` says nothing either.
    let counts = |segment: &&reading::Listed| segment.counts.min(segment.length) > 0;
    let mut going = Vec::new();
    for (index, segment) in listed.iter().enumerate() {
        going.push(segment);
        if !counts(&segment) {
            continue;
        }
        let Some(next) = listed.iter().skip(index + 1).find(counts) else { break };
        let mut latest = Timestamp::MIN;
        let mut follows = true;
        let mut first = known.head.is_none();
        let reader = reading::open(storage, segment.name, segment.counts)?;
        let scan = recovery::scan(reader, &mut known, &mut |record| {
            let before = record.before();
            // One that should have gone already may be left; then the chain goes through the place where it begins.
            follows &= !std::mem::take(&mut first) || before.seq <= begins.seq;
            follows &= before.seq != begins.seq || before == begins;
            if let Ok(record) = Record::parse(record.line) {
                latest = latest.max(record.time);
            }
        })?;
        let holds = scan.faults.total == 0 && scan.tail.is_none() && follows;
        let followed = |end: &Head| next.opening.as_ref().is_some_and(|opening| opening.before == *end);
        // What should have gone already goes, though what followed it is gone.
        let late = |end: &Head| end.seq < begins.seq;
        let Some(end) = known.head.filter(|end| holds && (followed(end) || late(end))) else {
            plan.evidence = Some(segment.name);
            break;
        };
        if !followed(&end) {
            known = Known::default();
        }
        let whole = Whole { name: segment.name, bytes: segment.length, latest, end };
        if !late(&end) && !retention.lets_go(&whole, total, now) {
            break;
        }
        let take_away = plan.take_away.get_or_insert(TakeAway { segments: Vec::new(), end });
        take_away.end = end;
        for gone in going.drain(..) {
            total -= gone.length;
            take_away.segments.push(gone.name);
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_and_size_decide() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let name = SegmentName { number: 1, first: 1 };
        let whole = Whole { name, bytes: 10, latest: at(1000), end: Head::START };
        let age = |seconds| Retention { age: Some(Duration::from_secs(seconds)), bytes: None };
        let size = |bytes| Retention { age: None, bytes: Some(bytes) };
        let rows = [
            ("nothing set", Retention::default(), 1 << 40, 1 << 30, false),
            ("young", age(100), 50, 1100, false),
            ("old", age(100), 50, 1101, true),
            ("of the future, after the clock went back", age(100), 50, 10, false),
            ("small", size(50), 50, 1 << 30, false),
            ("large", size(49), 50, 1001, true),
        ];
        for (what, retention, total, now, goes) in rows {
            assert_eq!(retention.lets_go(&whole, total, at(now)), goes, "{what}");
        }
    }
}
