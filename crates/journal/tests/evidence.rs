//! What proves that somebody changed the record stays: at the start, on a full disk, and in spite of retention.

#![cfg(test)]

mod support;

use std::cell::Cell;
use std::io::{self, Read};

use patchgate_journal::chain::{self, Head};
use patchgate_journal::query::{Edits, Filter, Found, Query};
use patchgate_journal::record::Kind;
use patchgate_journal::record::read::Record;
use patchgate_journal::segment::SegmentName;
use patchgate_journal::simulator::{Fault, Simulator};
use patchgate_journal::storage::{Reading, Storage};
use patchgate_journal::verify::verify;
use patchgate_journal::{Health, Journal, OpenError, Outcome, Retention, Settings};
use support::{
    Edit, asked, edits, findings, id, lines, quick, segments, some_segments, wait, wait_until_writable,
};

/// Takes away what it may, as soon as it may.
fn forgetful() -> Settings {
    Settings { retention: Retention { age: None, bytes: Some(8 << 10) }, ..quick() }
}

/// Records edits with numbers from this one on, as long as something is so.
fn edits_while(journal: &Journal, from: u64, is_so: impl Fn() -> bool) {
    for number in (from..).take_while(|_| is_so()) {
        edits(journal, number..number + 1);
    }
}

/// The last line of a segment anew, with another content and a hash that is right for it.
fn replace_last(bytes: &mut Vec<u8>) {
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let line = bytes.split_off(last);
    let sealed = chain::open(line.strip_suffix(b"\n").unwrap()).unwrap();
    let text = std::str::from_utf8(sealed.line).unwrap();
    let body = &text[text.find("\"time\"").unwrap()..text.rfind(",\"hash\"").unwrap()];
    chain::seal(sealed.before(), body.replace("applied", "refused").as_bytes(), bytes);
}

/// What somebody does, and the first segment that is evidence of it.
type Row<'r> = (&'r str, Box<dyn Fn(&Simulator) + 'r>, usize);

#[test]
fn retention_takes_no_evidence() {
    let whole = some_segments();
    let names = segments(&whole);
    assert!(names.len() > 6, "{names:?}");
    let rows: [Row<'_>; 4] = [
        ("one in the middle is gone", Box::new(|disk| disk.lose(&names[3])), 2),
        ("the oldest are gone", Box::new(|disk| names[..2].iter().for_each(|name| disk.lose(name))), 2),
        ("the last record of one is another", Box::new(|disk| disk.tamper(&names[2], replace_last)), 2),
        ("a byte is another", Box::new(|disk| disk.tamper(&names[3], |bytes| bytes[500] ^= 1)), 3),
    ];
    for (what, change, from) in rows {
        let disk = whole.copy();
        change(&disk);
        let evidence: Vec<String> =
            segments(&disk).into_iter().filter(|name| names[from..].contains(name)).collect();
        // More than one look, so that what a look left behind is seen by the next one.
        for round in 1..4 {
            let (journal, _) = Journal::open_on(Box::new(disk.clone()), forgetful()).unwrap();
            edits_while(&journal, 100 * round, || journal.counters().evidence == 0);
            journal.close();
            let left = segments(&disk);
            assert!(evidence.iter().all(|name| left.contains(name)), "{what}: {left:?}");
            assert_ne!(findings(&disk), [""; 0], "{what}");
        }
    }
    // What was to go and could not, goes when it can, though what followed it is gone.
    let disk = whole.copy();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), forgetful()).unwrap();
    edits_while(&journal, 100, || segments(&disk).iter().any(|name| names[..4].contains(name)));
    let first = whole.bytes(&names[0]).unwrap();
    let mut left = Storage::create(&disk, &names[0]).unwrap();
    left.append(&first).unwrap();
    left.sync().unwrap();
    edits_while(&journal, 100_000, || disk.bytes(&names[0]).is_some());
    assert_eq!(journal.counters().evidence, 0);
    journal.close();
    assert_eq!(findings(&disk), [""; 0]);
    // What is sound goes.
    let disk = whole.copy();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), forgetful()).unwrap();
    edits(&journal, 100..140);
    edits_while(&journal, 200, || segments(&disk).iter().any(|name| names[..4].contains(name)));
    journal.close();
    assert_eq!(findings(&disk), [""; 0]);
}

/// An empty file that somebody puts among the segments is none, and is not in the way.
#[test]
fn an_empty_file_is_no_evidence() {
    let disk = some_segments();
    let names = segments(&disk);
    let second = SegmentName::parse(&names[1]).unwrap();
    let planted = SegmentName { first: second.first + 1, ..second }.to_string();
    Storage::create(&disk, &planted).unwrap();
    assert_eq!(findings(&disk), [""; 0]);
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), forgetful()).unwrap();
    edits_while(&journal, 100, || {
        journal.counters().evidence == 0 && segments(&disk).iter().any(|name| names[..4].contains(name))
    });
    assert_eq!(journal.counters().evidence, 0);
    journal.close();
    assert!(disk.bytes(&planted).is_none());
    assert_eq!(findings(&disk), [""; 0]);
}

