//! Finding edits and what else is on record, in the memory of one line and of the edits that are open there.
//!
//! An edit is found as a whole: its outcome does not repeat what its intent says, and only its outcome says what became of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use jiff::Timestamp;

use crate::chain;
use crate::lines::Lines;
use crate::reading;
use crate::record::read::{Decision, Record};
use crate::record::{Kind, Verdict};
use crate::storage::Reading;

/// The most memory for edits that are open at one place, in bytes. A gateway with the limits that it has by default has no more
/// than half of it in flight.
const MOST_OPEN: usize = 512 << 20;
/// What an open edit takes besides its texts, about.
const OVERHEAD: usize = 128;

/// Which edits and other records are wanted. What is not said is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// A key of the path, whatever its name: `2972395`.
    pub resource: Option<String>,
    /// The caller's id.
    pub caller: Option<String>,
    /// Not before this time. The time of an edit is that of its intent; of several refusals in one record, each one's counts.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Allowed or refused.
    pub decision: Option<Decision>,
    /// What became of an edit.
    pub result: Option<Verdict>,
    /// The kind of record that is shown of what was found.
    pub kind: Option<Kind>,
    /// The request.
    pub request_id: Option<String>,
}

impl Filter {
    /// Whether a record is wanted, where `about` is what it says; its kind and result are not asked here.
    fn matches(&self, record: &Record<'_>, about: &About) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let key =
            |wanted: &String| about.resource.iter().any(|(name, key)| name != "version" && key == wanted);
        self.is_in_time(record)
            && self.resource.as_ref().is_none_or(key)
            && is(&self.caller, about.caller.as_deref())
            && is(&self.request_id, record.request_id.as_deref())
            && self.decision.is_none_or(|decision| about.decision == Some(decision))
    }

    fn is_in_time(&self, record: &Record<'_>) -> bool {
        // What stands for several refusals was written behind the last of them, after an outage long behind it.
        let (first, last) = (record.since.unwrap_or(record.time), record.until.unwrap_or(record.time));
        self.since.is_none_or(|since| last >= since) && self.until.is_none_or(|until| first < until)
    }

    fn wants(&self, result: Option<Verdict>) -> bool {
        self.result.is_none_or(|wanted| result == Some(wanted))
    }

    fn shows(&self, kind: Kind) -> bool {
        self.kind.is_none_or(|wanted| kind == wanted)
    }

    /// Whether it asks for nothing that only records about requests say.
    fn is_about_every_record(&self) -> bool {
        let Self { resource, caller, decision, result, request_id, since: _, until: _, kind: _ } = self;
        let texts = [resource, caller, request_id];
        texts.iter().all(|text| text.is_none()) && decision.is_none() && result.is_none()
    }
}

/// What a record says of its subject: who, what, and whether it was allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The caller's id.
    pub caller: Option<String>,
    /// How the caller is known.
    pub known_by: Option<String>,
    /// The guard.
    pub guard: Option<String>,
    /// The route's template.
    pub route: Option<String>,
    /// The version and the keys of the path by their names.
    pub resource: BTreeMap<String, String>,
    /// Whether it was allowed.
    pub decision: Option<Decision>,
}

impl About {
    /// What a record says itself.
    pub fn of(record: &Record<'_>) -> Self {
        let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        Self {
            caller: record.caller.as_ref().and_then(|caller| owned(&caller.id)),
            known_by: record.caller.as_ref().map(|caller| caller.known_by.clone().into_owned()),
            guard: owned(&record.guard),
            route: owned(&record.route),
            resource: record.resource.clone(),
            decision: record.decision,
        }
    }
}

/// How an edit is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edits {
    /// As its records, each in its place in the chain. Where its result is asked for, the intent stands directly before the
    /// outcome, since only that says it.
    #[default]
    Apart,
    /// As one, in the place of its outcome; those that have none come at the end. Where a kind of record is asked for, apart.
    Joined,
}

/// Something that was found.
#[derive(Debug)]
pub enum Found<'f> {
    /// A record.
    Record {
        /// Its line.
        line: &'f [u8],
        /// What it says.
        record: &'f Record<'f>,
        /// What it is about; an outcome is about what its intent was.
        about: &'f About,
    },
    /// An edit.
    Edit {
        /// Its intent.
        intent: &'f Record<'f>,
        /// What became of it; nothing while it is in flight, or where the chain is damaged.
        outcome: Option<&'f Record<'f>>,
    },
}

