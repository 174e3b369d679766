//! A wire between a gateway and its upstream that keeps what goes upstream and passes on everything, resets too.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// A relay on a free port; it lives as long as the test's process.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    /// A relay to this address.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&seen);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = TcpStream::connect(target).expect("the upstream accepts connections");
                let back = (far.try_clone().expect("a socket"), near.try_clone().expect("a socket"));
                let kept = Arc::clone(&kept);
                thread::spawn(move || {
                    pass(near, far, |bytes| kept.lock().expect("no panic here").extend_from_slice(bytes));
                });
                thread::spawn(move || pass(back.0, back.1, |_| {}));
            }
        });
        Self { address, seen }
    }

    /// How often these bytes went upstream.
    pub fn count(&self, bytes: &str) -> usize {
        let seen = self.seen.lock().expect("no panic in the relay");
        seen.windows(bytes.len()).filter(|window| *window == bytes.as_bytes()).count()
    }
}

/// Passes on what comes, to its end or its reset.
fn pass(mut from: TcpStream, mut to: TcpStream, keep: impl Fn(&[u8])) {
    let mut bytes = [0; 16 * 1024];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => {
                _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(count) => {
                keep(&bytes[..count]);
                if to.write_all(&bytes[..count]).is_err() {
                    _ = from.shutdown(Shutdown::Both);
                    return;
                }
            }
            Err(error) => {
                if error.kind() == ErrorKind::ConnectionReset {
                    // It is sent when the last holder closes; the other one waits in a read, which this ends.
                    _ = SockRef::from(&to).set_linger(Some(Duration::ZERO));
                    _ = to.shutdown(Shutdown::Read);
                }
                return;
            }
        }
    }
}
