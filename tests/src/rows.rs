//! Requests as rows of data: the bytes that are sent, the answers that are accepted, and what may reach the upstream.
//!
//! A row is a line of JSON. Each of its texts stands for bytes: a character up to U+00FF is one byte, so that a row can
//! hold what is no UTF-8. Rows are sent one after another to one gateway, each on a connection of its own.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::client::{Connection, Response, TOKEN};
use crate::gateway::Gateway;
use crate::upstream::{Arrived, Upstream};

/// The target of a row that has none.
pub const INCIDENT: &str = "/v1.0/security/incidents/2972395";
/// The body of a row that has none.
pub const EDIT: &str = r#"{"status":"active"}"#;
/// What may reach the upstream, whatever came in.
const PASSING: [&str; 16] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "client-request-id",
    "consistencylevel",
    "content-length",
    "content-type",
    "host",
    "if-match",
    "prefer",
    "sdkversion",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
];

/// One row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name.
    pub id: String,
    /// What it shows.
    pub why: String,
    /// The request in parts; what is left out is that of an edit that passes.
    #[serde(default)]
    pub request: Request,
    /// The bytes instead.
    pub raw: Option<Text>,
    /// The statuses that are accepted for the first answer; none: the connection is closed without an answer.
    pub status: Vec<u16>,
    /// The statuses that are accepted for the answers behind it, each.
    #[serde(default)]
    pub then: Vec<Vec<u16>>,
    /// `error.code` of the first answer.
    pub code: Option<String>,
    /// Words in `error.message` of the first answer.
    pub says: Option<String>,
    /// Fields of the first answer; null: it has none of that name.
    #[serde(default)]
    pub fields: BTreeMap<String, Option<String>>,
    /// The answer is that of the HTTP parser, which has no body.
    #[serde(default)]
    pub bare: bool,
    /// What the upstream sees of it; nothing, if it is left out.
    #[serde(default)]
    pub arrives: Vec<Arrival>,
    /// Why it does not hold yet; a row that does after all is a fault.
    pub open: Option<String>,
}

/// A request in parts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    method: Option<String>,
    target: Option<Text>,
    version: Option<String>,
    /// Default fields that are left out.
    without: Vec<String>,
    /// Further fields, behind the default ones; one of these takes the place of a default one with its name.
    headers: Vec<(String, Text)>,
    body: Option<Text>,
    /// A body in chunks instead.
    chunks: Option<Vec<Text>>,
}

/// Bytes, a character each; or parts of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// As they are.
    Plain(String),
    /// One behind the other.
    Parts(Vec<Part>),
}

/// A part of a text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Part {
    /// As it is.
    Plain(String),
    /// Several times.
    Repeated {
        /// What.
        repeat: String,
        /// How often.
        times: usize,
    },
}

/// What is known of a request that reaches the upstream.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Arrival {
    target: Option<String>,
    body: Option<String>,
    /// Fields; null: it has none of that name.
    fields: BTreeMap<String, Option<String>>,
}

impl Text {
    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let parts = match self {
            Self::Plain(text) => return bytes(text),
            Self::Parts(parts) => parts,
        };
        let part = |part: &Part| match part {
            Part::Plain(text) => bytes(text),
            Part::Repeated { repeat, times } => bytes(repeat).repeat(*times),
        };
        parts.iter().flat_map(part).collect()
    }
}

fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or_else(|_| panic!("{c:?} is no byte"))).collect()
}

