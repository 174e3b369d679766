//! Callers that go on until the gateway is gone, and remember what they were answered.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::client::TOKEN;
use crate::rows::INCIDENT;

/// How long a test waits for answers that should come; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a caller asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// An edit; its document holds the number of the caller and of the request.
    Edit,
    /// An edit that is refused.
    Refused,
    /// A read.
    Read,
}

/// A request whose answer came, whole.
#[derive(Debug, Clone)]
pub struct Answered {
    /// What was asked.
    pub asks: Asks,
    /// The document, if there was one.
    pub document: String,
    /// The status.
    pub status: u16,
    /// The id that the gateway gave it.
    pub request_id: String,
}

/// Callers at work.
#[derive(Debug)]
pub struct Callers {
    threads: Vec<JoinHandle<Vec<Answered>>>,
    counter: Arc<Counter>,
}

#[derive(Debug, Default)]
struct Counter {
    answers: Mutex<u64>,
    more: Condvar,
}

/// The document of an edit: no other has the same, in any round.
pub fn document(round: u64, caller: u64, number: u64) -> String {
    format!(r#"{{"customTags":["{round}/{caller}/{number}"]}}"#)
}

/// The round, the caller and the number of a document.
pub fn numbers(document: &str) -> Option<[u64; 3]> {
    let tag = document.strip_prefix(r#"{"customTags":[""#)?.strip_suffix(r#""]}"#)?;
    let numbers: Vec<u64> = tag.split('/').map_while(|number| number.parse().ok()).collect();
    numbers.try_into().ok()
}

impl Callers {
    /// Begins. Each caller has a connection and asks one thing after the other, most of it edits.
    pub fn start(gateway: SocketAddr, callers: u64, round: u64) -> Self {
        let counter = Arc::<Counter>::default();
        let call = |caller| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || {
                let mut answered = Vec::new();
                // What is not answered, the gateway's end aside, shows in the number that is waited for.
                _ = ask_on(gateway, round, caller, &mut answered, &counter);
                answered
            })
        };
        Self { threads: (0..callers).map(call).collect(), counter }
    }

    /// Waits until there were that many answers in all.
    pub fn wait_for(&self, answers: u64) {
        let count = self.counter.answers.lock().expect("no panic in a caller");
        let too_few = |count: &mut u64| *count < answers;
        let (count, waited) =
            self.counter.more.wait_timeout_while(count, PATIENCE, too_few).expect("no panic in a caller");
        assert!(!waited.timed_out(), "only {count} of {answers} answers came");
    }

    /// What was answered, once the gateway is gone.
    pub fn end(self) -> Vec<Answered> {
        self.threads.into_iter().flat_map(|thread| thread.join().expect("no panic in a caller")).collect()
    }
}

fn ask_on(
    gateway: SocketAddr,
    round: u64,
    caller: u64,
    answered: &mut Vec<Answered>,
    counter: &Counter,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(gateway)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    for number in 0.. {
        let (asks, document) = match (caller + number) % 8 {
            0 => (Asks::Read, String::new()),
            1 => (Asks::Refused, r#"{"status":"no such status"}"#.to_owned()),
            _ => (Asks::Edit, document(round, caller, number)),
        };
        let (method, length) = match asks {
            Asks::Read => ("GET", String::new()),
            Asks::Edit | Asks::Refused => {
                ("PATCH", format!("Content-Type: application/json\r\nContent-Length: {}\r\n", document.len()))
            }
        };
        let request = format!(
            "{method} {INCIDENT} HTTP/1.1\r\nHost: {gateway}\r\nAuthorization: Bearer {TOKEN}\r\n{length}\r\n{document}"
        );
        stream.write_all(request.as_bytes())?;
        let (status, request_id) = answer(&mut stream)?;
        answered.push(Answered { asks, document, status, request_id });
        *counter.answers.lock().expect("no panic in a caller") += 1;
        counter.more.notify_all();
    }
    Ok(())
}

/// Reads one answer to its end: half an answer is none.
fn answer(stream: &mut TcpStream) -> io::Result<(u16, String)> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&part[..count]);
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut fields);
        if let httparse::Status::Complete(head) = parsed.parse(&bytes).expect("an answer in HTTP/1.1") {
            let field = |name: &str| {
                let field = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
                field.map(|field| String::from_utf8_lossy(field.value).into_owned())
            };
            let length = field("content-length").map_or(0, |length| length.parse().expect("a length"));
            if bytes.len() >= head + length {
                return Ok((
                    parsed.code.expect("a status"),
                    field("patchgate-request-id").expect("an id of the request"),
                ));
            }
        }
    }
}
