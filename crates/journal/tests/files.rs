//! What is done to the files: torn, cut, edited, swapped, taken away, by a crash or by somebody. On a real directory, and on
//! the simulator where there are many rows.

#![cfg(test)]

mod support;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use patchgate_journal::query;
use patchgate_journal::record::Kind;
use patchgate_journal::record::read::Record;
use patchgate_journal::segment::SegmentName;
use patchgate_journal::simulator::{Fault, Simulator};
use patchgate_journal::storage::Reading;
use patchgate_journal::verify::{Finding, verify};
use patchgate_journal::{
    Checkpoint, Directory, Durability, Journal, NotRecorded, Outcome, Retention, Settings, Verdict,
};
use support::{
    Edit, asked, edits, findings, id, on_record, quick, segments, some_segments, wait, wait_until_writable,
};

/// What somebody does to the files.
type Change<'c> = Box<dyn Fn(&Simulator) + 'c>;

/// What somebody does to the directory, and to its newest segment.
type ChangeOnDisk = fn(&Path, &Path);

#[test]
fn a_last_record_cut_at_every_byte_is_mended() {
    let whole = some_segments();
    let name = segments(&whole).pop().unwrap();
    let bytes = whole.bytes(&name).unwrap();
    // From inside the record before the last one on.
    let lines: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
    let from = lines[lines.len() - 3];
    for length in from..bytes.len() {
        let disk = some_segments_cut(&whole, &name, length);
        let (journal, started) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
        let torn = length - lines.iter().rev().find(|end| **end <= length).unwrap();
        assert_eq!(started.cut.iter().map(|cut| cut.bytes).sum::<u64>(), torn as u64, "cut at {length}");
        edits(&journal, 100..101);
        journal.close();
        assert_eq!(findings(&disk), [""; 0], "cut at {length}");
        for cut in &started.cut {
            assert_eq!(disk.bytes(&cut.file).unwrap(), bytes[length - torn..length], "the side file");
        }
        let recoveries = on_record(&disk).marks.iter().filter(|(kind, _)| *kind == Kind::Recovery).count();
        assert_eq!(recoveries, usize::from(torn > 0), "cut at {length}");
    }
    println!("{} lengths", bytes.len() - from);
}

/// The same disk with one file cut.
fn some_segments_cut(whole: &Simulator, name: &str, length: usize) -> Simulator {
    let disk = whole.copy();
    disk.tamper(name, |bytes| bytes.truncate(length));
    disk
}

#[test]
fn what_is_done_to_a_segment_is_found_and_said_where() {
    let whole = some_segments();
    let names = segments(&whole);
    assert!(names.len() > 4, "{names:?}");
    assert_eq!(findings(&whole), [""; 0]);
    let victim = &names[2];
    let cut_line = |bytes: &mut Vec<u8>, n: usize| {
        let lines: Vec<Vec<u8>> = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        *bytes = [&lines[..n], &lines[n + 1..]].concat().concat();
    };
    let rows: Vec<(&str, Change<'_>, &str)> = vec![
        ("deleted", Box::new(|disk| disk.lose(victim)), "missing before it"),
        ("the first one deleted", Box::new(|disk| disk.lose(&names[0])), "segments are missing"),
        ("a line taken out", Box::new(|disk| disk.tamper(victim, |b| cut_line(b, 3))), "missing before it"),
        (
            "the first line taken out",
            Box::new(|disk| disk.tamper(victim, |b| cut_line(b, 0))),
            "missing before it",
        ),
        (
            "truncated at a record",
            Box::new(|disk| {
                disk.tamper(victim, |b| {
                    let end = b[..b.len() - 1].iter().rposition(|b| *b == b'\n').unwrap();
                    b.truncate(end + 1);
                });
            }),
            "missing before it",
        ),
        (
            "truncated within a record",
            Box::new(|disk| disk.tamper(victim, |b| b.truncate(b.len() - 9))),
            "is not a record",
        ),
        (
            "edited",
            Box::new(|disk| {
                disk.tamper(victim, |b| {
                    let at = b.windows(6).rposition(|text| text == b"closed").unwrap();
                    b[at] = b'C';
                });
            }),
            "line",
        ),
        (
            "replaced by a copy of another",
            Box::new(|disk| {
                let other = disk.bytes(&names[1]).unwrap();
                disk.tamper(victim, |b| *b = other);
            }),
            "not in its place",
        ),
        (
            "two lines swapped",
            Box::new(|disk| {
                disk.tamper(victim, |b| {
                    let mut lines: Vec<Vec<u8>> =
                        b.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                    lines.swap(2, 3);
                    *b = lines.concat();
                });
            }),
            "missing before it",
        ),
    ];
    for (what, change, said) in rows {
        let disk = whole.copy();
        change(&disk);
        let found = findings(&disk);
        assert!(found.iter().any(|finding| finding.contains(said)), "{what}: {found:#?}");
        // A gateway starts all the same, goes on behind what is there, and repeats the finding for ever.
        let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
        edits(&journal, 200..203);
        journal.close();
        let later = findings(&disk);
        assert!(later.iter().any(|finding| finding.contains(said)), "{what}: {later:#?}");
    }
}

