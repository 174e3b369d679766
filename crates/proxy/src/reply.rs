//! An answer on its way out, and what is counted as long as it is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::pipeline::Connection;
use crate::upstream::Body;

/// The body of an answer. When it has gone out, or nobody takes it any more, the request is over.
///
/// One that breaks off does so only when all before it has gone out, the head at least: the HTTP library throws away what it
/// has not written yet, and the caller would see no answer at all where there was half of one.
#[derive(Debug)]
pub struct Reply {
    body: Body,
    broken: Option<std::io::Error>,
    under_way: UnderWay,
}

/// A request that is being answered.
#[derive(Debug)]
pub struct UnderWay {
    connection: Arc<Connection>,
    counted: bool,
}

impl UnderWay {
    /// Begins with the head of the request.
    pub fn begin(connection: Arc<Connection>) -> Self {
        let counted = connection.line.begin();
        Self { connection, counted }
    }

    /// Where it came in.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether it has a place among those in flight.
    pub fn has_place(&self) -> bool {
        self.counted
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.connection.line.end(self.counted);
    }
}

impl Reply {
    /// A body, and the request that ends with it.
    pub fn new(body: Body, under_way: UnderWay) -> Self {
        Self { body, broken: None, under_way }
    }
}

impl HttpBody for Reply {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.broken.is_none() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Err(error)) => self.broken = Some(error),
                frame => return Poll::Ready(frame),
            }
        }
        ready!(self.under_way.connection.line.poll_flushed());
        Poll::Ready(self.broken.take().map(Err))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
