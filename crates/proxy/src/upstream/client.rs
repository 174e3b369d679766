//! A small HTTP/1.1 client with the connections of one worker.
//!
//! INVARIANT: a request is sent a second time only if the first attempt handed the whole request back, which is the proof
//! that not a byte of it was written. Redirects are never followed, a proxy in the environment is never used.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio::time::sleep_until;
use tokio_rustls::TlsConnector;

use super::connect::{in_time, to_host};
use super::origin::Origin;
use super::request::Outgoing;
use crate::deadline::Alarm;
use crate::shared_stream::SharedStream;

/// An answer whose body is still to come.
pub(super) type Response = http::Response<Incoming>;

/// A connection: a way to send on it, and its stream.
#[derive(Debug)]
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Held by the connection's own task alone, so that the socket closes when that ends.
    stream: Weak<TcpStream>,
    /// For the deadline of the exchange.
    alarm: Alarm,
}

/// The most bytes of an answer that are read ahead of the caller.
const MOST_READ: usize = 64 * 1024;
/// The most connections that are kept; one more, and that which was used longest ago is not kept any longer.
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
    fn unsent(reason: String) -> Self {
        Self { sent: Sent::No, timed_out: false, reason }
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

/// An attempt without an answer; a request that was not sent comes back.
#[derive(Debug)]
struct Unanswered {
    failure: Failure,
    unsent: Option<Outgoing>,
}

impl Unanswered {
    /// Nobody knows how much of the request was seen.
    fn broken(reason: String, timed_out: bool) -> Self {
        Self { failure: Failure { sent: Sent::Maybe, timed_out, reason }, unsent: None }
    }
}

/// Deadlines of an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the name's resolution to a connection.
    pub connect: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
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
    pool: Arc<Mutex<Pool>>,
}

