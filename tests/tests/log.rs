//! A log that nobody reads, and one whose level nobody knows.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use patchgate_tests::client::Connection;
use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;
use serde_json::Value;

/// A process that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Whoever should read standard error has stopped: lines are lost in time, and counted; requests are not.
#[test]
fn a_log_that_nobody_reads_stops_no_request() {
    let upstream = Upstream::start();
    let url = format!("http://{}", upstream.address);
    let mut command =
        gateway::command(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", &url]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Running(command.spawn().expect("it starts"));
    let mut line = String::new();
    BufReader::new(process.0.stdout.as_mut().expect("output")).read_line(&mut line).expect("the ready line");
    let ready: Value = serde_json::from_str(&line).expect("JSON");
    let address = |key: &str| -> SocketAddr {
        let url = ready[key].as_str().expect("a URL");
        url.trim_start_matches("http://").parse().expect("an address")
    };
    let listen = address("listen");

    // Each refusal has a line of some hundred bytes, and the system keeps 64 KiB of them. On all workers.
    let mut callers: Vec<Connection> = (0..8).map(|_| Connection::open(listen)).collect();
    let mut edits = 0;
    for number in 0..600 {
        for caller in &mut callers {
            assert_eq!(caller.get("/none", &[]).status, 404, "{number}");
        }
        if number % 100 == 0 {
            edits += callers.len();
            for caller in &mut callers {
                assert_eq!(caller.patch(INCIDENT, &[], EDIT).status, 200, "{number}");
            }
        }
    }
    assert_eq!(upstream.arrived().len(), edits);
    let metrics = Connection::open(address("admin")).get("/metrics", &[]).text();
    let lost = metrics.lines().find_map(|line| line.strip_prefix("patchgate_log_lost_total "));
    assert!(lost.is_some_and(|lost| lost != "0"), "{metrics}");
    gateway::signal(&process.0, "TERM");
    let status = process.0.wait().expect("it ends");
    assert!(status.success(), "{status}");
    // What came through is whole lines, but for the last one, behind the banner's.
    let mut log = Vec::new();
    process.0.stderr.take().expect("errors").read_to_end(&mut log).expect("the log");
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.split_inclusive('\n').filter(|line| line.starts_with('{')).collect();
    assert!(lines.len() > 100, "{log}");
    for line in lines.iter().filter(|line| line.ends_with('\n')) {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(json["timestamp"].is_string(), "{line}");
    }
}

/// A word that is no level must not silence what calls for somebody, nor must a part that there is not.
#[test]
fn a_level_that_nobody_knows_silences_nothing() {
    const TOLD: &str = "the variable RUST_LOG is not understood, and counts as 'info'";
    for (variable, is_told) in [
        ("inof", true),
        ("patchgate=loud", true),
        ("pathgate=debug", true),
        ("hyper=debug", true),
        ("", false),
        ("3", false),
        ("patchgate=info", false),
    ] {
        let gateway = Gateway::start_with(&[], &[("RUST_LOG", variable)]);
        assert_eq!(gateway.get("/none").status, 404);
        let (_, log) = gateway.stop();
        assert!(log.contains(r#""message":"refused""#), "{variable}: {log}");
        assert_eq!(log.contains(TOLD), is_told, "{variable}: {log}");
    }
}