/// Goes through records in the order of the chain, and keeps intents in mind until their outcomes come.
#[derive(Debug)]
pub struct Query {
    filter: Filter,
    edits: Edits,
    /// Intents without an outcome; nothing of those that are not wanted.
    open: HashMap<Box<str>, Option<Open>>,
    /// The memory they take, about, and the most that they may.
    bytes: usize,
    most: usize,
    /// How many were wanted and had to be forgotten.
    forgotten: u64,
    /// The number of the segment that was last begun.
    segment: Option<u64>,
}

/// An intent that is wanted.
#[derive(Debug)]
struct Open {
    seq: u64,
    about: About,
    /// Its line, where it is shown with its outcome.
    line: Option<Box<[u8]>>,
}

type See<'s> = dyn FnMut(Found<'_>) -> io::Result<()> + 's;

impl Query {
    /// A query.
    pub fn new(filter: Filter, edits: Edits) -> Self {
        let edits = if filter.kind.is_some() { Edits::Apart } else { edits };
        let open = HashMap::new();
        Self { filter, edits, open, bytes: 0, most: MOST_OPEN, forgotten: 0, segment: None }
    }

    /// How many edits were wanted and had no place in memory until their outcomes came: those are not found with them.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Takes the next record, and shows what was found with it. An error is one of `see`.
    pub fn take(&mut self, line: &[u8], record: &Record<'_>, see: &mut See<'_>) -> io::Result<()> {
        match record.kind {
            Kind::Intent | Kind::Outcome
                if !self.filter.shows(Kind::Intent) && !self.filter.shows(Kind::Outcome) =>
            {
                Ok(())
            }
            Kind::Intent => self.intent(line, record, see),
            Kind::Outcome => self.outcome(line, record, see),
            Kind::Refusal => {
                let about = About::of(record);
                let wanted = self.filter.matches(record, &about) && self.filter.wants(None);
                self.show(wanted, line, record, &about, see)
            }
            Kind::Checkpoint | Kind::Recovery => {
                // Old journals have marks that name the segment before theirs.
                if record.segment > self.segment {
                    self.segment = record.segment;
                    // Of a chain with gaps, intents would be kept in mind for ever.
                    let told: HashSet<&str> = record.open.iter().map(String::as_str).collect();
                    self.forget(&|id| !told.contains(id), see)?;
                }
                // The journal's own records are about nobody.
                let wanted = self.filter.is_about_every_record() && self.filter.is_in_time(record);
                self.show(wanted, line, record, &About::default(), see)
            }
        }
    }

    /// Shows the edits that have no outcome, where nothing more comes.
    pub fn end(&mut self, see: &mut See<'_>) -> io::Result<()> {
        self.forget(&|_| true, see)
    }

    fn intent(&mut self, line: &[u8], record: &Record<'_>, see: &mut See<'_>) -> io::Result<()> {
        let about = About::of(record);
        let wanted = self.filter.matches(record, &about);
        let waits = self.edits == Edits::Joined || self.filter.result.is_some();
        let Some(id) = record.request_id.as_deref() else {
            return self.show(wanted && self.filter.wants(None), line, record, &about, see);
        };
        self.show(wanted && !waits, line, record, &about, see)?;
        let keeps = waits && self.filter.shows(Kind::Intent);
        let open = wanted.then(|| Open { seq: record.seq, about, line: keeps.then(|| line.into()) });
        self.bytes += takes(id, open.as_ref());
        if let Some(before) = self.open.insert(id.into(), open) {
            self.bytes -= takes(id, before.as_ref());
        }
        if self.bytes <= self.most {
            return Ok(());
        }
        self.forgotten += self.open.values().flatten().count() as u64;
        self.forget(&|_| true, see)
    }

