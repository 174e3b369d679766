//! A name of Graph with several addresses: they are tried in turn. The gateway gets a table of hosts of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::thread;

use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;

/// Where the name leads, and where of that somebody listens.
const ADDRESSES: [u8; 3] = [2, 3, 4];

/// Hands what comes to an address on to the upstream that really answers.
fn relay(last: u8, port: u16, upstream: SocketAddr) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).expect("an address of loopback");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            let graph = std::net::TcpStream::connect(upstream).expect("the upstream");
            let (mut from, mut to) =
                (caller.try_clone().expect("a socket"), graph.try_clone().expect("a socket"));
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            thread::spawn(move || std::io::copy(&mut &graph, &mut &caller));
        }
    });
    port
}

#[test]
#[ignore = "needs root and unshare, to give the gateway a table of hosts of its own"]
fn the_addresses_of_a_name_are_tried_in_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = folder.path().join("hosts");
    let table = ADDRESSES.map(|last| format!("127.0.0.{last} localhost\n")).concat();
    fs::write(&hosts, table).expect("the table");
    // Whichever of them the system names first, two times of three it is one where nobody listens.
    for last in ADDRESSES {
        let upstream = Upstream::start();
        let port = relay(last, 0, upstream.address);
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "sh", "-c", "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"", "sh"]);
        let url = format!("http://localhost:{port}");
        let args = ["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", &url];
        unshare.arg(&hosts);
        let command = gateway::command_through(unshare, &args);
        let gateway = Gateway::started_by(command);
        let answer = gateway.patch(INCIDENT, EDIT);
        assert_eq!(answer.status, 200, "127.0.0.{last}: {}", answer.text());
        assert_eq!(upstream.arrived().len(), 1);
    }
}
