//! What is promised, while the storage fails at every call in turn, with and without a loss of power behind it.
//!
//! - What was answered as recorded is there, also after a crash.
//! - Every intent on record has one outcome: the one that it was closed with, or unknown.
//! - The chain verifies, whatever happened to the storage.

#![cfg(test)]

mod support;

use std::collections::BTreeMap;

use patchgate_journal::simulator::{Fault, Simulator};
use patchgate_journal::storage::Reading as _;
use patchgate_journal::verify::verify;
use patchgate_journal::{
    Durability, Health, Journal, NotRecorded, Outcome, Refused, Settings, Subject, Verdict,
};
use support::{Edit, asked, id, on_record, quick, wait, wait_until_writable};

/// What the gateway knows of its edits.
#[derive(Debug, Default, Clone)]
struct Told {
    /// Recorded; and with which outcome each was closed, if that was answered as recorded.
    recorded: BTreeMap<String, Option<Verdict>>,
    /// Closed, and the answer was that the outcome is held in memory.
    held: BTreeMap<String, Verdict>,
    refused_intents: usize,
}

/// Some edits: alone, several at once, closed in another order, one dropped, one never waited for.
fn work(journal: &Journal, from: u64, told: &mut Told) {
    for round in 0..3 {
        let first = from + round * 10;
        let edits = if round == 1 { 5 } else { 1 };
        let recording: Vec<_> = (first..first + edits)
            .map(|number| (number, journal.record(Edit::of(number + 1), &asked(number), &["default"])))
            .collect();
        let mut recorded = Vec::new();
        for (number, recording) in recording {
            match wait(recording) {
                Ok(intent) => {
                    told.recorded.insert(id(number), None);
                    recorded.push((number, intent));
                }
                Err(_) => told.refused_intents += 1,
            }
        }
        for (number, intent) in recorded.into_iter().rev() {
            if number % 10 == 4 {
                drop(intent);
                continue;
            }
            let status = [204, 404, 500][usize::try_from(number % 3).unwrap()];
            let outcome = Outcome::answered(status, Some("graph"));
            match wait(intent.close(outcome)) {
                Ok(recorded) => {
                    told.recorded.insert(id(number), Some(recorded.verdict()));
                }
                Err(_) => {
                    told.held.insert(id(number), outcome.verdict);
                }
            }
        }
        let refused =
            Refused { status: 400, code: "BadRequest", reasons: &["invalidJson"], subject: Subject::Unknown };
        journal.refuse(&asked(first + 9), &refused);
        drop(journal.record(Edit::of(1), &asked(first + 8), &[]));
    }
}

/// Opens what a run left behind, and compares it with what was told.
fn compare(disk: &Simulator, settings: &Settings, told: &Told, crashed: bool, what: &str) {
    let (journal, started) =
        Journal::open_on(Box::new(disk.clone()), settings.clone()).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(started.damaged.is_empty() || crashed, "{what}: {started:?}");
    journal.close();
    let report = verify(disk, &[], &mut |_, _| ()).unwrap();
    let damaged = !started.damaged.is_empty();
    assert!(report.holds() || damaged, "{what}: {:#?}\n{}", report.findings, dump(disk));
    assert_eq!(report.open, 0, "{what}");
    let found = on_record(disk);
    for (id, verdict) in &told.recorded {
        assert!(found.intents.contains_key(id), "{what}: the intent {id} is lost\n{}", dump(disk));
        if let Some(verdict) = verdict {
            assert_eq!(found.outcomes.get(id), Some(&vec![*verdict]), "{what}: {id}\n{}", dump(disk));
        }
    }
    for (id, count) in &found.intents {
        assert_eq!(*count, 1, "{what}: {id} has {count} intents\n{}", dump(disk));
        let outcomes = found.outcomes.get(id).map_or(0, Vec::len);
        assert_eq!(outcomes, 1, "{what}: {id} has {outcomes} outcomes\n{}", dump(disk));
    }
    if !crashed {
        for (id, verdict) in &told.held {
            assert_eq!(found.outcomes.get(id), Some(&vec![*verdict]), "{what}: {id} was held");
        }
    }
}

fn dump(disk: &Simulator) -> String {
    let mut text = String::new();
    for name in disk.names() {
        text += "-- ";
        text += &name;
        text.push('\n');
        text += &String::from_utf8_lossy(&disk.bytes(&name).unwrap_or_default());
    }
    text
}

/// Numbers that look like chance and are the same each time.
fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    }
}

