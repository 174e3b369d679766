//! How much the gateway has to do, over all workers, and how much it may: connections, requests and bytes at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The most of each.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Connections.
    pub connections: usize,
    /// Connections of one address.
    pub connections_per_address: usize,
    /// Requests that are being answered.
    pub in_flight: usize,
    /// Bytes of bodies that are being held.
    pub buffered: usize,
}

/// The counters of one process.
#[derive(Debug)]
pub struct Load {
    most: Most,
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    buffered: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that was counted in; it is counted out when dropped.
#[derive(Debug)]
pub struct Connected {
    load: Arc<Load>,
    address: IpAddr,
}

/// A request that was counted in; it is counted out when dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Load>);

/// Bytes that are held; they are given back when dropped.
#[derive(Debug)]
pub struct Held {
    load: Arc<Load>,
    bytes: usize,
}

impl Load {
    /// Nothing to do yet.
    pub fn new(most: Most) -> Arc<Self> {
        let zero = || AtomicUsize::new(0);
        Arc::new(Self {
            most,
            connections: zero(),
            in_flight: zero(),
            buffered: zero(),
            by_address: Mutex::default(),
        })
    }

    /// Counts a connection in, if there may be one more, in all and of its address.
    pub fn connect(self: &Arc<Self>, address: IpAddr) -> Option<Connected> {
        if !add(&self.connections, 1, self.most.connections) {
            return None;
        }
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address).or_insert(0);
        if *count >= self.most.connections_per_address {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        *count += 1;
        Some(Connected { load: Arc::clone(self), address })
    }

    /// Counts a request in, if there may be one more.
    pub fn begin(self: &Arc<Self>) -> Option<InFlight> {
        add(&self.in_flight, 1, self.most.in_flight).then(|| InFlight(Arc::clone(self)))
    }

    /// Holds nothing yet; see [`Held::grow`].
    pub fn hold(self: &Arc<Self>) -> Held {
        Held { load: Arc::clone(self), bytes: 0 }
    }

    /// The connections there are.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The requests that are being answered.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The bytes of bodies that are held.
    pub fn buffered(&self) -> usize {
        self.buffered.load(Ordering::Relaxed)
    }
}

impl Held {
    /// Holds so many bytes more, if they may be.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let grown = add(&self.load.buffered, bytes, self.load.most.buffered);
        if grown {
            self.bytes += bytes;
        }
        grown
    }
}

/// Adds, if the sum is at most `most`.
fn add(counter: &AtomicUsize, more: usize, most: usize) -> bool {
    let before = counter.fetch_add(more, Ordering::Relaxed);
    let fits = before.saturating_add(more) <= most;
    if !fits {
        counter.fetch_sub(more, Ordering::Relaxed);
    }
    fits
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.load.connections.fetch_sub(1, Ordering::Relaxed);
        let mut by_address = self.load.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.buffered.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_in_is_counted_out() {
        let load = Load::new(Most { connections: 3, connections_per_address: 2, in_flight: 1, buffered: 10 });
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = load.connect(a).unwrap();
        let second = load.connect(a).unwrap();
        assert!(load.connect(a).is_none(), "two of one address");
        let third = load.connect(b).unwrap();
        assert!(load.connect(b).is_none(), "three in all");
        drop(first);
        let fourth = load.connect(a).unwrap();
        assert_eq!(load.connections(), 3);
        drop((second, third, fourth));
        assert_eq!(load.connections(), 0);
        assert!(load.by_address.lock().unwrap().is_empty());

        let request = load.begin().unwrap();
        assert!(load.begin().is_none());
        drop(request);
        assert!(load.begin().is_some());
        assert_eq!(load.in_flight(), 0);

        let (mut one, mut two) = (load.hold(), load.hold());
        assert!(one.grow(6) && !two.grow(5) && two.grow(4) && !one.grow(1));
        drop(one);
        assert_eq!(load.buffered(), 4);
        drop(two);
        assert_eq!(load.buffered(), 0);
    }
}
