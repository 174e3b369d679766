//! What can be set about a journal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::retention::Retention;

/// When a record counts as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Once it is on stable storage. Nothing that was answered as recorded is lost, whatever ends: process, system or power.
    #[default]
    Strict,
    /// Once it is queued. The end of the process by force (`SIGKILL`, a crash) loses at most the last
    /// [`Settings::written_within`], and as much as one write takes; a crash of the system, or a loss of power, at most the
    /// last [`Settings::synced_within`] and as much as one sync takes.
    Relaxed,
}

/// Whoever is told how long a commit took.
pub type Committed = Arc<dyn Fn(Duration) + Send + Sync>;

/// Whoever is told why a segment was replaced.
pub type Replaced = Arc<dyn Fn(&str) + Send + Sync>;

/// What can be set.
#[derive(Clone)]
pub struct Settings {
    /// When a record counts as recorded.
    pub durability: Durability,
    /// A segment of this many bytes is the last one no longer.
    pub segment_bytes: u64,
    /// So is one of this age, if it has records.
    pub segment_age: Duration,
    /// Which old segments go.
    pub retention: Retention,
    /// Space kept back on the disk, in bytes, for the outcomes of edits in flight when it is full.
    pub reserve_bytes: u64,
    /// The most intents without an outcome; a further one is refused. With [`Durability::Relaxed`] four times as many: there an
    /// intent counts until its outcome is written, also while the disk takes its time for what was written before.
    pub most_open: usize,
    /// The most bytes waiting to be written; a further intent is refused, and a refusal only counted.
    pub most_queued: usize,
    /// With [`Durability::Relaxed`], how long a record waits for others before all are written.
    pub written_within: Duration,
    /// With [`Durability::Relaxed`], how long what was written waits to be synced; less where it is much.
    pub synced_within: Duration,
    /// The first and the longest wait between two tries of a disk that failed.
    pub retry: (Duration, Duration),
    /// How many refusals of one caller with one code have a record each, a second; more are counted in one.
    pub refusals_per_second: u32,
    /// What the time is.
    pub clock: fn() -> Timestamp,
    /// Told how long each commit took: write, and sync where there was one. Called by the journal's own thread.
    pub committed: Option<Committed>,
    /// Told why a segment had to end, its disk having failed or somebody having changed it, where a fresh one took its place at
    /// once: then [`Health`](crate::Health) says nothing of it. Called by the journal's own thread.
    pub replaced: Option<Replaced>,
}

impl Settings {
    /// The most intents without an outcome.
    pub(crate) fn most_open(&self) -> usize {
        match self.durability {
            Durability::Strict => self.most_open,
            Durability::Relaxed => self.most_open.saturating_mul(4),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            durability: Durability::Strict,
            segment_bytes: 64 << 20,
            segment_age: Duration::from_hours(24),
            retention: Retention::default(),
            reserve_bytes: 4 << 20,
            most_open: 4096,
            most_queued: 64 << 20,
            written_within: Duration::from_millis(1),
            synced_within: Duration::from_secs(1),
            retry: (Duration::from_millis(100), Duration::from_secs(5)),
            refusals_per_second: 20,
            clock: Timestamp::now,
            committed: None,
            replaced: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("durability", &self.durability).finish_non_exhaustive()
    }
}
