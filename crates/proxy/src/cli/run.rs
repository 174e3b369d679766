//! `patchgate run`: the gateway, from its start to its end.

use std::io::{self, IsTerminal};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use patchgate_model::Generation;
use serde::Serialize;
use tokio::time::timeout;

use super::configured::{ConfigFile, Overrides};
use super::signals::{Heard, Signals};
use super::{Failed, Outcome, banner, output, print};
use crate::admin::{self, Health};
use crate::audit::{self, AuditError};
use crate::config::{Fault, Faults, Inputs, Loaded, Source, Timeouts, Upstream};
use crate::gateway::{self, Gateway, StartError};
use crate::reason;
use crate::reload::{Reloader, Target};
use crate::service::{self, State};
use crate::telemetry::logs;
use crate::telemetry::prometheus::Scrape;
use crate::telemetry::providers::Providers;

const EXAMPLES: &str = "\
Examples:
  patchgate                                  the embedded Graph as upstream, and a curl line to try
  patchgate run --config patchgate.toml
  patchgate --upstream global                the worldwide Graph
  patchgate --listen 127.0.0.1:0 --admin 127.0.0.1:0
  PATCHGATE_LIMITS__BODY=1MiB patchgate      a key of the configuration as a variable

When standard output is no terminal, one JSON line with the real addresses is written there as
soon as requests are accepted. SIGTERM and SIGINT end the process after the requests under way;
a second one ends it at once. SIGHUP reads the configuration again, and so does a change of a
file that it names: guards, routes, listen.public_url, audit.hash_key and the limits of a request
are taken at once; the log says which other keys count from the next start on.

Exit status: 0 ended as it was told to, 2 could not start, or requests were cut off.";

/// How long the workers may take to drop what is under way.
const CUT_OFF: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    overrides: Overrides,
    /// What is logged, in the form of `RUST_LOG` [default: what that says, else info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

/// The flags of [`Args`], which may stand without the word `run`.
pub(super) const FLAGS: &[&str] = &["config", "listen", "admin", "upstream", "log"];

/// The line for programs that start the gateway.
#[derive(Serialize)]
struct ReadyLine<'a> {
    ready: bool,
    listen: String,
    admin: String,
    upstream: &'a str,
}

pub(super) fn run(args: Args) -> Result<Outcome, Failed> {
    let file = args.file.file();
    let mut reloader = Reloader::new(file, Inputs::from(args.overrides));
    let plan = reloader.plan(Generation(1)).map_err(|faults| output::show(&faults))?;
    let loaded = plan.loaded.clone();
    let config = &loaded.config;
    // One provider for everything in the process that speaks TLS, exporters included. It is installed once.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let collector = config.telemetry.collector();
    let telemetry = Providers::start(collector.as_ref())?;
    let log = logs::start(config.log.format, args.log.as_deref(), telemetry.logger())
        .map_err(|error| Failed(format!("--log: {error}")))?;
    if config.upstream.is_embedded() && (loaded.document.is_some() || config.listen.public_url.is_some()) {
        // Whoever configures a gateway means one that forwards.
        tracing::warn!(
            "no upstream is configured, so it is {}: edits are acknowledged and go nowhere; set upstream.cloud or upstream.url",
            Upstream::EMBEDDED
        );
    }
    let bound = gateway::bind(config.admin.address, "admin.address");
    let admin = bound.map_err(|error| unstarted(&loaded, error))?;
    let admin_address = admin.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before anybody is told that it is ready: a signal that comes then must be heard.
    let signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    let instruments = telemetry.instruments();
    instruments.watch_log(log.lost());
    let untraced = telemetry.untraced(collector.as_ref());
    let banner = banner::Banner::of(&plan, &audit::directory(config)?, untraced);
    // Before the journal, so that a start that fails leaves nothing on the disk.
    let prepared = gateway::prepare(plan).map_err(|error| unstarted(&loaded, error))?;
    let opened = audit::open(config, &instruments);
    let (journal, directory) = opened.map_err(|error| unrecorded(&loaded, error))?;
    let start = || -> Result<_, Failed> {
        let gateway = gateway::start(prepared, &journal, &telemetry.traces(), &instruments)?;
        let target = Target::new(Arc::clone(&gateway.rules), config.clone(), instruments);
        let health = Arc::new(Health::new(Arc::clone(&target.reloads), journal.clone(), directory.clone()));
        Ok((gateway, Around { admin, health, scrape: telemetry.scrape(), reload: reloader.start(target)? }))
    };
    let ended = start().and_then(|(mut gateway, around)| {
        let ended = announce(&banner, &gateway, admin_address).and_then(|()| {
            let serving = serve(&config.timeouts, &mut gateway, around, signals);
            Ok(runtime.block_on(async {
                tokio::select! {
                    ended = serving => ended,
                    // Not beyond the end, which closes the journal.
                    never = audit::watch(journal.watch(), &directory) => match never {},
                }
            })?)
        });
        // What still is under way leaves its outcome behind. A worker that hangs must not hold up the end.
        _ = runtime.block_on(async { timeout(CUT_OFF, gateway.cut_off()).await });
        ended
    });
    // However it came to its end: what is queued is to be on record.
    runtime.block_on(audit::close(journal));
    // A disk that hangs must not hold up the end.
    runtime.shutdown_background();
    telemetry.shutdown();
    match ended? {
        // Nobody had to wait for it: it ended as it was told to.
        Ended::Drained | Ended::Hurried(0) => Ok(Outcome::Done),
        // No request was cut off: what had not come whole was none.
        Ended::Late(0) => {
            let drain = config.timeouts.drain.0;
            tracing::warn!(
                ?drain,
                "connections were still open after timeouts.drain, and were closed; no request was under way"
            );
            Ok(Outcome::Done)
        }
        Ended::Late(requests) => {
            Err(Failed(format!("{} after {:?} (timeouts.drain)", cut_off(requests), config.timeouts.drain.0)))
        }
        Ended::Broken => {
            Err(Failed("a worker ended without being told to; what it said stands above".to_owned()))
        }
        Ended::Hurried(requests) => Err(Failed(format!("a second signal: {}", cut_off(requests)))),
    }
}

