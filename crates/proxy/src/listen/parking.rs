//! Idle connections are parked: they keep their socket with its deadlines, and no parser, whose buffers are nearly all that a
//! connection on which nothing happens costs. The first byte of a request brings a new parser.
//!
//! Callers who go on soon keep theirs, so that a request costs no more than on a connection that is never parked: for a second
//! behind each answer, and as long as few connections of the worker do so. Memory that many have used one after the other would
//! stay with the process when all of them are parked, for the C library's allocator returns only what lies at its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a connection on which nothing comes keeps its parser. A connection in use wakes once in that time to look.
pub const KEPT: Duration = Duration::from_secs(1);
/// The most connections of a worker that keep a parser though nothing comes on them; who would be one more is parked at once.
pub const MOST_KEPT: usize = 256;

/// The connections of one worker that keep a parser though nothing comes on them.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<AtomicUsize>);

/// The place of one connection among them, which it takes and gives back.
#[derive(Debug)]
pub struct Place {
    kept: Kept,
    taken: bool,
}

impl Kept {
    /// A place that is not taken yet.
    pub fn place(&self) -> Place {
        Place { kept: self.clone(), taken: false }
    }
}

impl Place {
    /// Takes it, if there is one.
    pub fn take(&mut self) {
        // One worker alone counts here, on its own thread.
        if !self.taken && self.kept.0.load(Ordering::Relaxed) < MOST_KEPT {
            self.kept.0.fetch_add(1, Ordering::Relaxed);
            self.taken = true;
        }
    }

    /// Gives it back, if it was taken.
    pub fn give_back(&mut self) {
        if std::mem::take(&mut self.taken) {
            self.kept.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether it is taken.
    pub fn is_taken(&self) -> bool {
        self.taken
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_places_and_each_is_given_back_once() {
        let kept = Kept::default();
        let mut places: Vec<Place> = (0..=MOST_KEPT).map(|_| kept.place()).collect();
        for place in &mut places {
            place.take();
            place.take();
        }
        assert!(!places[MOST_KEPT].is_taken(), "one too many");
        assert!(places[..MOST_KEPT].iter().all(Place::is_taken));
        places[0].give_back();
        places[0].give_back();
        drop(places.remove(1));
        let mut others = [kept.place(), kept.place(), kept.place()];
        others.iter_mut().for_each(Place::take);
        assert_eq!(others.each_ref().map(Place::is_taken), [true, true, false]);
        drop((places, others));
        assert_eq!(kept.0.load(Ordering::Relaxed), 0);
    }
}
