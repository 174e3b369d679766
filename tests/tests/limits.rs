//! Limits and deadlines, from outside: what is too slow or too much ends, and nothing else notices.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use patchgate_tests::client::{Connection, TOKEN};
use patchgate_tests::gateway::Gateway;
use patchgate_tests::process::on_one_core;
use patchgate_tests::upstream::{PLAIN, Upstream};

const INCIDENT: &str = "/v1.0/security/incidents/2972395";
const EDIT: &str = r#"{"status":"active"}"#;

/// A gateway with these keys besides an upstream.
fn configured(keys: &str, upstream: &Upstream) -> Gateway {
    Gateway::configured(keys, &["--upstream", &format!("http://{}", upstream.address)])
}

/// The head of an edit that announces a body of so many bytes.
fn head(length: usize) -> String {
    format!(
        "PATCH {INCIDENT} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// An upstream that waits with each answer until it is told to go on.
fn waiting() -> (Upstream, mpsc::Sender<()>) {
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let upstream = Upstream::answering(move |_, stream| {
        let told = wait.lock().expect("one at a time").recv().is_ok();
        told && stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            .is_ok()
    });
    (upstream, go)
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let upstream = Upstream::start();
    let gateway = configured("[timeouts]\nfirst_byte = \"50ms\"\nidle = \"1h\"\n", &upstream);
    // Empty lines before a request say nothing.
    for nothing in ["", "\r\n", "\n", "\r\n\r\n\r\n"] {
        let mut connection = gateway.connect();
        connection.send(nothing.as_bytes());
        assert!(connection.is_closed(), "{nothing:?}");
    }
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
}

#[test]
fn a_head_that_does_not_come_in_time_is_closed_however_it_drips() {
    let upstream = Upstream::start();
    let gateway = configured("[timeouts]\nheader = \"100ms\"\n", &upstream);
    let mut connection = gateway.connect();
    connection.send(b"PATCH /v1.0");
    assert!(connection.is_closed());
    // A byte at a time does not move the deadline: at some point the other side has closed.
    let mut connection = gateway.connect();
    let closed = (0..10_000).any(|_| {
        std::thread::yield_now();
        let mut peek = [0];
        connection.stream().set_nonblocking(true).expect("a socket");
        let ended = matches!(connection.stream().peek(&mut peek), Ok(0));
        connection.stream().set_nonblocking(false).expect("a socket");
        std::thread::sleep(Duration::from_millis(1));
        ended || connection.try_send(b"A").is_err()
    });
    assert!(closed, "it was fed for a hundred times its deadline");
    assert_eq!(upstream.arrived().len(), 0);
}

#[test]
fn a_kept_connection_without_requests_is_closed() {
    let upstream = Upstream::start();
    let gateway = configured("[timeouts]\nidle = \"100ms\"\n", &upstream);
    let mut connection = gateway.connect();
    assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200);
    assert!(connection.is_closed());
}

/// No further request is needed for it.
#[test]
fn a_connection_to_the_upstream_that_nobody_uses_is_closed() {
    let (tell, closed) = mpsc::channel();
    let upstream = Upstream::answering(move |_, stream| {
        stream.write_all(PLAIN).expect("the gateway reads");
        tell.send(stream.read(&mut [0]).ok()).expect("the test waits");
        false
    });
    let gateway = configured("[timeouts]\nidle = \"100ms\"\n", &upstream);
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    assert_eq!(closed.recv(), Ok(Some(0)));
}

#[test]
fn a_body_that_does_not_come_in_time_is_refused_and_not_sent() {
    let upstream = Upstream::start();
    let gateway = configured("[timeouts]\nbody = \"100ms\"\n", &upstream);
    let mut connection = gateway.connect();
    connection.send(format!("{}{}", head(EDIT.len()), &EDIT[..5]).as_bytes());
    let answer = connection.receive().expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (408, "RequestTimeout"));
    assert!(connection.is_closed(), "nobody knows where the next request begins");
    assert_eq!(upstream.arrived().len(), 0);
}

