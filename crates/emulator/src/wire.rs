//! The socket of one connection, and the line from a fault to it.
//!
//! hyper owns the socket and knows nothing of faults, so they leave word on the line: bytes to send before anything
//! else, a wish to know when all is handed to the kernel, and a wish to end with a reset.
//!
//! Invariant: a connection without a fault is passed through byte for byte.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What a fault has left word of.
#[derive(Debug, Default)]
pub(crate) struct Line(Mutex<Word>);

#[derive(Debug, Default)]
struct Word {
    early: Bytes,
    flush: Flush,
    reset: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Flush {
    #[default]
    Unasked,
    Asked,
    Done,
}

impl Line {
    /// Sends these bytes before what hyper sends next, and without waiting for it.
    pub(crate) fn send_early(&self, bytes: Bytes) {
        self.word().early = bytes;
    }

    /// Ends the connection with a reset, once it ends.
    pub(crate) fn reset(&self) {
        self.word().reset = true;
    }

    /// Pending until everything written so far is with the kernel.
    ///
    /// To be polled by the connection's own task, as response bodies are: the socket's flush wakes that one.
    pub(crate) fn poll_flushed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut word = self.word();
        match word.flush {
            Flush::Done => return Poll::Ready(()),
            Flush::Asked => {}
            Flush::Unasked => {
                word.flush = Flush::Asked;
                // hyper flushes on each of its rounds; this asks for one more.
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    fn word(&self) -> MutexGuard<'_, Word> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket with a line to it.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    line: Arc<Line>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, line: Arc<Line>) -> Self {
        Self { stream, line }
    }

    /// Closes the socket, with a reset where one was asked for.
    pub(crate) fn close(self) {
        if self.line.word().reset
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::debug!(%error, "cannot reset a connection");
        }
    }

    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut word = self.line.word();
        while !word.early.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &word.early))?;
            word.early.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_early(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_early(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper calls this when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_early(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        let mut word = self.line.word();
        if word.flush == Flush::Asked {
            word.flush = Flush::Done;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
