//! How much the gateway has to do, over all workers, and how much it may: connections, requests and bytes at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

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

impl Most {
    /// Requests of one address that are being answered: half of all, so that nobody takes every place. Who lets one address
    /// have all connections, as behind a load balancer, does not tell callers apart by it, and then it may have all places.
    fn in_flight_per_address(&self) -> usize {
        if self.connections_per_address >= self.connections {
            self.in_flight
        } else {
            self.in_flight.div_ceil(2)
        }
    }
}

/// The counters of one process.
#[derive(Debug)]
pub struct Load {
    most: Most,
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    buffered: AtomicUsize,
    by_address: Mutex<HashMap<IpAddr, Weak<Peer>>>,
}

/// The counters of one address, as long as there is a connection or a request of it.
#[derive(Debug)]
pub struct Peer {
    load: Arc<Load>,
    address: IpAddr,
    connections: AtomicUsize,
    in_flight: AtomicUsize,
}

/// A connection that was counted in; it is counted out when dropped.
#[derive(Debug)]
pub struct Connected(Arc<Peer>);

/// Bytes that are held; they are given back when dropped.
#[derive(Debug)]
pub struct Held<'l> {
    load: &'l Load,
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
        let peer = self.peer(address);
        if !add(&peer.connections, 1, self.most.connections_per_address) {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Connected(peer))
    }

    /// The counters of an address. They must not be dropped under the lock, which they take then.
    fn peer(self: &Arc<Self>, address: IpAddr) -> Arc<Peer> {
        let mut by_address = self.by_address();
        if let Some(peer) = by_address.get(&address).and_then(Weak::upgrade) {
            return peer;
        }
        let zero = || AtomicUsize::new(0);
        let peer = Arc::new(Peer { load: Arc::clone(self), address, connections: zero(), in_flight: zero() });
        by_address.insert(address, Arc::downgrade(&peer));
        peer
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, Weak<Peer>>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds nothing yet; see [`Held::grow`].
    pub fn hold(&self) -> Held<'_> {
        Held { load: self, bytes: 0 }
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

impl Peer {
    /// Counts a request in, if there may be one more, in all and of this address; says whether it has.
    #[must_use = "what was counted in has to be counted out"]
    pub fn begin(&self) -> bool {
        let Load { most, in_flight, .. } = &*self.load;
        if !add(in_flight, 1, most.in_flight) {
            return false;
        }
        let counted = add(&self.in_flight, 1, most.in_flight_per_address());
        if !counted {
            in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        counted
    }

    /// Counts out a request that was counted in.
    pub fn end(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.load.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connected {
    /// The counters of its address.
    pub fn peer(&self) -> Arc<Peer> {
        Arc::clone(&self.0)
    }
}

impl Held<'_> {
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
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.load.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut by_address = self.load.by_address();
        // There may be new counters of the address already.
        if by_address.get(&self.address).is_some_and(|peer| peer.strong_count() == 0) {
            by_address.remove(&self.address);
        }
    }
}

impl Drop for Held<'_> {
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

        let (mut one, mut two) = (load.hold(), load.hold());
        assert!(one.grow(6) && !two.grow(5) && two.grow(4) && !one.grow(1));
        drop(one);
        assert_eq!(load.buffered(), 4);
        drop(two);
        assert_eq!(load.buffered(), 0);
    }

    #[test]
    fn no_address_takes_all_places_unless_it_may_have_all_connections() {
        for (connections_per_address, of_one) in [(9, 2), (10, 3)] {
            let most = Most { connections: 10, connections_per_address, in_flight: 3, buffered: 0 };
            let load = Load::new(most);
            let address = |last| IpAddr::from([127, 0, 0, last]);
            let connected = load.connect(address(1)).unwrap();
            let peer = connected.peer();
            assert_eq!(std::iter::repeat_with(|| peer.begin()).take_while(|begun| *begun).count(), of_one);
            // They count as long as they go on, though the connection on which they came is gone.
            drop(connected);
            let again = load.connect(address(1)).unwrap();
            assert!(!again.peer().begin());
            let others: Vec<Connected> = (2..5).map(|last| load.connect(address(last)).unwrap()).collect();
            let of_others: Vec<_> =
                others.iter().map(Connected::peer).filter(|other| other.begin()).collect();
            assert_eq!(of_others.len(), 3 - of_one);
            assert_eq!(load.in_flight(), 3);
            peer.end();
            assert!(again.peer().begin());
            (0..of_one).for_each(|_| peer.end());
            for other in &of_others {
                other.end();
            }
            drop((peer, of_others, again, others));
            assert_eq!((load.in_flight(), load.connections()), (0, 0));
            assert!(load.by_address().is_empty());
        }
    }
}
