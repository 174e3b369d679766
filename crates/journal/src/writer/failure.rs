//! When the storage fails: what is kept, who is told, and how it goes on.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Source, Trouble, Writer, answer};
use crate::health::{Health, NotRecorded, OutcomeHeld};
use crate::queue::{Batch, Counted, What};
use crate::record::Abandoned;
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
        let (Trouble::Io(error) | Trouble::Meddled(error)) = &trouble;
        self.unwritable(error);
        if let Some(segment) = self.segment.take() {
            let (durable, head) = segment.durable;
            self.head = head;
            self.news.abandoned.push(Abandoned { segment: segment.name.number, from: durable });
            // Not a second try: what may stand there does not count, and the next segment says so. What somebody else has
            // done to the file is left as it is.
            if matches!(trouble, Trouble::Io(_)) {
                _ = self.storage.truncate(&segment.name.to_string(), durable);
            }
        }
        self.rescue = false;
        self.unsynced_since = None;
        let mut unsynced = std::mem::take(&mut self.unsynced);
        for batch in unsynced.iter_mut().rev() {
            self.unseal(batch);
        }
        for batch in unsynced {
            let kept = self.without_waiting_intents(batch);
            self.keep(kept);
        }
        let (Trouble::Io(error) | Trouble::Meddled(error)) = trouble;
        self.rescue(error);
    }

    /// Goes on elsewhere after a failure, if that is possible.
    pub(super) fn rescue(&mut self, error: io::Error) {
        let mut error = error;
        if !is_full(&error) {
            match self.fresh(Source::Nothing, &format!("after a failure: {error}")) {
                Ok(()) => return self.writable_with_reserve(),
                Err(again) => error = again,
            }
        }
        if is_full(&error) && self.reserve && self.fresh(Source::Reserve, "the disk is full").is_ok() {
            self.rescue = true;
        } else {
            self.hold_pending(&error);
        }
        self.unwritable(&error);
        self.try_again_later();
    }

    /// Tries whether the storage is well again.
    pub(super) fn try_again(&mut self) {
        let tried =
            if self.segment.is_some() { Ok(()) } else { self.fresh(Source::Nothing, "after a failure") };
        match tried {
            Ok(()) => self.writable_with_reserve(),
            Err(error) => {
                if is_full(&error) && self.reserve && self.fresh(Source::Reserve, "the disk is full").is_ok()
                {
                    self.rescue = true;
                } else {
                    self.hold_pending(&error);
                }
                self.unwritable(&error);
                self.try_again_later();
            }
        }
    }

    /// Intents are taken again, if space can be set aside for their outcomes.
    fn writable_with_reserve(&mut self) {
        if !self.reserve {
            match self.storage.set_aside(RESERVE, self.shared.settings.reserve_bytes) {
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
        self.keep(kept);
        let reason = self.reason();
        self.hold_pending(&io::Error::other(reason.to_string()));
        Batch::default()
    }

    fn keep(&mut self, mut batch: Batch) {
        if self.pending.is_empty() {
            self.pending = batch;
            return;
        }
        let mut bodies = Vec::new();
        for (entry, body) in batch.each() {
            bodies.push((std::mem::replace(&mut entry.what, What::Refusal), body.to_vec()));
        }
        for (what, body) in bodies {
            self.pending.push(what, &body);
        }
    }

    /// Refuses the intents that somebody waits for; nobody forwards them.
    pub(super) fn without_waiting_intents(&mut self, mut batch: Batch) -> Batch {
        let waiting = |what: &What| matches!(what, What::Intent(_, Some(_)) | What::Mark(_));
        if !batch.entries.iter().any(|entry| waiting(&entry.what)) {
            return batch;
        }
        let reason = self.reason();
        let (mut kept, mut refused) = (Batch::default(), 0);
        for (entry, body) in batch.each() {
            match std::mem::replace(&mut entry.what, What::Refusal) {
                What::Intent(_, Some(waiter)) => {
                    refused += 1;
                    answer(Some(waiter), Err(NotRecorded::Unwritable(Arc::clone(&reason))));
                }
                What::Mark(waiter) => answer(waiter, Err(NotRecorded::Unwritable(Arc::clone(&reason)))),
                what => kept.push(what, body),
            }
        }
        Counted::add(&self.shared.counted.refused_intents, refused as u64);
        self.shared.closed(refused);
        kept
    }

    /// Tells whoever waits for an outcome that it is held in memory.
    fn hold_pending(&mut self, error: &io::Error) {
        let reason: Arc<str> = error.to_string().into();
        for entry in &mut self.pending.entries {
            if let What::Outcome(_, waiter) = &mut entry.what {
                answer(waiter.take(), Err(OutcomeHeld(Arc::clone(&reason))));
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
