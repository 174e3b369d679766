//! What the gateway holds in memory, whatever callers and Graph do: judged by what Linux says of the process, beside the bound
//! that the README states, and by who is answered before whom. No clock decides here.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use patchgate_tests::client::{Connection, TOKEN};
use patchgate_tests::gateway::Gateway;
use patchgate_tests::process::{allow_descriptors, descriptors, on_one_core, resident};
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::{Arrived, PLAIN, Upstream};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The bound, as the README states it: for each request whose body or answer is on its way, what is read ahead of it. (Four
/// buffers of 64 KiB: one being filled, one handed on, one queued for the caller, one being written.)
const OF_A_REQUEST: u64 = 4 * 64 * KIB;
/// And for each connection, a head that is being read, and the copy of it that is watched.
const OF_A_HEAD: u64 = (64 + 40) * KIB;
/// What a connection keeps on which nothing happens: its task, its socket, its deadline.
const OF_NOTHING: u64 = 3 * KIB;
/// And with the HTTP library's parser and its two buffers, which are not full, as the first of them have for a second.
const OF_A_PARSER: u64 = 16 * KIB;
/// So many of a worker's.
const PARSERS: u64 = 256;
/// What is not counted: what the allocator keeps for itself (each worker's thread has an arena), stacks that are used for the
/// first time, and what the process sets up with its first requests.
const ELSE: u64 = 8 * MIB;
/// The connections besides those that a test is about.
const OTHERS: u64 = 8;

/// The descriptors that all tests here together use, for they run at once.
const OF_ALL_TESTS: u64 = 3800;

/// On a busy machine everything may take long, and no test here is about that.
const NO_DEADLINES: &str =
    "[timeouts]\nfirst_byte = \"1h\"\nheader = \"1h\"\nbody = \"1h\"\nanswer = \"1h\"\nidle = \"1h\"\n";

/// The part of an answer that is read between two requests of others.
const PART: u64 = 32 * MIB;

/// A gateway that has served something, and what it takes then.
fn warm(limits: &str, upstream: &Upstream) -> (Gateway, u64) {
    allow_descriptors(OF_ALL_TESTS);
    let keys = format!("[limits]\n{limits}\n{NO_DEADLINES}");
    let gateway = Gateway::configured(&keys, &["--upstream", &format!("http://{}", upstream.address)]);
    // Enough connections that each worker has had one.
    for _ in 0..8 * thread::available_parallelism().map_or(1, NonZero::get) {
        assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
        assert_eq!(gateway.get(INCIDENT).status, 200);
    }
    let base = resident(gateway.id()).now;
    (gateway, base)
}

/// Connections of others, on every worker.
fn others(gateway: &Gateway) -> Vec<Connection> {
    (0..OTHERS).map(|_| gateway.connect()).collect()
}

/// Each of the others is served.
fn go_on(others: &mut [Connection]) {
    for connection in others {
        assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200);
    }
}

fn at_most(what: &str, gateway: &Gateway, base: u64, bound: u64) {
    let peak = resident(gateway.id()).peak;
    let grown = peak.saturating_sub(base);
    println!(
        "{what}: {} KiB at rest, {} KiB more at most; the bound is {} KiB",
        base / KIB,
        grown / KIB,
        bound / KIB
    );
    assert!(grown <= bound, "{what}: {grown} bytes more than the {base} at rest, beyond {bound}");
}

fn read_of(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {TOKEN}\r\n\r\n")
}

