//! Following a journal that is being written: the last records, and then each that comes.
//!
//! It shows what is written, which is before it is durable. After a failure of the disk the journal writes anew what may not
//! have been durable, so that a follower may see a record twice; its `request_id` and kind are the same.

use std::collections::VecDeque;
use std::io::{self, BufReader};

use crate::lines::Lines;
use crate::segment::SegmentName;
use crate::storage::Reading;

/// A place in a journal.
#[derive(Debug)]
pub struct Follower<S> {
    storage: S,
    /// The segment, and the end of its last whole line that was shown.
    at: Option<(SegmentName, u64)>,
}

impl<S: Reading> Follower<S> {
    /// A place before the last `records` whole lines, in whichever segment that is; before the first, if there are fewer.
    pub fn before_last(storage: S, records: usize) -> io::Result<Self> {
        let mut follower = Self { storage, at: None };
        let mut left = records;
        for (segment, _) in follower.storage.segments()?.into_iter().rev().filter(|(_, length)| *length > 0) {
            // Where the last lines of this segment begin, and behind them its end.
            let mut begins = VecDeque::from([0]);
            let read = read(&follower.storage, segment, 0, &mut |_, end| {
                begins.push_back(end);
                if begins.len() - 1 > left {
                    begins.pop_front();
                }
                Ok(())
            });
            match read {
                // Retention took it away: there are fewer. The newest one, which could not be begun, has nothing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if follower.at.is_some() {
                        break;
                    }
                    continue;
                }
                other => other?,
            }
            follower.at = Some((segment, begins.front().copied().unwrap_or_default()));
            left -= begins.len() - 1;
            if left == 0 {
                break;
            }
        }
        Ok(follower)
    }

    /// Shows the lines that have come since, and returns when there is no further whole one. It ends at the first error of
    /// `see`.
    pub fn catch_up(&mut self, see: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        loop {
            // Listed before it is read: once there is a newer one, nothing is added to this.
            let segments = self.storage.segments()?;
            let (segment, from) = match self.at {
                Some(at) => at,
                None => match segments.first() {
                    Some((first, _)) => (*first, 0),
                    None => return Ok(()),
                },
            };
            let mut end = from;
            let shown = read(&self.storage, segment, from, &mut |line, after| {
                see(line)?;
                end = after;
                Ok(())
            });
            self.at = Some((segment, end));
            match shown {
                // Retention took it away.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
            // An empty one says nothing yet; somebody may have put it there, and the journal goes on before it.
            match segments.iter().find(|(name, length)| *name > segment && *length > 0) {
                Some((next, _)) => self.at = Some((*next, 0)),
                None => return Ok(()),
            }
        }
    }
}

/// Shows the whole lines of a segment from a position on, each with the position behind it.
fn read(
    storage: &impl Reading,
    segment: SegmentName,
    from: u64,
    see: &mut dyn FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut lines = Lines::new(BufReader::new(storage.read(&segment.to_string(), from)?));
    while let Some(line) = lines.next()? {
        if line.whole {
            see(line.bytes, from + line.end())?;
        }
    }
    Ok(())
}