/// Lets the `n`th call fail, for every n of a run. Returns how many runs there were.
fn at_every_call(settings: &Settings, fault: Fault, crash: bool) -> u64 {
    let mut n = 0;
    loop {
        n += 1;
        let disk = Simulator::new();
        let mut told = Told::default();
        // An earlier process, killed, so that there is something to find at the start.
        let (journal, _) = Journal::open_on(Box::new(disk.clone()), settings.clone()).unwrap();
        work(&journal, 100, &mut told);
        let disk = disk.crash(|below| below - 1);
        // With `relaxed`, what that crash took is not this run's matter.
        told = if settings.durability == Durability::Strict { told } else { Told::default() };
        let crashed = crash || fault == Fault::Crash;
        disk.fail_at(n, fault);
        let mut opened = Journal::open_on(Box::new(disk.clone()), settings.clone());
        if opened.is_err() && fault != Fault::Crash {
            disk.heal();
            opened = Journal::open_on(Box::new(disk.clone()), settings.clone());
            assert!(opened.is_ok(), "call {n}: {opened:?}");
        }
        if let Ok((journal, _)) = &opened {
            work(journal, 200, &mut told);
            // With `relaxed`, a crash takes nothing of what was before a checkpoint.
            if settings.durability == Durability::Relaxed && wait(journal.checkpoint()).is_err() && crashed {
                told = Told::default();
            }
            if fault == Fault::UntilHealed {
                disk.heal();
            }
            if fault != Fault::Crash && !crash {
                wait_until_writable(journal);
                let before = told.refused_intents;
                work(journal, 300, &mut told);
                assert!(
                    told.refused_intents == before || fault == Fault::Once,
                    "call {n}: it did not recover"
                );
                journal.close();
            }
        }
        let hit = disk.hit();
        disk.heal();
        let what = format!("{fault:?} at call {n} ({}), crash: {crash}", hit.unwrap_or("none"));
        let left = if crashed { disk.crash(dice(n)) } else { disk.clone() };
        compare(&left, settings, &told, crashed, &what);
        if hit.is_none() {
            return n;
        }
    }
}

#[test]
fn strict_keeps_its_promises_at_every_call() {
    for (fault, crash) in [
        (Fault::Once, false),
        (Fault::Once, true),
        (Fault::UntilHealed, false),
        (Fault::UntilHealed, true),
        (Fault::Crash, true),
    ] {
        let runs = at_every_call(&quick(), fault, crash);
        println!("strict, {fault:?}, crash {crash}: {runs} runs");
        assert!(runs > 30, "{runs}");
    }
}

#[test]
fn relaxed_keeps_its_promises_at_every_call() {
    let settings = Settings { durability: Durability::Relaxed, ..quick() };
    for (fault, crash) in
        [(Fault::Once, false), (Fault::Once, true), (Fault::UntilHealed, false), (Fault::Crash, true)]
    {
        let runs = at_every_call(&settings, fault, crash);
        println!("relaxed, {fault:?}, crash {crash}: {runs} runs");
        assert!(runs > 10, "{runs}");
    }
}

/// Whoever hears that a checkpoint is not there finds out by the journal's health whether it goes on.
#[test]
fn a_failure_is_told_when_the_health_says_it() {
    for number in 0..200 {
        let disk = Simulator::new();
        let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
        disk.fail_at(1, Fault::UntilHealed);
        let error = wait(journal.checkpoint()).unwrap_err();
        assert!(!journal.health().is_writable(), "{number}: {error}");
    }
}

#[test]
fn a_full_disk_refuses_intents_and_takes_outcomes() {
    let mut runs = 0;
    for quota in (17_000..40_000).step_by(97) {
        let disk = Simulator::new();
        disk.quota(Some(quota));
        let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
        let mut told = Told::default();
        let mut in_flight = Vec::new();
        // Several edits are always in flight when it gets full.
        let refused = (0..1000).find_map(|number| {
            match wait(journal.record(Edit::of(number + 1), &asked(number), &[])) {
                Ok(intent) => {
                    told.recorded.insert(id(number), None);
                    in_flight.push((number, intent));
                    if in_flight.len() > 8 {
                        let (number, intent) = in_flight.remove(0);
                        let outcome = Outcome::answered(204, None);
                        let closed = wait(intent.close(outcome));
                        told.recorded.insert(id(number), Some(closed.unwrap().verdict()));
                    }
                    None
                }
                Err(why) => Some(why),
            }
        });
        assert!(matches!(refused, Some(NotRecorded::Unwritable(_))), "quota {quota}: {refused:?}");
        // With nothing in flight no reserve is needed, and what was set aside may be all that was missing.
        assert!(!journal.health().is_writable() || in_flight.is_empty(), "quota {quota}");
        if !in_flight.is_empty() {
            assert!(wait(journal.record(Edit::of(1), &asked(5000), &[])).is_err(), "quota {quota}");
        }
        for (number, intent) in in_flight {
            let closed = wait(intent.close(Outcome::answered(204, None)));
            let closed = closed.unwrap_or_else(|held| panic!("quota {quota}: {number}: {held}"));
            told.recorded.insert(id(number), Some(closed.verdict()));
        }
        if runs % 2 == 0 {
            let left = disk.crash(dice(quota));
            left.quota(None);
            compare(&left, &quick(), &told, true, &format!("quota {quota}, crash"));
        } else {
            disk.quota(None);
            wait_until_writable(&journal);
            work(&journal, 6000, &mut told);
            assert_eq!(told.refused_intents, 0, "quota {quota}");
            journal.close();
            compare(&disk, &quick(), &told, false, &format!("quota {quota}"));
        }
        runs += 1;
    }
    println!("{runs} quotas");
}

