//! The gateway is killed at any moment, under load, again and again on one directory, and started again. What upstream saw is
//! on record, what was answered has its outcome, the chain verifies, and no intent stays open.
//!
//! `SIGKILL` takes nothing of what was written, synced or not: what is lost with the power, the journal's own tests show on a
//! simulated disk.
//!
//! `PATCHGATE_CRASH_SEED` repeats a run as far as timing lets it; `PATCHGATE_CRASH_KILLS` says how many kills the long form has.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use patchgate_journal::Verdict;
use patchgate_tests::callers::{Answered, Asks, Callers, numbers};
use patchgate_tests::gateway::Gateway;
use patchgate_tests::journal::{OnRecord, Sent, findings, gateway_on, report};
use patchgate_tests::rows::INCIDENT;
use patchgate_tests::upstream::{PLAIN, Upstream};
use tempfile::TempDir;

/// Callers at once.
const CALLERS: u64 = 6;
/// The most answers before a kill.
const MOST_ANSWERS: u64 = 150;
/// So many kills on one directory; then there is a new one, so that reading all of it stays cheap.
const KILLS_OF_A_LIFE: u64 = 20;
/// Refusals at the end of a directory's life, more than have a record each.
const REFUSALS: u64 = 30;

#[test]
fn no_edit_is_lost_when_the_gateway_is_killed() {
    run(Durability::Strict, 10);
}

#[test]
fn relaxed_loses_the_last_records_alone() {
    run(Durability::Relaxed, 6);
}

#[test]
#[ignore = "long: 50 kills, or PATCHGATE_CRASH_KILLS"]
fn no_edit_is_lost_in_many_kills() {
    let kills = variable("PATCHGATE_CRASH_KILLS").unwrap_or(50);
    run(Durability::Strict, kills);
    run(Durability::Relaxed, kills.div_ceil(5));
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|error| panic!("{name}: {error}")))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    Strict,
    Relaxed,
}

/// What a run did, and came upon.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    /// Of them before the gateway had said that it is ready.
    at_start: u64,
    arrived: u64,
    answered: u64,
    unknown: u64,
    torn: u64,
    lost: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, at_start, arrived, answered, unknown, torn, lost } = self;
        write!(
            f,
            "{kills} kills, {at_start} of them at the start: {arrived} edits reached upstream, {answered} were answered, {unknown} \
             outcomes are unknown, {torn} tails were torn, {lost} intents are lost"
        )
    }
}

/// Numbers by splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

fn run(durability: Durability, kills: u64) {
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_micros();
    let seed = variable("PATCHGATE_CRASH_SEED").unwrap_or_else(|| u64::try_from(clock()).expect("a number"));
    println!("PATCHGATE_CRASH_SEED={seed}");
    let (mut dice, mut tally, begun) = (Dice(seed), Tally::default(), Instant::now());
    while tally.kills < kills {
        let end = kills.min(tally.kills + KILLS_OF_A_LIFE);
        let mut life = Life::begin(durability);
        while tally.kills < end {
            life.round(&mut dice, &mut tally);
        }
        life.end(&mut tally);
    }
    println!("{durability:?}, in {:?}: {tally}", begun.elapsed());
    assert!(tally.arrived > 0 && tally.answered > 0, "nothing was put to the test: {tally}");
}

/// A directory from its first record on.
struct Life {
    durability: Durability,
    folder: TempDir,
    graph: Upstream,
    /// How long the last start took.
    start: Duration,
    arrived: BTreeSet<Sent>,
    answered: Vec<Answered>,
    /// Edits of which a dead gateway left no record.
    lost: BTreeSet<Sent>,
}

impl Life {
    fn begin(durability: Durability) -> Self {
        Self {
            durability,
            folder: tempfile::tempdir().expect("a folder"),
            graph: graph(),
            start: Duration::from_millis(100),
            arrived: BTreeSet::new(),
            answered: Vec::new(),
            lost: BTreeSet::new(),
        }
    }