#[test]
fn a_caller_who_takes_no_bytes_is_let_go_and_its_upstream_with_it() {
    let (gone, wait) = mpsc::channel();
    let gone = Mutex::new(gone);
    let upstream = Upstream::answering(move |_, stream| {
        // More than all buffers on the way together; it ends when the gateway hangs up.
        _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000000000\r\n\r\n");
        let block = vec![b'x'; 1 << 16];
        while stream.write_all(&block).is_ok() {}
        _ = gone.lock().expect("one at a time").send(());
        false
    });
    let gateway = configured("[timeouts]\nidle = \"200ms\"\n", &upstream);
    let mut connection = gateway.connect();
    connection.send(
        format!("GET {INCIDENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").as_bytes(),
    );
    wait.recv_timeout(Duration::from_secs(30)).expect("the upstream was let go");
    drop(connection);
}

#[test]
fn an_answer_that_stalls_is_broken_off_and_its_place_is_free() {
    let upstream = Upstream::answering(|_, stream| {
        // It begins, and then waits for the gateway to hang up.
        let begin = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{";
        _ = stream.write_all(begin);
        _ = stream.read(&mut [0]);
        false
    });
    let gateway = configured("[timeouts]\nidle = \"200ms\"\n[limits]\nin_flight = 1\n", &upstream);
    for method in ["PATCH", "GET"] {
        let mut connection = gateway.connect();
        let head = head(EDIT.len()).replace("PATCH", method);
        let (head, body) = if method == "GET" {
            (head.replace(&format!("Content-Length: {}\r\n", EDIT.len()), ""), "")
        } else {
            (head, EDIT)
        };
        connection.send(format!("{head}{body}").as_bytes());
        let answer = connection.rest();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.trim_end().ends_with('{'), "{method}: {answer}");
    }
}

#[test]
fn an_upstream_that_switches_protocols_has_not_answered() {
    let upstream =
        Upstream::saying("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    let gateway = Gateway::before(upstream.address);
    let edit = gateway.patch(INCIDENT, EDIT);
    assert_eq!((edit.status, edit.code().as_str()), (502, "OutcomeUnknown"));
    let read = gateway.get(INCIDENT);
    assert_eq!((read.status, read.code().as_str()), (502, "UpstreamUnusable"));
}

#[test]
fn an_answer_with_a_length_and_chunks_goes_by_its_chunks() {
    let upstream = Upstream::saying(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\na\r\n0\r\n\r\n",
    );
    let gateway = Gateway::before(upstream.address);
    let answer = gateway.patch(INCIDENT, EDIT);
    assert_eq!((answer.status, answer.text().as_str(), answer.header("content-length")), (200, "a", None));
}

/// A list of one number is that number (RFC 9110, 8.6), and nobody is sent the list.
#[test]
fn an_answer_that_tells_its_length_as_a_list_tells_it_once() {
    for length in ["1, 1", "1,1", "1\r\nContent-Length: 1"] {
        let upstream = Upstream::saying(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\na"
        ));
        let gateway = Gateway::before(upstream.address);
        for answer in [gateway.patch(INCIDENT, EDIT), gateway.get(INCIDENT)] {
            assert_eq!((answer.status, answer.text().as_str()), (200, "a"), "{length:?}");
            assert_eq!(answer.headers("content-length"), ["1"], "{length:?}");
        }
    }
}

#[test]
fn connections_are_counted_in_all_and_by_address() {
    let upstream = Upstream::start();
    for keys in ["connections = 2", "connections_per_address = 2"] {
        let gateway = configured(&format!("[limits]\n{keys}\n"), &upstream);
        let mut first = gateway.connect();
        assert_eq!(first.patch(INCIDENT, &[], EDIT).status, 200);
        let mut second = gateway.connect();
        assert_eq!(second.patch(INCIDENT, &[], EDIT).status, 200);
        assert!(gateway.connect().is_closed(), "{keys}");
        assert_eq!(first.patch(INCIDENT, &[], EDIT).status, 200, "those that were there go on");
        // Its place is free as soon as the gateway has seen its end.
        second.stream().shutdown(Shutdown::Write).expect("a socket");
        assert!(second.is_closed());
        let free = (0..1000).any(|_| {
            let mut third = gateway.connect();
            std::thread::sleep(Duration::from_millis(5));
            third.try_send(format!("{}{EDIT}", head(EDIT.len())).as_bytes()).is_ok()
                && third.receive().is_some()
        });
        assert!(free, "{keys}");
    }
}