/// A follower may have read a part of it, and would take the rest of another file for the rest of that one.
#[test]
fn the_name_of_a_segment_that_could_not_be_begun_is_not_used_again() {
    // Behind the append, the sync and the look that finds it gone: append, sync, names, look.
    for call in 6..=9 {
        let disk = Simulator::new();
        let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
        let [first] = disk.segments().unwrap()[..] else { panic!("{:?}", disk.names()) };
        disk.lose(&first.0.to_string());
        disk.fail_at(call, Fault::Once);
        assert!(wait(journal.record(Edit::of(1), &asked(1), &[])).is_err(), "call {call}");
        wait_until_writable(&journal);
        journal.close();
        let [second] = disk.segments().unwrap()[..] else { panic!("{:?}", disk.names()) };
        assert_eq!(second.0.number, first.0.number + 2, "call {call}: {:?}", disk.hit());
    }
}

#[test]
fn starts_on_a_full_disk_and_recovers() {
    let disk = Simulator::new();
    let mut told = Told::default();
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    let intent = wait(journal.record(Edit::of(1), &asked(1), &[])).unwrap();
    told.recorded.insert(id(1), None);
    let disk = disk.crash(|_| 0);
    drop(intent);
    disk.quota(Some(disk.used()));
    let (journal, started) = Journal::open_on(Box::new(disk.clone()), quick()).unwrap();
    assert_eq!(started.unknown, 1);
    assert!(matches!(journal.health(), Health::Unwritable { .. }));
    assert!(wait(journal.record(Edit::of(2), &asked(2), &[])).is_err());
    disk.quota(None);
    wait_until_writable(&journal);
    work(&journal, 100, &mut told);
    assert_eq!(told.refused_intents, 0);
    journal.close();
    compare(&disk, &quick(), &told, false, "start on a full disk");
}

#[test]
fn a_disk_with_room_for_one_reserve_alone_recovers() {
    let disk = Simulator::new();
    disk.quota(Some(40 << 10));
    let settings = Settings { segment_bytes: 1 << 20, reserve_bytes: 24 << 10, ..quick() };
    let (journal, _) = Journal::open_on(Box::new(disk.clone()), settings.clone()).unwrap();
    let (mut told, mut in_flight) = (Told::default(), Vec::new());
    let refused = (0..1000).find(|number| {
        let recorded = wait(journal.record(Edit::of(1), &asked(*number), &[]));
        recorded.map(|intent| in_flight.push(intent)).is_err()
    });
    assert!(refused.is_some());
    for intent in in_flight {
        wait(intent.close(Outcome::not_sent())).unwrap();
    }
    // Somebody makes room, for less than another reserve beside the one that is in use.
    disk.quota(Some(52 << 10));
    wait_until_writable(&journal);
    work(&journal, 2000, &mut told);
    journal.close();
    compare(&disk, &settings, &told, false, "a small disk");
}

/// Many callers at once, and a storage that fails, heals and fails again under them.
#[test]
fn many_callers_on_a_storage_that_fails_at_random() {
    let (mut failures, mut recorded, mut refused) = (0, 0, 0);
    for round in 0..40 {
        let durability = if round % 4 == 3 { Durability::Relaxed } else { Durability::Strict };
        let settings = Settings { durability, ..quick() };
        let disk = Simulator::new();
        let (journal, _) = Journal::open_on(Box::new(disk.clone()), settings.clone()).unwrap();
        let told: Vec<Told> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..6)
                .map(|caller| {
                    let journal = &journal;
                    scope.spawn(move || {
                        let mut told = Told::default();
                        for turn in 0..8 {
                            work(journal, 1000 * (caller + 1) + 30 * turn, &mut told);
                        }
                        told
                    })
                })
                .collect();
            let mut dice = dice(round);
            while callers.iter().any(|caller| !caller.is_finished()) {
                let fault = if dice(2) == 0 { Fault::Once } else { Fault::UntilHealed };
                disk.fail_at(1 + dice(12) as u64, fault);
                // As long as it takes for some calls to be made, or for nobody to be left who makes them.
                let until = disk.calls() + 25;
                while disk.calls() < until && callers.iter().any(|caller| !caller.is_finished()) {
                    std::thread::yield_now();
                }
                disk.heal();
            }
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        disk.heal();
        let mut all = Told::default();
        for told in told {
            all.recorded.extend(told.recorded);
            all.held.extend(told.held);
            all.refused_intents += told.refused_intents;
        }
        recorded += all.recorded.len();
        refused += all.refused_intents;
        failures += journal.counters().failures;
        let crashed = round % 2 == 0;
        let left = if crashed {
            disk.crash(dice(round))
        } else {
            journal.close();
            assert_eq!(journal.counters().open, 0, "round {round}");
            disk.clone()
        };
        if crashed && durability == Durability::Relaxed {
            all = Told::default();
        }
        compare(&left, &settings, &all, crashed, &format!("round {round}"));
    }
    println!("40 rounds, {failures} failures, {recorded} intents recorded, {refused} refused");
    assert!(failures > 40 && recorded > 1000, "{failures} failures, {recorded} recorded");
}
