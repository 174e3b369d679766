//! Each fault of the emulator, through the gateway: what the caller sees, whether the edit was made, and how often it was sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use patchgate_tests::client::{Connection, TOKEN};
use patchgate_tests::emulator::Emulator;
use patchgate_tests::gateway::Gateway;
use patchgate_tests::relay::Relay;
use patchgate_tests::rows::{self, EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;
use serde::Deserialize;

/// Where a test looks at the emulator itself, past its script: the same incident under the other version.
const BESIDE: &str = "/beta/security/incidents/2972395";

/// A fault, and what comes of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    why: String,
    /// In TOML, as in a header; `{elsewhere}` stands for a URL.
    fault: String,
    /// The gateway has short deadlines.
    #[serde(default)]
    late: bool,
    /// Whether the emulator has made the edit.
    applied: bool,
    edit: Seen,
    read: Seen,
}

/// What a caller sees.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    status: u16,
    /// `error.code`.
    code: Option<String>,
    /// Fields; null: there is none of that name.
    #[serde(default)]
    fields: BTreeMap<String, Option<String>>,
    /// The answer has no body.
    #[serde(default)]
    empty: bool,
    /// The body breaks off; `bytes` is the most that may come of it.
    #[serde(default)]
    broken: bool,
    bytes: Option<usize>,
    /// The whole body.
    text: Option<String>,
    /// A part of it.
    says: Option<String>,
}

/// An answer read to the end of its connection, which may be too early.
#[derive(Debug)]
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
    whole: bool,
}

