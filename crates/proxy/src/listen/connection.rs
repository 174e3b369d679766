//! One connection of a caller: HTTP/1.1, kept alive, ended by its deadlines or by the drain.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::coop::unconstrained;

use super::drain::Drain;
use super::io::{Line, Socket};
use super::load::Connected;
use super::parking::Place;
use crate::gateway::Worker;
use crate::outlive::{Outliving, Panicked};
use crate::pipeline::{self, Arrived, Connection};
use crate::reply::Reply;
use crate::respond;
use crate::telemetry::metrics::ParserRefusal;
use crate::telemetry::traces::Entrance;

/// hyper's own limits stand above ours: what passes them is refused by the gateway, in Graph's envelope.
pub(super) const PARSER_HEADERS: usize = 100;
const PARSER_HEADER_BYTES: usize = 32 * 1024;
/// The most bytes that are read ahead of a request's body.
const PARSER_BUFFER: usize = 64 * 1024;
/// What a caller may go on sending after an answer that did not wait for it.
const LINGER_BYTES: usize = 512 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// Serves a connection to its end.
pub(super) async fn serve(
    worker: Arc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    connected: Connected,
    place: Place,
    drain: watch::Receiver<Drain>,
) {
    // Without it small answers wait for the caller's acknowledgement; a socket that refuses it is about to fail anyway.
    _ = stream.set_nodelay(true);
    let line = Line::new(stream, connected.peer());
    let entrance = Entrance { address: worker.address, peer: peer.ip() };
    let socket = Socket::new(Arc::clone(&line), worker.patience, place);
    let mut rounds = pin!(rounds(socket, &line, || requests(&worker, &line, &entrance, &drain)));
    let result = if let Some(result) = until_ending(rounds.as_mut(), drain.clone()).await {
        result
    } else {
        // The socket is asked again, and says that it ends unless a request has come.
        line.close_when_idle();
        rounds.await
    };
    let refused = result.as_ref().is_err_and(hyper::Error::is_parse);
    let whole = result.is_ok();
    if let Err(error) = result {
        tracing::debug!(%error, "connection of a caller ended");
        if error.is_parse_too_large() {
            worker.metrics.parser_refused(ParserRefusal::TooLarge);
        } else if error.is_parse() {
            worker.metrics.parser_refused(ParserRefusal::Malformed);
        }
    }
    if let Some(why) = line.late() {
        worker.metrics.closed(why);
    }
    if whole {
        line.end_whole();
    }
    if refused || line.seen().is_unfinished() || (whole && line.has_come()) {
        // It is rare and has a buffer: it lies apart, so that a connection is small.
        Box::pin(line.linger(LINGER_BYTES, LINGER)).await;
    }
}

/// The rounds of a connection: parked until something comes, then with a parser until nothing has come for a while.
async fn rounds<S>(mut socket: Socket, line: &Line, requests: impl Fn() -> S) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<Reply>, Error = Panicked, Future: Send> + Send,
{
    while poll_fn(|cx| socket.poll_parked(cx)).await {
        let mut parser = Box::new(parser().serve_connection(TokioIo::new(socket), requests()));
        let turns = poll_fn(|cx| match Pin::new(&mut *parser).poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if line.parks() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        if let Some(result) = turns.await {
            return result;
        }
        let parts = parser.into_parts();
        // Empty lines between requests are nobody's request, and neither is what the watcher has not seen.
        if !parts.read_buf.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            tracing::debug!("the parser holds bytes that were not seen to come");
            return Ok(());
        }
        socket = parts.io.into_inner();
        tracing::trace!(heads = line.seen().heads(), "a connection on which nothing comes is parked");
    }
    Ok(())
}

fn parser() -> http1::Builder {
    let mut parser = http1::Builder::new();
    // The deadlines are the socket's.
    parser.header_read_timeout(None);
    // A caller who closes its writing side still gets its answer.
    parser.half_close(true);
    parser.max_headers(PARSER_HEADERS).max_header_size(PARSER_HEADER_BYTES).max_buf_size(PARSER_BUFFER);
    // Most answers are small: one piece costs the system less than two.
    parser.writev(false);
    parser
}