#[test]
fn requests_in_flight_are_counted_and_health_goes_on() {
    let (upstream, go) = waiting();
    let gateway = configured("[limits]\nin_flight = 1\n", &upstream);
    let mut first = gateway.connect();
    first.send(format!("{}{EDIT}", head(EDIT.len())).as_bytes());
    upstream.wait_for(1);
    let refused = gateway.patch(INCIDENT, EDIT);
    assert_eq!((refused.status, refused.code().as_str()), (503, "ServiceUnavailable"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let mut health = Connection::open(gateway.admin);
    assert_eq!(health.request("GET", "/readyz", &[], None).status, 200);
    go.send(()).expect("the upstream waits");
    assert_eq!(first.receive().expect("an answer").status, 200);
    go.send(()).expect("the upstream waits");
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    assert_eq!(upstream.arrived().len(), 2);
}

#[test]
fn bytes_of_bodies_are_counted() {
    let (upstream, go) = waiting();
    let gateway = configured("[limits]\nbody = \"30B\"\nbuffered = \"30B\"\n", &upstream);
    let mut first = gateway.connect();
    first.send(format!("{}{EDIT}", head(EDIT.len())).as_bytes());
    upstream.wait_for(1);
    let refused = gateway.patch(INCIDENT, EDIT);
    assert_eq!((refused.status, refused.code().as_str()), (503, "ServiceUnavailable"));
    go.send(()).expect("the upstream waits");
    assert_eq!(first.receive().expect("an answer").status, 200);
    go.send(()).expect("the upstream waits");
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
}

#[test]
fn the_hundred_comes_after_admission_alone() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let expecting = |target: &str| {
        head(EDIT.len()).replace(INCIDENT, target).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut connection = gateway.connect();
    connection.send(expecting(INCIDENT).as_bytes());
    connection.read_until(b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.send(EDIT.as_bytes());
    assert_eq!(connection.receive().expect("an answer").status, 200);
    let mut connection = gateway.connect();
    connection.send(expecting("/v1.0/other").as_bytes());
    let mut first = [0; 12];
    connection.stream().read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 404");
}

#[test]
fn an_early_no_reaches_a_caller_who_goes_on_sending() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    connection.send(head(400_000).as_bytes());
    // It sends all of its body before it looks for an answer; the gateway has said 413 long since.
    connection.send(&vec![b'x'; 400_000]);
    let answer = connection.receive().expect("an answer");
    assert_eq!((answer.status, answer.code().as_str()), (413, "RequestTooLarge"));
    assert_eq!(upstream.arrived().len(), 0);
}

/// On one worker: while 200 requests are on their way and do not come on, whoever sends a whole one is answered. Then they come,
/// and are answered, too.
#[test]
fn slow_callers_slow_nobody() {
    let upstream = Upstream::start();
    let keys = "[timeouts]\nfirst_byte = \"1h\"\nheader = \"1h\"\nbody = \"1h\"\nidle = \"1h\"\n";
    let gateway = on_one_core(|| configured(keys, &upstream));
    let head = head(EDIT.len());
    let whole = format!("{head}{EDIT}");
    // Nothing yet, a part of the head, the head, all but the last byte.
    let parts = [0, 9, head.len(), whole.len() - 1].map(|at| whole.split_at(at));
    let mut slow: Vec<_> = parts.iter().cycle().take(200).map(|part| (gateway.connect(), part)).collect();
    for (connection, (begin, _)) in &mut slow {
        connection.send(begin.as_bytes());
    }
    let mut quick = gateway.connect();
    for number in 1..=200 {
        assert_eq!(quick.patch(INCIDENT, &[], EDIT).status, 200);
        assert_eq!(upstream.arrived().len(), number, "those of the quick caller alone");
    }
    for (connection, (_, rest)) in &mut slow {
        connection.send(rest.as_bytes());
        assert_eq!(connection.receive().expect("an answer").status, 200);
    }
    assert_eq!(upstream.arrived().len(), 400);
}

/// Under load, with 100 connections: each request that was sent whole gets an answer, whenever the end comes.
#[test]
fn nothing_that_was_asked_is_left_without_an_answer_at_the_end() {
    let upstream = Arc::new(Upstream::start());
    let mut gateway = configured("[timeouts]\ndrain_delay = \"300ms\"\n", &upstream);
    let (listen, admin) = (gateway.listen, gateway.admin);
    let (started, wait) = mpsc::channel();
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let started = started.clone();
            std::thread::spawn(move || {
                let mut answers = 0;
                // Each connection is used until the gateway says that it closes it.
                let mut connection = Connection::open(listen);
                loop {
                    let answer = connection.patch(INCIDENT, &[], EDIT);
                    assert_eq!(answer.status, 200);
                    answers += 1;
                    if answers == 1 {
                        started.send(()).expect("the test waits");
                    }
                    if answer.header("connection") == Some("close") {
                        assert!(connection.is_closed());
                        return answers;
                    }
                }
            })
        })
        .collect();
    for _ in 0..100 {
        wait.recv().expect("each caller starts");
    }
    gateway.terminate();
    let answers: usize =
        callers.into_iter().map(|caller| caller.join().expect("no caller was let down")).sum();
    assert_eq!(upstream.arrived().len(), answers);
    let status = gateway.process().wait().expect("it ends");
    assert!(status.success(), "{status}");
    assert!(std::net::TcpStream::connect(admin).is_err());
}

