//! What the watcher of a connection has seen, as far as the requests on it and its end need to know: without a lock, for each
//! request asks.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use patchgate_model::refusal::FramingFault;

use super::wire::{Phase, Verdict, Wire};

/// One side tells, the other one asks: the connection's task and the requests on it, which may have gone on in tasks of their own.
#[derive(Debug, Default)]
pub struct Seen {
    heads: AtomicU64,
    /// Of so many heads the verdict has been taken.
    taken: AtomicU64,
    /// What is wrong with the last head: behind it nothing is looked at.
    fault: OnceLock<FramingFault>,
    begun: AtomicBool,
    unfinished: AtomicBool,
    several_chunks: AtomicBool,
}

impl Seen {
    /// Tells what has been seen by now.
    pub fn tell(&self, wire: &Wire) {
        if let Some(fault) = wire.fault() {
            _ = self.fault.set(fault);
        }
        self.begun.store(!wire.is_between(), Ordering::Relaxed);
        self.unfinished.store(matches!(wire.phase(), Phase::Body | Phase::Lost), Ordering::Relaxed);
        self.several_chunks.store(wire.several_chunks(), Ordering::Relaxed);
        self.heads.store(wire.heads(), Ordering::Release);
    }

    /// The verdict on the head of the request that came next.
    pub fn verdict(&self) -> Verdict {
        let (heads, taken) = (self.heads(), self.taken.load(Ordering::Relaxed));
        if taken >= heads {
            // A request without one would mean that the parser sees other heads than we do.
            return Err(FramingFault::OutOfStep);
        }
        self.taken.store(taken + 1, Ordering::Relaxed);
        match self.fault.get() {
            Some(fault) if taken + 1 == heads => Err(*fault),
            _ => Ok(()),
        }
    }

    /// How many heads have been seen whole.
    pub fn heads(&self) -> u64 {
        self.heads.load(Ordering::Acquire)
    }

    /// Whether the parser has taken all that came, to the last byte but for empty lines: it holds nothing of a next request.
    pub fn is_quiet(&self) -> bool {
        !self.begun.load(Ordering::Relaxed) && self.taken.load(Ordering::Relaxed) == self.heads()
    }

    /// Whether the body of the request whose verdict was taken last has not come to its end, as far as was looked.
    pub fn lacks_body(&self) -> bool {
        self.is_unfinished() && self.taken.load(Ordering::Relaxed) == self.heads()
    }

    /// Whether a body has come in more than one chunk.
    pub fn several_chunks(&self) -> bool {
        self.several_chunks.load(Ordering::Relaxed)
    }

    /// Whether more of a request may come than its head, or nobody knows what comes.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished.load(Ordering::Relaxed)
    }
}
