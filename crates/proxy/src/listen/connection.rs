//! One connection of a caller: HTTP/1.1, kept alive, ended by its deadline or by the drain.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::gateway::Worker;
use crate::pipeline;
use crate::telemetry::traces::Entrance;

/// hyper's own limits stand above ours: what passes them is refused by the gateway, in Graph's envelope.
const PARSER_HEADERS: usize = 100;
const PARSER_HEADER_BYTES: usize = 32 * 1024;

/// Serves a connection to its end.
pub(super) async fn serve(worker: Arc<Worker>, stream: TcpStream, peer: SocketAddr, mut drain: watch::Receiver<bool>) {
    // Without it small answers wait for the caller's acknowledgement; a socket that refuses it is about to fail anyway.
    _ = stream.set_nodelay(true);
    let entrance = Entrance { address: worker.address, peer: peer.ip() };
    let idle = worker.idle_deadline;
    let service = {
        let worker = Arc::clone(&worker);
        service_fn(move |request| {
            let (worker, entrance) = (Arc::clone(&worker), entrance.clone());
            async move { Ok::<_, Infallible>(pipeline::handle(worker, entrance, request).await) }
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        // A caller who closes its writing side still gets its answer.
        .half_close(true)
        .max_headers(PARSER_HEADERS)
        .max_header_size(PARSER_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let draining = async {
        // The sender lives as long as the gateway: an error is its end, too.
        _ = drain.wait_for(|draining| *draining).await;
    };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = draining => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "connection of a caller ended");
    }
}
