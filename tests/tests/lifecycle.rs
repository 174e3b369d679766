//! The process: its start, its health, its end, and what it never writes anywhere.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use patchgate_tests::client::{Connection, Response};
use patchgate_tests::collector::{Collector, Protocol};
use patchgate_tests::gateway::Gateway;
use patchgate_tests::rows::{EDIT, INCIDENT, Request};
use patchgate_tests::upstream::Upstream;

fn health(admin: SocketAddr, method: &str, path: &str) -> Option<Response> {
    let mut connection = Connection::over(TcpStream::connect(admin).ok()?);
    connection.try_send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).ok()?;
    if method == "HEAD" { connection.receive_without_body() } else { connection.receive() }
}

/// Where nobody listens, and connections are refused at once.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

/// Waits until something is so, without sleeping: the other process is asked again and again.
fn until(mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "it never was so");
        thread::yield_now();
    }
}

#[test]
fn the_ready_line_says_where_everything_is() {
    let gateway = Gateway::start(&[]);
    let (listen, admin, upstream) = (gateway.listen, gateway.admin, gateway.upstream.clone());
    let (status, output) = gateway.stop();
    assert_eq!(status.code(), Some(0));
    let line = format!(
        r#"{{"ready":true,"listen":"http://{listen}","admin":"http://{admin}","upstream":"{upstream}"}}"#
    );
    assert_eq!(output.lines().next(), Some(line.as_str()));
    assert!(
        upstream.starts_with("http://127.0.0.1:") && upstream != format!("http://{listen}"),
        "{upstream}"
    );
    assert!(output.contains("curl -sS -X PATCH"), "{output}");
}

#[test]
fn health_is_told_on_its_own_listener() {
    let gateway = Gateway::start(&[]);
    for (method, path, status, text) in [
        ("GET", "/healthz", 200, "alive\n"),
        ("GET", "/readyz", 200, "ready\n"),
        ("HEAD", "/readyz", 200, ""),
        ("POST", "/readyz", 405, "only GET\n"),
        ("GET", "/", 404, "this listener has /healthz, /readyz and /metrics\n"),
        ("PATCH", INCIDENT, 404, "this listener has /healthz, /readyz and /metrics\n"),
    ] {
        let answer = health(gateway.admin, method, path).expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{method} {path}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET, HEAD"), "{method} {path}");
    }
    assert_eq!(gateway.get("/healthz").status, 404, "callers do not see it");
}

#[test]
fn a_signal_ends_it_though_connections_are_idle() {
    for signal in ["TERM", "INT"] {
        let gateway = Gateway::start(&[]);
        let (mut used, fresh) = (gateway.connect(), gateway.connect());
        assert_eq!(used.patch(INCIDENT, &[], EDIT).status, 200);
        gateway.signal(signal);
        let (status, output) = gateway.wait();
        assert_eq!(status.code(), Some(0), "SIG{signal}: {output}");
        assert!(used.is_closed());
        drop(fresh);
    }
}

#[test]
fn what_is_under_way_at_the_end_is_answered() {
    let (upstream, go) = Upstream::waiting();
    let gateway = Gateway::before(upstream.address);
    let mut connections: Vec<Connection> = (0..5).map(|_| gateway.connect()).collect();
    for connection in &mut connections {
        connection.send(&Request::default().bytes());
    }
    upstream.wait_for(5);
    let listen = gateway.listen;
    gateway.terminate();
    until(|| TcpStream::connect(listen).is_err());
    (0..5).for_each(|_| go.send(()).expect("the upstream waits"));
    for connection in &mut connections {
        let answer = connection.receive().expect("an answer");
        assert_eq!(answer.status, 200);
        assert!(connection.is_closed());
    }
    let (status, output) = gateway.wait();
    assert_eq!(status.code(), Some(0), "{output}");
    assert_eq!(upstream.arrived().len(), 5);
}

