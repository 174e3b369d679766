//! A connection on which nothing comes has no parser until something comes. Nobody outside can tell, but for its memory
//! (`memory.rs`) and the log at its finest: here it is waited for, and then all is as on any other connection.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use patchgate_tests::client::{Connection, TOKEN};
use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::process::until;
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;
use socket2::SockRef;
use tempfile::TempDir;

/// A gateway that says when it parks a connection.
struct Telling {
    gateway: Gateway,
    log: PathBuf,
    _folder: TempDir,
}

impl Telling {
    fn before(upstream: &Upstream, keys: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (log, config) = (folder.path().join("log"), folder.path().join("patchgate.toml"));
        fs::write(&config, keys).expect("the configuration");
        let upstream = format!("http://{}", upstream.address);
        let mut command = gateway::command_through(
            gateway::logging_to(&log, ""),
            &["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", &upstream],
        );
        command.args(["--log", "info,patchgate_proxy::listen::connection=trace", "--config"]).arg(config);
        Self { gateway: Gateway::started_by(command), log, _folder: folder }
    }

    /// How often a connection was parked that had served.
    fn parked(&self) -> usize {
        let log = fs::read_to_string(&self.log).expect("the log");
        log.lines().filter(|line| line.contains("is parked") && !line.contains("\"heads\":0,")).count()
    }

    /// Connections that have served an edit each, and are parked.
    fn connections(&self, count: usize) -> Vec<Connection> {
        let before = self.parked();
        let mut connections: Vec<Connection> = (0..count).map(|_| self.gateway.connect()).collect();
        for connection in &mut connections {
            assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200);
        }
        until("they are parked", || self.parked() == before + count);
        connections
    }

    fn metric(&self, series: &str) -> u64 {
        let text = Connection::open(self.gateway.admin).get("/metrics", &[]).text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().expect("a whole number"))
    }
}

fn edit(more: &str) -> String {
    format!(
        "PATCH {INCIDENT} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{more}\r\n{EDIT}",
        EDIT.len()
    )
}

/// What comes on a connection that is parked, in pieces, what is answered, and whether it closes then.
struct Row {
    name: &'static str,
    pieces: Vec<String>,
    answers: &'static [u16],
    closes: bool,
}

fn rows() -> Vec<Row> {
    let row = |name, pieces: &[&str], answers, closes| Row {
        name,
        pieces: pieces.iter().map(|piece| (*piece).to_owned()).collect(),
        answers,
        closes,
    };
    let whole = edit("");
    let read = format!("GET {INCIDENT} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    let (head, body) = whole.split_at(whole.len() - EDIT.len());
    let chunks = head.replace(&format!("Content-Length: {}", EDIT.len()), "Transfer-Encoding: chunked");
    vec![
        row("an edit", &[&whole], &[200], false),
        row("a read", &[&read], &[200], false),
        row("requests one behind the other", &[&whole.repeat(2), &read, &whole], &[200; 4], false),
        row("a byte of a head, and the rest", &[&whole[..1], &whole[1..]], &[200], false),
        row("half a head, and the rest", &[&head[..40], &head[40..], body], &[200], false),
        row("a body in pieces", &[head, &body[..5], &body[5..]], &[200], false),
        row("chunks", &[&chunks, "5\r\n{\"sta\r\n", "e\r\ntus\":\"active\"}\r\n0\r\n\r\n"], &[200], false),
        row("empty lines", &["\r\n", "\r\n\r\n", &whole], &[200], false),
        row("one request and half of another", &[&(whole.clone() + &head[..40])], &[200], false),
        row("a body that is asked for", &[&edit("Expect: 100-continue\r\n")], &[200], false),
        row("the last one", &[&edit("Connection: close\r\n")], &[200], true),
        row("a bare line feed", &[&whole.replacen("\r\n", "\n", 2)], &[400], true),
        row("no HTTP", &["\u{1}\r\n\r\n"], &[400], true),
        row("another version", &[&whole.replace("HTTP/1.1", "HTTP/3.0")], &[400], true),
        row("what is refused", &[&whole.replace("application/json", "text/plain")], &[415], false),
    ]
}

#[test]
fn what_comes_on_a_parked_connection_is_judged_as_ever() {
    let upstream = Upstream::start();
    let telling = Telling::before(&upstream, "[timeouts]\nheader = \"1h\"\nfirst_byte = \"1h\"\n");
    let rows = rows();
    let mut connections = telling.connections(rows.len());
    let mut others = telling.gateway.connect();
    for (row, connection) in rows.iter().zip(&mut connections) {
        for piece in &row.pieces {
            // Nobody is told when a piece has been read; others are served meanwhile.
            connection.send(piece.as_bytes());
            assert_eq!(others.get(INCIDENT, &[]).status, 200);
        }
        for status in row.answers {
            let answer = connection.receive().unwrap_or_else(|| panic!("{}: closed", row.name));
            assert_eq!(answer.status, *status, "{}: {}", row.name, answer.text());
        }
        if row.closes {
            assert!(connection.is_closed(), "{}", row.name);
        }
    }
    // Those that are kept are parked again, and serve again.
    let half = edit("").split_off(40);
    for (row, connection) in rows.iter().zip(&mut connections).filter(|(row, _)| !row.closes) {
        let rest = if row.name == "one request and half of another" { half.clone() } else { edit("") };
        connection.send(rest.as_bytes());
        assert_eq!(connection.receive().expect("an answer").status, 200, "{}", row.name);
    }
    let kept = rows.iter().filter(|row| !row.closes).count();
    let open = || telling.metric("patchgate_connections_open");
    until("the others are gone", || open() == u64::try_from(kept + 1).expect("few"));
    assert_eq!(telling.metric("patchgate_parser_refusals_total{reason=\"malformed\"}"), 2);
}

/// Some callers send an empty line behind each body. It is no request, and keeps no parser.
#[test]
fn empty_lines_behind_an_answer_keep_no_connection_from_being_parked() {
    let upstream = Upstream::start();
    let telling = Telling::before(&upstream, "[timeouts]\nidle = \"1h\"\n");
    for line in ["\r\n", "\n", "\r\n\r\n"] {
        let before = telling.parked();
        let mut connection = telling.gateway.connect();
        connection.send(format!("{}{line}", edit("")).as_bytes());
        assert_eq!(connection.receive().expect("an answer").status, 200);
        until("it is parked", || telling.parked() == before + 1);
        // What comes then brings a parser, which is not kept, either.
        connection.send(line.as_bytes());
        until("it is parked again", || telling.parked() == before + 2);
        assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200, "{line:?}");
    }
}