fn cut_off(requests: usize) -> String {
    match requests {
        1 => "a request that was under way was cut off".to_owned(),
        _ => format!("{requests} requests that were under way were cut off"),
    }
}

/// That the machine does not listen on an address, at the place where that was written.
fn unstarted(loaded: &Loaded, error: StartError) -> Failed {
    match error {
        StartError::Bind { key, address, reason, hint } => {
            let message = format!("cannot listen on {address}: {}", reason::of(&reason));
            refused(loaded, loaded.fault(key, message).help(hint))
        }
        error => error.into(),
    }
}

/// That the journal cannot be opened, at the place where its directory was written.
fn unrecorded(loaded: &Loaded, error: AuditError) -> Failed {
    const KEY: &str = "audit.directory";
    let AuditError::Open { directory, why } = &error else { return error.into() };
    let mut fault = loaded.fault(KEY, audit::unopened(directory, why));
    fault = error.help().into_iter().fold(fault, Fault::help);
    if *loaded.source(KEY) == Source::Default {
        fault = fault.help("audit.directory is not set: this is the one in the user's state directory");
    }
    refused(loaded, fault)
}

fn refused(loaded: &Loaded, fault: Fault) -> Failed {
    output::show(&Faults::of(loaded.document.clone(), vec![fault]))
}

/// Says to people and programs that requests are accepted.
fn announce(banner: &banner::Banner, gateway: &Gateway, admin: SocketAddr) -> Result<(), Failed> {
    banner.say(gateway, admin);
    if !io::stdout().is_terminal() {
        let line = ReadyLine {
            ready: true,
            listen: format!("http://{}", gateway.address),
            admin: format!("http://{admin}"),
            upstream: gateway.upstream.base(),
        };
        print(&format!("{}\n", serde_json::to_string(&line)?))?;
    }
    service::tell(State::Ready);
    look_up(gateway.upstream.host().to_owned(), gateway.upstream.port());
    Ok(())
}

/// Looks the upstream's name up, beside all else: one that is not found is said now, not only with the first request. It may
/// be there later, so it is no reason not to start.
fn look_up(host: String, port: u16) {
    let look = move || {
        if let Err(error) = (host.as_str(), port).to_socket_addrs() {
            let reason = reason::plain(&error.to_string());
            tracing::warn!(
                host,
                reason,
                "the upstream's name is not found, and requests will get UpstreamUnreachable; look at upstream.url and \
                 at the name service of this machine"
            );
        }
    };
    // Without a thread nobody is told; the requests will tell.
    _ = thread::Builder::new().name("look-up".to_owned()).spawn(look);
}

/// What stands around the gateway.
struct Around {
    admin: std::net::TcpListener,
    health: Arc<Health>,
    scrape: Scrape,
    /// Asks for a reload.
    reload: Sender<()>,
}

/// How the process came to its end; with how many requests were under way, where it did not wait for them.
enum Ended {
    Drained,
    Late(usize),
    Hurried(usize),
    Broken,
}

/// Serves until a signal, then drains: readiness fails at once; requests are served on for the delay, each answer closing
/// its connection; then what is under way may finish. A second signal ends it at once.
async fn serve(
    timeouts: &Timeouts,
    gateway: &mut Gateway,
    around: Around,
    mut signals: Signals,
) -> io::Result<Ended> {
    let Around { admin, health, scrape, reload } = around;
    let admin = tokio::net::TcpListener::from_std(admin)?;
    tokio::spawn(admin::serve(admin, Arc::clone(&health), scrape));
    loop {
        tokio::select! {
            heard = signals.next() => match heard {
                Heard::End => break,
                Heard::Reload => if reload.send(()).is_err() {
                    tracing::error!("the thread that reloads has ended; only a restart reads the configuration again");
                },
            },
            () = gateway.broken() => return Ok(Ended::Broken),
        }
    }
    service::tell(State::Stopping);
    health.drain();
    let deadline: Duration = timeouts.drain.0;
    tracing::info!(?deadline, "draining; a second signal ends at once");
    let drained = async {
        gateway.announce_end();
        tokio::time::sleep(timeouts.drain_delay.0).await;
        gateway.end().await;
    };
    let ended: fn(usize) -> Ended = tokio::select! {
        result = timeout(deadline, drained) => match result {
            Ok(()) => return Ok(Ended::Drained),
            Err(_) => Ended::Late,
        },
        () = signals.end() => Ended::Hurried,
    };
    Ok(ended(gateway.under_way()))
}
