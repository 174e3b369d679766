//! CPU per request and latency of each proxy, in interleaved rounds: whatever else the machine does meets all of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::Syncs;
use crate::nginx::{self, Behind};
use crate::subjects::{Running, Subject};
pub(crate) use crate::table::median;
use crate::table::{Figures, Report, Round};
use crate::{Result, disk, metrics, requests, turns, wrk};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often each proxy is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each time
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Keep-alive connections; several numbers, separated by commas, have tables of their own
    #[arg(long, value_delimiter = ',', default_value = "32")]
    connections: Vec<usize>,
    /// All proxies are loaded at once, and each runs for so many milliseconds in turn: what else the machine does meets them alike.
    /// There is no latency, and no look at the disk
    #[arg(long, value_name = "MILLISECONDS")]
    turns: Option<u64>,
    /// Which bodies, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_value = "small,large")]
    bodies: Vec<Body>,
    /// The length of the bearer token; Graph's have 1,500 bytes and more
    #[arg(long, default_value_t = 64)]
    token: usize,
    /// The core of the proxy under test
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// The core of load and upstream
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Which proxies, separated by commas [default: all]
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Subject>,
    /// Which gateway [default: built now]
    #[arg(long, value_name = "BINARY")]
    gateway: Option<PathBuf>,
    /// Where the journals lie, on a disk [default: the folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Body {
    Small,
    Large,
}

impl Body {
    fn named(self) -> (&'static str, String) {
        match self {
            Self::Small => ("small", requests::SMALL.to_owned()),
            Self::Large => ("large", requests::large()),
        }
    }
}

/// What stands during all rounds.
struct Bench<'a> {
    args: &'a Args,
    folder: &'a Path,
    running: Vec<Running>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    nginx::provide()?;
    let binary = crate::gateway(args.gateway.as_ref())?;
    let temporary = match &args.folder {
        Some(named) => tempfile::tempdir_in(named)?,
        None => tempfile::tempdir()?,
    };
    let folder = temporary.path();
    let file_system = disk::file_system(folder)?;
    let behind = Behind::start(folder, args.load_core)?;
    let chosen = if args.only.is_empty() { Subject::ALL.to_vec() } else { args.only.clone() };
    let running = chosen
        .iter()
        .map(|subject| subject.start(folder, args.core, &binary, &behind))
        .collect::<Result<_>>()?;
    let bench = Bench { args, folder, running };
    let token = requests::token(args.token);
    for connections in args.connections.iter().copied() {
        for (name, body) in args.bodies.iter().map(|body| body.named()) {
            let script = wrk::script(folder, name, &body, &token)?;
            eprintln!("{connections} connections, {name} body");
            let rounds = bench.rounds(&script, connections)?;
            let report = Report { subjects: &chosen, rounds: &rounds };
            println!(
                "\n{connections} connections, body of {} bytes: median (least to most) of {} rounds\n",
                body.len(),
                rounds.len()
            );
            if args.turns.is_some() {
                println!("{}", report.turns());
                continue;
            }
            println!("{}", report.proxies());
            if let Some(journal) = report.journal() {
                println!("{journal}\nThe disk's own fdatasync ({file_system}): {}", report.disk());
            }
        }
    }
    Ok(())
}

impl Bench<'_> {
    fn rounds(&self, script: &Path, connections: usize) -> Result<Vec<Round>> {
        // The first round is a short one, and thrown away.
        self.round(script, connections, 1)?;
        (0..self.args.rounds)
            .map(|number| {
                let round = self.round(script, connections, self.args.seconds)?;
                eprintln!("round {} of {}", number + 1, self.args.rounds);
                Ok(round)
            })
            .collect()
    }

    fn round(&self, script: &Path, connections: usize, seconds: u64) -> Result<Round> {
        if let Some(turn) = self.args.turns.map(Duration::from_millis) {
            let figures = turns::run(&self.running, self.args.load_core, turn, |core, address| {
                wrk::run(core, address, script, connections, seconds)
            })?;
            return Ok(Round { figures, disk: Syncs::default(), beside: Syncs::default() });
        }
        let of = |proxy| self.one(proxy, script, connections, seconds);
        let figures = self.running.iter().map(of).collect::<Result<_>>()?;
        let disk = || disk::measure(self.args.core, self.folder, connections);
        Ok(Round { figures, disk: disk()?, beside: self.loaded(script, connections, disk)? })
    }

    /// Does some work while the gateway whose journal is dropped is loaded, if there is one.
    fn loaded<T>(&self, script: &Path, connections: usize, work: impl Fn() -> Result<T>) -> Result<T> {
        let dropped = self.running.iter().find(|proxy| proxy.subject == Subject::GatewayDropped);
        let Some(proxy) = dropped else { return work() };
        let _load = wrk::start(self.args.load_core, proxy.address, script, connections)?;
        work()
    }

    fn one(&self, proxy: &Running, script: &Path, connections: usize, seconds: u64) -> Result<Figures> {
        let journal = || proxy.admin.map(metrics::journal).transpose();
        let (cpu, exported, before) = (proxy.process.cpu()?, nginx::exported(self.folder), journal()?);
        let run = wrk::run(self.args.load_core, proxy.address, script, connections, seconds)
            .map_err(|error| format!("{}: {error}", proxy.subject.name()))?;
        let used = proxy.process.cpu()? - cpu;
        let journals = before.zip(journal()?);
        let edits_per_commit = journals
            .as_ref()
            .map(|(before, after)| (after.records - before.records) / 2.0 / (after.commits - before.commits));
        Ok(Figures {
            cpu: used * 1e6 / run.requests,
            busy: used / run.seconds,
            rate: run.requests / run.seconds,
            p50: run.p50,
            p99: run.p99,
            exported: (nginx::exported(self.folder) - exported) / run.requests,
            edits_per_commit,
            commits_p99: journals.and_then(|(before, after)| after.p99_since(&before)),
        })
    }
}
