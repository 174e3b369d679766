//! What a gateway put on record, as an auditor finds it: read from the files alone.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patchgate_journal::record::Kind;
use patchgate_journal::record::read::Record;
use patchgate_journal::verify::{Finding, Report, verify};
use patchgate_journal::{Directory, Verdict, query};
use serde_json::Value;

use crate::gateway;
use crate::upstream::{Arrived, Upstream};

/// A command that starts a gateway in front of `upstream`, with its journal in a directory.
pub fn gateway_on(directory: &Path, upstream: &Upstream) -> Command {
    let upstream = format!("http://{}", upstream.address);
    let ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let mut command = gateway::command(&[&["run"], ports.as_slice(), &["--upstream", &upstream]].concat());
    command.env("PATCHGATE_AUDIT__DIRECTORY", directory);
    command
}

/// An edit, as it is on record or as it arrived: the two are the same, or something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// Where to.
    pub target: String,
    /// The document.
    pub document: String,
}

impl Sent {
    /// What arrived, if it is an edit.
    pub fn arrived(arrived: &Arrived) -> Option<Self> {
        (arrived.method == "PATCH").then(|| Self { target: arrived.target.clone(), document: arrived.text() })
    }
}

/// An edit on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What was to be sent.
    pub sent: Sent,
    /// What became of it; one, or none while it is open.
    pub outcomes: Vec<Verdict>,
}

/// All that is on record and counts.
#[derive(Debug, Default)]
pub struct OnRecord {
    /// The edits by the ids of their requests.
    pub edits: BTreeMap<String, Recorded>,
    /// What fits nothing: a second intent of a request, or an outcome without an intent. There is none, unless somebody did
    /// something to the files.
    pub strays: Vec<String>,
    /// How many requests were refused, by the code of the answer.
    pub refusals: BTreeMap<String, u64>,
    /// The `recovery` records, whole.
    pub recoveries: Vec<Value>,
}

impl OnRecord {
    /// Reads a directory.
    pub fn read(directory: &Path) -> Self {
        let mut found = Self::default();
        query::each(&Directory::new(directory), &mut |line| {
            found.add(line);
            Ok(())
        })
        .expect("the journal can be read");
        found
    }

    fn add(&mut self, line: &[u8]) {
        let record = Record::parse(line).expect("a record");
        let id = || record.request_id.clone().expect("the id of a request").into_owned();
        match record.kind {
            Kind::Intent => {
                let edit = record.edit.as_ref().expect("the document");
                let sent = Sent { target: target(&record), document: edit.to_string() };
                let before = self.edits.insert(id(), Recorded { sent, outcomes: Vec::new() });
                self.strays.extend(before.map(|_| format!("a second intent of {}", id())));
            }
            Kind::Outcome => match self.edits.get_mut(&id()) {
                Some(edit) => edit.outcomes.push(record.result.expect("a result")),
                None => self.strays.push(format!("an outcome of {}, which has no intent", id())),
            },
            Kind::Refusal => {
                let code = record.code.clone().unwrap_or_default().into_owned();
                *self.refusals.entry(code).or_default() += record.count.unwrap_or(1);
            }
            Kind::Recovery => self.recoveries.push(serde_json::from_slice(line).expect("JSON")),
            Kind::Checkpoint => {}
        }
    }

    /// The edits without their ids.
    pub fn sent(&self) -> Vec<&Sent> {
        let mut sent: Vec<&Sent> = self.edits.values().map(|edit| &edit.sent).collect();
        sent.sort_unstable();
        sent
    }

    /// Fails unless each edit has one outcome, and nothing is left over.
    pub fn assert_closed(&self, when: &str) {
        assert_eq!(self.strays, [""; 0], "{when}");
        for (id, edit) in &self.edits {
            assert_eq!(edit.outcomes.len(), 1, "{when}: the outcomes of {id}: {edit:?}");
        }
    }
}

/// The target that an edit is sent to: its route with the keys in their places.
fn target(record: &Record<'_>) -> String {
    let route = record.route.clone().expect("a route").into_owned();
    record.resource.iter().fold(route, |route, (name, key)| route.replace(&format!("{{{name}}}"), key))
}

/// Reads the whole chain.
pub fn report(directory: &Path) -> Report {
    verify(&Directory::new(directory), &[], &mut |_, _| ()).expect("the journal can be read")
}

/// What is wrong with the chain, in words.
pub fn findings(directory: &Path) -> Vec<String> {
    report(directory).findings.iter().map(Finding::to_string).collect()
}

/// The segments, the oldest first.
pub fn segments(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).expect("the directory").map(|entry| entry.expect("an entry").path());
    let mut segments: Vec<PathBuf> =
        files.filter(|path| path.extension() == Some(OsStr::new("jsonl"))).collect();
    segments.sort();
    segments
}
