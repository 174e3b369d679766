//! The emulator from outside, over real sockets: Graph's answers, and each fault.

#![cfg(test)]

use std::io::{ErrorKind, Result};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use patchgate_emulator::{Emulator, Faults};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const INCIDENT: &str = "/v1.0/security/incidents/2972395";

/// An emulator on a port of its own.
struct Graph {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Graph {
    async fn start(script: &str) -> Self {
        let faults = Faults::from_toml(script).expect("a script");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            let _ = stopped.await;
        };
        let served = tokio::spawn(Emulator::with_faults(faults).serve(listener, shutdown));
        Self { address, stop, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Sends a request and reads to the end of the connection.
    async fn send(&self, method: &str, target: &str, fault: &str, body: &str) -> Result<String> {
        let mut stream = self.connect().await;
        stream.write_all(request(method, target, fault, body).as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    async fn get(&self, fault: &str) -> String {
        self.send("GET", INCIDENT, fault, "").await.expect("an answer")
    }

    async fn patch(&self, fault: &str) -> Result<String> {
        self.send("PATCH", INCIDENT, fault, r#"{"status":"Resolved"}"#).await
    }

    async fn is_resolved(&self) -> bool {
        self.get("").await.contains(r#""status":"resolved""#)
    }

    async fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.served.await.expect("it ends");
    }
}

fn request(method: &str, target: &str, fault: &str, body: &str) -> String {
    let fault = if fault.is_empty() { String::new() } else { format!("patchgate-fault: {fault}\r\n") };
    format!(
        "{method} {target} HTTP/1.1\r\nHost: graph.test\r\nAuthorization: Bearer opaque\r\n{fault}\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a whole head").1
}

#[tokio::test]
async fn an_edit_is_made_and_seen() {
    let graph = Graph::start("").await;
    let answer = graph.patch("").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for header in
        ["date: ", "request-id: ", "client-request-id: ", "x-ms-ags-diagnostic: {", "content-length: "]
    {
        assert!(answer.contains(&format!("\r\n{header}")), "{header} {answer}");
    }
    let incident: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(incident["status"], "resolved");
    assert_eq!(incident["@odata.context"], "http://graph.test/v1.0/$metadata#security/incidents/$entity");
    assert!(graph.is_resolved().await);
    graph.stop().await;
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let graph = Graph::start("").await;
    let mut stream = graph.connect().await;
    let request = request("GET", INCIDENT, "", "").replace("Connection: close\r\n", "");
    for _ in 0..3 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"}") {
            assert!(stream.read_buf(&mut read).await.unwrap() > 0);
        }
    }
    // Told to end, it closes the idle connection at once.
    let begun = Instant::now();
    graph.stop().await;
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_status_stands_for_the_answer() {
    let graph = Graph::start("").await;
    let answer = graph.patch("status = 429, retry_after = 3").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{answer}");
    assert!(answer.contains("\r\nretry-after: 3\r\n"));
    assert!(body(&answer).contains(r#""code":"TooManyRequests""#));
    assert!(!graph.is_resolved().await);
    let answer = graph.patch("status = 503, apply = true").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(graph.is_resolved().await);
}

#[tokio::test]
async fn a_script_counts_its_times() {
    let script =
        format!("[[fault]]\nmatch = {{ method = 'PATCH', path = '{INCIDENT}' }}\ntimes = 2\nstatus = 503\n");
    let graph = Graph::start(&script).await;
    for expected in ["503", "503", "200"] {
        let answer = graph.patch("").await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{answer}");
    }
}

#[tokio::test]
async fn a_head_takes_its_time_and_the_edit_is_made_before() {
    let graph = Graph::start("").await;
    let mut slow = graph.connect().await;
    let request = request("PATCH", INCIDENT, "delay_head = '1h'", r#"{"status":"resolved"}"#);
    slow.write_all(request.as_bytes()).await.unwrap();
    while !graph.is_resolved().await {}
    drop(slow);

    let begun = Instant::now();
    let answer = graph.patch("delay_head = '200ms'").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "));
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_body_takes_its_time() {
    let graph = Graph::start("").await;
    let whole = graph.get("").await;
    let begun = Instant::now();
    let slow = graph.get("delay_body = '20ms', chunk_bytes = 100").await;
    assert_eq!(body(&slow), body(&whole));
    let chunks = body(&whole).len().div_ceil(100);
    assert!(begun.elapsed() >= Duration::from_millis(20) * u32::try_from(chunks).unwrap());
}

#[tokio::test]
async fn a_body_is_cut() {
    let graph = Graph::start("").await;
    let whole = graph.get("").await;
    let length = format!("content-length: {}\r\n", body(&whole).len());
    for cut in [0, 1, 10] {
        let answer = graph.get(&format!("cut_after = {cut}")).await;
        assert_eq!(body(&answer).len(), cut);
        assert!(body(&whole).starts_with(body(&answer)));
        assert!(answer.contains(&length), "{answer}");
    }
    // More than the socket takes at once.
    let answer = graph.get("body_bytes = 20000000, cut_after = 10000000").await;
    assert_eq!(body(&answer).len(), 10_000_000);
    assert_eq!(body(&graph.get("cut_after = 100000").await), body(&whole));
    assert!(!graph.is_resolved().await);
    graph.patch("cut_after = 3").await.unwrap();
    assert!(graph.is_resolved().await);
}

#[tokio::test]
async fn a_connection_is_reset() {
    let graph = Graph::start("").await;
    let error = graph.patch("reset = true").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(!graph.is_resolved().await);
    let error = graph.patch("reset = true, cut_after = 10").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(graph.is_resolved().await);
}

#[tokio::test]
async fn no_answer_ever() {
    let graph = Graph::start("").await;
    let mut stream = graph.connect().await;
    stream.write_all(request("GET", INCIDENT, "never = true", "").as_bytes()).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut [0])).await;
    assert!(waited.is_err());
    // The end of the emulator ends it too.
    let begun = Instant::now();
    graph.stop().await;
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn the_answer_itself_is_off() {
    let graph = Graph::start("").await;
    let answer = graph.get("redirect = 'https://elsewhere.example/'").await;
    assert!(answer.starts_with("HTTP/1.1 302 Found\r\n"), "{answer}");
    assert!(answer.contains("\r\nlocation: https://elsewhere.example/\r\n"));
    assert!(graph.get("redirect = '/', status = 307").await.starts_with("HTTP/1.1 307 "));

    let answer = graph.get("content_type = 'text/html', content_encoding = 'gzip'").await;
    assert!(answer.contains("\r\ncontent-type: text/html\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-encoding: gzip\r\n"));
    assert!(body(&answer).starts_with('{'));

    assert!(graph.get("pascal_case = true").await.contains(r#""status":"Active""#));
    assert!(graph.get("status = 204").await.starts_with("HTTP/1.1 204 "));

    let answer = graph.get("informational = 103, delay_head = '50ms'").await;
    assert!(answer.starts_with("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");

    let answer = graph.get("stauts = 503").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("there is no key 'stauts'"));
}

#[tokio::test]
async fn an_interim_answer_does_not_wait_for_the_real_one() {
    let graph = Graph::start("").await;
    let mut stream = graph.connect().await;
    let request = request("GET", INCIDENT, "informational = 103, never = true", "");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut interim = [0; 28];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 103 Early Hints\r\n\r\n");
}

#[tokio::test]
async fn a_large_body_is_streamed() {
    let graph = Graph::start("").await;
    let answer = graph.get("body_bytes = 5000000").await;
    assert_eq!(body(&answer).len(), 5_000_000);
    assert!(serde_json::from_str::<serde_json::Value>(body(&answer)).unwrap().is_object());
    assert_eq!(body(&graph.get("body_bytes = 3").await), "xxx");
    assert_eq!(body(&graph.get("body_bytes = 0").await), "");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let graph = Graph::start("").await;
    let body = " ".repeat(4 * 1024 * 1024 + 1);
    let mut stream = graph.connect().await;
    let request = request("PATCH", INCIDENT, "", &body);
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    // The end of the request may meet a closed socket; the answer counts.
    let (_, read) = tokio::join!(writer.write_all(request.as_bytes()), reader.read_buf(&mut answer));
    read.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 413 "));
}
