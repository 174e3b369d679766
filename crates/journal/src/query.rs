//! Finding records, in the memory of one line.

use std::collections::HashSet;
use std::io;

use jiff::Timestamp;

use crate::chain;
use crate::lines::Lines;
use crate::reading;
use crate::record::Kind;
use crate::record::read::{Decision, Record};
use crate::storage::Reading;

/// Which records are wanted. What is not said is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// A key of the path, whatever its name: `2972395`.
    pub resource: Option<String>,
    /// The caller's id.
    pub caller: Option<String>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Allowed or refused.
    pub decision: Option<Decision>,
    /// The request.
    pub request_id: Option<String>,
}

impl Filter {
    /// Whether a record is wanted for what it says itself.
    pub fn matches(&self, record: &Record<'_>) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let key =
            |wanted: &String| record.resource.iter().any(|(name, key)| name != "version" && key == wanted);
        let caller = record.caller.as_ref().and_then(|caller| caller.id.as_deref());
        self.resource.as_ref().is_none_or(key)
            && is(&self.caller, caller)
            && is(&self.request_id, record.request_id.as_deref())
            && self.in_time(record)
            && self.decision.is_none_or(|decision| record.decision == Some(decision))
    }

    fn in_time(&self, record: &Record<'_>) -> bool {
        self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
    }

    /// Whether it asks for nothing but times.
    fn asks_of_time_alone(&self) -> bool {
        let Self { resource, caller, decision, request_id, since: _, until: _ } = self;
        resource.is_none() && caller.is_none() && decision.is_none() && request_id.is_none()
    }
}

/// Goes through records in the order of the chain. An outcome does not repeat what its intent says, so it is wanted where
/// its intent was.
#[derive(Debug, Default)]
pub struct Query {
    filter: Filter,
    /// Intents that were wanted, and have no outcome yet.
    open: HashSet<String>,
}

impl Query {
    /// A query.
    pub fn new(filter: Filter) -> Self {
        Self { filter, open: HashSet::new() }
    }

    /// Whether the next record is wanted.
    pub fn wants(&mut self, record: &Record<'_>) -> bool {
        match record.kind {
            Kind::Intent => {
                let wanted = self.filter.matches(record);
                if wanted && let Some(id) = &record.request_id {
                    self.open.insert(id.clone().into_owned());
                }
                wanted
            }
            Kind::Outcome => {
                let known = record.request_id.as_deref().is_some_and(|id| self.open.remove(id));
                known || self.filter.matches(record)
            }
            Kind::Refusal => self.filter.matches(record),
            // The journal's own records are about nobody.
            Kind::Checkpoint | Kind::Recovery => {
                self.filter.asks_of_time_alone() && self.filter.in_time(record)
            }
        }
    }
}

/// Shows each record's line, in the order of the chain; lines that are no records are left out, since `verify` tells of them.
/// It ends at the first error of `see`.
pub fn each(
    storage: &(impl Reading + ?Sized),
    see: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    for segment in reading::list(storage)? {
        let reader = match reading::open(storage, segment.name, segment.counts) {
            Ok(reader) => reader,
            // Retention took it away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut lines = Lines::new(reader);
        while let Some(line) = lines.next()? {
            if line.whole && chain::open(line.bytes).is_ok() {
                see(line.bytes)?;
            }
        }
    }
    Ok(())
}
