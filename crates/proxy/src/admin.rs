//! The admin listener: health and metrics. Loopback unless configured otherwise.

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use patchgate_journal::{Health as Writable, Journal};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::reason;
use crate::reload::Reloads;
use crate::telemetry::prometheus::{self, Scrape};

/// More connections than this are closed at once: whoever asks here must not take the callers' descriptors.
const CONNECTIONS: usize = 256;
/// How long a connection is kept; then what is being answered may still go out for a moment.
const LIFETIME: Duration = Duration::from_mins(1);
const MOMENT: Duration = Duration::from_secs(10);

/// What the admin listener tells.
#[derive(Debug)]
pub struct Health {
    draining: AtomicBool,
    reloads: Arc<Reloads>,
    journal: Journal,
    /// The journal's directory.
    directory: PathBuf,
}

impl Health {
    /// Ready, with what is known of reloads, as long as edits can be put on record.
    pub fn new(reloads: Arc<Reloads>, journal: Journal, directory: PathBuf) -> Self {
        Self { draining: AtomicBool::new(false), reloads, journal, directory }
    }

    /// From now on the gateway is not ready.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// Serves for ever: `/healthz` (alive), `/readyz` (accepts requests, and will go on to), `/metrics` (for Prometheus).
pub async fn serve(listener: TcpListener, health: Arc<Health>, scrape: Scrape) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (health, scrape) = (Arc::clone(&health), scrape.clone());
        tokio::spawn(async move {
            connection(stream, health, scrape).await;
            drop(place);
        });
    }
}

/// One connection: heads have the deadline of the HTTP library, and a peer who takes no bytes that of the connection.
async fn connection(stream: TcpStream, health: Arc<Health>, scrape: Scrape) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&health, &scrape, &request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let served =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = sleep(LIFETIME) => {
            served.as_mut().graceful_shutdown();
            timeout(MOMENT, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "admin connection ended");
    }
}

fn answer<B>(health: &Health, scrape: &Scrape, request: &Request<B>) -> Response<Full<Bytes>> {
    if matches!((request.method(), request.uri().path()), (&Method::GET | &Method::HEAD, "/metrics")) {
        let mut response = Response::new(Full::new(Bytes::from(scrape.text())));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(prometheus::MEDIA_TYPE));
        return response;
    }
    let draining = health.draining.load(Ordering::Relaxed);
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, "alive\n".to_owned()),
        (&Method::GET | &Method::HEAD, "/readyz") if draining => {
            (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned())
        }
        (&Method::GET | &Method::HEAD, "/readyz") => match health.journal.health() {
            Writable::Writable => (StatusCode::OK, ready(&health.reloads)),
            Writable::Unwritable { reason, since } => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "the audit journal in {} cannot be written since {since}, and edits are refused: {}\n",
                    health.directory.display(),
                    reason::plain(&reason)
                ),
            ),
        },
        (_, "/healthz" | "/readyz" | "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "this listener has /healthz, /readyz and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// Ready; with what is wrong with the configuration, if the last reload failed: the rules before it still serve.
fn ready(reloads: &Reloads) -> String {
    reloads.trouble().map_or_else(
        || "ready\n".to_owned(),
        |lines| {
            format!("ready, with the rules of before: the last reload was refused\n{}\n", lines.join("\n"))
        },
    )
}
