//! A record as a reader finds it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Abandoned, Kind, Verdict};
use crate::chain::{Hash, Head};

/// A record, all of it. Members that this version does not know are passed over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record<'a> {
    /// Its number.
    pub seq: u64,
    /// When it was written, by the clock of that moment. Order is `seq`'s alone.
    pub time: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// The request.
    #[serde(borrow, default)]
    pub request_id: Option<Cow<'a, str>>,
    /// The trace.
    #[serde(borrow, default)]
    pub trace_id: Option<Cow<'a, str>>,
    /// The caller.
    #[serde(borrow, default)]
    pub caller: Option<Caller<'a>>,
    /// The guard.
    #[serde(borrow, default)]
    pub guard: Option<Cow<'a, str>>,
    /// The route's template.
    #[serde(borrow, default)]
    pub route: Option<Cow<'a, str>>,
    /// The version and the keys of the path by their names.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
    /// The document, as far as its values are kept.
    #[serde(default)]
    pub edit: Option<Value>,
    /// Fields whose values are kept as a keyed hash.
    #[serde(default)]
    pub hashed: BTreeMap<String, String>,
    /// Fields whose values are not kept.
    #[serde(default)]
    pub omitted: Vec<String>,
    /// Whether it was allowed.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// Why.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The code of a refusal.
    #[serde(borrow, default)]
    pub code: Option<Cow<'a, str>>,
    /// The status of the answer.
    #[serde(default)]
    pub status: Option<u16>,
    /// The number of the ruleset.
    #[serde(default)]
    pub generation: Option<u64>,
    /// The schema.
    #[serde(borrow, default)]
    pub schema: Option<Schema<'a>>,
    /// Graph's own id for the exchange.
    #[serde(borrow, default)]
    pub upstream_request_id: Option<Cow<'a, str>>,
    /// From the intent to the outcome, in milliseconds.
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// What became of the edit.
    #[serde(default)]
    pub result: Option<Verdict>,
    /// How many refusals this record stands for; 1 if it does not say.
    #[serde(default)]
    pub count: Option<u64>,
    /// When the first of them was.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// When the last was.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Why a checkpoint or recovery was written.
    #[serde(borrow, default)]
    pub why: Option<Cow<'a, str>>,
    /// The number of the segment in which a checkpoint or recovery stands.
    #[serde(default)]
    pub segment: Option<u64>,
    /// The ids of the intents without an outcome, on the record that begins a segment.
    #[serde(default)]
    pub open: Vec<String>,
}

/// A caller on record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Caller<'a> {
    /// Its id.
    #[serde(borrow, default)]
    pub id: Option<Cow<'a, str>>,
    /// How it is known.
    #[serde(borrow)]
    pub known_by: Cow<'a, str>,
}

/// A schema on record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Schema<'a> {
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Its digest.
    #[serde(borrow)]
    pub digest: Cow<'a, str>,
}

/// A decision on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It was allowed.
    Allow,
    /// It was refused.
    Refuse,
}

impl Decision {
    /// The word on record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Refuse => "refuse",
        }
    }
}

impl<'a> Record<'a> {
    /// Reads a line without its line feed. It says nothing about the chain.
    pub fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

/// The little of a record that following the chain needs.
#[derive(Debug, Deserialize)]
pub(crate) struct Brief<'a> {
    pub(crate) kind: Kind,
    #[serde(borrow, default)]
    pub(crate) request_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) begins: Option<Begins>,
    #[serde(default)]
    pub(crate) open: Vec<String>,
    #[serde(default)]
    pub(crate) abandoned: Vec<Abandoned>,
}

/// Where a chain begins, as a record says it.
#[derive(Debug, Deserialize)]
pub(crate) struct Begins {
    seq: u64,
    prev: String,
}

impl Begins {
    /// The end of what was taken away.
    pub(crate) fn head(&self) -> Option<Head> {
        Some(Head { seq: self.seq.checked_sub(1)?, hash: Hash::parse(self.prev.as_bytes())? })
    }
}