#[test]
fn a_body_that_is_under_way_at_the_end_is_waited_for() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    let head = format!(
        "PATCH {INCIDENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        EDIT.len()
    );
    connection.send(head.as_bytes());
    assert_eq!(connection.interim(), 100, "the head was read");
    let listen = gateway.listen;
    gateway.terminate();
    until(|| TcpStream::connect(listen).is_err());
    connection.send(EDIT.as_bytes());
    assert_eq!(connection.receive().expect("an answer").status, 200);
    assert_eq!(gateway.wait().0.code(), Some(0));
}

// What is written nowhere.

/// Sends what passes and what is refused, each with words of its own, and returns the words that must be in no output and
/// the ids that must.
fn talk(gateway: &Gateway) -> (Vec<String>, Vec<String>) {
    let (mut secrets, mut ids) = (Vec::new(), Vec::new());
    let mut secret = |name: &str| {
        // Long and odd enough to be nothing else, and the same in each escaping.
        let word = format!("zq{}{name}", secrets.len());
        secrets.push(word.clone());
        word
    };
    let token = secret("token");
    let mut requests: Vec<(String, String, String, String)> = Vec::new();
    let mut request = |method: &str, target: String, fields: String, body: String| {
        requests.push((method.to_owned(), target, fields, body));
    };
    let own = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    let edit = INCIDENT.to_owned();
    request(
        "PATCH",
        edit.clone(),
        own.clone(),
        format!(r#"{{"assignedTo":"{}@example.com"}}"#, secret("owner")),
    );
    request("PATCH", edit.clone(), own.clone(), format!(r#"{{"customTags":["{}"]}}"#, secret("tag")));
    request("PATCH", edit.clone(), own.clone(), format!(r#"{{"status":"{}"}}"#, secret("value")));
    request(
        "PATCH",
        edit.clone(),
        own.clone(),
        format!(r#"{{"{}":"{}"}}"#, secret("name"), secret("ofname")),
    );
    request(
        "PATCH",
        edit.clone(),
        own.clone(),
        format!(r#"{{"status":"active","status":"{}"}}"#, secret("second")),
    );
    request("PATCH", edit.clone(), own.clone(), format!(r#"{{"{0}":1,"{0}":2}}"#, secret("twice")));
    request(
        "PATCH",
        edit.clone(),
        own.clone(),
        format!(r#"{{"customTags":[{{"{}":1}}]}}"#, secret("nested")),
    );
    request("PATCH", edit.clone(), own.clone(), format!("{{\"status\": {}", secret("broken")));
    request(
        "PATCH",
        edit.clone(),
        own.clone(),
        format!(r#"{{"@odata.type":"{}","status":"active"}}"#, secret("type")),
    );
    request("PATCH", edit.clone(), format!("{own}Cookie: {}\r\n", secret("cookie")), EDIT.to_owned());
    request(
        "PATCH",
        edit.clone(),
        format!("{own}X-HTTP-Method: {}\r\n", secret("override")),
        EDIT.to_owned(),
    );
    request("PATCH", edit.clone(), format!("{own}If-Match: \"{}\"\r\n", secret("etag")), EDIT.to_owned());
    request("PATCH", edit.clone(), format!("Authorization: Basic {}\r\n", secret("basic")), EDIT.to_owned());
    request(
        "PATCH",
        edit.clone(),
        format!("Authorization: Bearer {} {}\r\n", secret("half"), secret("other")),
        EDIT.to_owned(),
    );
    request("PATCH", format!("{edit}?x={}", secret("query")), own.clone(), EDIT.to_owned());
    request("PATCH", format!("/v1.0/users/{}@example.com", secret("path")), own.clone(), EDIT.to_owned());
    request("PATCH", format!("/v1.0/security/Incidents/1;{}", secret("near")), own.clone(), EDIT.to_owned());
    request(&secret("METHOD").to_uppercase(), edit.clone(), own.clone(), EDIT.to_owned());
    let read = format!("Authorization: Bearer {token}\r\n");
    let filter = secret("filter");
    request(
        "GET",
        format!("/v1.0/security/incidents?$filter=assignedTo%20eq%20'{filter}'"),
        read.clone(),
        String::new(),
    );
    request("GET", format!("{edit}?access_token={}", secret("intarget")), read, String::new());
    secrets.push("ZQ".to_owned());

    for (method, target, fields, body) in requests {
        let length =
            if method == "GET" { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let mut connection = gateway.connect();
        connection
            .send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}{length}\r\n{body}").as_bytes());
        let answer = connection.receive().expect("an answer");
        if answer.status >= 400 && answer.code() != "OutcomeUnknown" {
            ids.push(answer.header("patchgate-request-id").expect("an id").to_owned());
        }
    }
    // What is no request at all is told on a finer level.
    let mut connection = gateway.connect();
    connection.send(b"zqgarbage zqgarbage\x00\r\n\r\n");
    _ = connection.receive();
    secrets.push("zqgarbage".to_owned());
    (secrets, ids)
}

/// The variables of an exporter.
fn exporting(protocol: Protocol, url: &str) -> [(&str, &str); 3] {
    [
        ("RUST_LOG", "trace"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name()),
    ]
}

/// A name, a configuration, arguments and variables.
type Run<'a> = (&'a str, String, &'a [&'a str], &'a [(&'a str, &'a str)]);

#[test]
fn no_token_and_no_value_is_written_even_at_the_finest_level() {
    let reply = r#"{"comments":["zqreply"],"@odata.nextLink":"http://127.0.0.1:1/zqreply"}"#;
    let upstream = Upstream::saying(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: zqreply\r\nContent-Length: {}\r\n\r\n{reply}",
        reply.len()
    ));
    let closing = Upstream::answering(|_, _| false);
    let trace = [("RUST_LOG", "trace")];
    // With an exporter, its own client logs too: one that reaches nobody, and those that reach a collector.
    let (http, grpc) = (Collector::start(Protocol::Http), Collector::start(Protocol::Grpc));
    let with_password = |address: SocketAddr| format!("http://otel:zqpassword@{address}");
    let urls = [NOBODY, http.address, grpc.address].map(with_password);
    let to_nobody = exporting(Protocol::Http, &urls[0]);
    let (over_http, over_grpc) = (exporting(Protocol::Http, &urls[1]), exporting(Protocol::Grpc, &urls[2]));
    let up = |upstream: &Upstream| format!("[upstream]\nurl = \"http://{}\"\n", upstream.address);
    let rows: [Run<'_>; 8] = [
        ("variable", up(&upstream), &[], &trace),
        ("flag", up(&upstream), &["--log", "trace"], &[]),
        (
            "all requests, for people",
            format!("{}[log]\nrequests = \"all\"\nformat = \"human\"\n", up(&upstream)),
            &[],
            &trace,
        ),
        ("an exporter to nobody", up(&upstream), &[], &to_nobody),
        ("an exporter over HTTP", up(&upstream), &[], &over_http),
        ("an exporter over gRPC", up(&upstream), &[], &over_grpc),
        ("an upstream that breaks off", up(&closing), &[], &trace),
        ("the embedded Graph", String::new(), &["--log", "trace"], &[]),
    ];
    for (row, text, args, variables) in rows {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("patchgate.toml");
        std::fs::write(&file, text).expect("the configuration");
        let mut all = vec!["--config", file.to_str().expect("a path")];
        all.extend(args);
        let gateway = Gateway::start_with(&all, variables);
        let (mut secrets, ids) = talk(&gateway);
        // The last one is the password as a header has it.
        secrets.extend(["zqreply", "zqpassword", "b3RlbDp6cXBhc3N3b3Jk"].map(str::to_owned));
        let (status, output) = gateway.stop();
        assert!(status.success(), "{row}: {status}");
        let mut found = String::new();
        for secret in &secrets {
            output.lines().filter(|line| line.contains(secret.as_str())).for_each(|line| {
                writeln!(found, "{secret}: {line}").expect("text");
            });
        }
        assert!(found.is_empty(), "{row}:\n{found}");
        // It was not silent, and the level was really that fine.
        assert!(ids.len() >= 14, "{row}: {} refusals", ids.len());
        let untold: Vec<&String> = ids.iter().filter(|id| !output.contains(*id)).collect();
        assert!(untold.is_empty(), "{row}: no line of {untold:?}");
        assert!(output.contains("DEBUG"), "{row}: {output}");
    }
}
