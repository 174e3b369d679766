//! How long the audit record is kept, and how it is cut into segments: seen in the files behind a gateway that runs, and in what
//! `patchgate audit` says of them.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use patchgate_journal::{Journal, Settings};
use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::journal::{findings, gateway_on, segments};
use patchgate_tests::process::until;
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;
use serde_json::json;

/// A gateway with a journal in a directory, and keys of `[audit]`.
fn start(directory: &Path, upstream: &Upstream, keys: &[(&str, &str)]) -> Gateway {
    let mut command = gateway_on(directory, upstream);
    let variable = |key: &str| format!("PATCHGATE_AUDIT__{}", key.to_uppercase());
    command.envs(keys.iter().map(|(key, value)| (variable(key), *value)));
    Gateway::started_by(command)
}

/// What a command says of a directory, and its status.
fn run(directory: &Path, args: &[&str]) -> (Option<i32>, String) {
    let all = [&["audit"], args, &[directory.to_str().expect("a path")]].concat();
    let output = gateway::run(&all);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
    (output.status.code(), text)
}

fn edited(gateway: &Gateway, body: &str) {
    let answer = gateway.patch(INCIDENT, body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The bytes of all segments.
fn bytes(directory: &Path) -> u64 {
    segments(directory).iter().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

/// An edit of about 25 KiB.
fn large() -> String {
    let tags: Vec<String> = (0..100).map(|number| format!("{number:-<250}")).collect();
    json!({ "customTags": tags }).to_string()
}

/// Fails unless the chain holds and begins later, as it says itself; returns the number of the first record.
fn begins_later(directory: &Path) -> u64 {
    let (code, said) = run(directory, &["verify"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("sound") && said.contains("taken away by retention"), "{said}");
    let line = said.lines().find(|line| line.starts_with("from to")).expect("where it begins");
    let first = line.split_whitespace().nth(2).expect("a number").parse().expect("a number");
    assert!(first > 1, "{said}");
    first
}

#[test]
fn the_oldest_segments_go_where_all_are_more_than_may_be_kept() {
    const KEPT: u64 = 256 << 10;
    let (folder, upstream) = (tempfile::tempdir().expect("a folder"), Upstream::start());
    let directory = folder.path();
    let keys = [("segment_bytes", "64KiB"), ("keep_bytes", "256KiB")];
    let gateway = start(directory, &upstream, &keys);
    let large = large();
    let mut first = 0;
    for _ in 0..2 {
        (0..40).for_each(|_| edited(&gateway, &large));
        // One segment more may be there, the one that is written to.
        until("few are left", || bytes(directory) <= KEPT + (96 << 10));
        // Beside the gateway; what it takes away under the reader is said to be gone, and is read again.
        until("sound", || run(directory, &["verify"]).0 == Some(0));
    }
    let (status, said) = gateway.stop();
    assert!(status.success(), "{said}");
    assert!(bytes(directory) > KEPT / 2, "and no more go than have to");
    // It is the same for the next process, and the chain goes on.
    for _ in 0..2 {
        let begins = begins_later(directory);
        assert!(begins > first, "{begins} after {first}");
        first = begins;
        let gateway = start(directory, &upstream, &keys);
        (0..20).for_each(|_| edited(&gateway, &large));
        until("few are left", || bytes(directory) <= KEPT + (96 << 10));
        gateway.stop();
    }
    assert_eq!(findings(directory), [""; 0]);
}

/// Writes some segments of records of another time.
fn segments_of(directory: &Path, clock: fn() -> Timestamp) -> usize {
    let before = segments(directory).len();
    let settings = Settings { segment_bytes: 4 << 10, clock, ..Settings::default() };
    let (journal, _) = Journal::open(directory, settings).expect("a journal");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for _ in 0..50 {
        runtime.block_on(journal.checkpoint()).expect("a record");
    }
    journal.close();
    segments(directory).len() - before
}

#[test]
fn segments_go_when_their_records_are_old_and_not_before() {
    let (folder, upstream) = (tempfile::tempdir().expect("a folder"), Upstream::start());
    let directory = folder.path();
    let old = segments_of(directory, || Timestamp::now() - Duration::from_hours(24 * 401));
    let young = segments_of(directory, || Timestamp::now() - Duration::from_hours(24 * 399));
    assert!(old > 2 && young > 2, "{old} {young}");
    let gateway = start(directory, &upstream, &[]);
    edited(&gateway, EDIT);
    gateway.stop();
    assert_eq!(segments(directory).len(), old + young + 1, "without a limit all is kept");

    let gateway = start(directory, &upstream, &[("keep_for", "400d")]);
    // Nobody has to send anything for it.
    until("the old ones are gone", || segments(directory).len() == young + 2);
    edited(&gateway, EDIT);
    let (status, said) = gateway.stop();
    assert!(status.success(), "{said}");
    begins_later(directory);
    assert_eq!(segments(directory).len(), young + 2);
    let (_, before) = run(directory, &["query", "--until", "400d"]);
    assert!(before.ends_with("no record is like that\n"), "{before}");
    let (_, since) = run(directory, &["query", "--since", "400d", "--until", "398d"]);
    assert!(since.lines().count() > 50, "{since}");
}

#[test]
fn segments_are_cut_by_size_and_by_age() {
    let (folder, upstream) = (tempfile::tempdir().expect("a folder"), Upstream::start());
    let directory = folder.path();
    let gateway = start(directory, &upstream, &[("segment_bytes", "64KiB")]);
    let large = large();
    (0..12).for_each(|_| edited(&gateway, &large));
    gateway.stop();
    let sizes: Vec<u64> =
        segments(directory).iter().map(|file| file.metadata().expect("a file").len()).collect();
    let (_, full) = sizes.split_last().expect("segments");
    assert!(full.len() > 2 && full.iter().all(|size| (64 << 10..128 << 10).contains(size)), "{sizes:?}");

    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path();
    let gateway = start(directory, &upstream, &[("segment_age", "1s")]);
    until("three segments", || {
        edited(&gateway, EDIT);
        segments(directory).len() == 3
    });
    gateway.stop();
    assert_eq!(findings(directory), [""; 0]);
}
