//! Taking old segments away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use super::Writer;
use crate::queue::{Batch, Counted, Order, What};
use crate::retention::{self, Plan, TakeAway};

impl Writer {
    /// When to look for segments that may go: once a segment is begun, and as often as one would be if there were records.
    /// What one look found is taken away before the next one begins: it would count it again.
    pub(super) fn retain_at(&self) -> Option<Instant> {
        let settings = &self.shared.settings;
        let may = self.segment.is_some() && !self.rescue && !self.retaining;
        let looks = may && !settings.retention.keeps_all();
        looks.then(|| self.retained.map_or_else(Instant::now, |last| last + settings.segment_age))
    }

    /// Looks for segments that may go, if it is time to, in a thread of its own, since it reads them.
    pub(super) fn retain(&mut self) {
        if self.retain_at().is_none_or(|at| at > Instant::now()) {
            return;
        }
        // What gets old can go only in a segment that has ended, also if nothing comes any more.
        if let Err(trouble) = self.rotate() {
            self.fail(trouble);
            return;
        }
        self.retained = Some(Instant::now());
        let retention = self.shared.settings.retention;
        let (reader, shared) = (self.storage.reader(), Arc::clone(&self.shared));
        let (begins, now) = (self.begins, (self.shared.settings.clock)());
        // Without a thread nothing is taken away, until the next look.
        let looking = thread::Builder::new().name("journal-retention".to_owned()).spawn(move || {
            let plan = retention::plan(&*reader, &retention, begins, now);
            let take_away = if let Ok(Plan { take_away, evidence }) = plan {
                shared.counted.evidence.store(evidence.map_or(0, |name| name.number), Ordering::Relaxed);
                take_away
            } else {
                Counted::add(&shared.counted.failures, 1);
                None
            };
            shared.order(Order::TakeAway(take_away));
        });
        self.retaining = looking.is_ok();
    }

    /// Says on record that the chain begins later, and then takes the segments before that away.
    pub(super) fn take_away(&mut self, plan: Option<TakeAway>) {
        self.retaining = false;
        let Some(plan) = plan else { return };
        // One that could not be removed last time lies before where the chain begins; that never goes back.
        let end = if plan.end.seq > self.begins.seq { plan.end } else { self.begins };
        let before = std::mem::replace(&mut self.begins, end);
        let mut batch = Batch::default();
        batch.push(What::Mark("retention", None), &[]);
        let failures = self.shared.counted.failures.load(Ordering::Relaxed);
        if self.segment.is_some() && !self.rescue {
            self.commit(batch, true);
        }
        let failed = self.shared.counted.failures.load(Ordering::Relaxed) != failures;
        if failed || self.segment.is_none() || self.rescue {
            self.begins = before;
            return;
        }
        // The oldest first, so that what is left is a chain after a crash, too.
        let removed = plan.segments.iter().try_for_each(|name| self.storage.remove(&name.to_string()));
        // What could not be removed is found by the next look.
        if removed.and_then(|()| self.storage.sync_directory()).is_err() {
            Counted::add(&self.shared.counted.failures, 1);
        }
    }
}