impl Answer {
    /// Takes apart what came.
    fn of(text: &str) -> Self {
        let (head, rest) = text.split_once("\r\n\r\n").expect("a whole head");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
        let field = |line: &str| {
            let (name, value) = line.split_once(": ").expect("a field");
            (name.to_ascii_lowercase(), value.to_owned())
        };
        let mut answer = Self {
            status: status.parse().expect("a status"),
            fields: lines.map(field).collect(),
            body: rest.to_owned(),
            whole: true,
        };
        if answer.field("transfer-encoding").is_some() {
            (answer.body, answer.whole) = unchunked(rest);
        } else if let Some(length) = answer.field("content-length") {
            answer.whole = length.parse() == Ok(rest.len());
        }
        answer
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The data of a chunked body, and whether its end came.
fn unchunked(mut text: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk size");
        if size == 0 {
            return (body, rest == "\r\n");
        }
        body.push_str(&rest[..size.min(rest.len())]);
        text = rest.get(size + 2..).unwrap_or_default();
    }
    (body, false)
}

impl Row {
    fn judge(&self, method: &str, answer: &Answer, elsewhere: &str) {
        let seen = if method == "PATCH" { &self.edit } else { &self.read };
        let context = format!("{}, {method}: {}\n{answer:?}", self.id, self.why);
        assert_eq!(answer.status, seen.status, "{context}");
        for (name, value) in &seen.fields {
            let value = value.as_ref().map(|value| value.replace("{elsewhere}", elsewhere));
            let found: Vec<&str> = answer
                .fields
                .iter()
                .filter(|(known, _)| known == name)
                .map(|(_, value)| value.as_str())
                .collect();
            assert_eq!(found, value.as_deref().into_iter().collect::<Vec<_>>(), "{name}: {context}");
        }
        assert!(answer.field("patchgate-request-id").is_some(), "{context}");
        assert_eq!(answer.whole, !seen.broken, "{context}");
        if seen.broken {
            let most = seen.bytes.expect("the most that may come");
            // Of an edit's answer each byte passes at once; in a read's a string may be held for its end.
            let enough = method == "GET" || answer.body.len() == most;
            assert!(answer.body.len() <= most && enough, "{context}");
            return;
        }
        if let Some(bytes) = seen.bytes {
            assert_eq!(answer.body.len(), bytes, "{}, {method}: {}", self.id, self.why);
            return;
        }
        assert_eq!(answer.body.is_empty(), seen.empty, "{context}");
        if let Some(text) = &seen.text {
            assert_eq!(&answer.body, text, "{context}");
        } else if !seen.empty {
            let json: serde_json::Value = serde_json::from_str(&answer.body).expect(&context);
            match &seen.code {
                Some(code) => assert_eq!(json["error"]["code"], code.as_str(), "{context}"),
                None if answer.status < 300 => assert_eq!(json["id"], "2972395", "{context}"),
                None => assert!(json["error"]["code"].is_string(), "{context}"),
            }
        }
        assert!(seen.says.as_ref().is_none_or(|says| answer.body.contains(says)), "{context}");
    }
}

/// Sends a request that ends its connection, and reads to the end.
fn ask(gateway: &Gateway, method: &str, id: &str) -> Answer {
    let mut text = format!(
        "{method} {INCIDENT} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\
         client-request-id: {id}\r\n"
    );
    if method == "PATCH" {
        // The example of the page, and who: by that it is known later whether this edit was made.
        let body = format!(
            r#"{{"classification":"TruePositive","determination":"MultiStagedAttack","assignedTo":"{id}"}}"#
        );
        write!(text, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            .expect("text");
    } else {
        text.push_str("\r\n");
    }
    let mut connection = gateway.connect();
    connection.send(text.as_bytes());
    let text = connection.rest();
    assert!(text.contains("\r\n\r\n"), "{id}: no whole head in {text:?}");
    Answer::of(&text)
}

fn at(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// Plays the rows, each once as an edit and once as a read, against a script that has each fault just as often.
fn play(rows: &[Row], keys: &str) {
    let bait = Upstream::start();
    let elsewhere = format!("{}/elsewhere", at(bait.address));
    let mut script = String::new();
    for row in rows {
        for method in ["PATCH", "GET"] {
            let keys = row.fault.replace("{elsewhere}", &elsewhere).replace(", ", "\n");
            let rule =
                format!("match = {{ method = \"{method}\", path = \"{INCIDENT}\" }}\ntimes = 1\n{keys}");
            writeln!(script, "[[fault]]\n{rule}\n").expect("text");
        }
    }
    let emulator = Emulator::start(&script);
    let relay = Relay::to(emulator.address);
    let gateway = Gateway::configured(keys, &["--upstream", &at(relay.address)]);
    for row in rows {
        for method in ["PATCH", "GET"] {
            let id = format!("{}-{method}", row.id);
            row.judge(method, &ask(&gateway, method, &id), &elsewhere);
            let sent = relay.count(&format!("client-request-id: {id}\r\n"));
            assert_eq!(sent, 1, "{id}: it was sent {sent} times");
        }
        let now = Connection::open(emulator.address).get(BESIDE, &[]).json();
        let made = now["assignedTo"] == format!("{}-PATCH", row.id).as_str();
        assert_eq!(made, row.applied, "{}: {now}", row.id);
    }
    // The script is used up to its end: nothing was asked for once too often.
    assert_eq!((gateway.patch(INCIDENT, EDIT).status, gateway.get(INCIDENT).status), (200, 200));
    assert_eq!(bait.arrived().len(), 0, "a redirect was followed");
}

#[test]
fn each_fault_reaches_the_caller_as_it_is_and_no_edit_is_sent_twice() {
    let rows: Vec<Row> = rows::lines("faults.jsonl");
    let rows: Vec<Row> = rows.into_iter().filter(|row| !row.late).collect();
    play(&rows, "");
}

#[test]
fn what_never_comes_has_a_deadline_and_is_not_asked_for_again() {
    let rows: Vec<Row> = rows::lines("faults.jsonl");
    let rows: Vec<Row> = rows.into_iter().filter(|row| row.late).collect();
    play(&rows, "[timeouts]\nanswer = \"500ms\"\nidle = \"500ms\"\n");
}

/// Head, first bytes and end may come at once; the caller gets what came, and then the end.
#[test]
fn what_came_before_an_answer_broke_off_reaches_the_caller() {
    for cut in [0, 1, 1000] {
        let emulator = Emulator::start(&format!("[[fault]]\ncut_after = {cut}\n"));
        let gateway = Gateway::before(emulator.address);
        for number in 0..30 {
            let edit = ask(&gateway, "PATCH", &number.to_string());
            assert_eq!((edit.status, edit.whole, edit.body.len()), (200, false, cut), "{number}: {edit:?}");
            let read = ask(&gateway, "GET", &number.to_string());
            assert_eq!((read.status, read.whole), (200, false), "{number}: {read:?}");
        }
    }
}

/// A reset may overtake what came before it: then there is no answer, else a broken one.
#[test]
fn a_reset_within_an_answer_breaks_it() {
    let emulator = Emulator::start("[[fault]]\nreset = true\ncut_after = 50\n");
    let relay = Relay::to(emulator.address);
    let gateway = Gateway::before(relay.address);
    for number in 0..20 {
        for method in ["PATCH", "GET"] {
            let id = format!("{number}-{method}");
            let answer = ask(&gateway, method, &id);
            let code = if method == "PATCH" { "OutcomeUnknown" } else { "UpstreamUnusable" };
            match answer.status {
                200 => assert!(!answer.whole && answer.body.len() <= 50, "{id}: {answer:?}"),
                502 => assert!(answer.whole && answer.body.contains(code), "{id}: {answer:?}"),
                _ => panic!("{id}: {answer:?}"),
            }
            assert_eq!(relay.count(&format!("client-request-id: {id}\r\n")), 1, "{id}");
        }
    }
}

#[test]
fn a_request_asks_the_emulator_for_a_fault_by_header_and_the_gateway_passes_none() {
    let script = format!("[[fault]]\nmatch = {{ path = \"{INCIDENT}\" }}\nstatus = 503\n");
    let emulator = Emulator::start(&script);
    let mut direct = Connection::open(emulator.address);
    let fault = [("patchgate-fault", "status = 429, retry_after = 3")];
    let asked = direct.patch(INCIDENT, &fault, EDIT);
    assert_eq!((asked.status, asked.header("retry-after")), (429, Some("3")), "it comes before the script's");
    assert_eq!(direct.patch(INCIDENT, &[], EDIT).status, 503);
    let wrong = direct.patch(INCIDENT, &[("patchgate-fault", "stauts = 429")], EDIT);
    assert_eq!(wrong.status, 400);
    assert!(wrong.message().contains("patchgate-fault"), "{}", wrong.message());

    let gateway = Gateway::before(emulator.address);
    let mut caller = gateway.connect();
    assert_eq!(caller.patch(INCIDENT, &fault, EDIT).status, 503, "the script's, not the header's");
    assert_eq!(caller.get(BESIDE, &fault).status, 200);
}
