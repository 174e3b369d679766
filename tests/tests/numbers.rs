//! The numbers that hold where nothing else is configured, and the keys that no other test sets.
//!
//! | key | beyond it, or set | at its default |
//! |---|---|---|
//! | `header_bytes` | `requests.jsonl`, here | here |
//! | `header_lines` | `requests::sizes_can_be_set`, `requests.jsonl` | `wire.jsonl` (control-64-lines) |
//! | `target_guard`, `target_read` | `requests::sizes_can_be_set`, `requests.jsonl` | here |
//! | `body` | `requests::sizes_can_be_set`, `requests.jsonl` | `requests.jsonl` (body-largest, body-large) |
//! | `json_depth` | `requests::sizes_can_be_set`, `wire.jsonl` | here |
//! | `connections`, `connections_per_address` | `limits::connections_are_counted…` | here |
//! | `in_flight` | `limits::requests_in_flight_are_counted…` | here, and half of it for one address |
//! | `buffered` | `limits::bytes_of_bodies_are_counted`, `memory::bodies_that_are_held…` | by default `in_flight` bodies fit in |
//! | `first_byte` | `limits::a_connection_that_says_nothing…` | here |
//! | `header` | `limits::a_head_that_does_not_come_in_time…` | here |
//! | `body` | `limits::a_body_that_does_not_come_in_time…` | here |
//! | `connect` | here | here |
//! | `handshake` | `tls::nothing_is_sent_without_a_handshake` | here |
//! | `answer` | `forwarding::an_upstream_that_does_not_answer…`, `faults.jsonl` | here |
//! | `idle` | `limits::a_kept_connection…`, `…takes_no_bytes…`, `…stalls…`, `requests::a_connection_that_is_used…` | here |
//! | `drain` | `limits::an_exchange_that_outlasts_the_drain…` | here |
//! | `drain_delay` | `limits::readiness_fails_at_once…` | `lifecycle` |

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use patchgate_tests::client::{Connection, TOKEN};
use patchgate_tests::gateway::{Gateway, command, refused_start};
use patchgate_tests::process::allow_descriptors;
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::{PLAIN, Upstream};
use socket2::{Domain, Socket, Type};

/// A connection from one of the many addresses of loopback.
fn from(last: u8, to: SocketAddr) -> Connection {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket
        .bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into())
        .expect("an address of loopback");
    socket.connect(&to.into()).expect("the address accepts connections");
    Connection::over(TcpStream::from(socket))
}

fn edit() -> String {
    format!(
        "PATCH {INCIDENT} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{EDIT}",
        EDIT.len()
    )
}

/// Where connections are neither accepted nor refused: the queue of a listener that nobody serves is full. It stays so as long
/// as the sockets live.
fn nowhere() -> (SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    listener.listen(0).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let mut sockets = vec![listener];
    loop {
        let waiting = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let full = waiting.connect_timeout(&address, Duration::from_millis(300)).is_err();
        sockets.push(waiting);
        if full {
            return (address.as_socket().expect("an address"), sockets);
        }
        assert!(sockets.len() < 100, "the queue of the listener does not fill up");
    }
}

#[test]
fn sizes_by_default() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    // Nested 8 deep it is judged, 9 deep it is not.
    for (depth, code) in [(8, "wrongType"), (9, "tooDeep")] {
        // The document itself is one.
        let body = format!("{{\"status\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert_eq!(connection.patch(INCIDENT, &[], &body).violations()[0].0, code, "{depth}");
    }
    for (bytes, status) in [(2048, 404), (2049, 414)] {
        let target = format!("/v1.0/{}", "x".repeat(bytes - 6));
        assert_eq!(connection.patch(&target, &[], EDIT).status, status, "{bytes}");
    }
    for (bytes, status) in [(8192, 200), (8193, 414)] {
        let target = format!("/v1.0/security/incidents?{}", "x".repeat(bytes - 25));
        assert_eq!(connection.get(&target, &[]).status, status, "{bytes}");
    }
}

/// The name and the value of each line count, and the four bytes around them.
#[test]
fn header_bytes_by_default_and_set() {
    let upstream = Upstream::start();
    for (keys, limit) in [("", 16 * 1024), ("[limits]\nheader_bytes = \"1KiB\"\n", 1024)] {
        let gateway = Gateway::configured(keys, &["--upstream", &format!("http://{}", upstream.address)]);
        // Somewhere near the limit it changes, and only there.
        for (bytes, status) in [(limit - 400, 200), (limit, 431)] {
            let answer = gateway.connect().patch(INCIDENT, &[("X", &"x".repeat(bytes))], EDIT);
            assert_eq!(answer.status, status, "{keys} {bytes}");
        }
    }
}

