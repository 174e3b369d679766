//! A process that records edits is killed at any moment, again and again, on one directory. What it said before was recorded
//! is on record; every intent has one outcome, the one that it said or unknown; the chain verifies.
//!
//! `KILLS=1000 cargo test -p patchgate-journal --test kill` for the long form.

#![cfg_attr(test, expect(clippy::print_stdout, reason = "the test's own report"))]

#[cfg(test)]
mod support;

fn main() {
    #[cfg(test)]
    {
        let arguments: Vec<String> = std::env::args().collect();
        match arguments.as_slice() {
            [_, write, directory, from] if write == "write" => {
                rounds::write(std::path::Path::new(directory), from.parse().unwrap());
            }
            _ => rounds::run(),
        }
    }
}

#[cfg(test)]
mod rounds {
    use std::collections::BTreeSet;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
    use std::{env, io, thread};

    use patchgate_journal::verify::{Finding, verify};
    use patchgate_journal::{Directory, Journal, Outcome, Settings, Verdict};

    use crate::support::{Edit, asked, id, on_record, wait};

    fn settings() -> Settings {
        Settings { segment_bytes: 256 << 10, ..Settings::default() }
    }

    /// Records until it is killed, and says what is recorded, a line each.
    pub(crate) fn write(directory: &Path, from: u64) {
        let (journal, _) = Journal::open(directory, settings()).unwrap();
        let say = |what: &str, number: u64| {
            // One write, so that no half of it is lost.
            io::stdout().write_all(format!("{what} {number}\n").as_bytes()).unwrap();
        };
        thread::scope(|scope| {
            for worker in 0..4 {
                let journal = &journal;
                scope.spawn(move || {
                    for number in (from + worker..).step_by(4) {
                        let intent = wait(journal.record(Edit::of(1), &asked(number), &[])).unwrap();
                        say("recorded", number);
                        wait(intent.close(Outcome::answered(204, None))).unwrap();
                        say("closed", number);
                    }
                });
            }
        });
    }

    /// What a killed process had said.
    #[derive(Default)]
    struct Said {
        recorded: BTreeSet<u64>,
        closed: BTreeSet<u64>,
    }

    fn start_and_kill(directory: &Path, from: u64, after: Duration) -> Said {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["write", directory.to_str().unwrap(), &from.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader = thread::spawn(move || {
            let mut said = Said::default();
            for line in output.lines().map_while(Result::ok) {
                match line.split_once(' ') {
                    Some(("recorded", number)) => said.recorded.insert(number.parse().unwrap()),
                    Some(("closed", number)) => said.closed.insert(number.parse().unwrap()),
                    _ => panic!("{line}"),
                };
            }
            said
        });
        thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap()
    }

    pub(crate) fn run() {
        let kills = env::var("KILLS").map_or(10, |kills| kills.parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let storage = Directory::new(folder.path());
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let (mut dice, begun) = (seed | 1, Instant::now());
        let (mut recorded, mut closed, mut unknown, mut torn) = (BTreeSet::new(), BTreeSet::new(), 0, 0);
        for round in 0..kills {
            dice = dice.wrapping_mul(0x2545_f491_4f6c_dd1d) & u128::from(u64::MAX) | 1;
            let after = Duration::from_micros(u64::try_from((dice >> 20) % 120_000).unwrap());
            let said = start_and_kill(folder.path(), round * 1_000_000, after);
            recorded.extend(said.recorded);
            closed.extend(said.closed);
            // Every tenth time, so that there is also a start upon a start.
            if round % 10 == 9 || round + 1 == kills {
                let (journal, started) = Journal::open(folder.path(), settings()).unwrap();
                journal.close();
                assert!(started.damaged.is_empty(), "seed {seed}: {started:?}");
                unknown += started.unknown;
                torn += started.cut.len();
                let report = verify(&storage, &[], &mut |_, _| ()).unwrap();
                let findings: Vec<_> = report.findings.iter().map(Finding::to_string).collect();
                assert!(report.holds(), "seed {seed}: {findings:#?}");
                assert_eq!((report.open, report.unfinished), (0, None));
                let found = on_record(&storage);
                for number in &recorded {
                    assert!(found.intents.contains_key(&id(*number)), "seed {seed}: intent {number} is lost");
                }
                for (id, count) in &found.intents {
                    let outcomes = found.outcomes.get(id).map_or(0, Vec::len);
                    assert_eq!((*count, outcomes), (1, 1), "seed {seed}: intents and outcomes of {id}");
                }
                for number in &closed {
                    assert_eq!(found.outcomes[&id(*number)], [Verdict::Applied], "seed {seed}: {number}");
                }
            }
        }
        println!(
            "{kills} kills in {:?}: {} intents and {} outcomes were told of, and are there; at the checks {unknown} intents were open and {torn} tails torn",
            begun.elapsed(),
            recorded.len(),
            closed.len()
        );
    }
}
