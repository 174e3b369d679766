//! Connections to Graph: how many are kept when many were needed at once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use patchgate_tests::client::{Connection, TOKEN};
use patchgate_tests::gateway::Gateway;
use patchgate_tests::process::{allow_descriptors, on_one_core, until};
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::PLAIN;

/// The most that one worker keeps.
const MOST: usize = 256;
/// What is asked at once.
const BURST: usize = MOST + 44;

/// An upstream that counts its open connections, and answers when it has been let go.
struct Counting {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    open: AtomicUsize,
    accepted: AtomicUsize,
    go: (Mutex<bool>, Condvar),
}

impl Counting {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<State>::default();
        let counted = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&counted);
                state.accepted.fetch_add(1, Ordering::SeqCst);
                state.open.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    serve(stream, &state);
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, state }
    }

    fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    fn let_go(&self, answers: bool) {
        *self.state.go.0.lock().expect("no panic") = answers;
        self.state.go.1.notify_all();
    }
}

/// Answers each edit; all that is asked for ends with the same document.
fn serve(mut stream: TcpStream, state: &State) {
    let (mut came, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        came.extend_from_slice(&piece[..count]);
        if came.ends_with(EDIT.as_bytes()) {
            came.clear();
            let closed = state.go.0.lock().expect("no panic");
            drop(state.go.1.wait_while(closed, |go| !*go).expect("no panic"));
            if stream.write_all(PLAIN).is_err() {
                return;
            }
        }
    }
}

#[test]
fn after_a_burst_so_many_connections_to_graph_are_kept_and_no_more() {
    allow_descriptors(2000);
    let graph = Counting::start();
    let keys = "[limits]\nin_flight = 2000\n[timeouts]\nidle = \"1h\"\nanswer = \"1h\"\nconnect = \"1h\"\n";
    let url = format!("http://{}", graph.address);
    let gateway = on_one_core(|| Gateway::configured(keys, &["--upstream", &url]));
    let edit = format!(
        "PATCH {INCIDENT} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{EDIT}",
        EDIT.len()
    );
    let mut callers: Vec<Connection> = (0..BURST).map(|_| gateway.connect()).collect();
    let mut burst = || {
        graph.let_go(false);
        for caller in &mut callers {
            caller.send(edit.as_bytes());
        }
        until("each has a connection of its own", || graph.open() == BURST);
        graph.let_go(true);
        for caller in &mut callers {
            assert_eq!(caller.receive().expect("an answer").status, 200);
        }
        until("as many are kept as may be", || graph.open() == MOST);
    };
    burst();
    assert_eq!(graph.accepted(), BURST);
    // The next one makes use of them.
    burst();
    assert_eq!(graph.accepted(), BURST + (BURST - MOST));
    let text = Connection::open(gateway.admin).get("/metrics", &[]).text();
    assert!(text.contains(&format!("patchgate_upstream_connections_idle {MOST}\n")), "{text}");
}
