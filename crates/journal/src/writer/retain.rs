//! Taking old segments away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use super::Writer;
use crate::queue::{Batch, Order};
use crate::retention::{self, TakeAway};

impl Writer {
    /// Looks for segments that may go, in a thread of its own, since it reads them; once for each segment that is begun.
    pub(super) fn retain(&mut self) {
        let retention = self.shared.settings.retention;
        if self.retaining || retention.keeps_all() || self.segment.is_none() || self.rescue {
            return;
        }
        self.retaining = true;
        let (reader, shared) = (self.storage.reader(), Arc::clone(&self.shared));
        let now = (self.shared.settings.clock)();
        // Without a thread nothing is taken away, until the next segment.
        _ = thread::Builder::new().name("journal-retention".to_owned()).spawn(move || {
            let plan = retention::plan(&*reader, &retention, now).unwrap_or_default();
            shared.order(Order::TakeAway(plan));
        });
    }

    /// Says on record that the chain begins later, and then takes the segments before that away.
    pub(super) fn take_away(&mut self, plan: Option<TakeAway>) {
        let Some(plan) = plan else { return };
        let before = std::mem::replace(&mut self.begins, plan.end);
        let mut batch = Batch::default();
        self.push_mark(&mut batch, "retention", None);
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
        _ = removed.and_then(|()| self.storage.sync_directory());
    }
}