#[test]
fn a_record_that_was_changed_is_not_taken_for_a_torn_one() {
    let disk = some_segments();
    let last = segments(&disk).pop().unwrap();
    disk.tamper(&last, |bytes| {
        let at = bytes.iter().rposition(|byte| *byte == b':').unwrap();
        bytes[at + 3] ^= 0x10;
    });
    let (journal, started) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    journal.close();
    assert_eq!((started.cut.len(), started.damaged.len()), (1, 1), "{started:?}");
    assert!(disk.bytes(&started.cut[0].file).is_some());
}

#[test]
fn what_a_newer_program_wrote_is_left_alone() {
    let disk = some_segments();
    let last = segments(&disk).pop().unwrap();
    disk.tamper(&last, |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        *bytes = text.replace("{\"v\":1,", "{\"v\":2,").into_bytes();
    });
    let before: Vec<_> = disk.names().iter().map(|name| disk.bytes(name)).collect();
    let error = Journal::open_on(Box::new(disk.clone()), quick()).unwrap_err();
    assert!(error.to_string().contains("format version 2"), "{error}");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(OpenError::from(error).to_string().ends_with("use a newer one"));
    assert_eq!(disk.names().iter().map(|name| disk.bytes(name)).collect::<Vec<_>>(), before);
}

#[test]
fn a_full_disk_is_no_reason_to_remove_what_can_not_be_moved() {
    let disk = some_segments();
    let last = segments(&disk).pop().unwrap();
    disk.tamper(&last, |bytes| bytes.iter_mut().step_by(3).for_each(|byte| *byte = b'?'));
    let garbled = disk.bytes(&last);
    disk.quota(Some(disk.used()));
    let (journal, started) = Journal::open_on(Box::new(disk.clone()), forgetful()).unwrap();
    assert!(matches!(journal.health(), Health::Unwritable { .. }));
    assert_eq!(started.cut, []);
    assert_eq!(disk.bytes(&last), garbled);
    disk.quota(None);
    wait_until_writable(&journal);
    // It keeps nothing behind it from going, and goes with that.
    edits_while(&journal, 100, || disk.bytes(&last).is_some());
    journal.close();
    assert_eq!(findings(&disk), [""; 0]);
}

/// A newer program begins a segment of its own.
#[test]
fn another_version_in_the_midst_is_damage() {
    let disk = some_segments();
    let last = segments(&disk).pop().unwrap();
    disk.tamper(&last, |bytes| bytes.extend_from_slice(b"{\"v\":2,junk\n"));
    let (journal, started) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    journal.close();
    assert_eq!((started.cut.len(), started.damaged.len()), (1, 1), "{started:?}");
}

/// A file, or a record, whose number leaves none for those behind it, be it one less than the last.
#[test]
fn the_last_number_is_not_followed_by_the_first() {
    let whole = some_segments();
    for number in [u64::MAX, u64::MAX - 1] {
        let disk = whole.copy();
        let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
        journal.close();
        let planted = SegmentName { number, first: 1 }.to_string();
        Storage::create(&disk, &planted).unwrap();
        let error = Journal::open_on(Box::new(disk.clone()), quick()).unwrap_err();
        assert!(error.to_string().contains("move it away"), "{error}");
        assert!(disk.bytes(&planted).is_some());
    }
    for seq in [u64::MAX, u64::MAX - 1] {
        let disk = whole.copy();
        let last = segments(&disk).pop().unwrap();
        let refusal = br#""time":"2026-11-24T08:00:00Z","kind":"refusal""#;
        let before = Head { seq: seq - 1, hash: chain::Hash::NONE };
        disk.tamper(&last, |bytes| _ = chain::seal(before, refusal, bytes));
        assert!(findings(&disk)[0].contains("missing before it"), "{:?}", findings(&disk));
        let bytes = disk.bytes(&last);
        let error = Journal::open_on(Box::new(disk.clone()), quick()).unwrap_err();
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(disk.bytes(&last), bytes);
    }
}