#[test]
fn a_changed_byte_anywhere_is_found() {
    let disk = Simulator::new();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    edits(&journal, 0..2);
    journal.close();
    let name = segments(&disk).pop().unwrap();
    let bytes = disk.bytes(&name).unwrap();
    for at in 0..bytes.len() {
        let changed = disk.copy();
        changed.tamper(&name, |bytes| bytes[at] ^= 0x04);
        let report = verify(&changed, &[], &mut |_, _| ()).unwrap();
        // The last line feed apart: without it the last record is one that is being written.
        assert!(!report.holds() || (at == bytes.len() - 1 && report.unfinished.is_some()), "byte {at}");
    }
    println!("{} bytes", bytes.len());
}

#[test]
fn a_checkpoint_kept_elsewhere_shows_what_the_chain_cannot() {
    let disk = Simulator::new();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    edits(&journal, 0..10);
    let kept: Checkpoint = wait(journal.checkpoint()).unwrap().to_string().parse().unwrap();
    journal.close();
    assert!(verify(&disk, &[kept], &mut |_, _| ()).unwrap().holds());
    let last = segments(&disk).pop().unwrap();
    let cut = disk.copy();
    cut.lose(&last);
    assert!(verify(&cut, &[], &mut |_, _| ()).unwrap().holds(), "the chain alone does not show it");
    let report = verify(&cut, &[kept], &mut |_, _| ()).unwrap();
    assert_eq!(report.findings, [Finding::NoCheckpoint { checkpoint: kept, replaced: false }]);
    // Another chain of the same length.
    let other = Simulator::new();
    let (journal, _) = Journal::open_on(Box::new(other.clone()), quick()).unwrap();
    edits(&journal, 50..60);
    edits(&journal, 60..61);
    journal.close();
    let report = verify(&other, &[kept], &mut |_, _| ()).unwrap();
    assert_eq!(report.findings, [Finding::NoCheckpoint { checkpoint: kept, replaced: true }]);
}

#[test]
fn checkpoints_that_contradict_each_other_are_not_both_in_the_chain() {
    let disk = some_segments();
    let end = verify(&disk, &[], &mut |_, _| ()).unwrap().last.unwrap();
    let forged: Checkpoint = format!("{}:{}", end.0.seq, "ab".repeat(32)).parse().unwrap();
    for kept in [[end, forged], [forged, end]] {
        let report = verify(&disk, &kept, &mut |_, _| ()).unwrap();
        assert_eq!(report.findings, [Finding::NoCheckpoint { checkpoint: forged, replaced: true }]);
    }
}

#[test]
fn the_clock_going_back_changes_neither_order_nor_names() {
    static NOW: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(2_000_000_000);
    fn back() -> Timestamp {
        let now = NOW.fetch_sub(1000, std::sync::atomic::Ordering::Relaxed);
        Timestamp::from_second(now).unwrap()
    }
    let disk = Simulator::new();
    for start in [0, 100, 200] {
        let (journal, _) =
            Journal::open_on(Box::new(disk.clone()), Settings { clock: back, ..quick() }).unwrap();
        edits(&journal, start..start + 30);
        journal.close();
    }
    assert_eq!(findings(&disk), [""; 0]);
    let mut seen = Vec::new();
    query::each(&disk, &mut |line| {
        let record = Record::parse(line).unwrap();
        if record.kind == Kind::Intent {
            seen.push(record.request_id.unwrap().into_owned());
        }
        Ok(())
    })
    .unwrap();
    let expected: Vec<String> = [0..30, 100..130, 200..230].into_iter().flatten().map(id).collect();
    assert_eq!(seen, expected);
}

