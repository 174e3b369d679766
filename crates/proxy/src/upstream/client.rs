//! A small HTTP/1.1 client with the connections of one worker.
//!
//! INVARIANT: a request is sent a second time only if the first attempt handed the whole request back, which is the proof
//! that not a byte of it was written. Redirects are never followed, a proxy in the environment is never used.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::origin::Origin;
use super::request::Outgoing;

/// An answer whose body is still to come.
pub(super) type Response = http::Response<Incoming>;
type Sender = http1::SendRequest<Full<Bytes>>;

/// More idle connections than this are closed.
const MOST_IDLE: usize = 256;

/// How much of a request Graph may have seen when no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Nothing.
    No,
    /// Perhaps all of it.
    Maybe,
}

/// No answer.
#[derive(Debug)]
pub struct Failure {
    /// How much was sent.
    pub sent: Sent,
    /// Whether it was the deadline.
    pub timed_out: bool,
    /// What happened, for the log.
    pub reason: String,
}

impl Failure {
    fn unsent(reason: impl ToString) -> Self {
        Self { sent: Sent::No, timed_out: false, reason: reason.to_string() }
    }

    /// Its `error.type`.
    pub(super) fn kind(&self) -> &'static str {
        match (self.sent, self.timed_out) {
            (Sent::No, _) => "unreachable",
            (Sent::Maybe, true) => "timeout",
            (Sent::Maybe, false) => "broken",
        }
    }
}

/// Deadlines of an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the name's resolution to the end of the TLS handshake.
    pub connect: Duration,
    /// From the request's first byte to the head of the answer.
    pub answer: Duration,
    /// How long a connection is kept without use.
    pub idle: Duration,
}

/// Connections to one origin.
#[derive(Debug)]
pub struct Client {
    origin: Arc<Origin>,
    tls: Option<Arc<ClientConfig>>,
    deadlines: Deadlines,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

impl Client {
    /// A client with no connection yet; `tls` is needed where the origin is https.
    pub fn new(origin: Arc<Origin>, tls: Option<Arc<ClientConfig>>, deadlines: Deadlines) -> Self {
        Self { origin, tls, deadlines, idle: Mutex::default() }
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(&self, request: Outgoing) -> Result<Response, Failure> {
        let request = match self.kept() {
            None => request,
            // A kept connection may be closed by the other side at any moment: then the request comes back unsent.
            Some(sender) => match self.exchange(sender, request).await {
                Err((_, Some(unsent))) => unsent,
                Err((failure, None)) => return Err(failure),
                Ok(response) => return Ok(response),
            },
        };
        let sender = match timeout(self.deadlines.connect, self.connect()).await {
            Ok(connected) => connected.map_err(Failure::unsent)?,
            Err(_) => return Err(Failure { timed_out: true, ..Failure::unsent("no connection in time") }),
        };
        self.exchange(sender, request).await.map_err(|(failure, _)| failure)
    }

    /// One attempt; with the failure comes the request, if it was not sent.
    async fn exchange(&self, mut sender: Sender, request: Outgoing) -> Result<Response, (Failure, Option<Outgoing>)> {
        match timeout(self.deadlines.answer, sender.try_send_request(request)).await {
            Ok(Ok(response)) => {
                self.keep(sender);
                Ok(response)
            }
            Ok(Err(mut error)) => {
                let unsent = error.take_message();
                let sent = if unsent.is_some() { Sent::No } else { Sent::Maybe };
                let reason = error.into_error().to_string();
                Err((Failure { sent, timed_out: false, reason }, unsent))
            }
            Err(_) => Err((Failure { sent: Sent::Maybe, timed_out: true, reason: "no answer in time".to_owned() }, None)),
        }
    }

    /// The connection that was used last, of those that are ready; what is closed or old is dropped on the way.
    fn kept(&self) -> Option<Sender> {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| !kept.sender.is_closed() && now.duration_since(kept.since) < self.deadlines.idle);
        let ready = idle.iter().rposition(|kept| kept.sender.is_ready())?;
        Some(idle.remove(ready).sender)
    }

    /// Keeps a connection; it is ready again when the answer's body has been read.
    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(Idle { sender, since: Instant::now() });
        }
    }

    async fn connect(&self) -> io::Result<Sender> {
        // Names are resolved on the runtime's blocking threads, and the addresses tried in turn.
        let stream = TcpStream::connect((self.origin.host(), self.origin.port())).await?;
        stream.set_nodelay(true)?;
        match (self.origin.tls(), &self.tls) {
            (None, _) => handshake(stream).await,
            (Some(name), Some(config)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                handshake(connector.connect(name.clone(), stream).await?).await
            }
            (Some(_), None) => Err(io::Error::other("no TLS configuration for an https upstream")),
        }
    }
}

async fn handshake<S>(stream: S) -> io::Result<Sender>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    drive(connection);
    Ok(sender)
}

/// Drives a connection until either side closes it.
fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    tokio::spawn(async move {
        // The exchange that was under way learns of an error by itself.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection ended");
        }
    });
}
