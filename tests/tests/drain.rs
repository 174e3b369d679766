//! The end, for those who are just asking.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use patchgate_tests::client::Connection;
use patchgate_tests::gateway::Gateway;
use patchgate_tests::process::until;
use patchgate_tests::rows::{EDIT, INCIDENT, Request};
use patchgate_tests::upstream::Upstream;

/// Whoever keeps its connection is told with the last answer that it is the last, also if the end came while it waited.
#[test]
fn an_answer_that_was_waited_for_when_the_end_came_says_that_its_connection_ends() {
    let (upstream, go) = Upstream::waiting();
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    connection.send(&Request::default().bytes());
    upstream.wait_for(1);
    gateway.terminate();
    let listen = gateway.listen;
    until("it accepts nothing any more", || TcpStream::connect(listen).is_err());
    go.send(()).expect("the upstream waits");
    let answer = connection.receive().expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(connection.is_closed());
    let (status, output) = gateway.wait();
    assert!(status.success(), "{output}");
}

/// What has reached the machine has arrived, although the process has not looked yet: on connections that are kept, on one that
/// was accepted and has said nothing yet, and on those that wait to be accepted.
#[test]
fn what_had_arrived_when_the_end_came_is_answered() {
    for round in 0..15 {
        let upstream = Upstream::start();
        let gateway = Gateway::before(upstream.address);
        let mut connections: Vec<Connection> = (0..6).map(|_| gateway.connect()).collect();
        for connection in &mut connections[1..] {
            assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200);
        }
        // It is stopped, asked, told to end, and only then goes on.
        gateway.signal("STOP");
        connections.extend((0..6).map(|_| gateway.connect()));
        for connection in &mut connections {
            connection.send(&Request::default().bytes());
        }
        gateway.terminate();
        gateway.signal("CONT");
        for (number, connection) in connections.iter_mut().enumerate() {
            let answer = connection.receive().unwrap_or_else(|| panic!("round {round}, {number}: no answer"));
            assert_eq!(answer.status, 200, "round {round}, {number}");
        }
        let (status, output) = gateway.wait();
        assert!(status.success(), "{output}");
        assert_eq!(upstream.arrived().len(), 5 + 12);
    }
}

/// What a second signal cuts off is said with its number; where it cuts nothing off, the end was one that was asked for.
#[test]
fn a_second_signal_says_what_it_cut_off() {
    for (requests, code, said) in [
        (0, 0, None),
        (1, 2, Some("a second signal: a request that was under way was cut off")),
        (2, 2, Some("a second signal: 2 requests that were under way were cut off")),
    ] {
        let (upstream, go) = Upstream::waiting();
        let url = format!("http://{}", upstream.address);
        let variables = [("PATCHGATE_TIMEOUTS__DRAIN", "1h"), ("PATCHGATE_TIMEOUTS__DRAIN_DELAY", "30m")];
        let gateway = Gateway::start_with(&["--upstream", &url], &variables);
        // A connection that says nothing is no request.
        let _idle = gateway.connect();
        let mut callers: Vec<Connection> = (0..requests).map(|_| gateway.connect()).collect();
        for caller in &mut callers {
            caller.send(&Request::default().bytes());
        }
        upstream.wait_for(requests);
        gateway.terminate();
        until("draining", || Connection::open(gateway.admin).get("/readyz", &[]).status == 503);
        gateway.terminate();
        let (status, output) = gateway.wait();
        assert_eq!(status.code(), Some(code), "{output}");
        assert!(said.is_none_or(|said| output.contains(said)), "{output}");
        assert_eq!(output.contains("cut off"), said.is_some(), "{output}");
        drop(go);
    }
}

/// A caller who is still sending its request when the time is over has sent none.
#[test]
fn a_head_that_is_not_whole_at_the_end_of_the_drain_is_no_request_that_was_cut_off() {
    let upstream = Upstream::start();
    let url = format!("http://{}", upstream.address);
    let variables = [("PATCHGATE_TIMEOUTS__DRAIN", "200ms"), ("PATCHGATE_TIMEOUTS__HEADER", "1h")];
    let gateway = Gateway::start_with(&["--upstream", &url], &variables);
    let mut connection = gateway.connect();
    // The half comes with a request that is answered: by then it has been read.
    let whole = Request::default().bytes();
    connection.send(&[&whole[..], &whole[..20]].concat());
    assert_eq!(connection.receive().expect("an answer").status, 200);
    let (status, output) = gateway.stop();
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(output.contains("connections were still open after timeouts.drain"), "{output}");
    assert!(connection.is_closed());
}

/// A burst of callers finds a place in the queue, though nobody accepts at the moment: none has to ask again, which takes a
/// second. Whoever waits there when the end comes is answered.
#[test]
fn a_burst_of_callers_waits_to_be_accepted() {
    const BURST: usize = 200;
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    gateway.signal("STOP");
    let connect = |_| TcpStream::connect_timeout(&gateway.listen, Duration::from_secs(5));
    let callers: Result<Vec<TcpStream>, _> = (0..BURST).map(connect).collect();
    let mut connections: Vec<Connection> =
        callers.expect("a place in the queue").into_iter().map(Connection::over).collect();
    for connection in &mut connections {
        connection.send(&Request::default().bytes());
    }
    gateway.terminate();
    gateway.signal("CONT");
    for connection in &mut connections {
        assert_eq!(connection.receive().expect("an answer").status, 200);
    }
    let (status, output) = gateway.wait();
    assert!(status.success(), "{output}");
    assert_eq!(upstream.arrived().len(), BURST);
}

/// Whoever has just connected is about to ask, and is waited for; but not for long.
#[test]
fn a_connection_that_was_just_opened_when_the_end_came_has_a_moment_for_its_request() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let mut fresh = gateway.connect();
    let begun = Instant::now();
    gateway.terminate();
    assert!(fresh.is_closed());
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
    let (status, output) = gateway.wait();
    assert!(status.success(), "{output}");
}
