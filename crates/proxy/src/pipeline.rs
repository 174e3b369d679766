//! THE way of a request, one call for each step:
//!
//! framing → place among those in flight → caller → admit (target, method, headers) → read body → strict JSON, schema →
//! intent recorded → forward → outcome recorded → respond
//!
//! A refusal leaves at the step that finds it. Steps never call steps.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use http::header::{EXPECT, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use jiff::Timestamp;
use patchgate_model::envelope::Stamp;
use patchgate_model::{ClientRequestId, Credential, Refusal, RequestId};
use uuid::{NoContext, Uuid};

use crate::gateway::Worker;
use crate::head::{Head, Target};
use crate::listen::io::Line;
use crate::reply::{Reply, UnderWay};
use crate::ruleset::{Admitted, Ruleset};
use crate::telemetry::events::{self, Answered, Told};
use crate::telemetry::traces::{Entrance, Trace};
use crate::upstream::Answer;
use crate::{audit, body, caller, respond, spare};

/// Where requests come in.
#[derive(Debug)]
pub struct Connection {
    /// Who answers them.
    pub worker: Arc<Worker>,
    /// What the socket and the requests on it know of each other.
    pub line: Arc<Line>,
    /// Both ends' addresses.
    pub entrance: Entrance,
}

/// A request whose head has arrived.
#[derive(Debug)]
pub struct Arrived {
    begun: Instant,
    head: Head,
    incoming: Incoming,
}

impl Arrived {
    /// It arrives now.
    pub fn now(request: Request<Incoming>) -> Self {
        let begun = Instant::now();
        let (parts, incoming) = request.into_parts();
        let head = Head {
            method: parts.method,
            target: Target::of(parts.uri),
            headers: parts.headers,
            received: Timestamp::now(),
        };
        Self { begun, head, incoming }
    }
}

/// Answers one request, whatever it is. To be run where it ends, whoever waits for it ([`Outliving`](crate::outlive::Outliving)):
/// an edit is sent, its answer awaited and told of, even if the caller is gone.
///
/// No `async fn`, which would keep the request a second time for as long as it lasts; and hardly anything is done before its
/// first poll, so that it is made in its place.
pub fn handle(
    connection: Arc<Connection>,
    Arrived { begun, head, incoming }: Arrived,
) -> impl Future<Output = Box<Response<Reply>>> {
    let under_way = UnderWay::begin(connection);
    async move {
        let Connection { worker, line, entrance } = under_way.connection();
        let framed = line.seen().verdict();
        let placed = if under_way.has_place() { Ok(()) } else { Err(Refusal::Overloaded) };
        let rules = worker.rules.load_full();
        let trace = worker.traces.begin(&head);
        let mut told = Told {
            request_id: request_id(head.received),
            credential: Credential::Missing,
            generation: rules.generation(),
            resource: None,
            guard: None,
            edit: None,
            allowed: false,
        };

        let result = match framed.map_err(Refusal::Framing).and(placed) {
            Ok(()) => way(worker, line, &rules, &head, incoming, &trace, &mut told).await,
            Err(refusal) => Err(refusal),
        };

        let (mut response, refusal) = match result {
            Ok(answer) => (respond::answer(*answer, told.request_id), None),
            Err(refusal) => {
                let client_request_id =
                    head.headers.get("client-request-id").map(http::HeaderValue::as_bytes);
                let client_request_id = client_request_id.and_then(ClientRequestId::parse);
                let stamp = Stamp {
                    received: head.received,
                    request_id: told.request_id,
                    client_request_id: client_request_id.as_ref(),
                    generation: told.generation,
                };
                (respond::refusal(&refusal, stamp), Some(refusal))
            }
        };
        if leaves_body(line, &head.headers, &told, refusal.as_ref()) {
            respond::close(response.headers_mut());
        }
        let answered = Answered {
            head: &head,
            told: &told,
            trace: &trace,
            status: response.status(),
            refusal: refusal.as_ref(),
            took: begun.elapsed(),
        };
        if let Some(refusal) = &refusal {
            audit::refuse(&worker.journal, &told, &trace, refusal);
        }
        events::answered(worker.log_requests, &worker.metrics, &answered);
        trace.end(&head, entrance, &told, response.status(), refusal.as_ref());
        spare::keep(head.headers);
        Box::new(response.map(|body| Reply::new(body, under_way)))
    }
}

