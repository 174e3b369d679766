//! What the tests of the journal share: an edit, a way to wait without a runtime, and what is on record.

// Each test file is a crate of its own, and uses its part of this.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::missing_panics_doc,
    reason = "shared by several test crates"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use patchgate_journal::record::Kind;
use patchgate_journal::record::read::Record;
use patchgate_journal::simulator::Simulator;
use patchgate_journal::storage::Reading;
use patchgate_journal::verify::{Finding, verify};
use patchgate_journal::{Asked, FieldRules, Journal, Outcome, Settings, Verdict, Who};
use patchgate_model::{
    Generation, GraphVersion, KeyPattern, PathTemplate, Recordable, RequestId, Resource, Route,
};
use uuid::Uuid;

/// An edit of something that no schema knows.
#[derive(Debug, Clone)]
pub struct Edit {
    resource: Resource,
    document: String,
}

impl Edit {
    /// An edit of the thing with this number.
    pub fn of(thing: u64) -> Self {
        let template = PathTemplate::parse("/{version}/things/{thingId}").unwrap();
        let pattern = |_: &str| KeyPattern::parse("[1-9][0-9]{0,18}").unwrap();
        let route = Arc::new(Route::new(template, GraphVersion::ALL.to_vec(), pattern));
        let resource = route.resource(&format!("/v1.0/things/{thing}")).unwrap();
        Self { resource, document: r#"{"state":"closed","owner":"someone@contoso.example"}"#.to_owned() }
    }
}

impl Recordable for Edit {
    fn guard(&self) -> &'static str {
        "thing-update"
    }
    fn resource(&self) -> &Resource {
        &self.resource
    }
    fn schema_id(&self) -> &'static str {
        "thing-update"
    }
    fn schema_digest(&self) -> &'static str {
        "0d5f"
    }
    fn document(&self) -> &[u8] {
        self.document.as_bytes()
    }
    fn each_field(&self, see: &mut dyn FnMut(&str, &[u8])) {
        see("state", b"\"closed\"");
        see("owner", b"\"someone@contoso.example\"");
    }
}

/// The request of a number.
pub fn asked(number: u64) -> Asked<'static> {
    Asked {
        request_id: RequestId::from_uuid(Uuid::from_u128(u128::from(number))),
        trace_id: Some("0123456789abcdef0123456789abcdef"),
        caller: Who { id: Some("tool"), known_by: "api-key" },
        generation: Generation(1),
        fields: FieldRules::NONE,
    }
}

/// Settings under which everything happens soon.
pub fn quick() -> Settings {
    Settings {
        segment_bytes: 4 << 10,
        reserve_bytes: 16 << 10,
        retry: (Duration::from_millis(1), Duration::from_millis(4)),
        written_within: Duration::from_millis(1),
        synced_within: Duration::from_millis(2),
        ..Settings::default()
    }
}

/// Waits for a future, without a runtime.
pub fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Waits until intents are taken.
pub fn wait_until_writable(journal: &Journal) {
    let mut health = journal.watch();
    _ = wait(health.wait_for(patchgate_journal::Health::is_writable)).unwrap();
}

/// What is on record: the ids of intents, and the outcomes of each.
#[derive(Debug, Default)]
pub struct OnRecord {
    /// How many intents each request has.
    pub intents: BTreeMap<String, usize>,
    /// The outcomes of each request.
    pub outcomes: BTreeMap<String, Vec<Verdict>>,
    /// Refusals, each counted as often as it says.
    pub refusals: u64,
    /// The records of the journal itself, by their reasons.
    pub marks: Vec<(Kind, String)>,
}

/// Reads all records, those that do not count left out.
pub fn on_record(storage: &dyn Reading) -> OnRecord {
    let mut found = OnRecord::default();
    patchgate_journal::query::each(storage, &mut |line| {
        let record = Record::parse(line).unwrap();
        let id = || record.request_id.clone().unwrap_or_default().into_owned();
        match record.kind {
            Kind::Intent => *found.intents.entry(id()).or_default() += 1,
            Kind::Outcome => found.outcomes.entry(id()).or_default().push(record.result.unwrap()),
            Kind::Refusal => found.refusals += record.count.unwrap_or(1),
            kind => found.marks.push((kind, record.why.clone().unwrap_or_default().into_owned())),
        }
        Ok(())
    })
    .unwrap();
    found
}

/// The id of a number, as it is on record.
pub fn id(number: u64) -> String {
    asked(number).request_id.to_string()
}

/// The lines of a file.
pub fn lines(storage: &dyn Reading, name: &str) -> Vec<Vec<u8>> {
    BufReader::new(storage.read(name, 0).unwrap()).split(b'\n').map(Result::unwrap).collect()
}

/// Records and closes edits with these numbers.
pub fn edits(journal: &Journal, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let intent = wait(journal.record(Edit::of(number + 1), &asked(number), &["default"])).unwrap();
        wait(intent.close(Outcome::answered(204, Some("graph-id")))).unwrap();
    }
}

/// A journal of some segments on a simulated disk, closed.
pub fn some_segments() -> Simulator {
    let disk = Simulator::new();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    edits(&journal, 0..30);
    journal.close();
    disk
}

/// The names of the segments.
pub fn segments(disk: &Simulator) -> Vec<String> {
    disk.segments().unwrap().into_iter().map(|(name, _)| name.to_string()).collect()
}

/// What `verify` finds, in words.
pub fn findings(disk: &Simulator) -> Vec<String> {
    verify(disk, &[], &mut |_, _| ()).unwrap().findings.iter().map(Finding::to_string).collect()
}