/// A number that would mean something else than it says.
#[test]
fn numbers_that_cannot_be_kept_are_refused_at_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("patchgate.toml");
    for (keys, words) in [
        ("[limits]\nheader_lines = 101\n", "limits.header_lines: it may be 100 at most"),
        (
            "[limits]\nheader_bytes = \"24KiB\"\n",
            "limits.header_bytes: a target and the header lines together are more",
        ),
        (
            "[limits]\ntarget_read = \"16KiB\"\n",
            "limits.header_bytes: a target and the header lines together are more",
        ),
        (
            "[timeouts]\ndrain = \"5s\"\ndrain_delay = \"5s\"\n",
            "timeouts.drain_delay: it is not shorter than timeouts.drain",
        ),
    ] {
        std::fs::write(&file, keys).expect("the configuration");
        let file = file.to_str().expect("a path");
        let output = refused_start(command(&[
            "run",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--config",
            file,
        ]));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(words), "{keys}: {said}");
    }
    // The most that can be: the gateway's own answer, not the parser's.
    let upstream = Upstream::start();
    let keys = "[limits]\nheader_bytes = \"23KiB\"\nheader_lines = 100\n";
    let gateway = Gateway::configured(keys, &["--upstream", &format!("http://{}", upstream.address)]);
    let (passes, too_much) = ("x".repeat(23 * 1024 - 400), "x".repeat(23 * 1024));
    assert_eq!(gateway.connect().patch(INCIDENT, &[("X", &passes)], EDIT).status, 200);
    assert_eq!(gateway.connect().patch(INCIDENT, &[("X", &too_much)], EDIT).code(), "HeadersTooLarge");
    assert_eq!(gateway.connect().patch(INCIDENT, &[("X", "1"); 96], EDIT).status, 200);
}

#[test]
fn an_upstream_that_takes_no_connection_got_nothing() {
    let (address, _sockets) = nowhere();
    let keys = "[timeouts]\nconnect = \"200ms\"\n";
    let gateway = Gateway::configured(keys, &["--upstream", &format!("http://{address}")]);
    for answer in [gateway.patch(INCIDENT, EDIT), gateway.get(INCIDENT)] {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (502, "UpstreamUnreachable"),
            "{}",
            answer.text()
        );
    }
    let (_, log) = gateway.stop();
    assert!(log.contains("no connection in time"), "{log}");
}

/// A thousand requests at once, of one address half of them; and a thousand connections of one address.
#[test]
fn a_thousand_requests_and_a_thousand_connections_of_one_address() {
    allow_descriptors(4500);
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::answering(move |_, stream| {
        _ = wait.lock().expect("one at a time").recv();
        stream.write_all(PLAIN).is_ok()
    });
    let gateway = Gateway::before(upstream.address);
    let refused = |connection: &mut Connection, what: &str| {
        let refused = connection.patch(INCIDENT, &[], EDIT);
        assert_eq!((refused.status, refused.code().as_str()), (503, "ServiceUnavailable"), "{what}");
    };
    let mut callers: Vec<Connection> = Vec::new();
    for _ in 0..1000 {
        let mut connection = from(1, gateway.listen);
        // What got an answer is counted.
        assert_eq!(connection.get("/none", &[]).status, 404);
        callers.push(connection);
    }
    assert!(from(1, gateway.listen).is_closed(), "one more connection of this address");
    let (waiting, others) = callers.split_at_mut(500);
    for connection in waiting {
        connection.send(edit().as_bytes());
    }
    upstream.wait_for(500);
    refused(&mut others[0], "one more request of this address");
    callers.truncate(500);
    for _ in 0..500 {
        let mut connection = from(2, gateway.listen);
        connection.send(edit().as_bytes());
        callers.push(connection);
    }
    upstream.wait_for(1000);
    refused(&mut from(3, gateway.listen), "one more request of any");
    drop(go);
    for connection in &mut callers {
        assert_eq!(connection.receive().expect("an answer").status, 200);
    }
    assert_eq!(from(3, gateway.listen).patch(INCIDENT, &[], EDIT).status, 200);
    assert_eq!(upstream.arrived().len(), 1001);
}

