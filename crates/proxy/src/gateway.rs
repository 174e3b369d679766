//! What lives as long as the process.
//!
//! | task | started by | ends | on panic |
//! |---|---|---|---|
//! | worker thread, one per core: accepts, serves | [`start`] | when drained or cut off | the process ends, status 2: a gateway that half works hides it |
//! | connection of a caller | worker | with the connection, or drained | the connection closes |
//! | request | connection | with its answer: an edit's whoever waits, a read's at the caller's reset | the connection closes without an answer |
//! | connection to Graph | upstream client | with the connection | its exchange ends without an answer |
//! | journal, a thread: writes the audit record | [`run`](crate::cli) | when the workers have ended | edits are refused, `/readyz` fails |
//! | admin | [`run`](crate::cli) | with the process | its address answers no more, and whoever probes it notices; requests go on |
//! | reload, a thread: reads the configuration again | [`run`](crate::cli) | with the process | the last rules stay; SIGHUP is not heard any more |
//! | log, a thread: writes its lines | [`run`](crate::cli) | with the process | lines are lost |
//! | telemetry, threads of the exporters | [`Providers`](crate::telemetry) | with the process | nothing is exported any more |
//! | embedded Graph, a thread | [`prepare`] | with the process | edits get `UpstreamUnreachable` |

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Response;
use patchgate_emulator::Emulator;
use patchgate_journal::Journal;
use rustls::ClientConfig;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::config::{Config, LogRequests};
use crate::listen;
use crate::listen::drain::Drain;
use crate::listen::io::Patience;
use crate::listen::load::{Load, Most};
use crate::outlive::Workplace;
use crate::plan::Plan;
use crate::reply::Reply;
use crate::ruleset::Ruleset;
use crate::telemetry::metrics::{Instruments, Metrics};
use crate::telemetry::traces::Traces;
use crate::upstream::client::{Client, Deadlines};
use crate::upstream::origin::OriginError;
use crate::upstream::roots::{self, RootsError};
use crate::upstream::{Origin, Upstream};

/// How long a connection that was just opened may wait for its request when the gateway ends.
const GRACE: Duration = Duration::from_millis(500);

/// What a worker needs on the way of a request.
#[derive(Debug)]
pub struct Worker {
    /// The ruleset of new requests.
    pub rules: Arc<ArcSwap<Ruleset>>,
    /// The record of all edits.
    pub journal: Journal,
    /// This worker's way to Graph.
    pub upstream: Upstream,
    /// Makes spans.
    pub traces: Traces,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Which requests get a log line.
    pub log_requests: LogRequests,
    /// The address that callers connect to.
    pub address: SocketAddr,
    /// For the body of an edit.
    pub body_deadline: Duration,
    /// For what else a caller may keep the gateway waiting.
    pub patience: Patience,
    /// How much there is to do, over all workers.
    pub load: Arc<Load>,
    /// Where requests go on whose caller has gone.
    pub requests: Arc<Workplace<Box<Response<Reply>>>>,
    /// Connections and exchanges, which the end of the process waits for.
    pub tasks: TaskTracker,
}