#[test]
fn retention_takes_whole_segments_and_says_where_the_chain_begins() {
    let disk = some_segments();
    let before = segments(&disk);
    let retention = Retention { age: None, bytes: Some(12 << 10) };
    let settings = Settings { retention, ..quick() };
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), settings.clone()).unwrap();
    // It works beside the writer, once for each segment.
    let mut number = 100;
    while segments(&disk).first() == before.first() {
        edits(&journal, number..number + 10);
        number += 10;
    }
    journal.close();
    assert_eq!(findings(&disk), [""; 0]);
    let report = verify(&disk, &[], &mut |_, _| ()).unwrap();
    assert!(report.first > Some(1));
    // A checkpoint of what is gone can't be compared, but for the last one: the first record says its hash.
    let first = report.first.unwrap();
    let kept = |seq: u64| format!("{seq}:{}", "ab".repeat(32)).parse::<Checkpoint>().unwrap();
    let report = verify(&disk, &[kept(1), kept(first - 1)], &mut |_, _| ()).unwrap();
    assert_eq!(report.too_old, [kept(1)]);
    assert_eq!(report.findings, [Finding::NoCheckpoint { checkpoint: kept(first - 1), replaced: true }]);
    // One more than was let go is missing.
    let cut = disk.copy();
    cut.lose(&segments(&cut)[0]);
    assert!(!verify(&cut, &[], &mut |_, _| ()).unwrap().holds());
    // A damaged segment is evidence: it stays, and so do those after it.
    disk.tamper(&segments(&disk)[0], |bytes| bytes[500] ^= 1);
    let kept = segments(&disk);
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), settings).unwrap();
    edits(&journal, 1_000_000_000..1_000_000_060);
    journal.close();
    assert_eq!(segments(&disk)[..kept.len()], kept);
}

/// A directory from which the oldest segments go away while it is read.
struct GoesAway {
    disk: Simulator,
    /// So many more reads, and they are gone.
    left: Cell<usize>,
    segments: usize,
}

impl Reading for GoesAway {
    fn segments(&self) -> io::Result<Vec<(SegmentName, u64)>> {
        self.disk.segments()
    }

    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        if self.left.replace(self.left.get().saturating_sub(1)) == 1 {
            for gone in &segments(&self.disk)[..self.segments] {
                self.disk.lose(gone);
            }
        }
        self.disk.read(name, from)
    }
}

#[test]
fn what_goes_away_while_it_is_read_ends_no_verification() {
    let whole = some_segments();
    let all = segments(&whole).len();
    assert!(all > 4);
    let of_all = verify(&whole, &[], &mut |_, _| ()).unwrap();
    // While the first lines are looked at, and at each segment of the chain.
    for left in 1..=2 * all {
        let disk = GoesAway { disk: whole.copy(), left: Cell::new(left), segments: all / 2 };
        let report = verify(&disk, &[], &mut |_, _| ()).unwrap();
        assert_eq!(report.last, of_all.last, "{left}");
        // Those that were still to be read are missing, and nothing took them away rightfully.
        assert_eq!(report.holds(), left > all + all / 2, "{left}");
    }
}

/// A record is gone in time though nothing comes behind it.
#[test]
fn what_is_old_goes_though_nobody_records_anything() {
    let disk = Simulator::new();
    let moment = Duration::from_millis(20);
    let retention = Retention { age: Some(moment), bytes: None };
    let settings = Settings { retention, segment_age: moment, ..quick() };
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), settings).unwrap();
    edits(&journal, 0..3);
    let begun = Instant::now();
    while !on_record(&disk).intents.is_empty() {
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", segments(&disk));
        std::thread::yield_now();
    }
    journal.close();
    assert_eq!(findings(&disk), [""; 0]);
    assert!(verify(&disk, &[], &mut |_, _| ()).unwrap().first > Some(6));
}

#[test]
fn what_is_done_to_a_directory_in_use_is_noticed_and_it_recovers() {
    let newest = |directory: &Path| {
        let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        names.sort();
        names.pop().unwrap()
    };
    let rows: [(&str, ChangeOnDisk); 5] = [
        ("the segment removed", |_, segment| fs::remove_file(segment).unwrap()),
        ("the segment truncated", |_, segment| {
            fs::File::options().write(true).open(segment).unwrap().set_len(10).unwrap();
        }),
        ("the segment moved away", |directory, segment| {
            fs::rename(segment, directory.join("moved")).unwrap();
        }),
        ("the segment appended to", |_, segment| {
            let text = fs::read(segment).unwrap();
            fs::write(segment, [text.as_slice(), b"more\n"].concat()).unwrap();
        }),
        ("the directory made anew", |directory, _| {
            fs::remove_dir_all(directory).unwrap();
            fs::create_dir(directory).unwrap();
        }),
    ];
    for (what, change) in rows {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("audit");
        let (journal, _) = Journal::open(&directory, quick()).unwrap();
        edits(&journal, 0..1);
        change(&directory, &newest(&directory));
        // It goes on in a fresh segment; nobody waits in vain.
        edits(&journal, 10..12);
        assert_eq!(journal.counters().failures, 1, "{what}");
        journal.close();
        let found = on_record(&Directory::new(&directory));
        assert_eq!(found.outcomes[&id(10)], [Verdict::Applied], "{what}");
        assert!(found.marks.iter().any(|(kind, _)| *kind == Kind::Recovery), "{what}: {:?}", found.marks);
        assert!(found.intents.values().all(|count| *count == 1), "{what}: {:?}", found.intents);
    }
}