#[test]
fn readiness_fails_at_once_and_an_idle_connection_ends_with_the_delay() {
    let upstream = Upstream::start();
    let gateway = configured("[timeouts]\ndrain_delay = \"500ms\"\n", &upstream);
    let mut idle = gateway.connect();
    assert_eq!(idle.patch(INCIDENT, &[], EDIT).status, 200);
    let mut health = Connection::open(gateway.admin);
    assert_eq!(health.request("GET", "/readyz", &[], None).status, 200);
    gateway.terminate();
    // Still alive, but not ready, from some moment on.
    while health.request("GET", "/readyz", &[], None).status == 200 {}
    assert_eq!(health.request("GET", "/healthz", &[], None).status, 200);
    // New requests are served on, each the last of its connection.
    let answer = gateway.patch(INCIDENT, EDIT);
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(idle.is_closed());
    let (status, _) = gateway.wait();
    assert!(status.success(), "{status}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (upstream, _go) = waiting();
    let mut gateway = configured("[timeouts]\ndrain = \"1h\"\n", &upstream);
    let mut stuck = gateway.connect();
    stuck.send(format!("{}{EDIT}", head(EDIT.len())).as_bytes());
    upstream.wait_for(1);
    gateway.terminate();
    let mut health = Connection::open(gateway.admin);
    while health.request("GET", "/readyz", &[], None).status == 200 {}
    gateway.terminate();
    assert_eq!(gateway.process().wait().expect("it ends").code(), Some(2));
}

#[test]
fn an_exchange_that_outlasts_the_drain_is_cut_off_and_said_so() {
    let (upstream, _go) = waiting();
    let mut gateway = configured("[timeouts]\ndrain = \"200ms\"\n", &upstream);
    let mut stuck = gateway.connect();
    stuck.send(format!("{}{EDIT}", head(EDIT.len())).as_bytes());
    upstream.wait_for(1);
    gateway.terminate();
    assert_eq!(gateway.process().wait().expect("it ends").code(), Some(2));
}
