//! Whether the journal can be written, and what it has done.

use std::sync::Arc;

use jiff::Timestamp;

/// Whether intents are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// They are.
    Writable,
    /// They are refused.
    Unwritable {
        /// Why.
        reason: Arc<str>,
        /// Since when.
        since: Timestamp,
    },
}

impl Health {
    /// Whether intents are taken.
    pub fn is_writable(&self) -> bool {
        matches!(self, Self::Writable)
    }
}

/// Why an intent, or a checkpoint, is not on record. Nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// The storage failed, and has not recovered.
    #[error("the audit record cannot be written: {0}")]
    Unwritable(Arc<str>),
    /// There are as many edits in flight, or waiting to be recorded, as there may be.
    #[error("the audit record has as many updates in flight as it may; try again")]
    Busy,
    /// The journal is closed.
    #[error("the audit record is closed")]
    Closed,
}

/// An outcome that is not on record yet. It is kept in memory and written once the storage takes it; if the process ends
/// before, the next start records the outcome as unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the outcome is not on record yet: {0}")]
pub struct OutcomeHeld(pub Arc<str>);

/// What the journal has done since it was opened, and what it has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Writes of all that was queued.
    pub commits: u64,
    /// The time they took, syncs included.
    pub commit_nanoseconds: u64,
    /// Records written.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Failures of the storage.
    pub failures: u64,
    /// Intents that were refused, since they could not be recorded.
    pub refused_intents: u64,
    /// Refusals that have no record each, but are counted in one.
    pub aggregated_refusals: u64,
    /// Those of them that are counted, and on record not yet; after the end, those that found no place there any more.
    pub unrecorded_refusals: u64,
    /// The number of the segment that does not verify, so that neither it nor what follows is taken away; 0 if there is none.
    pub evidence: u64,
    /// Records that wait to be written.
    pub queued: usize,
    /// Their bytes.
    pub queued_bytes: usize,
    /// Intents without an outcome on record.
    pub open: usize,
}
