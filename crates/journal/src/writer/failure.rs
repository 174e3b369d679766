//! When the storage fails: what is kept, who is told, and how it goes on.

use std::io::{self, BufReader, Read as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot::Sender;

use super::{Source, Trouble, Writer, answer};
use crate::chain::{self, Head};
use crate::health::{Health, NotRecorded, OutcomeHeld};
use crate::queue::{Batch, Counted, Entry, What};
use crate::record::Abandoned;
use crate::recovery;
use crate::segment::RESERVE;
use crate::storage::is_full;

/// When the storage is tried again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    pub(super) at: Instant,
    pub(super) wait: Duration,
}

impl Writer {
    /// The storage failed: the segment has ended.
    pub(super) fn fail(&mut self, trouble: Trouble) {
        Counted::add(&self.shared.counted.failures, 1);
        if let Some(segment) = self.segment.take() {
            let (durable, head) = segment.durable;
            let name = segment.name.to_string();
            let changed = self.changed(&name, durable, head);
            self.head = head;
            let from = changed.unwrap_or(durable);
            self.news.abandoned.push(Abandoned { segment: segment.name.number, from });
            // Not a second try: what may stand there does not count, and the next segment says so. What somebody else has
            // done to the file is left as it is.
            if matches!(trouble, Trouble::Io(_)) && changed.is_none() {
                _ = self.storage.truncate(&name, durable);
            }
        }
        self.rescue = false;
        self.unsynced_since = None;
        let mut unsynced = std::mem::take(&mut self.unsynced);
        for batch in unsynced.iter_mut().rev() {
            self.unseal(batch);
        }
        let waiting: Vec<_> = unsynced.into_iter().flat_map(|batch| self.keep(batch)).collect();
        let (Trouble::Io(error) | Trouble::Meddled(error)) = trouble;
        self.rescue(error);
        // Only now: whoever hears that its mark is not there may look whether the journal can be written.
        let reason = self.reason();
        for waiter in waiting {
            answer(waiter, Err(NotRecorded::Unwritable(Arc::clone(&reason))));
        }
    }

    /// Where what is to be written anew begins in a segment, if somebody has changed what stands before: then it is not where it
    /// was written, and must not count twice, nor may what still stands there be given up.
    fn changed(&self, name: &str, durable: u64, head: Head) -> Option<u64> {
        let end = chain::END as u64;
        let mut seal = Vec::new();
        // A file that is gone, or can't be read, may come back as it was.
        self.storage.read(name, durable.saturating_sub(end)).ok()?.take(end).read_to_end(&mut seal).ok()?;
        if chain::ends(&seal, head) {
            return None;
        }
        recovery::behind(BufReader::new(self.storage.read(name, 0).ok()?), head).ok()
    }

    /// Goes on elsewhere after a failure, if that is possible. Nobody who waits notices then.
    pub(super) fn rescue(&mut self, error: io::Error) {
        let mut error = error;
        if !is_full(&error) {
            match self.fresh(Source::Nothing, &format!("after a failure: {error}")) {
                Ok(()) => {
                    if let Some(replaced) = &self.shared.settings.replaced {
                        replaced(&error.to_string());
                    }
                    return self.writable_with_reserve();
                }
                Err(again) => error = again,
            }
        }
        self.make_do(&error);
    }

    /// Tries whether the storage is well again, if it is time to, or the `last` time.
    pub(super) fn try_again_in_time(&mut self, last: bool) {
        if self.retry.is_some_and(|retry| last || retry.at <= Instant::now()) {
            self.try_again();
        }
    }

    fn try_again(&mut self) {
        let tried =
            if self.segment.is_some() { Ok(()) } else { self.fresh(Source::Nothing, "after a failure") };
        match tried {
            Ok(()) => self.writable_with_reserve(),
            Err(error) => self.make_do(&error),
        }
    }

    /// Refuses intents, and writes outcomes to the reserve if that is what helps, else holds them.
    fn make_do(&mut self, error: &io::Error) {
        self.unwritable(error);
        let pending = std::mem::take(&mut self.pending);
        self.pending = self.without_waiting_intents(pending);
        if is_full(error) && self.reserve && self.fresh(Source::Reserve, "the disk is full").is_ok() {
            self.rescue = true;
        } else {
            self.hold_pending(error);
        }
        self.try_again_later();
    }