/// A gateway that accepts requests.
#[derive(Debug)]
pub struct Gateway {
    /// Where callers connect.
    pub address: SocketAddr,
    /// Where Graph is.
    pub upstream: Arc<Origin>,
    /// Whether that is the embedded one.
    pub embedded: bool,
    /// The rules.
    pub rules: Arc<ArcSwap<Ruleset>>,
    drain: watch::Sender<Drain>,
    cut_off: watch::Sender<bool>,
    load: Arc<Load>,
    /// Those that have not ended, or not told so yet.
    workers: usize,
    drained: mpsc::UnboundedReceiver<()>,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The embedded upstream has no address.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// No certificate can be trusted.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// An address cannot be listened on.
    #[error("{key}: cannot listen on {address}: {}; {hint}", crate::reason::of(reason))]
    Bind {
        /// The key, or the flag where there is no key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The system gives no thread or runtime.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// All that a start can fail on because of the machine, found out before anything is written.
#[derive(Debug)]
pub struct Prepared {
    config: Config,
    rules: Arc<ArcSwap<Ruleset>>,
    tls: Option<Arc<ClientConfig>>,
    listener: TcpListener,
    address: SocketAddr,
    embedded: bool,
    origin: Arc<Origin>,
}

/// Binds the address, and starts the embedded Graph if that is the upstream. Callers who come now wait.
pub fn prepare(plan: Plan) -> Result<Prepared, StartError> {
    let Plan { loaded, rules, origin: planned, tls } = plan;
    let config = loaded.config;
    let tls = match &planned {
        Some(origin) if origin.tls().is_some() && tls.is_none() => Some(roots::client_config(None)?),
        _ => tls,
    };
    let listener = bind(config.listen.address, "listen.address")?;
    let address = listener.local_addr()?;
    let embedded = planned.is_none();
    let origin = Arc::new(match planned {
        Some(origin) => origin,
        None => embedded_graph()?,
    });
    let rules = Arc::new(ArcSwap::from_pointee(rules));
    Ok(Prepared { config, rules, tls, listener, address, embedded, origin })
}

/// Starts the workers; callers are accepted when this returns.
pub fn start(
    prepared: Prepared,
    journal: &Journal,
    traces: &Traces,
    instruments: &Instruments,
) -> Result<Gateway, StartError> {
    let Prepared { config, rules, tls, listener, address, embedded, origin } = prepared;
    let (drain, draining) = watch::channel(Drain::Serving);
    let (cut_off, cut) = watch::channel(false);
    let deadlines = Deadlines {
        connect: config.timeouts.connect.0,
        handshake: config.timeouts.handshake.0,
        answer: config.timeouts.answer.0,
        idle: config.timeouts.idle.0,
    };
    let count = thread::available_parallelism().map_or(1, NonZero::get);
    let most = Most {
        connections: config.limits.connections.0,
        connections_per_address: config.limits.connections_per_address.0,
        in_flight: config.limits.in_flight.0,
        buffered: config.limits.buffered.0,
    };
    #[cfg(unix)]
    listen::descriptors::allow(&most);
    let load = Load::new(most);
    let (ended, drained) = mpsc::unbounded_channel();
    let mut clients = Vec::with_capacity(count);
    for number in 0..count {
        let client = Arc::new(Client::new(Arc::clone(&origin), tls.clone(), deadlines));
        let metrics = Arc::new(instruments.for_worker());
        clients.push(Arc::clone(&client));
        let tasks = TaskTracker::new();
        let worker = Worker {
            rules: Arc::clone(&rules),
            journal: journal.clone(),
            upstream: Upstream::new(Arc::clone(&origin), client, Arc::clone(&metrics)),
            traces: traces.clone(),
            metrics,
            log_requests: config.log.requests,
            address,
            body_deadline: config.timeouts.body.0,
            patience: Patience {
                first_byte: config.timeouts.first_byte.0,
                header: config.timeouts.header.0,
                idle: config.timeouts.idle.0,
                grace: GRACE.min(config.timeouts.drain.0.saturating_sub(config.timeouts.drain_delay.0) / 2),
            },
            load: Arc::clone(&load),
            requests: Workplace::new(tasks.clone()),
            tasks,
        };
        work(number, worker, listener.try_clone()?, (draining.clone(), cut.clone()), ended.clone())?;
    }
    instruments.watch(&load, clients, Arc::clone(&rules));
    Ok(Gateway { address, upstream: origin, embedded, rules, drain, cut_off, load, workers: count, drained })
}

impl Gateway {
    /// Resolves if a worker ends though nobody told it to.
    pub async fn broken(&mut self) {
        self.ended().await;
    }

    /// How many requests are being answered.
    pub fn under_way(&self) -> usize {
        self.load.in_flight()
    }

    /// From now on each answer closes its connection.
    pub fn announce_end(&self) {
        self.drain.send_replace(Drain::Announced);
    }

    /// Stops accepting, and resolves when all that was under way has ended.
    pub async fn end(&mut self) {
        self.drain.send_replace(Drain::Ending);
        while self.workers > 0 {
            self.ended().await;
        }
    }

    /// Drops all that is under way, and resolves when that has happened: an edit that was sent has left the outcome behind that
    /// nobody knows its answer.
    pub async fn cut_off(&mut self) {
        self.cut_off.send_replace(true);
        while self.workers > 0 {
            self.ended().await;
        }
    }

    /// Resolves when one more worker has ended.
    async fn ended(&mut self) {
        _ = self.drained.recv().await;
        self.workers = self.workers.saturating_sub(1);
    }
}

/// Binds an address, with a hint for the usual reasons why not.
pub fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, StartError> {
    listen::bind(address).map_err(|reason| StartError::Bind {
        key,
        address,
        hint: match reason.kind() {
            io::ErrorKind::AddrInUse => "end it, or choose another port (0 takes a free one)",
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose another port",
            io::ErrorKind::AddrNotAvailable => "choose an address of this machine, 0.0.0.0 or [::] for all",
            _ => "choose another address",
        },
        reason,
    })
}

/// A worker: a thread with a runtime of its own.
fn work(
    number: usize,
    worker: Worker,
    listener: TcpListener,
    (draining, mut cut): (watch::Receiver<Drain>, watch::Receiver<bool>),
    ended: mpsc::UnboundedSender<()>,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let ended = Ended(ended);
    thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        let worker = Arc::new(worker);
        runtime.block_on(async {
            let serving = async {
                listen::accept(Arc::clone(&worker), listener, draining).await;
                worker.tasks.close();
                worker.tasks.wait().await;
            };
            tokio::select! {
                () = serving => {}
                // The sender lives as long as the gateway.
                _ = cut.wait_for(|cut| *cut) => {}
            }
        });
        // Drops the tasks; name lookups that hang must not hold up the end.
        runtime.shutdown_background();
        drop(ended);
    })?;
    Ok(())
}

/// Tells the gateway that a worker has ended, also if it panicked.
struct Ended(mpsc::UnboundedSender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        // Nobody waits any more if the deadline has passed.
        _ = self.0.send(());
    }
}

/// Starts the embedded Graph on a free port, in a thread of its own; it ends with the process.
fn embedded_graph() -> Result<Origin, StartError> {
    let listener = listen::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (started, ready) = oneshot::channel();
    thread::Builder::new().name("embedded-graph".to_owned()).spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener);
            _ = started
                .send(listener.as_ref().map(|_| ()).map_err(|error| io::Error::other(error.to_string())));
            if let Ok(listener) = listener {
                Emulator::new().serve(listener, std::future::pending()).await;
            }
        });
    })?;
    ready.blocking_recv().unwrap_or_else(|_| Err(io::Error::other("the embedded Graph did not start")))?;
    Ok(Origin::parse(&format!("http://{address}"), false)?)
}
