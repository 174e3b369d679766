//! The incidents in memory.
//!
//! Invariant: each edit moves `lastUpdateDateTime` on, also when the clock stands still or goes back; the last
//! writer wins.

use jiff::{SignedDuration, Timestamp};

use crate::incident::Incident;
use crate::patch::Change;

/// The unit of Graph's times.
const TICK: SignedDuration = SignedDuration::from_nanos(100);

/// All incidents, newest first.
#[derive(Debug)]
pub(crate) struct Store {
    incidents: Vec<Incident>,
}

impl Store {
    /// The incidents that every emulator starts with.
    ///
    /// A test reads the same text, so the error is one that no build shows.
    pub(crate) fn seeded() -> Result<Self, serde_json::Error> {
        let mut incidents: Vec<Incident> = serde_json::from_str(include_str!("seed.json"))?;
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.created_date_time));
        Ok(Self { incidents })
    }

    pub(crate) fn empty() -> Self {
        Self { incidents: Vec::new() }
    }

    pub(crate) fn all(&self) -> &[Incident] {
        &self.incidents
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Incident> {
        self.incidents.iter().find(|incident| incident.id == id)
    }

    /// Applies the changes, in their order, and gives the incident as it is then. No change leaves it untouched.
    pub(crate) fn edit(
        &mut self,
        id: &str,
        changes: Vec<Change>,
        by: &str,
        now: Timestamp,
    ) -> Option<&Incident> {
        let incident = self.incidents.iter_mut().find(|incident| incident.id == id)?;
        if !changes.is_empty() {
            incident.last_update_date_time = later(incident.last_update_date_time, now);
            incident.last_modified_by = Some(by.to_owned());
        }
        for change in changes {
            change.apply(incident);
        }
        Some(incident)
    }
}

/// `now` in ticks, or one tick after `last` where that is later.
fn later(last: Timestamp, now: Timestamp) -> Timestamp {
    let now = Timestamp::new(now.as_second(), now.subsec_nanosecond() / 100 * 100).unwrap_or(now);
    let next = last.checked_add(TICK).unwrap_or(last);
    now.max(next)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::incident::{CLASSIFICATION, DETERMINATION, SEVERITY, STATUS};

    fn seeded() -> Store {
        Store::seeded().unwrap()
    }

    #[test]
    fn the_seed_is_readable_varied_and_spelled_as_documented() {
        let store = seeded();
        assert!(store.all().len() >= 12);
        assert!(store.get("2972395").is_some());
        let ids: BTreeSet<_> = store.all().iter().map(|incident| &incident.id).collect();
        assert_eq!(ids.len(), store.all().len());
        for incident in store.all() {
            assert_eq!(STATUS.member(&incident.status), Some(incident.status.as_str()));
            assert_eq!(SEVERITY.member(&incident.severity), Some(incident.severity.as_str()));
            if let Some(text) = &incident.classification {
                assert_eq!(CLASSIFICATION.member(text), Some(text.as_str()));
            }
            if let Some(text) = &incident.determination {
                assert_eq!(DETERMINATION.member(text), Some(text.as_str()));
            }
            if let Some(id) = &incident.redirect_incident_id {
                assert!(store.get(id).is_some(), "{id}");
            }
            assert!(incident.created_date_time <= incident.last_update_date_time);
        }
        let statuses: BTreeSet<_> = store.all().iter().map(|incident| incident.status.as_str()).collect();
        assert!(statuses.is_superset(&["active", "resolved", "inProgress", "redirected"].into()));
        assert!(statuses.contains("awaitingAction"));
    }

    #[test]
    fn the_time_of_the_last_update_moves_on_even_if_the_clock_does_not() {
        let mut store = seeded();
        let mut last = store.get("2972395").unwrap().last_update_date_time;
        for now in [last, last, Timestamp::UNIX_EPOCH, Timestamp::MAX, last] {
            let change = vec![Change::Status("active")];
            let next = store.edit("2972395", change, "a test", now).unwrap().last_update_date_time;
            assert!(next > last || last >= Timestamp::MAX - TICK, "{next} {last}");
            last = next;
        }
    }

    #[test]
    fn an_edit_without_changes_is_none() {
        let mut store = seeded();
        let before = store.get("2972395").unwrap().last_update_date_time;
        let after = store.edit("2972395", Vec::new(), "a test", Timestamp::MAX).unwrap();
        assert_eq!(after.last_update_date_time, before);
        assert!(store.edit("1", Vec::new(), "a test", Timestamp::MAX).is_none());
    }
}
