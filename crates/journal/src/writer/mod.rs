//! The thread that owns the file: takes all that waits, writes it at once, syncs once, answers all.
//!
//! When the storage fails, the segment has ended, whatever the failure was: nothing is tried on it again. What was not known
//! to be durable is written anew to a fresh segment, whose first record says where the old one ceases to count. While there is
//! no fresh segment, or only the reserve, intents are refused at once, and the storage is tried again from time to time.

mod company;
mod failure;
mod retain;
mod segment;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use patchgate_model::RequestId;
use tokio::sync::oneshot::Sender;

use crate::answers::Durable;
use crate::chain::{self, Head};
use crate::flood::Flood;
use crate::queue::{Batch, Counted, Entry, Order, Shared, What};
use crate::record::{Mark, body};
use crate::segment::{RESERVE, SegmentName};
use crate::settings::Durability;
use crate::start::Found;
use crate::storage::{Storage, is_full};
use company::Company;
use failure::Retry;
use segment::{Segment, Source};

/// Buffers that grew beyond this are given back after a burst.
const KEPT_BUFFER: usize = 1 << 20;
/// With [`Durability::Relaxed`], as much is written before it is synced, if that is sooner than the time: a sync costs little
/// beside so many records, and memory that is used again soon is fast.
const KEPT_UNSYNCED: usize = 1 << 20;
/// As many buffers are used again, of at most this size.
const MOST_SPARE: (usize, usize) = (32, 128 << 10);
/// How long after the last sync, while nothing comes, the storage is looked at: it is to be known before an edit needs it.
const LOOK: Duration = Duration::from_secs(1);

/// The writer, and what it knows.
#[derive(Debug)]
pub(crate) struct Writer {
    storage: Box<dyn Storage>,
    shared: Arc<Shared>,
    /// The end of the chain, with all that was sealed.
    head: Head,
    /// The end of what retention took away.
    begins: Head,
    /// The number of the next segment.
    number: u64,
    segment: Option<Segment>,
    /// Space is set aside for outcomes.
    reserve: bool,
    /// The disk is full: the segment is the reserve, for outcomes alone.
    rescue: bool,
    /// Sealed and written, and not known to be durable.
    unsynced: Vec<Batch>,
    unsynced_since: Option<Instant>,
    /// When the storage was last seen to be well.
    looked: Instant,
    /// To be written anew, to a fresh segment.
    pending: Batch,
    /// Intents that were sealed and have no outcome that was.
    open: HashSet<RequestId>,
    /// Intents of an earlier process without an outcome.
    orphans: Vec<String>,
    /// What the first record of the next segment tells.
    news: Mark,
    /// What is cut off then, for it stands elsewhere, too.
    moved: Vec<(SegmentName, u64)>,
    retry: Option<Retry>,
    /// When segments that may go were last looked for, in this segment.
    retained: Option<Instant>,
    /// They are being looked for.
    retaining: bool,
    company: Company,
    lines: Vec<u8>,
    /// Settled batches, to use their buffers again.
    spare: Vec<Batch>,
}