impl Request {
    /// The bytes that are sent.
    pub fn bytes(&self) -> Vec<u8> {
        let method = self.method.as_deref().unwrap_or("PATCH");
        let body = match (&self.body, &self.chunks) {
            (Some(body), _) => Some(body.bytes()),
            (None, Some(chunks)) => Some(chunked(chunks)),
            (None, None) => (method == "PATCH").then(|| EDIT.into()),
        };
        let mut fields: Vec<(String, Vec<u8>)> = vec![
            ("Host".to_owned(), "gateway.example".into()),
            ("Authorization".to_owned(), format!("Bearer {TOKEN}").into()),
        ];
        if let Some(body) = &body {
            fields.push(("Content-Type".to_owned(), "application/json".into()));
            if self.chunks.is_some() {
                fields.push(("Transfer-Encoding".to_owned(), "chunked".into()));
            } else {
                fields.push(("Content-Length".to_owned(), body.len().to_string().into()));
            }
        }
        let replaced = |name: &str| {
            let mut names = self.headers.iter().map(|(other, _)| other).chain(&self.without);
            names.any(|other| other.eq_ignore_ascii_case(name))
        };
        fields.retain(|(name, _)| !replaced(name));
        fields.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.bytes())));

        let mut out = bytes(method);
        out.push(b' ');
        out.extend(self.target.as_ref().map_or_else(|| INCIDENT.into(), Text::bytes));
        out.extend(format!(" {}\r\n", self.version.as_deref().unwrap_or("HTTP/1.1")).bytes());
        for (name, value) in fields {
            out.extend(bytes(&name));
            out.extend(b": ");
            out.extend(value);
            out.extend(b"\r\n");
        }
        out.extend(b"\r\n");
        out.extend(body.unwrap_or_default());
        out
    }
}

fn chunked(chunks: &[Text]) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in chunks {
        let bytes = chunk.bytes();
        out.extend(format!("{:x}\r\n", bytes.len()).bytes());
        out.extend(bytes);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\n\r\n");
    out
}

/// The rows of a file in `tests/data`; their ids differ.
pub fn read(file: &str) -> Vec<Row> {
    let rows: Vec<Row> = lines(file);
    let mut ids = HashSet::new();
    for row in &rows {
        assert!(ids.insert(&row.id), "{file}: two rows are called '{}'", row.id);
    }
    rows
}

/// The lines of a file in `tests/data`, each a value in JSON.
pub fn lines<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parse = |(number, line)| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}, line {}: {error}", number + 1))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

/// Sends rows to a gateway of their own, and fails with all that went otherwise than they say. Returns the first answer to
/// each row that has one.
pub fn play(rows: &[Row]) -> Vec<(&Row, Response)> {
    assert!(!rows.is_empty(), "no rows");
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let mut wrong = Vec::new();
    let mut first = Vec::new();
    let mut seen = 0;
    for row in rows {
        let answers = row.send(gateway.listen);
        let arrived = upstream.arrived();
        let faults = row.judge(&answers, arrived.get(seen..).unwrap_or_default(), upstream.address);
        seen = arrived.len();
        match &row.open {
            Some(_) if faults.is_empty() => wrong.push(format!("{}: it holds now: remove 'open'", row.id)),
            Some(reason) => println!("open: {}: {reason}", row.id),
            None => {
                wrong.extend(faults.into_iter().map(|fault| format!("{}: {fault} ({})", row.id, row.why)));
            }
        }
        first.extend(answers.into_iter().next().map(|answer| (row, answer)));
    }
    // All that is under way ends with the gateway: nothing came late.
    let (status, _) = gateway.stop();
    assert!(status.success(), "the gateway ended with {status}");
    assert_eq!(upstream.arrived().len(), seen, "a request arrived after its answer");
    println!("{} rows, {} open", rows.len(), rows.iter().filter(|row| row.open.is_some()).count());
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
    first
}

impl Row {
    /// Sends the bytes and the end of the input, and reads all answers to the end of the connection.
    fn send(&self, gateway: SocketAddr) -> Vec<Response> {
        let bytes = self.raw.as_ref().map_or_else(|| self.request.bytes(), Text::bytes);
        let mut connection = Connection::open(gateway);
        let mut sending = Connection::over(connection.stream().try_clone().expect("a second handle"));
        // The gateway may answer, and close, before it has read everything.
        let sender = thread::spawn(move || {
            _ = sending.try_send(&bytes);
            sending.half_close();
        });
        let head = self.request.method.as_deref() == Some("HEAD");
        let receive = || if head { connection.receive_without_body() } else { connection.receive() };
        let answers = std::iter::from_fn(receive).collect();
        sender.join().expect("the sender ends");
        answers
    }

