//! Finding records, in the memory of one line.

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

/// Which records are wanted. What is not said is not asked. An outcome does not repeat what its intent says, and counts as
/// saying it.
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
    /// What became of the edit. Only outcomes say that.
    pub result: Option<Verdict>,
    /// The kind of the record.
    pub kind: Option<Kind>,
    /// The request.
    pub request_id: Option<String>,
}

impl Filter {
    /// Whether a record is wanted, where `about` is what it says, or for an outcome what its intent said.
    fn matches(&self, record: &Record<'_>, about: &About) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let key =
            |wanted: &String| about.resource.iter().any(|(name, key)| name != "version" && key == wanted);
        self.of_every_record(record)
            && self.resource.as_ref().is_none_or(key)
            && is(&self.caller, about.caller.as_deref())
            && is(&self.request_id, record.request_id.as_deref())
            && self.decision.is_none_or(|decision| about.decision == Some(decision))
            && self.result.is_none_or(|result| record.result == Some(result))
    }

    /// What can be asked of each record.
    fn of_every_record(&self, record: &Record<'_>) -> bool {
        self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
            && self.kind.is_none_or(|kind| record.kind == kind)
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

/// Goes through records in the order of the chain, and keeps in mind what intents without an outcome are about.
#[derive(Debug, Default)]
pub struct Query {
    filter: Filter,
    open: HashMap<String, About>,
    /// The number of the segment that was last begun.
    segment: Option<u64>,
}

impl Query {
    /// A query.
    pub fn new(filter: Filter) -> Self {
        Self { filter, ..Self::default() }
    }

    /// Whether the next record is wanted, and if so what it is about; an outcome is about what its intent was.
    pub fn take(&mut self, record: &Record<'_>) -> Option<About> {
        let wanted = |about: About| self.filter.matches(record, &about).then_some(about);
        match record.kind {
            Kind::Intent => {
                let about = About::of(record);
                if let Some(id) = &record.request_id {
                    self.open.insert(id.clone().into_owned(), about.clone());
                }
                wanted(about)
            }
            Kind::Outcome => {
                let intent = record.request_id.as_deref().and_then(|id| self.open.remove(id));
                wanted(intent.unwrap_or_default())
            }
            Kind::Refusal => wanted(About::of(record)),
            Kind::Checkpoint | Kind::Recovery => {
                if record.segment != self.segment {
                    self.segment = record.segment;
                    // Of a chain with gaps, intents would be kept in mind for ever.
                    let told: HashSet<&str> = record.open.iter().map(String::as_str).collect();
                    self.open.retain(|id, _| told.contains(id.as_str()));
                }
                // The journal's own records are about nobody.
                let wanted = self.filter.is_about_every_record() && self.filter.of_every_record(record);
                wanted.then(About::default)
            }
        }
    }
}

/// Shows each record's line, in the order of the chain; lines that are no records are left out, since `verify` tells of them.
/// It ends at the first error of `see`. Returns how many whole lines were left out.
pub fn each(
    storage: &(impl Reading + ?Sized),
    see: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<u64> {
    let mut left_out = 0;
    for segment in reading::list(storage)? {
        let reader = match reading::open(storage, segment.name, segment.counts) {
            Ok(reader) => reader,
            // Retention took it away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut lines = Lines::new(reader);
        while let Some(line) = lines.next()? {
            match chain::open(line.bytes) {
                _ if !line.whole => {}
                Ok(_) => see(line.bytes)?,
                Err(_) => left_out += 1,
            }
        }
    }
    Ok(left_out)
}
