//! An upstream that keeps what really arrived, and answers as it is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How long a test waits for a request that should arrive; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The plainest answer.
pub const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// The fields, names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Arrived {
    /// The names of the fields, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// All fields of that name (in lower case).
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first field of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An upstream on a free port; it lives as long as the test's process.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    arrived: Arc<Arrivals>,
}

#[derive(Debug, Default)]
struct Arrivals {
    list: Mutex<Vec<Arrived>>,
    more: Condvar,
}

/// What an upstream does with a request: it writes an answer to the connection, and says whether to keep it.
pub type Answer = dyn Fn(&Arrived, &mut TcpStream) -> bool + Send + Sync;

impl Upstream {
    /// One that answers each request with 200 and `{}`.
    pub fn start() -> Self {
        Self::saying(PLAIN)
    }

    /// One that answers with these bytes, and keeps the connection.
    pub fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::answering(move |_, stream| stream.write_all(&bytes).is_ok())
    }

    /// One that answers as [`start`](Self::start) does, each time it is told to go on.
    pub fn waiting() -> (Self, Sender<()>) {
        let (go, wait) = mpsc::channel();
        let wait = Mutex::new(wait);
        let upstream = Self::answering(move |_, stream| {
            wait.lock().expect("no panic in the upstream").recv().is_ok() && stream.write_all(PLAIN).is_ok()
        });
        (upstream, go)
    }

    /// One that does as it is told.
    pub fn answering(answer: impl Fn(&Arrived, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let arrived = Arc::<Arrivals>::default();
        let (kept, answer): (_, Arc<Answer>) = (Arc::clone(&arrived), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &kept, &*answer));
            }
        });
        Self { address, arrived }
    }

    /// All that arrived so far.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.list.lock().expect("no panic in the upstream").clone()
    }

    /// All that arrived since the last time, for those who count for long.
    pub fn take(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.arrived.list.lock().expect("no panic in the upstream"))
    }

    /// All that arrived, as soon as there are that many.
    pub fn wait_for(&self, count: usize) -> Vec<Arrived> {
        let list = self.arrived.list.lock().expect("no panic in the upstream");
        let too_few = |list: &mut Vec<Arrived>| list.len() < count;
        let (list, waited) =
            self.arrived.more.wait_timeout_while(list, PATIENCE, too_few).expect("no panic in the upstream");
        assert!(!waited.timed_out(), "only {} of {count} requests arrived", list.len());
        list.clone()
    }
}

fn serve(mut stream: TcpStream, kept: &Arrivals, answer: &Answer) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer) {
        kept.list.lock().expect("no panic in the upstream").push(request.clone());
        kept.more.notify_all();
        if !answer(&request, &mut stream) {
            return;
        }
    }
}

fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Arrived> {
    let mut bytes = [0; 16 * 1024];
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut parsed = httparse::Request::new(&mut fields);
        if let httparse::Status::Complete(head) = parsed.parse(buffer).expect("the gateway sends HTTP/1.1") {
            let field = |h: &httparse::Header<'_>| {
                (h.name.to_ascii_lowercase(), String::from_utf8(h.value.to_vec()).expect("ASCII fields"))
            };
            let mut request = Arrived {
                method: parsed.method.expect("a method").to_owned(),
                target: parsed.path.expect("a target").to_owned(),
                headers: parsed.headers.iter().map(field).collect(),
                body: Vec::new(),
            };
            assert!(
                request.header("transfer-encoding").is_none(),
                "the gateway knows the length of what it sends"
            );
            let length = request.header("content-length").map_or(0, |value| value.parse().expect("a length"));
            buffer.drain(..head);
            while buffer.len() < length {
                let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
                buffer.extend_from_slice(&bytes[..count]);
            }
            request.body = buffer.drain(..length).collect();
            return Some(request);
        }
        let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
        buffer.extend_from_slice(&bytes[..count]);
    }
}
