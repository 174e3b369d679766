//! A process whose descriptors are used up: it says so, it neither ends nor spins, and it recovers.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use patchgate_tests::client::Connection;
use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::process::{allow_descriptors, descriptors, processor_time, until, until_within};
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;

/// What the process may have in these tests.
const DESCRIPTORS: usize = 96;

/// A gateway that may have so few descriptors, and writes its log to a file.
fn with_few(folder: &Path, upstream: &Upstream) -> Gateway {
    let (log, config) = (folder.join("log"), folder.join("patchgate.toml"));
    // Who says nothing is not let go for it.
    fs::write(&config, "[timeouts]\nfirst_byte = \"1h\"\n").expect("the configuration");
    let shell = gateway::logging_to(&log, &format!("ulimit -n {DESCRIPTORS};"));
    let upstream = format!("http://{}", upstream.address);
    let mut command = gateway::command_through(
        shell,
        &["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", &upstream],
    );
    command.arg("--config").arg(config);
    Gateway::started_by(command)
}

fn read(log: &Path) -> String {
    fs::read_to_string(log).expect("the log")
}

#[test]
fn used_up_descriptors_are_told_of_and_survived() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let upstream = Upstream::start();
    let gateway = with_few(folder.path(), &upstream);
    until("it says so at start", || read(&log).contains("fewer descriptors than its limits need"));
    let mut admin = Connection::open(gateway.admin);
    let mut metric = |name: &str| {
        let text = admin.get("/metrics", &[]).text();
        let line =
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.map_or(0.0, |value| value.parse::<f64>().expect("a number"))
    };
    let mut used = gateway.connect();
    assert_eq!(used.patch(INCIDENT, &[], EDIT).status, 200);

    // More callers than there are descriptors: the system takes their connections in, the process cannot.
    let mut callers: Vec<Connection> = (0..DESCRIPTORS + 20).map(|_| gateway.connect()).collect();
    until("it says so", || read(&log).contains("cannot accept connections"));
    assert!(metric("patchgate_accept_errors_total") > 0.0, "and counts it");

    // Who was there before is served on the connection to Graph that is there; while that is not free again, nothing is sent.
    let (begun, took) = (Instant::now(), processor_time(gateway.id()));
    let before = upstream.arrived().len();
    let mut served = 0;
    for _ in 0..20 {
        let answer = used.patch(INCIDENT, &[], EDIT);
        served += usize::from(answer.status == 200);
        assert!(answer.status == 200 || answer.code() == "UpstreamUnreachable", "{}", answer.text());
    }
    assert_eq!(upstream.arrived().len() - before, served);
    assert!(served > 0);
    // While nothing can be accepted, it rests. This is the one thing that only time shows; a busy machine makes it rest more.
    thread::sleep(Duration::from_secs(2));
    let (time, took) = (begun.elapsed(), processor_time(gateway.id()).saturating_sub(took));
    assert!(took < time / 4, "{took:?} of {time:?} on a processor");
    let told = read(&log).matches("cannot accept connections").count();
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let rounds = 2 + usize::try_from(time.as_secs() / 10).expect("few");
    assert!(told <= workers * rounds, "{told} lines of {workers} workers in {time:?}");

    // Who waited is taken in as soon as others go.
    let mut waiting = callers.split_off(DESCRIPTORS);
    drop(callers);
    for connection in &mut waiting {
        assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200);
    }
    drop(waiting);
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    assert_eq!(used.patch(INCIDENT, &[], EDIT).status, 200);
    drop((used, admin));
    let (status, _) = gateway.stop();
    assert!(status.success(), "{status}: {}", read(&log));
}

/// Without a descriptor for a connection to Graph nothing is sent, and the caller is told so.
#[test]
fn an_edit_for_which_there_is_no_descriptor_is_not_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let upstream = Upstream::start();
    let gateway = with_few(folder.path(), &upstream);
    // Nothing has gone to Graph yet, so no connection is kept.
    let mut callers: Vec<Connection> = (0..DESCRIPTORS + 20).map(|_| gateway.connect()).collect();
    until("all descriptors are used", || read(&log).contains("cannot accept connections"));
    let answer = callers[0].patch(INCIDENT, &[], EDIT);
    assert_eq!((answer.status, answer.code().as_str()), (502, "UpstreamUnreachable"), "{}", answer.text());
    assert_eq!(upstream.arrived().len(), 0);
    callers.truncate(1);
    until("it recovers", || callers[0].patch(INCIDENT, &[], EDIT).status == 200);
}

/// A shell gives a process a thousand descriptors until it asks for more, and the gateway does.
#[test]
fn it_takes_the_descriptors_that_the_system_lets_it_have() {
    allow_descriptors(1000);
    let upstream = Upstream::start();
    let binary = gateway::command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -Sn 64; exec \"$0\" \"$@\""]).arg(binary.get_program());
    command.args(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.args(["--upstream", &format!("http://{}", upstream.address)]);
    let gateway = Gateway::started_by(command);
    let mut callers: Vec<Connection> = (0..200).map(|_| gateway.connect()).collect();
    for connection in &mut callers {
        assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200);
    }
    assert!(descriptors(gateway.id()) > 200);
}

/// Who asks for health and metrics takes a bounded number of descriptors, and none for long.
#[test]
fn connections_to_the_admin_listener_are_bounded() {
    allow_descriptors(1000);
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let healthy = |connection: &mut Connection| connection.get("/healthz", &[]).status == 200;
    let mut asking: Vec<Connection> = (0..256).map(|_| Connection::open(gateway.admin)).collect();
    assert!(asking.iter_mut().all(healthy));
    assert!(Connection::open(gateway.admin).is_closed(), "one too many");
    assert!(healthy(&mut asking[0]), "those that were there go on");
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    asking.truncate(1);
    until("a place is free", || {
        let mut connection = Connection::open(gateway.admin);
        let sent = connection.try_send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        sent.is_ok() && connection.receive().is_some()
    });
}

#[test]
#[ignore = "long: more than a minute of waiting"]
fn whoever_takes_no_bytes_from_the_admin_listener_is_let_go() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let before = descriptors(gateway.id());
    let asking = Connection::open(gateway.admin);
    asking.stream().set_nonblocking(true).expect("a socket");
    // As many questions as go in; no answer is read.
    let question = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
    while asking.stream().write(&question).is_ok() {}
    until("it is accepted", || descriptors(gateway.id()) > before);
    let begun = Instant::now();
    until_within(Duration::from_mins(3), "it is let go", || descriptors(gateway.id()) == before);
    assert!(begun.elapsed() >= Duration::from_secs(55), "{:?}", begun.elapsed());
}
