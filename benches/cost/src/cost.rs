//! CPU per request and latency of each proxy, in interleaved rounds: whatever else the machine does meets all of them.

use std::path::{Path, PathBuf};

use crate::nginx::{self, Behind};
use crate::subjects::{Running, Subject};
use crate::wrk::{self, Run};
use crate::{Result, requests};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often each proxy is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each time
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Keep-alive connections
    #[arg(long, default_value_t = 32)]
    connections: usize,
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
}

/// What one round says of one proxy and one body.
#[derive(Debug, Clone, Copy)]
struct Figures {
    run: Run,
    /// Microseconds per request.
    cpu: f64,
    /// The part of its core that the proxy used.
    busy: f64,
    /// Bytes of spans that reached the collector, per request.
    exported: f64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    nginx::provide()?;
    let binary = crate::gateway(args.gateway.as_ref())?;
    let temporary = tempfile::tempdir()?;
    let folder = temporary.path();
    let behind = Behind::start(folder, args.load_core)?;
    let chosen = if args.only.is_empty() { Subject::ALL.to_vec() } else { args.only.clone() };
    let running: Vec<Running> = chosen
        .iter()
        .map(|subject| subject.start(folder, args.core, &binary, &behind))
        .collect::<Result<_>>()?;
    let token = requests::token(args.token);
    for (name, body) in [("small", requests::SMALL.to_owned()), ("large", requests::large())] {
        let script = wrk::script(folder, name, &body, &token)?;
        let mut rounds = Vec::new();
        for round in 0..=args.rounds {
            // The first round is a short one, and thrown away.
            let seconds = if round == 0 { 1 } else { args.seconds };
            let figures = running
                .iter()
                .map(|proxy| one(args, folder, proxy, &script, seconds))
                .collect::<Result<Vec<_>>>()?;
            if round > 0 {
                rounds.push(figures);
                eprintln!("{name} body, round {round} of {}", args.rounds);
            }
        }
        report(&running, body.len(), &rounds);
    }
    Ok(())
}

fn one(args: &Args, folder: &Path, proxy: &Running, script: &Path, seconds: u64) -> Result<Figures> {
    let (cpu, exported) = (proxy.process.cpu()?, nginx::exported(folder));
    let run = wrk::run(args.load_core, proxy.address, script, args.connections, seconds)
        .map_err(|error| format!("{}: {error}", proxy.subject.name()))?;
    let used = proxy.process.cpu()? - cpu;
    Ok(Figures {
        run,
        cpu: used * 1e6 / run.requests,
        busy: used / run.seconds,
        exported: (nginx::exported(folder) - exported) / run.requests,
    })
}

fn report(running: &[Running], bytes: usize, rounds: &[Vec<Figures>]) {
    println!("\nBody of {bytes} bytes: median (least to most) of {} rounds\n", rounds.len());
    println!(
        "| proxy | CPU µs per request | to nginx | to plain hyper | requests/s | core used | p50 ms | p99 ms | span bytes sent per request |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let place = |subject| running.iter().position(|proxy| proxy.subject == subject);
    let (nginx, plain) = (place(Subject::Nginx), place(Subject::Plain));
    for (index, proxy) in running.iter().enumerate() {
        let of = |figure: &dyn Fn(&Figures) -> f64| -> Vec<f64> {
            rounds.iter().filter_map(|round| round.get(index).map(figure)).collect()
        };
        // Ratios are those within a round.
        let to = |other: Option<usize>| {
            let ratios =
                rounds.iter().filter_map(|round| Some(round.get(index)?.cpu / round.get(other?)?.cpu));
            spread(ratios.collect(), 2)
        };
        println!(
            "| {} | {} | {} | {} | {:.0} | {:.0} % | {:.2} | {:.2} | {:.0} |",
            proxy.subject.name(),
            spread(of(&|f| f.cpu), 1),
            to(nginx),
            to(plain),
            median(of(&|f| f.run.requests / f.run.seconds)),
            median(of(&|f| f.busy * 100.0)),
            median(of(&|f| f.run.p50)),
            median(of(&|f| f.run.p99)),
            median(of(&|f| f.exported)),
        );
    }
}

/// The middle one; nothing of nothing.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn spread(figures: Vec<f64>, digits: usize) -> String {
    if figures.is_empty() {
        return "–".to_owned();
    }
    let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let most = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.digits$} ({least:.digits$} to {most:.digits$})", median(figures))
}