#[test]
#[ignore = "long: 10,000 connections"]
fn ten_thousand_connections() {
    allow_descriptors(10_500);
    let upstream = Upstream::start();
    let url = format!("http://{}", upstream.address);
    let gateway = Gateway::configured("[timeouts]\nfirst_byte = \"1h\"\n", &["--upstream", &url]);
    let mut connections: Vec<Connection> = Vec::new();
    for address in 1..=10 {
        connections.extend((0..1000).map(|_| from(address, gateway.listen)));
    }
    assert_eq!(connections[9_999].patch(INCIDENT, &[], EDIT).status, 200);
    assert!(from(11, gateway.listen).is_closed(), "one too many");
    assert_eq!(connections[0].patch(INCIDENT, &[], EDIT).status, 200);
}

/// Each deadline passes, none too early, and in the order of their numbers.
#[test]
#[ignore = "long: a minute of waiting"]
fn deadlines_by_default() {
    // It answers what is plain, and is silent to what waits for it.
    let upstream = Upstream::answering(|request, stream| {
        if request.target.contains("$skiptoken") {
            _ = stream.read(&mut [0]);
            return false;
        }
        stream.write_all(PLAIN).is_ok()
    });
    let silent = Upstream::answering(|_, stream| stream.read(&mut [0]).is_ok_and(|count| count > 0));
    let (address, _sockets) = nowhere();
    let gateway = Gateway::before(upstream.address);
    let unreachable = Gateway::before(address);
    let stuck = Gateway::before(silent.address);
    let silent_tls =
        Gateway::start(&["--upstream", &format!("https://localhost:{}", handshakeless().port())]);

    let (send, passed) = mpsc::channel();
    let begun = Instant::now();
    thread::scope(|scope| {
        let wait = |name: &'static str, seconds: u64, until: Box<dyn FnOnce() + Send>| {
            let send = send.clone();
            scope.spawn(move || {
                until();
                send.send((seconds, name, begun.elapsed())).expect("the test waits");
            });
        };
        let closed = |connection: Connection| patient(connection, |text| assert_eq!(text, ""));
        wait("first_byte", 5, closed(gateway.connect()));
        let mut head = gateway.connect();
        head.send(b"PATCH /v1.0");
        wait("header", 5, closed(head));
        let mut body = gateway.connect();
        let text = edit();
        body.send(&text.as_bytes()[..text.len() - 1]);
        wait("body", 15, patient(body, |text| assert!(text.contains("RequestTimeout"), "{text}")));
        let answered = |gateway: &Gateway, code: &'static str| {
            let mut connection = gateway.connect();
            connection.send(text.replace("Content-Type", "Connection: close\r\nContent-Type").as_bytes());
            patient(connection, move |text| assert!(text.contains(code), "{text}"))
        };
        wait("connect", 5, answered(&unreachable, "UpstreamUnreachable"));
        wait("handshake", 5, answered(&silent_tls, "UpstreamUnreachable"));
        wait("answer", 30, answered(&stuck, "OutcomeUnknown"));
        let mut idle = gateway.connect();
        assert_eq!(idle.patch(INCIDENT, &[], EDIT).status, 200);
        wait("idle", 60, closed(idle));
        // Its end comes while one edit still waits for its answer: half a minute for both, so it is not cut off.
        let mut last: (u64, Duration) = (0, Duration::ZERO);
        for _ in 0..7 {
            let (seconds, name, took) = passed.recv().expect("all deadlines pass");
            println!("{name}: {took:?}");
            assert!(took >= Duration::from_secs(seconds), "{name} passed after {took:?}");
            assert!(seconds >= last.0, "{name} passed after {took:?}, behind one of {last:?}");
            last = (seconds, took);
        }
    });
}

/// Waits for the end of a connection for as long as it takes, and judges what came.
fn patient(connection: Connection, judge: impl FnOnce(&str) + Send + 'static) -> Box<dyn FnOnce() + Send> {
    Box::new(move || {
        let mut stream = connection.stream();
        stream.set_read_timeout(Some(Duration::from_mins(5))).expect("a timeout");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("its end");
        judge(&text);
    })
}

/// A listener that accepts and says nothing.
fn handshakeless() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let mut kept = Vec::new();
        kept.extend(listener.incoming().flatten());
    });
    address
}
