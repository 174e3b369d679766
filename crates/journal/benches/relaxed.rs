//! Whether `relaxed` keeps up: callers record at a rate for some seconds on the disk that is named, and none may be refused. Then
//! as fast as they can, which shows where the limit is.
//!
//! `cargo bench -p patchgate-journal --bench relaxed -- [DIRECTORY]`; `SECONDS_EACH` and `RATES` (`20000,30000`) change what is run.

mod support;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use patchgate_journal::{Durability, Journal, Outcome, Settings};
use support::{Edit, asked};
use tokio::runtime;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant as Moment, MissedTickBehavior, interval_at};

const CALLERS: u32 = 128;
const WORKERS: u32 = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder =
        folder.map_or_else(|| tempfile::tempdir().map(tempfile::TempDir::keep), |f| Ok(PathBuf::from(f)))?;
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let seconds = Duration::from_secs(variable("SECONDS_EACH", "10").parse()?);
    let rates: Vec<u32> =
        variable("RATES", "20000,30000").split(',').map(str::parse).collect::<Result<_, _>>()?;
    println!("in {}; {CALLERS} callers, {WORKERS} workers, {} s each", folder.display(), seconds.as_secs());
    let mut refused = 0;
    for rate in rates.into_iter().map(Some).chain([None]) {
        let run = run(&folder.join("audit"), rate, seconds)?;
        let wanted =
            rate.map_or_else(|| "as fast as they can".to_owned(), |rate| format!("{rate} edits a second"));
        println!("{wanted:>24}: {run}");
        refused += if rate.is_some() { run.refused } else { 0 };
        fs::remove_dir_all(folder.join("audit"))?;
    }
    if refused > 0 { Err(format!("{refused} edits were refused").into()) } else { Ok(()) }
}

/// What became of the edits.
struct Run {
    taken: u64,
    refused: u64,
    took: Duration,
    /// The most intents without an outcome on record.
    open: usize,
    /// The most bytes that waited to be written.
    queued: usize,
    /// The longest commit.
    longest: Duration,
    records: u64,
    commits: u64,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { taken, refused, took, open, queued, longest, records, commits } = self;
        let rate = u128::from(*taken) * 1000 / took.as_millis().max(1);
        let batch = records / commits.max(&1);
        write!(
            f,
            "{rate:>7} a second, {refused} of {} refused; at most {open} open and {queued} bytes queued; {batch} records a commit, \
             the longest {longest:.1?}",
            taken + refused
        )
    }
}

fn run(directory: &std::path::Path, rate: Option<u32>, seconds: Duration) -> Result<Run, Box<dyn Error>> {
    let longest = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&longest);
    let settings = Settings {
        durability: Durability::Relaxed,
        committed: Some(Arc::new(move |took: Duration| {
            told.fetch_max(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        })),
        ..Settings::default()
    };
    let (journal, _) = Journal::open(directory, settings)?;
    let (refused, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (open, queued) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let looks = {
        let (journal, ended) = (journal.clone(), Arc::clone(&ended));
        let (open, queued) = (Arc::clone(&open), Arc::clone(&queued));
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let counters = journal.counters();
                open.fetch_max(counters.open, Ordering::Relaxed);
                queued.fetch_max(counters.queued_bytes, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            }
        })
    };
    let edit = Arc::new(Edit::new()?);
    let begun = Instant::now();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (journal, edit, refused) = (journal.clone(), Arc::clone(&edit), Arc::clone(&refused));
            thread::spawn(move || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build();
                let Ok(runtime) = runtime else { return 0 };
                runtime.block_on(async {
                    let mut set = JoinSet::new();
                    for number in (worker..CALLERS).step_by(WORKERS as usize) {
                        let (journal, edit) = (journal.clone(), Arc::clone(&edit));
                        let caller = Caller { number, rate, until: begun + seconds };
                        set.spawn(caller.run(journal, edit, Arc::clone(&refused)));
                    }
                    set.join_all().await.iter().sum()
                })
            })
        })
        .collect();
    let taken = workers.into_iter().map(|worker| worker.join().unwrap_or(0)).sum();
    let took = begun.elapsed();
    ended.store(true, Ordering::Relaxed);
    _ = looks.join();
    journal.close();
    let counters = journal.counters();
    Ok(Run {
        taken,
        refused: refused.load(Ordering::Relaxed),
        took,
        open: open.load(Ordering::Relaxed),
        queued: queued.load(Ordering::Relaxed),
        longest: Duration::from_micros(longest.load(Ordering::Relaxed)),
        records: counters.records,
        commits: counters.commits,
    })
}

/// One of those who edit, one thing after the other.
struct Caller {
    number: u32,
    /// Of all callers together.
    rate: Option<u32>,
    until: Instant,
}

impl Caller {
    /// Returns how many edits were taken.
    async fn run(self, journal: Journal, edit: Arc<Edit>, refused: Arc<AtomicU64>) -> u64 {
        let mut clock = self.rate.map(|rate| {
            let each = Duration::from_secs(1) / rate;
            let mut clock = interval_at(Moment::now() + each * self.number, each * CALLERS);
            // Who was late makes up for it, as callers do who were kept waiting.
            clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
            clock
        });
        let (mut taken, mut id) = (0, u128::from(self.number) << 64);
        while Instant::now() < self.until {
            if let Some(clock) = &mut clock {
                clock.tick().await;
            }
            id += 1;
            match journal.record(Edit::clone(&edit), &asked(id), &["default"]).await {
                Ok(intent) => {
                    yield_now().await;
                    _ = intent
                        .close(Outcome::answered(204, Some("7c2d1f0e-8a55-4f0c-9c1b-0d6f2f5a9b11")))
                        .await;
                    taken += 1;
                }
                Err(_) => _ = refused.fetch_add(1, Ordering::Relaxed),
            }
            yield_now().await;
        }
        taken
    }
}
