//! What a record says. One JSON object a line; `v`, `seq`, `prev` and `hash` are [`chain`](crate::chain)'s.
//!
//! Here are the values; [`body`] writes them into a line's buffer, [`read`] finds them in a line again.

pub(crate) mod body;
pub mod read;

use jiff::Timestamp;
use patchgate_model::{Generation, Recordable, RequestId, Resource};
use serde::Deserialize;

use crate::chain::Head;
use crate::fields::FieldRules;

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An edit that was allowed and is about to be sent.
    Intent,
    /// What became of it.
    Outcome,
    /// A request that was refused, or several.
    Refusal,
    /// The state of the chain.
    Checkpoint,
    /// The state of the chain after something happened to the files.
    Recovery,
}

impl Kind {
    /// The word on record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Refusal => "refusal",
            Self::Checkpoint => "checkpoint",
            Self::Recovery => "recovery",
        }
    }
}

/// What a record says of the request that it is about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The id of the request. Each edit has its own, also where one request holds several.
    pub request_id: RequestId,
    /// The trace, 32 hexadecimal digits, if there is one.
    pub trace_id: Option<&'a str>,
    /// Who sent it.
    pub caller: Who<'a>,
    /// The ruleset that decided.
    pub generation: Generation,
    /// How the values of an edit stand on record: what that ruleset says of its guard.
    pub fields: &'a FieldRules,
}

/// The caller, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who<'a> {
    /// Its id, if it is known.
    pub id: Option<&'a str>,
    /// How it is known, such as `api-key`; how not, where it is not.
    pub known_by: &'a str,
}

/// What a refusal is about.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// Nothing that the gateway knows.
    Unknown,
    /// A resource, and its guard if it has one.
    Resource {
        /// The guard's name.
        guard: Option<&'a str>,
        /// The resource.
        resource: &'a Resource,
    },
    /// An edit that passed its schema and was refused later.
    Edit(&'a dyn Recordable),
}

/// A refusal, for the record.
#[derive(Clone, Copy)]
pub struct Refused<'a> {
    /// The status of the answer.
    pub status: u16,
    /// The code of the answer; a fixed word, since refusals are counted by it.
    pub code: &'a str,
    /// Why: ids of policies; codes of violations with their targets. No values.
    pub reasons: &'a [&'a str],
    /// What was asked for.
    pub subject: Subject<'a>,
}

/// What became of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Graph said that it applied it.
    Applied,
    /// Graph refused it.
    Refused,
    /// It was not applied: nothing was sent, or Graph said that it failed.
    Failed,
    /// Something was sent, and no whole answer came; or nobody lived to tell.
    Unknown,
}

impl Verdict {
    /// The word on record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// The outcome of an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// What became of it.
    pub verdict: Verdict,
    /// The status of Graph's answer, if one came.
    pub status: Option<u16>,
    /// Graph's `request-id`; recorded up to 128 bytes.
    pub upstream_request_id: Option<&'a str>,
}

impl<'a> Outcome<'a> {
    /// Graph answered: 2xx is applied, 5xx failed, all else refused.
    pub fn answered(status: u16, upstream_request_id: Option<&'a str>) -> Self {
        let verdict = match status {
            200..=299 => Verdict::Applied,
            500.. => Verdict::Failed,
            _ => Verdict::Refused,
        };
        Self { verdict, status: Some(status), upstream_request_id }
    }

    /// Provably nothing was sent.
    pub const fn not_sent() -> Self {
        Self { verdict: Verdict::Failed, status: None, upstream_request_id: None }
    }

    /// Something was sent, and no whole answer came.
    pub const fn unknown() -> Self {
        Self { verdict: Verdict::Unknown, ..Self::not_sent() }
    }
}

/// Refusals of one caller with one code that have no record each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flooded {
    /// The caller's id.
    pub caller: Option<String>,
    /// How it is known.
    pub known_by: String,
    /// The code of the answers.
    pub code: String,
    /// How many.
    pub count: u64,
    /// When the first of them was refused.
    pub since: Timestamp,
    /// When the last.
    pub until: Timestamp,
}

/// The place in a segment from which on it does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Abandoned {
    /// The number of the segment.
    pub segment: u64,
    /// The first byte that does not count.
    pub from: u64,
}

/// A tail that was cut off: a record that was not written to its end, or lines that do not verify, with no record behind them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cut {
    /// The number of the segment.
    pub segment: u64,
    /// Where it was cut.
    pub from: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// The file that keeps them.
    pub file: String,
}

/// A place in a segment that does not verify. It was left as it is, or stands in a tail that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Damaged {
    /// The number of the segment.
    pub segment: u64,
    /// The first line at fault, from 1.
    pub line: u64,
}

/// What a `checkpoint` or `recovery` record says. Each segment begins with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Why it was written, for people.
    pub why: String,
    /// The number of the segment in which it stands.
    pub segment: u64,
    /// The end of what was taken away at the start of the chain; [`Head::START`] if nothing was.
    pub begins: Head,
    /// The ids of the intents that have no outcome yet, where the record begins a segment.
    pub open: Vec<String>,
    /// What was written anew, since it may not be durable where it was.
    pub abandoned: Vec<Abandoned>,
    /// What was cut off at the start of the process.
    pub cut: Vec<Cut>,
    /// What was found at the start of the process and does not verify, though it was written to its end.
    pub damaged: Vec<Damaged>,
}

impl Mark {
    /// A mark with nothing to tell.
    pub(crate) fn nothing() -> Self {
        Self {
            why: String::new(),
            segment: 0,
            begins: Head::START,
            open: Vec::new(),
            abandoned: Vec::new(),
            cut: Vec::new(),
            damaged: Vec::new(),
        }
    }

    /// Whether something happened that an auditor wants to know.
    pub fn is_recovery(&self) -> bool {
        !(self.abandoned.is_empty() && self.cut.is_empty() && self.damaged.is_empty())
    }
}
