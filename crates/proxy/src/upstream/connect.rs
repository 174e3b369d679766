//! A connection to one of the addresses of a host: they are tried in turn.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

const LATE: &str = "no connection in time";

/// Connects within `deadline`, in which the name is resolved, too.
pub(super) async fn to_host(host: &str, port: u16, deadline: Duration) -> io::Result<TcpStream> {
    let end = Instant::now() + deadline;
    // Names are resolved on the runtime's blocking threads.
    let addresses = in_time(deadline, LATE, lookup_host((host, port))).await?;
    to_one_of(&addresses.collect::<Vec<_>>(), end).await
}

/// Connects to the first of them that takes it. Each has its share of the time, so that one from which nothing comes back, as
/// on a machine with half an IPv6, does not keep the others from being tried.
async fn to_one_of(addresses: &[SocketAddr], end: Instant) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let time = end.saturating_duration_since(Instant::now());
        let share = time / u32::try_from(left).unwrap_or(u32::MAX);
        match in_time(share, LATE, TcpStream::connect(address)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Work that has a deadline, and what to call it when that passes.
pub(super) async fn in_time<T>(
    deadline: Duration,
    late: &'static str,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    timeout(deadline, work).await.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, late)))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// Where nobody listens: connections are refused.
    fn nobody() -> SocketAddr {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
    }

    /// Where connections are neither accepted nor refused, as long as the sockets live: the queue of the listener is full.
    fn nowhere() -> (SocketAddr, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut sockets = vec![listener];
        loop {
            let waiting = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            let full = waiting.connect_timeout(&address, Duration::from_millis(300)).is_err();
            sockets.push(waiting);
            if full {
                return (address.as_socket().unwrap(), sockets);
            }
            assert!(sockets.len() < 100, "the queue of the listener does not fill up");
        }
    }

    #[tokio::test]
    async fn addresses_are_tried_in_turn() {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (one, other) = (listen(), listen());
        let (here, there) = (one.local_addr().unwrap(), other.local_addr().unwrap());
        let (hole, _sockets) = nowhere();
        let rows = [
            (vec![here], Some(here)),
            (vec![there, here], Some(there)),
            (vec![nobody(), here], Some(here)),
            (vec![nobody(), nobody(), there], Some(there)),
            (vec![hole, here], Some(here)),
            (vec![nobody(), hole, there, here], Some(there)),
            (vec![nobody(), nobody()], None),
            (vec![here, hole], Some(here)),
            (vec![hole, nobody()], None),
            (vec![], None),
        ];
        for (addresses, expected) in rows {
            let end = Instant::now() + Duration::from_secs(2);
            let connected = to_one_of(&addresses, end).await;
            let peer = connected.as_ref().ok().map(|stream| stream.peer_addr().unwrap());
            assert_eq!(peer, expected, "{addresses:?}: {connected:?}");
        }
        let error =
            to_one_of(&[nobody(), hole], Instant::now() + Duration::from_millis(200)).await.unwrap_err();
        assert_eq!(error.to_string(), LATE);
    }

    #[tokio::test]
    async fn a_host_is_an_address_or_a_name() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let stream = to_host(host, port, Duration::from_mins(1)).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
        }
    }
}