    fn outcome(&mut self, line: &[u8], record: &Record<'_>, see: &mut See<'_>) -> io::Result<()> {
        let id = record.request_id.as_deref();
        let Some((id, open)) = id.and_then(|id| Some((id, self.open.remove(id)?))) else {
            // Its intent is not there any more: it says the little that it says.
            let about = About::default();
            let wanted = self.filter.matches(record, &about) && self.filter.wants(record.result);
            return self.show(wanted, line, record, &about, see);
        };
        self.bytes -= takes(id, open.as_ref());
        let Some(Open { about, line: intent, .. }) = open.filter(|_| self.filter.wants(record.result)) else {
            return Ok(());
        };
        if let Some(kept) = intent
            && let Ok(intent) = Record::parse(&kept)
        {
            if self.edits == Edits::Joined {
                return see(Found::Edit { intent: &intent, outcome: Some(record) });
            }
            see(Found::Record { line: &kept, record: &intent, about: &about })?;
        }
        self.show(true, line, record, &about, see)
    }

    fn show(
        &self,
        wanted: bool,
        line: &[u8],
        record: &Record<'_>,
        about: &About,
        see: &mut See<'_>,
    ) -> io::Result<()> {
        if wanted && self.filter.shows(record.kind) {
            see(Found::Record { line, record, about })
        } else {
            Ok(())
        }
    }

    /// Keeps intents in mind no longer, and shows those that were to be shown with their outcomes.
    fn forget(&mut self, which: &dyn Fn(&str) -> bool, see: &mut See<'_>) -> io::Result<()> {
        let mut gone: Vec<Open> =
            self.open.extract_if(|id, _| which(id)).filter_map(|(_, open)| open).collect();
        self.bytes = self.open.iter().map(|(id, open)| takes(id, open.as_ref())).sum();
        if self.edits == Edits::Apart || !self.filter.wants(None) {
            return Ok(());
        }
        gone.sort_unstable_by_key(|open| open.seq);
        for line in gone.into_iter().filter_map(|open| open.line) {
            if let Ok(intent) = Record::parse(&line) {
                see(Found::Edit { intent: &intent, outcome: None })?;
            }
        }
        Ok(())
    }
}

/// The memory that an open intent takes, about.
fn takes(id: &str, open: Option<&Open>) -> usize {
    let open = open.map_or(0, |open| OVERHEAD * 4 + open.line.as_ref().map_or(0, |line| line.len()));
    OVERHEAD + id.len() + open
}

/// Shows each record's line, in the order of the chain; lines that are no records are left out, since `verify` tells of them.
/// It ends at the first error of `see`. Returns how many lines were left out, but for one that is being written.
pub fn each(
    storage: &(impl Reading + ?Sized),
    see: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut left_out = 0;
    let listed = reading::list(storage)?;
    let newest = listed.last().map(|segment| segment.name);
    for segment in listed {
        let reader = match reading::open(storage, segment.name, segment.counts) {
            Ok(reader) => reader,
            // Retention took it away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut lines = Lines::new(reader);
        while let Some(line) = lines.next()? {
            match chain::open(line.bytes) {
                Ok(_) if line.whole => see(line.bytes)?,
                _ if !line.whole && Some(segment.name) == newest => {}
                _ => left_out += 1,
            }
        }
    }
    Ok(left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than can be kept in mind is told of: an outcome without its intent says neither who nor what.
    #[test]
    fn what_is_forgotten_is_counted() {
        let record = |kind: &str, number: u32| {
            format!(
                r#"{{"seq":{number},"time":"2026-11-24T08:00:00Z","kind":"{kind}","request_id":"{number}","caller":{{"id":"tool","known_by":"test"}},"edit":"{}","result":"applied"}}"#,
                "x".repeat(1000)
            )
        };
        for (most, found, forgotten) in [(MOST_OPEN, 8, 0), (10_000, 2, 6)] {
            let filter = Filter {
                caller: Some("tool".to_owned()),
                result: Some(Verdict::Applied),
                ..Filter::default()
            };
            let mut query = Query { most, ..Query::new(filter, Edits::Joined) };
            let mut edits = 0;
            for line in (0..8).map(|n| record("intent", n)).chain((0..8).map(|n| record("outcome", n))) {
                let record = Record::parse(line.as_bytes()).unwrap();
                let see = &mut |found: Found<'_>| {
                    edits += u32::from(matches!(found, Found::Edit { .. }));
                    Ok(())
                };
                query.take(line.as_bytes(), &record, see).unwrap();
            }
            assert_eq!((edits, query.forgotten()), (found, forgotten), "{most}");
        }
    }
}
