//! Requests that are well formed and refused before their body is of interest: routes, methods, credentials, headers, sizes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use patchgate_tests::client::{Connection, TOKEN};
use patchgate_tests::gateway::Gateway;
use patchgate_tests::rows::{self, EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;

/// Fields of an answer that only some refusals have.
const PARTICULAR: [&str; 4] = ["accept-encoding", "allow", "retry-after", "www-authenticate"];

#[test]
fn rows_hold_and_each_refusal_has_its_sentence() {
    let rows = rows::read("requests.jsonl");
    assert!(rows.len() >= 100, "rows were lost: {}", rows.len());
    let mut said = BTreeMap::new();
    for (row, answer) in rows::play(&rows) {
        // What passed is the upstream's; what the HTTP parser refuses, and the answer to a HEAD, say nothing.
        if row.bare || answer.status < 400 || answer.body.is_empty() {
            continue;
        }
        let mut sentence = format!("{} {}\n  {}", answer.status, answer.code(), answer.message());
        for name in PARTICULAR {
            let field = answer.header(name).map(|value| format!("\n  {name}: {value}"));
            sentence.push_str(&field.unwrap_or_default());
        }
        said.entry(sentence).or_insert(&row.id);
    }
    let said = said.iter().fold(String::new(), |mut text, (sentence, id)| {
        writeln!(text, "{id}: {sentence}").expect("text");
        text
    });
    insta::assert_snapshot!("refusals", said);
}

#[test]
fn a_connection_outlives_refusals() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    assert_eq!(connection.get("/nope", &[]).status, 404);
    assert_eq!(connection.patch(INCIDENT, &[("Content-Encoding", "gzip")], EDIT).status, 415);
    assert_eq!(connection.patch(INCIDENT, &[], "{").status, 400);
    let head = format!("HEAD {INCIDENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    connection.send(head.as_bytes());
    let answer = connection.receive_without_body().expect("an answer");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, PATCH")));
    // Had the answer to HEAD a body, it would stand where the next answer begins.
    assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200);
    assert_eq!(upstream.arrived().len(), 1);
}

#[test]
fn a_public_url_binds_the_host() {
    // Hosts have no case, and the port of the scheme goes without saying.
    let rows: [(&str, &[&str], &[&str]); 4] = [
        (
            "https://Gateway.example:8443",
            &["gateway.EXAMPLE:8443"],
            &["gateway.example", "gateway.example:443", "evil.example:8443", "127.0.0.1:8443"],
        ),
        (
            "https://gateway.example:443",
            &["gateway.example", "Gateway.example:443"],
            &["gateway.example:80", "gateway.example:4430"],
        ),
        ("https://gateway.example", &["gateway.example", "gateway.example:443"], &["gateway.example:8443"]),
        ("http://[::1]", &["[::1]", "[::1]:80"], &["[::1]:443", "[::1:80]"]),
    ];
    for (public_url, named, others) in rows {
        let upstream = Upstream::start();
        let text = format!(
            "[listen]\npublic_url = \"{public_url}\"\n[upstream]\nurl = \"http://{}\"\n",
            upstream.address
        );
        let gateway = Gateway::configured(&text, &[]);
        let with_host = |host: &str| {
            let mut connection = Connection::open(gateway.listen);
            connection.send(
                format!("GET {INCIDENT} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n")
                    .as_bytes(),
            );
            connection.receive().expect("an answer")
        };
        for host in named {
            assert_eq!(with_host(host).status, 200, "{public_url}: {host}");
        }
        for host in others {
            let answer = with_host(host);
            let refused = (answer.status, answer.code());
            assert_eq!(refused, (421, "MisdirectedRequest".to_owned()), "{public_url}: {host}");
        }
        assert_eq!(upstream.arrived().len(), named.len());
    }
}

#[test]
fn sizes_can_be_set() {
    let upstream = Upstream::start();
    let text = "[limits]\nbody = \"32B\"\ntarget_guard = \"64B\"\ntarget_read = \"80B\"\nheader_lines = 8\njson_depth = 1\n";
    let gateway = Gateway::configured(text, &["--upstream", &format!("http://{}", upstream.address)]);
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    assert_eq!(gateway.patch(INCIDENT, r#"{"assignedTo":"a long enough name"}"#).status, 413);
    assert_eq!(gateway.patch(INCIDENT, r#"{"customTags":["a"]}"#).violations()[0].0, "tooDeep");
    assert_eq!(gateway.get(&format!("{INCIDENT}?{}", "x".repeat(40))).status, 200);
    assert_eq!(gateway.get(&format!("{INCIDENT}?{}", "x".repeat(50))).status, 414);
    assert_eq!(gateway.patch(&format!("{INCIDENT}?{}", "x".repeat(40)), EDIT).status, 414);
    assert_eq!(gateway.connect().patch(INCIDENT, &[("X", "1"); 5], EDIT).status, 431);
    assert_eq!(upstream.arrived().len(), 2);
}

#[test]
fn a_connection_that_is_used_is_not_idle() {
    const IDLE: Duration = Duration::from_millis(500);
    let upstream = Upstream::start();
    let url = format!("http://{}", upstream.address);
    let gateway =
        Gateway::configured("[timeouts]\nidle = \"500ms\"\nfirst_byte = \"500ms\"\n", &["--upstream", &url]);
    let read = format!("GET {INCIDENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    // A machine that was too busy to use it has shown nothing.
    let is_used_for_long = |mut connection: Connection| {
        let begin = Instant::now();
        let mut last = begin;
        while begin.elapsed() < 3 * IDLE {
            let answer = connection.try_send(read.as_bytes()).ok().and_then(|()| connection.receive());
            if answer.is_none() && last.elapsed() > IDLE / 2 {
                return false;
            }
            assert_eq!(answer.expect("it is open").status, 200);
            last = Instant::now();
        }
        true
    };
    assert!((0..100).any(|_| is_used_for_long(gateway.connect())), "this machine is too busy");
}
