//! Schemas: which ones load, what they say of themselves, and how two of them differ.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod diff;
mod lint;
mod references;

use patchgate_validator::Schema;
use serde_json::Value;

/// A schema written by hand, with something of everything; the rows change it.
const JOB: &str = include_str!("../data/job.json");

fn job(from: &str, to: &str) -> String {
    assert!(JOB.contains(from), "the schema has no {from:?}");
    JOB.replacen(from, to, 1)
}

fn load(text: &str) -> Schema {
    Schema::load(text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What is said of a schema that does not load.
fn refusal(text: &str) -> String {
    Schema::load(text.as_bytes()).err().map_or_else(|| "loads".to_owned(), |error| error.to_string())
}

/// The schema with a member set.
fn with(pointer: &str, value: Value) -> Value {
    let mut schema: Value = serde_json::from_str(JOB).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    schema.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(name.to_owned(), value);
    schema
}