fn edit_head(length: usize) -> String {
    format!(
        "PATCH {INCIDENT} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// A list that never seems to end; all else is answered plainly. It counts the bytes that it could give away.
fn endless(media_type: &'static str, size: u64) -> (Upstream, Arc<AtomicU64>) {
    let given = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&given);
    let upstream = Upstream::answering(move |request: &Arrived, stream: &mut TcpStream| {
        if !request.target.contains("$skiptoken") {
            return stream.write_all(PLAIN).is_ok();
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {size}\r\n\r\n");
        let mut written = stream.write_all(head.as_bytes());
        let item = br#"{"id":"2972395","status":"active","displayName":"one of very many"},"#;
        let block = item.repeat(1024);
        let mut left = size;
        while left > 0 && written.is_ok() {
            let part = &block[..block.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            written = stream.write_all(part);
            left -= part.len() as u64;
            count.fetch_add(part.len() as u64, Ordering::SeqCst);
        }
        written.is_ok()
    });
    (upstream, given)
}

/// Reads a large answer to its end, and after each part of it lets others have their turn.
fn swallow(media_type: &'static str, size: u64) {
    let (upstream, _) = endless(media_type, size);
    let (gateway, base) = warm("", &upstream);
    let mut others = others(&gateway);
    let mut reader = gateway.connect();
    reader.send(read_of("/v1.0/security/incidents?$skiptoken=large").as_bytes());
    let mut scratch = vec![0; 256 * 1024];
    let (mut came, mut turn) = (0, PART);
    while came < size {
        let count = reader.stream().read(&mut scratch).expect("more of it");
        assert!(count > 0, "closed after {came} of {size} bytes");
        came += count as u64;
        if came >= turn {
            turn += PART;
            go_on(&mut others);
        }
    }
    at_most(&format!("{size} bytes of {media_type}"), &gateway, base, (1 + OTHERS) * OF_A_REQUEST + ELSE);
}

#[test]
fn an_answer_of_a_gigabyte_is_held_by_nobody_and_others_go_on() {
    swallow("text/plain", GIB);
}

/// In JSON links are looked for, byte by byte: that takes a program built for tests some time.
#[test]
fn nor_is_a_list_of_64_megabytes_whose_links_are_looked_for() {
    swallow("application/json", GIB / 16);
}

#[test]
#[ignore = "long: a gigabyte, byte by byte"]
fn nor_is_a_list_of_a_gigabyte_whose_links_are_looked_for() {
    swallow("application/json", GIB);
}

/// A byte comes when the test says so: between any two of them everybody else is served.
#[test]
fn an_answer_that_comes_byte_by_byte_slows_nobody() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::answering(move |request: &Arrived, stream: &mut TcpStream| {
        if !request.target.contains("$skiptoken") {
            return stream.write_all(PLAIN).is_ok();
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut written = stream.write_all(head.as_bytes());
        let wait = wait.lock().expect("one at a time");
        while written.is_ok() && wait.recv().is_ok() {
            written = stream.write_all(b"1\r\n[\r\n");
        }
        false
    });
    let (gateway, base) = warm("", &upstream);
    let mut others = others(&gateway);
    let mut reader = gateway.connect();
    reader.send(read_of("/v1.0/security/incidents?$skiptoken=slow").as_bytes());
    reader.read_until(b"\r\n\r\n");
    let stream = reader.stream().try_clone().expect("a socket");
    for _ in 0..100 {
        go_on(&mut others);
        go.send(()).expect("the upstream waits");
        let mut byte = [0];
        while byte != [b'['] {
            assert_eq!((&stream).read(&mut byte).expect("a byte"), 1);
        }
    }
    at_most("a byte at a time", &gateway, base, (1 + OTHERS) * OF_A_REQUEST + ELSE);
}

/// Callers who ask for much and take nothing: what the gateway reads ahead for them has an end.
#[test]
fn callers_who_take_nothing_cost_what_is_read_ahead_and_others_go_on() {
    // To look for links, byte by byte, takes a program built for tests some time.
    for (media_type, callers) in [("text/plain", 200), ("application/json", 16)] {
        let (upstream, given) = endless(media_type, GIB);
        let (gateway, base) = warm("", &upstream);
        let mut others = others(&gateway);
        let mut slow = Vec::new();
        for _ in 0..callers {
            let mut connection = gateway.connect();
            connection.send(read_of("/v1.0/security/incidents?$skiptoken=large").as_bytes());
            // The first byte only: the answer is on its way.
            let mut first = [0];
            connection.stream().read_exact(&mut first).expect("an answer");
            slow.push(connection);
        }
        // All buffers on the way are full as soon as the upstream cannot give away any more, round after round of others.
        let mut before = 0;
        let mut still = 0;
        while still < 5 {
            for _ in 0..10 {
                go_on(&mut others);
            }
            let now = given.load(Ordering::SeqCst);
            still = if now == before { still + 1 } else { 0 };
            before = now;
        }
        at_most(
            &format!("{callers} slow readers of {media_type}"),
            &gateway,
            base,
            (callers + OTHERS) * OF_A_REQUEST + ELSE,
        );
    }
}

/// Heads that never end, as long as the parser takes them.
#[test]
fn heads_without_an_end_cost_what_is_watched() {
    const CALLERS: u64 = 300;
    let upstream = Upstream::start();
    let (gateway, base) = warm("", &upstream);
    let mut others = others(&gateway);
    let mut slow: Vec<Connection> = (0..CALLERS).map(|_| gateway.connect()).collect();
    let mut head = format!("PATCH {INCIDENT} HTTP/1.1\r\nHost: gateway\r\n");
    for number in 0..30 {
        write!(head, "X-{number}: {}\r\n", "x".repeat(1000)).expect("text");
    }
    for connection in &mut slow {
        connection.send(head.as_bytes());
    }
    go_on(&mut others);
    for connection in &mut slow {
        connection.send(b"\r\n");
        assert_eq!(connection.receive().expect("an answer").status, 431, "it had been read");
    }
    at_most("heads without an end", &gateway, base, CALLERS * OF_A_HEAD + OTHERS * OF_A_REQUEST + ELSE);
}

/// A valid edit that takes nearly as many bytes as a body may, each of which goes upstream.
fn large_edit() -> String {
    let tag = "\\u00e9".repeat(250);
    let tags: Vec<String> = (0..100).map(|number| format!("\"{number:03}{tag}\"")).collect();
    format!("{{\"customTags\":[{}]}}", tags.join(","))
}

/// Edits under way hold their bodies, up to `limits.buffered` in all; who comes then is refused, and the rest go on. Of the
/// four buffers of a request a body is in two at most.
#[test]
fn bodies_that_are_held_stay_below_their_limit() {
    const CALLERS: u64 = 130;
    let body = large_edit();
    let size = body.len() as u64;
    let limit = 16 * MIB;
    assert!(size > 140 * KIB && CALLERS * size > limit, "{size}");
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::answering(move |request: &Arrived, stream: &mut TcpStream| {
        let held = request.body.len() > 1000;
        (!held || wait.lock().expect("one at a time").recv().is_err()) && stream.write_all(PLAIN).is_ok()
    });
    let (gateway, base) = warm(&format!("buffered = \"{limit}B\""), &upstream);
    let mut others = others(&gateway);
    let before = upstream.arrived().len();
    let mut held = Vec::new();
    let mut fit = 0;
    for number in 0..CALLERS {
        let mut connection = gateway.connect();
        connection.send(format!("{}{body}", edit_head(body.len())).as_bytes());
        if (number + 1) * size <= limit {
            fit += 1;
            upstream.wait_for(before + fit);
            held.push(connection);
        } else {
            // For whom there is no room, it is told so at once, whatever becomes of the others.
            let answer = connection.receive().expect("an answer");
            assert_eq!((answer.status, answer.code().as_str()), (503, "ServiceUnavailable"));
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
    go_on(&mut others);
    let others = OTHERS * OF_A_REQUEST + ELSE;
    at_most("held bodies", &gateway, base, limit + CALLERS * (OF_A_REQUEST / 2) + others);
    drop(go);
    for mut connection in held {
        assert_eq!(connection.receive().expect("an answer").status, 200);
    }
}

/// Idle connections, each of which has served an edit, and serves another one later. There is one worker; what is read of
/// memory is the most there ever was, so nothing has to be waited for.
fn idle(count: u64) {
    allow_descriptors(OF_ALL_TESTS.max(count + 500));
    let upstream = Upstream::start();
    // The disk is not what this is about.
    let limits = format!(
        "connections = {0}\nconnections_per_address = {0}\n[audit]\ndurability = \"relaxed\"",
        count + 100
    );
    let (gateway, base) = on_one_core(|| warm(&limits, &upstream));
    let mut others = others(&gateway);
    let mut idle = Vec::new();
    let bound = (count + OTHERS) * OF_NOTHING + PARSERS * OF_A_PARSER + ELSE;
    assert!(bound < count * OF_A_PARSER * 3 / 4, "this shows nothing");
    for number in 0..count {
        let mut connection = gateway.connect();
        assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200, "connection {number}");
        // Some send an empty line behind each body, which is nothing that happens.
        connection.send(b"\r\n");
        idle.push(connection);
        if number % 100 == 0 {
            go_on(&mut others);
        }
    }
    assert!(descriptors(gateway.id()) as u64 >= count, "they are all open");
    at_most(&format!("{count} idle connections"), &gateway, base, bound);
    // Nobody is let down, and their memory is used again.
    for connection in &mut idle {
        assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200);
    }
    at_most(&format!("{count} idle connections, used again"), &gateway, base, bound);
    drop(idle);
    go_on(&mut others);
}

#[test]
fn idle_connections_cost_a_fraction_of_the_bound() {
    idle(2000);
}

#[test]
#[ignore = "long: 10,000 connections"]
fn ten_thousand_idle_connections() {
    idle(10_000);
}
