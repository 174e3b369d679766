//! Listeners: the address is bound once, so that a port in use is an error; workers accept on clones of it.

mod connection;
pub mod drain;
pub mod io;
pub mod load;
pub mod wire;

use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::gateway::Worker;
use crate::telemetry::metrics::Closed;
use drain::Drain;

/// How long accepting rests after an error that will not pass at once, such as descriptors used up.
const REST: Duration = Duration::from_millis(50);

/// Binds an address for accepting by several threads.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accepts until the end; each connection is a task of the worker.
pub async fn accept(worker: Arc<Worker>, listener: tokio::net::TcpListener, drain: watch::Receiver<Drain>) {
    let mut stop = drain.clone();
    loop {
        let ending = async {
            // The sender lives as long as the gateway: an error is its end, too.
            _ = stop.wait_for(|drain| *drain == Drain::Ending).await;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ending => break,
        };
        match accepted {
            Ok((stream, peer)) => serve(&worker, stream, peer, &drain),
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(REST).await;
            }
        }
    }
    // Who waits in the queue has been told by the system that the connection stands.
    while let Poll::Ready(Ok((stream, peer))) = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx))).await {
        serve(&worker, stream, peer, &drain);
    }
}

fn serve(worker: &Arc<Worker>, stream: TcpStream, peer: SocketAddr, drain: &watch::Receiver<Drain>) {
    let Some(connected) = worker.load.connect(peer.ip()) else {
        tracing::debug!("a connection more than there may be was closed");
        worker.metrics.closed(Closed::Limit);
        return;
    };
    worker.tasks.spawn(connection::serve(Arc::clone(worker), stream, peer, connected, drain.clone()));
}

/// Errors of the connection that was being accepted; the next one is not affected.
fn is_of_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
