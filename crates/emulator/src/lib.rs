//! Microsoft Graph's incident API, in memory.
//!
//! The upstream of a gateway that nobody has configured, of the tests, and of the authors of tools. It answers
//! `GET /{version}/security/incidents`, and `GET` and `PATCH` of `/{version}/security/incidents/{id}`, for `v1.0` and
//! `beta`, over cleartext HTTP/1.1, as strictly and as leniently as Graph is known to: it is not the gateway's double.
//! Tokens are read but not verified. Nothing is kept when it ends. What should go wrong is scripted by [`Faults`].
//!
//! Invariant: the API is a function of store, request and time; only `exchange` knows the clock, and only this file
//! and `wire` know sockets.

mod api;
mod auth;
mod body;
mod errors;
mod exchange;
mod faults;
mod filter;
mod incident;
mod patch;
mod prefer;
mod query;
mod store;
mod wire;

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use crate::faults::{Faults, FaultsError};

use crate::store::Store;
use crate::wire::{Line, Wire};

/// How long answers may take to end once the emulator is told to.
const GRACE: Duration = Duration::from_secs(5);
/// How long the head of a request may take, and the time until it comes.
const HEAD: Duration = Duration::from_secs(30);
/// How long to wait when a connection cannot be accepted, as when descriptors are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The emulated Graph: its incidents, and the faults that befall requests. Clones share both.
#[derive(Clone, Debug)]
pub struct Emulator {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Mutex<Store>,
    faults: Faults,
}

impl Emulator {
    /// An emulator with the seeded incidents, `2972395` among them, and without faults.
    pub fn new() -> Self {
        Self::with_faults(Faults::default())
    }

    /// The same, with scripted faults.
    pub fn with_faults(faults: Faults) -> Self {
        let store = Store::seeded().unwrap_or_else(|error| {
            tracing::error!(%error, "the seed of the emulator is unreadable: it starts empty");
            Store::empty()
        });
        Self { shared: Arc::new(Shared { store: Mutex::new(store), faults }) }
    }

    /// Serves until `shutdown` resolves. Then no connection is accepted any more, requests in progress are answered,
    /// and what has not ended after five seconds is cut.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        // On this machine alone whoever is slow is slow on purpose.
        let is_open = listener.local_addr().is_ok_and(|address| !address.ip().is_loopback());
        let (close, closing) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let connection = connection(self.shared.clone(), stream, is_open, closing.clone());
                        connections.spawn(connection);
                    }
                    Err(error) => pause_after(&error).await,
                },
                Some(_) = connections.join_next() => {}
                () = &mut shutdown => break,
            }
        }
        drop(listener);
        // Connections watch this; that none is left to watch is no error.
        let _ = close.send(true);
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all_ended).await.is_err() {
            tracing::debug!("connections of the emulator are cut");
        }
    }
}

impl Default for Emulator {
    fn default() -> Self {
        Self::new()
    }
}

/// One connection, from its first byte to its end; where it is from anywhere, each head has a deadline.
async fn connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    is_open: bool,
    mut closing: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let line = Arc::new(Line::default());
    let wire = Wire::new(stream, line.clone());
    let watched = closing.clone();
    let service = service_fn(move |request| {
        let (shared, line, closing) = (shared.clone(), line.clone(), watched.clone());
        async move { exchange::exchange(&shared, line, closing, request).await }
    });
    let mut server = http1::Builder::new();
    if is_open {
        server.timer(TokioTimer::new()).header_read_timeout(HEAD);
    }
    let mut connection = server.serve_connection(TokioIo::new(wire), service);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = until(&mut closing) => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the emulator broke off");
    }
    connection.into_parts().io.into_inner().close();
}

/// Waits until the emulator is told to end.
async fn until(closing: &mut watch::Receiver<bool>) {
    // An error means that the emulator is gone already.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Waits where accepting would fail again at once; an error of one connection alone is over.
async fn pause_after(error: &io::Error) {
    tracing::debug!(%error, "the emulator cannot accept a connection");
    let of_one =
        [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::Interrupted];
    if !of_one.contains(&error.kind()) {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
