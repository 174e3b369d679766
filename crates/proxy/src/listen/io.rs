//! The socket of a caller's connection, with the deadlines that the parser behind it cannot express.
//!
//! | waiting for | deadline |
//! |---|---|
//! | the first byte of a request on a new connection | `timeouts.first_byte` |
//! | the rest of a head | `timeouts.header`, from its first byte |
//! | the next request | `timeouts.idle` |
//! | a caller who takes no bytes | `timeouts.idle` |
//! | the first request, when the gateway ends | half a second, or half of `timeouts.drain` |
//!
//! Empty lines before a request are no part of it: they move no deadline, and keep no parser.
//!
//! A body has its own deadline where it is read. While a request is answered there is none here.
//!
//! The socket outlives its parsers: a connection on which nothing happens is parked, without one (`parking.rs`), and its
//! deadlines go on.

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::load::Peer;
use super::parking::{KEPT, Place};
use super::seen::Seen;
use super::wire::{Phase, Wire};
use crate::deadline::Alarm;
use crate::shared_stream::SharedStream;
use crate::telemetry::metrics::Closed;

/// How long a connection may wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the first byte.
    pub first_byte: Duration,
    /// For a head, from its first byte.
    pub header: Duration,
    /// For the next request, and for a caller who takes no bytes.
    pub idle: Duration,
    /// For the first request, when the gateway ends.
    pub grace: Duration,
}

/// What the socket and the requests on it know of each other.
#[derive(Debug)]
pub struct Line {
    stream: Arc<TcpStream>,
    peer: Arc<Peer>,
    seen: Seen,
    busy: AtomicBool,
    closing: AtomicBool,
    parks: AtomicBool,
    breaks: AtomicBool,
    flush: AtomicBool,
    flushed: AtomicBool,
    late: OnceLock<Closed>,
}

/// A connection's socket, as the parser sees it.
#[derive(Debug)]
pub struct Socket {
    line: Arc<Line>,
    stream: SharedStream,
    wire: Wire,
    patience: Patience,
    /// For what the deadline stands: the phase, and behind how many heads.
    waiting: Option<(Phase, u64)>,
    deadline: Instant,
    /// Taken while nothing comes and the parser is kept, until then.
    place: Place,
    kept: Instant,
    /// For what comes first.
    reading: Alarm,
    writing: Option<Pin<Box<Sleep>>>,
}

impl Line {
    /// A connection on which nothing has happened yet.
    pub fn new(stream: TcpStream, peer: Arc<Peer>) -> Arc<Self> {
        let no = || AtomicBool::new(false);
        Arc::new(Self {
            stream: Arc::new(stream),
            peer,
            seen: Seen::default(),
            busy: no(),
            closing: no(),
            parks: no(),
            breaks: no(),
            flush: no(),
            flushed: no(),
            late: OnceLock::new(),
        })
    }

    /// A request is being answered from now on, and counted, if there is a place for it among those in flight.
    pub fn begin(&self) -> bool {
        self.busy.store(true, Ordering::Relaxed);
        self.peer.begin()
    }

    /// The answer has gone out, or nobody wants it any more; `counted` is what [`begin`](Self::begin) said.
    pub fn end(&self, counted: bool) {
        if counted {
            self.peer.end();
        }
        self.busy.store(false, Ordering::Relaxed);
    }