/// What a parser does with requests.
fn requests(
    worker: &Arc<Worker>,
    line: &Arc<Line>,
    entrance: &Entrance,
    drain: &watch::Receiver<Drain>,
) -> impl Service<Request<Incoming>, Response = Response<Reply>, Error = Panicked, Future: Send> + Send + use<>
{
    let (worker, line) = (Arc::clone(worker), Arc::clone(line));
    let (place, drain) = (Arc::clone(&worker.requests), drain.clone());
    let ending = *drain.borrow() != Drain::Serving;
    let drain = Arc::new(drain);
    let connection = Arc::new(Connection { worker, line, entrance: entrance.clone() });
    service_fn(move |request: Request<Incoming>| {
        // A caller of HTTP/1.0 knows no chunks: to it what has no length ends with the connection.
        let until_closed = (request.version() == Version::HTTP_10).then(|| Arc::clone(&connection));
        // The parser drops what it waits for when the caller is gone; the request goes on. One that panicked has no answer,
        // and its connection closes without one.
        let handling = pipeline::handle(Arc::clone(&connection), Arrived::now(request));
        let answered = Outliving::new(handling, &place);
        let drain = Arc::clone(&drain);
        async move {
            let mut response = *answered.await?;
            // The end may have come while it was under way. What has not changed need not be looked at, under a lock.
            if ending || drain.has_changed().unwrap_or(true) {
                respond::close(response.headers_mut());
            }
            if let Some(Connection { line, .. }) = until_closed.as_deref()
                && response.size_hint().exact().is_none()
            {
                line.end_broken();
            }
            Ok::<_, Panicked>(response)
        }
    })
}

/// Drives a connection to its end, or until the drain says that it has to end: then there is nothing.
async fn until_ending<C: Future>(
    mut connection: Pin<&mut C>,
    mut drain: watch::Receiver<Drain>,
) -> Option<C::Output> {
    let mut state = drain.clone();
    // A connection that has used up what its task may do at a time would keep this one from being asked at all.
    let mut ending = pin!(unconstrained(drain.wait_for(|drain| *drain == Drain::Ending)));
    state.mark_changed();
    let mut begun = false;
    poll_fn(|cx| {
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        // Once asked it wakes this task at the next step of the drain. To ask each time would cost every request: that is done
        // from the first step on, for it may wake this task for a step that has been seen, and then for none before it is asked.
        if begun || state.has_changed().unwrap_or(true) {
            begun = *state.borrow_and_update() != Drain::Serving;
            // An error is the end of the gateway, too.
            return ending.as_mut().poll(cx).map(|_| None);
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Wake, Waker};
    use std::thread;

    use tokio::task::coop::{consume_budget, has_budget_remaining};

    use super::*;

    /// A connection that does as much as a task may at a time, and then waits for ever.
    async fn greedy() {
        while has_budget_remaining() {
            consume_budget().await;
        }
        std::future::pending::<()>().await;
    }

    /// Lets the other tasks of this thread go as far as they can.
    async fn settle() {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_drain_reaches_a_connection_that_had_a_lot_to_do() {
        for steps in [&[Drain::Ending][..], &[Drain::Announced, Drain::Ending]] {
            let (tell, told) = watch::channel(Drain::Serving);
            let served = tokio::spawn(async move { until_ending(pin!(greedy()), told).await });
            settle().await;
            for step in steps {
                tell.send_replace(*step);
                settle().await;
            }
            assert!(served.is_finished(), "{steps:?}");
            assert_eq!(served.await.unwrap(), None, "{steps:?}");
        }
    }

    /// Knows whether it was woken.
    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    /// A connection that is looked at just as the drain is told of has seen the step before it is woken for it. It must be woken
    /// for the next one all the same. Two threads race here; of so many rounds some meet the moment.
    #[test]
    fn a_connection_that_saw_a_step_before_it_was_told_is_told_of_the_next() {
        for round in 0..200 {
            let (tell, told) = watch::channel(Drain::Serving);
            let seen = told.clone();
            let mut connection = pin!(std::future::pending::<()>());
            let mut served = pin!(until_ending(connection.as_mut(), told));
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let mut poll = || served.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            assert!(!poll());
            let teller = thread::spawn(move || {
                tell.send_replace(Drain::Announced);
                tell
            });
            while !seen.has_changed().unwrap() {}
            assert!(!poll());
            let tell = teller.join().unwrap();
            // What woke it is done with.
            while woken.0.swap(false, Ordering::SeqCst) {
                assert!(!poll());
            }
            tell.send_replace(Drain::Ending);
            assert!(woken.0.load(Ordering::SeqCst) && poll(), "round {round}");
        }
    }
}
