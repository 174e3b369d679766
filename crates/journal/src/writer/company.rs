//! How long a commit waits for company.
//!
//! One sync costs the same for one record as for thirty. So where many callers are active, a commit waits until those who can
//! come have come, yet no longer than two syncs take; while it waits, they work. Whoever is alone does not wait.

use std::time::Duration;

/// With fewer who are active, nobody waits for another.
const FEW: usize = 4;
/// However slow the disk is.
const MOST: Duration = Duration::from_millis(1);

/// What is known of those who record. Pure: times and numbers are arguments.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// How many records the last commit carried.
    last: usize,
    /// About as many callers are active.
    active: usize,
    /// About as long takes a commit.
    took: Duration,
}

impl Company {
    /// A commit is over.
    pub(super) fn committed(&mut self, records: usize, took: Duration) {
        self.last = records;
        self.took = if self.took.is_zero() { took } else { (self.took * 7 + took) / 8 };
    }

    /// So many records wait when the next commit could begin: how many it waits for, and how long at most.
    pub(super) fn wanted(&mut self, queued: usize) -> (usize, Duration) {
        // Who was answered by the last commit may come again; who came during it waits now.
        let seen = std::mem::take(&mut self.last) + queued;
        self.active = seen.max(self.active - self.active.div_ceil(4));
        let wanted = if self.active < FEW { 1 } else { self.active };
        (wanted, (self.took * 2).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: Duration = Duration::from_micros(200);

    #[test]
    fn who_is_alone_does_not_wait() {
        let mut company = Company::default();
        for _ in 0..100 {
            assert_eq!(company.wanted(1).0, 1);
            company.committed(1, SYNC);
        }
    }

    #[test]
    fn those_who_are_active_are_waited_for() {
        let mut company = Company::default();
        company.committed(20, SYNC);
        assert_eq!(company.wanted(12), (32, SYNC * 2));
    }

    #[test]
    fn those_who_have_left_are_soon_waited_for_no_more() {
        let mut company = Company::default();
        company.committed(128, SYNC);
        company.wanted(0);
        let waited = (0..).take_while(|_| {
            company.committed(1, SYNC);
            company.wanted(1).0 > 1
        });
        assert!(waited.count() < 20);
    }

    #[test]
    fn a_slow_disk_is_not_waited_for_as_long() {
        let mut company = Company::default();
        company.committed(10, Duration::from_secs(3));
        assert_eq!(company.wanted(10).1, MOST);
    }
}
