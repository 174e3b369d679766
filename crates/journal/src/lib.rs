//! The audit record: intents, outcomes and refusals, hash-chained, on stable storage.
//!
//! An edit goes this way, and no other compiles:
//!
//! ```text
//! edit ── Journal::record ──> RecordedIntent ── forwarded, answered ── RecordedIntent::close ──> RecordedOutcome
//! ```
//!
//! ```
//! use patchgate_journal::{Asked, Journal, Outcome, RecordedIntent, RecordedOutcome};
//! use patchgate_model::Recordable;
//!
//! async fn forward<T>(_: &RecordedIntent<T>) -> u16 {
//!     204
//! }
//!
//! async fn way<T: Recordable>(journal: &Journal, edit: T, asked: &Asked<'_>) -> Option<RecordedOutcome> {
//!     let intent = journal.record(edit, asked, &["default"]).await.ok()?;
//!     let status = forward(&intent).await;
//!     intent.close(Outcome::answered(status, None)).await.ok()
//! }
//! ```
//!
//! One thread owns the file ([`Journal`]). What waits when it looks is one write and one `fdatasync`. Nothing here needs a
//! runtime: what is to be waited for are plain futures.
//!
//! # The directory
//!
//! | file | what it is |
//! |---|---|
//! | `00000007-0000000000000101.jsonl` | a segment: its number, and the `seq` of its first record. Names sort; numbers may be left out |
//! | `….jsonl.torn-1` | a tail that was cut off that segment when the journal was opened |
//! | `reserve` | space for the outcomes of edits in flight when the disk is full |
//! | `lock` | locked by the one writer; its process id |
//!
//! # A record
//!
//! One JSON object a line, as [`chain`] describes it. Each segment begins with a `checkpoint`, or a `recovery` where something
//! happened to the files, which says where the chain begins (`begins`, after retention), and which intents are `open` there;
//! a `recovery` also which part of earlier segments was written anew and does not count (`abandoned`), what was `cut` off, and
//! what was found `damaged` and left as it is.
//!
//! # What is not promised
//!
//! The reserve is space that `fallocate` sets aside. File systems that write each change to a new place (btrfs, ZFS) may say
//! yes and still be full: there the outcomes of edits in flight are held in memory until the disk has room.
//!
//! The chain has no key: whoever can write to the directory can write another chain. Kept elsewhere, a
//! [`checkpoint`](mod@checkpoint) makes that visible for all that came before it; so does it for records taken away at the end, which the chain
//! alone can't show.

mod answers;
pub mod chain;
pub mod checkpoint;
mod disk;
mod fields;
mod flood;
pub mod follow;
mod health;
mod intent;
mod journal;
mod json;
mod lines;
#[cfg(feature = "simulator")]
pub mod nowhere;
mod platform;
pub mod query;
mod queue;
mod reading;
pub mod record;
pub mod recovery;
mod retention;
pub mod segment;
mod settings;
#[cfg(feature = "simulator")]
#[expect(clippy::indexing_slicing, reason = "for tests alone")]
pub mod simulator;
mod start;
pub mod storage;
pub mod verify;
mod writer;

pub use checkpoint::Checkpoint;
pub use disk::{Directory, Disk, DiskError};
pub use fields::{FieldRules, HashKey, Keep, NoKey, ShortKey};
pub use health::{Counters, Health, NotRecorded, OutcomeHeld};
pub use intent::{Closing, RecordedIntent, RecordedOutcome};
pub(crate) use journal::with_line;
pub use journal::{Journal, OpenError, Started};
pub use record::{Asked, Outcome, Refused, Subject, Verdict, Who};
pub use retention::Retention;
pub use settings::{Committed, Durability, Replaced, Settings};