    /// What is otherwise than the row says.
    fn judge(&self, answers: &[Response], arrived: &[Arrived], upstream: SocketAddr) -> Vec<String> {
        let mut faults = Vec::new();
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let expected: Vec<&Vec<u16>> =
            Some(&self.status).filter(|s| !s.is_empty()).into_iter().chain(&self.then).collect();
        let fits = statuses.len() == expected.len()
            && statuses.iter().zip(&expected).all(|(status, accepted)| accepted.contains(status));
        if !fits {
            faults.push(format!("answers {statuses:?}, not {expected:?}"));
        }
        if let Some(first) = answers.first() {
            self.judge_answer(first, &mut faults);
        }
        if arrived.len() == self.arrives.len() {
            for (arrived, expected) in arrived.iter().zip(&self.arrives) {
                expected.judge(arrived, &mut faults);
            }
        } else {
            faults.push(format!("{} requests upstream, not {}", arrived.len(), self.arrives.len()));
        }
        for arrived in arrived {
            judge_arrived(arrived, upstream, &mut faults);
        }
        faults
    }

    fn judge_answer(&self, answer: &Response, faults: &mut Vec<String>) {
        if self.bare {
            if !answer.body.is_empty() || answer.header("patchgate-request-id").is_some() {
                faults.push(format!("not the HTTP parser's answer: {}", answer.text()));
            }
        } else if answer.header("patchgate-request-id").is_none() {
            faults.push("no patchgate-request-id".to_owned());
        }
        if let Some(code) = self.code.as_ref().filter(|code| **code != answer.code()) {
            faults.push(format!("code '{}', not '{code}'", answer.code()));
        }
        if let Some(words) = self.says.as_ref().filter(|words| !answer.message().contains(words.as_str())) {
            faults.push(format!("'{}' does not say '{words}'", answer.message()));
        }
        judge_fields(&self.fields, |name| answer.headers(name), faults);
    }
}

impl Arrival {
    fn judge(&self, arrived: &Arrived, faults: &mut Vec<String>) {
        if let Some(target) = self.target.as_ref().filter(|target| **target != arrived.target) {
            faults.push(format!("upstream saw the target '{}', not '{target}'", arrived.target));
        }
        if let Some(body) = self.body.as_ref().filter(|body| **body != arrived.text()) {
            faults.push(format!("upstream saw the body '{}', not '{body}'", arrived.text()));
        }
        judge_fields(&self.fields, |name| arrived.headers(name), faults);
    }
}

fn judge_fields<'a>(
    expected: &'a BTreeMap<String, Option<String>>,
    found: impl Fn(&str) -> Vec<&'a str>,
    faults: &mut Vec<String>,
) {
    for (name, value) in expected {
        let found = found(name);
        if found != value.as_deref().into_iter().collect::<Vec<_>>() {
            faults.push(format!("'{name}' is {found:?}, not {value:?}"));
        }
    }
}

/// What holds of each request that reaches the upstream, whatever came in.
fn judge_arrived(arrived: &Arrived, upstream: SocketAddr, faults: &mut Vec<String>) {
    let path = arrived.target.split('?').next().unwrap_or_default();
    let rest =
        ["/v1.0/security/incidents", "/beta/security/incidents"].iter().find_map(|p| path.strip_prefix(p));
    let id = rest.map(|rest| rest.strip_prefix('/').unwrap_or(rest));
    if !id.is_some_and(|id| id.bytes().all(|b| b.is_ascii_digit())) {
        faults.push(format!("the target '{}' reached the upstream", arrived.target));
    }
    if arrived.headers("host") != [upstream.to_string()] {
        faults.push(format!("upstream saw the hosts {:?}", arrived.headers("host")));
    }
    for name in arrived.names() {
        if !PASSING.contains(&name) || arrived.headers(name).len() > 1 {
            faults.push(format!("upstream saw '{name}': {:?}", arrived.headers(name)));
        }
    }
    if arrived.header("accept-encoding") != Some("identity") {
        faults.push("upstream was not told 'Accept-Encoding: identity'".to_owned());
    }
    match (arrived.method.as_str(), arrived.header("content-type")) {
        ("PATCH", Some("application/json")) => {
            let document = serde_json::from_slice::<serde_json::Value>(&arrived.body);
            if !document.is_ok_and(|document| document.is_object()) {
                faults.push(format!("upstream saw the body '{}'", arrived.text()));
            }
        }
        ("GET", None) if arrived.body.is_empty() => {}
        (method, kind) => faults.push(format!("upstream saw a {method} with {kind:?}")),
    }
}