    fn directory(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> Command {
        let mut command = gateway_on(self.directory(), &self.graph);
        let durability = match self.durability {
            Durability::Strict => "strict",
            Durability::Relaxed => "relaxed",
        };
        command.env("PATCHGATE_AUDIT__DURABILITY", durability);
        command
    }

    /// Starts a gateway, compares, loads it, kills it, and compares again.
    fn round(&mut self, dice: &mut Dice, tally: &mut Tally) {
        let round = tally.kills;
        if dice.below(4) == 0 {
            self.kill_at_start(dice);
            tally.at_start += 1;
        } else {
            let mut gateway = self.start();
            let callers = Callers::start(gateway.listen, CALLERS, round);
            callers.wait_for(1 + dice.below(MOST_ANSWERS));
            thread::sleep(Duration::from_micros(dice.below(3000)));
            gateway.process().kill().expect("it runs");
            drop(gateway);
            self.answered.extend(callers.end());
        }
        tally.kills += 1;
        self.compare(&format!("after kill {}", tally.kills));
    }

    /// Starts a gateway, and compares once it is ready: now each intent has its outcome.
    fn start(&mut self) -> Gateway {
        let begun = Instant::now();
        let gateway = Gateway::started_by(self.command());
        self.start = begun.elapsed();
        assert_eq!(findings(self.directory()), [""; 0], "after a start");
        let report = report(self.directory());
        assert_eq!((report.open, report.unfinished), (0, None), "after a start");
        self.compare("after a start").assert_closed("after a start");
        gateway
    }

    /// Kills one that is about to start, in the middle of mending what the one before it left, or soon after.
    fn kill_at_start(&self, dice: &mut Dice) {
        let mut command = self.command();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let most = u64::try_from(self.start.as_micros()).expect("a short time");
        thread::sleep(Duration::from_micros(dice.below(most)));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }

    /// What upstream saw and what callers were answered, beside what is on record.
    fn compare(&mut self, when: &str) -> OnRecord {
        for arrived in self.graph.take() {
            if let Some(sent) = Sent::arrived(&arrived) {
                assert!(self.arrived.insert(sent.clone()), "{when}: upstream saw {sent:?} twice");
            }
        }
        let record = OnRecord::read(self.directory());
        let intents: BTreeSet<Sent> = record.edits.values().map(|edit| edit.sent.clone()).collect();
        assert_eq!(intents.len(), record.edits.len(), "{when}: an edit is on record twice");
        assert_eq!(record.strays, [""; 0], "{when}");
        let lost: BTreeSet<Sent> = self.arrived.difference(&intents).cloned().collect();
        assert!(self.lost.is_subset(&lost), "{when}: what was lost is back");
        self.lost = lost;
        match self.durability {
            Durability::Strict => assert_eq!(self.lost, BTreeSet::new(), "{when}: sent, and not on record"),
            Durability::Relaxed => self.assert_the_last_are_lost(&intents, when),
        }
        for answered in &self.answered {
            self.compare_answer(answered, &record, when);
        }
        record
    }

    /// A caller asks one thing after the other: if an edit is lost, so are those that came after it.
    fn assert_the_last_are_lost(&self, intents: &BTreeSet<Sent>, when: &str) {
        let mut last_on_record = BTreeMap::new();
        for sent in intents {
            let [round, caller, number] = numbers(&sent.document).expect("an edit of ours");
            let last = last_on_record.entry((round, caller)).or_insert(number);
            *last = number.max(*last);
        }
        for sent in &self.lost {
            let [round, caller, number] = numbers(&sent.document).expect("an edit of ours");
            let last = last_on_record.get(&(round, caller));
            assert!(last.is_none_or(|last| *last < number), "{when}: lost before one on record: {sent:?}");
        }
    }

    fn compare_answer(&self, answered: &Answered, record: &OnRecord, when: &str) {
        let Answered { asks, status, request_id, .. } = answered;
        let expected = match (asks, status) {
            (Asks::Read, 200) | (Asks::Refused, 400) => {
                assert!(!record.edits.contains_key(request_id), "{when}: no edit: {answered:?}");
                return;
            }
            (Asks::Edit, 200) => Verdict::Applied,
            (Asks::Edit, 403) => Verdict::Refused,
            (Asks::Edit, 500) => Verdict::Failed,
            // OutcomeUnknown.
            (Asks::Edit, 502) => Verdict::Unknown,
            _ => panic!("{when}: answered otherwise than Graph: {answered:?}"),
        };
        match (record.edits.get(request_id), self.durability) {
            (Some(edit), _) => {
                assert_eq!(edit.sent.document, answered.document, "{when}: another edit than was answered");
                match (edit.outcomes.as_slice(), self.durability) {
                    ([outcome], _) if *outcome == expected => {}
                    // The intent was written, and the outcome no more.
                    ([] | [Verdict::Unknown], Durability::Relaxed) => {}
                    (outcomes, _) => panic!("{when}: {outcomes:?}, not {expected:?}: {answered:?}"),
                }
            }
            (None, Durability::Strict) => panic!("{when}: answered, and not on record: {answered:?}"),
            (None, Durability::Relaxed) => {
                let lost = self.lost.iter().any(|sent| sent.document == answered.document);
                assert!(lost, "{when}: answered, and neither on record nor sent: {answered:?}");
            }
        }
    }

    /// A last start, with an end in peace: refusals are counted to the last.
    fn end(mut self, tally: &mut Tally) {
        let gateway = self.start();
        let before = OnRecord::read(self.directory()).refusals.values().sum::<u64>();
        let mut connection = gateway.connect();
        for _ in 0..REFUSALS {
            assert_eq!(connection.patch(INCIDENT, &[], "{}").status, 400);
        }
        let (status, output) = gateway.stop();
        assert!(status.success(), "{output}");
        assert_eq!(findings(self.directory()), [""; 0], "at the end");
        let record = self.compare("at the end");
        record.assert_closed("at the end");
        assert_eq!(record.refusals.values().sum::<u64>(), before + REFUSALS, "{:?}", record.refusals);
        let unknown = record.edits.values().filter(|edit| edit.outcomes == [Verdict::Unknown]).count();
        let torn = std::fs::read_dir(self.directory()).expect("the directory").flatten();
        let torn = torn.filter(|entry| entry.file_name().to_string_lossy().contains(".torn-")).count();
        tally.arrived += self.arrived.len() as u64;
        tally.answered += self.answered.iter().filter(|answered| answered.asks == Asks::Edit).count() as u64;
        tally.unknown += unknown as u64;
        tally.torn += torn as u64;
        tally.lost += self.lost.len() as u64;
    }
}

/// Graph, which applies, refuses, fails or is gone by the number of the edit, some of it late.
fn graph() -> Upstream {
    Upstream::answering(|request, stream| {
        let number = numbers(&request.text()).map_or(0, |[_, _, number]| number);
        if number.is_multiple_of(3) {
            thread::sleep(Duration::from_millis(number % 7));
        }
        let answer = match number % 13 {
            4 => b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".as_slice(),
            6 => b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
            8 => return false,
            _ => PLAIN,
        };
        stream.write_all(answer).is_ok()
    })
}
