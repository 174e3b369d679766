//! Listeners: the address is bound once, so that a port in use is an error; workers accept on clones of it.

mod connection;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::gateway::Worker;

/// How long accepting rests after an error that will not pass at once, such as descriptors used up.
const REST: Duration = Duration::from_millis(50);

/// Binds an address for accepting by several threads.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accepts until `drain` says so; each connection is a task of the worker.
pub async fn accept(worker: Arc<Worker>, listener: tokio::net::TcpListener, drain: watch::Receiver<bool>) {
    let mut stop = drain.clone();
    loop {
        let draining = async {
            _ = stop.wait_for(|draining| *draining).await;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = draining => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connection::serve(Arc::clone(&worker), stream, peer, drain.clone());
                worker.tasks.spawn(connection);
            }
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Errors of the connection that was being accepted; the next one is not affected.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