    /// Intents are taken again, if space can be set aside for their outcomes.
    fn writable_with_reserve(&mut self) {
        if !self.reserve {
            let bytes = self.shared.settings.reserve_bytes;
            let first = self.storage.set_aside(RESERVE, bytes);
            let set_aside = first.or_else(|error| {
                if is_full(&error) && self.give_back() {
                    self.storage.set_aside(RESERVE, bytes)
                } else {
                    Err(error)
                }
            });
            match set_aside {
                Ok(()) => self.reserve = true,
                Err(error) if is_full(&error) => {
                    self.rescue = true;
                    self.unwritable(&error);
                    return self.try_again_later();
                }
                // A storage that can't set space aside is no reason to refuse.
                Err(_) => {}
            }
        }
        (self.rescue, self.retry) = (false, None);
        self.shared.set_health(Health::Writable);
    }

    /// Gives the rest of the space of a segment that was the reserve back, once no outcome can come that needs it.
    fn give_back(&self) -> bool {
        let idle = self.open.is_empty() && self.pending.is_empty();
        let segment = self.segment.as_ref().filter(|segment| idle && segment.length == segment.durable.0);
        segment.is_some_and(|segment| {
            // One that somebody has cut would get zeros in the place of what is missing.
            segment.file.check(segment.length).is_ok()
                && self.storage.truncate(&segment.name.to_string(), segment.length).is_ok()
        })
    }

    pub(super) fn unwritable(&self, error: &io::Error) {
        let reason: Arc<str> = error.to_string().into();
        let since = match &*self.shared.health.borrow() {
            Health::Unwritable { since, .. } => *since,
            Health::Writable => (self.shared.settings.clock)(),
        };
        self.shared.set_health(Health::Unwritable { reason, since });
    }

    pub(super) fn try_again_later(&mut self) {
        let (first, most) = self.shared.settings.retry;
        let wait = self.retry.map_or(first, |retry| (retry.wait * 2).min(most));
        self.retry = Some(Retry { at: Instant::now() + wait, wait });
    }

    /// Keeps a batch for the time when there is a segment again.
    pub(super) fn hold(&mut self, batch: Batch) -> Batch {
        let kept = self.without_waiting_intents(batch);
        // Its marks were refused already.
        _ = self.keep(kept);
        let reason = self.reason();
        self.hold_pending(&io::Error::other(reason.to_string()));
        Batch::default()
    }

    /// Keeps records to be written anew, but for marks: they speak of the segment in which they were to stand. Returns who waits
    /// for these.
    fn keep(&mut self, mut batch: Batch) -> Vec<Option<Sender<Result<Head, NotRecorded>>>> {
        let mut waiting = Vec::new();
        for (entry, body) in batch.each() {
            match std::mem::replace(&mut entry.what, What::Refusal) {
                What::Mark(_, waiter) => waiting.push(waiter),
                what => self.pending.push_again(what, body, entry.closed),
            }
        }
        waiting
    }

    /// Refuses the intents that somebody waits for; nobody forwards them.
    pub(super) fn without_waiting_intents(&mut self, mut batch: Batch) -> Batch {
        let waits = |entry: &&Entry| matches!(entry.what, What::Intent(_, Some(_)));
        let refused = batch.entries.iter().filter(waits).count();
        let marks = batch.entries.iter().any(|entry| matches!(entry.what, What::Mark(..)));
        if refused == 0 && !marks {
            return batch;
        }
        // Before anybody is told, who may then count on it.
        Counted::add(&self.shared.counted.refused_intents, refused as u64);
        self.shared.closed(refused);
        let (reason, mut kept) = (self.reason(), Batch::default());
        let refusal = || NotRecorded::Unwritable(Arc::clone(&reason));
        for (entry, body) in batch.each() {
            match std::mem::replace(&mut entry.what, What::Refusal) {
                What::Intent(_, Some(waiter)) => waiter.fail(refusal()),
                What::Mark(_, waiter) => answer(waiter, Err(refusal())),
                what => kept.push_again(what, body, entry.closed),
            }
        }
        kept
    }

    /// Tells whoever waits for an outcome that it is held in memory.
    fn hold_pending(&mut self, error: &io::Error) {
        let reason: Arc<str> = error.to_string().into();
        for entry in &mut self.pending.entries {
            if let What::Outcome(_, waiter) = &mut entry.what
                && let Some(waiter) = waiter.take()
            {
                waiter.fail(OutcomeHeld(Arc::clone(&reason)));
            }
        }
    }

    fn reason(&self) -> Arc<str> {
        match &*self.shared.health.borrow() {
            Health::Unwritable { reason, .. } => Arc::clone(reason),
            Health::Writable => "the storage failed".into(),
        }
    }
}
