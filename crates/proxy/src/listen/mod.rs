//! Listeners: the address is bound once, so that a port in use is an error; workers accept on clones of it.

mod connection;
#[cfg(unix)]
pub mod descriptors;
pub mod drain;
pub mod io;
pub mod load;
pub mod parking;
mod seen;
pub mod wire;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::gateway::Worker;
use crate::telemetry::metrics::Closed;
use drain::Drain;
use parking::Kept;

/// The most header lines that can be configured.
pub const HEADER_LINES: usize = connection::PARSER_HEADERS;
/// How long accepting rests after an error that will not pass at once, such as descriptors used up.
const REST: Duration = Duration::from_millis(50);
/// How many connections may wait to be accepted, if the system lets so many: with the 128 of the standard library a burst of
/// callers fills the queue within a turn of the workers, and who is one too many is let in when it asks again, a second later.
const BACKLOG: i32 = 4096;
/// More than wait in the queue: at the end those are accepted who do, and not for ever those who come behind.
const LONGEST_QUEUE: usize = 8192;
/// How long the log is silent about further such errors.
const SILENCE: Duration = Duration::from_secs(10);

/// Binds an address for accepting by several threads.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // As the standard library does: connections of before that still end keep nobody from the address. Elsewhere it would let
    // two processes listen on it.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts until the end; each connection is a task of the worker.
pub async fn accept(worker: Arc<Worker>, listener: tokio::net::TcpListener, drain: watch::Receiver<Drain>) {
    let mut stop = drain.clone();
    let mut failures = Failures::default();
    let kept = Kept::default();
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
            Ok((stream, peer)) => serve(&worker, stream, peer, &kept, &drain),
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                worker.metrics.accept_failed();
                if let Some(times) = failures.tell(Instant::now()) {
                    tracing::warn!(%error, times, "cannot accept connections");
                }
                tokio::time::sleep(REST).await;
            }
        }
    }
    accept_waiting(&worker, listener, &kept, &drain);
}

/// Accepts who waits in the queue: the system has told them that their connection stands. The system is asked itself, for the
/// runtime may not have heard of all of them yet.
fn accept_waiting(
    worker: &Arc<Worker>,
    listener: tokio::net::TcpListener,
    kept: &Kept,
    drain: &watch::Receiver<Drain>,
) {
    let Ok(listener) = listener.into_std() else { return };
    for _ in 0..LONGEST_QUEUE {
        let accepted = listener.accept().and_then(|(stream, peer)| {
            stream.set_nonblocking(true)?;
            Ok((TcpStream::from_std(stream)?, peer))
        });
        match accepted {
            Ok((stream, peer)) => serve(worker, stream, peer, kept, drain),
            Err(error) if is_of_connection(&error) => {}
            // Nobody waits any more, or nobody can be taken in.
            Err(_) => return,
        }
    }
}

/// How often accepting failed since it was last told of: what does not pass at once comes many times a second.
#[derive(Debug, Default)]
struct Failures {
    told: Option<Instant>,
    times: u64,
}

impl Failures {
    /// One more; if the log was silent for long enough, how many to tell of.
    fn tell(&mut self, now: Instant) -> Option<u64> {
        self.times += 1;
        if self.told.is_some_and(|told| now.duration_since(told) < SILENCE) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.times))
    }
}

fn serve(
    worker: &Arc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    kept: &Kept,
    drain: &watch::Receiver<Drain>,
) {
    let Some(connected) = worker.load.connect(peer.ip()) else {
        tracing::debug!("a connection more than there may be was closed");
        worker.metrics.closed(Closed::Limit);
        return;
    };
    let connection =
        connection::serve(Arc::clone(worker), stream, peer, connected, kept.place(), drain.clone());
    worker.tasks.spawn(connection);
}

/// Errors of the connection that was being accepted; the next one is not affected.
fn is_of_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_of_at_once_and_then_in_sums() {
        let mut failures = Failures::default();
        let begin = Instant::now();
        assert_eq!(failures.tell(begin), Some(1));
        for number in 1..200 {
            assert_eq!(failures.tell(begin + REST * number), None);
        }
        assert_eq!(failures.tell(begin + SILENCE), Some(200));
        assert_eq!(failures.tell(begin + SILENCE), None);
        assert_eq!(failures.tell(begin + 10 * SILENCE), Some(2));
    }
}