/// From the head to Graph's answer, or to the refusal.
///
/// What it awaits is made in its place: a future that is returned, and not pinned, is copied twice on its way there.
async fn way<'r>(
    worker: &Worker,
    line: &Line,
    rules: &'r Ruleset,
    head: &'r Head,
    incoming: Incoming,
    trace: &Trace,
    told: &mut Told<'r>,
) -> Result<Box<Answer>, Refusal> {
    let caller = caller::identify(&head.headers);
    told.credential = caller.credential;
    let admitted = rules.admit(head, caller).inspect_err(|_| {
        told.resource = head.target.path().and_then(|path| rules.route_of(path));
    })?;
    match admitted {
        Admitted::Read(read) => {
            told.resource = Some(read.resource().clone());
            told.allowed = true;
            let (here, request_id) = (here(rules, head), told.request_id);
            // What reads need lies apart, so that edits need less. A read ends with its caller; an edit does not.
            Box::pin(async move {
                tokio::select! {
                    answer = worker.upstream.read(&read, &here, request_id, trace) => answer,
                    () = line.reset() => Err(Refusal::CallerGone),
                }
            })
            .await
        }
        Admitted::Edit(admitted) => {
            told.resource = Some(admitted.resource().clone());
            told.guard = Some(admitted.guard());
            let mut kept = worker.load.hold();
            let bytes =
                pin!(body::read(incoming, admitted.body_limit(), worker.body_deadline, &mut kept)).await?;
            let edit = admitted.decide(&bytes)?;
            // From here on the edit's own bytes are held, and not the caller's beside them: that is what was counted.
            drop(bytes);
            told.edit = Some(edit.clone());
            let intent = pin!(audit::record(&worker.journal, edit, told, trace)).await?;
            told.allowed = true;
            let outbound = admitted.outbound(spare::take());
            let forwarded = pin!(worker.upstream.forward(intent, outbound, told.request_id, trace)).await;
            pin!(forwarded.recorded(trace)).await
        }
    }
}

/// Whether the rest of the body is not waited for, or nobody knows where it ended. The connection ends behind such an answer,
/// and the caller has to know.
fn leaves_body(line: &Line, headers: &HeaderMap, told: &Told<'_>, refusal: Option<&Refusal>) -> bool {
    // What was decided on was read to its end, though the watcher may have lost it before.
    let decided = told.edit.is_some() || matches!(refusal, None | Some(Refusal::Violations(_)));
    let seen = line.seen();
    // Of chunks that nobody reads, although all of them have come, the parser passes over one that it had read ahead, but not
    // over several, and not over one that had to be asked for.
    let chunks =
        || headers.contains_key(TRANSFER_ENCODING) && (seen.several_chunks() || headers.contains_key(EXPECT));
    seen.lacks_body() || (!decided && chunks())
}

/// A new id, of the time at which the request was received.
fn request_id(received: Timestamp) -> RequestId {
    // Before 1970 there were no requests.
    let seconds = u64::try_from(received.as_second()).unwrap_or_default();
    let nanoseconds = u32::try_from(received.subsec_nanosecond()).unwrap_or_default();
    RequestId::from_uuid(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds)))
}

/// The base URL under which the caller reached the gateway.
fn here(rules: &Ruleset, head: &Head) -> String {
    let host = || head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    rules.public_url().map_or_else(|| format!("http://{}", host()), str::to_owned)
}