/// The end of what a caller sends, or of the caller.
#[test]
fn whoever_leaves_a_parked_connection_frees_its_place() {
    let upstream = Upstream::start();
    let telling = Telling::before(&upstream, "[limits]\nconnections_per_address = 4\n");
    let connections = telling.connections(4);
    assert!(telling.gateway.connect().is_closed(), "one too many");
    for (number, mut connection) in connections.into_iter().enumerate() {
        match number {
            0 => drop(connection),
            1 => {
                SockRef::from(connection.stream()).set_linger(Some(Duration::ZERO)).expect("a socket");
                drop(connection);
            }
            2 => {
                connection.half_close();
                assert!(connection.is_closed());
            }
            _ => {
                connection.send(edit("").as_bytes());
                connection.half_close();
                assert_eq!(connection.receive().expect("an answer").status, 200);
                assert!(connection.is_closed());
            }
        }
        let open = || telling.metric("patchgate_connections_open");
        until("it is gone", || open() == 3 - u64::try_from(number).expect("few"));
    }
    // No deadline and no limit did it, but for the one too many.
    assert_eq!(telling.metric("patchgate_connections_closed_total{reason=\"limit\"}"), 1);
    let text = Connection::open(telling.gateway.admin).get("/metrics", &[]).text();
    assert_eq!(text.lines().filter(|line| line.starts_with("patchgate_connections_closed_total")).count(), 1);
    assert_eq!(telling.connections(4).len(), 4);
}

#[test]
fn the_deadlines_of_parked_connections_pass() {
    let upstream = Upstream::start();
    let idle = Duration::from_secs(8);
    let telling = Telling::before(&upstream, "[timeouts]\nidle = \"8s\"\nfirst_byte = \"1500ms\"\n");
    // One says nothing from the beginning.
    let begun = Instant::now();
    assert!(telling.gateway.connect().is_closed());
    assert!(begun.elapsed() >= Duration::from_millis(1500), "{:?}", begun.elapsed());
    assert_eq!(telling.metric("patchgate_connections_closed_total{reason=\"first_byte\"}"), 1);
    // The other one has served and is parked, and is used again: it has its time from then on.
    let mut connection = telling.connections(1).remove(0);
    let begun = Instant::now();
    assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200);
    assert!(connection.is_closed());
    assert!(begun.elapsed() >= idle, "{:?}", begun.elapsed());
    assert_eq!(telling.parked(), 2);
    assert_eq!(telling.metric("patchgate_connections_closed_total{reason=\"idle\"}"), 1);
    // The socket closes a moment before its connection is counted out.
    until("it is gone", || telling.metric("patchgate_connections_open") == 0);
}

/// What had come before the end is answered; all others end at once.
#[test]
fn the_end_reaches_parked_connections() {
    let upstream = Upstream::start();
    let telling = Telling::before(&upstream, "[timeouts]\nidle = \"1h\"\nfirst_byte = \"1h\"\n");
    let mut connections = telling.connections(8);
    connections.extend((0..2).map(|_| telling.gateway.connect()));
    // It is stopped, asked, told to end, and only then goes on.
    telling.gateway.signal("STOP");
    for connection in connections.iter_mut().step_by(2) {
        connection.send(edit("").as_bytes());
    }
    telling.gateway.terminate();
    telling.gateway.signal("CONT");
    for (number, connection) in connections.iter_mut().enumerate() {
        if number % 2 == 0 {
            let answer = connection.receive().unwrap_or_else(|| panic!("{number}: no answer"));
            assert_eq!(answer.status, 200, "{number}");
            // A worker may have answered before the process heard of its end.
            assert!(matches!(answer.header("connection"), None | Some("close")), "{number}");
        }
        assert!(connection.is_closed(), "{number}");
    }
    let (status, output) = telling.gateway.wait();
    assert!(status.success(), "{output}");
}

#[test]
fn while_the_end_is_announced_parked_connections_serve_once_more() {
    let upstream = Upstream::start();
    let telling = Telling::before(&upstream, "[timeouts]\ndrain = \"1h\"\ndrain_delay = \"30m\"\n");
    let mut connections = telling.connections(2);
    telling.gateway.terminate();
    let admin = telling.gateway.admin;
    until("it is told", || Connection::open(admin).get("/readyz", &[]).status == 503);
    let answer = connections[0].patch(INCIDENT, &[], EDIT);
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(connections[0].is_closed());
    // The other one waits for its request still, and the address is still listened on.
    assert_eq!(connections[1].patch(INCIDENT, &[], EDIT).status, 200);
    assert!(TcpStream::connect(telling.gateway.listen).is_ok());
}
