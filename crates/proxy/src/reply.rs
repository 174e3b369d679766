//! An answer on its way out, and what is counted as long as it is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::listen::io::Line;
use crate::listen::load::InFlight;
use crate::upstream::Body;

/// The body of an answer. When it has gone out, or nobody takes it any more, the request is over.
#[derive(Debug)]
pub struct Reply {
    body: Body,
    _under_way: UnderWay,
}

/// A request that is being answered.
#[derive(Debug)]
pub struct UnderWay {
    line: Arc<Line>,
    _counted: Option<InFlight>,
}

impl UnderWay {
    /// Begins with the head of the request; `counted` is its place among those in flight, if it has one.
    pub fn new(line: Arc<Line>, counted: Option<InFlight>) -> Self {
        Self { line, _counted: counted }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.line.end();
    }
}

impl Reply {
    /// A body, and the request that ends with it.
    pub fn new(body: Body, under_way: UnderWay) -> Self {
        Self { body, _under_way: under_way }
    }
}

impl HttpBody for Reply {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
