//! The body of an answer, sent whole or as a fault wants it: in small chunks, slowly, padded, cut short.
//!
//! Invariant: a cut body ends in an error, so that the connection is closed and no client can take it for complete;
//! all bytes before the cut are with the kernel by then.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::wire::Line;

/// Why a connection ends without an answer, or within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("a fault ends the connection here")]
    Fault,
    #[error("the emulator is shutting down")]
    Shutdown,
    #[error("the request broke off")]
    Request,
}

/// How a body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Before each chunk.
    pub(crate) pause: Option<Duration>,
    /// The most bytes in a chunk; at least one.
    pub(crate) chunk: usize,
    /// After how many bytes it breaks off.
    pub(crate) cut_after: Option<u64>,
}

impl Manner {
    /// Whole and at once.
    pub(crate) const PLAIN: Self = Self { pause: None, chunk: FILLER.len(), cut_after: None };
}

static FILLER: [u8; 65_536] = [b'x'; 65_536];

/// The bytes of a body: a beginning, a filler of any length, an end.
#[derive(Debug, Default)]
pub(crate) struct Content {
    start: Bytes,
    filler: u64,
    end: Bytes,
}

impl Content {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { start: bytes, ..Self::default() }
    }

    /// A JSON object of exactly this size, if one that holds a filler fits in; else that many letters.
    pub(crate) fn filled(size: u64) -> Self {
        const START: &str = r#"{"filler":""#;
        const END: &str = "\"}";
        match size.checked_sub((START.len() + END.len()) as u64) {
            None => Self { filler: size, ..Self::default() },
            Some(filler) => Self {
                start: Bytes::from_static(START.as_bytes()),
                filler,
                end: Bytes::from_static(END.as_bytes()),
            },
        }
    }

    fn len(&self) -> u64 {
        self.start.len() as u64 + self.filler + self.end.len() as u64
    }

    /// The next bytes, at most so many; none at the end.
    fn take(&mut self, most: usize) -> Bytes {
        if !self.start.is_empty() {
            return self.start.split_to(most.min(self.start.len()));
        }
        if self.filler > 0 {
            let left = usize::try_from(self.filler).unwrap_or(usize::MAX);
            let filler = FILLER.get(..most.min(left)).unwrap_or(&FILLER);
            self.filler -= filler.len() as u64;
            return Bytes::from_static(filler);
        }
        self.end.split_to(most.min(self.end.len()))
    }
}

/// A body on its way.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    content: Content,
    manner: Manner,
    sleep: Option<Pin<Box<Sleep>>>,
    line: Arc<Line>,
}

impl AnswerBody {
    pub(crate) fn new(content: Content, manner: Manner, line: Arc<Line>) -> Self {
        Self { content, manner, sleep: None, line }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        if self.manner.cut_after == Some(0) {
            ready!(self.line.poll_flushed(cx));
            return Poll::Ready(Some(Err(Broken::Fault)));
        }
        if let Some(pause) = self.manner.pause {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        let until_cut =
            self.manner.cut_after.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
        let most = self.manner.chunk.min(until_cut);
        let chunk = self.content.take(most);
        if let Some(left) = &mut self.manner.cut_after {
            *left -= chunk.len() as u64;
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.content.len() == 0
    }

    /// The size of the whole, also of what will be cut: the head of a cut answer promises what never comes.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.content.len())
    }
}