impl Writer {
    /// A writer that goes on behind what was found. It has no segment yet.
    pub(crate) fn new(storage: Box<dyn Storage>, shared: Arc<Shared>, found: Found) -> Self {
        Self {
            storage,
            shared,
            head: found.head,
            begins: found.begins,
            number: found.number,
            segment: None,
            reserve: false,
            rescue: false,
            unsynced: Vec::new(),
            unsynced_since: None,
            looked: Instant::now(),
            pending: Batch::default(),
            open: HashSet::new(),
            orphans: found.open,
            news: found.news,
            moved: found.moved,
            retry: None,
            retained: None,
            retaining: false,
            company: Company::default(),
            lines: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Begins the first segment. On a full disk the journal starts all the same, and refuses intents.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.reserve = match self.storage.set_aside(RESERVE, self.shared.settings.reserve_bytes) {
            Ok(()) => true,
            Err(error) => {
                if is_full(&error) {
                    self.unwritable(&error);
                }
                false
            }
        };
        match self.fresh(Source::Nothing, "start") {
            Ok(()) if self.reserve || self.shared.health.borrow().is_writable() => Ok(()),
            Ok(()) => {
                self.rescue = true;
                self.try_again_later();
                Ok(())
            }
            Err(error) if is_full(&error) => {
                self.unwritable(&error);
                self.rescue(error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Runs until the journal is closed.
    pub(crate) fn run(mut self) {
        let mut batch = Batch::default();
        loop {
            let until = self.due();
            let (settings, alone) = (&self.shared.settings, self.segment.is_none());
            let company = |queued| match settings.durability {
                _ if alone => (1, Duration::ZERO),
                Durability::Strict => self.company.wanted(queued),
                Durability::Relaxed => (usize::MAX, settings.written_within),
            };
            let taken = self.shared.take(&mut batch, until, company);
            // Before what was counted meanwhile is to be written: at the end there is no later.
            self.try_again_in_time(taken.stop);
            self.count_flood(&mut batch, taken.stop);
            let mut answers = Vec::new();
            for order in taken.orders {
                match order {
                    Order::Checkpoint(waiter) => answers.push(waiter),
                    Order::TakeAway(plan) => self.take_away(plan),
                }
            }
            if !answers.is_empty() || taken.stop {
                let why = if taken.stop { "end" } else { "asked for" };
                let mut answers = answers.into_iter();
                batch.push(What::Mark(why, answers.next()), &[]);
                answers.for_each(|waiter| batch.push(What::Mark(why, Some(waiter)), &[]));
            }
            batch = self.turn(batch, taken.stop);
            if taken.stop {
                let refusal = |entry: &&Entry| matches!(entry.what, What::Refusal);
                let unwritten = self.pending.entries.iter().filter(refusal).count();
                return Counted::add(&self.shared.counted.unwritten, unwritten as u64);
            }
        }
    }

    /// One round: write what was taken; sync what has waited long enough.
    fn turn(&mut self, batch: Batch, sync: bool) -> Batch {
        let now = Instant::now();
        let marks = batch.entries.iter().any(|entry| matches!(entry.what, What::Mark(..)));
        let spare = if batch.is_empty() { batch } else { self.commit(batch, sync || marks) };
        // What is not durable yet is kept in memory, to be written anew: it must not be without an end.
        let settings = &self.shared.settings;
        let kept: usize = self.unsynced.iter().map(|batch| batch.bytes.len()).sum();
        let much = kept >= (settings.most_queued / 4).min(KEPT_UNSYNCED);
        let due = |since: Instant| since + settings.synced_within <= now || much || sync;
        if self.unsynced_since.is_some_and(due)
            && let Err(trouble) = self.sync()
        {
            self.fail(trouble);
        }
        self.look(now);
        self.retain();
        spare
    }

    /// Looks whether the segment is still there, as it was written, and can still be written to.
    fn look(&mut self, now: Instant) {
        let Some(segment) = self.segment.as_ref().filter(|_| self.looked + LOOK <= now) else { return };
        let seen = self.storage.check().and_then(|()| segment.file.check(segment.length));
        self.looked = now;
        if let Err(error) = seen {
            self.fail(Trouble::Meddled(error));
        }
    }

    /// When there is something to do though nobody asks for it.
    fn due(&self) -> Option<Instant> {
        let flood = !self.lock_flood().is_empty();
        let writable = self.segment.is_some() && !self.rescue;
        [
            self.unsynced_since.map(|since| since + self.shared.settings.synced_within),
            self.retry.map(|retry| retry.at),
            self.segment.is_some().then(|| self.looked + LOOK),
            (flood && writable).then(|| Instant::now() + Duration::from_secs(1)),
            self.retain_at(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Writes a batch to the segment, and answers. What it returns is an empty batch to use again.
    fn commit(&mut self, batch: Batch, sync: bool) -> Batch {
        if self.segment.is_none() {
            return self.hold(batch);
        }
        let batch = if self.rescue { self.without_waiting_intents(batch) } else { batch };
        if let Err(trouble) = self.rotate() {
            self.unsynced.push(batch);
            self.fail(trouble);
            return Batch::default();
        }
        let begun = Instant::now();
        let carried = batch.entries.len();
        let mut batch = batch;
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        let records = self.seal(&mut batch, &mut lines);
        self.unsynced.push(batch);
        let strict = sync || self.rescue || self.shared.settings.durability == Durability::Strict;
        let result = self.write(&lines).and_then(|()| if strict { self.sync() } else { Ok(()) });
        if !strict && result.is_ok() {
            // As much as `relaxed` says of an outcome has happened to it.
            let closed = self.unsynced.last_mut().map_or(0, Batch::count_closed);
            self.shared.closed(closed);
        }
        let (counted, took) = (&self.shared.counted, begun.elapsed());
        Counted::add(&counted.commits, 1);
        Counted::add(&counted.records, records);
        Counted::add(&counted.bytes, lines.len() as u64);
        Counted::add(&counted.commit_nanoseconds, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        self.company.committed(carried, took);
        if let Some(committed) = &self.shared.settings.committed {
            committed(took);
        }
        if lines.capacity() <= KEPT_BUFFER {
            self.lines = lines;
        }
        if let Err(trouble) = result {
            self.fail(trouble);
        }
        self.spare.pop().unwrap_or_default()
    }

    /// Gives each record its place in the chain, and appends its line.
    fn seal(&mut self, batch: &mut Batch, lines: &mut Vec<u8>) -> u64 {
        let (mut records, mut own) = (0, Vec::new());
        let segment = self.segment.as_ref().map_or(self.number, |segment| segment.name.number);
        for (entry, body) in batch.each() {
            let counts = match &entry.what {
                What::Intent(id, _) => self.open.insert(*id),
                // Without an intent on record there is no outcome: the intent was refused.
                What::Outcome(id, _) => self.open.remove(id),
                What::Refusal | What::Mark(..) => true,
            };
            let body = if let What::Mark(why, _) = entry.what {
                let mark = Mark { why: why.to_owned(), segment, ..self.no_news() };
                own.clear();
                body::mark(&mut own, (self.shared.settings.clock)(), &mark);
                &own
            } else {
                body
            };
            if counts {
                self.head = chain::seal(self.head, body, lines);
                entry.sealed = Some(self.head);
                records += 1;
            }
        }
        records
    }

    fn write(&mut self, lines: &[u8]) -> Result<(), Trouble> {
        let Some(segment) = &mut self.segment else {
            return Err(Trouble::Io(io::ErrorKind::NotFound.into()));
        };
        segment.file.append(lines).map_err(Trouble::Io)?;
        segment.length += lines.len() as u64;
        segment.used = true;
        self.unsynced_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Makes all that was written durable, and answers whoever waits for it.
    fn sync(&mut self) -> Result<(), Trouble> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        segment.file.sync().map_err(Trouble::Io)?;
        segment.file.check(segment.length).map_err(Trouble::Meddled)?;
        segment.durable = (segment.length, self.head);
        self.unsynced_since = None;
        self.looked = Instant::now();
        for mut batch in std::mem::take(&mut self.unsynced) {
            self.settle(&mut batch);
            if self.spare.len() < MOST_SPARE.0 && batch.bytes.capacity() <= MOST_SPARE.1 {
                self.spare.push(batch);
            }
        }
        Ok(())
    }

    /// Answers for records that are durable, and forgets them.
    fn settle(&self, batch: &mut Batch) {
        // Before anybody is told, who may then count on it.
        self.shared.closed(batch.count_closed());
        let mut durable = Durable::default();
        for entry in batch.entries.drain(..) {
            match entry.what {
                What::Intent(_, Some(waiter)) => durable.tell(waiter),
                What::Outcome(_, Some(waiter)) => durable.tell(waiter),
                What::Intent(..) | What::Outcome(..) | What::Refusal => {}
                What::Mark(_, waiter) => answer(waiter, Ok(entry.sealed.unwrap_or(self.head))),
            }
        }
        drop(durable);
        batch.clear();
    }

    /// Goes on in a fresh segment, if this one is large or old.
    fn rotate(&mut self) -> Result<(), Trouble> {
        let settings = &self.shared.settings;
        let due = self.segment.as_ref().is_some_and(|segment| {
            segment.used
                && (segment.length >= settings.segment_bytes
                    || segment.opened.elapsed() >= settings.segment_age)
        });
        if !due || self.rescue {
            return Ok(());
        }
        self.sync()?;
        self.fresh(Source::Nothing, "rotation").map_err(Trouble::Io)?;
        self.retained = None;
        Ok(())
    }

    fn no_news(&self) -> Mark {
        Mark { begins: self.begins, ..Mark::nothing() }
    }

    fn lock_flood(&self) -> MutexGuard<'_, Flood> {
        self.shared.flood.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the records of refusals that were counted, if they can be written.
    fn count_flood(&self, batch: &mut Batch, all: bool) {
        if self.segment.is_none() || self.rescue {
            return;
        }
        let due = self.lock_flood().due(Instant::now(), all);
        let (now, mut line) = ((self.shared.settings.clock)(), Vec::new());
        for flooded in due {
            line.clear();
            body::flooded(&mut line, now, &flooded);
            batch.push(What::Refusal, &line);
        }
    }
}

/// What went wrong with a segment.
#[derive(Debug)]
enum Trouble {
    /// The storage failed.
    Io(io::Error),
    /// Somebody did something to the file.
    Meddled(io::Error),
}

fn answer<T>(waiter: Option<Sender<T>>, what: T) {
    if let Some(waiter) = waiter {
        // Whoever has gone does not wait.
        _ = waiter.send(what);
    }
}
