//! What recording adds to an edit: CPU and time, for callers on two threads as the gateway has them, each edit with some work
//! of its own. Beside it the same without a journal, and the disk's own `fdatasync`.
//!
//! `cargo bench -p patchgate-journal --bench commit -- [DIRECTORY]`

mod support;

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use patchgate_journal::nowhere::Nowhere;
use patchgate_journal::{Durability, Journal, Outcome, Settings};
use support::{Edit, asked};
use tokio::runtime;
use tokio::task::{JoinSet, yield_now};

const FOR: Duration = Duration::from_secs(3);
/// As much as the gateway spends on an edit, about.
const WORK: Duration = Duration::from_micros(50);
const WORKERS: usize = 2;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder =
        folder.map_or_else(|| tempfile::tempdir().map(tempfile::TempDir::keep), |f| Ok(PathBuf::from(f)))?;
    fs::create_dir_all(&folder)?;
    let quick = std::env::var_os("QUICK").is_some();
    let callers: &[usize] = if quick { &[32] } else { &[1, 32, 128] };
    println!("in {}; {} us of work an edit, {WORKERS} workers", folder.display(), WORK.as_micros());
    fdatasync(&folder)?;
    for callers in callers.iter().copied() {
        let base = run(None, callers)?;
        println!("{callers:>4} callers  no journal             {base}");
        for durability in [Durability::Relaxed, Durability::Strict] {
            let settings = || Settings { durability, ..Settings::default() };
            let (nowhere, _) = Journal::open_on(Box::new(Nowhere), settings())?;
            let (disk, _) = Journal::open(&folder.join("audit"), settings())?;
            for (name, journal) in [("nowhere", nowhere), ("disk", disk)] {
                let run = run(Some(&journal), callers)?;
                let added = run.cpu - base.cpu;
                journal.close();
                let counters = journal.counters();
                let batch = counters.records / counters.commits.max(1);
                let took = counters.commit_nanoseconds / counters.commits.max(1) / 1000;
                println!(
                    "{callers:>4} callers  {durability:?} {name:<8}  {run}  added CPU {added:6.2} us; {batch} records and {took} us a commit"
                );
            }
        }
    }
    fs::remove_dir_all(folder.join("audit"))?;
    Ok(())
}

/// What a run took, an edit; in microseconds.
struct Run {
    edits: u64,
    cpu: f64,
    median: f64,
    worst: f64,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { edits, cpu, median, worst } = self;
        write!(f, "{edits:>8} edits  CPU {cpu:6.2} us  p50 {median:8.1} us  p99 {worst:8.1} us")
    }
}

fn run(journal: Option<&Journal>, callers: usize) -> Result<Run, Box<dyn Error>> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let edit = Arc::new(Edit::new()?);
    let before = cpu()?;
    let until = Instant::now() + FOR;
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (journal, edit) = (journal.cloned(), Arc::clone(&edit));
            let tasks = callers / WORKERS + usize::from(worker < callers % WORKERS);
            thread::spawn(move || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build();
                let Ok(runtime) = runtime else { return Vec::new() };
                runtime.block_on(async {
                    let mut set = JoinSet::new();
                    for _ in 0..tasks {
                        let (journal, edit) = (journal.clone(), Arc::clone(&edit));
                        set.spawn(async move { caller(journal, &edit, &NUMBER, until).await });
                    }
                    set.join_all().await.concat()
                })
            })
        })
        .collect();
    let mut times: Vec<Duration> =
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect();
    let cpu = cpu()?.saturating_sub(before);
    times.sort_unstable();
    let at = |n: usize| times.get(times.len() * n / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    let edits = times.len() as u64;
    #[expect(clippy::cast_precision_loss, reason = "far fewer edits than that")]
    Ok(Run { edits, cpu: cpu.as_secs_f64() * 1e6 / edits as f64, median: at(50), worst: at(99) })
}

async fn caller(journal: Option<Journal>, edit: &Edit, numbers: &AtomicU64, until: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        work(WORK / 2);
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let recorded = match &journal {
            Some(journal) => {
                journal.record(edit.clone(), &asked(u128::from(number)), &["default"]).await.ok()
            }
            None => None,
        };
        work(WORK / 2);
        yield_now().await;
        if let Some(intent) = recorded {
            _ = intent.close(Outcome::answered(204, Some("7c2d1f0e-8a55-4f0c-9c1b-0d6f2f5a9b11"))).await;
        }
        times.push(begun.elapsed());
        yield_now().await;
    }
    times
}

fn work(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        black_box(0);
    }
}

/// The CPU time of this process, all threads, to the hundredth of a second.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().ok_or("no fields")?.split_whitespace();
    let ticks: Vec<u64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}

fn fdatasync(folder: &Path) -> Result<(), Box<dyn Error>> {
    let path = folder.join("fdatasync");
    let mut file = fs::File::options().append(true).create(true).open(&path)?;
    let mut times = Vec::new();
    let before = cpu()?;
    for _ in 0..2000 {
        let begun = Instant::now();
        file.write_all(&[b'x'; 700])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    let at = |n: usize| times.get(times.len() * n / 100).copied().unwrap_or_default().as_micros();
    let cpu = cpu()?.saturating_sub(before).as_micros() / 2000;
    println!("fdatasync after 700 bytes: p50 {} us, p99 {} us, CPU {cpu} us", at(50), at(99));
    Ok(())
}
