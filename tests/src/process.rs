//! What a running process takes, as Linux tells it, and how much this one may take.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How long a test waits for what should come; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Resident memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resident {
    /// Now.
    pub now: u64,
    /// The most there ever was.
    pub peak: u64,
}

/// The resident memory of a process.
pub fn resident(process: u32) -> Resident {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let kib = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of the status");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    Resident { now: kib("VmRSS:") * 1024, peak: kib("VmHWM:") * 1024 }
}

/// The descriptors that a process has open.
pub fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").count()
}

/// The processor time that a process has taken, of all its threads.
pub fn processor_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    // The name stands in parentheses and may hold anything; the times are the 12th and 13th behind it.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// Lets this process, and those that it starts from now on, have so many descriptors.
pub fn allow_descriptors(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return;
    }
    assert!(
        limit.maximum.is_none_or(|most| most >= count),
        "this test needs {count} descriptors, and the hard limit of this machine is {:?}: raise it (ulimit -Hn), or run the \
         test elsewhere",
        limit.maximum
    );
    setrlimit(Resource::Nofile, Rlimit { current: Some(count), ..limit }).expect("up to the hard limit");
}

/// Does something on one core alone: a gateway that is started by it has one worker.
pub fn on_one_core<T>(work: impl FnOnce() -> T) -> T {
    let all = sched_getaffinity(None).expect("the cores of this thread");
    let first = (0..CpuSet::MAX_CPU).find(|core| all.is_set(*core)).expect("a core");
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one).expect("one of its own cores");
    let done = work();
    sched_setaffinity(None, &all).expect("those that it had");
    done
}

/// Waits until something is so, asking again and again; it is told what for.
pub fn until(what: &str, so: impl FnMut() -> bool) {
    until_within(PATIENCE, what, so);
}

/// The same with a patience of its own.
pub fn until_within(patience: Duration, what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < patience, "it never was so: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How large another process may make files from now on, in bytes; with nothing said, as large as before it was limited.
pub fn limit_files(process: u32, bytes: Option<u64>) {
    let process = Pid::from_raw(i32::try_from(process).expect("the number of a process"));
    let limit = getrlimit(Resource::Fsize);
    let current = bytes.or(limit.current);
    prlimit(process, Resource::Fsize, Rlimit { current, ..limit }).expect("it runs, and is ours");
}