/// Whatever is left of the segment in use, what is written anew counts once, and what was written before counts where it still
/// stands.
#[test]
fn a_segment_that_is_changed_under_the_writer_has_no_record_twice() {
    let mut rows = 0;
    for durability in [Durability::Strict, Durability::Relaxed] {
        let settings = Settings { durability, segment_bytes: 1 << 20, ..quick() };
        let whole = Simulator::new();
        let (journal, _) = Journal::open_on(Box::new(whole.clone()), settings.clone()).unwrap();
        edits(&journal, 0..4);
        wait(journal.checkpoint()).unwrap();
        let name = segments(&whole).pop().unwrap();
        let bytes = whole.bytes(&name).unwrap();
        let line_ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let cuts: BTreeSet<usize> = line_ends.chain((0..bytes.len()).step_by(101)).collect();
        let longer = |bytes: &mut Vec<u8>| {
            let at = bytes.windows(6).position(|text| text == b"closed").unwrap();
            bytes.splice(at..at + 6, *b"closed by somebody else");
        };
        let mut changes: Vec<(String, Change<'_>)> = cuts
            .iter()
            .map(|cut| {
                let change = |disk: &Simulator| disk.tamper(&name, |bytes| bytes.truncate(*cut));
                (format!("cut at {cut}"), Box::new(change) as Change<'_>)
            })
            .collect();
        changes.push(("edited, and longer".to_owned(), Box::new(|disk| disk.tamper(&name, longer))));
        changes.push((
            "appended to itself".to_owned(),
            Box::new(|disk| disk.tamper(&name, |bytes| bytes.extend(bytes.clone()))),
        ));
        changes.push(("removed".to_owned(), Box::new(|disk| disk.lose(&name))));
        journal.close();
        // With and without an error of the disk on top: of the append, and of the sync.
        let faults = [None, Some(1), Some(2)];
        for ((what, change), fault) in changes.iter().flat_map(|change| faults.map(|fault| (change, fault))) {
            let what = format!("{durability:?}, {what}, fault at {fault:?}");
            let disk = Simulator::new();
            let (journal, _) = Journal::open_on(Box::new(disk.clone()), settings.clone()).unwrap();
            edits(&journal, 0..4);
            wait(journal.checkpoint()).unwrap();
            change(&disk);
            let left = on_record(&disk.copy());
            if let Some(n) = fault {
                disk.fail_at(n, Fault::Once);
            }
            edits(&journal, 10..14);
            edits(&journal, 20..21);
            journal.close();
            let found = on_record(&disk);
            let once = |counts: &usize| *counts == 1;
            assert!(found.intents.values().all(once), "{what}: {:?}", found.intents);
            assert!(
                found.outcomes.values().all(|outcomes| outcomes.len() == 1),
                "{what}: {:?}",
                found.outcomes
            );
            for number in (10..14).chain(20..21) {
                assert_eq!(found.outcomes[&id(number)], [Verdict::Applied], "{what}: {number}");
                assert!(found.intents.contains_key(&id(number)), "{what}: {number}");
            }
            for id in left.intents.keys() {
                assert!(found.intents.contains_key(id), "{what}: the intent {id}, which is still there");
            }
            rows += 1;
        }
    }
    println!("{rows} changes");
}

#[test]
fn a_directory_that_is_gone_refuses_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, away) = (folder.path().join("audit"), folder.path().join("away"));
    let (journal, _) = Journal::open(&directory, quick()).unwrap();
    let intent = wait(journal.record(Edit::of(1), &asked(1), &[])).unwrap();
    fs::rename(&directory, &away).unwrap();
    assert!(matches!(
        wait(journal.record(Edit::of(1), &asked(2), &[])).unwrap_err(),
        NotRecorded::Unwritable(reason) if reason.contains("No such file")
    ));
    let held = wait(intent.close(Outcome::answered(204, None))).unwrap_err();
    assert!(held.to_string().contains("No such file"), "{held}");
    fs::rename(&away, &directory).unwrap();
    wait_until_writable(&journal);
    edits(&journal, 10..11);
    journal.close();
    let storage = Directory::new(&directory);
    let report = verify(&storage, &[], &mut |_, _| ()).unwrap();
    assert!(report.holds(), "{:#?}", report.findings);
    assert_eq!(on_record(&storage).outcomes[&id(1)], [Verdict::Applied]);
}

#[test]
fn a_second_journal_on_the_directory_is_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path(), quick()).unwrap();
    let error = Journal::open(folder.path(), quick()).unwrap_err().to_string();
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
    journal.close();
    // The thread is gone, and with it the lock.
    Journal::open(folder.path(), quick()).unwrap();
}
