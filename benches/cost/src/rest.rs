//! What the gateway costs while it does nothing: memory of idle connections, cold start, size.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::Result;
use crate::cost::median;
use crate::nginx::{self, Behind};
use crate::process::{Process, pinned};
use crate::subjects::{Running, Subject};

/// Longer than an idle connection keeps what it does not need.
const STILL: Duration = Duration::from_secs(3);
/// Shorter than it is kept (`timeouts.idle`).
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Idle connections
    #[arg(long, default_value_t = 10_000)]
    connections: u32,
    /// How often the gateway is started
    #[arg(long, default_value_t = 20)]
    starts: usize,
    /// The core of the proxy under test
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// The core of load and upstream
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Which gateway [default: built now]
    #[arg(long, value_name = "BINARY")]
    gateway: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    nginx::provide()?;
    let binary = crate::gateway(args.gateway.as_ref())?;
    let megabytes = |bytes: f64| bytes / (1024.0 * 1024.0);
    let size = std::fs::metadata(&binary)?.len();
    println!("size of the binary: {:.1} MiB", megabytes(f64::from(u32::try_from(size)?)));
    let temporary = tempfile::tempdir()?;
    cold_start(args, &binary, temporary.path())?;

    let behind = Behind::start(temporary.path(), args.load_core)?;
    for subject in [Subject::Nginx, Subject::Plain, Subject::Gateway] {
        let running = subject.start(temporary.path(), args.core, &binary, &behind)?;
        memory(args, &running)?;
    }
    Ok(())
}

/// From the start of the process to the line that says that it is ready, on all cores, with the embedded Graph and without.
fn cold_start(args: &Args, binary: &Path, folder: &Path) -> Result<()> {
    for (name, upstream) in [("the embedded Graph", None), ("an upstream", Some("http://127.0.0.1:9"))] {
        let mut times = Vec::new();
        for _ in 0..args.starts {
            let mut command = std::process::Command::new(binary);
            command.args(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
            command.env("PATCHGATE_AUDIT__DIRECTORY", folder.join("audit-start"));
            command.args(upstream.iter().flat_map(|upstream| ["--upstream", upstream]));
            command.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null());
            let begun = Instant::now();
            let mut process = Process::start(&mut command)?;
            let out = process.child().stdout.take().ok_or("no standard output")?;
            let mut line = String::new();
            BufReader::new(out).read_line(&mut line)?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
            if !line.contains("\"ready\":true") {
                return Err(format!("the gateway did not start: {line}").into());
            }
        }
        let most = times.iter().copied().fold(0.0, f64::max);
        println!(
            "cold start with {name}: median {:.1} ms, most {most:.1} ms of {}",
            median(times),
            args.starts
        );
    }
    Ok(())
}

/// Idle connections, each of which has served one edit: right then, and when nothing changes any more.
fn memory(args: &Args, running: &Running) -> Result<()> {
    let before = running.process.resident()?;
    let mut command = pinned(args.load_core, std::env::current_exe()?);
    command.args(["hold", &running.address.to_string(), &args.connections.to_string()]);
    // Its end of input is the end of this value.
    let mut holder = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let mut line = String::new();
    BufReader::new(holder.child().stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
    if line.trim_end() != format!("holding {}", args.connections) {
        return Err(format!("{}: not all connections stand: {line}", running.subject.name()).into());
    }
    let served = running.process.resident()?;
    let settled = settled(&running.process)?;
    for (when, after) in [("that served just now", served), ("that are left alone", settled)] {
        println!(
            "{}, {} idle connections {when}: {:.1} MiB resident, {:.1} MiB before, {:.1} KiB each",
            running.subject.name(),
            args.connections,
            after / 1024.0,
            before / 1024.0,
            (after - before) / f64::from(args.connections)
        );
    }
    Ok(())
}

/// The memory of a process when it has not changed for a while; well before the connections have been idle for too long.
fn settled(process: &Process) -> Result<f64> {
    let begun = Instant::now();
    let (mut resident, mut since) = (process.resident()?, begun);
    while since.elapsed() < STILL && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
        let now = process.resident()?;
        // To the page: not to a byte of it.
        if (now - resident).abs() >= 1.0 {
            (resident, since) = (now, Instant::now());
        }
    }
    Ok(resident)
}