/// Somebody puts a file where the next segment is to be.
#[test]
fn a_name_that_is_taken_is_passed_over() {
    for full in [false, true] {
        let disk = Simulator::new();
        let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
        let intent = wait(journal.record(Edit::of(1), &asked(1), &[])).unwrap();
        let end = wait(journal.checkpoint()).unwrap().0;
        let last = SegmentName::parse(&segments(&disk).pop().unwrap()).unwrap();
        let planted = SegmentName { number: last.number + 1, first: end.seq + 1 }.to_string();
        Storage::create(&disk, &planted).unwrap();
        // What is written next needs another segment: the reserve, or a fresh one.
        if full {
            disk.quota(Some(disk.used()));
        } else {
            disk.lose(&last.to_string());
        }
        wait(intent.close(Outcome::answered(204, None))).unwrap();
        disk.quota(None);
        wait_until_writable(&journal);
        edits(&journal, 10..12);
        journal.close();
        assert_eq!(disk.bytes(&planted).unwrap(), b"");
        assert_eq!(support::on_record(&disk).outcomes[&id(1)].len(), 1);
        assert_eq!(findings(&disk) == [""; 0], full, "{:?}", findings(&disk));
    }
}

/// A directory that is as it was before retention until so many reads have come, and then as it is behind it.
struct Goes {
    before: Simulator,
    behind: Simulator,
    left: Cell<usize>,
}

impl Goes {
    fn now(&self) -> &Simulator {
        if self.left.get() == 0 { &self.behind } else { &self.before }
    }
}

impl Reading for Goes {
    fn segments(&self) -> io::Result<Vec<(SegmentName, u64)>> {
        self.now().segments()
    }

    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        self.left.set(self.left.get().saturating_sub(1));
        self.now().read(name, from)
    }
}

#[test]
fn retention_while_the_chain_is_read_is_no_finding() {
    let before = some_segments();
    let behind = before.copy();
    let (journal, _) = Journal::open_on(Box::new(behind.clone()), forgetful()).unwrap();
    edits_while(&journal, 100, || segments(&behind).iter().any(|name| segments(&before)[..3].contains(name)));
    journal.close();
    for left in 1..=3 * segments(&before).len() {
        let disk = Goes { before: before.copy(), behind: behind.copy(), left: Cell::new(left) };
        let report = verify(&disk, &[], &mut |_, _| ()).unwrap();
        assert!(report.holds(), "{left}: {:?}", report.findings);
    }
}

#[test]
fn a_mark_names_the_segment_in_which_it_stands() {
    let disk = Simulator::new();
    // Each commit begins a segment.
    let settings = Settings { segment_bytes: 1, ..quick() };
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), settings).unwrap();
    let intent = wait(journal.record(Edit::of(1), &asked(1), &[])).unwrap();
    for _ in 0..3 {
        wait(journal.checkpoint()).unwrap();
    }
    wait(intent.close(Outcome::answered(204, None))).unwrap();
    journal.close();
    let (mut marks, mut query) = (0, Query::new(Filter::default(), Edits::Joined));
    let mut joined = Vec::new();
    for (name, _) in disk.segments().unwrap() {
        for line in lines(&disk, &name.to_string()) {
            let record = Record::parse(&line).unwrap();
            if matches!(record.kind, Kind::Checkpoint | Kind::Recovery) {
                marks += 1;
                assert_eq!(record.segment, Some(name.number), "{}", String::from_utf8_lossy(&line));
            }
            let see = &mut |found: Found<'_>| {
                if let Found::Edit { intent, outcome } = found {
                    joined.push((intent.request_id.as_deref() == Some(&id(1)), outcome.is_some()));
                }
                Ok(())
            };
            query.take(&line, &record, see).unwrap();
        }
    }
    assert!(marks > 8, "{marks}");
    assert_eq!(joined, [(true, true)]);
    assert_eq!(findings(&disk), [""; 0]);
    assert_ne!(verify(&disk, &[], &mut |_, _| ()).unwrap().last.unwrap().0, Head::START);
}

#[test]
fn what_is_put_aside_is_on_record_whenever_a_start_breaks_off() {
    let torn = some_segments();
    let last = segments(&torn).pop().unwrap();
    let whole = torn.bytes(&last).unwrap();
    torn.tamper(&last, |bytes| bytes.truncate(bytes.len() - 9));
    let mut starts = 0;
    for call in 1.. {
        let disk = torn.copy();
        disk.fail_at(call, Fault::Crash);
        let opened = Journal::open_on(Box::new(disk.clone()), quick());
        starts += 1;
        let broke_off = disk.hit().is_some();
        let disk = disk.crash(|_| 0);
        drop(opened);
        let left = disk.bytes(&last).unwrap_or_default();
        let on_record = |disk: &Simulator| {
            let names = segments(disk).into_iter().flat_map(|name| lines(disk, &name));
            names.filter(|line| String::from_utf8_lossy(line).contains("torn-")).count()
        };
        assert!(left.len() == whole.len() - 9 || on_record(&disk) == 1, "call {call}");
        let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
        journal.close();
        assert_eq!((on_record(&disk), findings(&disk).len()), (1, 0), "call {call}");
        if !broke_off {
            break;
        }
    }
    println!("{starts} starts");
}