/// The connections that wait for use, or for the end of the answer that comes on them.
#[derive(Debug, Default)]
struct Pool {
    /// In the order in which they were put back.
    idle: VecDeque<Idle>,
    /// Whether there is a task that closes those which nobody uses.
    tended: bool,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Client {
    /// A client with no connection yet; `tls` is needed where the origin is https.
    pub fn new(origin: Arc<Origin>, tls: Option<Arc<ClientConfig>>, deadlines: Deadlines) -> Self {
        Self { origin, tls, deadlines, pool: Arc::default() }
    }

    /// How long an answer may stall.
    pub(super) fn patience(&self) -> Duration {
        self.deadlines.idle
    }

    /// Sends a request and waits for the head of the answer; it is `now`.
    pub(super) async fn send(&self, request: Outgoing, now: Instant) -> Result<Response, Failure> {
        let request = match self.kept(now) {
            None => request,
            // A kept connection may be closed by the other side at any moment: then the request comes back unsent.
            Some(kept) => {
                let answer = pin!(self.exchange(kept, request, now)).await;
                match answer {
                    Ok(response) => return Ok(response),
                    Err(Unanswered { unsent: Some(unsent), .. }) => unsent,
                    Err(Unanswered { failure, unsent: None }) => return Err(failure),
                }
            }
        };
        // Connecting is rare, and what it needs is large: it lies apart, so that what all requests need is small.
        Box::pin(self.send_anew(request)).await
    }

    /// Sends a request on a connection of its own.
    async fn send_anew(&self, request: Outgoing) -> Result<Response, Failure> {
        let fresh = self.connect().await.map_err(|error| Failure::unsent(error.to_string()))?;
        self.exchange(fresh, request, Instant::now()).await.map_err(|unanswered| unanswered.failure)
    }

    /// One attempt.
    ///
    /// No `async fn`, which would keep the request a second time for as long as it lasts.
    fn exchange(
        &self,
        mut connection: Connection,
        request: Outgoing,
        now: Instant,
    ) -> impl Future<Output = Result<Response, Unanswered>> {
        let sending = connection.sender.try_send_request(*request);
        async move {
            let sending = pin!(sending);
            match connection.in_time(now + self.deadlines.answer, sending).await {
                // Nobody asked for another protocol: what comes now is no answer to the request.
                Some(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    Err(Unanswered::broken("upstream switched protocols".to_owned(), false))
                }
                Some(Ok(response)) => {
                    self.keep(connection, now);
                    Ok(response)
                }
                Some(Err(mut error)) => {
                    let unsent = error.take_message().map(Box::new);
                    let sent = if unsent.is_some() { Sent::No } else { Sent::Maybe };
                    let reason = error.into_error().to_string();
                    let failure = Failure { sent, timed_out: false, reason };
                    Err(Unanswered { failure, unsent })
                }
                None => Err(Unanswered::broken("no answer in time".to_owned(), true)),
            }
        }
    }

    /// The connection that was used last, of those that are ready; what is closed or old is dropped on the way.
    fn kept(&self, now: Instant) -> Option<Connection> {
        let mut pool = locked(&self.pool);
        pool.drop_old(now, self.deadlines.idle);
        let idle = &mut pool.idle;
        let mut at = idle.len();
        while let Some(before) = at.checked_sub(1) {
            at = before;
            let connection = &idle.get(at)?.connection;
            if connection.is_quiet() {
                return idle.remove(at).map(|kept| kept.connection);
            }
            if connection.sender.is_closed() {
                idle.remove(at);
            }
        }
        None
    }

    /// Keeps a connection that was used at `since`; it is ready again when the answer's body has been read.
    fn keep(&self, connection: Connection, since: Instant) {
        let mut pool = locked(&self.pool);
        if pool.idle.len() >= MOST_IDLE {
            // An answer that still comes on it comes to its end; then it closes. Slow answers must not keep out the others.
            pool.idle.pop_front();
        }
        pool.idle.push_back(Idle { connection, since });
        if !std::mem::replace(&mut pool.tended, true) {
            tokio::spawn(tend(Arc::clone(&self.pool), self.deadlines.idle));
        }
    }

    /// The connections that could be used now.
    pub fn idle(&self) -> usize {
        locked(&self.pool).idle.iter().filter(|kept| kept.connection.sender.is_ready()).count()
    }

    async fn connect(&self) -> io::Result<Connection> {
        let stream = to_host(self.origin.host(), self.origin.port(), self.deadlines.connect).await?;
        stream.set_nodelay(true)?;
        let stream = Arc::new(stream);
        let shared = SharedStream(Arc::clone(&stream));
        let sender = match (self.origin.tls(), &self.tls) {
            (None, _) => handshake(shared).await?,
            (Some(name), Some(config)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let shaking = connector.connect(name.clone(), shared);
                handshake(in_time(self.deadlines.handshake, "no TLS handshake in time", shaking).await?)
                    .await?
            }
            (Some(_), None) => return Err(io::Error::other("no TLS configuration for an https upstream")),
        };
        let alarm = Alarm::new(self.deadlines.answer);
        Ok(Connection { sender, stream: Arc::downgrade(&stream), alarm })
    }
}

impl Pool {
    /// Drops what nobody has used for so long, and says when the next one will be as old.
    fn drop_old(&mut self, now: Instant, deadline: Duration) -> Option<Instant> {
        while let Some(oldest) = self.idle.front() {
            if now.duration_since(oldest.since) < deadline {
                return Some(oldest.since + deadline);
            }
            self.idle.pop_front();
        }
        None
    }
}

fn locked(pool: &Mutex<Pool>) -> MutexGuard<'_, Pool> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes connections that nobody has used for so long, as long as there are any.
async fn tend(pool: Arc<Mutex<Pool>>, deadline: Duration) {
    let next = || {
        let mut pool = locked(&pool);
        let next = pool.drop_old(Instant::now(), deadline);
        pool.tended = next.is_some();
        next
    };
    while let Some(next) = next() {
        sleep_until(next.into()).await;
    }
}

impl Connection {
    /// Whether it is ready, and nothing has come on it: what comes on a kept connection is its end, of which its own task
    /// may not have heard yet. An edit that is sent then would have an unknown outcome for nothing.
    fn is_quiet(&self) -> bool {
        let Some(stream) = self.stream.upgrade() else { return false };
        let mut quiet = true;
        // The runtime is asked what it has heard, and not the system.
        _ = stream.try_io(Interest::READABLE, || {
            quiet = false;
            Ok(())
        });
        quiet && self.sender.is_ready()
    }

    /// What comes of some work, if it comes by then.
    async fn in_time<T>(&mut self, due: Instant, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let due = tokio::time::Instant::from_std(due);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            self.alarm.poll_due(cx, due).map(|()| None)
        })
        .await
    }
}

async fn handshake<S>(stream: S) -> io::Result<http1::SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MOST_READ)
        // A request is small: one piece costs the system less than two.
        .writev(false)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
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

#[cfg(test)]
mod tests;
