//! What stands on record, of edits and of refusals, and how it is found again.

#![cfg(test)]

mod support;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::Duration;

use jiff::Timestamp;
use patchgate_journal::follow::Follower;
use patchgate_journal::query::{self, Edits, Filter, Found, Query};
use patchgate_journal::record::Kind;
use patchgate_journal::record::read::{Decision, Record};
use patchgate_journal::segment::SegmentName;
use patchgate_journal::simulator::Simulator;
use patchgate_journal::storage::{Reading, Storage};
use patchgate_journal::verify::verify;
use patchgate_journal::{
    Asked, Directory, Durability, FieldRules, HashKey, Journal, Keep, NoKey, NotRecorded, Outcome, Refused,
    Settings, Subject, Verdict,
};
use support::{
    Edit, asked, edits, findings, id, on_record, quick, segments, some_segments, wait, wait_until_writable,
};

#[test]
fn a_record_is_as_documented() {
    let disk = Simulator::new();
    let settings = Settings { clock: || Timestamp::from_second(1_795_507_200).unwrap(), ..quick() };
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), settings).unwrap();
    let intent = wait(journal.record(Edit::of(7), &asked(1), &["default"])).unwrap();
    wait(intent.close(Outcome::answered(204, Some("graph-id")))).unwrap();
    let refused = Refused {
        status: 400,
        code: "BadRequest",
        reasons: &["wrongType /state"],
        subject: Subject::Unknown,
    };
    journal.refuse(&asked(2), &refused);
    journal.close();
    let lines = support::lines(&disk, &segments(&disk)[0]);
    let bodies: Vec<String> = lines
        .iter()
        .map(|line| {
            // Hashes are the chain's matter; durations are never the same.
            let line = String::from_utf8(line.clone()).unwrap();
            let (_, body) = line.split_once(r#"","time":"#).unwrap();
            let (body, _) = body.split_once(r#","hash":"#).unwrap();
            let (before, after) = body.split_once(r#""duration_ms":"#).unwrap_or((body, ""));
            before.to_owned() + after.trim_start_matches(|c: char| c.is_ascii_digit())
        })
        .collect();
    let time = r#""2026-11-24T08:00:00.000000Z""#;
    let zeros = "0".repeat(64);
    let asked = |n| {
        format!(
            r#""request_id":"00000000-0000-0000-0000-00000000000{n}","trace_id":"0123456789abcdef0123456789abcdef""#
        )
    };
    let caller = r#""caller":{"id":"tool","known_by":"api-key"}"#;
    let begins = format!(r#""segment":1,"begins":{{"seq":1,"prev":"{zeros}"}}"#);
    assert_eq!(
        bodies,
        [
            format!(r#"{time},"kind":"checkpoint","why":"start",{begins}"#),
            format!(
                r#"{time},"kind":"intent",{},{caller},"guard":"thing-update","route":"/{{version}}/things/{{thingId}}","resource":{{"version":"v1.0","thingId":"7"}},"edit":{{"state":"closed","owner":"someone@contoso.example"}},"decision":"allow","reasons":["default"],"generation":1,"schema":{{"id":"thing-update","digest":"0d5f"}}"#,
                asked(1)
            ),
            format!(
                r#"{time},"kind":"outcome",{},"status":204,"upstream_request_id":"graph-id",,"result":"applied""#,
                asked(1)
            ),
            format!(
                r#"{time},"kind":"refusal",{},{caller},"decision":"refuse","reasons":["wrongType /state"],"code":"BadRequest","status":400,"generation":1"#,
                asked(2)
            ),
            format!(r#"{time},"kind":"checkpoint","why":"end",{begins}"#),
        ]
    );
}

/// The rules are those of the ruleset that decided: two edits behind each other can have different ones.
#[test]
fn values_are_kept_hashed_or_omitted() {
    let disk = Simulator::new();
    let key = HashKey::new(b"a key of the test, not secret").unwrap();
    let keep = [("owner", Keep::Hash), ("state", Keep::Omit)];
    let fields = &FieldRules::new(keep, Some(&key)).unwrap();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    let edit = Edit::of(7);
    drop(wait(journal.record(edit.clone(), &Asked { fields, ..asked(1) }, &[])).unwrap());
    let refused = Refused { status: 403, code: "Forbidden", reasons: &[], subject: Subject::Edit(&edit) };
    journal.refuse(&Asked { fields, ..asked(2) }, &refused);
    journal.close();
    let lines = support::lines(&disk, &segments(&disk)[0]);
    let hash = format!("hmac-sha256:{}", key.hash("owner", br#""someone@contoso.example""#));
    let records: Vec<_> = lines.iter().map(|line| Record::parse(line).unwrap()).collect();
    for kind in [Kind::Intent, Kind::Refusal] {
        let record = records.iter().find(|record| record.kind == kind).unwrap();
        assert_eq!(record.edit, Some("{}"));
        assert_eq!(record.omitted, ["state"]);
        assert_eq!(record.hashed, BTreeMap::from([("owner".to_owned(), hash.clone())]));
    }
    let text = String::from_utf8(lines.concat()).unwrap();
    assert!(!text.contains("someone") && !text.contains("closed"), "{text}");
    assert_eq!(FieldRules::new(keep, None).unwrap_err(), NoKey("owner".to_owned()));
    assert!(HashKey::new(b"short").is_err());
}

#[test]
fn a_flood_of_refusals_is_counted_and_none_is_lost() {
    let disk = Simulator::new();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    for number in 0..5000 {
        let code = ["BadRequest", "Forbidden"][usize::from(number % 3 == 0)];
        journal.refuse(
            &asked(number),
            &Refused { status: 400, code, reasons: &[], subject: Subject::Edit(&Edit::of(1)) },
        );
    }
    let counted = journal.counters().aggregated_refusals;
    journal.close();
    assert!(counted > 4000, "{counted}");
    assert_eq!(on_record(&disk).refusals, 5000);
}

#[test]
fn refusals_on_a_broken_disk_are_counted_until_it_is_well() {
    let disk = Simulator::new();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    disk.fail_at(1, patchgate_journal::simulator::Fault::UntilHealed);
    assert!(wait(journal.record(Edit::of(1), &asked(1), &[])).is_err());
    for number in 0..1000 {
        let refused = Refused { status: 403, code: "Forbidden", reasons: &[], subject: Subject::Unknown };
        journal.refuse(&asked(number), &refused);
    }
    disk.heal();
    wait_until_writable(&journal);
    journal.close();
    assert_eq!(on_record(&disk).refusals, 1000);
    assert_eq!(findings(&disk), [""; 0]);
}

/// The end tries the disk once more, and writes what was counted meanwhile.
#[test]
fn refusals_on_a_broken_disk_are_on_record_if_it_is_well_at_the_end() {
    let disk = Simulator::new();
    let never = Duration::from_hours(1);
    let (journal, _) =
        Journal::open_on(Box::new(disk.clone()), Settings { retry: (never, never), ..quick() }).unwrap();
    disk.fail_at(1, patchgate_journal::simulator::Fault::UntilHealed);
    assert!(wait(journal.record(Edit::of(1), &asked(1), &[])).is_err());
    for number in 0..10 {
        let refused = Refused { status: 403, code: "Forbidden", reasons: &[], subject: Subject::Unknown };
        journal.refuse(&asked(number), &refused);
    }
    assert_eq!(journal.counters().unrecorded_refusals, 10);
    disk.heal();
    journal.close();
    assert_eq!(journal.counters().unrecorded_refusals, 0);
    assert_eq!(on_record(&disk).refusals, 10);
    assert_eq!(findings(&disk), [""; 0]);
}

#[test]
fn an_intent_that_is_dropped_is_closed_as_unknown() {
    let disk = Simulator::new();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    drop(wait(journal.record(Edit::of(1), &asked(1), &[])).unwrap());
    // Nobody waits for it at all, so nobody can have sent it.
    drop(journal.record(Edit::of(2), &asked(2), &[]));
    journal.close();
    let found = on_record(&disk);
    assert_eq!(found.outcomes[&id(1)], [Verdict::Unknown]);
    assert_eq!(found.outcomes[&id(2)], [Verdict::Failed]);
    assert_eq!(wait(journal.record(Edit::of(3), &asked(3), &[])).unwrap_err(), NotRecorded::Closed);
}

#[test]
fn no_more_intents_are_open_than_may_be() {
    let disk = Simulator::new();
    let (journal, _) =
        Journal::open_on(Box::new(disk.clone()), Settings { most_open: 3, ..quick() }).unwrap();
    let mut open: Vec<_> =
        (0..3).map(|n| wait(journal.record(Edit::of(1), &asked(n), &[])).unwrap()).collect();
    assert_eq!(wait(journal.record(Edit::of(1), &asked(3), &[])).unwrap_err(), NotRecorded::Busy);
    wait(open.remove(0).close(Outcome::not_sent())).unwrap();
    let again = wait(journal.record(Edit::of(1), &asked(4), &[])).unwrap();
    assert_eq!(journal.counters().open, 3);
    drop((open, again));
    journal.close();
    assert_eq!(journal.counters().open, 0);
}

#[test]
fn a_query_finds_an_edit_and_its_outcome() {
    let disk = some_segments();
    let ask = |filter: Filter| {
        let (mut query, mut found) = (Query::new(filter, Edits::Apart), Vec::new());
        query::each(&disk, &mut |line| {
            query.take(line, &Record::parse(line).unwrap(), &mut |seen| {
                let Found::Record { line, record, .. } = seen else { panic!("{seen:?}") };
                assert_eq!(Record::parse(line).unwrap(), *record);
                found.push((record.kind, record.request_id.clone().unwrap_or_default().into_owned()));
                Ok(())
            })
        })
        .unwrap();
        query.end(&mut |rest| panic!("{rest:?}")).unwrap();
        found
    };
    let both = [(Kind::Intent, id(11)), (Kind::Outcome, id(11))];
    assert_eq!(ask(Filter { resource: Some("12".to_owned()), ..Filter::default() }), both);
    assert_eq!(ask(Filter { request_id: Some(id(11)), ..Filter::default() }), both);
    assert_eq!(ask(Filter { caller: Some("tool".to_owned()), ..Filter::default() }).len(), 60);
    assert_eq!(ask(Filter { caller: Some("other".to_owned()), ..Filter::default() }), []);
    assert_eq!(ask(Filter { decision: Some(Decision::Refuse), ..Filter::default() }), []);
    assert_eq!(ask(Filter { until: Some(Timestamp::UNIX_EPOCH), ..Filter::default() }), []);
    assert!(ask(Filter { since: Some(Timestamp::UNIX_EPOCH), ..Filter::default() }).len() > 60);
    let applied = Filter { result: Some(Verdict::Applied), ..Filter::default() };
    let of_one = Filter { resource: Some("12".to_owned()), ..applied.clone() };
    assert_eq!(ask(of_one.clone()), both, "an edit is found as a whole");
    assert_eq!(ask(Filter { kind: Some(Kind::Intent), ..of_one.clone() }), both[..1]);
    assert_eq!(ask(Filter { kind: Some(Kind::Outcome), ..of_one }), both[1..]);
    assert_eq!(ask(applied).len(), 60);
    assert_eq!(ask(Filter { result: Some(Verdict::Unknown), ..Filter::default() }), []);
    let marks = ask(Filter { kind: Some(Kind::Checkpoint), ..Filter::default() });
    assert_eq!(marks.len(), segments(&disk).len() + 1, "one begins each segment, and one ends the journal");
}

/// Edits that overlap, one that is open at the end, and one that a crash left open.
#[test]
fn an_edit_is_shown_with_its_outcome() {
    let disk = Simulator::new();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    let mut recorded: Vec<_> =
        (0..4).map(|number| wait(journal.record(Edit::of(7), &asked(number), &[])).unwrap()).collect();
    let left = recorded.remove(0);
    for (intent, status) in recorded.into_iter().rev().zip([204, 404, 500]) {
        wait(intent.close(Outcome::answered(status, None))).unwrap();
    }
    let disk = disk.crash(|_| 0);
    drop(left);
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    // Over several segments.
    let open = wait(journal.record(Edit::of(7), &asked(10), &[])).unwrap();
    edits(&journal, 20..40);
    let ask = |filter: Filter| {
        let (mut query, mut found) = (Query::new(filter, Edits::Joined), Vec::new());
        let mut see = |seen: Found<'_>| {
            if let Found::Edit { intent, outcome } = seen {
                let id = intent.request_id.as_deref().unwrap();
                assert!(outcome.is_none_or(|outcome| outcome.request_id.as_deref() == Some(id)));
                found.push((id.to_owned(), outcome.and_then(|outcome| outcome.result)));
            }
            Ok(())
        };
        query::each(&disk, &mut |line| query.take(line, &Record::parse(line).unwrap(), &mut see)).unwrap();
        query.end(&mut see).unwrap();
        found
    };
    let all = ask(Filter::default());
    let of = |number: u64, verdict: Option<Verdict>| (id(number), verdict);
    assert_eq!(
        all[..4],
        [
            of(3, Some(Verdict::Applied)),
            of(2, Some(Verdict::Refused)),
            of(1, Some(Verdict::Failed)),
            of(0, Some(Verdict::Unknown))
        ]
    );
    assert_eq!(all.len(), 4 + 20 + 1);
    assert_eq!(all.last(), Some(&of(10, None)), "it has no outcome yet");
    let refused = Filter { result: Some(Verdict::Refused), ..Filter::default() };
    assert_eq!(ask(refused), [of(2, Some(Verdict::Refused))]);
    drop(open);
}

#[test]
fn a_follower_begins_in_whichever_segment_the_last_records_stand() {
    let disk = some_segments();
    let mut all = Vec::new();
    query::each(&disk, &mut |line| {
        all.push(Record::parse(line).unwrap().seq);
        Ok(())
    })
    .unwrap();
    for last in (0..=all.len() + 1).chain([usize::MAX]) {
        let mut seen = Vec::new();
        Follower::before_last(disk.copy(), last)
            .unwrap()
            .catch_up(&mut |line| {
                seen.push(Record::parse(line).unwrap().seq);
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, all[all.len().saturating_sub(last)..], "the last {last}");
    }
}

/// A directory in which a segment that could not be begun was still seen.
struct Begun(Simulator);

impl Reading for Begun {
    fn segments(&self) -> io::Result<Vec<(SegmentName, u64)>> {
        let mut segments = self.0.segments()?;
        segments.push((SegmentName { number: u64::MAX, first: u64::MAX }, 1));
        Ok(segments)
    }

    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        self.0.read(name, from)
    }
}

#[test]
fn a_follower_does_not_begin_anew_where_the_newest_segment_is_gone() {
    let mut seen = Vec::new();
    let disk = some_segments();
    let end = verify(&disk, &[], &mut |_, _| ()).unwrap().last.unwrap().0.seq;
    Follower::before_last(Begun(disk), 3)
        .unwrap()
        .catch_up(&mut |line| {
            seen.push(Record::parse(line).unwrap().seq);
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, [end - 2, end - 1, end]);
}

/// An empty file that somebody puts there, of a number that is still to come, does not lead away from the journal.
#[test]
fn a_follower_goes_past_no_segment_for_an_empty_file() {
    let disk = Simulator::new();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    let plant = |number| Storage::create(&disk, &SegmentName { number, first: 1 }.to_string()).unwrap();
    plant(9);
    let mut follower = Follower::before_last(disk.clone(), 0).unwrap();
    let mut seen = Vec::new();
    let mut catch_up = |seen: &mut Vec<u64>| {
        let see = &mut |line: &[u8]| {
            seen.push(Record::parse(line).unwrap().seq);
            Ok(())
        };
        follower.catch_up(see).unwrap();
    };
    for first in [10, 20] {
        edits(&journal, first..first + 2);
        catch_up(&mut seen);
        plant(first);
    }
    journal.close();
    catch_up(&mut seen);
    let end = verify(&disk, &[], &mut |_, _| ()).unwrap().last.unwrap().0.seq;
    assert_eq!(seen, (2..=end).collect::<Vec<_>>());
}

#[test]
fn a_follower_sees_each_record_once() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path(), quick()).unwrap();
    edits(&journal, 0..2);
    let mut follower = Follower::before_last(Directory::new(folder.path()), 4).unwrap();
    let mut seen = Vec::new();
    let mut catch_up = |seen: &mut Vec<u64>| {
        follower
            .catch_up(&mut |line| {
                seen.push(Record::parse(line).unwrap().seq);
                Ok(())
            })
            .unwrap();
    };
    catch_up(&mut seen);
    assert_eq!(seen, [2, 3, 4, 5]);
    for first in (10..100).step_by(10) {
        edits(&journal, first..first + 10);
        catch_up(&mut seen);
    }
    journal.close();
    catch_up(&mut seen);
    let report = verify(&Directory::new(folder.path()), &[], &mut |_, _| ()).unwrap();
    assert!(report.segments > 5);
    assert_eq!(seen, (2..=report.last.unwrap().0.seq).collect::<Vec<_>>());
}

/// What is written and not durable yet does not take the room of further edits.
#[test]
fn relaxed_takes_more_edits_than_may_be_open_between_two_syncs() {
    let disk = Simulator::new();
    let settings = Settings {
        durability: Durability::Relaxed,
        most_open: 8,
        synced_within: Duration::from_hours(1),
        segment_bytes: 1 << 20,
        ..quick()
    };
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), settings).unwrap();
    for number in 0..100 {
        let intent = loop {
            match wait(journal.record(Edit::of(7), &asked(number), &[])) {
                Ok(intent) => break intent,
                Err(NotRecorded::Busy) => std::thread::yield_now(),
                Err(other) => panic!("{other}"),
            }
        };
        wait(intent.close(Outcome::answered(204, None))).unwrap();
    }
    journal.close();
    assert_eq!(on_record(&disk).outcomes.len(), 100);
}
