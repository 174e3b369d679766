//! A gateway with a journal, in front of an upstream: what a test of the audit record does with it.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, mpsc};
use std::thread;

use crate::callers::document;
use crate::client::{Connection, Response};
use crate::gateway::Gateway;
use crate::journal::{OnRecord, Sent, gateway_on};
use crate::process::until;
use crate::rows::INCIDENT;
use crate::upstream::{PLAIN, Upstream};

/// A gateway with a journal, and what it forwards to.
#[derive(Debug)]
pub struct Scene {
    /// The gateway.
    pub gateway: Gateway,
    /// What it forwards to.
    pub upstream: Upstream,
}

impl Scene {
    /// Starts one on a directory.
    pub fn on(directory: &Path) -> Self {
        let upstream = Upstream::start();
        let gateway = Gateway::started_by(gateway_on(directory, &upstream));
        Self { gateway, upstream }
    }

    /// Sends the edit of a number.
    pub fn edit(&self, number: u64) -> Response {
        self.gateway.patch(INCIDENT, &document(0, 0, number))
    }

    /// What it says of being ready.
    pub fn ready(&self) -> Response {
        Connection::open(self.gateway.admin).get("/readyz", &[])
    }

    /// Waits until it is ready.
    pub fn wait_until_ready(&self) {
        until("ready again", || self.ready().status == 200);
    }

    /// Edits that upstream saw, sorted.
    pub fn arrived(&self) -> Vec<Sent> {
        let mut arrived: Vec<Sent> = self.upstream.arrived().iter().filter_map(Sent::arrived).collect();
        arrived.sort_unstable();
        arrived
    }

    /// Edits are refused with a sentence that says why, nothing is sent; reads go on; it lives, and says that it is not ready.
    pub fn assert_refuses(&self, why: &str) {
        let before = self.arrived();
        assert_refusal(&self.edit(1000));
        assert_eq!(self.arrived(), before, "a refused edit was sent");
        let read = self.gateway.get(INCIDENT);
        assert_eq!(read.status, 200, "{}", read.text());
        let ready = self.ready();
        assert_eq!(ready.status, 503, "{}", ready.text());
        assert!(ready.text().contains("audit") && ready.text().contains(why), "{}", ready.text());
        assert_eq!(Connection::open(self.gateway.admin).get("/healthz", &[]).status, 200);
    }

    /// Ends in peace: what upstream saw is what is on record, each edit with its outcome.
    pub fn end(self, directory: &Path) -> OnRecord {
        let arrived = self.arrived();
        let (status, output) = self.gateway.stop();
        assert!(status.success(), "{output}");
        let record = OnRecord::read(directory);
        record.assert_closed("at the end");
        assert_eq!(record.sent(), arrived.iter().collect::<Vec<_>>());
        record
    }
}

/// Fails unless an edit was refused for want of a record.
pub fn assert_refusal(answer: &Response) {
    assert_eq!((answer.status, answer.code().as_str()), (503, "ServiceUnavailable"), "{}", answer.text());
    for words in ["cannot write its audit record", "nothing was sent"] {
        assert!(answer.message().contains(words), "'{}' does not say '{words}'", answer.message());
    }
    assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
}

/// An upstream that keeps back its answer to the edit `held` until it is told to go on.
pub fn holding() -> (Upstream, String, mpsc::Sender<()>) {
    let held = document(0, 1, 0);
    let (go, wait) = mpsc::channel();
    let (wait, kept) = (Mutex::new(wait), held.clone());
    let upstream = Upstream::answering(move |request, stream| {
        if request.text() == kept {
            wait.lock().expect("no panic").recv().expect("the test goes on");
        }
        stream.write_all(PLAIN).is_ok()
    });
    (upstream, held, go)
}

/// Sends the edit whose answer is kept back, and returns once upstream has it.
pub fn send_held(scene: &Scene, held: &str) -> thread::JoinHandle<Response> {
    let count = scene.upstream.arrived().len();
    let (address, document) = (scene.gateway.listen, held.to_owned());
    let sender = thread::spawn(move || Connection::open(address).patch(INCIDENT, &[], &document));
    scene.upstream.wait_for(count + 1);
    sender
}
