//! A caller that controls each byte it sends.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long a test waits for bytes that should come; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The bearer token of all tests; it must never be seen in any output.
pub const TOKEN: &str = "test-token-7f3a";

/// A connection to the gateway.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The fields, names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the address accepts connections");
        Self::over(stream)
    }

    /// Takes a connection over.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: Vec::new() }
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the bytes are sent");
    }

    /// Sends bytes as they are; the other side may have closed.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a request with `Host`, `Authorization`, `Content-Type` and `Content-Length`; `extra` fields come last.
    pub fn patch(&mut self, target: &str, extra: &[(&str, &str)], body: &str) -> Response {
        let mut fields =
            vec![("Authorization", format!("Bearer {TOKEN}")), ("Content-Type", "application/json".into())];
        fields.extend(extra.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.request("PATCH", target, &fields, Some(body))
    }

    /// Sends a `GET` with `Host` and `Authorization`.
    pub fn get(&mut self, target: &str, extra: &[(&str, &str)]) -> Response {
        let mut fields = vec![("Authorization", format!("Bearer {TOKEN}"))];
        fields.extend(extra.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self.request("GET", target, &fields, None)
    }

    /// Sends a request with `Host`, these fields, and a body with its length, and reads the answer.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, String)],
        body: Option<&str>,
    ) -> Response {
        let host = self.stream.peer_addr().expect("connected");
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in fields {
            _ = write!(text, "{name}: {value}\r\n");
        }
        if let Some(body) = body {
            _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
        } else {
            text.push_str("\r\n");
        }
        self.send(text.as_bytes());
        self.receive().expect("an answer")
    }

    /// Reads one answer; nothing if the other side closed before one began.
    pub fn receive(&mut self) -> Option<Response> {
        loop {
            match self.head() {
                Some((length, status, _)) if (100..200).contains(&status) => _ = self.buffer.drain(..length),
                Some((length, status, headers)) => {
                    self.buffer.drain(..length);
                    let body = self.body(status, &headers);
                    return Some(Response { status, headers, body });
                }
                None if self.fill() == 0 => {
                    assert!(
                        self.buffer.is_empty(),
                        "closed in a head: {}",
                        String::from_utf8_lossy(&self.buffer)
                    );
                    return None;
                }
                None => {}
            }
        }
    }

    /// Reads the head of one answer that has no body whatever its fields say: that to a `HEAD`.
    pub fn receive_without_body(&mut self) -> Option<Response> {
        loop {
            if let Some((length, status, headers)) = self.head() {
                self.buffer.drain(..length);
                return Some(Response { status, headers, body: Vec::new() });
            }
            if self.fill() == 0 {
                return None;
            }
        }
    }

    /// Reads one head, an interim one too, and returns its status; a body is left unread.
    pub fn interim(&mut self) -> u16 {
        self.receive_without_body().expect("a head").status
    }

    /// Reads as many raw bytes as it takes to see `end`, and returns all that were read so far.
    pub fn read_until(&mut self, end: &[u8]) -> String {
        while !self.buffer.windows(end.len()).any(|window| window == end) {
            assert!(self.fill() > 0, "closed after {}", String::from_utf8_lossy(&self.buffer));
        }
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    /// Reads raw bytes to the end of the connection.
    pub fn rest(&mut self) -> String {
        while self.fill() > 0 {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// Sends nothing more; answers can still be read.
    pub fn half_close(&self) {
        // The other side may have closed both ways already.
        _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Whether the other side closes without sending anything more.
    pub fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.fill() == 0
    }

    #[expect(clippy::type_complexity, reason = "the parts of a head, for one caller")]
    fn head(&self) -> Option<(usize, u16, Vec<(String, String)>)> {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut parsed = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = parsed.parse(&self.buffer).expect("an answer in HTTP/1.1")
        else {
            return None;
        };
        let field = |h: &httparse::Header<'_>| {
            (h.name.to_ascii_lowercase(), String::from_utf8_lossy(h.value).into_owned())
        };
        Some((length, parsed.code.expect("a status"), parsed.headers.iter().map(field).collect()))
    }

    fn body(&mut self, status: u16, headers: &[(String, String)]) -> Vec<u8> {
        let field =
            |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        if status == 204 || status == 304 {
            return Vec::new();
        }
        if field("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            return self.chunks();
        }
        if let Some(length) = field("content-length").and_then(|value| value.parse::<usize>().ok()) {
            return self.exactly(length);
        }
        while self.fill() > 0 {}
        std::mem::take(&mut self.buffer)
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.line();
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .expect("a chunk size");
            body.extend(self.exactly(size));
            assert_eq!(self.line(), "", "the end of a chunk");
            if size == 0 {
                return body;
            }
        }
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return line;
            }
            assert!(self.fill() > 0, "closed in a chunked body");
        }
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill() > 0, "closed after {} of {length} bytes of a body", self.buffer.len());
        }
        self.buffer.drain(..length).collect()
    }

    /// Reads what there is; 0 at the end of the connection.
    fn fill(&mut self) -> usize {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                count
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("nothing came: {error}"),
        }
    }
}

impl Response {
    /// The first field of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All fields of that name (in lower case).
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// `error.code` of Graph's envelope.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// `error.message` of Graph's envelope.
    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }

    /// The codes and targets of the violations in Graph's envelope.
    pub fn violations(&self) -> Vec<(String, String)> {
        let json = self.json();
        let text = |detail: &Value, name: &str| detail[name].as_str().unwrap_or_default().to_owned();
        let details = json["error"]["details"].as_array().cloned().unwrap_or_default();
        details.iter().map(|detail| (text(detail, "code"), text(detail, "target"))).collect()
    }
}