    /// From now on the connection ends as soon as nothing has come that could be a request.
    pub fn close_when_idle(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether the connection is to be parked now; to be asked behind each turn of the parser, when it waits.
    pub fn parks(&self) -> bool {
        self.parks.load(Ordering::Relaxed) && {
            // Something may have come within that turn.
            self.parks.store(false, Ordering::Relaxed);
            !self.busy.load(Ordering::Relaxed) && self.seen.is_quiet()
        }
    }

    /// Pending until all that was written has been given to the system. To be asked where the connection ends then, by its
    /// own task, as bodies of answers are: the parser flushes behind each of its rounds, and that wakes this task.
    pub fn poll_flushed(&self) -> Poll<()> {
        self.flush.store(true, Ordering::Relaxed);
        if self.flushed.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The deadline that passed, if one did.
    pub fn late(&self) -> Option<Closed> {
        self.late.get().copied()
    }

    /// What has been seen to come on it.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Resolves when the caller has reset the connection. Its end of input alone is no reset.
    pub async fn reset(&self) {
        // An error here is one of the runtime at its end; then there is no caller either.
        _ = self.stream.ready(Interest::ERROR).await;
    }

    /// From now on the connection ends with a reset, unless [`end_whole`](Self::end_whole) is said: its end would be that of an
    /// answer, whole or not.
    pub fn end_broken(&self) {
        self.breaks.store(true, Ordering::Relaxed);
        self.reset_at_end(true);
    }

    /// All that was to be written has been.
    pub fn end_whole(&self) {
        if self.breaks.load(Ordering::Relaxed) {
            self.reset_at_end(false);
        }
    }

    fn reset_at_end(&self, reset: bool) {
        // A socket that refuses it is about to fail anyway.
        _ = SockRef::from(&*self.stream).set_linger(reset.then_some(Duration::ZERO));
    }

    /// Whether bytes of the caller wait in the system, even if the runtime has not been told yet.
    pub fn has_come(&self) -> bool {
        SockRef::from(&*self.stream).peek(&mut [MaybeUninit::uninit()]).is_ok_and(|count| count > 0)
    }

    /// Ends the connection so that the last answer still reaches the caller: what it goes on sending is read and thrown
    /// away, up to `most` bytes and for `patience` at most. Closing over unread bytes would reset the connection.
    pub async fn linger(&self, most: usize, patience: Duration) {
        if SockRef::from(&*self.stream).shutdown(Shutdown::Write).is_err() {
            return;
        }
        let drain = async {
            let (mut scratch, mut left) = ([0; 8 * 1024], most);
            while left > 0 && self.stream.readable().await.is_ok() {
                match self.stream.try_read(&mut scratch) {
                    Ok(0) => return,
                    Ok(count) => left = left.saturating_sub(count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        };
        _ = tokio::time::timeout(patience, drain).await;
    }

    /// A deadline passed; the first one ends the connection.
    fn end_late(&self, why: Closed) {
        _ = self.late.set(why);
    }
}

impl Socket {
    /// The socket of a line.
    pub fn new(line: Arc<Line>, patience: Patience, place: Place) -> Self {
        let reading = Alarm::new(patience.first_byte);
        let deadline = reading.set_to();
        let stream = SharedStream(Arc::clone(&line.stream));
        Self {
            line,
            stream,
            wire: Wire::default(),
            patience,
            waiting: Some((Phase::New, 0)),
            deadline,
            place,
            kept: deadline,
            reading,
            writing: None,
        }
    }

    /// Waits without a parser: whether something came for one, be it the end of the connection. If not, it ends here.
    pub fn poll_parked(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.line.stream.poll_read_ready(cx).is_ready() {
            return Poll::Ready(true);
        }
        self.poll_patience(cx, false).map(|_| false)
    }

    /// Nothing came: the connection's end, if it is to close; else its deadline, before which it may be parked.
    fn poll_patience(&mut self, cx: &mut Context<'_>, has_parser: bool) -> Poll<io::Result<()>> {
        if self.line.busy.load(Ordering::Relaxed) {
            self.waiting = None;
            return Poll::Pending;
        }
        let (phase, heads, quiet) = (self.wire.phase(), self.wire.heads(), self.line.seen.is_quiet());
        let (patience, late) = match phase {
            Phase::New | Phase::Between if self.line.closing.load(Ordering::Relaxed) => {
                return self.poll_end(cx, phase).map(Ok);
            }
            Phase::New => (self.patience.first_byte, Closed::FirstByte),
            Phase::Head => (self.patience.header, Closed::Header),
            Phase::Between | Phase::Lost => (self.patience.idle, Closed::Idle),
            Phase::Body => {
                self.waiting = None;
                return Poll::Pending;
            }
        };
        let parkable = quiet && has_parser && self.writing.is_none();
        if self.waiting != Some((phase, heads)) {
            self.waiting = Some((phase, heads));
            let now = Instant::now();
            self.deadline = now + patience;
            self.kept = now + KEPT;
            if parkable {
                self.place.take();
            }
        }
        let until = if parkable { self.deadline.min(self.kept) } else { self.deadline };
        if !parkable || self.place.is_taken() {
            ready!(self.reading.poll_due_here(cx, until));
            if until == self.deadline {
                self.line.end_late(late);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        self.place.give_back();
        self.line.parks.store(true, Ordering::Relaxed);
        Poll::Pending
    }

    /// Nothing came, and the gateway ends: so does the connection, at once if it has served. The request for which it was opened
    /// is under way, and has its time.
    fn poll_end(&mut self, cx: &mut Context<'_>, phase: Phase) -> Poll<()> {
        // What has reached the system has arrived, and the runtime will hear of it.
        if self.line.has_come() {
            return Poll::Pending;
        }
        if phase == Phase::New {
            if self.waiting.take().is_some() {
                self.deadline = self.deadline.min(Instant::now() + self.patience.grace);
            }
            ready!(self.reading.poll_due_here(cx, self.deadline));
        }
        Poll::Ready(())
    }

    /// What came of writing; a caller who takes nothing has a deadline.
    fn written(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.writing = None;
            return result;
        }
        let idle = self.patience.idle;
        let deadline = self.writing.get_or_insert_with(|| Box::pin(sleep(idle)));
        ready!(deadline.as_mut().poll(cx));
        self.line.end_late(Closed::Write);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                self.place.give_back();
                let Self { wire, line, .. } = &mut *self;
                wire.see(buf.filled().get(before..).unwrap_or_default());
                line.seen.tell(wire);
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_patience(cx, true),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The parser has written all that it had.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = &self.line;
        if line.flush.load(Ordering::Relaxed) && !line.flushed.swap(true, Ordering::Relaxed) {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection's task shuts the socket down when it has lingered.
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::listen::load::{Load, Most};
    use crate::listen::parking::Kept;

    /// A connection on which nothing has come, and its other end.
    async fn fresh(grace: Duration) -> (Socket, TcpStream) {
        let listener = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.unwrap();
        let caller = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let most = Most { connections: 1, connections_per_address: 1, in_flight: 1, buffered: 0 };
        let line = Line::new(stream, Load::new(most).connect(peer.ip()).unwrap().peer());
        let hour = Duration::from_hours(1);
        let patience = Patience { first_byte: hour, header: hour, idle: hour, grace };
        (Socket::new(line, patience, Kept::default().place()), caller)
    }

    #[tokio::test]
    async fn at_the_end_a_fresh_connection_has_a_moment_for_its_request() {
        let mut byte = [0];
        let (mut socket, mut caller) = fresh(Duration::from_hours(1)).await;
        socket.line.close_when_idle();
        for _ in 0..2 {
            tokio::select! {
                biased;
                read = socket.read(&mut byte) => panic!("{read:?} though nothing came"),
                () = std::future::ready(()) => {}
            }
        }
        caller.write_all(b"P").await.unwrap();
        assert_eq!(socket.read(&mut byte).await.unwrap(), 1, "it came in time");

        let (mut socket, _caller) = fresh(Duration::from_millis(1)).await;
        socket.line.close_when_idle();
        assert_eq!(socket.read(&mut byte).await.unwrap(), 0, "nothing came");
        assert_eq!(socket.line.late(), None, "no deadline of the caller's has passed");
    }
}
